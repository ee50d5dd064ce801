//! Values and types as the cases write them: `cel.expr.Value` and `cel.expr.Type` in JSON.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use prost_reflect::{DescriptorPool, DynamicMessage, prost::Message};
use serde_json::Value as Json;

use crate::mapping::{
    failure::Budget,
    kind::Kind,
    operators::equal,
    parts::{entries, items},
    types::Type,
    value::{Blob, Text, Val},
};

/// What a variable is bound to, with its type.
pub(super) fn binding(pool: &DescriptorPool, value: &Json) -> (Val<'static>, Type) {
    let value = value_of(pool, value);
    let ty = match &value {
        Val::Null => Type::Null,
        Val::Bool(_) => Type::Bool,
        Val::Int(_) => Type::Int,
        Val::Uint(_) => Type::Uint,
        Val::Double(_) => Type::Double,
        Val::Text(_) => Type::Text,
        Val::Bytes(_) => Type::Bytes,
        Val::Timestamp(_) => Type::Timestamp,
        Val::Duration(_) => Type::Duration,
        Val::Message(_, Some(kind)) => Type::Message(kind.descriptor.clone()),
        _ => Type::Any,
    };
    (value, ty)
}

fn text<'j>(json: &'j Json, key: &str) -> &'j str {
    json[key].as_str().unwrap_or_default()
}

/// The kind and the content of a `cel.expr.Value`.
fn parts(value: &Json) -> (&str, &Json) {
    let fields = value.as_object().expect("a value is an object");
    let (kind, content) = fields.iter().next().expect("of one field");
    (kind, content)
}

fn value_of(pool: &DescriptorPool, value: &Json) -> Val<'static> {
    let (kind, content) = parts(value);
    let number = || match content {
        Json::String(digits) => digits.clone(),
        other => other.to_string(),
    };
    match kind {
        "nullValue" => Val::Null,
        "boolValue" => Val::Bool(content == &Json::Bool(true)),
        "int64Value" => Val::Int(number().parse().expect("an int")),
        "uint64Value" => Val::Uint(number().parse().expect("a uint")),
        "doubleValue" => Val::Double(match number().as_str() {
            "Infinity" => f64::INFINITY,
            "-Infinity" => f64::NEG_INFINITY,
            "NaN" => f64::NAN,
            digits => digits.parse().expect("a double"),
        }),
        "stringValue" => Val::text(content.as_str().unwrap_or_default().to_owned()),
        "bytesValue" => {
            let bytes = STANDARD
                .decode(content.as_str().unwrap_or_default())
                .expect("base64");
            Val::Bytes(Blob::Shared(bytes.into()))
        }
        "typeValue" => Val::Type(Text::Shared(content.as_str().unwrap_or_default().into())),
        "enumValue" => Val::Int(content["value"].as_i64().unwrap_or(0)),
        "listValue" => {
            let values = content["values"].as_array().into_iter().flatten();
            Val::list(values.map(|item| value_of(pool, item)).collect())
        }
        "mapValue" => {
            let entries = content["entries"].as_array().into_iter().flatten();
            let entries =
                entries.map(|entry| (value_of(pool, &entry["key"]), value_of(pool, &entry["value"])));
            Val::Map(Arc::new(entries.collect()))
        }
        "objectValue" => {
            let any = pool
                .get_message_by_name("google.protobuf.Any")
                .expect("it is well known");
            let any = DynamicMessage::deserialize(any, content)
                .expect("a message in JSON")
                .encode_to_vec();
            let any_kind: &'static Kind = Box::leak(Box::new(Kind::new(
                &pool
                    .get_message_by_name("google.protobuf.Any")
                    .expect("it is well known"),
            )));
            any_kind
                .open(&Blob::Shared(any.into()))
                .expect("its message is known")
        }
        other => panic!("no kind of value: {other}"),
    }
}

/// Whether a value is what the case says: of the same kind, and NaN is NaN.
pub(super) fn is_same(pool: &DescriptorPool, value: &Val<'static>, wanted: &Json) -> bool {
    let (kind, content) = parts(wanted);
    let mut budget = Budget::new();
    match (kind, value) {
        ("listValue", Val::Record(_) | Val::List(_) | Val::Items(_) | Val::Repeated(..)) => {
            let items = items(value, &mut budget).expect("it is a list");
            let wanted = content["values"].as_array().cloned().unwrap_or_default();
            items.len() == wanted.len()
                && items
                    .iter()
                    .zip(&wanted)
                    .all(|(item, wanted)| is_same(pool, item, wanted))
        }
        ("mapValue", Val::Map(_) | Val::Entries(..)) => {
            let found = entries(value, &mut budget).expect("it is a map");
            let wanted = content["entries"].as_array().cloned().unwrap_or_default();
            found.len() == wanted.len()
                && wanted.iter().all(|entry| {
                    found.iter().any(|(key, value)| {
                        is_same(pool, key, &entry["key"]) && is_same(pool, value, &entry["value"])
                    })
                })
        }
        _ => {
            let wanted = value_of(pool, wanted);
            if let (Val::Double(one), Val::Double(two)) = (value, &wanted)
                && one.is_nan()
            {
                return two.is_nan();
            }
            std::mem::discriminant(value) == std::mem::discriminant(&wanted)
                && equal(value, &wanted, &mut budget).unwrap_or(false)
        }
    }
}

/// A `cel.expr.Type`.
pub(super) fn type_of(pool: &DescriptorPool, ty: &Json) -> Type {
    let Some((kind, content)) = ty.as_object().and_then(|fields| fields.iter().next()) else {
        return Type::Any;
    };
    let primitive = |name: &str| match name {
        "BOOL" => Type::Bool,
        "INT64" => Type::Int,
        "UINT64" => Type::Uint,
        "DOUBLE" => Type::Double,
        "STRING" => Type::Text,
        "BYTES" => Type::Bytes,
        _ => Type::Any,
    };
    let name = content.as_str().unwrap_or_default();
    match kind.as_str() {
        // A wrapper is its value or null.
        "primitive" | "wrapper" => primitive(name),
        "null" => Type::Null,
        "messageType" => match pool.get_message_by_name(name) {
            Some(message) => Type::of_message(&message),
            None => Type::Any,
        },
        "wellKnown" => match name {
            "TIMESTAMP" => Type::Timestamp,
            "DURATION" => Type::Duration,
            _ => Type::Any,
        },
        "listType" => Type::list(type_of(pool, &content["elemType"])),
        "mapType" => Type::Map(
            Box::new(type_of(pool, &content["keyType"])),
            Box::new(type_of(pool, &content["valueType"])),
        ),
        "abstractType" if text(content, "name") == "optional_type" => {
            Type::Optional(Box::new(type_of(pool, &content["parameterTypes"][0])))
        }
        "type" => Type::Named,
        _ => Type::Any,
    }
}
