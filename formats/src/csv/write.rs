//! The writer: records to rows.

use std::{borrow::Cow, collections::HashSet};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use trunkline_sdk::Value;

use crate::Unwritable;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// What stands between fields: an ASCII character.
    pub delimiter: u8,
    /// Whether each field has quotes, and not only those that need them.
    pub quotes_all: bool,
    /// Whether a row ends with `\r\n`, as RFC 4180 has it, and not with `\n`.
    pub crlf: bool,
    /// Whether a text that a spreadsheet would run gets a `'` in front, which is then part of the field.
    pub guards_formulas: bool,
}

/// `,`, quotes where needed, `\r\n`, formulas guarded.
impl Default for Dialect {
    fn default() -> Self {
        Self {
            delimiter: b',',
            quotes_all: false,
            crlf: true,
            guards_formulas: true,
        }
    }
}

/// Writes records as rows under a header. What [`head`](Self::head) gives and the records are a file that
/// [`Rows`](super::Rows) reads.
///
/// A record is read back as it was written, except that all its values are texts, that `null` is an empty one as is
/// a column that it does not have, and that bytes are base64.
#[derive(Debug, Clone)]
pub struct Writer {
    columns: Vec<String>,
    dialect: Dialect,
}

impl Writer {
    /// Writes records of these columns.
    ///
    /// Errors: no columns, a column without a name or with that of another, since no reader could name them.
    pub fn new(columns: Vec<String>, dialect: Dialect) -> Result<Self, Unwritable> {
        let mut names = HashSet::new();
        if columns.is_empty() {
            return Err(Unwritable::new("", "has no columns"));
        }
        for column in &columns {
            if column.is_empty() {
                return Err(Unwritable::new("", "has a column without a name"));
            }
            if !names.insert(column) {
                return Err(Unwritable::new(column, "is the name of two columns"));
            }
        }
        Ok(Self { columns, dialect })
    }

    /// The header.
    pub fn head(&self) -> String {
        let names = self.columns.iter().map(|column| Cow::Borrowed(column.as_str()));
        // A formula among the names is run as one among the values.
        self.row(names.map(|name| (name, true)))
    }

    /// A record as a row, with its end.
    ///
    /// Errors: a list or an object in it, since a row is flat; a name that is no column, since its value would be
    /// lost.
    pub fn record(&self, value: &Value<'_>) -> Result<String, Unwritable> {
        let Value::Object(fields) = value else {
            let what = format!("is {}, but must be an object", value.kind());
            return Err(Unwritable::new("", what));
        };
        let mut texts: Vec<(Cow<'_, str>, bool)> = vec![(Cow::Borrowed(""), false); self.columns.len()];
        for (at, (name, value)) in fields.iter().enumerate() {
            // Mostly they have the order of the columns.
            let column = match self.columns.get(at).is_some_and(|column| column == name) {
                true => Some(at),
                false => self.columns.iter().position(|column| column == name),
            };
            let Some(column) = column else {
                return Err(Unwritable::new(name.as_ref(), "is no column of the file"));
            };
            texts[column] = match value {
                Value::Null => (Cow::Borrowed(""), false),
                Value::Bool(true) => (Cow::Borrowed("true"), false),
                Value::Bool(false) => (Cow::Borrowed("false"), false),
                Value::Number(digits) => (Cow::Borrowed(digits), true),
                Value::Text(text) => (Cow::Borrowed(text), true),
                Value::Bytes(bytes) => (Cow::Owned(STANDARD.encode(bytes)), true),
                Value::List(_) | Value::Object(_) => {
                    let what = format!("is {}, but a row is flat", value.kind());
                    return Err(Unwritable::new(name.as_ref(), what));
                }
            };
        }
        Ok(self.row(texts.into_iter()))
    }

    /// Fields, each with whether it may be a formula.
    fn row<'t>(&self, fields: impl ExactSizeIterator<Item = (Cow<'t, str>, bool)>) -> String {
        let mut row = String::new();
        // Without quotes it would be a blank line, which is no row.
        let is_alone = fields.len() == 1;
        for (index, (text, may_run)) in fields.enumerate() {
            if index > 0 {
                row.push(char::from(self.dialect.delimiter));
            }
            let guard = match self.dialect.guards_formulas && may_run && runs(&text) {
                true => "'",
                false => "",
            };
            let must_quote =
                |byte: u8| byte == self.dialect.delimiter || matches!(byte, b'"' | b'\r' | b'\n');
            // A mark in front is not part of the text to a reader.
            let is_mark = index == 0 && text.starts_with('\u{feff}');
            if self.dialect.quotes_all
                || is_mark
                || is_alone && text.is_empty()
                || text.bytes().any(must_quote)
            {
                row.extend(["\"", guard, &text.replace('"', "\"\""), "\""]);
            } else {
                row.extend([guard, &text]);
            }
        }
        row.push_str(if self.dialect.crlf { "\r\n" } else { "\n" });
        row
    }
}

