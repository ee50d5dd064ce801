//! Values to protobuf bytes, exactly, or it is a fault: numbers, bools and enums, instants and durations, and the
//! messages that stand for a value: wrappers, JSON's values, `Any`.

use std::cmp::Ordering;

use trunkline_sdk::Value;

use super::{
    evaluate::Run,
    failure::Failure,
    functions::{Number, compare_numbers, digits_to_integer},
    json,
    scalar::{Scalar, Wrapped},
    value::Val,
};
use crate::canonical::wire;

impl Run<'_> {
    /// Writes the content of a message that stands for a value.
    pub(super) fn put_content(
        &mut self,
        scalar: Scalar,
        value: &Val<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Box<Failure>> {
        match (scalar, value) {
            (Scalar::Wrapper(wrapped), value) => {
                let content = match (wrapped.scalar(), value) {
                    (Scalar::Text, Val::Text(text)) => text.as_str().as_bytes(),
                    (Scalar::Bytes, Val::Bytes(bytes)) => bytes.as_slice(),
                    (Scalar::Text | Scalar::Bytes, other) => return Err(misfit(scalar, other)),
                    (inner, value) => {
                        let before = out.len();
                        wire::put_tag(out, 1, inner.wire_type());
                        let start = out.len();
                        put_packed(inner, value, out)?;
                        if out[start..].iter().all(|byte| *byte == 0) {
                            out.truncate(before);
                        }
                        return Ok(());
                    }
                };
                if !content.is_empty() {
                    self.budget.bytes(content.len())?;
                    wire::put_bytes(out, 1, content);
                }
                Ok(())
            }
            (Scalar::JsonObject, value) => json::put_object(value, &mut self.budget, out, 0),
            (Scalar::JsonList, value) => json::put_list(value, &mut self.budget, out, 0),
            (Scalar::JsonValue, value) => json::put_value(value, &mut self.budget, out, 0),
            (Scalar::Timestamp, Val::Timestamp(instant)) => {
                put_parts(out, instant.seconds, instant.nanos);
                Ok(())
            }
            (Scalar::Duration, Val::Duration(span)) => {
                put_parts(out, span.seconds, span.nanos);
                Ok(())
            }
            (Scalar::Any, value) => self.put_any(value, out),
            (scalar, other) => Err(misfit(scalar, other)),
        }
    }

    /// Writes the content of an `Any` that holds the value: in the message that stands for its kind.
    fn put_any(&mut self, value: &Val<'_>, out: &mut Vec<u8>) -> Result<(), Box<Failure>> {
        let (name, scalar) = match value {
            Val::Message(bytes, Some(kind)) if kind.scalar == Scalar::Any => {
                out.extend_from_slice(bytes.as_slice());
                return Ok(());
            }
            Val::Message(_, Some(kind)) => (kind.descriptor.full_name(), Scalar::Message),
            Val::Timestamp(_) => ("google.protobuf.Timestamp", Scalar::Timestamp),
            Val::Duration(_) => ("google.protobuf.Duration", Scalar::Duration),
            Val::Null => ("google.protobuf.Value", Scalar::JsonValue),
            Val::Map(_) | Val::Entries(..) | Val::Record(Value::Object(_)) => {
                ("google.protobuf.Struct", Scalar::JsonObject)
            }
            Val::List(_) | Val::Items(_) | Val::Repeated(..) | Val::Record(_) => {
                ("google.protobuf.ListValue", Scalar::JsonList)
            }
            value => match wrapped(value) {
                Some(wrapped) => (wrapped.name(), Scalar::Wrapper(wrapped)),
                None => return Err(misfit(Scalar::Any, value)),
            },
        };
        wire::put_bytes(out, 1, format!("type.googleapis.com/{name}").as_bytes());
        let start = wire::begin(out, 2);
        match value {
            Val::Message(bytes, _) => {
                self.budget.bytes(bytes.as_slice().len())?;
                out.extend_from_slice(bytes.as_slice());
            }
            value => self.put_content(scalar, value, out)?,
        }
        wire::finish(out, start);
        Ok(())
    }
}

/// What a wrapper or `Any` makes of a value that comes without its message.
fn wrapped(value: &Val<'_>) -> Option<Wrapped> {
    Some(match value {
        Val::Bool(_) => Wrapped::Bool,
        Val::Int(_) => Wrapped::Int64,
        Val::Uint(_) => Wrapped::Uint64,
        Val::Double(_) => Wrapped::Double,
        Val::Text(_) => Wrapped::Text,
        Val::Bytes(_) => Wrapped::Bytes,
        Val::Number(_) => {
            let number = Number::of(value)?;
            match number.as_integer() {
                Some(whole) if i64::try_from(whole).is_ok() => Wrapped::Int64,
                Some(whole) if u64::try_from(whole).is_ok() => Wrapped::Uint64,
                // Nobody has asked for a double: only where it is the same number.
                _ => {
                    let double = Number::Double(number.as_double()?);
                    (compare_numbers(number, double) == Some(Ordering::Equal)).then_some(Wrapped::Double)?
                }
            }
        }
        _ => return None,
    })
}

