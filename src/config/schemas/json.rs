//! JSON Schema (draft 2020-12), as far as it says what a mapping may read: `type`, `properties`, `required`, `items`,
//! `enum`, `const`, `additionalProperties`, local `$ref`, `oneOf` and `anyOf` with null, `allOf` of objects, and
//! OpenAPI's `nullable`.
//!
//! What says more about values (`format`, `pattern`, ranges) is passed over, as are words that JSON Schema does not
//! know; a word that is nearly one it knows is a slip, and told. Where several kinds are allowed it is anything.

use std::{collections::HashMap, sync::Arc};

use trunkline_formats::json;
use trunkline_sdk::{Place, Problem, Settings, nearest};

use crate::{
    config::{files::start, findings::Findings, variables::Variables, yaml},
    mapping::{RecordField, RecordKind, RecordObject, RecordType},
};

/// No schema that a person reads is larger, and places are looked for in no larger one.
const MOST: usize = 256 << 10;

/// Deeper than records are.
const DEEPEST: usize = 24;

/// The words that say something about structure, and those that are passed over.
const WORDS: [&str; 60] = [
    "type",
    "properties",
    "required",
    "items",
    "enum",
    "const",
    "additionalProperties",
    "$ref",
    "oneOf",
    "anyOf",
    "allOf",
    "nullable",
    "$schema",
    "$id",
    "$anchor",
    "$comment",
    "$defs",
    "$vocabulary",
    "$dynamicRef",
    "$dynamicAnchor",
    "definitions",
    "title",
    "description",
    "default",
    "examples",
    "example",
    "deprecated",
    "readOnly",
    "writeOnly",
    "format",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minItems",
    "maxItems",
    "uniqueItems",
    "contains",
    "minContains",
    "maxContains",
    "prefixItems",
    "unevaluatedItems",
    "unevaluatedProperties",
    "minProperties",
    "maxProperties",
    "patternProperties",
    "propertyNames",
    "dependentRequired",
    "dependentSchemas",
    "if",
    "then",
    "else",
    "not",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
];

const TYPES: [&str; 7] = [
    "object", "array", "string", "integer", "number", "boolean", "null",
];

pub(super) fn read(file: &Arc<str>, text: &str, problems: &mut Vec<Problem>) -> Option<RecordType> {
    if text.len() > MOST {
        let what = "this schema is larger than 256 KiB";
        problems.push(Problem::new(&start(file), what).hint("declare the parts that mappings read"));
        return None;
    }
    if let Err(malformed) = json::read(text.as_bytes()) {
        let place = Place {
            file: file.clone(),
            line: u32::try_from(malformed.line).unwrap_or(u32::MAX),
            column: u32::try_from(malformed.column).unwrap_or(u32::MAX),
            width: 1,
        };
        let what = format!("this is no JSON: {}", malformed.what);
        problems.push(Problem::new(&place, what).hint("a schema is one JSON text"));
        return None;
    }
    // JSON is YAML, whose reader knows the places; only tabs mean something else to it.
    let mut findings = Findings::default();
    let root = yaml::read(file, &text.replace('\t', " "), &Variables::none(), &mut findings);
    let before = problems.len();
    problems.extend(findings.with(Vec::new()));
    let root = root?;
    let mut reader = Reader {
        root: &root,
        problems,
        made: HashMap::new(),
        open: Vec::new(),
    };
    let made = reader.schema(&root, 0);
    (problems.len() == before).then_some(made)
}

struct Reader<'r> {
    root: &'r Settings,
    problems: &'r mut Vec<Problem>,
    /// What references lead to, made once.
    made: HashMap<&'r str, RecordType>,
    /// References that are being made: what holds itself is anything there.
    open: Vec<&'r str>,
}

impl<'r> Reader<'r> {
    fn schema(&mut self, schema: &'r Settings, depth: usize) -> RecordType {
        let any = RecordType::of(RecordKind::Any);
        // `true` and `{}` allow anything.
        if schema.text() == Some("true") && !schema.is_quoted() || depth > DEEPEST {
            return any;
        }
        let Some(entries) = schema.entries() else {
            self.wrong(
                &schema.place,
                format!("is {}, but must be a schema", schema.kind()),
                "`{ \"type\": \"…\" }`",
            );
            return any;
        };
        for entry in entries {
            let is_known = WORDS.contains(&entry.key.as_str()) || entry.key.starts_with("x-");
            if let (false, Some(near)) = (is_known, nearest(&entry.key, WORDS)) {
                let what = format!("`{}` is no word of JSON Schema", entry.key);
                self.wrong(&entry.place, what, &format!("did you mean `{near}`?"));
            }
        }
        let nullable = schema.get("nullable").and_then(Settings::text) == Some("true");
        let made = self.kind(schema, depth);
        if nullable { made.or_null() } else { made }
    }

