//! The kinds of values as they are declared, and Google's own messages as rules see them.

use prost_reflect::Kind as Declared;

use super::plan::{Kind, Seen};
use crate::canonical::wire::{Broken, Reader, Wire};

impl Kind {
    /// The kind by itself, without the rules of a message.
    pub(super) fn of(declared: &Declared) -> Self {
        match declared {
            Declared::Double => Kind::Double,
            Declared::Float => Kind::Float,
            Declared::Int32 => Kind::Int32,
            Declared::Int64 => Kind::Int64,
            Declared::Uint32 => Kind::Uint32,
            Declared::Uint64 => Kind::Uint64,
            Declared::Sint32 => Kind::Sint32,
            Declared::Sint64 => Kind::Sint64,
            Declared::Fixed32 => Kind::Fixed32,
            Declared::Fixed64 => Kind::Fixed64,
            Declared::Sfixed32 => Kind::Sfixed32,
            Declared::Sfixed64 => Kind::Sfixed64,
            Declared::Bool => Kind::Bool,
            Declared::Enum(_) => Kind::Enum,
            Declared::String => Kind::Text,
            Declared::Bytes => Kind::Bytes,
            Declared::Message(message) => match message.full_name() {
                "google.protobuf.Timestamp" => Kind::Timestamp,
                "google.protobuf.Duration" => Kind::Duration,
                "google.protobuf.Any" => Kind::Any,
                "google.protobuf.FieldMask" => Kind::FieldMask,
                "google.protobuf.DoubleValue" => Kind::Wrapped(&Kind::Double),
                "google.protobuf.FloatValue" => Kind::Wrapped(&Kind::Float),
                "google.protobuf.Int64Value" => Kind::Wrapped(&Kind::Int64),
                "google.protobuf.UInt64Value" => Kind::Wrapped(&Kind::Uint64),
                "google.protobuf.Int32Value" => Kind::Wrapped(&Kind::Int32),
                "google.protobuf.UInt32Value" => Kind::Wrapped(&Kind::Uint32),
                "google.protobuf.BoolValue" => Kind::Wrapped(&Kind::Bool),
                "google.protobuf.StringValue" => Kind::Wrapped(&Kind::Text),
                "google.protobuf.BytesValue" => Kind::Wrapped(&Kind::Bytes),
                _ => Kind::Message(None),
            },
        }
    }

    /// What the rules of Google's messages are about: the moment, the span, the type, the value inside.
    #[inline]
    pub(super) fn inner(self, seen: Seen<'_>) -> Result<Seen<'_>, Broken> {
        let Seen::Message(bytes) = seen else {
            return Ok(seen);
        };
        let mut reader = Reader::new(bytes);
        match self {
            Kind::Timestamp | Kind::Duration => {
                let (mut seconds, mut nanos) = (0_i64, 0_i32);
                while let Some(field) = reader.field()? {
                    match field {
                        (1, Wire::Varint(raw)) => seconds = raw as i64,
                        (2, Wire::Varint(raw)) => nanos = raw as i32,
                        _ => {}
                    }
                }
                Ok(Seen::Nanos(
                    i128::from(seconds) * 1_000_000_000 + i128::from(nanos),
                ))
            }
            Kind::Any => {
                let mut name = &[][..];
                while let Some(field) = reader.field()? {
                    if let (1, Wire::Bytes(found)) = field {
                        name = found;
                    }
                }
                Ok(Seen::Type(name))
            }
            Kind::Wrapped(inner) => {
                let mut found = inner.zero();
                while let Some((number, wire)) = reader.field()? {
                    if let (1, Some(seen)) = (number, inner.read(wire)) {
                        found = seen;
                    }
                }
                Ok(found)
            }
            _ => Ok(seen),
        }
    }
}
