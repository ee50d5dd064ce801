//! Texts with fields of the message in them: `/orders/{order_id}`.
//!
//! Promises: what a field holds stays one part of the path, one parameter of the query or one header: it cannot lead
//! up, elsewhere or further.

use std::{borrow::Cow, ops::Range};

use trunkline_formats::json;
use trunkline_sdk::{Body, Record, Value};

use crate::url;

/// The word for the idempotency key.
const KEY: &str = "$key";

/// A text with the places where values come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) text: String,
    pub(crate) slots: Vec<Slot>,
}

/// `{order_id}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slot {
    /// In the text, with its braces.
    pub(crate) place: Range<usize>,
    /// The path of the field; empty: the idempotency key.
    pub(crate) path: String,
}

impl Template {
    /// Reads a text. Errors: where, and what is wrong there.
    pub(crate) fn read(text: &str) -> Result<Self, (Range<usize>, &'static str)> {
        let mut slots = Vec::new();
        let mut at = 0;
        while let Some(found) = text[at..].find(['{', '}']) {
            let start = at + found;
            let end = text[start..].find('}').map(|length| start + length + 1);
            let (Some(end), true) = (end, text[start..].starts_with('{')) else {
                return Err((start..start + 1, "a brace without its other half"));
            };
            let word = &text[start + 1..end - 1];
            if word != KEY && !is_path(word) {
                return Err((start..end, "no name of a field stands between these braces"));
            }
            slots.push(Slot {
                place: start..end,
                path: if word == KEY {
                    String::new()
                } else {
                    word.to_owned()
                },
            });
            at = end;
        }
        Ok(Self {
            text: text.to_owned(),
            slots,
        })
    }

    /// Whether the idempotency key comes in.
    pub(crate) fn has_key(&self) -> bool {
        self.slots.iter().any(|slot| slot.path.is_empty())
    }

    /// The paths of the fields that come in.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(|slot| !slot.path.is_empty())
    }

    /// As a path and query. Errors: a sentence without values.
    pub(crate) fn target(&self, message: &Message<'_>, key: &str) -> Result<String, String> {
        self.fill(message, key, |before, slot, value, out| {
            if !before.contains('?') {
                let shown = if slot.path.is_empty() { KEY } else { &slot.path };
                if value.is_empty() {
                    return Err(format!("field `{shown}` is empty, but a part of the path"));
                }
                let leads_up = value.split(['/', '\\']).any(|part| part == "." || part == "..");
                if leads_up || value.contains(char::is_control) {
                    return Err(format!(
                        "field `{shown}` cannot be a part of a path: it would lead elsewhere"
                    ));
                }
            }
            url::encode(value, out);
            Ok(())
        })
        .and_then(|target| {
            let path = target.split('?').next().unwrap_or_default();
            if path.split('/').any(|part| part == "." || part == "..") {
                return Err("the fields make a path that leads elsewhere".to_owned());
            }
            Ok(target)
        })
    }

    /// As it is: for a header, which takes no line breaks. Errors: a sentence without values.
    pub(crate) fn plain(&self, message: &Message<'_>, key: &str) -> Result<String, String> {
        self.fill(message, key, |_, _, value, out| {
            out.push_str(value);
            Ok(())
        })
    }

    fn fill(
        &self,
        message: &Message<'_>,
        key: &str,
        mut put: impl FnMut(&str, &Slot, &str, &mut String) -> Result<(), String>,
    ) -> Result<String, String> {
        let mut out = String::with_capacity(self.text.len() + 64);
        let mut copied = 0;
        for slot in &self.slots {
            out.push_str(&self.text[copied..slot.place.start]);
            copied = slot.place.end;
            let before = &self.text[..slot.place.start];
            if slot.path.is_empty() {
                put(before, slot, key, &mut out)?;
            } else {
                put(before, slot, &message.text(&slot.path)?, &mut out)?;
            }
        }
        out.push_str(&self.text[copied..]);
        Ok(out)
    }
}

/// The record of a message, as a tree where its fields are asked for.
pub(crate) struct Message<'r> {
    tree: Result<Cow<'r, Value<'static>>, String>,
    body: &'r Body,
}

impl<'r> Message<'r> {
    /// `needs_tree`: whether any field will be asked for.
    pub(crate) fn new(record: &'r Record, needs_tree: bool) -> Self {
        let tree = match &record.body {
            Body::Value(value) => Ok(Cow::Borrowed(value)),
            Body::Bytes { bytes, .. } if needs_tree => json::read(bytes)
                .map(|value| Cow::Owned(value.into_owned()))
                .map_err(|malformed| format!("the message is not JSON: {malformed}")),
            Body::Bytes { .. } => Ok(Cow::Owned(Value::Null)),
        };
        Self {
            tree,
            body: &record.body,
        }
    }

