//! The types of the language, and which may meet.

use std::{fmt, sync::Arc};

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};

use super::schema::{RecordKind, RecordObject, RecordType};

/// What is known of an expression before it runs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Type {
    /// A part of a record: what it is shows at run time.
    Dyn,
    /// What the items of an empty list are: whatever the lists beside it hold.
    Open,
    /// CEL's dyn, which takes part in everything: of `dyn(..)`, of mixed lists, of JSON inside a message.
    Any,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    /// A number of a record, which is decimal, or any other: which shows at run time.
    Number,
    Text,
    Bytes,
    Timestamp,
    Duration,
    Enum(EnumDescriptor),
    Message(MessageDescriptor),
    /// An object of a record, with its declared fields.
    Object(Arc<RecordObject>),
    List(Box<Type>),
    Map(Box<Type>, Box<Type>),
    Optional(Box<Type>),
    /// What `type(..)` gives.
    Named,
    /// The problem was told: whatever is built on it is not told again.
    Error,
}

impl Type {
    pub(crate) fn list(of: Type) -> Self {
        Self::List(Box::new(of))
    }

    /// The type of a declared part of a record.
    pub(crate) fn of_record(ty: &RecordType) -> Self {
        match &ty.kind {
            RecordKind::Any => Self::Dyn,
            RecordKind::Bool => Self::Bool,
            RecordKind::Int => Self::Int,
            RecordKind::Number => Self::Number,
            RecordKind::Text | RecordKind::Words(_) => Self::Text,
            RecordKind::Bytes => Self::Bytes,
            RecordKind::List(item) => Self::list(Self::of_record(item)),
            RecordKind::Object(object) => match &object.rest {
                Some(rest) if object.fields.is_empty() => {
                    Self::Map(Box::new(Self::Text), Box::new(Self::of_record(rest)))
                }
                _ => Self::Object(object.clone()),
            },
        }
    }

    /// The type of a field as it is read and set.
    pub(crate) fn of_field(field: &FieldDescriptor) -> Self {
        let kind = field.kind();
        match &kind {
            Kind::Message(entry) if field.is_map() => Self::Map(
                Box::new(Self::of_kind(&entry.map_entry_key_field().kind())),
                Box::new(Self::of_kind(&entry.map_entry_value_field().kind())),
            ),
            kind if field.is_list() => Self::list(Self::of_kind(kind)),
            kind => Self::of_kind(kind),
        }
    }

    pub(crate) fn of_kind(kind: &Kind) -> Self {
        match kind {
            Kind::Double | Kind::Float => Self::Double,
            Kind::Int32 | Kind::Int64 | Kind::Sint32 | Kind::Sint64 | Kind::Sfixed32 | Kind::Sfixed64 => {
                Self::Int
            }
            Kind::Uint32 | Kind::Uint64 | Kind::Fixed32 | Kind::Fixed64 => Self::Uint,
            Kind::Bool => Self::Bool,
            Kind::String => Self::Text,
            Kind::Bytes => Self::Bytes,
            Kind::Enum(kind) => Self::Enum(kind.clone()),
            Kind::Message(message) => Self::of_message(message),
        }
    }

    pub(crate) fn of_message(message: &MessageDescriptor) -> Self {
        match message.full_name() {
            "google.protobuf.Timestamp" => Self::Timestamp,
            "google.protobuf.Duration" => Self::Duration,
            "google.protobuf.DoubleValue" | "google.protobuf.FloatValue" => Self::Double,
            "google.protobuf.Int64Value" | "google.protobuf.Int32Value" => Self::Int,
            "google.protobuf.UInt64Value" | "google.protobuf.UInt32Value" => Self::Uint,
            "google.protobuf.BoolValue" => Self::Bool,
            "google.protobuf.StringValue" => Self::Text,
            "google.protobuf.BytesValue" => Self::Bytes,
            "google.protobuf.Struct" => Self::Map(Box::new(Self::Text), Box::new(Self::Any)),
            "google.protobuf.ListValue" => Self::list(Self::Any),
            "google.protobuf.Value" | "google.protobuf.Any" => Self::Any,
            _ => Self::Message(message.clone()),
        }
    }

