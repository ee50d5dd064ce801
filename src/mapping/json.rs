//! `google.protobuf.Struct`, `Value` and `ListValue`: JSON inside a message, read as maps, lists and scalars, and
//! written from them. As deep as messages may nest, and no deeper.

use std::{cmp::Ordering, sync::Arc};

use trunkline_sdk::Value;

use super::{
    failure::{Budget, Failure},
    functions::{Number, compare_numbers, unfit},
    parts::{entries, items},
    value::{Blob, Text, Val},
};
use crate::canonical::wire::{self, Broken, MAX_DEPTH, Reader, Wire};

pub(super) fn object<'a>(message: &Blob<'a>, depth: u8) -> Result<Val<'a>, Broken> {
    let mut fields: Vec<(Val<'a>, Val<'a>)> = Vec::new();
    let mut reader = Reader::new(message.as_slice());
    while let Some(wire) = reader.seek(1, |_| {})? {
        let Wire::Bytes(entry) = wire else { continue };
        let (mut name, mut held) = (Val::Text(Text::Borrowed("")), Val::Null);
        let mut inner = Reader::new(entry);
        while let Some(field) = inner.field()? {
            match field {
                (1, Wire::Bytes(bytes)) => name = text(message.part(bytes))?,
                (2, Wire::Bytes(bytes)) => held = value(&message.part(bytes), depth + 1)?,
                _ => {}
            }
        }
        fields.push((name, held));
    }
    // The last value of a name counts.
    let mut kept: Vec<(Val<'a>, Val<'a>)> = Vec::with_capacity(fields.len());
    let mut places = std::collections::HashMap::with_capacity(fields.len());
    for (name, held) in fields {
        let Val::Text(text) = &name else { continue };
        match places.get(text.as_str()).copied() {
            Some(place) => {
                let entry: &mut (Val<'a>, Val<'a>) = &mut kept[place];
                entry.1 = held;
            }
            None => {
                places.insert(text.as_str().to_owned(), kept.len());
                kept.push((name, held));
            }
        }
    }
    Ok(Val::Map(Arc::new(kept)))
}

pub(super) fn list<'a>(message: &Blob<'a>, depth: u8) -> Result<Val<'a>, Broken> {
    let mut all = Vec::new();
    let mut reader = Reader::new(message.as_slice());
    while let Some(wire) = reader.seek(1, |_| {})? {
        if let Wire::Bytes(bytes) = wire {
            all.push(value(&message.part(bytes), depth + 1)?);
        }
    }
    Ok(Val::list(all))
}

pub(super) fn value<'a>(message: &Blob<'a>, depth: u8) -> Result<Val<'a>, Broken> {
    if depth >= MAX_DEPTH {
        return Err(Broken::Group);
    }
    let mut found = Val::Null;
    let mut reader = Reader::new(message.as_slice());
    while let Some(field) = reader.field()? {
        found = match field {
            (1, Wire::Varint(_)) => Val::Null,
            (2, Wire::Fixed64(raw)) => Val::Double(f64::from_bits(raw)),
            (3, Wire::Bytes(bytes)) => text(message.part(bytes))?,
            (4, Wire::Varint(raw)) => Val::Bool(raw != 0),
            (5, Wire::Bytes(bytes)) => object(&message.part(bytes), depth)?,
            (6, Wire::Bytes(bytes)) => list(&message.part(bytes), depth)?,
            _ => continue,
        };
    }
    Ok(found)
}

