//! The Message Translator: a checked message literal, run over a message or record, straight to protobuf bytes.
//!
//! Promised: fields are written in the order of their numbers, defaults are left out, as protobuf's other encoders
//! do; every field that fails is told, each with its path and place. Never quoted: a value of the record.

use super::{
    encode::{misfit, put_packed, put_seconds},
    evaluate::Run,
    failure::Failure,
    faults::Faults,
    field::{Field, Shape},
    parts::{entries, items},
    plan::{Literal, LoopKind, Node, Setter},
    scalar::Scalar,
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
