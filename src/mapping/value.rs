//! What an expression evaluates to. Borrows from the input and from the plan wherever it can: reading a field of
//! a message or of a record copies nothing.

use std::{ops::Range, sync::Arc};

use trunkline_sdk::Value;

use super::{field::Field, kind::Kind};
use crate::canonical::time::{Instant, Span};

/// A value; `'a` is the life of the input and of the plan.
#[derive(Debug, Clone)]
pub(crate) enum Val<'a> {
    Null,
    /// An optional that holds nothing. An optional that holds a value is that value.
    Absent,
    Bool(bool),
    /// Enums too.
    Int(i64),
    Uint(u64),
    Double(f64),
    /// A number of a record, or reckoned from one, with its digits.
    Number(Text<'a>),
    Text(Text<'a>),
    Bytes(Blob<'a>),
    Timestamp(Instant),
    Duration(Span),
    /// An encoded message, with its type where it does not show before it runs.
    Message(Blob<'a>, Option<&'a Kind>),
    /// What `type(..)` gives: the name of a type.
    Type(Text<'a>),
    /// A list or an object of a record.
    Record(&'a Value<'a>),
    /// A repeated field of an encoded message.
    Repeated(Blob<'a>, &'a Field),
    /// A map field of an encoded message.
    Entries(Blob<'a>, &'a Field),
    List(Arc<Vec<Val<'a>>>),
    /// A list that stands in the expression.
    Items(&'a [Val<'a>]),
    Map(Arc<Vec<(Val<'a>, Val<'a>)>>),
}

/// A text, borrowed or shared.
#[derive(Debug, Clone)]
pub(crate) enum Text<'a> {
    Borrowed(&'a str),
    Shared(Arc<str>),
}

/// Bytes, borrowed or shared.
#[derive(Debug, Clone)]
pub(crate) enum Blob<'a> {
    Borrowed(&'a [u8]),
    Shared(Arc<[u8]>),
}

impl<'a> Val<'a> {
    /// A value of a record.
    #[inline]
    pub(crate) fn record(value: &'a Value<'a>) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(digits) => Self::Number(Text::Borrowed(digits)),
            Value::Text(text) => Self::Text(Text::Borrowed(text)),
            Value::Bytes(bytes) => Self::Bytes(Blob::Borrowed(bytes)),
            Value::List(_) | Value::Object(_) => Self::Record(value),
        }
    }

    pub(crate) fn text(text: String) -> Self {
        Self::Text(Text::Shared(text.into()))
    }

    pub(crate) fn number(digits: String) -> Self {
        Self::Number(Text::Shared(digits.into()))
    }

    pub(crate) fn list(items: Vec<Val<'a>>) -> Self {
        Self::List(Arc::new(items))
    }

    /// The kind in a few words; never the value itself, for it may be personal.
    pub(crate) fn kind(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Absent => "nothing".to_owned(),
            Self::Bool(_) => "a boolean".to_owned(),
            Self::Int(number) if *number < 0 => "a negative number".to_owned(),
            Self::Int(_) | Self::Uint(_) => "a whole number".to_owned(),
            Self::Double(_) => "a number with a fraction".to_owned(),
            Self::Number(digits) if digits.as_str().starts_with('-') => "a negative number".to_owned(),
            Self::Number(digits) if digits.as_str().bytes().all(|byte| byte.is_ascii_digit()) => {
                format!("a whole number of {} digits", digits.as_str().len())
            }
            Self::Number(_) => "a number with a fraction or exponent".to_owned(),
            Self::Text(text) => match text.as_str().chars().count() {
                0 => "an empty text".to_owned(),
                1 => "a text of 1 character".to_owned(),
                length => format!("a text of {length} characters"),
            },
            Self::Bytes(_) => "bytes".to_owned(),
            Self::Timestamp(_) => "a timestamp".to_owned(),
            Self::Duration(_) => "a duration".to_owned(),
            Self::Message(..) => "a message".to_owned(),
            Self::Type(_) => "a type".to_owned(),
            Self::Record(value) => value.kind().to_owned(),
            Self::Repeated(..) | Self::List(_) | Self::Items(_) => "a list".to_owned(),
            Self::Entries(..) | Self::Map(_) => "a map".to_owned(),
        }
    }
}

impl<'a> Text<'a> {
    #[inline]
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Shared(text) => text,
        }
    }

    /// A part of it, borrowed where the whole is.
    pub(crate) fn part(&self, range: Range<usize>) -> Text<'a> {
        match self {
            Self::Borrowed(text) => Self::Borrowed(&text[range]),
            Self::Shared(text) => Self::Shared(text[range].into()),
        }
    }
}

impl<'a> Blob<'a> {
    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }

    /// A part of it, borrowed where the whole is.
    #[inline]
    pub(crate) fn part(&self, part: &[u8]) -> Blob<'a> {
        match self {
            Self::Borrowed(whole) => {
                let start = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
                Self::Borrowed(whole.get(start..start.wrapping_add(part.len())).unwrap_or(&[]))
            }
            Self::Shared(_) => Self::Shared(part.into()),
        }
    }
}
