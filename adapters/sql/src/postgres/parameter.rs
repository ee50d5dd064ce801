//! A value as its parameter's type wants it.
//!
//! Promises: no number passes through a float unless the parameter is one; a value of the wrong kind is refused
//! here, by name, before anything is sent. Values go in PostgreSQL's text format, so that its own input
//! functions read them: `numeric` keeps every digit, and any type has a text format.

use std::{error::Error, fmt};

use bytes::BytesMut;
use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::Offset,
};
use tokio_postgres::types::{Format, IsNull, Kind, ToSql, Type, to_sql_checked};
use trunkline_formats::json;
use trunkline_sdk::Value;

/// A value, ready to be sent.
pub(crate) enum Bound {
    Null,
    Text(String),
    Bytes(Vec<u8>),
}

impl Bound {
    /// Converts a value. Errors: what the type wants, in words.
    pub(super) fn new(wanted: &Type, value: &Value<'_>) -> Result<Self, String> {
        if let Kind::Domain(base) = wanted.kind() {
            return Self::new(base, value);
        }
        let text = match (wanted, value) {
            (_, Value::Null) => return Ok(Bound::Null),
            (&Type::BYTEA, Value::Bytes(bytes)) => return Ok(Bound::Bytes(bytes.to_vec())),
            (&Type::JSON | &Type::JSONB, value) => Some(json::write(value)),
            (&Type::BOOL, Value::Bool(value)) => Some(value.to_string()),
            (&Type::INT2, Value::Number(digits)) => whole(digits, i16::MIN.into(), i16::MAX.into()),
            (&Type::INT4, Value::Number(digits)) => whole(digits, i32::MIN.into(), i32::MAX.into()),
            (&Type::INT8, Value::Number(digits)) => whole(digits, i64::MIN, i64::MAX),
            (&Type::NUMERIC | &Type::FLOAT4 | &Type::FLOAT8, Value::Number(digits)) => {
                Some(digits.to_string())
            }
            // Decimals of the canonical model are texts, for protobuf has no decimal.
            (&Type::NUMERIC, Value::Text(digits)) if is_decimal(digits) => Some(digits.to_string()),
            (&Type::TIMESTAMPTZ, Value::Text(text)) => {
                text.parse::<Timestamp>().ok().map(|time| time.to_string())
            }
            (&Type::TIMESTAMP, Value::Text(text)) => utc(text).map(|time| time.to_string()),
            (&Type::DATE, Value::Text(text)) => date(text).map(|date| date.to_string()),
            (
                &Type::TEXT | &Type::VARCHAR | &Type::BPCHAR | &Type::NAME | &Type::UNKNOWN,
                Value::Number(digits),
            ) => Some(digits.to_string()),
            // Every other type reads what it understands of a text: uuid, enum, inet, interval …
            (wanted, Value::Text(text)) if !is_strict(wanted) => Some(text.to_string()),
            _ => None,
        };
        text.map(Bound::Text).ok_or_else(|| describe(wanted))
    }
}

/// The types whose texts are checked above, and for which no other text will do.
fn is_strict(wanted: &Type) -> bool {
    matches!(
        *wanted,
        Type::BOOL
            | Type::INT2
            | Type::INT4
            | Type::INT8
            | Type::FLOAT4
            | Type::FLOAT8
            | Type::NUMERIC
            | Type::BYTEA
            | Type::TIMESTAMPTZ
            | Type::TIMESTAMP
            | Type::DATE
    )
}

fn describe(wanted: &Type) -> String {
    match *wanted {
        Type::BOOL => "a boolean".to_owned(),
        Type::INT2 | Type::INT4 | Type::INT8 => format!("a whole number that fits `{}`", wanted.name()),
        Type::FLOAT4 | Type::FLOAT8 => format!("a number (`{}`)", wanted.name()),
        Type::NUMERIC => "a number, or a text of decimal digits (`numeric`)".to_owned(),
        Type::BYTEA => "bytes (`bytea`)".to_owned(),
        Type::TIMESTAMPTZ => "a time with its offset, as `2026-11-25T08:30:00Z` (`timestamptz`)".to_owned(),
        Type::TIMESTAMP => "a time, as `2026-11-25T08:30:00Z` (`timestamp`)".to_owned(),
        Type::DATE => "a date, as `2026-11-25` (`date`)".to_owned(),
        _ => format!("a text (`{}`)", wanted.name()),
    }
}

