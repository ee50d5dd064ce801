//! What a value is in the language when it is read from its bytes, and where nothing is set.

use super::{
    kind::Kind,
    value::{Blob, Text, Val},
};
pub(crate) use crate::canonical::scalar::{Scalar, Wrapped};
use crate::canonical::{
    time::{Instant, Span},
    wire::{self, Broken, Reader, Wire},
};

impl Scalar {
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
