//! The compiled form of rules, and the values they are asked of.

use regex::bytes::Regex;

use super::{cel::Expression, pattern::Pattern, quick::Outline};
use crate::canonical::{
    scalar::Scalar,
    wire::{Wire, unzigzag},
};

/// A message type with its ruled fields.
#[derive(Debug, Default)]
pub(super) struct Message {
    /// Those with a rule, or with something inside that has, or that a rule of the message counts.
    pub(super) fields: Vec<Field>,
    /// The place in `fields` of each number below 64, plus one; 0: it has none.
    pub(super) near: Vec<u16>,
    /// Of the others, sorted.
    pub(super) far: Vec<(u32, u16)>,
    pub(super) groups: Vec<Group>,
    pub(super) expressions: Vec<Expression>,
    pub(super) outline: Outline,
}

impl Message {
    #[inline]
    pub(super) fn place(&self, number: u32) -> Option<usize> {
        if let Some(place) = self.near.get(number as usize) {
            return usize::from(*place).checked_sub(1);
        }
        let found = self
            .far
            .binary_search_by_key(&number, |(number, _)| *number)
            .ok()?;
        Some(usize::from(self.far[found].1))
    }
}

/// Fields of which one must, or at most one may be set.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: Box<str>,
    pub(super) members: Box<[usize]>,
    pub(super) required: bool,
    /// A oneof of the language cannot have two anyway.
    pub(super) exclusive: bool,
    pub(super) rule: &'static str,
    /// The members, as people read them.
    pub(super) listed: Box<str>,
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: Box<str>,
    pub(super) number: u32,
    pub(super) shape: Shape,
    pub(super) required: bool,
    /// Zero is as good as unset.
    pub(super) ignores_zero: bool,
    /// Of a list or map: its element, its value.
    pub(super) element: Element,
    pub(super) expressions: Vec<Expression>,
    /// The places of the other members of its oneof.
    pub(super) siblings: Box<[usize]>,
}

#[derive(Debug)]
pub(super) enum Shape {
    One {
        presence: bool,
    },
    List {
        least: u64,
        most: u64,
        unique: bool,
    },
    Map {
        least: u64,
        most: u64,
        key: Box<Element>,
    },
}

/// One value: how it is encoded, and its rules.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) kind: Kind,
    pub(super) rules: Vec<Rule>,
    /// Of elements: zero is not looked at.
    pub(super) ignores_zero: bool,
    /// Of elements: zero is refused.
    pub(super) required: bool,
}

/// One rule.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) id: Box<str>,
    pub(super) what: Box<str>,
    pub(super) test: Test,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A scalar, or a message of Google's that stands for a value and is no JSON.
    Of(Scalar),
    /// With the place of its own rules.
    Message(Option<usize>),
    FieldMask,
}

