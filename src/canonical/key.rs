//! The key of a message: the value of one field, read from its encoded form.
//!
//! Promises: the same message has the same key, whoever has encoded it; reading skips what is not on the way to the
//! field, and allocates nothing but the key. Not promised: that a key can be made a value again.

use std::sync::Arc;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use super::wire::{Broken, Reader, Wire, text, unzigzag};

/// The longest key, in bytes: it travels in a header.
pub const MAX_KEY: usize = 255;

/// The path to the field that is the key of a message: `order_id`, `buyer.customer_id`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPath {
    text: Arc<str>,
    /// The numbers of the messages on the way.
    through: Arc<[u32]>,
    number: u32,
    form: Form,
    /// What it is when it is not there: a zero is not encoded.
    absent: Option<&'static str>,
}

/// How the field is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Flag,
    Unsigned,
    Signed,
    Signed32,
    Zigzag,
    Fixed32,
    Fixed64,
    SignedFixed32,
    SignedFixed64,
}

/// Why a message has no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoKey {
    /// The field is not set, or an empty text.
    Empty,
    /// It is longer than [`MAX_KEY`].
    TooLong,
    /// The message cannot be read.
    Broken(Broken),
}

impl KeyPath {
    /// The path to a field of this type. The error says what is wrong with it: what, and how to mend it.
    pub fn compile(descriptor: &MessageDescriptor, path: &str) -> Result<Self, (String, String)> {
        let mut descriptor = descriptor.clone();
        let mut through = Vec::new();
        let mut words = path.split('.').peekable();
        while let Some(word) = words.next() {
            let field = field(&descriptor, word)?;
            if words.peek().is_none() {
                let form = form(&field).ok_or_else(|| no_key(path, &field))?;
                return Ok(Self {
                    text: path.into(),
                    through: through.into(),
                    number: field.number(),
                    form,
                    absent: absent(&field, form),
                });
            }
            through.push(field.number());
            descriptor = match field.kind() {
                Kind::Message(inner) => inner,
                _ => {
                    let what = format!("`{word}` of `{}` is no message", descriptor.name());
                    return Err((what, format!("end the path with `{word}`")));
                }
            };
        }
        unreachable!("a split text has at least one part")
    }

    /// The path as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The key of an encoded message. Where a field stands several times the last one counts, as for every reader
    /// of protobuf.
    pub fn read(&self, bytes: &[u8]) -> Result<Arc<str>, NoKey> {
        let mut found = Found::default();
        self.look(&self.through, bytes, &mut found)
            .map_err(NoKey::Broken)?;
        let key: Arc<str> = match (found.value, found.arrived) {
            (Some(Wire::Bytes(bytes)), _) => text(bytes).map_err(NoKey::Broken)?.into(),
            (Some(Wire::Varint(number)), _) => self.number(number).into(),
            (Some(Wire::Fixed64(number)), _) => self.number(number).into(),
            (Some(Wire::Fixed32(number)), _) => self.number(u64::from(number)).into(),
            (None, true) => self.absent.unwrap_or_default().into(),
            (Some(Wire::Group(_)) | None, _) => "".into(),
        };
        match key.len() {
            0 => Err(NoKey::Empty),
            1..=MAX_KEY => Ok(key),
            _ => Err(NoKey::TooLong),
        }
    }

    fn look<'a>(&self, through: &[u32], bytes: &'a [u8], found: &mut Found<'a>) -> Result<(), Broken> {
        let wanted = through.first().copied().unwrap_or(self.number);
        let mut reader = Reader::new(bytes);
        found.arrived |= through.is_empty();
        while let Some(wire) = reader.seek(wanted, |_| {})? {
            match (through, wire) {
                ([_, rest @ ..], Wire::Bytes(inner)) => self.look(rest, inner, found)?,
                ([], wire) if self.form.fits(wire) => found.value = Some(wire),
                // Of another wire type: an unknown field.
                _ => {}
            }
        }
        Ok(())
    }

    fn number(&self, number: u64) -> String {
        match self.form {
            Form::Text | Form::Unsigned | Form::Fixed32 | Form::Fixed64 => number.to_string(),
            Form::Flag => (number != 0).to_string(),
            Form::Signed | Form::SignedFixed64 => (number as i64).to_string(),
            Form::Signed32 | Form::SignedFixed32 => (number as i32).to_string(),
            Form::Zigzag => unzigzag(number).to_string(),
        }
    }
}

