//! GraphQL over HTTP: which variables an operation takes, and what an answer says.
//!
//! Promises: an error inside a 200 is an error. Not promised: that the operation is right, which the system says.

use std::time::Duration;

use trunkline_formats::json;
use trunkline_sdk::Value;

use crate::template::{find, text};

/// What an operation may be given in place of a field of the message.
pub(crate) const KEY: &str = "idempotencyKey";

/// A GraphQL document with one operation, as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) text: String,
    pub(crate) variables: Vec<Variable>,
}

/// `$id: ID!`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) name: String,
    /// Where its `$` stands, in bytes.
    pub(crate) offset: usize,
    /// It ends with `!` and has no default.
    pub(crate) is_required: bool,
}

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// It is done.
    Done,
    /// Not now: the system wants to be left alone.
    Throttled(Duration),
    /// Not for us.
    Refused,
    /// Something broke there.
    Broke,
    /// Not this, with these codes.
    Wrong(Vec<String>),
}

impl Operation {
    /// Reads a document as far as its variables.
    pub(crate) fn read(text: &str) -> Result<Self, &'static str> {
        let code = blank(text)?;
        let word = code.trim_start();
        if !["query", "mutation", "{"]
            .iter()
            .any(|start| word.starts_with(start))
        {
            return Err("begins with neither `query`, `mutation` nor `{`");
        }
        let mut variables: Vec<Variable> = Vec::new();
        for (offset, _) in code.match_indices('$') {
            let rest = &code[offset + 1..];
            let length = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            let (name, rest) = rest.split_at(length);
            let Some(kind) = rest.trim_start().strip_prefix(':') else {
                continue;
            };
            let kind = kind.trim_start();
            let end = kind
                .find(|c: char| !c.is_ascii_alphanumeric() && !"_[]!".contains(c))
                .unwrap_or(kind.len());
            let (kind, rest) = kind.split_at(end);
            if !name.is_empty() && variables.iter().all(|variable| variable.name != name) {
                variables.push(Variable {
                    name: name.to_owned(),
                    offset,
                    is_required: kind.ends_with('!') && !rest.trim_start().starts_with('='),
                });
            }
        }
        Ok(Self {
            text: text.to_owned(),
            variables,
        })
    }

    pub(crate) fn has_key(&self) -> bool {
        self.variables.iter().any(|variable| variable.name == KEY)
    }

    /// The body of a request.
    pub(crate) fn request(&self, variables: Vec<(String, Value<'static>)>) -> String {
        let variables = variables
            .into_iter()
            .map(|(name, value)| (name.into(), value))
            .collect();
        json::write(&Value::Object(vec![
            ("query".into(), Value::Text(self.text.as_str().into())),
            ("variables".into(), Value::Object(variables)),
        ]))
    }
}

/// The text with comments and literals blanked, byte for byte.
fn blank(text: &str) -> Result<String, &'static str> {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let length = match rest {
            [b'#', ..] => rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
            [b'"', b'"', b'"', ..] => {
                let end = text[at + 3..]
                    .find("\"\"\"")
                    .ok_or("holds a text that is not closed")?;
                end + 6
            }
            [b'"', inner @ ..] => {
                let mut length = 0;
                loop {
                    match inner.get(length) {
                        Some(b'"') => break,
                        Some(b'\\') => length += 2,
                        Some(b'\n') | None => return Err("holds a text that is not closed"),
                        Some(_) => length += 1,
                    }
                }
                length + 2
            }
            _ => {
                at += 1;
                continue;
            }
        };
        out[at..at + length].fill(b' ');
        at += length;
    }
    String::from_utf8(out).map_err(|_| "is no text")
}

/// Reads an answer; `None`: it is none of GraphQL.
pub(crate) fn read(tree: &Value<'_>) -> Option<Said> {
    let errors = match tree.get("errors") {
        Some(Value::List(errors)) => errors.as_slice(),
        None | Some(Value::Null) => &[],
        Some(_) => return None,
    };
    if !errors.is_empty() {
        let codes: Vec<_> = errors
            .iter()
            .filter_map(|error| code(error, "extensions.code"))
            .collect();
        let has = |words: &[&str]| codes.iter().any(|code| words.contains(&code.as_str()));
        return Some(if has(&["THROTTLED", "RATE_LIMITED", "TOO_MANY_REQUESTS"]) {
            Said::Throttled(patience(tree))
        } else if has(&["UNAUTHENTICATED", "ACCESS_DENIED", "FORBIDDEN"]) {
            Said::Refused
        } else if has(&["INTERNAL_SERVER_ERROR", "SERVICE_UNAVAILABLE", "TIMEOUT"]) {
            Said::Broke
        } else {
            Said::Wrong(codes)
        });
    }
    let Some(Value::Object(fields)) = tree.get("data") else {
        return None;
    };
    let mut is_wrong = false;
    let mut codes = Vec::new();
    for (_, payload) in fields {
        let Value::Object(payload) = payload else { continue };
        // `userErrors`, `customerUserErrors`.
        let told = payload.iter().filter(|(name, _)| name.ends_with("serErrors"));
        for errors in told.filter_map(|(_, value)| match value {
            Value::List(errors) if !errors.is_empty() => Some(errors),
            _ => None,
        }) {
            is_wrong = true;
            codes.extend(errors.iter().filter_map(|error| code(error, "code")));
        }
    }
    Some(if is_wrong { Said::Wrong(codes) } else { Said::Done })
}

