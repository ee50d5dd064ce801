//! The Message Translator: a checked message literal, run over a message or record, straight to protobuf bytes.
//!
//! Promised: fields are written in the order of their numbers, defaults are left out, as protobuf's other encoders
//! do; every field that fails is told, each with its path and place. Never quoted: a value of the record.

use trunkline_sdk::Value;

use super::{
    evaluate::Run,
    failure::Failure,
    faults::Faults,
    field::{Field, Shape},
    functions::{Number, digits_to_integer},
    json,
    parts::{entries, items},
    plan::{Literal, LoopKind, Node, Setter},
    scalar::{Scalar, Wrapped},
    value::Val,
};
use crate::canonical::wire;

impl<'a> Run<'a> {
    /// Writes the message that a whole mapping gives.
    pub(crate) fn put_whole(&mut self, node: &'a Node, out: &mut Vec<u8>, faults: &mut Faults) {
        match node {
            Node::Message(literal) => self.put_message(literal, out, faults),
            Node::Choose(parts, at) => {
                let [condition, yes, no] = &**parts;
                match self.test(condition, *at) {
                    Ok(true) => self.put_whole(yes, out, faults),
                    Ok(false) => self.put_whole(no, out, faults),
                    Err(failure) => faults.push(failure),
                }
            }
            Node::Bind { slot, value, body } => match self.evaluate(value) {
                Ok(value) => {
                    self.set(*slot, value);
                    self.put_whole(body, out, faults);
                }
                Err(failure) => faults.push(failure),
            },
            _ => match self.evaluate(node) {
                Ok(Val::Message(bytes, _)) => out.extend_from_slice(bytes.as_slice()),
                Ok(other) => faults.push(super::functions::unfit("message", &other)),
                Err(failure) => faults.push(failure),
            },
        }
    }

    /// Writes the fields of a message literal.
    pub(crate) fn put_message(&mut self, literal: &'a Literal, out: &mut Vec<u8>, faults: &mut Faults) {
        for setter in &literal.setters {
            let (since, written) = (faults.len(), out.len());
            match setter.field.shape {
                Shape::One { presence } => self.put_one(setter, &setter.value, presence, out, faults),
                Shape::List { packed } => self.put_list(setter, &setter.value, packed, out, faults),
                Shape::Map => self.put_map(setter, out, faults),
            }
            if setter.required && out.len() == written && faults.len() == since {
                faults.push(
                    Failure::new("the field is required, but what it is set to is empty").at(setter.at),
                );
            }
            if faults.len() > since {
                faults.place(since, setter.at);
                faults.prefix(since, &setter.name);
                if faults.is_exhausted() {
                    return;
                }
            }
        }
    }

    fn put_one(
        &mut self,
        setter: &'a Setter,
        node: &'a Node,
        presence: bool,
        out: &mut Vec<u8>,
        faults: &mut Faults,
    ) {
        let number = setter.field.number;
        match node {
            Node::Message(literal) if setter.field.scalar == literal.kind.scalar => {
                let start = wire::begin(out, number);
                self.put_message(literal, out, faults);
                wire::finish(out, start);
            }
            Node::Money {
                amount, currency, at, ..
            } if setter.field.scalar == Scalar::Message => {
                let start = wire::begin(out, number);
                if let Err(failure) = self.put_money(amount, currency, out) {
                    faults.push(failure.at(*at));
                }
                wire::finish(out, start);
            }
            Node::Choose(parts, at) => {
                let [condition, yes, no] = &**parts;
                match self.test(condition, *at) {
                    Ok(true) => self.put_one(setter, yes, presence, out, faults),
                    Ok(false) => self.put_one(setter, no, presence, out, faults),
                    Err(failure) => faults.push(failure),
                }
            }
            Node::Bind { slot, value, body } => match self.evaluate(value) {
                Ok(value) => {
                    self.set(*slot, value);
                    self.put_one(setter, body, presence, out, faults);
                }
                Err(failure) => faults.push(failure),
            },
            _ => {
                let put = self.evaluate(node).and_then(|value| match value {
                    // Nothing there, nothing set.
                    Val::Absent => Ok(()),
                    // The null of JSON is a value.
                    Val::Null
                        if presence
                            && matches!(setter.field.shape, Shape::One { .. })
                            && setter.field.scalar != Scalar::JsonValue =>
                    {
                        Ok(())
                    }
                    value => self.put_value(&setter.field, number, &value, presence, out),
                });
                if let Err(failure) = put {
                    faults.push(failure);
                }
            }
        }
    }

