//! A field of a message, compiled from its descriptor, and how it is read out of encoded bytes: one walk over the
//! message, which skips what it does not want.
//!
//! As protobuf wants it: the last of repeated scalars counts, repeated submessages merge, the last member of a
//! oneof counts, lists come packed and unpacked, a field with a foreign wire type is an unknown field.

use prost_reflect::{FieldDescriptor, Kind};

use super::value::{Blob, Text, Val};
use crate::canonical::{
    time::{Instant, Span},
    wire::{self, Broken, Reader, Wire},
};

/// How one value is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scalar {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Bool,
    Text,
    Bytes,
    Enum,
    Message,
    Timestamp,
    Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One value; `presence`: unset differs from its default.
    One {
        presence: bool,
    },
    /// `packed`: its values are written behind one tag; they are read either way.
    List {
        packed: bool,
    },
    Map {
        key: Scalar,
    },
}

/// A field as the plan needs it.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) number: u32,
    pub(crate) scalar: Scalar,
    pub(crate) shape: Shape,
    /// The other members of its oneof.
    pub(crate) siblings: Box<[u32]>,
}

impl Scalar {
    pub(crate) fn of(kind: &Kind) -> Self {
        match kind {
            Kind::Double => Self::Double,
            Kind::Float => Self::Float,
            Kind::Int32 => Self::Int32,
            Kind::Int64 => Self::Int64,
            Kind::Uint32 => Self::Uint32,
            Kind::Uint64 => Self::Uint64,
            Kind::Sint32 => Self::Sint32,
            Kind::Sint64 => Self::Sint64,
            Kind::Fixed32 => Self::Fixed32,
            Kind::Fixed64 => Self::Fixed64,
            Kind::Sfixed32 => Self::Sfixed32,
            Kind::Sfixed64 => Self::Sfixed64,
            Kind::Bool => Self::Bool,
            Kind::String => Self::Text,
            Kind::Bytes => Self::Bytes,
            Kind::Enum(_) => Self::Enum,
            Kind::Message(message) => match message.full_name() {
                "google.protobuf.Timestamp" => Self::Timestamp,
                "google.protobuf.Duration" => Self::Duration,
                _ => Self::Message,
            },
        }
    }

    /// The word of the schema, for faults.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Double => "double",
            Self::Float => "float",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Sint32 => "sint32",
            Self::Sint64 => "sint64",
            Self::Fixed32 => "fixed32",
            Self::Fixed64 => "fixed64",
            Self::Sfixed32 => "sfixed32",
            Self::Sfixed64 => "sfixed64",
            Self::Bool => "bool",
            Self::Text => "string",
            Self::Bytes => "bytes",
            Self::Enum => "enum",
            Self::Message => "message",
            Self::Timestamp => "timestamp",
            Self::Duration => "duration",
        }
    }

    pub(crate) fn wire_type(self) -> u8 {
        match self {
            Self::Double | Self::Fixed64 | Self::Sfixed64 => 1,
            Self::Float | Self::Fixed32 | Self::Sfixed32 => 5,
            Self::Text | Self::Bytes | Self::Message | Self::Timestamp | Self::Duration => 2,
            _ => 0,
        }
    }

    /// Values of lists may come packed.
    fn packs(self) -> bool {
        self.wire_type() != 2
    }

    fn default<'a>(self) -> Val<'a> {
        match self {
            Self::Double | Self::Float => Val::Double(0.0),
            Self::Uint32 | Self::Uint64 | Self::Fixed32 | Self::Fixed64 => Val::Uint(0),
            Self::Bool => Val::Bool(false),
            Self::Text => Val::Text(Text::Borrowed("")),
            Self::Bytes => Val::Bytes(Blob::Borrowed(&[])),
            Self::Message => Val::Message(Blob::Borrowed(&[])),
            Self::Timestamp => Val::Timestamp(Instant { seconds: 0, nanos: 0 }),
            Self::Duration => Val::Duration(Span { seconds: 0, nanos: 0 }),
            _ => Val::Int(0),
        }
    }

    #[inline]
    fn fits(self, wire: &Wire<'_>) -> bool {
        let found = match wire {
            Wire::Varint(_) => 0,
            Wire::Fixed64(_) => 1,
            Wire::Bytes(_) => 2,
            Wire::Fixed32(_) => 5,
            Wire::Group(_) => 3,
        };
        found == self.wire_type()
    }

    /// The value of a wire value that fits; `whole` holds its bytes.
    #[inline]
    fn value<'a>(self, wire: Wire<'_>, whole: &Blob<'a>) -> Result<Val<'a>, Broken> {
        Ok(match wire {
            Wire::Varint(raw) => match self {
                Self::Int32 | Self::Enum => Val::Int(i64::from(raw as i32)),
                Self::Int64 => Val::Int(raw as i64),
                Self::Uint32 => Val::Uint(u64::from(raw as u32)),
                Self::Uint64 => Val::Uint(raw),
                Self::Sint32 => Val::Int(i64::from(wire::unzigzag(u64::from(raw as u32)) as i32)),
                Self::Sint64 => Val::Int(wire::unzigzag(raw)),
                _ => Val::Bool(raw != 0),
            },
            Wire::Fixed64(raw) => match self {
                Self::Double => Val::Double(f64::from_bits(raw)),
                Self::Fixed64 => Val::Uint(raw),
                _ => Val::Int(raw as i64),
            },
            Wire::Fixed32(raw) => match self {
                Self::Float => Val::Double(f64::from(f32::from_bits(raw))),
                Self::Fixed32 => Val::Uint(u64::from(raw)),
                _ => Val::Int(i64::from(raw as i32)),
            },
            Wire::Bytes(bytes) | Wire::Group(bytes) => {
                let part = match whole {
                    Blob::Borrowed(outer) => Blob::Borrowed(within(outer, bytes)),
                    Blob::Shared(_) => Blob::Shared(bytes.into()),
                };
                match (self, part) {
                    (Self::Text, Blob::Borrowed(bytes)) => Val::Text(Text::Borrowed(wire::text(bytes)?)),
                    (Self::Text, Blob::Shared(bytes)) => Val::Text(Text::Shared(wire::text(&bytes)?.into())),
                    (Self::Bytes, part) => Val::Bytes(part),
                    (Self::Timestamp, part) => {
                        let (seconds, nanos) = seconds_nanos(part.as_slice())?;
                        Val::Timestamp(Instant { seconds, nanos })
                    }
                    (Self::Duration, part) => {
                        let (seconds, nanos) = seconds_nanos(part.as_slice())?;
                        Val::Duration(Span { seconds, nanos })
                    }
                    (_, part) => Val::Message(part),
                }
            }
        })
    }
}

