//! An encoded canonical message as a native tree: what a sink binds its parameters from, and what a person is shown.
//!
//! The form, fixed: every field of the type is there under its name, in the order of the schema. Unset messages, members
//! of oneofs and optional fields are null; unset plain fields are their default; lists are lists, maps are objects.
//! Enums are their short word (`PAID`), a number the schema does not know stays a number. Timestamps are RFC 3339 in
//! UTC, durations seconds (`1.500s`), google.type.Date is `YYYY-MM-DD`, google.type.Money is
//! `{currency_code, amount}` with the amount as a decimal number that keeps its digits.
//! The wrappers of google.protobuf are their value or null, its Struct, Value and ListValue the JSON that they stand for.
//! 64-bit numbers are numbers; NaN and the infinities are texts.
//! Not promised: unknown fields; they have no name to be shown under.

mod form;
mod shape;
mod shown;

use std::{borrow::Cow, collections::HashMap};

use prost_reflect::{Kind, MessageDescriptor};
use trunkline_sdk::Value;

pub(crate) use self::shown::amount;
use self::{
    form::{Field, Leaf, Message, Shape},
    shown::{integers, money, once, scalar},
};
use super::wire::{Broken, MAX_DEPTH, Reader, Wire};

/// The compiled form of one message type and all it holds.
#[derive(Debug)]
pub struct Tree {
    messages: Vec<Message>,
    /// How a message of the type is shown as a whole.
    root: Leaf,
}

impl Tree {
    /// Compiles the form of a message type.
    pub fn new(message: &MessageDescriptor) -> Self {
        let mut known = HashMap::from([(message.full_name().to_owned(), 0)]);
        let mut queue = vec![message.clone()];
        let mut messages = Vec::new();
        while let Some(next) = queue.get(messages.len()).cloned() {
            let mut place = |inner: &MessageDescriptor| {
                *known.entry(inner.full_name().to_owned()).or_insert_with(|| {
                    queue.push(inner.clone());
                    queue.len() - 1
                })
            };
            messages.push(Message::new(&next, &mut place));
        }
        let root = Leaf::new(&Kind::Message(message.clone()), &mut |_| 0);
        Self { messages, root }
    }

    /// The tree of an encoded message; texts are borrowed from it, names and words from the form.
    pub fn read<'a>(&'a self, bytes: &'a [u8]) -> Result<Value<'a>, Broken> {
        match &self.root {
            Leaf::Message(place) => self.message(*place, bytes, 0),
            other => Ok(self.leaf(other, Wire::Bytes(bytes), 0)?.unwrap_or(Value::Null)),
        }
    }

    fn message<'a>(&'a self, place: usize, bytes: &'a [u8], depth: u8) -> Result<Value<'a>, Broken> {
        if depth >= MAX_DEPTH {
            return Err(Broken::Group);
        }
        let message = &self.messages[place];
        let mut slots: Vec<Slot<'a>> = message.fields.iter().map(|_| Slot::Unset).collect();
        let mut reader = Reader::new(bytes);
        while let Some((number, wire)) = reader.field()? {
            if let Some(at) = message.place(number) {
                self.take(message, at, wire, &mut slots, depth)?;
            }
        }
        let mut fields = Vec::with_capacity(slots.len());
        for (field, slot) in message.fields.iter().zip(slots) {
            let value = match slot {
                Slot::Unset => field.default(),
                Slot::Value(Value::Object(entries)) if field.shape == Shape::Map => {
                    Value::Object(once(entries))
                }
                Slot::Value(value) => value,
                Slot::Chunks(Cow::Borrowed(bytes)) => self.chunk(field, bytes, depth)?,
                Slot::Chunks(Cow::Owned(bytes)) => self.chunk(field, &bytes, depth)?.into_owned(),
            };
            fields.push((Cow::Borrowed(&*field.name), value));
        }
        Ok(Value::Object(fields))
    }

