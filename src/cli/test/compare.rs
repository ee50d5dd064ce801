//! What came out of a flow against what was expected, field by field.

use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, ReflectMessage, Value as Field};
use trunkline_formats::json;
use trunkline_sdk::{Body, Value};

use super::shown::{key_text, shown, text};
use crate::{
    canonical,
    config::{Arrival, Expected, FaultWanted, REPLY, Target},
    flow::{Failed, Verdict},
    message::Content,
};

/// One thing that is not as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    /// Where: `orders[0].lines[1].sku`; empty: of the whole.
    pub(super) path: String,
    pub(super) expected: String,
    pub(super) got: String,
}

const NOTHING: &str = "nothing";

/// Compares; none: all is as expected.
pub(super) fn differences(
    target: &Target,
    expected: &Expected,
    verdict: Result<Verdict, Failed>,
) -> Vec<Difference> {
    let one = |expected: String, got: String| {
        vec![Difference {
            path: String::new(),
            expected,
            got,
        }]
    };
    match (expected, verdict) {
        (Expected::Nothing, Ok(Verdict::Filtered(_))) => Vec::new(),
        (Expected::Filtered(rule), Ok(Verdict::Filtered(by))) if *by.0 == **rule => Vec::new(),
        (Expected::Filtered(rule), other) => one(format!("filtered by {rule}"), told(target, &other)),
        (Expected::Nothing, other) => one(NOTHING.to_owned(), told(target, &other)),
        (Expected::Fault(wanted), Err(failed)) => of_fault(wanted, &failed),
        (Expected::Fault(wanted), other) => {
            let parts = [&wanted.path, &wanted.text, &wanted.step];
            let parts: Vec<_> = parts.into_iter().flatten().map(String::as_str).collect();
            one(format!("a fault: {}", parts.join(", ")), told(target, &other))
        }
        (Expected::Messages { arrivals, whole }, Ok(Verdict::Emitted(emitted))) => {
            let mut comparison = Comparison {
                whole: *whole,
                found: Vec::new(),
            };
            let mut by_target: Vec<(String, Vec<Content>)> = Vec::new();
            for emitted in emitted {
                let to = match &emitted.to {
                    Some(channel) => channel.to_string(),
                    None => name(target),
                };
                let content = emitted.message.content;
                match by_target.iter_mut().find(|(known, _)| *known == to) {
                    Some((_, contents)) => contents.push(content),
                    None => by_target.push((to, vec![content])),
                }
            }
            for wanted in arrivals {
                let at = by_target.iter().position(|(to, _)| *to == wanted.to);
                let got = at.map_or_else(Vec::new, |at| by_target.swap_remove(at).1);
                comparison.arrivals(&wanted.to, &wanted.messages, &got);
            }
            by_target.sort_by(|(one, _), (two, _)| one.cmp(two));
            for (to, contents) in by_target {
                comparison.tell(&to, NOTHING.to_owned(), messages(contents.len()));
            }
            comparison.found
        }
        (Expected::Messages { arrivals, .. }, other) => {
            let wanted = arrivals
                .iter()
                .map(|arrivals| format!("{} to {}", messages(arrivals.messages.len()), arrivals.to));
            one(wanted.collect::<Vec<_>>().join(", "), told(target, &other))
        }
    }
}

/// What became of it, in a few words.
fn told(target: &Target, verdict: &Result<Verdict, Failed>) -> String {
    match verdict {
        Ok(Verdict::Filtered(rule)) => format!("filtered by {rule}"),
        Ok(Verdict::Emitted(emitted)) => {
            let mut to: Vec<_> = emitted
                .iter()
                .map(|emitted| {
                    emitted
                        .to
                        .as_ref()
                        .map_or_else(|| name(target), ToString::to_string)
                })
                .collect();
            to.dedup();
            format!("{} to {}", messages(emitted.len()), to.join(", "))
        }
        Err(failed) => format!("a fault of `{}`: {}", failed.step, failed.fault),
    }
}

fn name(target: &Target) -> String {
    match target {
        Target::Channel(channel) => channel.to_string(),
        Target::System { system, .. } => system.to_string(),
        Target::Reply { .. } => REPLY.to_owned(),
        Target::Routed => String::new(),
    }
}

/// What came where nothing was expected, of this type if it is a message.
fn content(kind: Option<&MessageDescriptor>, content: &Content) -> String {
    let decoded = match (content, kind) {
        (Content::Canonical { bytes, .. }, Some(kind)) => {
            DynamicMessage::decode(kind.clone(), bytes.clone()).ok()
        }
        _ => None,
    };
    match (decoded, content) {
        (Some(message), _) => shown(&message),
        (None, Content::Native(Body::Value(value))) => json::write(value),
        (None, _) => "a message".to_owned(),
    }
}

