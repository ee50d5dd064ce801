//! How one value is encoded, and what it is when it is read: the scalars of protobuf, and the messages that stand for
//! a value of the language: instants, durations, wrappers, JSON's values, and what `Any` holds.

use prost_reflect::{Kind as ProtoKind, MessageDescriptor};

use super::{
    kind::Kind,
    value::{Blob, Text, Val},
};
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
    /// A message `google.protobuf.…Value` around one of these.
    Wrapper(Wrapped),
    /// `google.protobuf.Struct`, `Value` and `ListValue`.
    JsonObject,
    JsonValue,
    JsonList,
    Any,
}

/// What the wrappers wrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrapped {
    Double,
    Float,
    Int64,
    Uint64,
    Int32,
    Uint32,
    Bool,
    Text,
    Bytes,
}

impl Wrapped {
    pub(crate) fn scalar(self) -> Scalar {
        match self {
            Self::Double => Scalar::Double,
            Self::Float => Scalar::Float,
            Self::Int64 => Scalar::Int64,
            Self::Uint64 => Scalar::Uint64,
            Self::Int32 => Scalar::Int32,
            Self::Uint32 => Scalar::Uint32,
            Self::Bool => Scalar::Bool,
            Self::Text => Scalar::Text,
            Self::Bytes => Scalar::Bytes,
        }
    }

    /// The wrapper's message.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Double => "google.protobuf.DoubleValue",
            Self::Float => "google.protobuf.FloatValue",
            Self::Int64 => "google.protobuf.Int64Value",
            Self::Uint64 => "google.protobuf.UInt64Value",
            Self::Int32 => "google.protobuf.Int32Value",
            Self::Uint32 => "google.protobuf.UInt32Value",
            Self::Bool => "google.protobuf.BoolValue",
            Self::Text => "google.protobuf.StringValue",
            Self::Bytes => "google.protobuf.BytesValue",
        }
    }
}

impl Scalar {
    pub(crate) fn of(kind: &ProtoKind) -> Self {
        match kind {
            ProtoKind::Double => Self::Double,
            ProtoKind::Float => Self::Float,
            ProtoKind::Int32 => Self::Int32,
            ProtoKind::Int64 => Self::Int64,
            ProtoKind::Uint32 => Self::Uint32,
            ProtoKind::Uint64 => Self::Uint64,
            ProtoKind::Sint32 => Self::Sint32,
            ProtoKind::Sint64 => Self::Sint64,
            ProtoKind::Fixed32 => Self::Fixed32,
            ProtoKind::Fixed64 => Self::Fixed64,
            ProtoKind::Sfixed32 => Self::Sfixed32,
            ProtoKind::Sfixed64 => Self::Sfixed64,
            ProtoKind::Bool => Self::Bool,
            ProtoKind::String => Self::Text,
            ProtoKind::Bytes => Self::Bytes,
            ProtoKind::Enum(_) => Self::Enum,
            ProtoKind::Message(message) => Self::of_message(message),
        }
    }

    pub(crate) fn of_message(message: &MessageDescriptor) -> Self {
        let Some(name) = message.full_name().strip_prefix("google.protobuf.") else {
            return Self::Message;
        };
        match name {
            "Timestamp" => Self::Timestamp,
            "Duration" => Self::Duration,
            "DoubleValue" => Self::Wrapper(Wrapped::Double),
            "FloatValue" => Self::Wrapper(Wrapped::Float),
            "Int64Value" => Self::Wrapper(Wrapped::Int64),
            "UInt64Value" => Self::Wrapper(Wrapped::Uint64),
            "Int32Value" => Self::Wrapper(Wrapped::Int32),
            "UInt32Value" => Self::Wrapper(Wrapped::Uint32),
            "BoolValue" => Self::Wrapper(Wrapped::Bool),
            "StringValue" => Self::Wrapper(Wrapped::Text),
            "BytesValue" => Self::Wrapper(Wrapped::Bytes),
            "Struct" => Self::JsonObject,
            "Value" => Self::JsonValue,
            "ListValue" => Self::JsonList,
            "Any" => Self::Any,
            _ => Self::Message,
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
            Self::Wrapper(wrapped) => wrapped.name(),
            Self::JsonObject => "google.protobuf.Struct",
            Self::JsonValue => "google.protobuf.Value",
            Self::JsonList => "google.protobuf.ListValue",
            Self::Any => "google.protobuf.Any",
        }
    }

