//! The kinds of values as they are declared, and Google's own messages as rules see them.

use prost_reflect::Kind as Declared;

use super::plan::{Kind, Seen};
use crate::canonical::{
    scalar::Scalar,
    wire::{Broken, Reader, Wire},
};

const FIELD_MASK: &str = "google.protobuf.FieldMask";

impl Kind {
    /// The kind by itself, without the rules of a message.
    pub(super) fn of(declared: &Declared) -> Self {
        match (Scalar::of(declared), declared) {
            (Scalar::Message, Declared::Message(message)) if message.full_name() == FIELD_MASK => {
                Kind::FieldMask
            }
            (Scalar::Message | Scalar::JsonObject | Scalar::JsonList | Scalar::JsonValue, _) => {
                Kind::Message(None)
            }
            (scalar, _) => Kind::Of(scalar),
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
            Kind::Of(Scalar::Timestamp | Scalar::Duration) => {
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
            Kind::Of(Scalar::Any) => {
                let mut name = &[][..];
                while let Some(field) = reader.field()? {
                    if let (1, Wire::Bytes(found)) = field {
                        name = found;
                    }
                }
                Ok(Seen::Type(name))
            }
            Kind::Of(Scalar::Wrapper(wrapped)) => {
                let inner = Kind::Of(wrapped.scalar());
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