fn messages(count: usize) -> String {
    match count {
        0 => NOTHING.to_owned(),
        count => crate::cli::count(count, "message"),
    }
}

fn of_fault(wanted: &FaultWanted, failed: &Failed) -> Vec<Difference> {
    let told = failed.fault.to_string();
    let has_path = |path: &str| {
        let start = format!("{path}: ");
        let what = &failed.fault.what;
        what.starts_with(&start) || what.contains(&format!("; {start}"))
    };
    let mut found = Vec::new();
    let mut tell = |path: &str, expected: &str, got: &str| {
        found.push(Difference {
            path: path.to_owned(),
            expected: expected.to_owned(),
            got: got.to_owned(),
        });
    };
    if let Some(step) = wanted.step.as_deref().filter(|step| *step != failed.step) {
        tell("fault.step", step, failed.step);
    }
    if let Some(path) = wanted.path.as_deref().filter(|path| !has_path(path)) {
        tell("fault.path", path, &told);
    }
    if let Some(text) = wanted.text.as_deref().filter(|text| !told.contains(text)) {
        tell("fault.text", text, &told);
    }
    found
}

struct Comparison {
    /// Whether what is not named must not be set.
    whole: bool,
    found: Vec<Difference>,
}

impl Comparison {
    fn tell(&mut self, path: &str, expected: String, got: String) {
        self.found.push(Difference {
            path: path.to_owned(),
            expected,
            got,
        });
    }

    /// What came to one channel or system.
    fn arrivals(&mut self, to: &str, wanted: &[Arrival], got: &[Content]) {
        if wanted.len() != got.len() {
            self.tell(to, messages(wanted.len()), messages(got.len()));
        }
        for (at, (wanted, got)) in wanted.iter().zip(got).enumerate() {
            self.arrival(&format!("{to}[{at}]"), wanted, got);
        }
        // Where nothing came at all, that is told.
        let missing = wanted.iter().enumerate().skip(got.len());
        for (at, wanted) in missing.filter(|_| !got.is_empty()) {
            self.tell(
                &format!("{to}[{at}]"),
                json::write(&wanted.tree),
                NOTHING.to_owned(),
            );
        }
        let kind = wanted.iter().find_map(|wanted| wanted.message.as_ref());
        let kind = kind.map(ReflectMessage::descriptor);
        for (at, got) in got.iter().enumerate().skip(wanted.len()) {
            self.tell(
                &format!("{to}[{at}]"),
                NOTHING.to_owned(),
                content(kind.as_ref(), got),
            );
        }
    }

    fn arrival(&mut self, path: &str, wanted: &Arrival, got: &Content) {
        match (&wanted.message, got) {
            (Some(message), Content::Canonical { bytes, .. }) => {
                let kind = message.descriptor();
                match DynamicMessage::decode(kind.clone(), bytes.clone()) {
                    Ok(got) => self.message(path, &wanted.tree, message, &got),
                    Err(_) => self.tell(
                        path,
                        kind.full_name().to_owned(),
                        "bytes that are none".to_owned(),
                    ),
                }
            }
            (None, Content::Native(Body::Value(got))) => self.native(path, &wanted.tree, got),
            (None, Content::Native(Body::Bytes { bytes, .. })) => match json::read(bytes) {
                Ok(got) => self.native(path, &wanted.tree, &got),
                Err(_) => self.tell(path, "a record".to_owned(), "bytes".to_owned()),
            },
            (Some(message), Content::Native(_)) => {
                self.tell(
                    path,
                    message.descriptor().full_name().to_owned(),
                    "a native record".to_owned(),
                );
            }
            (None, Content::Canonical { type_name, .. }) => {
                self.tell(path, "a native record".to_owned(), type_name.to_string());
            }
        }
    }

    /// The fields that are named in `tree`.
    fn message(&mut self, path: &str, tree: &Value<'_>, wanted: &DynamicMessage, got: &DynamicMessage) {
        let kind = wanted.descriptor();
        let Value::Object(named) = tree else {
            // A text that stands for all of it: a time, a date.
            if wanted != got {
                self.tell(path, shown(wanted), shown(got));
            }
            return;
        };
        if kind.full_name() == "google.type.Money" && (self.whole || named.len() > 1) {
            if wanted != got {
                self.tell(path, shown(wanted), shown(got));
            }
            return;
        }
        let mut fields = Vec::with_capacity(named.len());
        for (name, tree) in named {
            let Some(field) = canonical::field(&kind, name) else {
                // `amount` of a Money, alone.
                if wanted.get_field_by_name("units") != got.get_field_by_name("units")
                    || wanted.get_field_by_name("nanos") != got.get_field_by_name("nanos")
                {
                    self.tell(path, shown(wanted), shown(got));
                }
                continue;
            };
            let path = format!("{path}.{}", field.name());
            let is_set = got.has_field(&field);
            let (one, two) = (wanted.get_field(&field), got.get_field(&field));
            match tree {
                Value::Null if is_set => self.tell(&path, NOTHING.to_owned(), text(&field.kind(), &two)),
                Value::Null => {}
                _ if field.supports_presence() && !is_set => {
                    self.tell(&path, text(&field.kind(), &one), NOTHING.to_owned());
                }
                _ => self.value(&path, &field.kind(), tree, &one, &two),
            }
            fields.push(field);
        }
        if self.whole {
            for (field, value) in got.fields().filter(|(field, _)| !fields.contains(field)) {
                let path = format!("{path}.{}", field.name());
                self.tell(&path, NOTHING.to_owned(), text(&field.kind(), value));
            }
        }
    }