    fn kind(&mut self, schema: &'r Settings, depth: usize) -> RecordType {
        if let Some(reference) = schema.get("$ref") {
            return self.reference(reference, depth);
        }
        for word in ["oneOf", "anyOf"] {
            if let Some(branches) = schema.get(word) {
                return self.one_of(word, branches, depth);
            }
        }
        if let Some(all) = schema.get("allOf") {
            return self.all_of(schema, all, depth);
        }
        if let Some(values) = schema.get("enum").or(schema.get("const")) {
            return words(values);
        }
        let Some(types) = schema.get("type") else {
            // What says how an object or a list looks means one.
            return match (schema.get("properties"), schema.get("items")) {
                (Some(_), _) => self.object(schema, depth),
                (None, Some(_)) => self.list(schema, depth),
                (None, None) => RecordType::of(RecordKind::Any),
            };
        };
        let one = std::slice::from_ref(types);
        let mut made: Option<RecordType> = None;
        let mut nullable = false;
        for ty in types.items().unwrap_or(one) {
            let kind = match ty.text().unwrap_or_default() {
                "null" => {
                    nullable = true;
                    continue;
                }
                "object" => self.object(schema, depth),
                "array" => self.list(schema, depth),
                "string" => RecordType::of(RecordKind::Text),
                "integer" => RecordType::of(RecordKind::Int),
                "number" => RecordType::of(RecordKind::Number),
                "boolean" => RecordType::of(RecordKind::Bool),
                word => {
                    let near = nearest(word, TYPES);
                    let near = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
                    let hint = format!("{near}types: `{}`", TYPES.join("`, `"));
                    self.wrong(&ty.place, format!("there is no type `{word}`"), &hint);
                    RecordType::of(RecordKind::Any)
                }
            };
            made = Some(match made {
                None => kind,
                Some(before) => either(before, kind),
            });
        }
        let made = made.unwrap_or_else(|| RecordType::of(RecordKind::Any));
        if nullable { made.or_null() } else { made }
    }

    fn object(&mut self, schema: &'r Settings, depth: usize) -> RecordType {
        let mut fields: Vec<RecordField> = Vec::new();
        let properties = schema.get("properties");
        match properties.map(|properties| (properties, properties.entries())) {
            Some((_, Some(entries))) => {
                for entry in entries {
                    fields.push(RecordField {
                        name: entry.key.clone(),
                        ty: self.schema(&entry.value, depth + 1),
                        required: false,
                    });
                }
            }
            Some((properties, None)) => {
                let what = format!("`properties` is {}, but must be an object", properties.kind());
                self.wrong(&properties.place, what, "`{ \"name\": { \"type\": \"…\" } }`");
            }
            None => {}
        }
        if let Some(required) = schema.get("required") {
            self.required(required, properties.is_some(), &mut fields);
        }
        let rest = match schema.get("additionalProperties") {
            Some(rest) if rest.text() == Some("false") => None,
            Some(rest) => Some(self.schema(rest, depth + 1)),
            // An object of which nothing is said.
            None if properties.is_none() => Some(RecordType::of(RecordKind::Any)),
            None => None,
        };
        RecordType::of(RecordKind::Object(Arc::new(RecordObject { fields, rest })))
    }

