//! The words of a landscape's files as JSON Schema (draft 7, which the YAML language server reads), made from the
//! same tables that read them.
//!
//! Promises: what `check` takes, the schema takes. Not promised: the reverse; what an expression says, and whether a
//! name leads anywhere, only `check` knows.

use serde_json::{Map, Value, json};
use trunkline_sdk::{Description, Kind, Need, Opt};

use super::{
    flow::{FLOW, FROM, TO},
    landscape::{LANDSCAPE, SYSTEM},
    tests::{EXPECT, FILE, TEST},
};
use crate::{adapters::ADAPTERS, flow::STEPS, names};

/// The schema of `trunkline.yaml`.
pub(crate) fn landscape() -> Value {
    let adapters: Map<_, _> = descriptions()
        .map(|adapter| {
            let schema = described(group(adapter.system), adapter.summary);
            (adapter.name.to_owned(), schema)
        })
        .collect();
    let one: Vec<_> = adapters
        .keys()
        .map(|name| json!({ "required": [name] }))
        .collect();
    let mut system = group(SYSTEM);
    system["type"] = json!("object");
    system["oneOf"] = json!(one);
    if let Value::Object(words) = &mut system["properties"] {
        words.extend(adapters);
    }
    let mut schema = group(LANDSCAPE);
    for named in ["systems", "channels", "processes"] {
        schema["properties"][named]["propertyNames"] = json!({ "pattern": names::WORD });
    }
    schema["properties"]["systems"]["additionalProperties"] = system;
    titled("trunkline.yaml", schema)
}

/// The schema of a file in `flows/`.
pub(crate) fn flow() -> Value {
    let mut schema = group(FLOW);
    let properties = &mut schema["properties"];
    properties["flow"]["pattern"] = json!(format!(r"{}|\$\{{", names::WORD));
    let step = one_of(STEPS);
    properties["steps"] = described(list(step), summary(FLOW, "steps"));
    properties["from"] = described(end(FROM, |adapter| adapter.source), summary(FLOW, "from"));
    properties["to"] = described(end(TO, |adapter| adapter.sink), summary(FLOW, "to"));
    titled("a flow of Trunkline", schema)
}

/// The schema of a file in `tests/`.
pub(crate) fn test() -> Value {
    let mut test = group(TEST);
    let expect = json!({ "anyOf": [{ "const": "nothing" }, group(EXPECT)] });
    test["properties"]["expect"] = described(expect, summary(TEST, "expect"));
    let mut schema = group(FILE);
    schema["properties"]["tests"] = described(list(test), summary(FILE, "tests"));
    titled("tests of Trunkline", schema)
}

fn descriptions() -> impl Iterator<Item = &'static Description> {
    ADAPTERS.iter().map(|adapter| adapter.describe())
}

fn titled(title: &str, schema: Value) -> Value {
    let mut titled = Map::new();
    titled.insert(
        "$schema".to_owned(),
        json!("http://json-schema.org/draft-07/schema#"),
    );
    titled.insert("title".to_owned(), json!(title));
    if let Value::Object(schema) = schema {
        titled.extend(schema);
    }
    Value::Object(titled)
}

fn summary(options: &[Opt], name: &str) -> &'static str {
    options
        .iter()
        .find(|option| option.name == name)
        .map_or("", |option| option.summary)
}

fn described(mut schema: Value, description: &str) -> Value {
    schema["description"] = json!(description);
    schema
}

/// A channel by its name, or a system with the options of its adapter: which adapter it is stands in another file,
/// so any will do.
fn end(words: &'static [Opt], options: fn(&Description) -> Option<&'static [Opt]>) -> Value {
    let mut ways =
        vec![json!({ "type": "string", "pattern": format!(r"{}|\$\{{", names::WORD), "title": "a channel" })];
    for adapter in descriptions() {
        if let Some(options) = options(adapter) {
            let all: Vec<Opt> = words.iter().chain(options).copied().collect();
            let mut way = group(&all);
            way["title"] = json!(format!("a system: {}", adapter.name));
            ways.push(way);
        }
    }
    json!({ "anyOf": ways })
}

fn group(options: &[Opt]) -> Value {
    let required: Vec<_> = options
        .iter()
        .filter(|option| option.need == Need::Required)
        .map(|option| option.name)
        .collect();
    // Nothing at all is an empty group.
    let kind = if required.is_empty() {
        json!(["object", "null"])
    } else {
        json!("object")
    };
    let mut schema =
        json!({ "type": kind, "properties": properties(options), "additionalProperties": false });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn one_of(options: &[Opt]) -> Value {
    json!({
        "type": "object",
        "properties": properties(options),
        "additionalProperties": false,
        "minProperties": 1,
        "maxProperties": 1,
    })
}

fn properties(options: &[Opt]) -> Value {
    let property = |option: &Opt| {
        let mut schema = described(value(&option.kind), option.summary);
        if let Need::Default(text) = option.need {
            // As the language server would write it.
            schema["default"] = serde_json::from_str(text).unwrap_or_else(|_| json!(text));
        }
        (option.name.to_owned(), schema)
    };
    Value::Object(options.iter().map(property).collect())
}

/// A single value is one of these. A single map is left to `check`: said twice, the schema would double with each list
/// in a list, and an editor could not say where in the list a mistake is.
fn list(item: Value) -> Value {
    if item.get("properties").is_some() {
        return json!({ "type": ["array", "object"], "items": item });
    }
    json!({ "anyOf": [{ "type": "array", "items": item.clone() }, item] })
}

/// Scalars are read by their option, not by their spelling, so a number is as good a text as any; and every scalar
/// may come from a variable.
fn value(kind: &Kind) -> Value {
    const ANY: [&str; 3] = ["string", "number", "boolean"];
    let variable = json!({ "type": "string", "pattern": r"\$\{" });
    let or_variable = |schema: Value| json!({ "anyOf": [schema, variable] });
    let text = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    match kind {
        Kind::Text | Kind::File => json!({ "type": ANY, "minLength": 1 }),
        Kind::Secret => text(r"\$\{|^env:[A-Za-z0-9_]+$|^file:."),
        Kind::Url => json!({ "type": "string", "minLength": 1 }),
        Kind::Flag => or_variable(json!({ "enum": [true, false, "true", "false"] })),
        Kind::Number(least, most) => or_variable(json!({
            "anyOf": [{ "type": "integer", "minimum": least, "maximum": most }, text("^-?[0-9]+$")],
        })),
        Kind::Duration => text(r"^[0-9]+(ms|s|m|h|d)$|\$\{"),
        Kind::Size => text(r"^[0-9]+([KMG]i?)?B$|\$\{"),
        Kind::Choice(words) => or_variable(json!({ "enum": words })),
        Kind::List(item) => list(value(item)),
        Kind::Map(each) => json!({ "type": "object", "additionalProperties": value(each) }),
        Kind::Group(options) => group(options),
        Kind::OneOf(options) => one_of(options),
        Kind::Any => json!({}),
    }
}