    fn take<'a>(
        &'a self,
        message: &'a Message,
        at: usize,
        wire: Wire<'a>,
        slots: &mut [Slot<'a>],
        depth: u8,
    ) -> Result<(), Broken> {
        let field = &message.fields[at];
        match field.shape {
            Shape::One { .. } => {
                let before = std::mem::replace(&mut slots[at], Slot::Unset);
                slots[at] = match (field.kind.is_message(), wire) {
                    // Submessages that come in pieces merge: one behind the other is the merged message.
                    (true, Wire::Bytes(bytes)) => match before {
                        Slot::Chunks(mut chunks) => {
                            chunks.to_mut().extend_from_slice(bytes);
                            Slot::Chunks(chunks)
                        }
                        _ => Slot::Chunks(Cow::Borrowed(bytes)),
                    },
                    _ => match self.leaf(&field.kind, wire, depth)? {
                        Some(value) => Slot::Value(value),
                        None => {
                            slots[at] = before;
                            return Ok(());
                        }
                    },
                };
                for sibling in &field.siblings {
                    slots[*sibling] = Slot::Unset;
                }
            }
            Shape::List => {
                let mut items = match std::mem::replace(&mut slots[at], Slot::Unset) {
                    Slot::Value(Value::List(items)) => items,
                    _ => Vec::new(),
                };
                match (field.packed, wire) {
                    (Some(wire_type), Wire::Bytes(bytes)) => {
                        let mut packed = Reader::new(bytes);
                        while !packed.is_empty() {
                            let wire = match wire_type {
                                0 => Wire::Varint(packed.varint()?),
                                1 => Wire::Fixed64(packed.fixed64()?),
                                _ => Wire::Fixed32(packed.fixed32()?),
                            };
                            items.extend(self.leaf(&field.kind, wire, depth)?);
                        }
                    }
                    (None, Wire::Bytes(bytes)) if field.kind.is_message() => {
                        items.push(self.chunk(field, bytes, depth)?);
                    }
                    (_, wire) => items.extend(self.leaf(&field.kind, wire, depth)?),
                }
                slots[at] = Slot::Value(Value::List(items));
            }
            Shape::Map => {
                let Wire::Bytes(bytes) = wire else {
                    return Ok(());
                };
                let Value::Object(entry) = self.chunk(field, bytes, depth)? else {
                    return Ok(());
                };
                let mut entries = match std::mem::replace(&mut slots[at], Slot::Unset) {
                    Slot::Value(Value::Object(entries)) => entries,
                    _ => Vec::new(),
                };
                // The entry's two fields, in the order of the schema.
                let mut parts = entry.into_iter().map(|(_, value)| value);
                if let (Some(key), Some(value)) = (parts.next(), parts.next()) {
                    let name = match key {
                        Value::Text(text) | Value::Number(text) => text,
                        Value::Bool(flag) => Cow::Owned(flag.to_string()),
                        _ => Cow::Borrowed(""),
                    };
                    entries.push((name, value));
                }
                slots[at] = Slot::Value(Value::Object(entries));
            }
        }
        Ok(())
    }

    fn chunk<'a>(&'a self, field: &'a Field, bytes: &'a [u8], depth: u8) -> Result<Value<'a>, Broken> {
        let value = self.leaf(&field.kind, Wire::Bytes(bytes), depth)?;
        Ok(value.unwrap_or(Value::Null))
    }

    /// One value; `None`: it came with a foreign wire type, so it is an unknown field.
    fn leaf<'a>(&'a self, kind: &'a Leaf, wire: Wire<'a>, depth: u8) -> Result<Option<Value<'a>>, Broken> {
        Ok(match (kind, wire) {
            (Leaf::Of(kind), wire) => scalar(*kind, wire, depth)?,
            (Leaf::Enum(known), Wire::Varint(raw)) => {
                let raw = raw as i32;
                Some(match known.get(&raw) {
                    Some(word) => Value::Text(Cow::Borrowed(&**word)),
                    None => Value::Number(Cow::Owned(raw.to_string())),
                })
            }
            (Leaf::Message(place), Wire::Bytes(bytes)) => Some(self.message(*place, bytes, depth + 1)?),
            (Leaf::Date, Wire::Bytes(bytes)) => {
                let [_, year, month, day] = integers(bytes)?;
                Some(Value::Text(Cow::Owned(format!("{year:04}-{month:02}-{day:02}"))))
            }
            (Leaf::Money, Wire::Bytes(bytes)) => Some(money(bytes)?),
            _ => None,
        })
    }
}

enum Slot<'a> {
    Unset,
    Value(Value<'a>),
    Chunks(Cow<'a, [u8]>),
}
