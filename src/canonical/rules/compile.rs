//! From the options of descriptors to the plan; what cannot be a rule is told.

use std::collections::HashMap;

use prost_reflect::{
    DynamicMessage, FieldDescriptor, FileDescriptor, Kind as Declared, MessageDescriptor, ReflectMessage,
    Value,
};

use super::{
    Rules, Wrong, cel,
    constraints::{self, Refused},
    options::{
        self, IGNORE_ALWAYS, IGNORE_IF_ZERO, count, flag, ignore, list, of_field, of_message, of_oneof,
    },
    plan::{Element, Field, Group, Kind, Message, Shape},
    prune::{asks, keep_ruled},
};
use crate::mapping::rule::Over;

/// A tree of messages that hold each other is no larger.
const MOST_MESSAGES: usize = 10_000;

pub(super) fn compile(message: &MessageDescriptor) -> Result<Option<Rules>, Vec<Wrong>> {
    let compiler = Compiler::run(vec![message.clone()]);
    if !compiler.wrong.is_empty() {
        return Err(compiler.wrong);
    }
    Ok(keep_ruled(compiler.messages))
}

pub(super) fn wrong(messages: Vec<MessageDescriptor>) -> Vec<Wrong> {
    Compiler::run(messages).wrong
}

struct Compiler {
    /// The places of messages by their full name.
    places: HashMap<String, usize>,
    /// All that were met, in their places.
    open: Vec<MessageDescriptor>,
    messages: Vec<Message>,
    wrong: Vec<Wrong>,
}

impl Compiler {
    /// Compiles these and what they hold; the first stands first.
    fn run(messages: Vec<MessageDescriptor>) -> Self {
        let places = messages.iter().enumerate();
        let mut compiler = Self {
            places: places
                .map(|(place, message)| (message.full_name().to_owned(), place))
                .collect(),
            open: messages,
            messages: Vec::new(),
            wrong: Vec::new(),
        };
        while let Some(message) = compiler.open.get(compiler.messages.len()).cloned() {
            let compiled = compiler.message(&message);
            compiler.messages.push(compiled);
        }
        compiler
    }

    fn message(&mut self, message: &MessageDescriptor) -> Message {
        let rules = of_message(message);
        let mut counted: Vec<(Vec<String>, bool)> = Vec::new();
        for group in rules.iter().flat_map(|rules| list(rules, "oneof")) {
            let Value::Message(group) = group else { continue };
            let names = list(&group, "fields").into_iter().filter_map(|name| match name {
                Value::String(name) => Some(name),
                _ => None,
            });
            let names: Vec<String> = names.collect();
            let unknown = names
                .iter()
                .find(|name| message.get_field_by_name(name).is_none());
            if let Some(unknown) = unknown {
                let what = format!(
                    "a rule of message `{}` counts field `{unknown}`, which it has not",
                    message.full_name()
                );
                self.refuse_message(message, what, None);
            } else if names.len() < 2 {
                let what = format!(
                    "a rule of message `{}` counts fewer than two fields",
                    message.full_name()
                );
                self.refuse_message(message, what, None);
            } else {
                counted.push((names, flag(&group, "required")));
            }
        }
        let is_counted = |field: &FieldDescriptor| {
            counted
                .iter()
                .any(|(names, _)| names.iter().any(|name| name == field.name()))
        };
        let mut fields = Vec::new();
        for field in message.fields() {
            let counts = is_counted(&field);
            let in_oneof = field
                .containing_oneof()
                .is_some_and(|oneof| !oneof.is_synthetic());
            if let Some(compiled) = self.field(&field, counts, counts || in_oneof) {
                fields.push(compiled);
            }
        }
        fields.sort_by_key(|field| field.number);
        let place = |name: &str| fields.iter().position(|field| &*field.name == name);
        let listed = |names: &[String]| {
            let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            names.join(", ").into()
        };
        let mut groups = Vec::new();
        let mut siblings: HashMap<usize, Box<[usize]>> = HashMap::new();
        for oneof in message.oneofs().filter(|oneof| !oneof.is_synthetic()) {
            let names: Vec<_> = oneof.fields().map(|field| field.name().to_owned()).collect();
            let members: Vec<_> = names.iter().filter_map(|name| place(name)).collect();
            for member in &members {
                let others = members.iter().copied().filter(|other| other != member);
                siblings.insert(*member, others.collect());
            }
            if of_oneof(&oneof).is_some_and(|rules| flag(&rules, "required")) {
                groups.push(Group {
                    name: oneof.name().into(),
                    members: members.into(),
                    required: true,
                    exclusive: false,
                    rule: "required",
                    listed: listed(&names),
                });
            }
        }
        for (names, required) in &counted {
            groups.push(Group {
                name: "".into(),
                members: names.iter().filter_map(|name| place(name)).collect(),
                required: *required,
                exclusive: true,
                rule: "message.oneof",
                listed: listed(names),
            });
        }
        for (at, others) in siblings {
            fields[at].siblings = others;
        }
        let mut expressions = Vec::new();
        if let Some(rules) = &rules {
            let (compiled, wrong) = cel::compile(rules, &Over::Message(message.clone()));
            expressions = compiled;
            for (what, hint) in wrong {
                self.refuse_message(message, what, hint);
            }
        }
        Message {
            fields,
            groups,
            expressions,
            ..Message::default()
        }
    }