/// The same bytes, with the life of the whole they are a part of.
#[inline]
fn within<'a>(whole: &'a [u8], part: &[u8]) -> &'a [u8] {
    let start = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
    whole.get(start..start + part.len()).unwrap_or(&[])
}

fn seconds_nanos(bytes: &[u8]) -> Result<(i64, i32), Broken> {
    let (mut seconds, mut nanos) = (0, 0);
    let mut reader = Reader::new(bytes);
    while let Some(field) = reader.field()? {
        match field {
            (1, Wire::Varint(raw)) => seconds = raw as i64,
            (2, Wire::Varint(raw)) => nanos = raw as i32,
            _ => {}
        }
    }
    Ok((seconds, nanos))
}

impl Field {
    pub(crate) fn new(field: &FieldDescriptor) -> Self {
        let kind = field.kind();
        let (scalar, shape) = match &kind {
            Kind::Message(entry) if field.is_map() => (
                Scalar::of(&entry.map_entry_value_field().kind()),
                Shape::Map {
                    key: Scalar::of(&entry.map_entry_key_field().kind()),
                },
            ),
            kind if field.is_list() => (
                Scalar::of(kind),
                Shape::List {
                    packed: field.is_packed(),
                },
            ),
            kind => (
                Scalar::of(kind),
                Shape::One {
                    presence: field.supports_presence(),
                },
            ),
        };
        let siblings = field
            .containing_oneof()
            .map(|oneof| oneof.fields().map(|member| member.number()).collect::<Vec<_>>())
            .unwrap_or_default();
        Self {
            number: field.number(),
            scalar,
            shape,
            siblings: siblings
                .into_iter()
                .filter(|number| *number != field.number())
                .collect(),
        }
    }

    /// The field's value in this message; its default where it is not set.
    #[inline]
    pub(crate) fn read<'a>(&'a self, message: &Blob<'a>) -> Result<Val<'a>, Broken> {
        match self.shape {
            Shape::One { .. } => Ok(self.find(message)?.unwrap_or_else(|| self.scalar.default())),
            Shape::List { .. } => Ok(Val::Repeated(message.clone(), self)),
            Shape::Map { .. } => Ok(Val::Entries(message.clone(), self)),
        }
    }

    /// `has()`: whether it is set; without presence: whether it differs from its default.
    pub(crate) fn is_set(&self, message: &Blob<'_>) -> Result<bool, Broken> {
        let Shape::One { presence } = self.shape else {
            let mut reader = Reader::new(message.as_slice());
            while let Some(wire) = reader.seek(self.number, |_| {})? {
                let empty = matches!(wire, Wire::Bytes([]))
                    && matches!(self.shape, Shape::List { .. })
                    && self.scalar.packs();
                if !empty {
                    return Ok(true);
                }
            }
            return Ok(false);
        };
        Ok(match self.find(message)? {
            None => false,
            Some(_) if presence => true,
            Some(Val::Int(0) | Val::Uint(0) | Val::Bool(false)) => false,
            // Only +0.0 is the default: -0.0 is written.
            Some(Val::Double(number)) => number.to_bits() != 0,
            Some(Val::Text(text)) => !text.as_str().is_empty(),
            Some(Val::Bytes(bytes)) => !bytes.as_slice().is_empty(),
            Some(_) => true,
        })
    }

