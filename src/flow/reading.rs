//! A message as an expression reads it.

use std::cell::OnceCell;

use trunkline_formats::{json, media_type, xml};
use trunkline_sdk::{Body, Fault, Value};

use crate::{
    mapping::{Facts, Input},
    message::{Content, Message},
};

/// Hands a message to an expression: its content decoded no further than needed, and its attributes.
///
/// Faults: a native record that is not in the format it claims, or in one that has no tree.
pub(super) fn reading<T>(
    message: &Message,
    run: impl FnOnce(Input<'_>, &dyn Facts) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let attributes = Attributes {
        message,
        time: OnceCell::new(),
    };
    match &message.content {
        Content::Canonical { bytes, .. } => run(Input::Message(bytes), &attributes),
        Content::Native(body) => tree(body, "record", |value| run(Input::Record(value), &attributes)),
    }
}

/// Hands on the tree of a native body. `what` it is: a record, a reply.
///
/// Faults: it is not in the format it claims, or in one that has no tree.
pub(super) fn tree<T>(
    body: &Body,
    what: &str,
    run: impl FnOnce(&Value<'_>) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let refused = |format: &str, malformed: String| {
        Fault::dead_letter(format!("the {what} is no {format}: {malformed}"))
            .hint("mend it where it comes from, and have it sent again")
    };
    match body {
        Body::Value(value) => run(value),
        Body::Bytes { content_type, bytes } if is_json(content_type) => {
            let value = json::read(bytes).map_err(|malformed| refused("JSON", malformed.to_string()))?;
            run(&value)
        }
        Body::Bytes { content_type, bytes } if is_xml(content_type) => {
            let malformed = |malformed| refused("XML", format!("{malformed}"));
            let text = xml::encoding_of(bytes).and_then(|encoding| encoding.decode(bytes));
            let text = text.map_err(malformed)?;
            // Where a list may have one item, the adapter that knows it gives a tree.
            let value = xml::read(&text, &[]).map_err(malformed)?;
            run(&value)
        }
        Body::Bytes { content_type, .. } => Err(unreadable(what, content_type)),
    }
}

/// `application/json`, and what is JSON by its suffix (RFC 6839): `application/cloudevents+json`.
fn is_json(content_type: &str) -> bool {
    content_type == media_type::JSON || content_type.ends_with("+json")
}

/// `application/xml`, its older name, and what is XML by its suffix (RFC 7303): `application/soap+xml`.
fn is_xml(content_type: &str) -> bool {
    content_type == media_type::XML || content_type == "text/xml" || content_type.ends_with("+xml")
}

fn unreadable(what: &str, content_type: &str) -> Fault {
    Fault::dead_letter(format!("a {what} of type `{content_type}` cannot be read"))
        .hint("records are read as JSON or XML, files also as JSON lines, CSV or fixed width")
}

/// The attributes of a message under the names of expressions.
struct Attributes<'m> {
    message: &'m Message,
    time: OnceCell<String>,
}

impl Facts for Attributes<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let message = self.message;
        match name {
            "id" => Some(message.id.as_str()),
            "source" => Some(&message.source),
            "subject" => message.subject.as_deref(),
            "time" => Some(self.time.get_or_init(|| message.time.to_string())),
            "key" => message.key.as_deref(),
            "history" => message.history.as_deref(),
            "correlation_id" => message.correlation_id.as_deref(),
            "type" => match &message.content {
                Content::Canonical { type_name, .. } => Some(type_name.as_str()),
                Content::Native(Body::Bytes { content_type, .. }) => Some(content_type),
                Content::Native(Body::Value(_)) => None,
            },
            _ => message
                .facts
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, text)| text.as_str()),
        }
    }
}
