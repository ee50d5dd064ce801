//! The files that options of systems name, and those of flows' ends at them: read with the landscape, so that an adapter
//! can look into them in its check and yet open nothing.
//!
//! Promises: a path that leads to no file within the landscape is told. Not promised: that a file elsewhere is there:
//! it may be only where the landscape runs.

use std::path::{Component, Path};

use trunkline_sdk::{Adapter, Entry, Kind, Opt, Problem, Settings};

use super::{Files, Landscape, landscape::SystemEntry};
use crate::adapters;

/// Reads the named files, and tells their texts to the settings that name them.
pub(super) fn take(landscape: &mut Landscape) {
    let Landscape {
        home,
        files,
        systems,
        flows,
        findings,
        ..
    } = landscape;
    let ends = flows.iter().filter_map(|flow| flow.to.as_ref());
    let ends = ends.flat_map(|to| naming_end(systems, to));
    for (option, value) in systems.iter().flat_map(naming).chain(ends) {
        let Some(path) = value.text().filter(|path| !path.is_empty()) else {
            continue;
        };
        if !files.take_named(home, path, &mut findings.problems) && is_within(path) {
            let hint = format!("`{}`: {}", option.name, option.summary);
            findings
                .problems
                .push(Problem::new(&value.place, format!("there is no file `{path}`")).hint(hint));
        }
    }
    tell(landscape);
}

/// Tells settings that name a file its text, where that was read.
pub(super) fn tell(landscape: &mut Landscape) {
    let Landscape {
        files,
        systems,
        flows,
        ..
    } = landscape;
    for to in flows.iter_mut().filter_map(|flow| flow.to.as_mut()) {
        let told = telling(to, &naming_end(systems, to), files);
        *to = told.unwrap_or_else(|| to.clone());
    }
    for system in systems {
        let named: Vec<_> = naming(system).collect();
        let adapter = |entry: &Entry| {
            let value = telling(&entry.value, &named, files)?;
            Some(Entry {
                value,
                ..entry.clone()
            })
        };
        let adapters: Option<Vec<_>> = system
            .value
            .entries()
            .unwrap_or_default()
            .iter()
            .map(adapter)
            .collect();
        if let Some(adapters) = adapters.filter(|adapters| !adapters.is_empty()) {
            system.value = Settings::map(system.value.place.clone(), adapters);
        }
    }
}

/// The same settings, told the texts of the files that these of its options name; `None`: none of them was read.
fn telling(settings: &Settings, named: &[(&'static Opt, &Settings)], files: &Files) -> Option<Settings> {
    let texts: Vec<_> = named
        .iter()
        .filter_map(|(option, value)| Some((option.name, files.text(value.text()?)?.clone())))
        .collect();
    if texts.is_empty() {
        return None;
    }
    let told = |entry: &Entry| {
        let text = texts.iter().find(|(name, _)| *name == entry.key);
        let value = match text {
            Some((_, text)) => entry.value.clone().naming(text.clone()),
            None => entry.value.clone(),
        };
        Entry {
            value,
            ..entry.clone()
        }
    };
    let entries = settings.entries().unwrap_or_default().iter().map(told).collect();
    Some(Settings::map(settings.place.clone(), entries))
}

/// The options of a system that name files, with their values.
fn naming(system: &SystemEntry) -> impl Iterator<Item = (&'static Opt, &Settings)> {
    let used = adapter(system);
    let options = used.map_or(&[][..], |(adapter, _)| adapter.describe().system);
    options
        .iter()
        .filter_map(move |option| Some((option, used?.1.get(option.name)?)))
        .filter(|(option, _)| matches!(option.kind, Kind::File))
}

/// The options of a flow's end at a system that name files, with their values.
fn naming_end<'e>(systems: &[SystemEntry], to: &'e Settings) -> Vec<(&'static Opt, &'e Settings)> {
    let name = to.get("system").and_then(Settings::text);
    let system = systems.iter().find(|system| Some(system.name.as_str()) == name);
    let options = system
        .and_then(adapter)
        .and_then(|(adapter, _)| adapter.describe().sink);
    let options = options.unwrap_or_default().iter();
    options
        .filter(|option| matches!(option.kind, Kind::File))
        .filter_map(|option| Some((option, to.get(option.name)?)))
        .collect()
}

/// The adapter of a system, with its settings.
fn adapter(system: &SystemEntry) -> Option<(&'static dyn Adapter, &Settings)> {
    match system.value.entries() {
        Some([adapter]) => Some((adapters::find(&adapter.key)?, &adapter.value)),
        _ => None,
    }
}

/// Whether a path stays in the landscape's folder.
fn is_within(path: &str) -> bool {
    let mut parts = Path::new(path).components();
    parts.all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}
