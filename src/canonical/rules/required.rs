//! What must be set, as the rules of a field or oneof say: known before a message is written.

use prost_reflect::{DynamicMessage, FieldDescriptor, OneofDescriptor, Value};

use super::options::{IGNORE_ALWAYS, flag, ignore, of_field, of_oneof};

/// Whether a message without this field breaks its rules: `required`, or a list or map that must not be empty.
pub fn is_required(field: &FieldDescriptor) -> bool {
    let Some(rules) = of_field(field) else {
        return field.is_required();
    };
    let fewest = |kind: &str, rule: &str| match message(&rules, kind)
        .and_then(|inner| inner.get_field_by_name(rule).map(std::borrow::Cow::into_owned))
    {
        Some(Value::U64(fewest)) => fewest,
        _ => 0,
    };
    field.is_required()
        || ignore(&rules) != IGNORE_ALWAYS && flag(&rules, "required")
        || ignore(&rules) == 0 && (fewest("repeated", "min_items") > 0 || fewest("map", "min_pairs") > 0)
}

/// Whether it has rules at all.
pub fn has_rules(field: &FieldDescriptor) -> bool {
    of_field(field).is_some()
}

/// Whether one member of this oneof must be set.
pub fn is_required_oneof(oneof: &OneofDescriptor) -> bool {
    of_oneof(oneof).is_some_and(|rules| flag(&rules, "required"))
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