pub(super) fn put_seconds(out: &mut Vec<u8>, number: u32, seconds: i64, nanos: i32) {
    let start = wire::begin(out, number);
    put_parts(out, seconds, nanos);
    wire::finish(out, start);
}

fn put_parts(out: &mut Vec<u8>, seconds: i64, nanos: i32) {
    if seconds != 0 {
        wire::put_tag(out, 1, 0);
        wire::put_varint(out, seconds as u64);
    }
    if nanos != 0 {
        wire::put_tag(out, 2, 0);
        wire::put_varint(out, i64::from(nanos) as u64);
    }
}

/// Writes a number, bool or enum without its tag; exactly, or it is a fault.
#[inline]
pub(super) fn put_packed(scalar: Scalar, value: &Val<'_>, out: &mut Vec<u8>) -> Result<(), Box<Failure>> {
    match scalar {
        Scalar::Bool => match value {
            Val::Bool(flag) => out.push(u8::from(*flag)),
            other => return Err(misfit(scalar, other)),
        },
        Scalar::Double | Scalar::Float => {
            let number = Number::of(value)
                .and_then(Number::as_double)
                .ok_or_else(|| misfit(scalar, value))?;
            if scalar == Scalar::Double {
                out.extend_from_slice(&number.to_le_bytes());
            } else {
                let narrow = number as f32;
                if narrow.is_infinite() && number.is_finite() {
                    return Err(misfit(scalar, value));
                }
                out.extend_from_slice(&narrow.to_le_bytes());
            }
        }
        _ => {
            let number = match value {
                Val::Int(number) => i128::from(*number),
                Val::Uint(number) => i128::from(*number),
                Val::Number(digits) => match digits_to_integer(digits.as_str()) {
                    Some((number, false)) => number,
                    _ => return Err(misfit(scalar, value)),
                },
                other => return Err(misfit(scalar, other)),
            };
            put_integer(scalar, number, out).ok_or_else(|| misfit(scalar, value))?;
        }
    }
    Ok(())
}

/// Whether a number known before fits a field of this kind; what is no number fits or not by its type.
pub(crate) fn constant_fits(scalar: Scalar, value: &Val<'_>) -> bool {
    match scalar {
        Scalar::Wrapper(wrapped) => constant_fits(wrapped.scalar(), value),
        _ if scalar.wire_type() == 2 || !matches!(value, Val::Int(_) | Val::Uint(_) | Val::Double(_)) => true,
        _ => put_packed(scalar, value, &mut Vec::new()).is_ok(),
    }
}

#[inline]
fn put_integer(scalar: Scalar, number: i128, out: &mut Vec<u8>) -> Option<()> {
    match scalar {
        Scalar::Int32 | Scalar::Enum => {
            wire::put_varint(out, i64::from(i32::try_from(number).ok()?) as u64);
        }
        Scalar::Int64 => wire::put_varint(out, i64::try_from(number).ok()? as u64),
        Scalar::Uint32 => wire::put_varint(out, u64::from(u32::try_from(number).ok()?)),
        Scalar::Uint64 => wire::put_varint(out, u64::try_from(number).ok()?),
        Scalar::Sint32 => wire::put_varint(out, wire::zigzag(i64::from(i32::try_from(number).ok()?))),
        Scalar::Sint64 => wire::put_varint(out, wire::zigzag(i64::try_from(number).ok()?)),
        Scalar::Fixed32 => out.extend_from_slice(&u32::try_from(number).ok()?.to_le_bytes()),
        Scalar::Sfixed32 => out.extend_from_slice(&i32::try_from(number).ok()?.to_le_bytes()),
        Scalar::Fixed64 => out.extend_from_slice(&u64::try_from(number).ok()?.to_le_bytes()),
        _ => out.extend_from_slice(&i64::try_from(number).ok()?.to_le_bytes()),
    }
    Some(())
}

/// A value that does not go into a field of this kind.
#[cold]
pub(super) fn misfit(scalar: Scalar, value: &Val<'_>) -> Box<Failure> {
    let failure = Failure::new(format!("{} does not fit {}", value.kind(), scalar.word()));
    match (scalar, value) {
        (_, Val::Null) => failure.hint("`?field: this.?name` leaves the field unset where there is nothing"),
        (Scalar::Text, Val::Number(_) | Val::Int(_) | Val::Uint(_) | Val::Double(_) | Val::Bool(_)) => {
            failure.hint("string(..) makes a text of it")
        }
        (Scalar::Bytes, Val::Text(_)) => failure.hint("bytes(..) makes bytes of a text"),
        (Scalar::Bool, Val::Text(_)) => failure.hint("bool(..) reads it from a text"),
        (Scalar::Double | Scalar::Float, Val::Text(_)) => failure.hint("double(..) reads it from a text"),
        (_, Val::Text(_)) if scalar.wire_type() != 2 => {
            failure.hint("int(..) or uint(..) reads it from a text")
        }
        _ => failure,
    }
}
