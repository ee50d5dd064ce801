//! One flow: where its messages come from, what is done to them, where they go.

use std::time::Duration;

use trunkline_sdk::{Adapter, Opt, Options, Place, Problem, Settings};

use super::{End, Systems, Uses, doubt, unknown_hint};
use crate::{
    config::{
        flow::{FlowFile, REPLY, RETRY, beside_system},
        plan::{Feed, FlowPlan, Target},
        schemas::Schemas,
    },
    flow::{self, Carries, Keys, Processor, Scope, Steps},
    names::{ChannelName, SystemName, TypeName},
    recovery::Schedule,
};

/// How long a message that keeps the order of its key is tried in place: RabbitMQ takes it back after 30 minutes.
const LONGEST_IN_PLACE: Duration = Duration::from_secs(20 * 60);

/// Checks one flow.
pub(super) struct Checker<'c, 's> {
    pub(super) file: &'c FlowFile,
    pub(super) schemas: &'c Schemas,
    pub(super) systems: &'c Systems<'c>,
    pub(super) keys: &'c Keys,
    pub(super) uses: &'c mut Uses,
    pub(super) scope: Scope<'s>,
}

impl Checker<'_, '_> {
    /// `None`: something of it is wrong, and was told.
    pub(super) fn flow(mut self) -> Option<FlowPlan> {
        let before = self.scope.problems.len();
        let feed = self.from();
        let mut steps = Vec::new();
        let mut has_routed = false;
        let mut is_whole = true;
        for step in &self.file.steps {
            let planned = self.step(step, &mut has_routed);
            is_whole &= planned.is_some();
            steps.extend(planned);
        }
        if !self.file.is_whole {
            self.unclear::<()>();
        }
        let target = self.to(feed.as_ref(), has_routed);
        let retry = self.retry(feed.as_ref());
        let mut sends = Vec::new();
        for name in std::mem::take(&mut self.scope.routed) {
            sends.extend(ChannelName::new(&name).ok().filter(|name| !sends.contains(name)));
            self.uses.published.insert(name);
        }
        self.uses.is_clear &= self.scope.is_clear;
        let makes = self
            .scope
            .carries
            .message()
            .and_then(|made| self.uses.rules(made));
        let reads = match &feed {
            Some(Feed::Channel { channel, .. }) if self.uses.validated.contains(channel.as_str()) => {
                let (_, descriptor) = self.scope.channels.get(channel.as_str())?;
                self.uses.rules(descriptor)
            }
            _ => None,
        };
        if !is_whole || self.scope.problems.len() > before {
            return None;
        }
        Some(FlowPlan {
            name: self.scope.flow.clone(),
            feed: feed?,
            steps: Steps::new(steps),
            target: target?,
            sends,
            keys: self.keys.clone(),
            retry,
            makes,
            reads,
        })
    }

    fn from(&mut self) -> Option<Feed> {
        let Some(from) = &self.file.from else {
            self.scope.is_clear = false;
            return None;
        };
        if let Some(name) = from.text() {
            self.uses.read.insert(name.to_owned());
            let channel = self.channel(from, "from")?;
            let (_, descriptor) = self.scope.channels.get(name)?;
            self.scope.carries = Carries::Message(descriptor.clone());
            return Some(Feed::Channel {
                order: self.keys.get(&channel).cloned(),
                channel,
                type_name: TypeName::new(descriptor.full_name()),
            });
        }
        self.scope.carries = Carries::Record;
        if let Some(schema) = from.get("schema") {
            self.schema(schema);
        }
        let (system, adapter, settings) = self.system(from, "from")?;
        let settings = settings.without("schema");
        let Some(options) = adapter.describe().source else {
            let what = format!(
                "system `{system}` ({}) cannot be read from",
                adapter.describe().name
            );
            self.problem(
                &from.place,
                what,
                "name it in a `to`, or read from another system",
            );
            return None;
        };
        self.options(options, &settings)?;
        self.uses
            .ends
            .push((system.clone(), End::Source(settings.clone())));
        Some(Feed::System { system, settings })
    }

