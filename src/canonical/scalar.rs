//! The kinds of values of protobuf, listed once: its scalars, and Google's messages that stand for a value: instants,
//! durations, wrappers, JSON's values, and what `Any` holds.

use prost_reflect::{Kind, MessageDescriptor};

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
            Kind::Message(message) => Self::of_message(message),
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
    pub(crate) fn packs(self) -> bool {
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
}