/// The digits of a whole number between these: `7`, `-7`, `7.0`.
fn whole(digits: &str, least: i64, most: i64) -> Option<String> {
    let whole = match digits.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|byte| byte == b'0') => whole,
        Some(_) => return None,
        None => digits,
    };
    let number: i64 = whole.parse().ok()?;
    (least..=most).contains(&number).then(|| number.to_string())
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    are_digits(whole) && are_digits(fraction)
}

/// A time without offset stays as it is; one with an offset becomes UTC.
fn utc(text: &str) -> Option<DateTime> {
    match text.parse::<Timestamp>() {
        Ok(time) => Some(Offset::UTC.to_datetime(time)),
        Err(_) => text.parse().ok(),
    }
}

/// A date as it is, or the UTC date of a time.
fn date(text: &str) -> Option<Date> {
    match text.parse::<Timestamp>() {
        Ok(time) => Some(Offset::UTC.to_datetime(time).date()),
        Err(_) => text.parse().ok(),
    }
}

impl ToSql for Bound {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Bound::Null => return Ok(IsNull::Yes),
            Bound::Text(text) => out.extend_from_slice(text.as_bytes()),
            Bound::Bytes(bytes) => out.extend_from_slice(bytes),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        match self {
            Bound::Null | Bound::Text(_) => Format::Text,
            Bound::Bytes(_) => Format::Binary,
        }
    }

    to_sql_checked!();
}

/// Shows no value.
impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(wanted: &Type, value: Value<'_>) -> Option<String> {
        match Bound::new(wanted, &value) {
            Ok(Bound::Text(text)) => Some(text),
            Ok(_) => panic!("not bound as text"),
            Err(_) => None,
        }
    }

    #[test]
    fn a_number_keeps_its_digits_or_is_refused_but_is_never_rounded() {
        let number = |digits: &'static str| Value::Number(digits.into());
        assert_eq!(
            bind(&Type::NUMERIC, number("10.100000000000000000000001")).unwrap(),
            "10.100000000000000000000001"
        );
        assert_eq!(bind(&Type::INT4, number("7.0")).unwrap(), "7");
        assert_eq!(bind(&Type::INT4, number("7.5")), None);
        assert_eq!(bind(&Type::INT4, number("2147483648")), None);
        assert_eq!(
            bind(&Type::INT8, number("9223372036854775807")).unwrap(),
            "9223372036854775807"
        );
        assert_eq!(bind(&Type::INT8, number("1e3")), None);
        assert_eq!(bind(&Type::TEXT, number("0.10")).unwrap(), "0.10");
    }

    #[test]
    fn a_text_is_a_decimal_or_a_time_only_if_it_is_written_as_one() {
        let text = |text: &'static str| Value::Text(text.into());
        assert_eq!(bind(&Type::NUMERIC, text("10.10")).unwrap(), "10.10");
        for wrong in ["NaN", "1e5", "", ".", "1.", "0x1", "1,5", "Infinity"] {
            assert_eq!(bind(&Type::NUMERIC, text(wrong)), None, "{wrong}");
        }
        assert_eq!(
            bind(&Type::TIMESTAMPTZ, text("2026-11-25T09:30:00+01:00")).unwrap(),
            "2026-11-25T08:30:00Z"
        );
        assert_eq!(
            bind(&Type::TIMESTAMP, text("2026-11-25T23:30:00-05:00")).unwrap(),
            "2026-11-26T04:30:00"
        );
        assert_eq!(
            bind(&Type::TIMESTAMP, text("2026-11-25T23:30:00")).unwrap(),
            "2026-11-25T23:30:00"
        );
        assert_eq!(bind(&Type::DATE, text("2026-11-25")).unwrap(), "2026-11-25");
        for wrong in ["now", "infinity", "yesterday", "25.11.2026", ""] {
            for wanted in [Type::TIMESTAMPTZ, Type::TIMESTAMP, Type::DATE] {
                assert_eq!(bind(&wanted, text(wrong)), None, "{wrong}");
            }
        }
        assert_eq!(bind(&Type::INT4, text("7")), None);
        assert_eq!(bind(&Type::BOOL, text("true")), None);
    }
}
