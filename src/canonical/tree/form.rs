//! The compiled form of message types: their fields, and how each is shown.

use std::{borrow::Cow, collections::HashMap};

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use trunkline_sdk::Value;

use crate::canonical::{scalar::Scalar, words};

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
    /// A value that needs nothing of its type to be shown.
    Of(Scalar),
    Enum(HashMap<i32, Box<str>>),
    Message(usize),
    Date,
    Money,
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
        let scalar = Scalar::of(&field.kind());
        Self {
            name: field.name().into(),
            packed: scalar.packs().then(|| scalar.wire_type()),
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
        match (Scalar::of(kind), kind) {
            (_, Kind::Enum(kind)) => Self::Enum(words_of(kind)),
            (Scalar::Message | Scalar::Any, Kind::Message(message)) => match message.full_name() {
                "google.type.Date" => Self::Date,
                "google.type.Money" => Self::Money,
                _ => Self::Message(place(message)),
            },
            (scalar, _) => Self::Of(scalar),
        }
    }

    pub(super) fn is_message(&self) -> bool {
        match self {
            Self::Of(scalar) => scalar.is_message(),
            Self::Message(_) | Self::Date | Self::Money => true,
            Self::Enum(_) => false,
        }
    }

    /// What an unset value of this kind is, where that is not null.
    pub(super) fn default(&self) -> Value<'_> {
        match self {
            Self::Of(scalar) => default(*scalar),
            Self::Enum(known) => match known.get(&0) {
                Some(word) => Value::Text(Cow::Borrowed(&**word)),
                None => Value::Number(Cow::Borrowed("0")),
            },
            // Unset messages are null before they come here.
            Self::Message(_) | Self::Date | Self::Money => Value::Null,
        }
    }
}

/// What an unset scalar is.
pub(super) fn default<'a>(scalar: Scalar) -> Value<'a> {
    match scalar {
        Scalar::Bool => Value::Bool(false),
        Scalar::Text => Value::Text(Cow::Borrowed("")),
        Scalar::Bytes => Value::Bytes(Cow::Borrowed(&[])),
        scalar if scalar.is_message() => Value::Null,
        _ => Value::Number(Cow::Borrowed("0")),
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
