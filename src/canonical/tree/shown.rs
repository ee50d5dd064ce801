//! How single values are shown: money, numbers that are none, the JSON inside a message.

use std::{borrow::Cow, collections::HashMap};

use trunkline_sdk::Value;

use crate::canonical::wire::{self, Broken, MAX_DEPTH, Reader, Wire};

pub(super) fn double<'a>(number: f64) -> Value<'a> {
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
