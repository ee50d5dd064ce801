//! The user's SQL statement, read far enough to find its named parameters.
//!
//! Promises: one statement only; a value never becomes part of the text.
//! Not promised: that the statement is right, which only the database knows.

mod columns;
mod reader;
mod scanner;

use trunkline_sdk::Value;

/// Whose grammar of literals, quoted names and comments holds, and how a parameter is written on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
    MariaDb,
}

impl Dialect {
    /// A parameter, by its number from 1. MariaDB's have none: they are counted as they stand in the text.
    pub(crate) fn placeholder(self, number: usize) -> String {
        match self {
            Dialect::Sqlite => format!("?{number}"),
            Dialect::Postgres => format!("${number}"),
            Dialect::MariaDb => "?".to_owned(),
        }
    }

    /// A name from the settings, quoted.
    pub(crate) fn quote(self, name: &str) -> String {
        match self {
            Dialect::Sqlite | Dialect::Postgres => format!("\"{}\"", name.replace('"', "\"\"")),
            Dialect::MariaDb => format!("`{}`", name.replace('`', "``")),
        }
    }
}

/// One statement with its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    /// The text with numbered parameters, as the database wants it.
    pub(crate) text: String,
    /// The parameters in the order of their numbers, each once however often it is used.
    pub(crate) parameters: Vec<Parameter>,
    /// Which of the parameters stands at each place of the text, counted from 0.
    pub(crate) places: Vec<usize>,
    /// Text literals that are written as a parameter and are none: `':sku'`. They start at the quote.
    pub(crate) quoted: Vec<Parameter>,
}

/// A named parameter: `:quantity`, `:buyer.email`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameter {
    /// The path without its colon.
    pub(crate) path: String,
    /// Where its colon first stands, in bytes from the start of the text.
    pub(crate) offset: usize,
    /// Whether it is to be bound as JSON: `:lines::jsonb`, `json(:lines)`.
    pub(crate) json: bool,
}

/// What is wrong with a statement, and where in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// In bytes from the start of the text.
    pub(crate) offset: usize,
    pub(crate) what: String,
    pub(crate) hint: &'static str,
}

impl Statement {
    /// Reads a statement; all flaws at once.
    pub(crate) fn read(text: &str, dialect: Dialect) -> Result<Self, Vec<Flaw>> {
        reader::Reader::new(text, dialect).statement()
    }

    /// Reads the query of a source; all flaws at once.
    pub(crate) fn query(text: &str, dialect: Dialect) -> Result<Self, Vec<Flaw>> {
        reader::Reader::new(text, dialect).query()
    }

    /// What a parameter, by its place in `parameters`, is to the database: `stock.sku`, or as it is written.
    pub(crate) fn column(&self, at: usize) -> String {
        let found = columns::columns(&self.text, &self.places)
            .into_iter()
            .find(|(number, _)| *number == at + 1);
        found.map_or_else(|| format!(":{}", self.parameters[at].path), |(_, column)| column)
    }
}

impl Parameter {
    /// Finds its value in a record. A field of what is null is null.
    /// Errors: the part of the path that is missing, or no object; as a sentence without values.
    pub(crate) fn find<'v>(&self, record: &'v Value<'static>) -> Result<&'v Value<'static>, String> {
        let mut value = record;
        for (at, name) in self
            .path
            .match_indices('.')
            .map(|(at, _)| at)
            .chain([self.path.len()])
            .zip(self.path.split('.'))
        {
            value = match value {
                Value::Null => return Ok(value),
                Value::Object(_) => match value.get(name) {
                    Some(value) => value,
                    None => {
                        return Err(format!(
                            "parameter `:{}` has no value: the message has no field `{}`",
                            self.path,
                            &self.path[..at]
                        ));
                    }
                },
                other => {
                    let parent = self.path[..at]
                        .strip_suffix(name)
                        .unwrap_or_default()
                        .trim_end_matches('.');
                    let parent = if parent.is_empty() {
                        "the message".to_owned()
                    } else {
                        format!("`{parent}`")
                    };
                    return Err(format!(
                        "parameter `:{}` has no value: {parent} is {}, not an object",
                        self.path,
                        other.kind()
                    ));
                }
            };
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_finds_its_value_or_says_what_is_missing() {
        // given
        let record = Value::Object(vec![
            ("sku".into(), Value::Text("A-1".into())),
            (
                "buyer".into(),
                Value::Object(vec![("email".into(), Value::Text("x".into()))]),
            ),
            ("ship_to".into(), Value::Null),
        ]);
        let find = |path: &str| {
            Parameter {
                path: path.to_owned(),
                offset: 0,
                json: false,
            }
            .find(&record)
            .cloned()
        };
        // then
        assert_eq!(find("buyer.email"), Ok(Value::Text("x".into())));
        assert_eq!(find("ship_to.street.name"), Ok(Value::Null));
        assert!(find("buyer.name").unwrap_err().contains("no field `buyer.name`"));
        assert!(find("skuu").unwrap_err().contains("no field `skuu`"));
        assert!(find("sku.size").unwrap_err().contains("`sku` is a text"));
    }
}
