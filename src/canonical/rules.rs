//! The field rules of buf.validate, as far as they are needed before a message is written: what must be set.
//!
//! Not promised: that a message obeys the other rules (lengths, patterns, ranges).

use prost_reflect::{DynamicMessage, FieldDescriptor, OneofDescriptor, Value};

/// Whether a message without this field breaks its rules: `required`, or a list that must not be empty.
pub fn is_required(field: &FieldDescriptor) -> bool {
    let Some(rules) = extension(&field.options(), field.parent_pool(), "buf.validate.field") else {
        return false;
    };
    flag(&rules, "required")
        || message(&rules, "repeated").is_some_and(|repeated| {
            matches!(repeated.get_field_by_name("min_items").as_deref(), Some(Value::U64(least)) if *least > 0)
        })
}

/// Whether one member of this oneof must be set.
pub fn is_required_oneof(oneof: &OneofDescriptor) -> bool {
    extension(&oneof.options(), oneof.parent_pool(), "buf.validate.oneof")
        .is_some_and(|rules| flag(&rules, "required"))
}

fn extension(
    options: &DynamicMessage,
    pool: &prost_reflect::DescriptorPool,
    name: &str,
) -> Option<DynamicMessage> {
    let extension = pool.get_extension_by_name(name)?;
    if !options.has_extension(&extension) {
        return None;
    }
    match options.get_extension(&extension).into_owned() {
        Value::Message(rules) => Some(rules),
        _ => None,
    }
}

fn flag(rules: &DynamicMessage, name: &str) -> bool {
    matches!(rules.get_field_by_name(name).as_deref(), Some(Value::Bool(true)))
}

fn message(rules: &DynamicMessage, name: &str) -> Option<DynamicMessage> {
    if !rules.has_field_by_name(name) {
        return None;
    }
    match rules.get_field_by_name(name)?.into_owned() {
        Value::Message(inner) => Some(inner),
        _ => None,
    }
}
