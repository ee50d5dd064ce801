//! Finds the named parameters in the text of a statement.
//!
//! Promises: what stands in a literal, a quoted name or a comment is no parameter; any text is read or refused.

use super::{Dialect, Flaw, Parameter, Statement};

/// What a sink's statement may begin with: what changes data, and runs inside the sink's transaction.
const VERBS: [&str; 8] = [
    "insert", "update", "delete", "merge", "replace", "with", "select", "call",
];

/// Walks over the text once, byte by byte; every byte that means something to it is ASCII.
pub(super) struct Reader<'t> {
    text: &'t str,
    bytes: &'t [u8],
    dialect: Dialect,
    at: usize,
    /// Up to where the text has gone into `out`.
    copied: usize,
    out: String,
    parameters: Vec<Parameter>,
    quoted: Vec<Parameter>,
    flaws: Vec<Flaw>,
    /// Where the first word of the statement stands.
    first: Option<usize>,
    /// Where the semicolon stands that ended the statement.
    ended: Option<usize>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str, dialect: Dialect) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            dialect,
            at: 0,
            copied: 0,
            out: String::with_capacity(text.len()),
            parameters: Vec::new(),
            quoted: Vec::new(),
            flaws: Vec::new(),
            first: None,
            ended: None,
        }
    }

    pub(super) fn run(&mut self) {
        while let Some(&byte) = self.bytes.get(self.at) {
            let start = self.at;
            match byte {
                _ if byte.is_ascii_whitespace() => self.at += 1,
                b'-' if self.follows("--") => self.skip_line(),
                b'/' if self.follows("/*") => self.skip_comment(),
                b';' => {
                    self.ended.get_or_insert(start);
                    self.at += 1;
                }
                _ if self.ended.is_some() => {
                    self.flaw(start, "the text holds several statements", "a sink runs one statement; write the others into a flow of their own, or into a function of the database");
                    return;
                }
                b'\'' => {
                    self.skip_quoted(b'\'', false);
                    self.note_quoted(start);
                }
                b'"' => self.skip_quoted(b'"', false),
                b'`' if self.dialect == Dialect::Sqlite => self.skip_quoted(b'`', false),
                b'[' if self.dialect == Dialect::Sqlite => self.skip_bracketed(),
                b'e' | b'E'
                    if self.dialect == Dialect::Postgres && self.bytes.get(start + 1) == Some(&b'\'') =>
                {
                    self.at += 1;
                    self.skip_quoted(b'\'', true);
                }
                b'$' => self.dollar(),
                b':' => self.colon(),
                b'?' | b'@' if self.dialect == Dialect::Sqlite => {
                    self.flaw(
                        start,
                        "`?` and `@` parameters have no name that a message knows",
                        PARAMETERS,
                    );
                    self.at += 1;
                }
                _ if is_word_start(byte) => {
                    self.first.get_or_insert(start);
                    self.skip_word();
                }
                _ => {
                    self.first.get_or_insert(start);
                    self.at += 1;
                }
            }
        }
    }

    pub(super) fn finish(mut self) -> Result<Statement, Vec<Flaw>> {
        match self.first {
            None if self.flaws.is_empty() => self.flaw(0, "there is no statement", VERB_HINT),
            Some(first) => {
                let word: String = self.text[first..]
                    .chars()
                    .take_while(char::is_ascii_alphanumeric)
                    .collect();
                if !VERBS.contains(&word.to_ascii_lowercase().as_str()) {
                    self.flaw(first, "the statement does not change rows", VERB_HINT);
                }
            }
            None => {}
        }
        if !self.flaws.is_empty() {
            self.flaws.sort_by_key(|flaw| flaw.offset);
            return Err(self.flaws);
        }
        let end = self.ended.unwrap_or(self.text.len());
        self.out.push_str(&self.text[self.copied..end]);
        Ok(Statement {
            text: self.out.trim().to_owned(),
            parameters: self.parameters,
            quoted: self.quoted,
        })
    }

    fn flaw(&mut self, offset: usize, what: &str, hint: &'static str) {
        self.flaws.push(Flaw {
            offset,
            what: what.to_owned(),
            hint,
        });
    }

    fn follows(&self, word: &str) -> bool {
        self.bytes[self.at..].starts_with(word.as_bytes())
    }

    /// The rest of the text is inside something that never ends.
    fn unended(&mut self, start: usize, what: &str) {
        self.flaw(start, what, "close it, or double the quote inside it");
        self.at = self.bytes.len();
    }

    fn skip_line(&mut self) {
        let rest = &self.bytes[self.at..];
        self.at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    }

    fn skip_comment(&mut self) {
        let start = self.at;
        let mut depth = 0_usize;
        while self.at < self.bytes.len() {
            // Only PostgreSQL's comments nest.
            if self.follows("/*") && (depth == 0 || self.dialect == Dialect::Postgres) {
                depth += 1;
                self.at += 2;
            } else if self.follows("*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return;
                }
            } else {
                self.at += 1;
            }
        }
        self.unended(start, "a comment is not closed");
    }

    /// A doubled quote inside is one quote of the content, and so needs no case of its own: it ends one quoted
    /// piece and begins the next.
    fn skip_quoted(&mut self, quote: u8, escapes: bool) {
        let start = self.at;
        self.first.get_or_insert(start);
        self.at += 1;
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            if byte == quote {
                // Behind E'…'' the escapes go on.
                if escapes && self.bytes.get(self.at) == Some(&quote) {
                    self.at += 1;
                    continue;
                }
                return;
            }
            if escapes && byte == b'\\' {
                self.at += 1;
            }
        }
        self.unended(
            start,
            if quote == b'\'' {
                "a text literal is not closed"
            } else {
                "a quoted name is not closed"
            },
        );
    }

    /// The literal that starts here and ends at `self.at` may have been meant as a parameter.
    fn note_quoted(&mut self, start: usize) {
        let inside = self.text[start..self.at]
            .strip_prefix("':")
            .and_then(|rest| rest.strip_suffix('\''));
        if let Some(path) = inside
            && path
                .split('.')
                .all(|name| name.bytes().next().is_some_and(is_word_start) && name.bytes().all(is_word))
        {
            self.quoted.push(Parameter {
                path: path.to_owned(),
                offset: start,
                json: false,
            });
        }
    }

    fn skip_bracketed(&mut self) {
        let start = self.at;
        match self.bytes[start..].iter().position(|byte| *byte == b']') {
            Some(length) => self.at += length + 1,
            None => self.unended(start, "a quoted name is not closed"),
        }
    }

    fn skip_word(&mut self) {
        // `$` may stand inside a name in PostgreSQL, where it then opens no dollar quote.
        while self
            .bytes
            .get(self.at)
            .is_some_and(|byte| is_word(*byte) || *byte == b'$')
        {
            self.at += 1;
        }
    }

    /// `$$ … $$`, `$tag$ … $tag$`; `$1` belongs to us.
    fn dollar(&mut self) {
        let start = self.at;
        let rest = &self.text[start + 1..];
        let length = rest.bytes().take_while(|byte| is_word(*byte)).count();
        let is_quote = self.dialect == Dialect::Postgres
            && rest.as_bytes().get(length) == Some(&b'$')
            && !rest.as_bytes()[0].is_ascii_digit();
        if is_quote {
            let tag = &self.text[start..start + length + 2];
            let inside = start + tag.len();
            match self.text[inside..].find(tag) {
                Some(found) => self.at = inside + found + tag.len(),
                None => self.unended(start, "a dollar-quoted text is not closed"),
            }
            return;
        }
        if length > 0 {
            self.flaw(
                start,
                "`$` parameters have no name that a message knows",
                PARAMETERS,
            );
        }
        self.at += 1 + length;
    }

    fn colon(&mut self) {
        let start = self.at;
        if self.follows("::") || self.follows(":=") {
            self.at += 2;
            return;
        }
        self.at += 1;
        if !self.bytes.get(self.at).is_some_and(|byte| is_word_start(*byte)) {
            return;
        }
        loop {
            while self.bytes.get(self.at).is_some_and(|byte| is_word(*byte)) {
                self.at += 1;
            }
            let goes_on = self.bytes.get(self.at) == Some(&b'.')
                && self
                    .bytes
                    .get(self.at + 1)
                    .is_some_and(|byte| is_word_start(*byte));
            if !goes_on {
                break;
            }
            self.at += 1;
        }
        let json = self.is_json(start);
        let path = &self.text[start + 1..self.at];
        let number = match self.parameters.iter().position(|known| known.path == path) {
            Some(known) => {
                self.parameters[known].json |= json;
                known
            }
            None => {
                self.parameters.push(Parameter {
                    path: path.to_owned(),
                    offset: start,
                    json,
                });
                self.parameters.len() - 1
            }
        };
        self.out.push_str(&self.text[self.copied..start]);
        self.out.push(match self.dialect {
            Dialect::Sqlite => '?',
            Dialect::Postgres => '$',
        });
        self.out.push_str(&(number + 1).to_string());
        self.copied = self.at;
    }

    /// Whether the parameter that starts here and ends at `self.at` is written as JSON.
    fn is_json(&self, start: usize) -> bool {
        let is = |text: &[u8], word: &str| text.eq_ignore_ascii_case(word.as_bytes());
        let before = self.bytes[..start].trim_ascii_end();
        let wrapped = ["json(", "jsonb("].iter().any(|word| {
            before
                .len()
                .checked_sub(word.len())
                .is_some_and(|at| is(&before[at..], word) && (at == 0 || !is_word(before[at - 1])))
        });
        let after = self.bytes[self.at..].trim_ascii_start();
        let cast = after
            .strip_prefix(b"::")
            .map(<[u8]>::trim_ascii_start)
            .is_some_and(|after| {
                let length = after.iter().take_while(|byte| is_word(**byte)).count();
                is(&after[..length], "json") || is(&after[..length], "jsonb")
            });
        wrapped || cast
    }
}

