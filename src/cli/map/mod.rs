//! `trunkline map`: one mapping on real input, and why a field became what it is.
//!
//! Personal fields are shown: who runs this has the record in their hands already.

mod explanation;
mod infer;
mod input;
mod output;
mod xml;

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use prost_reflect::{DescriptorPool, MessageDescriptor};
use trunkline_sdk::{Fault, Problem, Settings};

use self::{
    input::{Input, Inputs},
    output::Form,
};
use super::{
    Failure, count,
    opened::{self, Opened},
    say, tell,
};
use crate::{
    config::Feed,
    flow::Expression,
    mapping::{self, Environment, Facts, Mapping, Source, This},
    names::FlowName,
    store::{CrossReferences, DeferredStore},
};

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Map {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    run: Run,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Write the JSON Schema of sample records
    Infer(infer::Infer),
}

impl Map {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.verb {
            Some(Verb::Infer(infer)) => infer.run(),
            None => self.run.run(),
        }
    }
}

#[derive(clap::Args)]
struct Run {
    /// The mapping: its file, or the name of a flow that translates
    #[arg(required = true)]
    mapping: Option<String>,
    /// The folder that holds `trunkline.yaml`; left out, the one around the mapping or around where you are
    landscape: Option<PathBuf>,
    /// How the input is written; `protobuf` is one encoded canonical message
    #[arg(long, value_enum, default_value = "json")]
    format: Format,
    /// What separates the fields of CSV: one character, or `tab`
    #[arg(long, default_value = ",")]
    delimiter: String,
    #[command(flatten)]
    xml: xml::Xml,
    /// The input is a canonical message of this type, where no flow that uses the mapping says so
    #[arg(long = "type", value_name = "TYPE")]
    type_name: Option<String>,
    /// An attribute of the message, read as `attributes.NAME`; may be given several times
    #[arg(long = "attribute", value_name = "NAME=VALUE", value_parser = attribute)]
    attributes: Vec<(String, String)>,
    /// Not the result, but why this field of it is what it is: `buyer.email`, `lines[0].unit_price`
    #[arg(long, value_name = "FIELD")]
    explain: Option<String>,
    /// One line of JSON per record, explanations too
    #[arg(long)]
    json: bool,
}

/// How input is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Json,
    /// One JSON text per line
    #[value(name = "json-lines", alias = "jsonl")]
    JsonLines,
    Csv,
    /// A document, of which `--record` says where its records are
    Xml,
    /// Records of fixed width, as the flow that is named reads them
    Fixed,
    Protobuf,
}

impl Run {
    fn run(self) -> Result<(), Failure> {
        let name = self.mapping();
        let is_file = name.ends_with(".cel");
        let home = match &self.landscape {
            None if is_file && Path::new(name).is_file() => {
                opened::around(Path::new(name)).ok_or_else(|| {
                    Fault::stop(format!("`{name}` is in no landscape"))
                        .hint("a landscape is a folder with a `trunkline.yaml`; name it behind the mapping")
                })?
            }
            folder => opened::home(folder.clone().unwrap_or_else(|| ".".into())),
        };
        let (opened, problems) = Opened::in_part(home)?;
        let pool = &opened.pool;
        let this = self
            .type_name
            .as_deref()
            .map(|name| message(pool, name))
            .transpose()?;
        let compiled;
        let mapping = if is_file {
            match self.used(&opened)? {
                Some(mapping) if this.is_none() => mapping,
                _ => {
                    compiled = self.compile(&opened, this.map_or(This::Record, This::Message), &problems)?;
                    &compiled
                }
            }
        } else {
            translation(&opened, name, &problems)?
        };
        opened::tell_elsewhere(&opened.landscape, problems.len());
        let environment = Environment {
            pool,
            this: mapping.takes().clone(),
            tables: &opened.plan.tables,
            zone: mapping.zone(),
        };
        let flow = (!is_file).then(|| opened.flow(name)).transpose()?;
        let source = flow.and_then(|flow| match &flow.feed {
            Feed::System { settings, .. } => Some(settings),
            Feed::Channel { .. } => None,
        });
        self.each(
            mapping,
            &environment,
            source,
            &DeferredStore::to_look_at(opened.plan.store.clone()),
        )
    }

