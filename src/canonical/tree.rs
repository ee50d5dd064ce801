//! An encoded canonical message as a native tree: what a sink binds its parameters from, and what a person is shown.
//!
//! The form, fixed: every field of the type is there under its name, in the order of the schema. Unset messages, members
//! of oneofs and optional fields are null; unset plain fields are their default; lists are lists, maps are objects.
//! Enums are their short word (`PAID`), a number the schema does not know stays a number. Timestamps are RFC 3339 in
//! UTC, durations seconds (`1.500s`), google.type.Date is `YYYY-MM-DD`, google.type.Money is
//! `{currency_code, amount}` with the amount as a decimal number that keeps its digits.
//! 64-bit numbers are numbers; NaN and the infinities are texts.
//! Not promised: unknown fields; they have no name to be shown under.

use std::{borrow::Cow, collections::HashMap};

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use trunkline_sdk::Value;

use super::{
    time::{Instant, Span},
    wire::{self, Broken, MAX_DEPTH, Reader, Wire},
    words,
};

/// The compiled form of one message type and all it holds.
#[derive(Debug)]
pub struct Tree {
    messages: Vec<Message>,
}

#[derive(Debug)]
struct Message {
    name: Box<str>,
    fields: Vec<Field>,
    /// Numbers with their places, sorted.
    places: Vec<(u32, usize)>,
}

#[derive(Debug)]
struct Field {
    name: Box<str>,
    kind: Leaf,
    shape: Shape,
    /// The places of the other members of its oneof.
    siblings: Box<[usize]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    One { presence: bool },
    List,
    Map,
}

