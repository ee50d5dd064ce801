//! The rules as they stand in the options of fields, oneofs and messages.

use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, MessageDescriptor, OneofDescriptor, Value,
};

/// `IGNORE_IF_ZERO_VALUE` and `IGNORE_ALWAYS`.
pub(super) const IGNORE_IF_ZERO: i32 = 1;
pub(super) const IGNORE_ALWAYS: i32 = 3;

/// What a field is held to, as it is stated.
pub(crate) fn of_field(field: &FieldDescriptor) -> Option<DynamicMessage> {
    extension(&field.options(), field.parent_pool(), "buf.validate.field")
}

pub(super) fn of_oneof(oneof: &OneofDescriptor) -> Option<DynamicMessage> {
    extension(&oneof.options(), oneof.parent_pool(), "buf.validate.oneof")
}

/// What a message is held to as a whole, as it is stated.
pub(crate) fn of_message(message: &MessageDescriptor) -> Option<DynamicMessage> {
    extension(&message.options(), message.parent_pool(), "buf.validate.message")
}

fn extension(options: &DynamicMessage, pool: &DescriptorPool, name: &str) -> Option<DynamicMessage> {
    let extension = pool.get_extension_by_name(name)?;
    if !options.has_extension(&extension) {
        return None;
    }
    match options.get_extension(&extension).into_owned() {
        Value::Message(rules) => Some(rules),
        _ => None,
    }
}

/// `ignore` as its number; 0 where nothing is said.
pub(super) fn ignore(rules: &DynamicMessage) -> i32 {
    match get(rules, "ignore") {
        Some(Value::EnumNumber(number)) => number,
        _ => 0,
    }
}

pub(super) fn flag(rules: &DynamicMessage, name: &str) -> bool {
    matches!(get(rules, name), Some(Value::Bool(true)))
}

/// What is set.
pub(super) fn get(rules: &DynamicMessage, name: &str) -> Option<Value> {
    if !rules.has_field_by_name(name) {
        return None;
    }
    rules.get_field_by_name(name).map(std::borrow::Cow::into_owned)
}

/// The items of a list.
pub(super) fn list(rules: &DynamicMessage, name: &str) -> Vec<Value> {
    match get(rules, name) {
        Some(Value::List(items)) => items,
        _ => Vec::new(),
    }
}

pub(super) fn count(rules: &DynamicMessage, name: &str) -> Option<u64> {
    match get(rules, name)? {
        Value::U64(number) => Some(number),
        _ => None,
    }
}

pub(super) fn text(rules: &DynamicMessage, name: &str) -> Option<String> {
    match get(rules, name)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

pub(super) fn message(rules: &DynamicMessage, name: &str) -> Option<DynamicMessage> {
    match get(rules, name)? {
        Value::Message(inner) => Some(inner),
        _ => None,
    }
}
