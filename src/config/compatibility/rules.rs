//! Rules of fields that got narrower: what was right before is refused now where it enters the bus.

use std::cmp::Ordering;

use prost_reflect::{
    DynamicMessage, FieldDescriptor, MessageDescriptor, ReflectMessage, Value, prost::Message,
};

use crate::canonical::rules::{stated, stated_of};

/// So many words of a list are told.
const MOST: usize = 8;

/// In what the rules of a field got narrower, a sentence each: `uint32.lte` was 40 and is 20.
pub(super) fn narrowed(old: &FieldDescriptor, new: &FieldDescriptor) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(new) = stated(new) {
        compare("", stated(old).as_ref(), &new, &mut found);
    }
    found
}

/// The same of the rules of a whole message.
pub(super) fn narrowed_of(old: &MessageDescriptor, new: &MessageDescriptor) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(new) = stated_of(new) {
        compare("", stated_of(old).as_ref(), &new, &mut found);
    }
    found
}

fn compare(path: &str, old: Option<&DynamicMessage>, new: &DynamicMessage, found: &mut Vec<String>) {
    for (field, value) in new.fields() {
        let name = field.name();
        // What became required is told as that; the others narrow nothing.
        if matches!(name, "required" | "ignore" | "example") {
            continue;
        }
        let path = match path {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        let before = old.and_then(|old| said(old, name));
        match (before.as_ref(), value) {
            (before, Value::Message(inner)) if !is_time(inner) => {
                compare(&path, before.and_then(Value::as_message), inner, found);
            }
            (Some(before), value) if is_same(before, value) => {}
            (before, Value::List(items)) => list(&path, before, items, found),
            (None, Value::Bool(false)) => {}
            (None, value) if is_implied(old, name, value) => {}
            (None, value) => found.push(format!("`{path}` is new: {}", shown(value))),
            (Some(before), value) if is_wider(name, before, value) => {}
            (Some(before), value) => {
                found.push(format!("`{path}` was {} and is {}", shown(before), shown(value)));
            }
        }
    }
}

fn list(path: &str, before: Option<&Value>, items: &[Value], found: &mut Vec<String>) {
    let before = before.and_then(Value::as_list);
    let had = |item: &Value| before.is_some_and(|before| has(before, item));
    if path.rsplit('.').next() != Some("in") {
        let added: Vec<_> = items.iter().filter(|item| !had(item)).collect();
        if !added.is_empty() {
            found.push(format!("`{path}` is new: {}", all(&added)));
        }
        return;
    }
    match before {
        None => found.push(format!(
            "`{path}` is new: {}",
            all(&items.iter().collect::<Vec<_>>())
        )),
        Some(before) => {
            let gone: Vec<_> = before.iter().filter(|item| !has(items, item)).collect();
            if !gone.is_empty() {
                found.push(format!("`{path}` lost {}", all(&gone)));
            }
        }
    }
}

/// Whether a bound of this name leaves room for more than it did.
fn is_wider(name: &str, before: &Value, value: &Value) -> bool {
    match bound(name) {
        Some(Bound::Upper) => order(value, before) == Some(Ordering::Greater),
        Some(Bound::Lower) => order(value, before) == Some(Ordering::Less),
        None => *value == Value::Bool(false),
    }
}

/// Whether another bound of what was before asked for as much already: `lte: 9` for `lt: 10`.
fn is_implied(old: Option<&DynamicMessage>, name: &str, value: &Value) -> bool {
    let (other, wanted): (_, &[Ordering]) = match name {
        "lt" => ("lte", &[Ordering::Less]),
        "lte" => ("lt", &[Ordering::Less, Ordering::Equal]),
        "gt" => ("gte", &[Ordering::Greater]),
        "gte" => ("gt", &[Ordering::Greater, Ordering::Equal]),
        _ => return false,
    };
    let before = old
        .and_then(|old| said(old, other))
        .and_then(|before| order(&before, value));
    before.is_some_and(|order| wanted.contains(&order))
}

/// What is set. By its name, for the two stand in pools of their own.
fn said(rules: &DynamicMessage, name: &str) -> Option<Value> {
    let is_said = rules.has_field_by_name(name);
    let value = is_said.then(|| rules.get_field_by_name(name));
    value.flatten().map(std::borrow::Cow::into_owned)
}

fn is_same(one: &Value, two: &Value) -> bool {
    match (one, two) {
        (Value::Message(one), Value::Message(two)) => one.encode_to_vec() == two.encode_to_vec(),
        (one, two) => one == two,
    }
}

fn has(list: &[Value], item: &Value) -> bool {
    list.iter().any(|other| is_same(other, item))
}

enum Bound {
    Upper,
    Lower,
}

fn bound(name: &str) -> Option<Bound> {
    match name {
        "lt" | "lte" | "max_len" | "max_bytes" | "max_items" | "max_pairs" | "within" => Some(Bound::Upper),
        "gt" | "gte" | "min_len" | "min_bytes" | "min_items" | "min_pairs" => Some(Bound::Lower),
        _ => None,
    }
}

fn order(one: &Value, two: &Value) -> Option<Ordering> {
    match (whole(one), whole(two)) {
        (Some(one), Some(two)) => Some(one.cmp(&two)),
        _ => match (one, two) {
            (Value::F32(one), Value::F32(two)) => one.partial_cmp(two),
            (Value::F64(one), Value::F64(two)) => one.partial_cmp(two),
            _ => None,
        },
    }
}

/// A whole number, or a time in nanoseconds.
fn whole(value: &Value) -> Option<i128> {
    Some(match value {
        Value::I32(number) | Value::EnumNumber(number) => i128::from(*number),
        Value::I64(number) => i128::from(*number),
        Value::U32(number) => i128::from(*number),
        Value::U64(number) => i128::from(*number),
        Value::Message(time) if is_time(time) => {
            let part = |name| time.get_field_by_name(name).and_then(|part| whole(&part));
            part("seconds")? * 1_000_000_000 + part("nanos")?
        }
        _ => return None,
    })
}

fn is_time(message: &DynamicMessage) -> bool {
    let descriptor = message.descriptor();
    matches!(
        descriptor.full_name(),
        "google.protobuf.Duration" | "google.protobuf.Timestamp"
    )
}

fn all(values: &[&Value]) -> String {
    let mut words: Vec<_> = values.iter().take(MOST).map(|value| shown(value)).collect();
    if values.len() > MOST {
        words.push(format!("{} more", values.len() - MOST));
    }
    words.join(", ")
}

/// As it is written in the file, as far as it is short.
fn shown(value: &Value) -> String {
    match value {
        Value::Bool(flag) => flag.to_string(),
        Value::I32(number) | Value::EnumNumber(number) => number.to_string(),
        Value::I64(number) => number.to_string(),
        Value::U32(number) => number.to_string(),
        Value::U64(number) => number.to_string(),
        Value::F32(number) => number.to_string(),
        Value::F64(number) => number.to_string(),
        Value::String(text) => format!("{text:?}"),
        Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Value::Message(message) => match (message.get_field_by_name("seconds"), is_time(message)) {
            (Some(seconds), true) => format!("{}s", shown(&seconds)),
            // A rule of its own has a name.
            _ => match message.get_field_by_name("id") {
                Some(id) if message.has_field_by_name("id") => shown(&id),
                _ => "a rule of its own".to_owned(),
            },
        },
        Value::List(_) | Value::Map(_) => "several".to_owned(),
    }
}
