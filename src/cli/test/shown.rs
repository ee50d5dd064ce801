//! Values of canonical messages as a test file would say them; what is not set is left out.

use prost_reflect::{DynamicMessage, Kind, MapKey, ReflectMessage, Value as Field};
use trunkline_formats::json;
use trunkline_sdk::Value;

use crate::canonical::{
    amount,
    time::{Instant, Span},
    words,
};

/// One value of a field of this kind.
pub(super) fn text(kind: &Kind, value: &Field) -> String {
    match value {
        Field::Bool(flag) => flag.to_string(),
        Field::I32(number) => number.to_string(),
        Field::I64(number) => number.to_string(),
        Field::U32(number) => number.to_string(),
        Field::U64(number) => number.to_string(),
        Field::F32(number) => number.to_string(),
        Field::F64(number) => number.to_string(),
        Field::String(text) => quoted(text),
        Field::Bytes(bytes) => json::write(&Value::Bytes(bytes.to_vec().into())),
        Field::EnumNumber(number) => match kind {
            Kind::Enum(kind) => kind.get_value(*number).map(|value| words::short(&value)),
            _ => None,
        }
        .unwrap_or_else(|| number.to_string()),
        Field::Message(message) => shown(message),
        Field::List(items) => {
            let items: Vec<_> = items.iter().map(|item| text(kind, item)).collect();
            format!("[{}]", items.join(", "))
        }
        Field::Map(entries) => {
            let Kind::Message(entry) = kind else {
                return "{}".to_owned();
            };
            let kind = entry.map_entry_value_field().kind();
            let mut all: Vec<_> = entries
                .iter()
                .map(|(key, value)| (key_text(key), text(&kind, value)))
                .collect();
            all.sort();
            let all: Vec<_> = all
                .iter()
                .map(|(key, value)| format!("{}: {value}", quoted(key)))
                .collect();
            object(&all)
        }
    }
}

/// A message: times and dates as their text, money with its amount, else its fields.
pub(super) fn shown(message: &DynamicMessage) -> String {
    let number = |name: &str| {
        let value = message.get_field_by_name(name);
        value
            .and_then(|value| value.as_i64().or_else(|| value.as_i32().map(i64::from)))
            .unwrap_or_default()
    };
    let nanos = || i32::try_from(number("nanos")).unwrap_or_default();
    let kind = message.descriptor();
    let short = match kind.full_name() {
        "google.protobuf.Timestamp" => Instant {
            seconds: number("seconds"),
            nanos: nanos(),
        }
        .to_text(),
        "google.protobuf.Duration" => Some(
            Span {
                seconds: number("seconds"),
                nanos: nanos(),
            }
            .to_text(),
        ),
        "google.type.Date" => Some(format!(
            "{:04}-{:02}-{:02}",
            number("year"),
            number("month"),
            number("day")
        )),
        "google.type.Money" => {
            let currency = message.get_field_by_name("currency_code");
            let currency = currency
                .as_ref()
                .and_then(|code| code.as_str())
                .unwrap_or_default();
            let amount = amount(number("units"), nanos());
            Some(format!("{{ currency_code: {currency}, amount: {amount} }}"))
        }
        _ => None,
    };
    short.unwrap_or_else(|| {
        let fields: Vec<_> = message
            .fields()
            .map(|(field, value)| format!("{}: {}", field.name(), text(&field.kind(), value)))
            .collect();
        object(&fields)
    })
}

/// A map's key as text.
pub(super) fn key_text(key: &MapKey) -> String {
    match key {
        MapKey::Bool(flag) => flag.to_string(),
        MapKey::I32(number) => number.to_string(),
        MapKey::I64(number) => number.to_string(),
        MapKey::U32(number) => number.to_string(),
        MapKey::U64(number) => number.to_string(),
        MapKey::String(text) => text.clone(),
    }
}

fn object(fields: &[String]) -> String {
    match fields {
        [] => "{}".to_owned(),
        fields => format!("{{ {} }}", fields.join(", ")),
    }
}

fn quoted(text: &str) -> String {
    json::write(&Value::Text(text.to_owned().into()))
}
