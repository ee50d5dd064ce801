//! What a changed landscape breaks of the one that was there before: which change, at which flow, mapping, channel and
//! subscriber, and what becomes of the messages that wait or are parked. Pure.
//!
//! Promises: each change once, where it stands now, or where it stood when it is gone. Not promised: what a changed
//! expression or setting does to messages, but for the time zone of a system.

mod flows;
mod model;
mod rules;
mod zones;

use std::{collections::BTreeSet, sync::Arc};

use prost_reflect::DescriptorPool;
use trunkline_sdk::{Place, Problem, Settings};

use super::{Landscape, files::start, flow::FlowFile, landscape::ChannelEntry, proto};

/// What there was before.
#[derive(Debug)]
pub struct Before {
    /// What a person calls it: a folder, a file, a revision.
    name: String,
    landscape: Option<Landscape>,
    pool: DescriptorPool,
}

impl Before {
    /// A landscape as it was; `model` is the embedded model that it ran with.
    pub fn landscape(name: impl Into<String>, landscape: Landscape, model: &DescriptorPool) -> Self {
        // What was wrong with it then is nothing that breaks now.
        let pool = proto::read(&landscape.files, model, &mut Vec::new());
        Self {
            name: name.into(),
            landscape: Some(landscape),
            pool,
        }
    }

    /// Message types alone, as a descriptor set holds them.
    pub fn types(name: impl Into<String>, pool: DescriptorPool) -> Self {
        Self {
            name: name.into(),
            landscape: None,
            pool,
        }
    }

    /// What of it `now` breaks, in the order of the places.
    pub fn broken_by(&self, now: &Landscape, model: &DescriptorPool) -> Vec<Problem> {
        let pool = proto::read(&now.files, model, &mut Vec::new());
        let mut problems = Vec::new();
        model::compare(self, now, &pool, &mut problems);
        if let Some(before) = &self.landscape {
            self.channels(before, now, &mut problems);
            flows::compare(self, before, now, &mut problems);
            zones::compare(before, now, &mut problems);
        }
        problems.sort_by(|a, b| a.place.cmp(&b.place).then_with(|| a.what.cmp(&b.what)));
        problems.dedup();
        problems
    }

    fn channels(&self, before: &Landscape, now: &Landscape, problems: &mut Vec<Problem>) {
        for old in &before.channels {
            let Some(new) = now.channels.iter().find(|channel| channel.name == old.name) else {
                let what = format!(
                    "channel `{}` is gone{}",
                    old.name,
                    readers(&Use::of(before, &old.name), &old.name)
                );
                let hint = "keep it until nobody publishes to it and its queues are empty: `trunkline topology plan` \
                            shows what they hold";
                problems.push(Problem::new(&self.was(&old.place), what).hint(hint));
                continue;
            };
            let used = Use::of(before, &old.name);
            if let (Some((was, _)), Some((is, place))) = (&old.type_name, &new.type_name)
                && was != is
            {
                let what = format!(
                    "channel `{}` carried `{was}` and now carries `{is}`{}: what waits or is parked there is of the \
                     old type, and is parked as such",
                    old.name,
                    readers(&used, &old.name)
                );
                let hint = "make a channel of another name for the new type, and remove the old one once its queues \
                            are empty";
                problems.push(Problem::new(place, what).hint(hint));
            }
            for word in ["key", "partitions"] {
                if changed_order(word, old, new, &used, problems) {
                    break;
                }
            }
        }
    }

    /// Where something stood that is gone.
    fn was(&self, place: &Place) -> Place {
        Place {
            file: format!("{}/{}", self.name.trim_end_matches('/'), place.file).into(),
            ..place.clone()
        }
    }
}

/// What decides which messages keep their order among each other; whether it changed, which was told.
fn changed_order(
    word: &str,
    old: &ChannelEntry,
    new: &ChannelEntry,
    used: &Use<'_>,
    problems: &mut Vec<Problem>,
) -> bool {
    let said = |channel: &ChannelEntry| {
        channel
            .settings
            .get(word)
            .and_then(Settings::text)
            .map(str::to_owned)
    };
    let (was, is) = (said(old), said(new));
    if was == is {
        return false;
    }
    let place = new.settings.get(word).map_or(&new.place, |value| &value.place);
    let shown = |text: Option<String>| {
        text.map_or_else(|| format!("no `{word}`"), |text| format!("the `{word}` `{text}`"))
    };
    let what = format!(
        "channel `{}` had {} and now has {}{}: what waits and what comes go different ways, and a later message of the \
         same key may overtake an earlier one",
        old.name,
        shown(was),
        shown(is),
        readers(used, &old.name)
    );
    let hint = "let its queues run empty first, while nothing is published to it";
    problems.push(Problem::new(place, what).hint(hint));
    true
}

/// Who uses a channel.
#[derive(Debug, Default)]
pub(super) struct Use<'l> {
    /// Flows that read it.
    readers: Vec<&'l str>,
    /// Flows that publish to it, with the mappings they have.
    writers: Vec<(&'l str, Vec<&'l str>)>,
    /// Others may read it and publish to it.
    external: bool,
}

impl<'l> Use<'l> {
    pub(super) fn of(landscape: &'l Landscape, channel: &str) -> Self {
        let mut found = Self {
            external: landscape
                .channels
                .iter()
                .any(|entry| entry.name == channel && entry.external),
            ..Self::default()
        };
        for flow in &landscape.flows {
            if flow.from.as_ref().and_then(Settings::text) == Some(channel) {
                found.readers.push(&flow.name.0);
            }
            if sends(flow).contains(channel) {
                found.writers.push((&flow.name.0, mappings(flow)));
            }
        }
        found
    }
}

/// The channels to which a flow sends, by `to:` and by its steps.
fn sends(flow: &FlowFile) -> BTreeSet<&str> {
    let mut found: BTreeSet<&str> = flow.to.as_ref().and_then(Settings::text).into_iter().collect();
    let mut open: Vec<&Settings> = flow.steps.iter().collect();
    while let Some(settings) = open.pop() {
        open.extend(settings.items().unwrap_or_default());
        for entry in settings.entries().unwrap_or_default() {
            match entry.value.text() {
                Some(text) if ["to", "otherwise"].contains(&entry.key.as_str()) => drop(found.insert(text)),
                Some(_) => {}
                None => open.push(&entry.value),
            }
        }
    }
    found
}

/// The files of the mappings that a flow names.
fn mappings(flow: &FlowFile) -> Vec<&str> {
    let words = flow.steps.iter().filter_map(Settings::entries).flatten();
    let files = words
        .filter_map(|entry| entry.value.text())
        .filter(|text| text.ends_with(".cel"));
    files.collect()
}

/// `; flows `stock` and `mail` read it, and others may`.
fn readers(used: &Use<'_>, channel: &str) -> String {
    let queues: Vec<_> = used
        .readers
        .iter()
        .map(|flow| format!("`{flow}` (queue `{channel}.{flow}`)"))
        .collect();
    let mut text = match queues.as_slice() {
        [] => String::new(),
        [one] => format!("; flow {one} reads it"),
        several => format!("; flows {} read it", several.join(", ")),
    };
    if used.external {
        text.push_str(if text.is_empty() {
            "; programs of others use it"
        } else {
            ", and programs of others use it"
        });
    }
    text
}

/// The start of the file that describes the landscape.
fn landscape_file() -> Place {
    start(&Arc::from("trunkline.yaml"))
}