    /// The value at a path. Errors: a sentence without values.
    pub(crate) fn find(&self, path: &str) -> Result<&Value<'static>, String> {
        let tree = self.tree.as_ref().map_err(Clone::clone)?;
        find(tree, path).ok_or_else(|| format!("the message has no field `{path}`"))
    }

    /// All of it.
    pub(crate) fn whole(&self) -> Result<&Value<'static>, String> {
        self.tree.as_ref().map(|tree| &**tree).map_err(Clone::clone)
    }

    /// As it came.
    pub(crate) fn body(&self) -> &'r Body {
        self.body
    }

    fn text(&self, path: &str) -> Result<Cow<'_, str>, String> {
        let value = self.find(path)?;
        text(value).ok_or_else(|| format!("field `{path}` is {}, not a single value", value.kind()))
    }
}

/// The value at a path of names.
pub(crate) fn find<'t, 'v>(tree: &'t Value<'v>, path: &str) -> Option<&'t Value<'v>> {
    path.split('.').try_fold(tree, |value, name| value.get(name))
}

/// A single value as text.
pub(crate) fn text<'t>(value: &'t Value<'_>) -> Option<Cow<'t, str>> {
    match value {
        Value::Text(text) | Value::Number(text) => Some(Cow::Borrowed(text)),
        Value::Bool(true) => Some("true".into()),
        Value::Bool(false) => Some("false".into()),
        Value::Null | Value::Bytes(_) | Value::List(_) | Value::Object(_) => None,
    }
}

/// Whether it is a path of names: `id`, `data.items`.
pub(crate) fn is_path(text: &str) -> bool {
    let is_name =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_-@".contains(c));
    text.split('.').all(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(json: &str) -> Record {
        Record::new(
            "r",
            Body::Bytes {
                content_type: "application/json".to_owned(),
                bytes: json.as_bytes().to_vec().into(),
            },
        )
    }

    fn target(template: &str, json: &str) -> Result<String, String> {
        let template = Template::read(template).expect("a template");
        let record = record(json);
        template.target(&Message::new(&record, true), "k-1")
    }

    #[test]
    fn fields_come_into_path_and_query_encoded() {
        let told = target(
            "/orders/{order.id}/lines?q={q}&key={$key}",
            r#"{"order":{"id":"a/b c"},"q":"x&y=../z"}"#,
        );
        assert_eq!(
            told.as_deref(),
            Ok("/orders/a%2Fb%20c/lines?q=x%26y%3D..%2Fz&key=k-1")
        );
        assert_eq!(
            target("/a/{n}/{t}", r#"{"n":10.50,"t":true}"#).as_deref(),
            Ok("/a/10.50/true")
        );
    }

    #[test]
    fn no_value_leads_up_or_away_and_no_refusal_shows_one() {
        for value in [
            "..",
            ".",
            "../admin",
            "a/../b",
            "a\\..\\b",
            "",
            "a\\u0000b",
            "a\\r\\nb",
        ] {
            let json = format!(r#"{{"id":"{value}"}}"#).replace("a\\..\\b", "a\\\\..\\\\b");
            let told = target("/orders/{id}", &json).expect_err(value);
            assert!(told.contains("`id`") && !told.contains("admin"), "{told}");
        }
        // Two halves that are harmless alone.
        assert!(target("/orders/{a}{b}/x", r#"{"a":".","b":"."}"#).is_err());
        assert!(target("/orders/.{a}/x", r#"{"a":"."}"#).is_err());
        for value in [
            "//evil.example",
            "http://evil.example",
            "@evil.example",
            "%2e%2e",
            "?x",
            "#x",
        ] {
            let told = target("/orders/{id}", &format!(r#"{{"id":"{value}"}}"#)).expect(value);
            let part = told.strip_prefix("/orders/").expect("it stays there");
            assert!(!part.contains(['/', '?', '#', '@', ':']), "{part}");
        }
    }

    #[test]
    fn what_is_missing_or_no_single_value_is_named() {
        for (json, what) in [
            ("{}", "no field `id`"),
            (r#"{"id":{}}"#, "`id` is an object"),
            (r#"{"id":null}"#, "`id` is null"),
            ("nothing", "not JSON"),
        ] {
            let told = target("/{id}", json).expect_err(json);
            assert!(told.contains(what), "{told}");
        }
    }

    #[test]
    fn a_text_that_is_no_template_is_refused_where_it_goes_wrong() {
        for (text, place) in [
            ("/a/{", 3..4),
            ("/a}", 2..3),
            ("/{}", 1..3),
            ("/{a b}", 1..6),
            ("/{a..b}", 1..7),
            ("/{$no}", 1..6),
        ] {
            let (told, _) = Template::read(text).expect_err(text);
            assert_eq!(told, place, "{text}");
        }
    }
}
