//! What may be set into what: nothing is converted on the way, so that a mapping says what it does.

use prost_reflect::FieldDescriptor;

use super::Checker;
use crate::mapping::{source::Span, types::Type};

impl Checker<'_> {
    /// Whether a value of this type may be set into `target`; tells where not.
    pub(super) fn assign(&mut self, given: &Type, wanted: &Type, target: &str, at: Span) -> bool {
        if fits(given, wanted) {
            return true;
        }
        let hint = hint(given, wanted);
        self.refuse(
            at,
            format!("is {given}, but {target} is {wanted}"),
            hint.as_deref(),
        );
        false
    }
}

/// Whether it fits; ranges of integers show at run time, and so does what a part of a record is.
pub(super) fn fits(given: &Type, wanted: &Type) -> bool {
    match (given, wanted) {
        (Type::Error, _) | (_, Type::Error) => true,
        (Type::Optional(_), wanted) if !matches!(wanted, Type::Optional(_)) => false,
        (Type::Any | Type::Open, _) => true,
        (Type::Dyn, wanted) => matches!(
            wanted,
            Type::Any
                | Type::Dyn
                | Type::Bool
                | Type::Int
                | Type::Uint
                | Type::Double
                | Type::Text
                | Type::Bytes
        ),
        (_, Type::Dyn | Type::Any | Type::Open) => true,
        (one, Type::Enum(_)) if one.is_integer() => true,
        (Type::Enum(_), two) if two.is_integer() => true,
        (Type::Object(object), Type::Map(key, value)) => {
            let parts = object.fields.iter().map(|field| &field.ty).chain(&object.rest);
            **key == Type::Text && parts.map(Type::of_record).all(|part| fits(&part, value))
        }
        // Null sets nothing; whether that may be shows with the field.
        (Type::Null, Type::Message(_) | Type::Timestamp | Type::Duration) => true,
        (one, two) if one.is_integer() && two.is_integer() => true,
        // What kind of number it is shows at run time, and then it must fit exactly.
        (Type::Number, wanted) => wanted.is_number(),
        (Type::List(one), Type::List(two)) => fits(one, two),
        (Type::Map(key, one), Type::Map(other, two)) => fits(key, other) && fits(one, two),
        (one, two) => one == two,
    }
}

/// The line that sets a field which is not set yet.
pub(super) fn line(field: &FieldDescriptor) -> String {
    let wanted = Type::of_field(field);
    let value = match &wanted {
        Type::Enum(_) => Some("\"…\"".to_owned()),
        Type::Bool | Type::Map(..) => None,
        wanted => hint(&Type::Dyn, wanted),
    };
    let value = match value {
        Some(value) if value.starts_with('.') => format!("this.…{value}"),
        Some(value) => value.replace("(..)", "(…)"),
        None => "…".to_owned(),
    };
    format!("add the line `{}: {value},`", field.name())
}

fn hint(given: &Type, wanted: &Type) -> Option<String> {
    let money =
        |ty: &Type| matches!(ty, Type::Message(message) if message.full_name() == "google.type.Money");
    let date = |ty: &Type| matches!(ty, Type::Message(message) if message.full_name() == "google.type.Date");
    let hint = match (given, wanted) {
        (Type::Optional(_), _) => {
            "`?field: value` leaves the field unset where nothing is there, orValue(..) sets another"
        }
        (_, wanted) if money(wanted) => "money(amount, currency)",
        (_, wanted) if date(wanted) => "date(text)",
        (_, Type::Timestamp) => "timestamp(text)",
        (_, Type::Duration) => "duration(text)",
        (Type::Dyn | Type::Text, Type::Enum(_)) => {
            "lookup(\"table\", code) translates a code; a word of the enum is written as a text"
        }
        (Type::Dyn, Type::Message(message)) => return Some(format!("{}{{ … }}", message.name())),
        (Type::Dyn, Type::List(item)) => {
            return Some(match &**item {
                Type::Message(message) => format!(".map(item, {}{{ … }})", message.name()),
                _ => ".map(item, …)".to_owned(),
            });
        }
        (Type::Null, _) => "to leave the field unset, leave it out, or set it by `?field: optional`",
        (_, Type::List(_)) if !matches!(given, Type::List(_)) => "a list: `[…]`",
        (Type::List(_), _) if !matches!(wanted, Type::List(_)) => "one item of it: `[0]`",
        (_, Type::Text) => "string(..)",
        (_, Type::Int) => "int(..)",
        (_, Type::Uint) => "uint(..)",
        (_, Type::Double) => "double(..)",
        (_, Type::Bool) => "compare it, or bool(..)",
        (_, Type::Bytes) => "bytes(..)",
        _ => return None,
    };
    Some(hint.to_owned())
}
