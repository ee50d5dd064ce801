//! One field: what its columns hold.

use std::borrow::Cow;

use trunkline_sdk::Value;

use crate::Unwritable;

/// A field of a layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name in the record.
    pub name: String,
    /// Its first column, from 1.
    pub start: usize,
    /// How many columns it has.
    pub length: usize,
    /// What it holds.
    pub kind: Kind,
    /// On which side of its columns it stands.
    pub align: Align,
    /// What fills the others.
    pub pad: char,
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A number, with a sign before or behind it or none. With `decimals`, so many of its last digits stand behind a
    /// point that is not written; without, the point is.
    Number {
        /// From 0; at most 18.
        decimals: Option<u8>,
    },
}

/// On which side of its columns a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Padded behind.
    Left,
    /// Padded in front.
    Right,
}

impl Field {
    /// The last column.
    pub(super) fn end(&self) -> usize {
        self.start.saturating_add(self.length) - 1
    }

    /// What these columns hold, or what was expected there.
    pub(super) fn read<'a>(&self, columns: &'a str) -> Result<Value<'a>, &'static str> {
        match self.kind {
            Kind::Text => {
                if columns.contains(['\n', '\r']) {
                    return Err("has the end of a line in it");
                }
                let text = match self.align {
                    Align::Left => columns.trim_end_matches(self.pad),
                    Align::Right => columns.trim_start_matches(self.pad),
                };
                Ok(Value::Text(Cow::Borrowed(text)))
            }
            Kind::Number { decimals } => {
                let columns = match self.align {
                    Align::Left if self.pad != '0' => columns.trim_end_matches(self.pad),
                    Align::Right if self.pad != '0' => columns.trim_start_matches(self.pad),
                    _ => columns,
                };
                match columns.trim_matches(' ') {
                    "" => Ok(Value::Null),
                    text => number(text, decimals).map(Value::Number),
                }
            }
        }
    }

    /// The text of a value, padded to the field's columns.
    pub(super) fn write(
        &self,
        value: &Value<'_>,
        measure: impl Fn(&str) -> usize,
    ) -> Result<String, Unwritable> {
        let wrong = |what: String| Unwritable::new(&self.name, what);
        let text: Cow<'_, str> = match (value, self.kind) {
            // A number that is not there is blank, whatever pads those that are.
            (Value::Null, Kind::Number { .. }) => return Ok(" ".repeat(self.length)),
            (Value::Null, Kind::Text) => "".into(),
            (Value::Number(text) | Value::Text(text), Kind::Number { decimals }) => {
                shifted(text, decimals).map_err(wrong)?.into()
            }
            (Value::Text(text) | Value::Number(text), Kind::Text) => text.as_ref().into(),
            (Value::Bool(value), Kind::Text) => if *value { "true" } else { "false" }.into(),
            _ => return Err(wrong(format!("is {}, for which it has no place", value.kind()))),
        };
        if text.contains(['\n', '\r']) {
            return Err(wrong("has the end of a line in it".to_owned()));
        }
        let length = measure(&text);
        let Some(room) = self.length.checked_sub(length) else {
            return Err(wrong(format!("needs {length} columns, but has {}", self.length)));
        };
        // A pad of several bytes may not fill what is left.
        let pad = measure(self.pad.encode_utf8(&mut [0; 4]));
        let padding = self.pad.to_string().repeat(room / pad) + &" ".repeat(room % pad);
        Ok(match (self.align, text.strip_prefix('-')) {
            // Zeros stand behind the sign.
            (Align::Right, Some(digits)) if self.pad == '0' && self.kind != Kind::Text => {
                format!("-{padding}{digits}")
            }
            (Align::Right, _) => padding + &text,
            (Align::Left, _) => text.into_owned() + &padding,
        })
    }
}

/// A number in JSON's grammar, with the digits as they stand here.
fn number(text: &str, decimals: Option<u8>) -> Result<Cow<'_, str>, &'static str> {
    const EXPECTED: &str = "is no number: expected digits, with a sign before or behind them or none";
    let (is_negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        [.., b'-'] => (true, &text[..text.len() - 1]),
        [.., b'+'] => (false, &text[..text.len() - 1]),
        _ => (false, text),
    };
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, part) = match (digits.split_once('.'), decimals.map(usize::from)) {
        (None, None | Some(0)) if is_digits(digits) => (digits, ""),
        (Some((whole, part)), None) if is_digits(whole) && is_digits(part) => (whole, part),
        (Some(_), Some(_)) => return Err("has a point, but its decimals are implied"),
        (None, Some(decimals)) if is_digits(digits) => digits.split_at(digits.len().saturating_sub(decimals)),
        _ => return Err(EXPECTED),
    };
    let whole = whole.trim_start_matches('0');
    let width = decimals.map_or(part.len(), usize::from);
    if !is_negative && !whole.is_empty() && width == 0 {
        return Ok(Cow::Borrowed(whole));
    }
    let sign = if is_negative { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { whole };
    Ok(Cow::Owned(match width {
        0 => format!("{sign}{whole}"),
        _ => format!("{sign}{whole}.{part:0>width$}"),
    }))
}

/// A number as a field has it: its point left out where the decimals are implied.
fn shifted(text: &str, decimals: Option<u8>) -> Result<String, String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(part) {
        return Err("is no number of plain digits".to_owned());
    }
    let Some(decimals) = decimals.map(usize::from) else {
        return Ok(text.to_owned());
    };
    let kept = part.len().min(decimals);
    let (kept, beyond) = part.split_at(kept);
    if beyond.bytes().any(|digit| digit != b'0') {
        return Err(format!("has more than {decimals} decimals"));
    }
    let all = format!("{whole}{kept:0<decimals$}");
    let digits = all.trim_start_matches('0');
    Ok(format!("{sign}{}", if digits.is_empty() { "0" } else { digits }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_keeps_its_digits_and_gets_its_point() {
        for (text, decimals, number_) in [
            ("0001250", Some(2), "12.50"),
            ("5", Some(2), "0.05"),
            ("0", Some(2), "0.00"),
            ("125-", Some(2), "-1.25"),
            ("-00125", Some(0), "-125"),
            ("+7", None, "7"),
            ("0012.50", None, "12.50"),
            ("000", None, "0"),
            (
                "123456789012345678901234567890",
                None,
                "123456789012345678901234567890",
            ),
        ] {
            assert_eq!(number(text, decimals).as_deref(), Ok(number_), "{text}");
        }
        for (text, decimals) in [
            ("1.5", Some(2)),
            ("1e5", None),
            ("-", None),
            ("--1", None),
            ("1.", None),
            ("12A", Some(1)),
        ] {
            assert!(number(text, decimals).is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_is_written_with_its_decimals_and_never_rounded() {
        for (text, decimals, written) in [
            ("12.5", Some(2), "1250"),
            ("12.500", Some(2), "1250"),
            ("-0.05", Some(2), "-5"),
            ("7", Some(3), "7000"),
            ("0", Some(2), "0"),
            ("12.50", None, "12.50"),
        ] {
            assert_eq!(shifted(text, decimals).as_deref(), Ok(written), "{text}");
        }
        for text in ["12.505", "1e5", "x", "", "-", "1."] {
            assert!(shifted(text, Some(2)).is_err(), "{text}");
        }
    }
}
