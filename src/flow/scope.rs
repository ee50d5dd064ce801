//! What a step knows when it is planned: what comes in, what there is to send to, where to tell problems.

use std::sync::Arc;

use prost_reflect::{DescriptorPool, MessageDescriptor};
use trunkline_sdk::{Place, Problem, Settings, Shape};

use crate::{
    canonical::Tree,
    config::{Files, Known, unknown_hint},
    mapping::{self, Environment, RecordSchema, Source, Tables, This},
    names::{ChannelName, FlowName},
    store::CrossReferences,
};

/// What messages carry between two steps.
#[derive(Debug, Clone)]
pub(crate) enum Carries {
    /// A native record of a system, of unknown shape.
    Record,
    /// A native record whose source declares what it looks like.
    Declared(RecordSchema),
    /// A canonical message.
    Message(MessageDescriptor),
    /// A native record that a mapping has made.
    Native(Shape),
    /// It cannot be said, for something before is wrong, and that was told.
    Unknown,
}

impl Carries {
    /// What arrives at a sink, where it is known.
    pub(crate) fn shape(&self) -> Option<Shape> {
        match self {
            Carries::Record | Carries::Declared(_) | Carries::Unknown => None,
            Carries::Native(shape) => Some(shape.clone()),
            Carries::Message(descriptor) => Some(Tree::new(descriptor).shape()),
        }
    }

    /// The type of the canonical messages, if they are.
    pub(crate) fn message(&self) -> Option<&MessageDescriptor> {
        match self {
            Carries::Message(descriptor) => Some(descriptor),
            Carries::Record | Carries::Declared(_) | Carries::Native(_) | Carries::Unknown => None,
        }
    }
}

/// The surroundings of a step.
pub(crate) struct Scope<'c> {
    /// The flow it belongs to.
    pub(crate) flow: &'c FlowName,
    /// The files of the landscape.
    pub(crate) files: &'c Files,
    /// The message types.
    pub(crate) pool: &'c DescriptorPool,
    /// The code tables.
    pub(crate) tables: &'c Tables,
    /// The time zone of the system that the flow reads or writes, where it declares one.
    pub(crate) zone: Option<&'c str>,
    /// Where cross-references are asked for.
    pub(crate) references: &'c Arc<dyn CrossReferences>,
    /// The channels with their types.
    pub(crate) channels: &'c Known<ChannelName, MessageDescriptor>,
    /// What comes into the step; a step that changes it says so here.
    pub(crate) carries: Carries,
    /// What leaves the flow on the way.
    pub(crate) copied: Vec<MessageDescriptor>,
    /// Whether a message may wait on the bus until it comes again.
    pub(crate) can_wait: bool,
    /// Channels to which a `route` sends.
    pub(crate) routed: Vec<String>,
    /// Whether it is clear which channels the flow reads and publishes to.
    pub(crate) is_clear: bool,
    /// What is wrong.
    pub(crate) problems: &'c mut Vec<Problem>,
}

impl Scope<'_> {
    /// Tells a problem; its hint may be set on what is returned.
    pub(crate) fn problem(&mut self, place: &Place, what: impl Into<String>) -> &mut Problem {
        self.problems.push(Problem::new(place, what));
        self.problems.last_mut().expect("one was pushed just now")
    }

    /// The channel of this name; `None`: there is none, and that was told.
    pub(crate) fn channel(&mut self, name: &str, place: &Place) -> Option<ChannelName> {
        if let Some((known, _)) = self.channels.get(name) {
            return Some(known.clone());
        }
        if !self.channels.is_told(name) {
            self.is_clear = false;
            let hint = unknown_hint(name, self.channels.names().into_iter(), "channels");
            self.problem(place, format!("there is no channel `{name}`")).hint = Some(hint);
        }
        None
    }

    /// Whether what comes in may be sent to this channel; `None`: it may not, and that was told.
    pub(crate) fn fits(&mut self, channel: &ChannelName, place: &Place) -> Option<()> {
        let wanted = self.channels.get(channel.as_str())?.1.full_name().to_owned();
        let (what, hint) = match &self.carries {
            Carries::Unknown => return Some(()),
            Carries::Message(descriptor) if descriptor.full_name() == wanted => return Some(()),
            Carries::Message(descriptor) => (
                format!(
                    "channel `{channel}` carries `{wanted}`, but a `{}` arrives",
                    descriptor.full_name()
                ),
                "send it to the channel of its type, or translate it".to_owned(),
            ),
            Carries::Record | Carries::Declared(_) | Carries::Native(_) => (
                format!("channel `{channel}` carries `{wanted}`, but a native record arrives"),
                "add a step `translate: maps/….cel` that makes the canonical message".to_owned(),
            ),
        };
        self.problem(place, what).hint = Some(hint);
        None
    }

    /// Compiles the expressions of a step; `None`: they are wrong, and that was told. Where it is not known what
    /// comes in, only their syntax can be checked.
    pub(crate) fn compile<T>(
        &mut self,
        sources: &[&Source],
        compile: impl FnOnce(&Environment<'_>) -> Result<T, Vec<Problem>>,
    ) -> Option<T> {
        let this = match &self.carries {
            Carries::Message(descriptor) => This::Message(descriptor.clone()),
            Carries::Record | Carries::Native(_) => This::Record,
            Carries::Declared(schema) => This::Declared(schema.clone()),
            Carries::Unknown => {
                let found = sources.iter().flat_map(|source| mapping::check_syntax(source));
                self.problems.extend(found);
                return None;
            }
        };
        let environment = Environment {
            pool: self.pool,
            this,
            tables: self.tables,
            zone: self.zone,
        };
        compile(&environment)
            .map_err(|found| self.problems.extend(found))
            .ok()
    }

    /// The text of an expression with its place; `None`: there is none, and that was told.
    pub(crate) fn expression(&mut self, settings: &Settings) -> Option<Source> {
        match settings.text() {
            Some(text) if !text.trim().is_empty() => Some(Source::scalar(settings)),
            _ => {
                self.problem(&settings.place, "an expression is missing").hint =
                    Some("as in `this.status == \"PAID\"`".to_owned());
                None
            }
        }
    }

    /// The text of a mapping: the file it names, or itself.
    pub(crate) fn mapping(&mut self, settings: &Settings) -> Option<Source> {
        let text = settings.text().unwrap_or_default();
        let is_mapping = text.ends_with(".cel");
        let found = self.files.text(text);
        // No expression looks like the path of a file.
        if !is_mapping && !text.starts_with("maps/") && found.is_none() {
            return self.expression(settings);
        }
        if let Some(found) = found
            && is_mapping
        {
            return Some(Source::file(text, Arc::clone(found)));
        }
        if self.files.is_unread(text) {
            return None;
        }
        let known: Vec<_> = self.files.in_folder("maps").map(|(name, _)| &**name).collect();
        let hint = unknown_hint(text, known.iter().copied(), "mappings");
        let what = match is_mapping {
            true => format!("there is no file `{text}`"),
            false => format!("`{text}` is no mapping: its file ends with `.cel`"),
        };
        self.problem(&settings.place, what).hint = Some(hint);
        None
    }
}
