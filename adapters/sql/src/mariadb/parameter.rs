//! A value as it is bound. The server does not tell what a parameter is to be, so each kind of value has one form.

use std::str::FromStr;

use jiff::{Timestamp, tz::Offset};
use mysql_async::Value as Bound;
use trunkline_formats::json;
use trunkline_sdk::Value;

use crate::statement::Parameter;

/// Converts a value. Errors: what the database wants, in words.
pub(super) fn bind(parameter: &Parameter, value: &Value<'static>) -> Result<Bound, String> {
    if parameter.json {
        return Ok(Bound::Bytes(json::write(value).into_bytes()));
    }
    Ok(match value {
        Value::Null => Bound::NULL,
        Value::Bool(value) => Bound::Int(i64::from(*value)),
        // Other digits stay as they are: the column says what becomes of them.
        Value::Number(digits) => match (digits.parse(), digits.parse()) {
            (Ok(integer), _) => Bound::Int(integer),
            (_, Ok(unsigned)) => Bound::UInt(unsigned),
            _ => Bound::Bytes(digits.as_bytes().to_vec()),
        },
        // Its columns of times take no offset.
        Value::Text(text) => Bound::Bytes(utc(text).unwrap_or_else(|| text.to_string()).into_bytes()),
        Value::Bytes(bytes) => Bound::Bytes(bytes.to_vec()),
        Value::List(_) | Value::Object(_) => {
            return Err("a single value, or `JSON_COMPACT(:name)`".to_owned());
        }
    })
}

/// `2026-11-25T09:30:00+01:00` as `2026-11-25 08:30:00`; `None`: it is no time with an offset.
fn utc(text: &str) -> Option<String> {
    // Most texts are no times, and that is seen by a few bytes.
    let bytes = text.as_bytes();
    if bytes.len() < 20 || bytes[4] != b'-' || bytes[10] != b'T' {
        return None;
    }
    let time = Timestamp::from_str(text).ok()?;
    let civil = Offset::UTC.to_datetime(time).to_string();
    Some(civil.replacen('T', " ", 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_keeps_its_digits_and_a_time_becomes_utc() {
        let parameter = Parameter {
            path: "a".to_owned(),
            offset: 0,
            json: false,
        };
        let text = |text: &str| Value::Text(text.to_owned().into());
        let number = |text: &str| Value::Number(text.to_owned().into());
        for (value, expected) in [
            (number("-7"), Bound::Int(-7)),
            (number("18446744073709551615"), Bound::UInt(u64::MAX)),
            (number("10.10"), Bound::Bytes(b"10.10".to_vec())),
            (
                text("2026-11-25T09:30:00.5+01:00"),
                Bound::Bytes(b"2026-11-25 08:30:00.5".to_vec()),
            ),
            (
                text("2026-11-25T09:30:00"),
                Bound::Bytes(b"2026-11-25T09:30:00".to_vec()),
            ),
            (text("it's"), Bound::Bytes(b"it's".to_vec())),
            (Value::Bool(true), Bound::Int(1)),
        ] {
            assert_eq!(bind(&parameter, &value), Ok(expected));
        }
        assert!(bind(&parameter, &Value::List(vec![])).is_err());
    }
}
