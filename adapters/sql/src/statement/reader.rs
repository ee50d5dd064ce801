//! Finds the named parameters in the text of a statement.

use super::{
    Dialect, Flaw, Parameter, Statement,
    scanner::{Piece, Scanner, is_word, is_word_start},
};

/// What a sink's statement may begin with: what changes data, and runs inside the sink's transaction.
const VERBS: [&str; 8] = [
    "insert", "update", "delete", "merge", "replace", "with", "select", "call",
];
/// What a source's query may begin with.
const QUERIES: [&str; 2] = ["select", "with"];

/// Reads a text once, from its beginning to its end.
pub(super) struct Reader<'t> {
    text: &'t str,
    dialect: Dialect,
    /// Up to where the text has gone into `out`.
    copied: usize,
    out: String,
    parameters: Vec<Parameter>,
    places: Vec<usize>,
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
            dialect,
            copied: 0,
            out: String::with_capacity(text.len()),
            parameters: Vec::new(),
            places: Vec::new(),
            quoted: Vec::new(),
            flaws: Vec::new(),
            first: None,
            ended: None,
        }
    }

    /// A statement of a sink.
    pub(super) fn statement(mut self) -> Result<Statement, Vec<Flaw>> {
        self.run();
        self.begins_with(&VERBS, "the statement does not change rows", VERB_HINT);
        self.finish()
    }

    /// A query of a source; it has no parameters, for there is no message yet.
    pub(super) fn query(mut self) -> Result<Statement, Vec<Flaw>> {
        self.run();
        self.begins_with(&QUERIES, "the query does not read rows", QUERY_HINT);
        for offset in std::mem::take(&mut self.parameters) {
            self.flaw(offset.offset, "a query has no parameters", QUERY_HINT);
        }
        self.finish()
    }

    fn run(&mut self) {
        let mut scanner = Scanner::new(self.text, self.dialect);
        loop {
            let start = scanner.at();
            let Some(piece) = scanner.next() else { return };
            match piece {
                Piece::Blank => {}
                Piece::Semicolon => {
                    self.ended.get_or_insert(start);
                }
                _ if self.ended.is_some() => {
                    self.flaw(start, "the text holds several statements", ONE_HINT);
                    return;
                }
                Piece::Parameter => self.parameter(start, scanner.at()),
                Piece::Foreign(what) => self.flaw(start, what, PARAMETERS),
                Piece::Unended(what) => {
                    self.first.get_or_insert(start);
                    self.flaw(start, what, "close it, or double the quote inside it");
                }
                Piece::Text => {
                    self.first.get_or_insert(start);
                    self.note_quoted(start, scanner.at());
                }
            }
        }
    }

    fn begins_with(&mut self, verbs: &[&str], what: &str, hint: &'static str) {
        match self.first {
            None if self.flaws.is_empty() => self.flaw(0, "there is no statement", hint),
            None => {}
            Some(first) => {
                let rest = &self.text[first..];
                let length = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
                if !verbs.contains(&rest[..length].to_ascii_lowercase().as_str()) {
                    self.flaw(first, what, hint);
                }
            }
        }
    }

    fn finish(mut self) -> Result<Statement, Vec<Flaw>> {
        if !self.flaws.is_empty() {
            self.flaws.sort_by_key(|flaw| flaw.offset);
            return Err(self.flaws);
        }
        let end = self.ended.unwrap_or(self.text.len());
        self.out.push_str(&self.text[self.copied..end]);
        Ok(Statement {
            text: self.out.trim().to_owned(),
            parameters: self.parameters,
            places: self.places,
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

    /// A literal may have been meant as a parameter.
    fn note_quoted(&mut self, start: usize, end: usize) {
        let inside = self.text[start..end]
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

    /// A parameter stands here, and becomes a number.
    fn parameter(&mut self, start: usize, end: usize) {
        let json = self.is_json(start, end);
        let path = &self.text[start + 1..end];
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
        self.places.push(number);
        self.out.push_str(&self.text[self.copied..start]);
        self.out.push_str(&self.dialect.placeholder(number + 1));
        self.copied = end;
    }

    /// Whether the parameter that stands here is written as JSON.
    fn is_json(&self, start: usize, end: usize) -> bool {
        let bytes = self.text.as_bytes();
        let is = |text: &[u8], word: &str| text.eq_ignore_ascii_case(word.as_bytes());
        let before = bytes[..start].trim_ascii_end();
        let wrapped = ["json(", "jsonb(", "json_compact("].iter().any(|word| {
            before
                .len()
                .checked_sub(word.len())
                .is_some_and(|at| is(&before[at..], word) && (at == 0 || !is_word(before[at - 1])))
        });
        let after = bytes[end..].trim_ascii_start();
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
const QUERY_HINT: &str = "write one SELECT; which rows of it are new is found by `cursor` and `key`";
const ONE_HINT: &str =
    "keep one; the others belong into flows of their own, or into a function of the database";

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
    fn mariadb_has_comments_literals_and_names_of_its_own() {
        for text in [
            r"SELECT 'it\':no'",
            "SELECT \":no\"",
            r#"SELECT "a\":no""#,
            "SELECT `a:no`",
            "SELECT 1 # :no",
            "SELECT 1 -- :no",
            "SELECT @a := 1",
        ] {
            assert_eq!(read(text, Dialect::MariaDb), (text.to_owned(), vec![]), "{text}");
        }
        assert_eq!(read("SELECT 1--:a", Dialect::MariaDb).1, ["a"]);
        assert!(Statement::read("SELECT ?", Dialect::MariaDb).is_err());
        let text = "UPDATE t SET a = a + :n, l = JSON_COMPACT(:l) WHERE b = :n";
        let statement = Statement::read(text, Dialect::MariaDb).unwrap();
        assert_eq!(
            statement.text,
            "UPDATE t SET a = a + ?, l = JSON_COMPACT(?) WHERE b = ?"
        );
        assert_eq!(statement.places, [0, 1, 0]);
        assert!(statement.parameters[1].json);
        assert_eq!(statement.column(0), "t.a");
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
                    let _ = Statement::read(&text, Dialect::MariaDb);
                }
            }
        }
    }
}
