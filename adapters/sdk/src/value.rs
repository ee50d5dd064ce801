//! The tree of a native record: what JSON, CSV, XML and SQL rows have in common.

use std::borrow::Cow;

/// A native value. Numbers keep the digits they were written with: `10.10` stays `10.10`, and an id of 20
/// digits stays itself; who needs a number converts it, and says how precise.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// Known to be nothing: JSON `null`, SQL `NULL`.
    Null,
    /// True or false.
    Bool(bool),
    /// A decimal number as written, in JSON's grammar (RFC 8259 section 6).
    Number(Cow<'a, str>),
    /// Text.
    Text(Cow<'a, str>),
    /// Bytes that are no text: a `bytea`, a `BLOB`.
    Bytes(Cow<'a, [u8]>),
    /// Values in order.
    List(Vec<Value<'a>>),
    /// Names with values, in the order in which they came; no name twice.
    Object(Vec<(Cow<'a, str>, Value<'a>)>),
}

impl<'a> Value<'a> {
    /// The value under this name, if this is an object that has it.
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        match self {
            Value::Object(fields) => fields
                .iter()
                .find(|(field, _)| field == name)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// The kind of value in a word, for errors: they name the kind, never the value.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::Bytes(_) => "bytes",
            Value::List(_) => "a list",
            Value::Object(_) => "an object",
        }
    }

    /// The same value, owning all it holds.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Value::Null => Value::Null,
            Value::Bool(value) => Value::Bool(value),
            Value::Number(text) => Value::Number(Cow::Owned(text.into_owned())),
            Value::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Value::Bytes(bytes) => Value::Bytes(Cow::Owned(bytes.into_owned())),
            Value::List(items) => Value::List(items.into_iter().map(Value::into_owned).collect()),
            Value::Object(fields) => Value::Object(
                fields
                    .into_iter()
                    .map(|(name, value)| (Cow::Owned(name.into_owned()), value.into_owned()))
                    .collect(),
            ),
        }
    }
}
