//! The short words of enums: `PAID` for `ORDER_STATUS_PAID`.

use prost_reflect::{EnumDescriptor, EnumValueDescriptor};

/// The prefix that every value of this enum carries by the style guide: `ORDER_STATUS_` for `OrderStatus`.
pub fn prefix(kind: &EnumDescriptor) -> String {
    let mut prefix = String::new();
    let name = kind.name();
    let mut before_lower = false;
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && before_lower {
            prefix.push('_');
        }
        before_lower = !letter.is_ascii_uppercase();
        prefix.push(letter.to_ascii_uppercase());
    }
    prefix.push('_');
    prefix
}

/// The word of a value as people and sinks see it.
pub fn short(value: &EnumValueDescriptor) -> String {
    let prefix = prefix(value.parent_enum());
    let name = value.name();
    match name.strip_prefix(&prefix) {
        Some(short) if !short.is_empty() => short.to_owned(),
        _ => name.to_owned(),
    }
}

/// The value with this name, in full or short.
pub fn value(kind: &EnumDescriptor, word: &str) -> Option<EnumValueDescriptor> {
    kind.get_value_by_name(word)
        .or_else(|| kind.get_value_by_name(&(prefix(kind) + word)))
}