    /// What the records are declared to be.
    fn schema(&mut self, named: &Settings) {
        let Some(name) = named.text() else {
            let what = format!("`schema` is {}, but must be the name of a file", named.kind());
            return self.problem(&named.place, what, "as in `schemas/order.json`");
        };
        match self.schemas.get(name) {
            Some(Some(schema)) => self.scope.carries = Carries::Declared(schema.clone()),
            // What is wrong in it was told.
            Some(None) => self.scope.carries = Carries::Unknown,
            None => {
                let hint = unknown_hint(name, self.schemas.keys().map(String::as_str), "schemas");
                self.problem(&named.place, format!("there is no file `{name}`"), hint);
                self.scope.carries = Carries::Unknown;
            }
        }
    }

    fn step(&mut self, step: &Settings, has_routed: &mut bool) -> Option<Box<dyn Processor>> {
        let Some([entry]) = step.entries() else {
            let words: Vec<_> = flow::words().collect();
            let hint = format!("one of `{}`, each with what it needs", words.join("`, `"));
            self.problem(&step.place, "a step is a map with exactly one word", hint);
            return self.unclear();
        };
        if flow::words().all(|word| word != entry.key) {
            let hint = unknown_hint(&entry.key, flow::words(), "steps");
            self.problem(&entry.place, format!("there is no step `{}`", entry.key), hint);
            return self.unclear();
        }
        if *has_routed {
            self.problem(
                &entry.place,
                "nothing gets here: a `route` sends every message away",
                "make `route` the last step, and what follows a flow of its own",
            );
            return None;
        }
        *has_routed = entry.key == "route";
        flow::plan(&entry.key, &entry.value, &mut self.scope)
    }

    /// What a step does that cannot be read is not known, nor whether it routes.
    fn unclear<T>(&mut self) -> Option<T> {
        self.scope.carries = Carries::Unknown;
        self.scope.is_clear = false;
        None
    }

    fn to(&mut self, feed: Option<&Feed>, has_routed: bool) -> Option<Target> {
        let Some(to) = &self.file.to else {
            if has_routed {
                return Some(Target::Routed);
            }
            // A step that could not be read may have been a `route`.
            if self.scope.is_clear {
                let what = format!("flow `{}` has no `to`", self.scope.flow);
                let hint = "say `to: <channel>` or `to: { system: … }`, or end with a `route`";
                self.problem(&self.file.name.1, what, hint);
                self.scope.is_clear = false;
            }
            return None;
        };
        if has_routed {
            self.problem(
                &to.place,
                "nothing gets here: a `route` sends every message away",
                "leave `to` out, or the `route`",
            );
            return None;
        }
        if to.text() == Some(REPLY) {
            if matches!(feed, Some(Feed::System { .. })) {
                self.problem(
                    &to.place,
                    "a flow that reads a system has nobody to answer",
                    "send it to a channel, and let the flow that reads that end in `to: reply`",
                );
                return None;
            }
            let arrives = self.scope.carries.message().cloned();
            return Some(Target::Reply { arrives });
        }
        if let Some(name) = to.text() {
            self.uses.published.insert(name.to_owned());
            let channel = self.channel(to, "to")?;
            self.scope.fits(&channel, &to.place)?;
            return Some(Target::Channel(channel));
        }
        let (system, adapter, _) = self.system(to, "to")?;
        let Some(options) = adapter.describe().sink else {
            let what = format!(
                "system `{system}` ({}) cannot be written to",
                adapter.describe().name
            );
            self.problem(&to.place, what, "name it in a `from`, or write to another system");
            return None;
        };
        if matches!(feed, Some(Feed::System { .. })) {
            self.problem(
                &to.place,
                "a flow cannot go from a system straight to a system",
                "send it to a channel, and let a second flow read that: then nothing is lost between the two",
            );
            return None;
        }
        let told = self.scope.problems.len();
        let in_doubt = doubt::read(system.as_str(), adapter.describe(), to, self.scope.problems);
        let settings = beside_system(to);
        self.options(options, &settings);
        let in_doubt = in_doubt.filter(|_| self.scope.problems.len() == told)?;
        let shape = self.scope.carries.shape();
        self.uses
            .ends
            .push((system.clone(), End::Sink(settings.clone(), shape)));
        Some(Target::System {
            system,
            settings,
            arrives: self.scope.carries.message().cloned(),
            in_doubt,
        })
    }