    /// The type of one item, taken out of what may be empty.
    pub(crate) fn settled(self) -> Self {
        match self {
            Self::Open => Self::Any,
            other => other,
        }
    }

    pub(crate) fn is_integer(&self) -> bool {
        matches!(self, Self::Int | Self::Uint)
    }

    pub(crate) fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Uint | Self::Double | Self::Number)
    }

    /// One value rather than an object or a list, as far as is known.
    pub(crate) fn is_single(&self) -> bool {
        match self {
            Self::List(_) | Self::Map(..) | Self::Object(_) | Self::Message(_) => false,
            Self::Optional(inner) => inner.is_single(),
            _ => true,
        }
    }

    /// A type that could be either of these: of two branches, of the items of a list.
    pub(crate) fn join(self, other: Type) -> Option<Type> {
        Some(match (self, other) {
            (one, two) if one == two => one,
            (Self::Error, _) | (_, Self::Error) => Self::Error,
            (Self::Open, other) | (other, Self::Open) => other,
            (Self::Any, _) | (_, Self::Any) => Self::Any,
            (Self::Null, other) | (other, Self::Null) => other,
            // A record's part beside anything that a record can hold stays a record's part.
            (Self::Dyn, other) | (other, Self::Dyn) if other.in_records() => Self::Dyn,
            (Self::Object(_), other) | (other, Self::Object(_)) if other.in_records() => Self::Dyn,
            (one, two) if one.is_integer() && two.is_integer() => Self::Int,
            (Self::Enum(_), other) | (other, Self::Enum(_))
                if other.is_integer() || matches!(other, Self::Enum(_)) =>
            {
                Self::Int
            }
            (Self::Number, other) | (other, Self::Number) if other.is_number() => Self::Number,
            (Self::List(one), Self::List(two)) => Self::list(one.join(*two)?),
            (Self::Map(key, one), Self::Map(other, two)) => {
                Self::Map(Box::new(key.join(*other)?), Box::new(one.join(*two)?))
            }
            (Self::Optional(one), Self::Optional(two)) => Self::Optional(Box::new(one.join(*two)?)),
            _ => return None,
        })
    }

    /// Whether a record can hold a value of this type.
    pub(crate) fn in_records(&self) -> bool {
        matches!(
            self,
            Self::Dyn
                | Self::Null
                | Self::Bool
                | Self::Int
                | Self::Uint
                | Self::Double
                | Self::Number
                | Self::Text
                | Self::Bytes
                | Self::List(_)
                | Self::Map(..)
                | Self::Object(_)
                | Self::Error
        )
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dyn => f.write_str("of unknown type (a part of the record)"),
            Self::Any | Self::Open => f.write_str("dyn"),
            Self::Named => f.write_str("type"),
            Self::Null => f.write_str("null"),
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Uint => f.write_str("uint"),
            Self::Double => f.write_str("double"),
            Self::Number => f.write_str("number"),
            Self::Text => f.write_str("string"),
            Self::Bytes => f.write_str("bytes"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Duration => f.write_str("duration"),
            Self::Enum(kind) => write!(f, "enum {}", kind.full_name()),
            Self::Message(message) => write!(f, "message {}", message.full_name()),
            Self::Object(_) => f.write_str("object"),
            Self::List(of) if **of == Self::Dyn => f.write_str("list"),
            Self::List(of) => write!(f, "list of {of}"),
            Self::Map(key, value) => match (&**key, &**value) {
                (_, Self::Dyn) => f.write_str("map"),
                (key, value) => write!(f, "map of {key} to {value}"),
            },
            Self::Optional(of) => write!(f, "optional {of}"),
            Self::Error => f.write_str("unknown"),
        }
    }
}