fn text(bytes: Blob<'_>) -> Result<Val<'_>, Broken> {
    Ok(Val::Text(match bytes {
        Blob::Borrowed(bytes) => Text::Borrowed(wire::text(bytes)?),
        Blob::Shared(bytes) => Text::Shared(wire::text(&bytes)?.into()),
    }))
}

/// Whether a double has room for a record's number; a whole one beyond 2^53 is treated as ints are.
fn is_kept(number: Number<'_>, double: f64) -> bool {
    let whole = (9_007_199_254_740_993.0..18_446_744_073_709_551_616.0).contains(&double.abs());
    !whole && compare_numbers(number, Number::Double(double)) == Some(Ordering::Equal)
}

/// The paths of a field mask, as JSON has them: in camel case, with commas between.
fn field_mask(message: &Blob<'_>) -> Result<String, Broken> {
    let mut all = String::new();
    let mut reader = Reader::new(message.as_slice());
    while let Some(wire) = reader.seek(1, |_| {})? {
        let Wire::Bytes(path) = wire else { continue };
        if !all.is_empty() {
            all.push(',');
        }
        let mut upper = false;
        for letter in wire::text(path)?.chars() {
            match letter {
                '_' => upper = true,
                letter if std::mem::take(&mut upper) => all.push(letter.to_ascii_uppercase()),
                letter => all.push(letter),
            }
        }
    }
    Ok(all)
}

/// Writes the content of a `Struct`.
pub(super) fn put_object(
    value: &Val<'_>,
    budget: &mut Budget,
    out: &mut Vec<u8>,
    depth: u8,
) -> Result<(), Box<Failure>> {
    for (name, held) in entries(value, budget)? {
        let Val::Text(name) = &name else {
            return Err(unfit("name of a field of google.protobuf.Struct", &name));
        };
        let entry = wire::begin(out, 1);
        wire::put_bytes(out, 1, name.as_str().as_bytes());
        let start = wire::begin(out, 2);
        put_value(&held, budget, out, depth + 1)?;
        wire::finish(out, start);
        wire::finish(out, entry);
    }
    Ok(())
}

/// Writes the content of a `ListValue`.
pub(super) fn put_list(
    value: &Val<'_>,
    budget: &mut Budget,
    out: &mut Vec<u8>,
    depth: u8,
) -> Result<(), Box<Failure>> {
    for item in items(value, budget)? {
        let start = wire::begin(out, 1);
        put_value(&item, budget, out, depth + 1)?;
        wire::finish(out, start);
    }
    Ok(())
}

/// Writes the content of a `Value`. What JSON has no kind for takes the form that protobuf's JSON gives it.
pub(super) fn put_value(
    value: &Val<'_>,
    budget: &mut Budget,
    out: &mut Vec<u8>,
    depth: u8,
) -> Result<(), Box<Failure>> {
    if depth >= MAX_DEPTH {
        return Err(Failure::new("the value nests too deep for google.protobuf.Value"));
    }
    budget.steps(1)?;
    let mut put_text = |text: &str| {
        wire::put_bytes(out, 3, text.as_bytes());
        budget.bytes(text.len())
    };
    match value {
        Val::Null | Val::Absent => {
            wire::put_tag(out, 1, 0);
            out.push(0);
        }
        Val::Bool(flag) => {
            wire::put_tag(out, 4, 0);
            out.push(u8::from(*flag));
        }
        Val::Text(text) => put_text(text.as_str())?,
        Val::Bytes(bytes) => put_text(&super::functions::base64(bytes.as_slice()))?,
        Val::Message(message, Some(kind)) => match kind.descriptor.full_name() {
            "google.protobuf.Empty" => {
                let start = wire::begin(out, 5);
                wire::finish(out, start);
            }
            "google.protobuf.FieldMask" => put_text(&field_mask(message)?)?,
            _ => return Err(unfit("value of JSON", value)),
        },
        Val::Timestamp(instant) => put_text(&instant.to_text().unwrap_or_default())?,
        Val::Duration(span) => put_text(&span.to_text())?,
        Val::List(_) | Val::Items(_) | Val::Repeated(..) | Val::Record(Value::List(_)) => {
            let start = wire::begin(out, 6);
            put_list(value, budget, out, depth)?;
            wire::finish(out, start);
        }
        Val::Map(_) | Val::Entries(..) | Val::Record(_) => {
            let start = wire::begin(out, 5);
            put_object(value, budget, out, depth)?;
            wire::finish(out, start);
        }
        // Beyond 2^53 a double has no room for it, and JSON writes it as a text.
        Val::Int(number) if number.unsigned_abs() > 1 << 53 => put_text(&number.to_string())?,
        Val::Uint(number) if *number > 1 << 53 => put_text(&number.to_string())?,
        other => {
            let number = Number::of(other).ok_or_else(|| unfit("value of JSON", other))?;
            match (number.as_double(), other) {
                (Some(double), Val::Number(digits)) if !is_kept(number, double) => put_text(digits.as_str())?,
                (None, Val::Number(digits)) => put_text(digits.as_str())?,
                (double, _) => {
                    wire::put_tag(out, 2, 1);
                    out.extend_from_slice(&double.unwrap_or(f64::NAN).to_le_bytes());
                }
            }
        }
    }
    Ok(())
}