    fn put_list(
        &mut self,
        setter: &'a Setter,
        node: &'a Node,
        packed: bool,
        out: &mut Vec<u8>,
        faults: &mut Faults,
    ) {
        let field = &setter.field;
        match node {
            // Each item straight into the output.
            Node::Loop(inner) if inner.kind == LoopKind::Map && !packed => {
                let range = match self.evaluate(&inner.range) {
                    Ok(range) => range,
                    Err(failure) => return faults.push(failure.at(inner.at)),
                };
                let mut at = 0;
                let walked = self.each_of(inner, &range, |run| {
                    let since = faults.len();
                    let passes = match &inner.test {
                        Some(test) => run.test(test, inner.at),
                        None => Ok(true),
                    };
                    match passes {
                        Ok(true) => run.put_one(setter, &inner.body, true, out, faults),
                        Ok(false) => {}
                        Err(failure) => faults.push(failure),
                    }
                    if faults.len() > since {
                        faults.prefix(since, &format!("[{at}]"));
                    }
                    at += 1;
                    Ok(!faults.is_exhausted())
                });
                if let Err(failure) = walked {
                    faults.push(failure);
                }
            }
            Node::List(list) if !packed => {
                for (at, item) in list.iter().enumerate() {
                    let since = faults.len();
                    self.put_one(setter, &item.value, true, out, faults);
                    if faults.len() > since {
                        faults.prefix(since, &format!("[{at}]"));
                    }
                }
            }
            Node::Choose(parts, at) => {
                let [condition, yes, no] = &**parts;
                match self.test(condition, *at) {
                    Ok(true) => self.put_list(setter, yes, packed, out, faults),
                    Ok(false) => self.put_list(setter, no, packed, out, faults),
                    Err(failure) => faults.push(failure),
                }
            }
            _ => {
                let all = match self.evaluate(node) {
                    Ok(Val::Absent | Val::Null) => return,
                    Ok(value) => items(&value, &mut self.budget),
                    Err(failure) => return faults.push(failure),
                };
                let all = match all {
                    Ok(all) if all.is_empty() => return,
                    Ok(all) => all,
                    Err(failure) => return faults.push(failure),
                };
                let start = packed.then(|| wire::begin(out, field.number));
                for (at, item) in all.iter().enumerate() {
                    let put = if packed {
                        put_packed(field.scalar, item, out)
                    } else {
                        self.put_value(field, field.number, item, true, out)
                    };
                    if let Err(failure) = put {
                        faults.push(failure);
                        let since = faults.len() - 1;
                        faults.prefix(since, &format!("[{at}]"));
                        break;
                    }
                }
                if let Some(start) = start {
                    wire::finish(out, start);
                }
            }
        }
    }

    fn put_map(&mut self, setter: &'a Setter, out: &mut Vec<u8>, faults: &mut Faults) {
        let Some([key, held]) = setter.field.entry() else {
            return;
        };
        let all = match self.evaluate(&setter.value) {
            Ok(Val::Absent | Val::Null) => return,
            Ok(value) => entries(&value, &mut self.budget),
            Err(failure) => return faults.push(failure),
        };
        let put = all.and_then(|all| {
            for (name, value) in &all {
                let start = wire::begin(out, setter.field.number);
                self.put_value(key, 1, name, false, out)?;
                self.put_value(held, 2, value, false, out)?;
                wire::finish(out, start);
            }
            Ok(())
        });
        if let Err(failure) = put {
            faults.push(failure);
        }
    }

