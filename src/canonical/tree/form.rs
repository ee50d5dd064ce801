//! The compiled form of message types: their fields, and how each is shown.

use std::{borrow::Cow, collections::HashMap};

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use trunkline_sdk::Value;

use crate::canonical::words;

#[derive(Debug)]
pub(super) struct Message {
    pub(super) name: Box<str>,
    pub(super) fields: Vec<Field>,
    /// Numbers with their places, sorted.
    places: Vec<(u32, usize)>,
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: Box<str>,
    pub(super) kind: Leaf,
    pub(super) shape: Shape,
    /// The wire type of its values in a packed list; `None`: it does not pack.
    pub(super) packed: Option<u8>,
    /// The places of the other members of its oneof.
    pub(super) siblings: Box<[usize]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    One { presence: bool },
    List,
    Map,
}

#[derive(Debug)]
pub(super) enum Leaf {
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
    /// A message `google.protobuf.…Value` around a value.
    Wrapper(Box<Leaf>),
    /// `google.protobuf.Struct`, `ListValue`, `Value`.
    JsonObject,
    JsonList,
    JsonValue,
}

impl Message {
    pub(super) fn new(
        message: &MessageDescriptor,
        place: &mut impl FnMut(&MessageDescriptor) -> usize,
    ) -> Self {
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
    pub(super) fn place(&self, number: u32) -> Option<usize> {
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
    pub(super) fn new(
        field: &FieldDescriptor,
        all: &[FieldDescriptor],
        place: &mut impl FnMut(&MessageDescriptor) -> usize,
    ) -> Self {
        let kind = Leaf::new(&field.kind(), place);
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
            packed: packed(&field.kind()),
            kind,
            shape,
            siblings,
        }
    }

    pub(super) fn default(&self) -> Value<'_> {
        match (self.shape, &self.kind) {
            (Shape::List, _) => Value::List(Vec::new()),
            (Shape::Map, _) => Value::Object(Vec::new()),
            (Shape::One { presence: true }, _) => Value::Null,
            (_, kind) => kind.default(),
        }
    }
}

impl Leaf {
    pub(super) fn new(kind: &Kind, place: &mut impl FnMut(&MessageDescriptor) -> usize) -> Self {
        match kind {
            Kind::Double => Self::Double,
            Kind::Float => Self::Float,
            Kind::Int32 | Kind::Sfixed32 => Self::Signed32,
            Kind::Int64 | Kind::Sfixed64 => Self::Signed64,
            Kind::Uint32 | Kind::Fixed32 => Self::Unsigned32,
            Kind::Uint64 | Kind::Fixed64 => Self::Unsigned64,
            Kind::Sint32 => Self::Zigzag32,
            Kind::Sint64 => Self::Zigzag64,
            Kind::Bool => Self::Bool,
            Kind::String => Self::Text,
            Kind::Bytes => Self::Bytes,
            Kind::Enum(kind) => Self::Enum(words_of(kind)),
            Kind::Message(message) => match message.full_name() {
                "google.protobuf.Timestamp" => Self::Timestamp,
                "google.protobuf.Duration" => Self::Duration,
                "google.protobuf.Struct" => Self::JsonObject,
                "google.protobuf.ListValue" => Self::JsonList,
                "google.protobuf.Value" => Self::JsonValue,
                "google.type.Date" => Self::Date,
                "google.type.Money" => Self::Money,
                name => match message.get_field_by_name("value") {
                    Some(value) if name.starts_with("google.protobuf.") && name.ends_with("Value") => {
                        Self::Wrapper(Box::new(Self::new(&value.kind(), place)))
                    }
                    _ => Self::Message(place(message)),
                },
            },
        }
    }

    pub(super) fn is_message(&self) -> bool {
        matches!(
            self,
            Self::Message(_)
                | Self::Timestamp
                | Self::Duration
                | Self::Date
                | Self::Money
                | Self::Wrapper(_)
                | Self::JsonObject
                | Self::JsonList
                | Self::JsonValue
        )
    }

    /// What an unset value of this kind is, where that is not null.
    pub(super) fn default(&self) -> Value<'_> {
        match self {
            Self::Bool => Value::Bool(false),
            Self::Text => Value::Text(Cow::Borrowed("")),
            Self::Bytes => Value::Bytes(Cow::Borrowed(&[])),
            Self::Enum(known) => match known.get(&0) {
                Some(word) => Value::Text(Cow::Borrowed(&**word)),
                None => Value::Number(Cow::Borrowed("0")),
            },
            _ => Value::Number(Cow::Borrowed("0")),
        }
    }
}

/// The wire type of values in a packed list; `None`: they do not pack.
fn packed(kind: &Kind) -> Option<u8> {
    match kind {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => Some(1),
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => Some(5),
        Kind::String | Kind::Bytes | Kind::Message(_) => None,
        _ => Some(0),
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