/// Whether a spreadsheet takes this text for a formula. A number with a sign is none, nor is what has nothing to
/// call or refer to (`+49 30 1234`).
fn runs(text: &str) -> bool {
    let is_harmless = |byte: u8| byte.is_ascii_digit() || b" .,-/".contains(&byte);
    match text.as_bytes() {
        [b'=' | b'@' | b'\t' | b'\r' | b'\n', ..] => true,
        [b'+' | b'-', rest @ ..] => !is_exponential(rest) && !rest.iter().all(|byte| is_harmless(*byte)),
        _ => false,
    }
}

/// `1.5e-7`.
fn is_exponential(text: &[u8]) -> bool {
    let Some(at) = text.iter().position(|byte| matches!(byte, b'e' | b'E')) else {
        return false;
    };
    let (digits, exponent) = (&text[..at], &text[at + 1..]);
    let exponent = match exponent {
        [b'+' | b'-', rest @ ..] => rest,
        rest => rest,
    };
    let is_digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    is_digits(exponent)
        && !digits.is_empty()
        && digits.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn written(dialect: Dialect, record: &str) -> String {
        let columns = ["a", "b"].map(str::to_owned).to_vec();
        let writer = Writer::new(columns, dialect).expect("right columns");
        let value = json::read(record.as_bytes()).expect("it is JSON");
        match writer.record(&value) {
            Ok(row) => writer.head() + &row,
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_record_is_a_row_in_its_dialect() {
        let plain = Dialect::default();
        let all = Dialect {
            delimiter: b';',
            quotes_all: true,
            crlf: false,
            ..plain
        };
        let record = r#"{"b":"x,\"y\"\n","a":10.10}"#;
        assert_eq!(written(plain, record), "a,b\r\n10.10,\"x,\"\"y\"\"\n\"\r\n");
        assert_eq!(written(all, record), "\"a\";\"b\"\n\"10.10\";\"x,\"\"y\"\"\n\"\n");
        assert_eq!(written(plain, r#"{"a":null}"#), "a,b\r\n,\r\n");
        assert_eq!(written(plain, r#"{"a":true,"b":"1;2"}"#), "a,b\r\ntrue,1;2\r\n");
    }

    #[test]
    fn a_text_that_a_spreadsheet_would_run_is_guarded_and_a_number_is_not() {
        for (text, guarded) in [
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("+A1", "'+A1"),
            ("-2+cmd|' /C calc'!A0", "'-2+cmd|' /C calc'!A0"),
            ("\t=1", "'\t=1"),
            ("-5.50", "-5.50"),
            ("+49 30/1234-5", "+49 30/1234-5"),
            ("-1.5e-7", "-1.5e-7"),
            ("-e1", "'-e1"),
            ("a=1", "a=1"),
        ] {
            let record = json::write(&Value::Object(vec![("a".into(), Value::Text(text.into()))]));
            let row = written(Dialect::default(), &record);
            assert_eq!(row, format!("a,b\r\n{guarded},\r\n"));
            let kept = Dialect {
                guards_formulas: false,
                ..Dialect::default()
            };
            assert_eq!(written(kept, &record), format!("a,b\r\n{text},\r\n"));
        }
    }

    #[test]
    fn what_a_row_cannot_hold_is_a_fault_that_names_the_column() {
        for (record, told) in [
            (r#"{"a":[1]}"#, "`a` is a list, but a row is flat"),
            (r#"{"b":{}}"#, "`b` is an object, but a row is flat"),
            (r#"{"c":1}"#, "`c` is no column of the file"),
            ("17", "the record is a number, but must be an object"),
        ] {
            assert_eq!(written(Dialect::default(), record), told);
        }
        for columns in [&[][..], &[""], &["a", "a"]] {
            let columns = columns.iter().map(|name| (*name).to_owned()).collect();
            assert!(Writer::new(columns, Dialect::default()).is_err());
        }
    }
}