    /// Writes the content of a message that stands for a value.
    fn put_content(
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

    /// Writes one value with its tag; a default only where the field has presence.
    #[inline]
    fn put_value(
        &mut self,
        field: &Field,
        number: u32,
        value: &Val<'_>,
        presence: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Box<Failure>> {
        let scalar = field.scalar;
        match (scalar, value) {
            (Scalar::Text, Val::Text(text)) => {
                let text = text.as_str();
                if presence || !text.is_empty() {
                    self.budget.bytes(text.len())?;
                    wire::put_bytes(out, number, text.as_bytes());
                }
            }
            (Scalar::Bytes, Val::Bytes(bytes)) => {
                let bytes = bytes.as_slice();
                if presence || !bytes.is_empty() {
                    self.budget.bytes(bytes.len())?;
                    wire::put_bytes(out, number, bytes);
                }
            }
            (Scalar::Message, Val::Message(bytes, kind)) => {
                if let (Some(wanted), Some(given)) = (field.kind(), kind)
                    && wanted.descriptor != given.descriptor
                {
                    let (wanted, given) = (wanted.descriptor.full_name(), given.descriptor.full_name());
                    return Err(Failure::new(format!("message {given} is no message {wanted}")));
                }
                self.budget.bytes(bytes.as_slice().len())?;
                wire::put_bytes(out, number, bytes.as_slice());
            }
            (Scalar::Timestamp, Val::Timestamp(instant)) => {
                put_seconds(out, number, instant.seconds, instant.nanos);
            }
            (Scalar::Duration, Val::Duration(span)) => put_seconds(out, number, span.seconds, span.nanos),
            (
                Scalar::Text | Scalar::Bytes | Scalar::Message | Scalar::Timestamp | Scalar::Duration,
                other,
            ) => {
                return Err(misfit(scalar, other));
            }
            (
                Scalar::Wrapper(_) | Scalar::JsonObject | Scalar::JsonList | Scalar::JsonValue | Scalar::Any,
                value,
            ) => {
                let start = wire::begin(out, number);
                self.put_content(scalar, value, out)?;
                wire::finish(out, start);
            }
            _ => {
                let before = out.len();
                wire::put_tag(out, number, scalar.wire_type());
                let start = out.len();
                put_packed(scalar, value, out)?;
                // A default is zero bytes in each of these encodings.
                if !presence && out[start..].iter().all(|byte| *byte == 0) {
                    out.truncate(before);
                }
            }
        }
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
        Val::Number(_) => match Number::of(value)? {
            Number::Int(_) => Wrapped::Int64,
            Number::Uint(_) => Wrapped::Uint64,
            Number::Double(_) => Wrapped::Double,
        },
        _ => return None,
    })
}

fn put_seconds(out: &mut Vec<u8>, number: u32, seconds: i64, nanos: i32) {
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
fn put_packed(scalar: Scalar, value: &Val<'_>, out: &mut Vec<u8>) -> Result<(), Box<Failure>> {
    match scalar {
        Scalar::Bool => match value {
            Val::Bool(flag) => out.push(u8::from(*flag)),
            other => return Err(misfit(scalar, other)),
        },
        Scalar::Double | Scalar::Float => {
            let number = Number::of(value)
                .ok_or_else(|| misfit(scalar, value))?
                .as_double();
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
                Val::Number(digits) => match digits_to_integer(digits) {
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

/// Whether a number known before fits a field of this kind; what is no whole number fits or not by its type.
pub(crate) fn integer_fits(scalar: Scalar, value: &Val<'_>) -> bool {
    let number = match value {
        Val::Int(number) => i128::from(*number),
        Val::Uint(number) => i128::from(*number),
        _ => return true,
    };
    matches!(scalar, Scalar::Double | Scalar::Float) || put_integer(scalar, number, &mut Vec::new()).is_some()
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
fn misfit(scalar: Scalar, value: &Val<'_>) -> Box<Failure> {
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
