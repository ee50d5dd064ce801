//! The `cel` rules of a field or message: expressions of our own language, checked at load against the descriptor.

use prost_reflect::{DynamicMessage, Value};

use super::options::{list, text};
use crate::mapping::rule::{Over, Rule};

/// A compiled `cel` rule.
#[derive(Debug)]
pub(super) struct Expression {
    pub(super) id: Box<str>,
    /// What it asks for; never what the expression says itself, for that may hold the value.
    pub(super) what: Box<str>,
    pub(super) rule: Rule,
}

/// The expressions of rules, as they are written: id, message, text.
pub(super) fn written(rules: &DynamicMessage) -> Vec<(String, String, String)> {
    let mut all = Vec::new();
    for expression in list(rules, "cel_expression") {
        if let Value::String(text) = expression {
            all.push((text.clone(), String::new(), text));
        }
    }
    for rule in list(rules, "cel") {
        if let Value::Message(rule) = rule {
            let part = |name| text(&rule, name).unwrap_or_default();
            all.push((part("id"), part("message"), part("expression")));
        }
    }
    all
}

/// Compiles them; what is wrong comes with the id of its rule.
pub(super) fn compile(
    rules: &DynamicMessage,
    over: &Over,
) -> (Vec<Expression>, Vec<(String, Option<String>)>) {
    let (mut expressions, mut wrong) = (Vec::new(), Vec::new());
    for (id, message, text) in written(rules) {
        match Rule::compile(&text, over) {
            Ok(rule) => {
                let what = if message.is_empty() {
                    format!("breaks the rule `{id}`")
                } else {
                    message
                };
                expressions.push(Expression {
                    id: id.into(),
                    what: what.into(),
                    rule,
                });
            }
            Err(problems) => wrong.extend(
                problems
                    .into_iter()
                    .map(|problem| (format!("the rule `{id}`: {}", problem.what), problem.hint)),
            ),
        }
    }
    (expressions, wrong)
}
