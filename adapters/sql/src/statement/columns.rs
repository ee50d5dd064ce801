//! Which column a parameter goes into or is compared with, as far as the text of a statement says so by itself.
//!
//! Promises: what is told stands in the statement. Not promised: that all is told: a parameter within a subquery, a
//! function or a computed table has no column here. Only those who look at a landscape ask, nothing runs by it.

/// Per parameter, by its number from 1, its columns as `table.column`. `places`: the parameters, from 0, where the text
/// does not number them.
pub(crate) fn columns(text: &str, places: &[usize]) -> Vec<(usize, String)> {
    let tokens = tokens(text, places);
    let Some(table) = table(&tokens) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut tell = |tokens: &[Token<'_>], column: &str| {
        for token in tokens {
            if let Token::Parameter(number) = token {
                found.push((*number, format!("{table}.{column}")));
            }
        }
    };
    let place = |word: &str| tokens.iter().position(|token| token.is(word));
    if let (Some(into), Some(values)) = (place("into"), place("values")) {
        let names = list(&tokens[into..values]);
        for (name, value) in names.iter().zip(list(&tokens[values..])) {
            if let [.., Token::Word(name)] = name {
                tell(value, name);
            }
        }
    }
    if let Some(set) = place("set") {
        let end = tokens[set..]
            .iter()
            .position(|token| ENDS.iter().any(|word| token.is(word)));
        let assignments = &tokens[set + 1..end.map_or(tokens.len(), |end| set + end)];
        for assignment in split(assignments) {
            if let [Token::Word(column), Token::Sign(b'='), value @ ..] = assignment {
                tell(value, column);
            }
        }
    }
    let after = place("where").map_or(tokens.len(), |at| at + 1);
    for triple in tokens[after..].windows(3) {
        match triple {
            [
                Token::Word(column),
                Token::Sign(b'='),
                parameter @ Token::Parameter(_),
            ]
            | [
                parameter @ Token::Parameter(_),
                Token::Sign(b'='),
                Token::Word(column),
            ] => {
                tell(std::slice::from_ref(parameter), column);
            }
            _ => {}
        }
    }
    found
}

/// The words behind which no assignment stands.
const ENDS: [&str; 4] = ["where", "from", "returning", "on"];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Token<'t> {
    Word(&'t str),
    Parameter(usize),
    Sign(u8),
}

impl Token<'_> {
    fn is(&self, word: &str) -> bool {
        matches!(self, Token::Word(found) if found.eq_ignore_ascii_case(word))
    }
}

/// The table that the statement changes.
fn table<'t>(tokens: &[Token<'t>]) -> Option<String> {
    let before = match tokens.first() {
        Some(first) if first.is("update") => 0,
        Some(first) if first.is("insert") || first.is("replace") => {
            tokens.iter().position(|token| token.is("into"))?
        }
        Some(first) if first.is("delete") => tokens.iter().position(|token| token.is("from"))?,
        _ => return None,
    };
    let mut name = String::new();
    for token in &tokens[before + 1..] {
        match token {
            Token::Word(word) if name.is_empty() || name.ends_with('.') => name.push_str(word),
            Token::Sign(b'.') => name.push('.'),
            _ => break,
        }
    }
    (!name.is_empty()).then_some(name)
}

/// What stands between the first bracket and its end, at its commas.
fn list<'s, 't>(tokens: &'s [Token<'t>]) -> Vec<&'s [Token<'t>]> {
    let Some(open) = tokens.iter().position(|token| *token == Token::Sign(b'(')) else {
        return Vec::new();
    };
    let mut depth = 0_usize;
    let close = tokens[open..].iter().position(|token| {
        match token {
            Token::Sign(b'(') => depth += 1,
            Token::Sign(b')') => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    });
    split(&tokens[open + 1..close.map_or(tokens.len(), |close| open + close)])
}

/// At the commas that stand in no bracket.
fn split<'s, 't>(tokens: &'s [Token<'t>]) -> Vec<&'s [Token<'t>]> {
    let mut depth = 0_usize;
    tokens
        .split(|token| {
            match token {
                Token::Sign(b'(') => depth += 1,
                Token::Sign(b')') => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && *token == Token::Sign(b',')
        })
        .collect()
}

/// The tokens of a statement whose parameters are numbered (`?1`, `$1`) or counted (`?`), without literals and comments.
fn tokens<'t>(text: &'t str, places: &[usize]) -> Vec<Token<'t>> {
    let mut places = places.iter();
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    let until = |at: usize, end: &str| {
        text[at..]
            .find(end)
            .map_or(text.len(), |found| at + found + end.len())
    };
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        match byte {
            b'\'' => at = until(at + 1, "'"),
            b'-' if text[at..].starts_with("--") => at = until(at, "\n"),
            b'/' if text[at..].starts_with("/*") => at = until(at, "*/"),
            b'"' | b'`' => {
                at = until(at + 1, if byte == b'"' { "\"" } else { "`" });
                tokens.push(Token::Word(text[start..at].trim_matches(['"', '`'])));
            }
            b'?' | b'$' => {
                at += 1 + bytes[at + 1..]
                    .iter()
                    .take_while(|byte| byte.is_ascii_digit())
                    .count();
                let place = places.next().map(|number| number + 1);
                let number = text[start + 1..at].parse().ok().or(place);
                tokens.extend(number.map(Token::Parameter));
            }
            _ if byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80 => {
                let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80;
                at += bytes[at..].iter().take_while(|byte| is_word(byte)).count();
                tokens.push(Token::Word(&text[start..at]));
            }
            _ => {
                at += 1;
                if !byte.is_ascii_whitespace() {
                    tokens.push(Token::Sign(byte));
                }
            }
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        columns(text, &[])
            .into_iter()
            .map(|(number, column)| format!("{number} {column}"))
            .collect()
    }

    #[test]
    fn a_parameter_goes_into_the_column_it_is_set_to() {
        assert_eq!(
            told("INSERT INTO picks (order_id, route, country) VALUES (?1, 'domestic, (eu)', upper(?2))"),
            ["1 picks.order_id", "2 picks.country"]
        );
        assert_eq!(
            told(
                "UPDATE stock SET on_hand = on_hand - $1, seen = now() -- a, b\nWHERE sku = $2 AND $3 = place"
            ),
            ["1 stock.on_hand", "2 stock.sku", "3 stock.place"]
        );
        assert_eq!(
            told(
                "insert into crm.\"People\" (id, mail) values ($1, $2) on conflict (id) do update set mail = $2"
            ),
            ["1 crm.People.id", "2 crm.People.mail", "2 crm.People.mail"]
        );
        assert_eq!(
            told("DELETE FROM picks WHERE order_id = ?1"),
            ["1 picks.order_id"]
        );
    }

    #[test]
    fn parameters_without_numbers_are_counted() {
        let text = "INSERT INTO `picks` (id, country) VALUES (?, ?) ON DUPLICATE KEY UPDATE country = ?";
        let told = columns(text, &[1, 0, 0]);
        assert_eq!(told[0], (2, "picks.id".to_owned()));
        assert_eq!(told[1], (1, "picks.country".to_owned()));
    }

    #[test]
    fn what_says_nothing_by_itself_tells_nothing_and_is_no_panic() {
        for text in [
            "select f($1)",
            "",
            "insert into",
            "insert into t values",
            "update é set",
            "insert into t (a",
            "update t set (a, b) = ($1, $2)",
            "'",
            "/*",
            "update t set a = '",
        ] {
            assert_eq!(told(text), Vec::<String>::new(), "{text}");
        }
    }
}