    /// The channel that a `from` or `to` names.
    fn channel(&mut self, end: &Settings, word: &str) -> Option<ChannelName> {
        match end.text() {
            Some(name) if !name.is_empty() => self.scope.channel(name, &end.place),
            _ => {
                self.names_nothing(end, word);
                None
            }
        }
    }

    /// The system of a `from` or `to`, and what stands beside it.
    fn system(&mut self, end: &Settings, word: &str) -> Option<(SystemName, &'static dyn Adapter, Settings)> {
        let named = end.get("system");
        let text = named.and_then(Settings::text).filter(|text| !text.is_empty());
        let (Some(named), Some(text)) = (named, text) else {
            self.names_nothing(named.unwrap_or(end), word);
            return None;
        };
        if let Some((system, (adapter, _))) = self.systems.get(text) {
            return Some((system.clone(), *adapter, end.without("system")));
        }
        if !self.systems.is_told(text) {
            let hint = unknown_hint(text, self.systems.names().into_iter(), "systems");
            self.problem(&named.place, format!("there is no system `{text}`"), hint);
        }
        None
    }

    fn names_nothing(&mut self, end: &Settings, word: &str) {
        let what = format!("`{word}` names neither a channel nor a system");
        let hint = format!("as in `{word}: orders` or `{word}: {{ system: erp, … }}`");
        self.problem(&end.place, what, hint);
        self.scope.is_clear = false;
    }

    fn options(&mut self, declared: &'static [Opt], settings: &Settings) -> Option<()> {
        Options::read(declared, settings)
            .map(drop)
            .map_err(|found| self.scope.problems.extend(found))
            .ok()
    }

    fn problem(&mut self, place: &Place, what: impl Into<String>, hint: impl Into<String>) {
        self.scope.problems.push(Problem::new(place, what).hint(hint));
    }

    /// The options have been checked when the file was read.
    fn retry(&mut self, feed: Option<&Feed>) -> Schedule {
        let default = Schedule::default();
        let Some(retry) = &self.file.retry else {
            return default;
        };
        let Ok(options) = Options::read(RETRY, retry) else {
            return default;
        };
        let number = |name| options.number(name).and_then(|number| u32::try_from(number).ok());
        let schedule = Schedule {
            attempts: number("attempts").unwrap_or(default.attempts),
            first: options.duration("first").unwrap_or(default.first),
            factor: number("factor").map_or(default.factor, f64::from),
            max: options.duration("max").unwrap_or(default.max),
        };
        if schedule.first > schedule.max {
            let place = options.get("first").or(options.get("max")).unwrap_or(retry);
            let hint = "`first` is the delay before the second attempt, and no delay is longer than `max`";
            self.problem(&place.place.clone(), "`first` is longer than `max`", hint);
        } else if let Some(Feed::Channel { order: Some(_), .. }) = feed
            && schedule.whole() > LONGEST_IN_PLACE
        {
            let what = format!(
                "the delays of `retry` add up to {}, and what follows a message under its key waits for it",
                spoken(schedule.whole())
            );
            let hint = "let them add up to 20 minutes at most: its channel keeps the order of a `key`, so a message \
                        is tried again in place, and a broker waits half an hour for it";
            self.problem(&retry.place, what, hint);
        }
        schedule
    }
}

/// Whole minutes, rounded up.
fn spoken(time: Duration) -> String {
    format!("{} minutes", time.as_secs().div_ceil(60))
}
