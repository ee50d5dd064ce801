//! A canonical message from what a person wrote for it: protobuf's JSON, or the form of [`Tree`](super::Tree).
//!
//! Taken, where the two differ: fields by their name (`order_id`) or JSON name (`orderId`); enums by their word, short
//! (`PAID`) or in full, or number; google.type.Money with `units` and `nanos` or with a decimal `amount`;
//! google.type.Date as `YYYY-MM-DD` or by its parts; durations as `1.5s` or `1h30m`. Null sets nothing.
//! Promises: all flaws at once, each with its path, and without any value.
//! Not promised: google.protobuf.Any, Struct and wrappers in their short JSON form; they are written field by field.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value as Field};
use trunkline_sdk::{Value, nearest};

use super::{
    time::{Instant, Span, parse_date},
    words,
};

/// Deeper than any message that is meant.
const MAX_DEPTH: usize = 64;

/// Something that does not fit the type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Where: names of fields and keys, and items as `[0]`; none: all of it.
    pub steps: Vec<String>,
    /// Whether it is the last step itself that is wrong, and not what stands under it.
    pub is_name: bool,
    /// What is wrong; lower-case, no full stop.
    pub what: String,
    /// How to mend it.
    pub hint: Option<String>,
}

impl Flaw {
    /// Where, as people write it: `lines[0].sku`.
    pub fn path(&self) -> String {
        let mut path = String::new();
        for step in &self.steps {
            if !path.is_empty() && !step.starts_with('[') {
                path.push('.');
            }
            path.push_str(step);
        }
        path
    }
}

/// Makes the message.
pub fn parse(kind: &MessageDescriptor, value: &Value<'_>) -> Result<DynamicMessage, Vec<Flaw>> {
    let mut parser = Parser::default();
    let message = parser.message(kind, value);
    match (message, parser.flaws.is_empty()) {
        (Some(message), true) => Ok(message),
        _ => Err(parser.flaws),
    }
}

/// The field that this name means, by either of its names.
pub fn field(kind: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    kind.get_field_by_name(name)
        .or_else(|| kind.get_field_by_json_name(name))
}

#[derive(Default)]
struct Parser {
    path: Vec<String>,
    flaws: Vec<Flaw>,
}

impl Parser {
    fn message(&mut self, kind: &MessageDescriptor, value: &Value<'_>) -> Option<DynamicMessage> {
        if self.path.len() > MAX_DEPTH {
            return self.flaw("this is nested too deep", None);
        }
        let mut message = DynamicMessage::new(kind.clone());
        match (kind.full_name(), value) {
            ("google.protobuf.Timestamp", Value::Text(text)) => {
                let Some(Instant { seconds, nanos }) = Instant::parse(text) else {
                    return self.flaw(
                        "this is no timestamp",
                        Some("as in `2026-11-25T12:00:00+01:00`".to_owned()),
                    );
                };
                set(
                    &mut message,
                    [("seconds", Field::I64(seconds)), ("nanos", Field::I32(nanos))],
                );
                return Some(message);
            }
            ("google.protobuf.Duration", Value::Text(text)) => {
                let Some(Span { seconds, nanos }) = Span::parse(text) else {
                    return self.flaw("this is no duration", Some("as in `90s` or `1h30m`".to_owned()));
                };
                set(
                    &mut message,
                    [("seconds", Field::I64(seconds)), ("nanos", Field::I32(nanos))],
                );
                return Some(message);
            }
            ("google.type.Date", Value::Text(text)) => {
                let part = |number: i64| Field::I32(i32::try_from(number).unwrap_or_default());
                let Some((year, month, day)) = parse_date(text) else {
                    return self.flaw("this is no date", Some("as in `2026-11-25`".to_owned()));
                };
                set(
                    &mut message,
                    [("year", part(year)), ("month", part(month)), ("day", part(day))],
                );
                return Some(message);
            }
            _ => {}
        }
        let Value::Object(fields) = value else {
            let hint = "write its fields: `{ name: value }`".to_owned();
            return self.flaw(
                format!("is {}, but must be a {}", value.kind(), kind.full_name()),
                Some(hint),
            );
        };
        for (name, value) in fields {
            self.path.push(name.to_string());
            self.field(kind, &mut message, name, value);
            self.path.pop();
        }
        Some(message)
    }