    pub(crate) fn wire_type(self) -> u8 {
        match self {
            Self::Double | Self::Fixed64 | Self::Sfixed64 => 1,
            Self::Float | Self::Fixed32 | Self::Sfixed32 => 5,
            Self::Text | Self::Bytes => 2,
            _ if self.is_message() => 2,
            _ => 0,
        }
    }

    /// Values of lists may come packed.
    pub(super) fn packs(self) -> bool {
        self.wire_type() != 2
    }

    pub(crate) fn is_message(self) -> bool {
        matches!(
            self,
            Self::Message
                | Self::Timestamp
                | Self::Duration
                | Self::Wrapper(_)
                | Self::JsonObject
                | Self::JsonValue
                | Self::JsonList
                | Self::Any
        )
    }

    /// What reads as it where nothing is set.
    pub(super) fn default<'a>(self, kind: Option<&'a Kind>) -> Val<'a> {
        match self {
            Self::Double | Self::Float => Val::Double(0.0),
            Self::Uint32 | Self::Uint64 | Self::Fixed32 | Self::Fixed64 => Val::Uint(0),
            Self::Bool => Val::Bool(false),
            Self::Text => Val::Text(Text::Borrowed("")),
            Self::Bytes => Val::Bytes(Blob::Borrowed(&[])),
            Self::Message => Val::Message(Blob::Borrowed(&[]), kind),
            Self::Timestamp => Val::Timestamp(Instant { seconds: 0, nanos: 0 }),
            Self::Duration => Val::Duration(Span { seconds: 0, nanos: 0 }),
            Self::Wrapper(_) | Self::JsonValue | Self::Any => Val::Null,
            Self::JsonObject => Val::Map(Vec::new().into()),
            Self::JsonList => Val::list(Vec::new()),
            _ => Val::Int(0),
        }
    }

    #[inline]
    pub(super) fn fits(self, wire: &Wire<'_>) -> bool {
        match wire {
            Wire::Varint(_) => self.wire_type() == 0,
            Wire::Fixed64(_) => self.wire_type() == 1,
            Wire::Bytes(_) => self.wire_type() == 2,
            Wire::Fixed32(_) => self.wire_type() == 5,
            // Groups are a way of proto2 to write a message.
            Wire::Group(_) => self == Self::Message,
        }
    }

    /// The value of a wire value that fits; `whole` holds its bytes.
    #[inline]
    pub(super) fn value<'a>(
        self,
        wire: Wire<'_>,
        whole: &Blob<'a>,
        kind: Option<&'a Kind>,
    ) -> Result<Val<'a>, Broken> {
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
                let part = whole.part(bytes);
                match (self, part) {
                    (Self::Message, part) => Val::Message(part, kind),
                    (Self::Text, Blob::Borrowed(bytes)) => Val::Text(Text::Borrowed(wire::text(bytes)?)),
                    (Self::Text, Blob::Shared(bytes)) => Val::Text(Text::Shared(wire::text(&bytes)?.into())),
                    (Self::Bytes, part) => Val::Bytes(part),
                    (_, part) => return self.open(&part, kind),
                }
            }
        })
    }

    /// What a message of this kind stands for.
    pub(super) fn open<'a>(self, message: &Blob<'a>, kind: Option<&'a Kind>) -> Result<Val<'a>, Broken> {
        Ok(match self {
            Self::Timestamp => {
                let (seconds, nanos) = seconds_nanos(message.as_slice())?;
                Val::Timestamp(Instant { seconds, nanos })
            }
            Self::Duration => {
                let (seconds, nanos) = seconds_nanos(message.as_slice())?;
                Val::Duration(Span { seconds, nanos })
            }
            Self::Wrapper(wrapped) => {
                let scalar = wrapped.scalar();
                let mut value = scalar.default(None);
                let mut reader = Reader::new(message.as_slice());
                while let Some(wire) = reader.seek(1, |_| {})? {
                    if scalar.fits(&wire) {
                        value = scalar.value(wire, message, None)?;
                    }
                }
                value
            }
            Self::JsonObject => super::json::object(message, 0)?,
            Self::JsonValue => super::json::value(message, 0)?,
            Self::JsonList => super::json::list(message, 0)?,
            Self::Any => match kind {
                Some(kind) => kind.unpack(message)?,
                None => Val::Message(message.clone(), None),
            },
            _ => Val::Message(message.clone(), kind),
        })
    }
}

pub(super) fn seconds_nanos(bytes: &[u8]) -> Result<(i64, i32), Broken> {
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
