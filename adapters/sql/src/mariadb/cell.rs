//! A value of a row, from what the server says of its column.

use mysql_async::{
    Column, Value as Answer,
    consts::ColumnType::{self, *},
};
use trunkline_formats::json;
use trunkline_sdk::Value;

/// The number of the character set of columns that hold bytes.
const BINARY: u16 = 63;

/// What the values of a column become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Whole numbers.
    Whole,
    /// Numbers that a comparison with a text would round.
    Fraction,
    /// A number, in bits.
    Bits,
    /// A time with a zone, which in this session is UTC.
    Instant,
    /// A time without a zone.
    Civil,
    Date,
    Time,
    Json,
    Bytes,
    Text,
}

impl Form {
    pub(super) fn of(column: &Column) -> Self {
        match column.column_type() {
            MYSQL_TYPE_TINY | MYSQL_TYPE_SHORT | MYSQL_TYPE_INT24 | MYSQL_TYPE_LONG | MYSQL_TYPE_LONGLONG
            | MYSQL_TYPE_YEAR => Form::Whole,
            MYSQL_TYPE_DECIMAL | MYSQL_TYPE_NEWDECIMAL | MYSQL_TYPE_FLOAT | MYSQL_TYPE_DOUBLE => {
                Form::Fraction
            }
            MYSQL_TYPE_BIT => Form::Bits,
            MYSQL_TYPE_TIMESTAMP | MYSQL_TYPE_TIMESTAMP2 => Form::Instant,
            MYSQL_TYPE_DATETIME | MYSQL_TYPE_DATETIME2 => Form::Civil,
            MYSQL_TYPE_DATE | MYSQL_TYPE_NEWDATE => Form::Date,
            MYSQL_TYPE_TIME | MYSQL_TYPE_TIME2 => Form::Time,
            MYSQL_TYPE_JSON => Form::Json,
            of if is_text(of) && column.character_set() == BINARY => Form::Bytes,
            _ => Form::Text,
        }
    }

    /// Whether rows can be ordered by it, and found again.
    pub(super) fn is_order(self) -> bool {
        !matches!(self, Form::Fraction | Form::Bits | Form::Json)
    }

    /// The value, for a mapping. Errors: why it is none.
    pub(super) fn read(self, answer: &Answer) -> Result<Value<'static>, String> {
        let text = |text: String| Ok(Value::Text(text.into()));
        match answer {
            Answer::NULL => Ok(Value::Null),
            Answer::Int(number) => Ok(Value::Number(number.to_string().into())),
            Answer::UInt(number) => Ok(Value::Number(number.to_string().into())),
            // The fewest digits that are this number again, and no other.
            Answer::Float(number) => Ok(Value::Number(format!("{number:?}").into())),
            Answer::Double(number) => Ok(Value::Number(format!("{number:?}").into())),
            Answer::Date(..) => {
                let shown = date(answer, 'T');
                match self {
                    Form::Instant if !shown.starts_with("0000") => text(shown + "Z"),
                    Form::Date => text(shown[..10].to_owned()),
                    _ => text(shown),
                }
            }
            Answer::Time(..) => text(time(answer)),
            Answer::Bytes(bytes) => match self {
                Form::Bytes => Ok(Value::Bytes(bytes.clone().into())),
                Form::Bits => {
                    let number = bytes
                        .iter()
                        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
                    Ok(Value::Number(number.to_string().into()))
                }
                Form::Json => json::read(bytes)
                    .map(Value::into_owned)
                    .map_err(|malformed| malformed.to_string()),
                Form::Fraction => Ok(Value::Number(String::from_utf8_lossy(bytes).into_owned().into())),
                _ => match std::str::from_utf8(bytes) {
                    Ok(valid) => text(valid.to_owned()),
                    Err(_) => Ok(Value::Bytes(bytes.clone().into())),
                },
            },
        }
    }
}

/// A value of a mark, of what the server gave: digits and times as it takes them back.
pub(super) fn mark(answer: &Answer) -> Value<'static> {
    match answer {
        Answer::Date(..) => Value::Text(date(answer, ' ').into()),
        other => Form::Text.read(other).unwrap_or(Value::Null),
    }
}

/// The value of a mark, to be compared with its column.
pub(super) fn bound(mark: &Value<'static>) -> Answer {
    match mark {
        Value::Null => Answer::NULL,
        Value::Number(digits) => match (digits.parse(), digits.parse()) {
            (Ok(integer), _) => Answer::Int(integer),
            (_, Ok(unsigned)) => Answer::UInt(unsigned),
            _ => Answer::Bytes(digits.as_bytes().to_vec()),
        },
        Value::Bytes(bytes) => Answer::Bytes(bytes.to_vec()),
        other => Answer::Bytes(crate::source::shown(other).into_bytes()),
    }
}

fn is_text(of: ColumnType) -> bool {
    matches!(
        of,
        MYSQL_TYPE_VARCHAR
            | MYSQL_TYPE_VAR_STRING
            | MYSQL_TYPE_STRING
            | MYSQL_TYPE_TINY_BLOB
            | MYSQL_TYPE_MEDIUM_BLOB
            | MYSQL_TYPE_LONG_BLOB
            | MYSQL_TYPE_BLOB
            | MYSQL_TYPE_GEOMETRY
    )
}

fn date(answer: &Answer, between: char) -> String {
    let Answer::Date(year, month, day, hour, minute, second, micros) = answer else {
        return String::new();
    };
    let whole = format!("{year:04}-{month:02}-{day:02}{between}{hour:02}:{minute:02}:{second:02}");
    whole + &fraction(*micros)
}

fn time(answer: &Answer) -> String {
    let Answer::Time(is_negative, days, hours, minutes, seconds, micros) = answer else {
        return String::new();
    };
    let sign = if *is_negative { "-" } else { "" };
    let hours = days * 24 + u32::from(*hours);
    format!("{sign}{hours:02}:{minutes:02}:{seconds:02}{}", fraction(*micros))
}

fn fraction(micros: u32) -> String {
    match micros {
        0 => String::new(),
        micros => format!(".{micros:06}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_others_write_them() {
        let at = Answer::Date(2026, 11, 25, 8, 30, 0, 1);
        let text = |text: &str| Ok(Value::Text(text.to_owned().into()));
        assert_eq!(Form::Instant.read(&at), text("2026-11-25T08:30:00.000001Z"));
        assert_eq!(Form::Civil.read(&at), text("2026-11-25T08:30:00.000001"));
        assert_eq!(Form::Date.read(&at), text("2026-11-25"));
        assert_eq!(mark(&at), Value::Text("2026-11-25 08:30:00.000001".into()));
        let never = Answer::Date(0, 0, 0, 0, 0, 0, 0);
        assert_eq!(Form::Instant.read(&never), text("0000-00-00T00:00:00"));
        assert_eq!(
            Form::Time.read(&Answer::Time(true, 1, 2, 3, 4, 0)),
            text("-26:03:04")
        );
        assert_eq!(
            Form::Bits.read(&Answer::Bytes(vec![1, 0])),
            Ok(Value::Number("256".into()))
        );
    }
}