    fn field(
        &mut self,
        kind: &MessageDescriptor,
        message: &mut DynamicMessage,
        name: &str,
        value: &Value<'_>,
    ) {
        if kind.full_name() == "google.type.Money" && name == "amount" {
            match value {
                Value::Number(digits) | Value::Text(digits) => match amount(digits) {
                    Some((units, nanos)) => {
                        set(
                            message,
                            [("units", Field::I64(units)), ("nanos", Field::I32(nanos))],
                        );
                    }
                    None => self.tell(
                        "this is no amount",
                        Some("a decimal number with at most 9 decimals, as in `49.50`".to_owned()),
                    ),
                },
                Value::Null => {}
                other => self.tell(format!("is {}, but must be a decimal number", other.kind()), None),
            }
            return;
        }
        let Some(field) = field(kind, name) else {
            let names: Vec<_> = kind.fields().map(|field| field.name().to_owned()).collect();
            let names = || names.iter().map(String::as_str);
            let hint = match nearest(name, names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("fields: `{}`", names().collect::<Vec<_>>().join("`, `")),
            };
            self.tell(format!("{} has no field `{name}`", kind.full_name()), Some(hint));
            if let Some(flaw) = self.flaws.last_mut() {
                flaw.is_name = true;
            }
            return;
        };
        if let Value::Null = value {
            return;
        }
        if let Some(oneof) = field.containing_oneof()
            && let Some(other) = oneof
                .fields()
                .find(|other| *other != field && message.has_field(other))
        {
            let what = format!(
                "`{}` is set already, and only one of the two can be",
                other.name()
            );
            self.tell(what, Some("keep one".to_owned()));
            return;
        }
        let parsed = match value {
            Value::Object(entries) if field.is_map() => self.map(&field, entries),
            Value::List(items) if field.is_list() => self.list(&field.kind(), items),
            other if field.is_map() => self.flaw(format!("is {}, but must be a map", other.kind()), None),
            other if field.is_list() => self.flaw(
                format!("is {}, but must be a list", other.kind()),
                Some("`[…]`".to_owned()),
            ),
            other => self.one(&field.kind(), other),
        };
        // What is no more than the default of a plain field is as good as not written, and is encoded so.
        if let Some(parsed) = parsed
            && (field.supports_presence() || !parsed.is_default_for_field(&field))
        {
            message.set_field(&field, parsed);
        }
    }

    fn list(&mut self, kind: &Kind, items: &[Value<'_>]) -> Option<Field> {
        let mut all = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            self.path.push(format!("[{at}]"));
            all.extend(self.one(kind, item));
            self.path.pop();
        }
        Some(Field::List(all))
    }

    fn map(
        &mut self,
        field: &FieldDescriptor,
        entries: &[(std::borrow::Cow<'_, str>, Value<'_>)],
    ) -> Option<Field> {
        let Kind::Message(entry) = field.kind() else {
            return None;
        };
        let (key_kind, value_kind) = (
            entry.map_entry_key_field().kind(),
            entry.map_entry_value_field().kind(),
        );
        let mut all = std::collections::HashMap::with_capacity(entries.len());
        for (name, value) in entries {
            self.path.push(name.to_string());
            let key = match &key_kind {
                Kind::String => Some(MapKey::String(name.to_string())),
                Kind::Bool => name.parse().ok().map(MapKey::Bool),
                Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => name.parse().ok().map(MapKey::I32),
                Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => name.parse().ok().map(MapKey::I64),
                Kind::Uint32 | Kind::Fixed32 => name.parse().ok().map(MapKey::U32),
                _ => name.parse().ok().map(MapKey::U64),
            };
            match key {
                Some(key) => all.extend(self.one(&value_kind, value).map(|value| (key, value))),
                None => self.tell("this is no key of the map", None),
            }
            self.path.pop();
        }
        Some(Field::Map(all))
    }

