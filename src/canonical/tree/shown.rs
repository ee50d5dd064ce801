//! How single values are shown: scalars, times, money, numbers that are none, the JSON inside a message.

use std::{borrow::Cow, collections::HashMap};

use trunkline_sdk::Value;

use super::form;
use crate::canonical::{
    scalar::Scalar,
    time::{Instant, Span},
    wire::{self, Broken, MAX_DEPTH, Reader, Wire},
};

/// One value; `None`: it came with a foreign wire type, so it is an unknown field.
pub(super) fn scalar<'a>(kind: Scalar, wire: Wire<'a>, depth: u8) -> Result<Option<Value<'a>>, Broken> {
    let number = |text: String| Value::Number(Cow::Owned(text));
    Ok(Some(match (kind, wire) {
        (Scalar::Int32 | Scalar::Enum, Wire::Varint(raw)) => number((raw as i32).to_string()),
        (Scalar::Int64, Wire::Varint(raw)) => number((raw as i64).to_string()),
        (Scalar::Uint32, Wire::Varint(raw)) => number((raw as u32).to_string()),
        (Scalar::Uint64, Wire::Varint(raw)) => number(raw.to_string()),
        (Scalar::Sint32, Wire::Varint(raw)) => {
            number((wire::unzigzag(u64::from(raw as u32)) as i32).to_string())
        }
        (Scalar::Sint64, Wire::Varint(raw)) => number(wire::unzigzag(raw).to_string()),
        (Scalar::Sfixed32, Wire::Fixed32(raw)) => number((raw as i32).to_string()),
        (Scalar::Fixed32, Wire::Fixed32(raw)) => number(raw.to_string()),
        (Scalar::Sfixed64, Wire::Fixed64(raw)) => number((raw as i64).to_string()),
        (Scalar::Fixed64, Wire::Fixed64(raw)) => number(raw.to_string()),
        (Scalar::Double, Wire::Fixed64(raw)) => double(f64::from_bits(raw)),
        (Scalar::Float, Wire::Fixed32(raw)) => {
            let narrow = f32::from_bits(raw);
            // Its own shortest digits, not those of the double it would be.
            if narrow.is_finite() {
                number(narrow.to_string())
            } else {
                double(f64::from(narrow))
            }
        }
        (Scalar::Bool, Wire::Varint(raw)) => Value::Bool(raw != 0),
        (Scalar::Text, Wire::Bytes(bytes)) => Value::Text(Cow::Borrowed(wire::text(bytes)?)),
        (Scalar::Bytes, Wire::Bytes(bytes)) => Value::Bytes(Cow::Borrowed(bytes)),
        (Scalar::Timestamp, Wire::Bytes(bytes)) => {
            let [_, seconds, nanos, _] = integers(bytes)?;
            let text = Instant {
                seconds,
                nanos: nanos as i32,
            }
            .to_text();
            text.map_or(Value::Null, |text| Value::Text(Cow::Owned(text)))
        }
        (Scalar::Duration, Wire::Bytes(bytes)) => {
            let [_, seconds, nanos, _] = integers(bytes)?;
            let span = Span {
                seconds,
                nanos: nanos as i32,
            };
            Value::Text(Cow::Owned(span.to_text()))
        }
        (Scalar::Wrapper(wrapped), Wire::Bytes(bytes)) => {
            let held = wrapped.scalar();
            let mut value = form::default(held);
            let mut reader = Reader::new(bytes);
            while let Some(wire) = reader.seek(1, |_| {})? {
                value = scalar(held, wire, depth)?.unwrap_or(value);
            }
            value
        }
        (Scalar::JsonObject, Wire::Bytes(bytes)) => object(bytes, depth)?,
        (Scalar::JsonList, Wire::Bytes(bytes)) => list(bytes, depth)?,
        (Scalar::JsonValue, Wire::Bytes(bytes)) => self::value(bytes, depth)?,
        _ => return Ok(None),
    }))
}

fn double<'a>(number: f64) -> Value<'a> {
    if number.is_finite() {
        return Value::Number(Cow::Owned(number.to_string()));
    }
    Value::Text(Cow::Borrowed(if number.is_nan() {
        "NaN"
    } else if number > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }))
}