impl Form {
    fn fits(self, wire: Wire<'_>) -> bool {
        match self {
            Form::Text => matches!(wire, Wire::Bytes(_)),
            Form::Flag | Form::Unsigned | Form::Signed | Form::Signed32 | Form::Zigzag => {
                matches!(wire, Wire::Varint(_))
            }
            Form::Fixed32 | Form::SignedFixed32 => matches!(wire, Wire::Fixed32(_)),
            Form::Fixed64 | Form::SignedFixed64 => matches!(wire, Wire::Fixed64(_)),
        }
    }
}

/// What the way through a message has found.
#[derive(Default)]
struct Found<'a> {
    value: Option<Wire<'a>>,
    /// Whether there is a message that could hold it.
    arrived: bool,
}

fn field(descriptor: &MessageDescriptor, word: &str) -> Result<FieldDescriptor, (String, String)> {
    if let Some(field) = descriptor.get_field_by_name(word) {
        if field.is_list() || field.is_map() {
            let what = format!("`{word}` of `{}` may stand several times", descriptor.name());
            return Err((
                what,
                "a key is one value: name a field that stands once".to_owned(),
            ));
        }
        if field
            .containing_oneof()
            .is_some_and(|oneof| !oneof.is_synthetic())
        {
            let what = format!("`{word}` of `{}` is one of several choices", descriptor.name());
            return Err((what, "name a field that every message has".to_owned()));
        }
        return Ok(field);
    }
    let fields: Vec<_> = descriptor.fields().map(|field| field.name().to_owned()).collect();
    let known = || fields.iter().map(String::as_str);
    let hint = match trunkline_sdk::nearest(word, known()) {
        None if word == "this" => "leave it out: a key is the path of a field, as in `order_id`".to_owned(),
        Some(near) => format!("did you mean `{near}`?"),
        None => format!(
            "its fields: {}",
            known()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    };
    Err((format!("`{}` has no field `{word}`", descriptor.name()), hint))
}

fn no_key(path: &str, field: &FieldDescriptor) -> (String, String) {
    let hint = match field.kind() {
        Kind::Message(inner) => {
            let inner: Vec<_> = inner
                .fields()
                .filter(|inner| form(inner).is_some() && !inner.is_list())
                .map(|inner| format!("`{path}.{}`", inner.name()))
                .collect();
            match &inner[..] {
                [] => "name a text, a whole number, a truth value or an enum".to_owned(),
                inner => format!("name one of its fields: {}", inner.join(", ")),
            }
        }
        _ => "name a text, a whole number, a truth value or an enum".to_owned(),
    };
    (format!("`{path}` cannot be a key"), hint)
}

fn form(field: &FieldDescriptor) -> Option<Form> {
    Some(match field.kind() {
        Kind::String => Form::Text,
        Kind::Bool => Form::Flag,
        Kind::Uint32 | Kind::Uint64 => Form::Unsigned,
        Kind::Int64 => Form::Signed,
        // Its number, which outlives a new name.
        Kind::Int32 | Kind::Enum(_) => Form::Signed32,
        Kind::Sint32 | Kind::Sint64 => Form::Zigzag,
        Kind::Fixed32 => Form::Fixed32,
        Kind::Fixed64 => Form::Fixed64,
        Kind::Sfixed32 => Form::SignedFixed32,
        Kind::Sfixed64 => Form::SignedFixed64,
        Kind::Double | Kind::Float | Kind::Bytes | Kind::Message(_) => return None,
    })
}

fn absent(field: &FieldDescriptor, form: Form) -> Option<&'static str> {
    match form {
        _ if field.supports_presence() => None,
        Form::Text => None,
        Form::Flag => Some("false"),
        _ => Some("0"),
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use trunkline_proto::{
        commerce::v1::{Order, OrderStatus, StockLevel},
        descriptor_pool,
        party::v1::Customer,
    };

    use super::*;

    fn path(type_name: &str, path: &str) -> Result<KeyPath, (String, String)> {
        let descriptor = descriptor_pool().get_message_by_name(type_name).unwrap();
        KeyPath::compile(&descriptor, path)
    }

    fn key(type_name: &str, field: &str, message: &impl Message) -> Result<String, NoKey> {
        let path = path(&format!("trunkline.{type_name}"), field).unwrap();
        path.read(&message.encode_to_vec()).map(|key| key.to_string())
    }

    #[test]
    fn a_key_is_the_value_of_its_field() {
        let order = Order {
            order_id: "1001".to_owned(),
            status: OrderStatus::Paid.into(),
            buyer: Some(Customer {
                customer_id: "ann".to_owned(),
                ..Customer::default()
            }),
            ..Order::default()
        };
        let level = StockLevel {
            on_hand: -7,
            ..StockLevel::default()
        };
        let read = |field| key("commerce.v1.Order", field, &order);
        assert_eq!(read("order_id").as_deref(), Ok("1001"));
        assert_eq!(read("buyer.customer_id").as_deref(), Ok("ann"));
        assert_eq!(
            read("status"),
            Ok((OrderStatus::Paid as i32).to_string()),
            "an enum by its number"
        );
        assert_eq!(
            key("commerce.v1.StockLevel", "on_hand", &level).as_deref(),
            Ok("-7")
        );
    }

    #[test]
    fn a_zero_is_a_key_and_an_empty_text_is_none() {
        let order = Order::default();
        let level = StockLevel::default();
        let read = |field| key("commerce.v1.StockLevel", field, &level);
        assert_eq!(read("on_hand").as_deref(), Ok("0"));
        assert_eq!(read("sku"), Err(NoKey::Empty));
        let read = |field| key("commerce.v1.Order", field, &order);
        assert_eq!(read("buyer.customer_id"), Err(NoKey::Empty));
        let long = StockLevel {
            sku: "x".repeat(256),
            ..StockLevel::default()
        };
        assert_eq!(key("commerce.v1.StockLevel", "sku", &long), Err(NoKey::TooLong));
    }

    #[test]
    fn of_a_field_that_stands_twice_the_last_one_counts() {
        // given: two messages behind each other are one, merged
        let with = |id: &str, customer: Option<&str>| {
            let customer = customer.map(|id| Customer {
                customer_id: id.to_owned(),
                ..Customer::default()
            });
            let order = Order {
                order_id: id.to_owned(),
                buyer: customer,
                ..Order::default()
            };
            order.encode_to_vec()
        };
        let bytes = [with("1", Some("ann")), with("2", None)].concat();
        // when
        let read = |field| path("trunkline.commerce.v1.Order", field).unwrap().read(&bytes);
        // then
        assert_eq!(read("order_id").as_deref(), Ok("2"));
        assert_eq!(read("buyer.customer_id").as_deref(), Ok("ann"));
    }

    #[test]
    fn what_cannot_be_a_key_is_refused_and_says_what_could() {
        let refused = |field| path("trunkline.commerce.v1.Order", field).unwrap_err();
        assert!(refused("order_di").1.contains("`order_id`"));
        assert!(refused("lines").0.contains("several times"));
        assert!(refused("buyer").1.contains("`buyer.customer_id`"));
        assert!(refused("order_id.length").0.contains("no message"));
        assert!(refused("placed_at").0.contains("cannot be a key"));
        assert!(refused("").0.contains("no field"));
    }

    #[test]
    fn broken_bytes_have_no_key() {
        let path = path("trunkline.commerce.v1.Order", "order_id").unwrap();
        assert_eq!(path.read(&[0x0a, 0x7f]), Err(NoKey::Broken(Broken::Truncated)));
        assert_eq!(path.read(&[0x0a, 0x01, 0xff]), Err(NoKey::Broken(Broken::Utf8)));
    }
}