    fn one(&mut self, kind: &Kind, value: &Value<'_>) -> Option<Field> {
        let digits = match value {
            Value::Number(text) | Value::Text(text) => Some(&**text),
            _ => None,
        };
        let whole = || digits.and_then(integer);
        let parsed = match kind {
            Kind::Message(kind) => return self.message(kind, value).map(Field::Message),
            Kind::Enum(kind) => {
                let by_word = digits
                    .and_then(|word| words::value(kind, word))
                    .map(|value| value.number());
                return match by_word.or_else(|| whole().and_then(|number| number.try_into().ok())) {
                    Some(number) => Some(Field::EnumNumber(number)),
                    None => {
                        let short: Vec<_> = kind.values().map(|value| words::short(&value)).collect();
                        let names = || short.iter().map(String::as_str);
                        let near = digits.and_then(|word| nearest(word, names()));
                        let near = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
                        let known = short.join("`, `");
                        self.flaw(
                            format!("this is no value of enum {}", kind.full_name()),
                            Some(format!("{near}values: `{known}`")),
                        )
                    }
                };
            }
            Kind::Bool => match value {
                Value::Bool(flag) => Some(Field::Bool(*flag)),
                _ => None,
            },
            Kind::String => match value {
                Value::Text(text) => Some(Field::String(text.to_string())),
                _ => None,
            },
            Kind::Bytes => match value {
                Value::Text(text) => STANDARD
                    .decode(&**text)
                    .ok()
                    .map(|bytes| Field::Bytes(bytes.into())),
                Value::Bytes(bytes) => Some(Field::Bytes(bytes.to_vec().into())),
                _ => None,
            },
            Kind::Double => digits.and_then(|text| text.parse().ok()).map(Field::F64),
            Kind::Float => digits.and_then(|text| text.parse().ok()).map(Field::F32),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                whole().and_then(|number| number.try_into().ok()).map(Field::I32)
            }
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
                whole().and_then(|number| number.try_into().ok()).map(Field::I64)
            }
            Kind::Uint32 | Kind::Fixed32 => whole().and_then(|number| number.try_into().ok()).map(Field::U32),
            Kind::Uint64 | Kind::Fixed64 => whole().and_then(|number| number.try_into().ok()).map(Field::U64),
        };
        if parsed.is_some() {
            return parsed;
        }
        let hint = match (kind, value) {
            (Kind::String, Value::Number(_) | Value::Bool(_)) => Some("put it between quotes".to_owned()),
            (Kind::Bytes, _) => Some("bytes are written as base64".to_owned()),
            _ => None,
        };
        self.flaw(format!("is {}, but must be {}", value.kind(), name(kind)), hint)
    }

    /// Tells a flaw where nothing can stand in for what is wrong.
    fn flaw<T>(&mut self, what: impl Into<String>, hint: Option<String>) -> Option<T> {
        self.tell(what, hint);
        None
    }

    fn tell(&mut self, what: impl Into<String>, hint: Option<String>) {
        self.flaws.push(Flaw {
            steps: self.path.clone(),
            is_name: false,
            what: what.into(),
            hint,
        });
    }
}

fn set<const N: usize>(message: &mut DynamicMessage, fields: [(&str, Field); N]) {
    for (name, value) in fields {
        if matches!(value, Field::I64(0) | Field::I32(0)) {
            continue;
        }
        // The well-known types have these fields; a pool in which they are otherwise sets what fits.
        let _ = message.try_set_field_by_name(name, value);
    }
}