    /// As it was named; clap has seen to it that it was.
    fn mapping(&self) -> &str {
        self.mapping.as_deref().unwrap_or_default()
    }

    /// The mapping as the flows use it; `None`: none does.
    fn used<'o>(&self, opened: &'o Opened) -> Result<Option<&'o Mapping>, Failure> {
        let name = self.file(opened)?;
        let users: Vec<_> = opened
            .plan
            .flows
            .iter()
            .flat_map(|flow| translations(flow.steps.expressions()).map(|mapping| (&flow.name, mapping)))
            .filter(|(_, mapping)| mapping.source().name() == name)
            .collect();
        let Some((first, mapping)) = users.first() else {
            return Ok(None);
        };
        let unlike = users
            .iter()
            .find(|(_, other)| !alike(other.takes(), mapping.takes()) || other.zone() != mapping.zone());
        match unlike {
            None => Ok(Some(mapping)),
            Some((flow, other)) => {
                let what = match other.zone() == mapping.zone() {
                    true => {
                        format!("`{name}` takes one thing in flow `{first}` and another in flow `{flow}`")
                    }
                    false => {
                        format!("`{name}` has one time zone in flow `{first}` and another in flow `{flow}`")
                    }
                };
                let hint = format!("name the flow that is meant: `trunkline map {first}`");
                Err(Fault::stop(what).hint(hint).into())
            }
        }
    }

    /// The mapping's file as the landscape names it.
    fn file(&self, opened: &Opened) -> Result<String, Failure> {
        let named = self.mapping();
        let path = Path::new(named);
        let files = &opened.landscape.files;
        if files.text(named).is_some() {
            return Ok(named.to_owned());
        }
        let home = std::path::absolute(&opened.landscape.home).ok();
        let inside = std::path::absolute(path).ok().and_then(|path| {
            let inside = path.strip_prefix(home?).ok()?;
            Some(inside.to_string_lossy().replace('\\', "/"))
        });
        if let Some(name) = inside.filter(|name| files.text(name).is_some()) {
            return Ok(name);
        }
        let known: Vec<_> = files.in_folder("maps").map(|(name, _)| &**name).collect();
        let hint = crate::config::unknown_hint(named, known.iter().copied(), "mappings");
        Err(Fault::stop(format!("the landscape has no file `{named}`"))
            .hint(hint)
            .into())
    }

    fn compile(&self, opened: &Opened, this: This, problems: &[Problem]) -> Result<Mapping, Failure> {
        let name = self.file(opened)?;
        let text = opened.landscape.files.text(&name).cloned().unwrap_or_default();
        let environment = Environment {
            pool: &opened.pool,
            this,
            tables: &opened.plan.tables,
            zone: None,
        };
        Mapping::compile(&Source::file(name, text), &environment, None).map_err(|found| {
            // None: what it builds on is wrong.
            let told = if found.is_empty() { problems } else { &found };
            super::tell_problems(&opened.landscape, told);
            Failure::Told
        })
    }

    /// Translates or explains what stdin holds; a record that fails does not keep the others from it.
    fn each(
        &self,
        mapping: &Mapping,
        environment: &Environment<'_>,
        source: Option<&Settings>,
        store: &DeferredStore,
    ) -> Result<(), Failure> {
        let one_line = self.json || !matches!(self.format, Format::Json | Format::Protobuf);
        let form = Form::new(one_line, mapping.produces());
        let inputs = Inputs::new(self.format, &self.delimiter, &self.xml, source, mapping.takes())?;
        let facts = Attributes(&self.attributes);
        let (mut records, mut failed) = (0, 0);
        for (number, input) in inputs.enumerate() {
            records += 1;
            let done = input.and_then(|input| match &self.explain {
                Some(field) => self.explain(mapping, environment, &input, &facts, (field, store)),
                None => {
                    let ask = |needs: &[_]| store.find(needs);
                    let made = mapping.run_asking(input.as_mapping(), &facts, ask)?;
                    form.translated(mapping.produces(), made)
                }
            });
            match done {
                Ok(text) => say::data(text)?,
                Err(fault) => {
                    failed += 1;
                    if self.format != Format::Json && self.format != Format::Protobuf {
                        say::talk(format_args!("record {}:", number + 1));
                    }
                    tell(&fault);
                }
            }
        }
        if failed == 0 {
            return Ok(());
        }
        if records > 1 {
            say::talk(format_args!("{} of {} failed", failed, count(records, "record")));
        }
        Err(Failure::Told)
    }

    fn explain(
        &self,
        mapping: &Mapping,
        environment: &Environment<'_>,
        input: &Input,
        facts: &dyn Facts,
        (field, store): (&str, &DeferredStore),
    ) -> Result<String, Fault> {
        let input = input.as_mapping();
        let references = mapping.gather(input, facts, |needs| store.find(needs))?;
        let explained = mapping::explain(mapping, environment, input, facts, &references, field)?;
        Ok(match self.json {
            true => explanation::json(&explained),
            false => explanation::text(&explained),
        })
    }
}

