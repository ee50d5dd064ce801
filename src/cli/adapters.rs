//! `trunkline adapters`: what can be connected, and with which options.

use std::fmt::Write;

use serde_json::{Value, json};
use trunkline_sdk::{Description, Effect, Fault, Kind, Need, Opt, nearest};

use super::{Failure, say};
use crate::adapters::ADAPTERS;

#[derive(clap::Args)]
pub(super) struct Adapters {
    /// Only this adapter, with all its options
    name: Option<String>,
    /// One JSON array on stdout
    #[arg(long)]
    json: bool,
}

impl Adapters {
    pub(super) fn run(self) -> Result<(), Failure> {
        let all = || ADAPTERS.iter().map(|adapter| adapter.describe());
        let chosen: Vec<_> = match &self.name {
            Some(name) => {
                let chosen = all().find(|adapter| adapter.name == name);
                vec![chosen.ok_or_else(|| unknown(name, all().map(|adapter| adapter.name)))?]
            }
            None => all().collect(),
        };
        let text = if self.json {
            format!("{}\n", Value::from_iter(chosen.into_iter().map(object)))
        } else if self.name.is_some() {
            chosen.into_iter().map(page).collect()
        } else {
            chosen.into_iter().map(line).collect()
        };
        Ok(say::data(text)?)
    }
}

fn unknown(name: &str, known: impl Iterator<Item = &'static str> + Clone) -> Fault {
    let near = nearest(name, known.clone()).map(|near| format!("did you mean `{near}`? "));
    let known: Vec<_> = known.map(|name| format!("`{name}`")).collect();
    Fault::stop(format!("there is no adapter `{name}`")).hint(format!(
        "{}adapters: {}",
        near.unwrap_or_default(),
        known.join(", ")
    ))
}

fn line(adapter: &Description) -> String {
    format!(
        "{:<8}  {:<12}  {}\n",
        adapter.name,
        ends(adapter),
        adapter.summary
    )
}

fn ends(adapter: &Description) -> &'static str {
    match (&adapter.source, &adapter.sink) {
        (Some(_), Some(_)) => "source, sink",
        (Some(_), None) => "source",
        (None, Some(_)) => "sink",
        (None, None) => "",
    }
}

fn page(adapter: &Description) -> String {
    let name = adapter.name;
    let mut page = format!("{name}: {}\n", adapter.summary);
    let mut part = |title: &str, options: &[Opt]| {
        write!(page, "\n{title}\n").expect("a String takes all that is written to it");
        table(&mut page, 1, options);
    };
    part(
        &format!("systems: {{ <name>: {{ {name}: {{ … }} }} }}"),
        adapter.system,
    );
    if let Some(options) = adapter.source {
        part("from: { system: <name>, … }", options);
    }
    if let Some(options) = adapter.sink {
        part("to: { system: <name>, … }", options);
        let effect = effect(adapter.effect).1;
        write!(page, "\nA message that comes twice: {effect}\n")
            .expect("a String takes all that is written to it");
    }
    page
}

fn table(page: &mut String, depth: usize, options: &[Opt]) {
    for option in options {
        let need = match option.need {
            Need::Required => ", required".to_owned(),
            Need::Optional => String::new(),
            Need::Default(text) => format!(", else `{text}`"),
        };
        let margin = "  ".repeat(depth);
        writeln!(page, "{margin}{}  ({}{need})", option.name, kind(&option.kind))
            .and_then(|()| writeln!(page, "{margin}    {}", option.summary))
            .expect("a String takes all that is written to it");
        table(page, depth + 2, inner(&option.kind));
    }
}

fn object(adapter: &Description) -> Value {
    let (level, effect) = effect(adapter.effect);
    json!({
        "name": adapter.name,
        "summary": adapter.summary,
        "system": options(adapter.system),
        "source": adapter.source.map(options),
        "sink": adapter.sink.map(options),
        "effect": adapter.sink.map(|_| json!({ "level": level, "summary": effect })),
    })
}

fn options(options: &[Opt]) -> Value {
    Value::from_iter(options.iter().map(|option| {
        let (required, default) = match option.need {
            Need::Required => (true, None),
            Need::Optional => (false, None),
            Need::Default(text) => (false, Some(text)),
        };
        json!({
            "name": option.name,
            "kind": kind(&option.kind),
            "required": required,
            "default": default,
            "summary": option.summary,
            "options": self::options(inner(&option.kind)),
        })
    }))
}

/// The kind, in words.
fn kind(kind: &Kind) -> String {
    match kind {
        Kind::Text => "text".to_owned(),
        Kind::Secret => "secret: `${NAME}`, `env:NAME` or `file:path`".to_owned(),
        Kind::Url => "URL".to_owned(),
        Kind::File => "file".to_owned(),
        Kind::Flag => "true or false".to_owned(),
        Kind::Number(least, i64::MAX) => format!("number from {least}"),
        Kind::Number(least, most) => format!("number from {least} to {most}"),
        Kind::Duration => "time".to_owned(),
        Kind::Size => "size".to_owned(),
        Kind::Choice(words) => format!("one of `{}`", words.join("`, `")),
        Kind::List(item) => format!("list: {}", self::kind(item)),
        Kind::Map(each) => format!("map: {}", self::kind(each)),
        Kind::Group(_) => "map".to_owned(),
        Kind::OneOf(_) => "map with one of the words below".to_owned(),
        Kind::Any => "anything".to_owned(),
    }
}

/// The options within an option.
fn inner(kind: &Kind) -> &'static [Opt] {
    match kind {
        Kind::Group(options) | Kind::OneOf(options) => options,
        Kind::List(item) | Kind::Map(item) => inner(item),
        _ => &[],
    }
}

/// The level by which a sink keeps a repeat from acting twice, and what it means.
fn effect(effect: Effect) -> (&'static str, &'static str) {
    match effect {
        Effect::Transactional => (
            "E1",
            "acts once: its id is written in the transaction of its effect",
        ),
        Effect::Idempotent => ("E2", "acts as if it came once: the repeat is harmless there"),
        Effect::Verified => ("E3", "is looked up there before it is tried again"),
        Effect::Plain => ("E4", "may act twice; the flow says what is done when in doubt"),
    }
}
