//! Where reading goes on: a place in one file, which is known by its name and its content.

use bytes::Bytes;
use trunkline_formats::{Mark, json};
use trunkline_sdk::{Fault, Position, Value};

/// A place behind a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: String,
    pub(crate) hash: String,
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) mark: Mark,
}

impl Place {
    /// Reads a stored position.
    ///
    /// Faults: `Stop` when it is not one that this adapter wrote.
    pub(crate) fn read(position: &Position) -> Result<Self, Fault> {
        let place = json::read(&position.0).ok().and_then(|tree| {
            Some(Self {
                file: text(&tree, "file")?.to_owned(),
                hash: text(&tree, "hash")?.to_owned(),
                size: number(&tree, "size")?,
                mark: Mark {
                    records: number(&tree, "records")?,
                    lines: number(&tree, "lines")?,
                    column: number(&tree, "column").unwrap_or_default(),
                    offset: number(&tree, "offset")?,
                },
            })
        });
        place.ok_or_else(|| {
            Fault::stop("the stored position is not one in a file")
                .hint("the flow read from another kind of system before; reset its position")
        })
    }

    /// As it is stored.
    pub(crate) fn position(&self) -> Position {
        let number = |number: u64| Value::Number(number.to_string().into());
        let tree = Value::Object(vec![
            ("file".into(), Value::Text(self.file.as_str().into())),
            ("hash".into(), Value::Text(self.hash.as_str().into())),
            ("size".into(), number(self.size)),
            ("records".into(), number(self.mark.records)),
            ("lines".into(), number(self.mark.lines)),
            ("column".into(), number(self.mark.column)),
            ("offset".into(), number(self.mark.offset)),
        ]);
        Position(Bytes::from(json::write(&tree)))
    }

    /// Whether all of the file was read.
    pub(crate) fn is_end(&self) -> bool {
        self.mark.offset >= self.size
    }
}

fn text<'a>(tree: &'a Value<'_>, name: &str) -> Option<&'a str> {
    match tree.get(name) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

fn number(tree: &Value<'_>, name: &str) -> Option<u64> {
    match tree.get(name) {
        Some(Value::Number(digits)) => digits.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use trunkline_sdk::Remedy;

    use super::*;

    #[test]
    fn a_position_is_read_as_it_was_stored_and_a_foreign_one_stops_the_flow() {
        let place = Place {
            file: "ord\"ers é.csv".to_owned(),
            hash: "ab12".to_owned(),
            size: u64::MAX,
            mark: Mark {
                records: 17,
                lines: 19,
                column: 2,
                offset: 1 << 40,
            },
        };
        assert_eq!(Place::read(&place.position()).ok(), Some(place));
        for foreign in ["", "17", "{\"file\":1}", "{\"lsn\":\"0/16B3748\"}"] {
            let fault = Place::read(&Position(foreign.into())).expect_err("it is foreign");
            assert_eq!(fault.remedy, Remedy::Stop, "{foreign}");
        }
    }
}
