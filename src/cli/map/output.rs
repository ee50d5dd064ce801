//! What a mapping made, as JSON: protobuf's JSON of a canonical message with its fields under their own names, or the
//! native record as it is.

use prost_reflect::{DynamicMessage, SerializeOptions};
use trunkline_formats::json;
use trunkline_sdk::Fault;

use crate::{
    canonical::rules::Rules,
    flow::obeys,
    mapping::{Produces, Translated},
    observe::Tally,
};

/// How results are written.
pub(super) struct Form {
    one_line: bool,
    /// Those of the type that the mapping makes.
    rules: Option<Rules>,
}

impl Form {
    /// On one line each, or for a person to read; a message must obey the rules of its type, as in a flow.
    pub(super) fn new(one_line: bool, produces: &Produces) -> Self {
        let rules = match produces {
            // What is wrong with the rules was told when the landscape was opened.
            Produces::Message(kind) => Rules::compile(kind).ok().flatten(),
            Produces::Record(_) => None,
        };
        Self { one_line, rules }
    }

    /// The text of a result, with its line end.
    pub(super) fn translated(&self, produces: &Produces, made: Translated) -> Result<String, Fault> {
        let text = match (produces, made) {
            (Produces::Message(kind), Translated::Message(bytes)) => {
                obeys(self.rules.as_ref(), &bytes, &Tally::default())?;
                let broken = |_| Fault::stop("the mapping made a message that cannot be decoded");
                let message = DynamicMessage::decode(kind.clone(), bytes.as_slice()).map_err(broken)?;
                proto_json(&message)?
            }
            (_, Translated::Record(record)) => json::write(&record),
            (_, Translated::Message(_)) => {
                return Err(Fault::stop(
                    "the mapping made a message where a record was planned",
                ));
            }
        };
        Ok(match self.one_line {
            true => text + "\n",
            false => indented(&text),
        })
    }
}

/// Protobuf's JSON (proto3 JSON mapping), with the names of the fields as they are in the schema.
pub(crate) fn proto_json(message: &DynamicMessage) -> Result<String, Fault> {
    let options = SerializeOptions::new().use_proto_field_name(true);
    let mut out = serde_json::Serializer::new(Vec::new());
    message
        .serialize_with_options(&mut out, &options)
        .map_err(|error| Fault::stop(format!("the message has no JSON form: {error}")))?;
    String::from_utf8(out.into_inner()).map_err(|_| Fault::stop("the message has no JSON form"))
}

/// JSON on one line, spread over several; digits and texts stay as they are.
pub(crate) fn indented(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let (mut depth, mut in_text, mut is_escaped) = (0_usize, false, false);
    let mut letters = text.chars().peekable();
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.push_str(&"  ".repeat(depth));
    };
    while let Some(letter) = letters.next() {
        match letter {
            _ if in_text => {
                out.push(letter);
                in_text = letter != '"' || is_escaped;
                is_escaped = letter == '\\' && !is_escaped;
            }
            '"' => {
                in_text = true;
                out.push(letter);
            }
            '{' | '[' => {
                out.push(letter);
                if let Some(close) = letters.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(letter);
            }
            ',' => {
                out.push(letter);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            letter => out.push(letter),
        }
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_spread_over_lines_and_stays_the_same() {
        let text = r#"{"a":[1.10,{"b":"x,{\"y\\"}],"c":{},"d":[]}"#;
        let spread = indented(text);
        assert_eq!(
            spread,
            "{\n  \"a\": [\n    1.10,\n    {\n      \"b\": \"x,{\\\"y\\\\\"\n    }\n  ],\n  \"c\": {},\n  \"d\": []\n}\n"
        );
        let again = json::read(spread.as_bytes()).expect("it is JSON");
        assert_eq!(json::write(&again), text);
    }
}