/// Each name once, with the last value that came under it.
pub(super) fn once<'a>(entries: Vec<(Cow<'a, str>, Value<'a>)>) -> Vec<(Cow<'a, str>, Value<'a>)> {
    let mut places = HashMap::with_capacity(entries.len());
    let mut kept: Vec<(Cow<'a, str>, Value<'a>)> = Vec::with_capacity(entries.len());
    for (name, value) in entries {
        let place = *places.entry(name.clone()).or_insert(kept.len());
        match kept.get_mut(place) {
            Some((_, earlier)) => *earlier = value,
            None => kept.push((name, value)),
        }
    }
    kept
}

/// The varints of the fields 1 to 3.
pub(super) fn integers(bytes: &[u8]) -> Result<[i64; 4], Broken> {
    let mut found = [0; 4];
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.field()? {
        if let (1..=3, Wire::Varint(raw)) = (number, wire) {
            found[number as usize] = raw as i64;
        }
    }
    Ok(found)
}

pub(super) fn money<'a>(bytes: &'a [u8]) -> Result<Value<'a>, Broken> {
    let [_, _, units, nanos] = integers(bytes)?;
    let mut currency = "";
    let mut reader = Reader::new(bytes);
    while let Some(field) = reader.field()? {
        if let (1, Wire::Bytes(code)) = field {
            currency = wire::text(code)?;
        }
    }
    Ok(Value::Object(vec![
        (
            Cow::Borrowed("currency_code"),
            Value::Text(Cow::Borrowed(currency)),
        ),
        (
            Cow::Borrowed("amount"),
            Value::Number(Cow::Owned(amount(units, nanos as i32))),
        ),
    ]))
}

/// Units and nanos as decimal digits, with at least two decimals where there are any.
pub(crate) fn amount(units: i64, nanos: i32) -> String {
    let sign = if units < 0 || nanos < 0 { "-" } else { "" };
    let (units, nanos) = (units.unsigned_abs(), nanos.unsigned_abs());
    if nanos == 0 {
        return format!("{sign}{units}");
    }
    let digits = format!("{nanos:09}");
    let kept = digits.trim_end_matches('0').len().max(2);
    format!("{sign}{units}.{}", &digits[..kept])
}

/// `google.protobuf.Struct`.
pub(super) fn object(bytes: &[u8], depth: u8) -> Result<Value<'_>, Broken> {
    let mut fields = Vec::new();
    let mut reader = Reader::new(bytes);
    while let Some(wire) = reader.seek(1, |_| {})? {
        let Wire::Bytes(entry) = wire else { continue };
        let (mut name, mut held) = ("", Value::Null);
        let mut inner = Reader::new(entry);
        while let Some(field) = inner.field()? {
            match field {
                (1, Wire::Bytes(bytes)) => name = wire::text(bytes)?,
                (2, Wire::Bytes(bytes)) => held = value(bytes, depth + 1)?,
                _ => {}
            }
        }
        fields.push((Cow::Borrowed(name), held));
    }
    Ok(Value::Object(once(fields)))
}

/// `google.protobuf.ListValue`.
pub(super) fn list(bytes: &[u8], depth: u8) -> Result<Value<'_>, Broken> {
    let mut items = Vec::new();
    let mut reader = Reader::new(bytes);
    while let Some(wire) = reader.seek(1, |_| {})? {
        if let Wire::Bytes(bytes) = wire {
            items.push(value(bytes, depth + 1)?);
        }
    }
    Ok(Value::List(items))
}

/// `google.protobuf.Value`.
pub(super) fn value(bytes: &[u8], depth: u8) -> Result<Value<'_>, Broken> {
    if depth >= MAX_DEPTH {
        return Err(Broken::Group);
    }
    let mut found = Value::Null;
    let mut reader = Reader::new(bytes);
    while let Some(field) = reader.field()? {
        found = match field {
            (1, Wire::Varint(_)) => Value::Null,
            (2, Wire::Fixed64(raw)) => double(f64::from_bits(raw)),
            (3, Wire::Bytes(text)) => Value::Text(Cow::Borrowed(wire::text(text)?)),
            (4, Wire::Varint(raw)) => Value::Bool(raw != 0),
            (5, Wire::Bytes(bytes)) => object(bytes, depth)?,
            (6, Wire::Bytes(bytes)) => list(bytes, depth)?,
            _ => continue,
        };
    }
    Ok(found)
}
