//! Maps as they are made: no key comes twice.

use std::{collections::HashSet, sync::Arc};

use trunkline_sdk::Value;

use super::{
    failure::{Budget, Failure},
    functions::Number,
    parts::size_of,
    value::Val,
};

/// The entries of a map so far.
#[derive(Debug, Default)]
pub(super) struct Entries<'a> {
    entries: Vec<(Val<'a>, Val<'a>)>,
    /// Its keys, once there are many.
    known: HashSet<Key>,
}

/// A key by what it equals: numbers by their value, whatever their kind.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Key {
    Bool(bool),
    Number(i128),
    Text(Box<str>),
}

impl<'a> Entries<'a> {
    pub(super) fn insert(&mut self, key: Val<'a>, value: Val<'a>) -> Result<(), Box<Failure>> {
        let known = match &key {
            Val::Bool(flag) => Key::Bool(*flag),
            Val::Text(text) => Key::Text(text.as_str().into()),
            Val::Double(_) => return Err(no_key(&key)),
            other => match Number::of(other).and_then(Number::as_integer) {
                Some(number) => Key::Number(number),
                None => return Err(no_key(other)),
            },
        };
        if !self.known.insert(known) {
            return Err(Failure::new("a key comes twice in one map"));
        }
        self.entries.push((key, value));
        Ok(())
    }

    pub(super) fn into_map(self) -> Val<'a> {
        Val::Map(Arc::new(self.entries))
    }
}

fn no_key(value: &Val<'_>) -> Box<Failure> {
    Failure::new(format!("{} cannot be the key of a map", value.kind())).hint("string, int, uint or bool")
}

/// Whether a value is the empty one of its kind, as `optional.ofNonZeroValue` asks.
pub(super) fn is_zero(value: &Val<'_>, budget: &mut Budget) -> Result<bool, Box<Failure>> {
    Ok(match value {
        Val::Null | Val::Absent => true,
        Val::Bool(flag) => !flag,
        Val::Text(text) => text.as_str().is_empty(),
        Val::Bytes(bytes) => bytes.as_slice().is_empty(),
        Val::Message(bytes, _) => bytes.as_slice().is_empty(),
        Val::Timestamp(instant) => instant.seconds == 0 && instant.nanos == 0,
        Val::Duration(span) => span.total() == 0,
        Val::Type(_) => false,
        Val::Record(Value::List(_) | Value::Object(_))
        | Val::Repeated(..)
        | Val::Entries(..)
        | Val::List(_)
        | Val::Items(_)
        | Val::Map(_) => size_of(value, budget)? == 0,
        number => Number::of(number).is_some_and(Number::is_zero),
    })
}