/// A code, if it looks like one: it is shown, and must not be a value.
pub(crate) fn code(tree: &Value<'_>, path: &str) -> Option<String> {
    let code = find(tree, path).and_then(text)?;
    let is_code = (2..=64).contains(&code.len())
        && code
            .bytes()
            .all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    is_code.then(|| code.into_owned())
}

/// How long until the bucket holds what the operation costs, as Shopify tells it; else a second.
fn patience(tree: &Value<'_>) -> Duration {
    let number = |path: &str| -> Option<f64> { find(tree, path).and_then(text)?.parse().ok() };
    let cost = number("extensions.cost.requestedQueryCost");
    let left = number("extensions.cost.throttleStatus.currentlyAvailable");
    let rate = number("extensions.cost.throttleStatus.restoreRate");
    let seconds = match (cost, left, rate) {
        (Some(cost), Some(left), Some(rate)) if rate > 0.0 => ((cost - left) / rate).clamp(1.0, 60.0),
        _ => 1.0,
    };
    Duration::from_secs_f64(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(answer: &str) -> Option<Said> {
        read(&json::read(answer.as_bytes()).expect("JSON"))
    }

    #[test]
    fn the_variables_of_an_operation_are_those_that_it_declares() {
        let operation = Operation::read(
            "# $not: Int\nmutation M($id: ID!, $n : [Int!]! = 1, $idempotencyKey: String!, $x: Int) {\n\
             a(id: $id, note: \"$no: Int\", b: \"\"\"$nor: \"this\" \"\"\") @idempotent(key: $idempotencyKey) { id } }",
        )
        .expect("an operation");
        let told: Vec<_> = operation
            .variables
            .iter()
            .map(|v| (v.name.as_str(), v.is_required))
            .collect();
        assert_eq!(
            told,
            [("id", true), ("n", false), ("idempotencyKey", true), ("x", false)]
        );
        assert!(operation.has_key());
        for wrong in [
            "",
            "subscription { a }",
            "query { a(b: \"x) }",
            "fragment F on A { b }",
        ] {
            assert!(Operation::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_error_inside_a_200_is_an_error() {
        for (answer, expected) in [
            (r#"{"data":{"a":{"id":1,"userErrors":[]}}}"#, Some(Said::Done)),
            (r#"{"data":{"a":null},"errors":[]}"#, Some(Said::Done)),
            (
                r#"{"errors":[{"message":"secret","extensions":{"code":"BAD_USER_INPUT"}}]}"#,
                Some(Said::Wrong(vec!["BAD_USER_INPUT".to_owned()])),
            ),
            (
                r#"{"errors":[{"extensions":{"code":"mrs.miller@a.example"}}]}"#,
                Some(Said::Wrong(Vec::new())),
            ),
            (
                r#"{"data":{"a":{"userErrors":[{"code":"TAKEN","message":"x"}]}}}"#,
                Some(Said::Wrong(vec!["TAKEN".to_owned()])),
            ),
            (
                r#"{"data":{"a":{"customerUserErrors":[{}]}}}"#,
                Some(Said::Wrong(Vec::new())),
            ),
            (
                r#"{"errors":[{"extensions":{"code":"ACCESS_DENIED"}}]}"#,
                Some(Said::Refused),
            ),
            (
                r#"{"errors":[{"extensions":{"code":"INTERNAL_SERVER_ERROR"}}]}"#,
                Some(Said::Broke),
            ),
            (
                r#"{"errors":[{"extensions":{"code":"THROTTLED"}}]}"#,
                Some(Said::Throttled(Duration::from_secs(1))),
            ),
            (
                r#"{"errors":[{"extensions":{"code":"THROTTLED"}}],"extensions":{"cost":{"requestedQueryCost":600,
                    "throttleStatus":{"maximumAvailable":1000.0,"currentlyAvailable":100,"restoreRate":100.0}}}}"#,
                Some(Said::Throttled(Duration::from_secs(5))),
            ),
            (r#"{"error":"x"}"#, None),
            (r#"{"errors":"x"}"#, None),
            (r"[]", None),
        ] {
            assert_eq!(said(answer), expected, "{answer}");
        }
    }
}