/// A whole number; `1e3` and `2.0` are whole, too.
fn integer(digits: &str) -> Option<i128> {
    digits.parse().ok().or_else(|| {
        let (number, fraction) = digits.split_once('.')?;
        fraction
            .bytes()
            .all(|byte| byte == b'0')
            .then_some(number)?
            .parse()
            .ok()
    })
}

/// A decimal number in units and billionths.
fn amount(digits: &str) -> Option<(i64, i32)> {
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, digits),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let units: i64 = whole.parse().ok()?;
    let nanos: i32 = format!("{fraction:0<9}").parse().ok()?;
    Some((i64::from(sign) * units, sign * nanos))
}

/// The kind in a person's words.
fn name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Double | Kind::Float => "a number",
        Kind::Bool => "true or false",
        Kind::String => "a text",
        Kind::Bytes => "bytes",
        Kind::Uint32 | Kind::Fixed32 => "a whole number from 0 to 4294967295",
        Kind::Uint64 | Kind::Fixed64 => "a whole number, not below 0",
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => "a whole number of at most 32 bits",
        Kind::Enum(_) | Kind::Message(_) | Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => "a whole number",
    }
}

#[cfg(test)]
mod tests {
    use prost_reflect::prost::Message;

    use super::*;
    use crate::canonical::Tree;

    fn order() -> MessageDescriptor {
        let pool = trunkline_proto::descriptor_pool();
        pool.get_message_by_name("trunkline.commerce.v1.Order")
            .expect("the model has orders")
    }

    fn json(text: &str) -> Value<'_> {
        trunkline_formats::json::read(text.as_bytes()).expect("it is JSON")
    }

    #[test]
    fn what_a_sink_sees_and_what_protobufs_json_says_is_the_same_message() {
        // given
        let seen = r#"{"order_id":"1","placed_at":"2026-11-25T12:00:00+01:00","status":"PAID","buyer":null,
            "lines":[{"sku":"A","quantity":2,"unit_price":{"currency_code":"DKK","amount":-49.50}}]}"#;
        let proto = r#"{"orderId":"1","placedAt":"2026-11-25T11:00:00Z","status":"ORDER_STATUS_PAID",
            "lines":[{"sku":"A","quantity":2,"unitPrice":{"currencyCode":"DKK","units":"-49","nanos":-500000000}}]}"#;
        // when
        let message = parse(&order(), &json(seen)).expect("it is an order");
        // then
        assert_eq!(Ok(&message), parse(&order(), &json(proto)).as_ref());
        let bytes = message.encode_to_vec();
        let tree = Tree::new(&order());
        let again = tree.read(&bytes).expect("it was encoded just now");
        assert_eq!(parse(&order(), &again), Ok(message));
    }

    #[test]
    fn all_that_does_not_fit_is_told_with_its_path_and_no_value() {
        let text = r#"{"order_idd":"s3cret","order_id":7,"status":"PAYD","placed_at":"s3cret",
            "lines":[{"quantity":-1}, "s3cret"],"total":{"amount":"s3cret"},"buyer":[]}"#;
        let flaws = parse(&order(), &json(text)).expect_err("it is none");
        let told: Vec<_> = flaws
            .iter()
            .map(|flaw| {
                format!(
                    "{}: {} ({})",
                    flaw.path(),
                    flaw.what,
                    flaw.hint.as_deref().unwrap_or("-")
                )
            })
            .collect();
        assert_eq!(told.len(), 8, "{told:#?}");
        for part in [
            "order_idd: trunkline.commerce.v1.Order has no field `order_idd` (did you mean `order_id`?)",
            "order_id: is a number, but must be a text (put it between quotes)",
            "did you mean `PAID`?",
            "lines[0].quantity: is a number, but must be a whole number from 0 to",
            "lines[1]: is a text, but must be a trunkline.commerce.v1.OrderLine",
        ] {
            assert!(told.iter().any(|told| told.contains(part)), "{part}: {told:#?}");
        }
        assert!(!told.join("").contains("s3cret"));
    }
}
