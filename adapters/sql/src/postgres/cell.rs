//! A value of a row, from what PostgreSQL says of its column.
//!
//! Promises: no number passes through a float; every digit, every microsecond and every offset is kept. Values come
//! as PostgreSQL's output functions write them, so that every type has a form: the text that its input would take.

use std::error::Error;

use tokio_postgres::types::{FromSql, Kind, Type};
use trunkline_formats::json;
use trunkline_sdk::Value;

/// How the values of a column come, and what they become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Bool,
    Bytes,
    Number,
    /// A time with offset; the session's zone is UTC.
    Instant,
    /// A time without offset.
    Civil,
    Json,
    /// Arrays and rows, which PostgreSQL writes as JSON.
    Tree,
    Text,
}

impl Form {
    pub(super) fn of(column: &Type) -> Self {
        match column.kind() {
            Kind::Domain(base) => return Self::of(base),
            Kind::Array(_) | Kind::Composite(_) => return Form::Tree,
            _ => {}
        }
        match *column {
            Type::BOOL => Form::Bool,
            Type::BYTEA => Form::Bytes,
            Type::INT2
            | Type::INT4
            | Type::INT8
            | Type::OID
            | Type::FLOAT4
            | Type::FLOAT8
            | Type::NUMERIC => Form::Number,
            Type::TIMESTAMPTZ => Form::Instant,
            Type::TIMESTAMP => Form::Civil,
            Type::JSON | Type::JSONB => Form::Json,
            _ => Form::Text,
        }
    }

    /// How a column of this form is asked for.
    pub(super) fn select(self, column: &str, name: &str) -> String {
        match self {
            Form::Bool | Form::Bytes => column.to_owned(),
            Form::Tree => format!("to_json({column})::text AS {name}"),
            _ => format!("{column}::text AS {name}"),
        }
    }

    /// Whether rows can be ordered by it, and found again.
    pub(super) fn is_order(self) -> bool {
        !matches!(self, Form::Json | Form::Tree)
    }

    /// The value, for a mapping. Errors: why it is none.
    pub(super) fn read(self, cell: Option<&Cell<'_>>) -> Result<Value<'static>, String> {
        let Some(Cell(bytes)) = cell else {
            return Ok(Value::Null);
        };
        let text = || String::from_utf8_lossy(bytes).into_owned();
        Ok(match self {
            Form::Bool => Value::Bool(*bytes == [1]),
            Form::Bytes => Value::Bytes(bytes.to_vec().into()),
            Form::Number => number(text()),
            Form::Instant => Value::Text(instant(text()).into()),
            Form::Civil => Value::Text(civil(text()).into()),
            Form::Text => Value::Text(text().into()),
            Form::Json | Form::Tree => match json::read(bytes) {
                Ok(tree) => tree.into_owned(),
                Err(malformed) => return Err(malformed.to_string()),
            },
        })
    }

    /// The value as PostgreSQL takes it back, for a comparison.
    pub(super) fn mark(self, cell: Option<&Cell<'_>>) -> Value<'static> {
        match (self, cell) {
            (_, None) => Value::Null,
            (Form::Bytes, Some(Cell(bytes))) => Value::Bytes(bytes.to_vec().into()),
            (Form::Bool, Some(Cell(bytes))) => Value::Text((*bytes == [1]).to_string().into()),
            (_, Some(Cell(bytes))) => Value::Text(String::from_utf8_lossy(bytes).into_owned().into()),
        }
    }
}

/// `NaN` and `Infinity` are no numbers to anybody else.
fn number(digits: String) -> Value<'static> {
    if digits.ends_with(|last: char| last.is_ascii_digit()) {
        Value::Number(digits.into())
    } else {
        Value::Text(digits.into())
    }
}

/// `2026-11-25 08:30:00.5+00` as RFC 3339 writes it; `infinity`, and what lies before Christ, as it is.
fn instant(text: String) -> String {
    match text.strip_suffix("+00") {
        Some(time) => format!("{}Z", time.replacen(' ', "T", 1)),
        None => text,
    }
}

fn civil(text: String) -> String {
    if text.ends_with("BC") {
        return text;
    }
    text.replacen(' ', "T", 1)
}

/// The bytes of a value of any type.
pub(super) struct Cell<'a>(pub(super) &'a [u8]);

impl<'a> FromSql<'a> for Cell<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_becomes_what_a_mapping_can_read_and_keeps_its_digits() {
        let text = |text: &str| Value::Text(text.to_owned().into());
        for (form, raw, expected) in [
            (
                Form::Number,
                "12345678901234567890.10",
                Value::Number("12345678901234567890.10".into()),
            ),
            (Form::Number, "-Infinity", text("-Infinity")),
            (Form::Number, "NaN", text("NaN")),
            (
                Form::Instant,
                "2026-11-25 08:30:00.000001+00",
                text("2026-11-25T08:30:00.000001Z"),
            ),
            (Form::Instant, "infinity", text("infinity")),
            (
                Form::Instant,
                "0044-03-15 00:00:00+00 BC",
                text("0044-03-15 00:00:00+00 BC"),
            ),
            (Form::Civil, "2026-11-25 08:30:00", text("2026-11-25T08:30:00")),
            (Form::Bool, "\u{1}", Value::Bool(true)),
            (
                Form::Json,
                "[1.10]",
                Value::List(vec![Value::Number("1.10".into())]),
            ),
        ] {
            assert_eq!(form.read(Some(&Cell(raw.as_bytes()))), Ok(expected), "{raw}");
        }
        assert_eq!(Form::Json.read(None), Ok(Value::Null));
        assert!(Form::Json.read(Some(&Cell(b"{\"a\":1,\"a\":2}"))).is_err());
    }
}