    fn value(&mut self, path: &str, kind: &Kind, tree: &Value<'_>, wanted: &Field, got: &Field) {
        match (wanted, got, tree) {
            (Field::Message(wanted), Field::Message(got), tree) => self.message(path, tree, wanted, got),
            (Field::List(wanted), Field::List(got), Value::List(trees)) => {
                if wanted.len() != got.len() {
                    self.tell(path, items(wanted.len()), items(got.len()));
                }
                for (at, ((wanted, got), tree)) in wanted.iter().zip(got).zip(trees).enumerate() {
                    self.value(&format!("{path}[{at}]"), kind, tree, wanted, got);
                }
                let nothing = || NOTHING.to_owned();
                for (at, wanted) in wanted.iter().enumerate().skip(got.len()) {
                    self.tell(&format!("{path}[{at}]"), text(kind, wanted), nothing());
                }
                for (at, got) in got.iter().enumerate().skip(wanted.len()) {
                    self.tell(&format!("{path}[{at}]"), nothing(), text(kind, got));
                }
            }
            (Field::Map(wanted), Field::Map(got), Value::Object(trees)) => {
                let Kind::Message(entry) = kind else { return };
                let kind = entry.map_entry_value_field().kind();
                for (name, tree) in trees {
                    let key = wanted.keys().find(|key| key_text(key) == **name);
                    let Some((key, one)) = key.and_then(|key| Some((key, wanted.get(key)?))) else {
                        continue;
                    };
                    let path = format!("{path}[{name:?}]");
                    match got.get(key) {
                        Some(two) => self.value(&path, &kind, tree, one, two),
                        None => self.tell(&path, text(&kind, one), NOTHING.to_owned()),
                    }
                }
                if self.whole {
                    let mut more: Vec<_> = got.iter().filter(|(key, _)| !wanted.contains_key(key)).collect();
                    more.sort_by_key(|(key, _)| key_text(key));
                    for (key, value) in more {
                        let path = format!("{path}[{:?}]", key_text(key));
                        self.tell(&path, NOTHING.to_owned(), text(&kind, value));
                    }
                }
            }
            (wanted, got, _) if wanted == got => {}
            (wanted, got, _) => self.tell(path, text(kind, wanted), text(kind, got)),
        }
    }

    /// A native record.
    fn native(&mut self, path: &str, wanted: &Value<'_>, got: &Value<'_>) {
        match (wanted, got) {
            (Value::Object(wanted), Value::Object(fields)) => {
                for (name, wanted) in wanted {
                    let path = format!("{path}.{name}");
                    match got.get(name) {
                        Some(got) => self.native(&path, wanted, got),
                        None if *wanted == Value::Null => {}
                        None => self.tell(&path, json::write(wanted), NOTHING.to_owned()),
                    }
                }
                if self.whole {
                    for (name, value) in fields
                        .iter()
                        .filter(|(name, _)| !wanted.iter().any(|(known, _)| known == name))
                    {
                        self.tell(&format!("{path}.{name}"), NOTHING.to_owned(), json::write(value));
                    }
                }
            }
            (Value::List(wanted), Value::List(got)) => {
                if wanted.len() != got.len() {
                    self.tell(path, items(wanted.len()), items(got.len()));
                }
                for (at, (wanted, got)) in wanted.iter().zip(got).enumerate() {
                    self.native(&format!("{path}[{at}]"), wanted, got);
                }
                for (at, wanted) in wanted.iter().enumerate().skip(got.len()) {
                    self.tell(&format!("{path}[{at}]"), json::write(wanted), NOTHING.to_owned());
                }
                for (at, got) in got.iter().enumerate().skip(wanted.len()) {
                    self.tell(&format!("{path}[{at}]"), NOTHING.to_owned(), json::write(got));
                }
            }
            (wanted, got) if wanted == got => {}
            (wanted, got) => self.tell(path, json::write(wanted), json::write(got)),
        }
    }
}

fn items(count: usize) -> String {
    crate::cli::count(count, "item")
}
