//! The systems: which adapter each has, in which time zone its times are, and what its adapter says of its ends.

use std::collections::BTreeMap;

use trunkline_sdk::{Adapter, Endpoint, Options, Problem, Settings, Shape};

use super::{Uses, near_name, no_name, unknown_hint};
use crate::{
    adapters::Adapters,
    config::{
        known::Known,
        landscape::{Landscape, SystemEntry},
    },
    mapping::functions::Zone,
    names::SystemName,
};

/// The systems whose adapter is known, with their settings.
pub(super) type Systems<'l> = Known<SystemName, (&'static dyn Adapter, &'l Settings)>;

/// The end of a flow at a system.
pub(super) enum End {
    /// What stands beside `system:`.
    Source(Settings),
    /// The same, and what arrives there.
    Sink(Settings, Option<Shape>),
}

/// The systems by name.
pub(super) fn read<'l>(landscape: &'l Landscape, problems: &mut Vec<Problem>) -> Systems<'l> {
    let mut systems = Systems::new(landscape.knows_names);
    for entry in &landscape.systems {
        let name = SystemName::new(&entry.name)
            .map_err(|what| problems.push(no_name(&entry.place, &entry.name, what)));
        match (name, system(&landscape.adapters, entry, problems)) {
            (Ok(name), Some(found)) => systems.insert(&entry.name, name, found),
            (Ok(_), None) => systems.insert_wrong(&entry.name),
            (Err(()), _) => {
                systems.insert_told(entry.name.clone());
                systems.insert_told(near_name(&entry.name));
            }
        }
    }
    systems
}

/// The time zones that systems declare, by the names of the systems.
pub(super) fn zones<'l>(landscape: &'l Landscape, problems: &mut Vec<Problem>) -> BTreeMap<&'l str, &'l str> {
    let mut zones = BTreeMap::new();
    for entry in &landscape.systems {
        let Some(settings) = &entry.zone else {
            continue;
        };
        match settings.text().filter(|text| !text.is_empty()) {
            Some(text) if Zone::get(text).is_some() => drop(zones.insert(&*entry.name, text)),
            Some(text) => problems.push(
                Problem::new(&settings.place, format!("there is no time zone `{text}`"))
                    .hint(Zone::near(text)),
            ),
            None => problems
                .push(Problem::new(&settings.place, "`time_zone` names no time zone").hint(Zone::near(""))),
        }
    }
    zones
}

/// The adapter of a system and its settings; `None`: which adapter it is cannot be said, and that was told.
fn system<'l>(
    adapters: &Adapters,
    entry: &'l SystemEntry,
    problems: &mut Vec<Problem>,
) -> Option<(&'static dyn Adapter, &'l Settings)> {
    let name = &entry.name;
    let adapter = match entry.value.entries() {
        Some([adapter]) => adapter,
        found => {
            let hint = match found {
                Some([_, _, ..]) => "one system has one adapter: make two systems of it".to_owned(),
                _ => match entry.value.text().filter(|word| adapters.find(word).is_some()) {
                    Some(word) => format!("as in `{name}: {{ {word}: {{ … }} }}`"),
                    None => format!("as in `{name}: {{ webhook: {{ listen: 127.0.0.1:8080 }} }}`"),
                },
            };
            let what = format!("system `{name}` must name one adapter");
            problems.push(Problem::new(&entry.place, what).hint(hint));
            return None;
        }
    };
    let word = &adapter.key;
    let Some(found) = adapters.find(word) else {
        let known = adapters.names();
        problems.push(
            Problem::new(&adapter.place, format!("there is no adapter `{word}`"))
                .hint(unknown_hint(word, known, "adapters")),
        );
        return None;
    };
    if let Err(wrong) = Options::read(found.describe().system, &adapter.value) {
        problems.extend(wrong);
    }
    Some((found, &adapter.value))
}

/// The adapters check what their tables of options cannot say; only systems whose options are right.
pub(super) fn check_ends(systems: &Systems<'_>, uses: &Uses, problems: &mut Vec<Problem>) {
    for (name, (adapter, settings)) in systems.iter() {
        if Options::read(adapter.describe().system, settings).is_err() {
            continue;
        }
        let ends = uses.ends.iter().filter(|(system, _)| system == name);
        let endpoints: Vec<_> = ends
            .map(|(_, end)| match end {
                End::Source(settings) => Endpoint::Source { settings },
                End::Sink(settings, shape) => Endpoint::Sink {
                    settings,
                    shape: shape.as_ref(),
                },
            })
            .collect();
        problems.extend(adapter.check(settings, &endpoints));
    }
}