#[derive(Debug)]
enum Leaf {
    Double,
    Float,
    Signed32,
    Signed64,
    Unsigned32,
    Unsigned64,
    Zigzag32,
    Zigzag64,
    Bool,
    Text,
    Bytes,
    Enum(HashMap<i32, Box<str>>),
    Message(usize),
    Timestamp,
    Duration,
    Date,
    Money,
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
        Self { messages }
    }

    /// The tree of an encoded message; texts are borrowed from it, names and words from the form.
    pub fn read<'a>(&'a self, bytes: &'a [u8]) -> Result<Value<'a>, Broken> {
        // By themselves these look as they do within others.
        let whole = match &*self.messages[0].name {
            "google.type.Money" => self.leaf(&Leaf::Money, Wire::Bytes(bytes), 0)?,
            "google.type.Date" => self.leaf(&Leaf::Date, Wire::Bytes(bytes), 0)?,
            _ => None,
        };
        match whole {
            Some(value) => Ok(value),
            None => self.message(0, bytes, 0),
        }
    }

    /// The fields that a sink will see.
    pub fn shape(&self) -> trunkline_sdk::Shape {
        let message = &self.messages[0];
        trunkline_sdk::Shape {
            name: message.name.to_string(),
            fields: message
                .fields
                .iter()
                .map(|field| trunkline_sdk::Field {
                    name: field.name.to_string(),
                    scalar: matches!(field.shape, Shape::One { .. })
                        && !matches!(field.kind, Leaf::Message(_) | Leaf::Money),
                })
                .collect(),
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
                match (field.kind.packed(), wire) {
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
        let number = |text: String| Some(Value::Number(Cow::Owned(text)));
        Ok(match (kind, wire) {
            (Leaf::Signed32, Wire::Varint(raw)) => number((raw as i32).to_string()),
            (Leaf::Signed64, Wire::Varint(raw)) => number((raw as i64).to_string()),
            (Leaf::Unsigned32, Wire::Varint(raw)) => number((raw as u32).to_string()),
            (Leaf::Unsigned64, Wire::Varint(raw)) => number(raw.to_string()),
            (Leaf::Zigzag32, Wire::Varint(raw)) => {
                number((wire::unzigzag(u64::from(raw as u32)) as i32).to_string())
            }
            (Leaf::Zigzag64, Wire::Varint(raw)) => number(wire::unzigzag(raw).to_string()),
            (Leaf::Signed32, Wire::Fixed32(raw)) => number((raw as i32).to_string()),
            (Leaf::Unsigned32, Wire::Fixed32(raw)) => number(raw.to_string()),
            (Leaf::Signed64, Wire::Fixed64(raw)) => number((raw as i64).to_string()),
            (Leaf::Unsigned64, Wire::Fixed64(raw)) => number(raw.to_string()),
            (Leaf::Double, Wire::Fixed64(raw)) => Some(double(f64::from_bits(raw))),
            (Leaf::Float, Wire::Fixed32(raw)) => {
                let narrow = f32::from_bits(raw);
                // Its own shortest digits, not those of the double it would be.
                Some(if narrow.is_finite() {
                    Value::Number(Cow::Owned(narrow.to_string()))
                } else {
                    double(f64::from(narrow))
                })
            }
            (Leaf::Bool, Wire::Varint(raw)) => Some(Value::Bool(raw != 0)),
            (Leaf::Text, Wire::Bytes(bytes)) => Some(Value::Text(Cow::Borrowed(wire::text(bytes)?))),
            (Leaf::Bytes, Wire::Bytes(bytes)) => Some(Value::Bytes(Cow::Borrowed(bytes))),
            (Leaf::Enum(known), Wire::Varint(raw)) => {
                let raw = raw as i32;
                match known.get(&raw) {
                    Some(word) => Some(Value::Text(Cow::Borrowed(&**word))),
                    None => number(raw.to_string()),
                }
            }
            (Leaf::Message(place), Wire::Bytes(bytes)) => Some(self.message(*place, bytes, depth + 1)?),
            (Leaf::Timestamp, Wire::Bytes(bytes)) => {
                let [_, seconds, nanos, _] = integers(bytes)?;
                let text = Instant {
                    seconds,
                    nanos: nanos as i32,
                }
                .to_text();
                Some(text.map_or(Value::Null, |text| Value::Text(Cow::Owned(text))))
            }
            (Leaf::Duration, Wire::Bytes(bytes)) => {
                let [_, seconds, nanos, _] = integers(bytes)?;
                let span = Span {
                    seconds,
                    nanos: nanos as i32,
                };
                Some(Value::Text(Cow::Owned(span.to_text())))
            }
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

impl Message {
    fn new(message: &MessageDescriptor, place: &mut impl FnMut(&MessageDescriptor) -> usize) -> Self {
        let descriptors: Vec<_> = message.fields().collect();
        let fields: Vec<_> = descriptors
            .iter()
            .map(|field| Field::new(field, &descriptors, place))
            .collect();
        let mut places: Vec<_> = descriptors
            .iter()
            .enumerate()
            .map(|(at, field)| (field.number(), at))
            .collect();
        places.sort_unstable();
        Self {
            name: message.full_name().into(),
            places,
            fields,
        }
    }

    #[inline]
    fn place(&self, number: u32) -> Option<usize> {
        // Most types number their fields without gaps.
        match self.places.get((number as usize).wrapping_sub(1)) {
            Some((found, at)) if *found == number => Some(*at),
            _ => {
                let found = self.places.binary_search_by_key(&number, |(number, _)| *number);
                Some(self.places[found.ok()?].1)
            }
        }
    }
}

impl Field {
    fn new(
        field: &FieldDescriptor,
        all: &[FieldDescriptor],
        place: &mut impl FnMut(&MessageDescriptor) -> usize,
    ) -> Self {
        let kind = match field.kind() {
            Kind::Double => Leaf::Double,
            Kind::Float => Leaf::Float,
            Kind::Int32 | Kind::Sfixed32 => Leaf::Signed32,
            Kind::Int64 | Kind::Sfixed64 => Leaf::Signed64,
            Kind::Uint32 | Kind::Fixed32 => Leaf::Unsigned32,
            Kind::Uint64 | Kind::Fixed64 => Leaf::Unsigned64,
            Kind::Sint32 => Leaf::Zigzag32,
            Kind::Sint64 => Leaf::Zigzag64,
            Kind::Bool => Leaf::Bool,
            Kind::String => Leaf::Text,
            Kind::Bytes => Leaf::Bytes,
            Kind::Enum(kind) => Leaf::Enum(words_of(&kind)),
            Kind::Message(message) => match message.full_name() {
                "google.protobuf.Timestamp" => Leaf::Timestamp,
                "google.protobuf.Duration" => Leaf::Duration,
                "google.type.Date" => Leaf::Date,
                "google.type.Money" => Leaf::Money,
                _ => Leaf::Message(place(&message)),
            },
        };
        let shape = if field.is_map() {
            Shape::Map
        } else if field.is_list() {
            Shape::List
        } else {
            Shape::One {
                presence: field.supports_presence(),
            }
        };
        let siblings = match field.containing_oneof() {
            Some(oneof) => all
                .iter()
                .enumerate()
                .filter(|(_, other)| *other != field && other.containing_oneof().as_ref() == Some(&oneof))
                .map(|(at, _)| at)
                .collect(),
            None => Box::default(),
        };
        Self {
            name: field.name().into(),
            kind,
            shape,
            siblings,
        }
    }

    fn default(&self) -> Value<'_> {
        match (self.shape, &self.kind) {
            (Shape::List, _) => Value::List(Vec::new()),
            (Shape::Map, _) => Value::Object(Vec::new()),
            (Shape::One { presence: true }, _) => Value::Null,
            (_, Leaf::Bool) => Value::Bool(false),
            (_, Leaf::Text) => Value::Text(Cow::Borrowed("")),
            (_, Leaf::Bytes) => Value::Bytes(Cow::Borrowed(&[])),
            (_, Leaf::Enum(known)) => match known.get(&0) {
                Some(word) => Value::Text(Cow::Borrowed(&**word)),
                None => Value::Number(Cow::Borrowed("0")),
            },
            _ => Value::Number(Cow::Borrowed("0")),
        }
    }
}

impl Leaf {
    fn is_message(&self) -> bool {
        matches!(
            self,
            Self::Message(_) | Self::Timestamp | Self::Duration | Self::Date | Self::Money
        )
    }

    /// The wire type of its values in a packed list; `None`: it does not pack.
    fn packed(&self) -> Option<u8> {
        match self {
            Self::Double => Some(1),
            Self::Float => Some(5),
            Self::Text | Self::Bytes => None,
            kind if kind.is_message() => None,
            _ => Some(0),
        }
    }
}

fn words_of(kind: &EnumDescriptor) -> HashMap<i32, Box<str>> {
    let mut known = HashMap::new();
    for value in kind.values() {
        // Of aliases the first is the name.
        known
            .entry(value.number())
            .or_insert_with(|| words::short(&value).into());
    }
    known
}

fn double<'a>(number: f64) -> Value<'a> {
    if number.is_finite() {
        return Value::Number(Cow::Owned(number.to_string()));
    }
    Value::Text(Cow::Borrowed(if number.is_nan() {
        "NaN"
    } else if number > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }))
}

/// Each name once, with the last value that came under it.
fn once<'a>(entries: Vec<(Cow<'a, str>, Value<'a>)>) -> Vec<(Cow<'a, str>, Value<'a>)> {
    let mut places = HashMap::with_capacity(entries.len());
    let mut kept: Vec<(Cow<'a, str>, Value<'a>)> = Vec::with_capacity(entries.len());
    for (name, value) in entries {
        let place = *places.entry(name.clone()).or_insert(kept.len());
        match kept.get_mut(place) {
            Some((_, earlier)) => *earlier = value,
            None => kept.push((name, value)),
        }
    }
    kept
}

/// The varints of the fields 1 to 3.
fn integers(bytes: &[u8]) -> Result<[i64; 4], Broken> {
    let mut found = [0; 4];
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.field()? {
        if let (1..=3, Wire::Varint(raw)) = (number, wire) {
            found[number as usize] = raw as i64;
        }
    }
    Ok(found)
}

fn money<'a>(bytes: &'a [u8]) -> Result<Value<'a>, Broken> {
    let [_, _, units, nanos] = integers(bytes)?;
    let mut currency = "";
    let mut reader = Reader::new(bytes);
    while let Some(field) = reader.field()? {
        if let (1, Wire::Bytes(code)) = field {
            currency = wire::text(code)?;
        }
    }
    Ok(Value::Object(vec![
        (
            Cow::Borrowed("currency_code"),
            Value::Text(Cow::Borrowed(currency)),
        ),
        (
            Cow::Borrowed("amount"),
            Value::Number(Cow::Owned(amount(units, nanos as i32))),
        ),
    ]))
}

/// Units and nanos as decimal digits, with at least two decimals where there are any.
pub(crate) fn amount(units: i64, nanos: i32) -> String {
    let sign = if units < 0 || nanos < 0 { "-" } else { "" };
    let (units, nanos) = (units.unsigned_abs(), nanos.unsigned_abs());
    if nanos == 0 {
        return format!("{sign}{units}");
    }
    let digits = format!("{nanos:09}");
    let kept = digits.trim_end_matches('0').len().max(2);
    format!("{sign}{units}.{}", &digits[..kept])
}