    /// `None`: it has no rules, and nothing inside that could have; `is_named`: it is needed all the same.
    fn field(&mut self, field: &FieldDescriptor, counts: bool, is_named: bool) -> Option<Field> {
        let rules = of_field(field);
        if rules.as_ref().is_some_and(|rules| ignore(rules) == IGNORE_ALWAYS) && !is_named {
            return None;
        }
        let rules = rules.filter(|rules| ignore(rules) != IGNORE_ALWAYS);
        let skipped = of_field(field).is_some() && rules.is_none();
        let declared = field.kind();
        let entry = match &declared {
            Declared::Message(entry) if field.is_map() => Some(entry.clone()),
            _ => None,
        };
        let inner = entry
            .as_ref()
            .map_or_else(|| declared.clone(), |entry| entry.map_entry_value_field().kind());
        let kind = if skipped {
            Kind::of(&inner)
        } else {
            self.kind(&inner)
        };
        let mut element = Element {
            kind,
            rules: Vec::new(),
            ignores_zero: false,
            required: false,
        };
        let mut expressions = Vec::new();
        let shape = if let Some(entry) = &entry {
            let key_kind = self.kind(&entry.map_entry_key_field().kind());
            let mut key = Element {
                kind: key_kind,
                rules: Vec::new(),
                ignores_zero: false,
                required: false,
            };
            let (mut least, mut most) = (0, u64::MAX);
            if let Some(map) = rules.as_ref().and_then(|rules| self.only(field, rules, "map")) {
                (least, most) = self.bounds(field, &map, "min_pairs", "max_pairs");
                let key_field = entry.map_entry_key_field();
                let value_field = entry.map_entry_value_field();
                let keys = Over::Keys(field.clone());
                let values = Over::Values(field.clone());
                self.element(field, &map, "keys", &key_field, &mut key, &keys, &mut expressions);
                self.element(
                    field,
                    &map,
                    "values",
                    &value_field,
                    &mut element,
                    &values,
                    &mut expressions,
                );
            }
            Shape::Map {
                least,
                most,
                key: Box::new(key),
            }
        } else if field.is_list() {
            let (mut least, mut most, mut unique) = (0, u64::MAX, false);
            if let Some(repeated) = rules
                .as_ref()
                .and_then(|rules| self.only(field, rules, "repeated"))
            {
                (least, most) = self.bounds(field, &repeated, "min_items", "max_items");
                unique = flag(&repeated, "unique");
                if unique && kind.is_message() {
                    let hint = "`unique` is for numbers, texts, bytes and enums";
                    self.refuse(
                        field,
                        "rule `unique` does not fit a list of messages",
                        Some(hint.to_owned()),
                    );
                }
                let items = Over::Items(field.clone());
                self.element(
                    field,
                    &repeated,
                    "items",
                    field,
                    &mut element,
                    &items,
                    &mut expressions,
                );
            }
            Shape::List { least, most, unique }
        } else {
            if let Some(rules) = &rules {
                element.rules = self.constraints(field, rules, field, kind);
            }
            Shape::One {
                presence: field.supports_presence(),
            }
        };
        if let Some(rules) = &rules {
            let (compiled, wrong) = cel::compile(rules, &Over::Field(field.clone()));
            expressions.extend(compiled);
            for (what, hint) in wrong {
                self.refuse(field, &what, hint);
            }
        }
        let required = field.is_required() || rules.as_ref().is_some_and(|rules| flag(rules, "required"));
        let ignores_zero = match rules.as_ref().map_or(0, ignore) {
            IGNORE_IF_ZERO => true,
            _ => counts,
        };
        let field = Field {
            name: field.name().into(),
            number: field.number(),
            shape,
            required,
            ignores_zero,
            element,
            expressions,
            siblings: Box::default(),
        };
        let leads = matches!(field.element.kind, Kind::Message(Some(_)));
        (is_named || leads || asks(&field)).then_some(field)
    }