const PARAMETERS: &str = "write a parameter as `:name`, the name of a field of the message; `:buyer.email` for a field within a field";
const VERB_HINT: &str =
    "write one INSERT, UPDATE, DELETE, MERGE, REPLACE, WITH, SELECT or CALL; its transaction is the sink's";

fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii()
}

fn is_word(byte: u8) -> bool {
    is_word_start(byte) || byte.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, dialect: Dialect) -> (String, Vec<String>) {
        let statement = Statement::read(text, dialect).unwrap_or_else(|flaws| panic!("{text}: {flaws:?}"));
        (
            statement.text,
            statement.parameters.into_iter().map(|each| each.path).collect(),
        )
    }

    #[test]
    fn a_named_parameter_becomes_a_number_and_the_same_name_the_same_number() {
        let text = "UPDATE stock SET on_hand = on_hand - :quantity, last = :quantity WHERE sku = :sku;";
        let (postgres, names) = read(text, Dialect::Postgres);
        assert_eq!(
            postgres,
            "UPDATE stock SET on_hand = on_hand - $1, last = $1 WHERE sku = $2"
        );
        assert_eq!(names, ["quantity", "sku"]);
        let (sqlite, _) = read(text, Dialect::Sqlite);
        assert_eq!(
            sqlite,
            "UPDATE stock SET on_hand = on_hand - ?1, last = ?1 WHERE sku = ?2"
        );
    }

    #[test]
    fn a_field_within_a_field_is_one_parameter() {
        let (text, names) = read(
            "INSERT INTO b VALUES (:buyer.email, :buyer.name.first)",
            Dialect::Postgres,
        );
        assert_eq!(text, "INSERT INTO b VALUES ($1, $2)");
        assert_eq!(names, ["buyer.email", "buyer.name.first"]);
    }

    #[test]
    fn what_only_looks_like_a_parameter_is_none() {
        for text in [
            "SELECT ':no'",
            "SELECT 'it''s :no'",
            "SELECT \":no\"",
            "SELECT \"a\"\":no\"",
            "SELECT 1 -- :no",
            "SELECT 1 -- :no; again",
            "SELECT /* :no */ 1",
            "SELECT a::text",
            "SELECT 10 :: text",
            "SELECT a[1:2]",
            "SELECT 'ä:no'",
        ] {
            assert_eq!(read(text, Dialect::Postgres), (text.to_owned(), vec![]), "{text}");
        }
        for text in [
            r"SELECT E'it\':no'",
            "SELECT e'a'':no'",
            "SELECT $$ :no; $$",
            "SELECT $x$ $$ :no $x$",
            "SELECT /* a /* b */ :no */ 1",
            "SELECT doc @> '{}', doc ? 'x', a$b$ FROM t",
        ] {
            assert_eq!(read(text, Dialect::Postgres), (text.to_owned(), vec![]), "{text}");
        }
        for text in ["SELECT [a:no]", "SELECT `a:no`"] {
            assert_eq!(read(text, Dialect::Sqlite), (text.to_owned(), vec![]), "{text}");
        }
    }

    #[test]
    fn a_parameter_beside_a_literal_a_cast_or_a_comment_is_found() {
        assert_eq!(
            read("SELECT 'a'||:b||'c'", Dialect::Postgres).0,
            "SELECT 'a'||$1||'c'"
        );
        assert_eq!(read("SELECT :a::text", Dialect::Postgres).0, "SELECT $1::text");
        assert_eq!(
            read("SELECT /* x */:a/* y */", Dialect::Sqlite).0,
            "SELECT /* x */?1/* y */"
        );
        assert_eq!(read("SELECT type':a', :b", Dialect::Postgres).1, ["b"]);
        assert_eq!(read("SELECT E'\\\\', :b", Dialect::Postgres).1, ["b"]);
    }

    #[test]
    fn a_parameter_that_is_meant_as_json_is_known() {
        for (text, expected) in [
            ("SELECT :a::jsonb", true),
            ("SELECT :a :: JSON", true),
            ("SELECT json( :a )", true),
            ("SELECT :a::jsonbx", false),
            ("SELECT to_json(:a)", false),
            ("SELECT :a", false),
        ] {
            let statement = Statement::read(text, Dialect::Postgres).unwrap();
            assert_eq!(statement.parameters[0].json, expected, "{text}");
        }
    }

    #[test]
    fn several_statements_in_one_text_are_refused_where_the_second_starts() {
        let text = "DELETE FROM a; DELETE FROM b";
        let flaws = Statement::read(text, Dialect::Postgres).unwrap_err();
        assert_eq!(flaws.len(), 1);
        assert_eq!(flaws[0].offset, 15);
        assert!(Statement::read("DELETE FROM a ; -- done\n /* really */ ;", Dialect::Sqlite).is_ok());
    }

    #[test]
    fn what_would_end_the_sinks_transaction_or_changes_no_rows_is_refused() {
        for text in [
            "COMMIT",
            "begin",
            "ROLLBACK",
            "DROP TABLE a",
            "PRAGMA x",
            "SET x = 1",
            "",
            " -- nothing",
            "; ",
            "(SELECT 1)",
        ] {
            assert!(Statement::read(text, Dialect::Postgres).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_not_closed_and_foreign_parameters_are_refused() {
        for text in [
            "SELECT 'a",
            "SELECT \"a",
            "SELECT /* a",
            "SELECT $$ a",
            "SELECT E'a\\'",
            "SELECT $1",
        ] {
            assert!(Statement::read(text, Dialect::Postgres).is_err(), "{text}");
        }
        for text in [
            "SELECT [a",
            "SELECT `a",
            "SELECT ?",
            "SELECT ?1",
            "SELECT @a",
            "SELECT $a",
        ] {
            assert!(Statement::read(text, Dialect::Sqlite).is_err(), "{text}");
        }
        let flaws = Statement::read("SELECT ?, @a, 'x", Dialect::Sqlite).unwrap_err();
        assert_eq!(
            flaws.iter().map(|flaw| flaw.offset).collect::<Vec<_>>(),
            [7, 10, 14]
        );
    }

    #[test]
    fn no_text_makes_the_reader_panic() {
        // given pieces that mean something, in all orders of three
        let pieces = [
            "'", "\"", "$", "$$", "$t$", ":", "::", ":ä", "/*", "*/", "--", "\n", ";", "E'", "\\", "[", "?",
            "SELECT ", "ß", ".",
        ];
        for a in pieces {
            for b in pieces {
                for c in pieces {
                    let text = format!("{a}{b}{c}");
                    // then it is read or refused
                    let _ = Statement::read(&text, Dialect::Postgres);
                    let _ = Statement::read(&text, Dialect::Sqlite);
                }
            }
        }
    }
}