fn attribute(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

/// The attributes from the command line.
struct Attributes<'a>(&'a [(String, String)]);

impl Facts for Attributes<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

fn translations<'p>(
    expressions: impl Iterator<Item = (&'static str, Expression<'p>)>,
) -> impl Iterator<Item = &'p Mapping> {
    expressions.filter_map(|(_, expression)| match expression {
        Expression::Translates(mapping) => Some(mapping),
        Expression::Decides(_) | Expression::Splits(_) | Expression::Copies(_) => None,
    })
}

/// The one mapping of a flow.
fn translation<'o>(opened: &'o Opened, name: &str, problems: &[Problem]) -> Result<&'o Mapping, Failure> {
    let landscape = &opened.landscape;
    let is_planned = opened.plan.flows.iter().any(|flow| flow.name.as_str() == name);
    if !is_planned && let Some(flow) = landscape.flows.iter().find(|flow| flow.name.0 == name) {
        // Its own problems; without any, what it builds on is wrong.
        let is_own = |problem: &&Problem| flow.stands_in(&problem.place.file);
        let own: Vec<_> = problems.iter().filter(is_own).cloned().collect();
        super::tell_problems(landscape, if own.is_empty() { problems } else { &own });
        return Err(Failure::Told);
    }
    let flow = opened.flow(name)?;
    let all: Vec<_> = translations(flow.steps.expressions()).collect();
    match all.as_slice() {
        [mapping] => Ok(mapping),
        [] => {
            let translate =
                |flow: &&crate::config::FlowPlan| translations(flow.steps.expressions()).next().is_some();
            let known = opened.plan.flows.iter().filter(translate).map(|flow| &flow.name);
            Err(Fault::stop(format!("flow `{name}` translates nothing"))
                .hint(flows(known))
                .into())
        }
        several => {
            let files: Vec<_> = several
                .iter()
                .map(|mapping| format!("`{}`", mapping.source().name()))
                .collect();
            Err(
                Fault::stop(format!("flow `{name}` translates {} times", several.len()))
                    .hint(format!("name the mapping's file: {}", files.join(", ")))
                    .into(),
            )
        }
    }
}

fn flows<'n>(names: impl Iterator<Item = &'n FlowName>) -> String {
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    match names.is_empty() {
        true => "no flow does".to_owned(),
        false => format!("flows that do: {}", names.join(", ")),
    }
}

fn alike(one: &This, two: &This) -> bool {
    match (one, two) {
        (This::Message(one), This::Message(two)) => one == two,
        (This::Record, This::Record) => true,
        (This::Declared(one), This::Declared(two)) => one == two,
        _ => false,
    }
}

/// The message type of this name, in full or by the end of it.
fn message(pool: &DescriptorPool, name: &str) -> Result<MessageDescriptor, Failure> {
    let ends = |kind: &MessageDescriptor| {
        let before = kind.full_name().strip_suffix(name);
        before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
    };
    let found: Vec<_> = pool.all_messages().filter(ends).collect();
    match found.as_slice() {
        [kind] => Ok(kind.clone()),
        _ => {
            let known: Vec<_> = pool
                .all_messages()
                .map(|kind| kind.full_name().to_owned())
                .collect();
            let near = trunkline_sdk::nearest(name, known.iter().map(String::as_str));
            let hint = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "write its full name, such as `trunkline.commerce.v1.Order`".to_owned(),
            };
            Err(Fault::stop(format!("there is no message type `{name}`"))
                .hint(hint)
                .into())
        }
    }
}
