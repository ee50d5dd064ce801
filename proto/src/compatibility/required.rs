//! Whether a model refuses a message in which a value is left out, by the rules of `buf.validate`.

use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, OneofDescriptor, Value};

/// Whether a message without the field is refused.
pub(super) fn required(field: &FieldDescriptor) -> bool {
    const IGNORE_ALWAYS: i32 = 3;
    let Some(rules) = rules(field.parent_pool(), &field.options(), "buf.validate.field") else {
        return field.is_required();
    };
    let ignore = rules
        .get_field_by_name("ignore")
        .and_then(|ignore| ignore.as_enum_number())
        .unwrap_or_default();
    let fewest = |kind: &str, rule: &str| match rules.get_field_by_name(kind).as_deref() {
        Some(Value::Message(inner)) => inner
            .get_field_by_name(rule)
            .and_then(|value| value.as_u64())
            .unwrap_or(0),
        _ => 0,
    };
    field.is_required()
        || ignore != IGNORE_ALWAYS && flag(&rules, "required")
        || ignore == 0 && (fewest("repeated", "min_items") > 0 || fewest("map", "min_pairs") > 0)
}

/// Whether a message that sets no member of the oneof is refused.
pub(super) fn required_oneof(oneof: &OneofDescriptor) -> bool {
    rules(oneof.parent_pool(), &oneof.options(), "buf.validate.oneof")
        .is_some_and(|rules| flag(&rules, "required"))
}

fn flag(rules: &DynamicMessage, name: &str) -> bool {
    rules
        .get_field_by_name(name)
        .and_then(|value| value.as_bool())
        .unwrap_or(false)
}

fn rules(pool: &DescriptorPool, options: &DynamicMessage, extension: &str) -> Option<DynamicMessage> {
    let extension = pool.get_extension_by_name(extension)?;
    if !options.has_extension(&extension) {
        return None;
    }
    options.get_extension(&extension).as_message().cloned()
}