    fn find<'a>(&self, message: &Blob<'a>) -> Result<Option<Val<'a>>, Broken> {
        let mut found: Option<Wire<'_>> = None;
        let mut merged: Vec<u8> = Vec::new();
        let mut reader = Reader::new(message.as_slice());
        loop {
            let mut replaced = false;
            let next = reader.seek(self.number, |other| {
                replaced = replaced || (!self.siblings.is_empty() && self.siblings.contains(&other));
            })?;
            if replaced {
                found = None;
                merged.clear();
            }
            let Some(wire) = next else { break };
            if !self.scalar.fits(&wire) {
                continue;
            }
            if let (Some(Wire::Bytes(first)), Wire::Bytes(next)) = (&found, &wire)
                && matches!(
                    self.scalar,
                    Scalar::Message | Scalar::Timestamp | Scalar::Duration
                )
            {
                // Submessages that come in pieces merge: one behind the other is the merged message.
                if merged.is_empty() {
                    merged.extend_from_slice(first);
                }
                merged.extend_from_slice(next);
            }
            found = Some(wire);
        }
        match found {
            None => Ok(None),
            Some(_) if !merged.is_empty() => {
                let whole = Blob::Shared(merged.into());
                let value = self.scalar.value(Wire::Bytes(whole.as_slice()), &whole)?;
                Ok(Some(value))
            }
            Some(wire) => self.scalar.value(wire, message).map(Some),
        }
    }

    /// Calls `each` with every value of the list, until it says stop (false).
    pub(crate) fn each<'a>(
        &self,
        message: &Blob<'a>,
        mut each: impl FnMut(Val<'a>) -> bool,
    ) -> Result<(), Broken> {
        let mut reader = Reader::new(message.as_slice());
        while let Some(wire) = reader.seek(self.number, |_| {})? {
            if self.scalar.fits(&wire) {
                if !each(self.scalar.value(wire, message)?) {
                    return Ok(());
                }
            } else if let Wire::Bytes(bytes) = wire
                && self.scalar.packs()
            {
                let mut packed = Reader::new(bytes);
                while !packed.is_empty() {
                    let wire = match self.scalar.wire_type() {
                        0 => Wire::Varint(packed.varint()?),
                        1 => Wire::Fixed64(packed.fixed64()?),
                        _ => Wire::Fixed32(packed.fixed32()?),
                    };
                    if !each(self.scalar.value(wire, message)?) {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// The entries of the map, each key once, the last value of a key counting.
    pub(crate) fn entries<'a>(&self, message: &Blob<'a>) -> Result<Vec<(Val<'a>, Val<'a>)>, Broken> {
        let Shape::Map { key } = self.shape else {
            return Ok(Vec::new());
        };
        let field = |number, scalar| Field {
            number,
            scalar,
            shape: Shape::One { presence: false },
            siblings: Box::default(),
        };
        let (key, value) = (field(1, key), field(2, self.scalar));
        let mut raw = Vec::new();
        let mut reader = Reader::new(message.as_slice());
        while let Some(wire) = reader.seek(self.number, |_| {})? {
            if let Wire::Bytes(bytes) = wire {
                raw.push(match message {
                    Blob::Borrowed(outer) => Blob::Borrowed(within(outer, bytes)),
                    Blob::Shared(_) => Blob::Shared(bytes.into()),
                });
            }
        }
        let mut places = std::collections::HashMap::with_capacity(raw.len());
        let mut entries: Vec<(Val<'a>, Val<'a>)> = Vec::with_capacity(raw.len());
        for entry in raw {
            let name = key.find(&entry)?.unwrap_or_else(|| key.scalar.default());
            let value = value.find(&entry)?.unwrap_or_else(|| value.scalar.default());
            let place = *places.entry(key_text(&name)).or_insert(entries.len());
            match entries.get_mut(place) {
                Some(earlier) => earlier.1 = value,
                None => entries.push((name, value)),
            }
        }
        Ok(entries)
    }
}

/// A map's key as text: keys of one map are of one kind.
fn key_text(key: &Val<'_>) -> String {
    match key {
        Val::Int(number) => number.to_string(),
        Val::Uint(number) => number.to_string(),
        Val::Bool(flag) => flag.to_string(),
        Val::Text(text) => text.as_str().to_owned(),
        _ => String::new(),
    }
}