    /// The rules of each element.
    #[expect(
        clippy::too_many_arguments,
        reason = "a list, a map's keys and its values differ in all of them"
    )]
    fn element(
        &mut self,
        field: &FieldDescriptor,
        rules: &DynamicMessage,
        word: &str,
        described: &FieldDescriptor,
        element: &mut Element,
        over: &Over,
        expressions: &mut Vec<cel::Expression>,
    ) {
        let Some(rules) = options::message(rules, word) else {
            return;
        };
        match ignore(&rules) {
            IGNORE_ALWAYS => {
                element.kind = Kind::of(&described.kind());
                return;
            }
            IGNORE_IF_ZERO => element.ignores_zero = true,
            _ => {}
        }
        element.required = flag(&rules, "required");
        element.rules = self.constraints(field, &rules, described, element.kind);
        let (compiled, wrong) = cel::compile(&rules, over);
        expressions.extend(compiled);
        for (what, hint) in wrong {
            self.refuse(field, &what, hint);
        }
    }

    /// The rules of one value.
    fn constraints(
        &mut self,
        field: &FieldDescriptor,
        rules: &DynamicMessage,
        described: &FieldDescriptor,
        kind: Kind,
    ) -> Vec<super::plan::Rule> {
        let word = constraints::word(kind);
        let Some(found) = self.only(field, rules, word) else {
            return Vec::new();
        };
        match constraints::read(&found, word, kind, &described.kind()) {
            Ok(rules) => rules,
            Err(all) => {
                for Refused { what, hint } in all {
                    self.refuse(field, &what, hint);
                }
                Vec::new()
            }
        }
    }

    /// The rules of this kind; any others do not fit the field.
    fn only(
        &mut self,
        field: &FieldDescriptor,
        rules: &DynamicMessage,
        word: &str,
    ) -> Option<DynamicMessage> {
        let kinds = rules.descriptor().oneofs().find(|oneof| oneof.name() == "type")?;
        let other = kinds
            .fields()
            .find(|kind| kind.name() != word && rules.has_field(kind));
        if let Some(other) = other {
            let what = format!(
                "rules for `{}` do not fit {}",
                other.name(),
                constraints::shown(word)
            );
            let hint = (!word.is_empty()).then(|| format!("its rules are those of `{word}`"));
            self.refuse(field, &what, hint);
        }
        let found = options::message(rules, word)?;
        if found.extensions().next().is_some() || found.unknown_fields().next().is_some() {
            let hint = "write it as a `cel` rule of the field";
            self.refuse(
                field,
                "a rule of it is not known here: predefined rules are not read",
                Some(hint.to_owned()),
            );
        }
        Some(found)
    }

    fn bounds(
        &mut self,
        field: &FieldDescriptor,
        rules: &DynamicMessage,
        low: &str,
        high: &str,
    ) -> (u64, u64) {
        let (least, most) = (
            count(rules, low).unwrap_or(0),
            count(rules, high).unwrap_or(u64::MAX),
        );
        if least > most {
            self.refuse(
                field,
                &format!("`{low}` is greater than `{high}`, so nothing is right"),
                None,
            );
        }
        (least, most)
    }

    fn kind(&mut self, declared: &Declared) -> Kind {
        let Declared::Message(message) = declared else {
            return Kind::of(declared);
        };
        if !matches!(Kind::of(declared), Kind::Message(_)) {
            return Kind::of(declared);
        }
        if let Some(place) = self.places.get(message.full_name()) {
            return Kind::Message(Some(*place));
        }
        if self.open.len() >= MOST_MESSAGES {
            return Kind::Message(None);
        }
        let place = self.open.len();
        self.places.insert(message.full_name().to_owned(), place);
        self.open.push(message.clone());
        Kind::Message(Some(place))
    }

    fn refuse(&mut self, field: &FieldDescriptor, what: &str, hint: Option<String>) {
        self.wrong.push(Wrong {
            file: field.parent_message().parent_file(),
            path: field.path().to_vec(),
            what: format!("field `{}`: {what}", field.full_name()),
            hint,
        });
    }

    fn refuse_message(&mut self, message: &MessageDescriptor, what: String, hint: Option<String>) {
        let file: FileDescriptor = message.parent_file();
        self.wrong.push(Wrong {
            file,
            path: [message.path(), &[1]].concat(),
            what,
            hint,
        });
    }
}