    fn required(&mut self, required: &'r Settings, has_properties: bool, fields: &mut [RecordField]) {
        let Some(names) = required.items() else {
            let what = format!("`required` is {}, but must be a list of names", required.kind());
            return self.wrong(&required.place, what, "`[\"name\"]`, beside `properties`");
        };
        for named in names {
            let name = named.text().unwrap_or_default();
            if let Some(field) = fields.iter_mut().find(|field| field.name == name) {
                field.required = true;
            } else if has_properties {
                let near = nearest(name, fields.iter().map(|field| field.name.as_str()));
                let hint = match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "say under `properties` what it is".to_owned(),
                };
                self.wrong(
                    &named.place,
                    format!("`{name}` is required, but no property"),
                    &hint,
                );
            }
        }
    }

    fn list(&mut self, schema: &'r Settings, depth: usize) -> RecordType {
        let item = match schema.get("items") {
            Some(items) if items.items().is_none() => self.schema(items, depth + 1),
            Some(items) => {
                self.wrong(
                    &items.place,
                    "`items` is a list, but must be one schema".to_owned(),
                    "since draft 2020-12 the first items are told by `prefixItems`",
                );
                RecordType::of(RecordKind::Any)
            }
            None => RecordType::of(RecordKind::Any),
        };
        RecordType::list(item)
    }

    fn one_of(&mut self, word: &str, branches: &'r Settings, depth: usize) -> RecordType {
        let mut made: Option<RecordType> = None;
        let mut nullable = false;
        for branch in self.branches(word, branches) {
            if branch.get("type").and_then(Settings::text) == Some("null") {
                nullable = true;
                continue;
            }
            let kind = self.schema(branch, depth + 1);
            made = Some(match made {
                None => kind,
                Some(before) => either(before, kind),
            });
        }
        let made = made.unwrap_or_else(|| RecordType::of(RecordKind::Any));
        if nullable { made.or_null() } else { made }
    }

    /// Objects have the fields of all; anything else is anything.
    fn all_of(&mut self, schema: &'r Settings, all: &'r Settings, depth: usize) -> RecordType {
        let mut object = RecordObject::default();
        let own = schema.get("properties").map(|_| self.object(schema, depth));
        let parts: Vec<_> = self
            .branches("allOf", all)
            .iter()
            .map(|part| self.schema(part, depth + 1))
            .collect();
        for part in own.into_iter().chain(parts) {
            let RecordKind::Object(part) = part.kind else {
                return RecordType::of(RecordKind::Any);
            };
            for field in &part.fields {
                match object.fields.iter_mut().find(|known| known.name == field.name) {
                    Some(known) => known.required |= field.required,
                    None => object.fields.push(field.clone()),
                }
            }
            object.rest = object.rest.or_else(|| part.rest.clone());
        }
        RecordType::of(RecordKind::Object(Arc::new(object)))
    }

    fn branches(&mut self, word: &str, branches: &'r Settings) -> &'r [Settings] {
        branches.items().unwrap_or_else(|| {
            let what = format!("`{word}` is {}, but must be a list of schemas", branches.kind());
            self.wrong(&branches.place, what, "`[{ … }, { … }]`");
            &[]
        })
    }

    fn reference(&mut self, reference: &'r Settings, depth: usize) -> RecordType {
        let any = RecordType::of(RecordKind::Any);
        let Some(pointer) = reference.text() else {
            self.wrong(
                &reference.place,
                "`$ref` must be a text".to_owned(),
                "as in `#/$defs/address`",
            );
            return any;
        };
        if let Some(made) = self.made.get(pointer) {
            return made.clone();
        }
        if self.open.contains(&pointer) {
            return any;
        }
        let Some(path) = pointer.strip_prefix('#') else {
            let what = "a schema can only refer to itself".to_owned();
            self.wrong(
                &reference.place,
                what,
                "copy what it refers to under `$defs`: `#/$defs/address`",
            );
            return any;
        };
        let mut at = self.root;
        for step in path.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            let found = match at.items() {
                Some(items) => step.parse::<usize>().ok().and_then(|index| items.get(index)),
                None => at.get(&step),
            };
            let Some(found) = found else {
                let known = at.entries().unwrap_or_default();
                let near = nearest(&step, known.iter().map(|entry| entry.key.as_str()));
                let hint = match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "as in `#/$defs/address`".to_owned(),
                };
                self.wrong(
                    &reference.place,
                    format!("`{pointer}` leads nowhere: there is no `{step}`"),
                    &hint,
                );
                return any;
            };
            at = found;
        }
        self.open.push(pointer);
        let made = self.schema(at, depth + 1);
        self.open.pop();
        self.made.insert(pointer, made.clone());
        made
    }

    fn wrong(&mut self, place: &Place, what: String, hint: &str) {
        let problem = Problem::new(place, what).hint(hint);
        // A part that several refer to is told once.
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}

/// A part that may be of two kinds is anything.
fn either(one: RecordType, two: RecordType) -> RecordType {
    let nullable = one.nullable || two.nullable;
    let made = match one.kind == two.kind {
        true => one,
        false => RecordType::of(RecordKind::Any),
    };
    if nullable { made.or_null() } else { made }
}

/// Of these values: texts, maybe with null among them.
fn words(values: &Settings) -> RecordType {
    let one = std::slice::from_ref(values);
    let is_null = |value: &&Settings| value.text() == Some("") && !value.is_quoted();
    let values = values.items().unwrap_or(one);
    let nullable = values.iter().any(|value| is_null(&value));
    let words: Vec<_> = values.iter().filter(|value| !is_null(value)).collect();
    let made = match words.iter().all(|value| value.is_quoted()) && !words.is_empty() {
        true => {
            let words = words.into_iter().filter_map(Settings::text).map(str::to_owned);
            RecordType::of(RecordKind::Words(words.collect()))
        }
        false => RecordType::of(RecordKind::Any),
    };
    if nullable { made.or_null() } else { made }
}