/// A value that a rule is asked of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Seen<'a> {
    Whole(i128),
    Double(f64),
    Bool(bool),
    Text(&'a [u8]),
    Bytes(&'a [u8]),
    /// Of a timestamp or duration.
    Nanos(i128),
    /// The type of an Any.
    Type(&'a [u8]),
    /// Any other message.
    Message(&'a [u8]),
}

/// A value that stands in a rule.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fixed {
    Whole(i128),
    Double(f64),
    Bool(bool),
    Bytes(Box<[u8]>),
    Nanos(i128),
}

#[derive(Debug)]
pub(super) enum Test {
    /// Between the two; `inside` false: not between them. The flags: the bound itself is allowed.
    Range {
        lower: Option<(Fixed, bool)>,
        upper: Option<(Fixed, bool)>,
        inside: bool,
    },
    /// The commonest of ranges: whole numbers from the one up to the other.
    Within(i128, i128),
    Equals(Fixed),
    In(Vec<Fixed>),
    NotIn(Vec<Fixed>),
    Finite,
    Defined(Box<[i128]>),
    Characters(u64, u64),
    Length(u64, u64),
    Lengths(&'static [usize]),
    Pattern(Pattern),
    Starts(Box<[u8]>),
    Ends(Box<[u8]>),
    Contains(Box<Regex>),
    Lacks(Box<Regex>),
    Format(fn(&str) -> bool),
    /// Before now, after now, so near to now.
    Past,
    Future,
    Near(i128),
    /// Each path of a field mask is one of these, or below one; or none is.
    Paths(Vec<Box<[u8]>>, bool),
    SamePaths(Vec<Box<[u8]>>),
}

impl Kind {
    /// The value that a wire value holds; `None`: it is of another kind, and so an unknown field.
    #[inline]
    pub(super) fn read(self, wire: Wire<'_>) -> Option<Seen<'_>> {
        let Self::Of(scalar) = self else {
            return match wire {
                Wire::Bytes(bytes) => Some(Seen::Message(bytes)),
                _ => None,
            };
        };
        Some(match (scalar, wire) {
            (Scalar::Int32 | Scalar::Enum, Wire::Varint(raw)) => Seen::Whole(i128::from(raw as i32)),
            (Scalar::Int64, Wire::Varint(raw)) => Seen::Whole(i128::from(raw as i64)),
            (Scalar::Uint32, Wire::Varint(raw)) => Seen::Whole(i128::from(raw as u32)),
            (Scalar::Uint64, Wire::Varint(raw)) => Seen::Whole(i128::from(raw)),
            (Scalar::Sint32, Wire::Varint(raw)) => {
                Seen::Whole(i128::from(unzigzag(u64::from(raw as u32)) as i32))
            }
            (Scalar::Sint64, Wire::Varint(raw)) => Seen::Whole(i128::from(unzigzag(raw))),
            (Scalar::Bool, Wire::Varint(raw)) => Seen::Bool(raw != 0),
            (Scalar::Fixed32, Wire::Fixed32(raw)) => Seen::Whole(i128::from(raw)),
            (Scalar::Sfixed32, Wire::Fixed32(raw)) => Seen::Whole(i128::from(raw as i32)),
            (Scalar::Float, Wire::Fixed32(raw)) => Seen::Double(f64::from(f32::from_bits(raw))),
            (Scalar::Fixed64, Wire::Fixed64(raw)) => Seen::Whole(i128::from(raw)),
            (Scalar::Sfixed64, Wire::Fixed64(raw)) => Seen::Whole(i128::from(raw as i64)),
            (Scalar::Double, Wire::Fixed64(raw)) => Seen::Double(f64::from_bits(raw)),
            (Scalar::Text, Wire::Bytes(bytes)) => Seen::Text(bytes),
            (Scalar::Bytes, Wire::Bytes(bytes)) => Seen::Bytes(bytes),
            (scalar, Wire::Bytes(bytes)) if scalar.is_message() => Seen::Message(bytes),
            _ => return None,
        })
    }

    pub(super) fn is_message(self) -> bool {
        match self {
            Self::Of(scalar) => scalar.is_message(),
            Self::Message(_) | Self::FieldMask => true,
        }
    }

    /// What is read where nothing is set.
    pub(super) fn zero(self) -> Seen<'static> {
        match self {
            Self::Of(Scalar::Double | Scalar::Float) => Seen::Double(0.0),
            Self::Of(Scalar::Bool) => Seen::Bool(false),
            Self::Of(Scalar::Text) => Seen::Text(&[]),
            Self::Of(Scalar::Bytes) => Seen::Bytes(&[]),
            Self::Of(scalar) if !scalar.is_message() => Seen::Whole(0),
            _ => Seen::Message(&[]),
        }
    }

    /// The wire type of its values in a packed list; `None`: it does not pack.
    pub(super) fn packed(self) -> Option<u8> {
        match self {
            Self::Of(scalar) if scalar.packs() => Some(scalar.wire_type()),
            _ => None,
        }
    }
}

impl Seen<'_> {
    pub(super) fn is_zero(&self) -> bool {
        match self {
            Self::Whole(number) | Self::Nanos(number) => *number == 0,
            // -0.0 is written, and so it is set.
            Self::Double(number) => number.to_bits() == 0,
            Self::Bool(flag) => !flag,
            Self::Text(bytes) | Self::Bytes(bytes) | Self::Type(bytes) | Self::Message(bytes) => {
                bytes.is_empty()
            }
        }
    }
}
