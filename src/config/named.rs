//! The files that options of systems name: read with the landscape, so that an adapter can look into them in its check
//! and yet open nothing.
//!
//! Promises: a path that leads to no file within the landscape is told. Not promised: that a file elsewhere is there:
//! it may be only where the landscape runs.

use std::path::{Component, Path};

use trunkline_sdk::{Entry, Kind, Opt, Problem, Settings};

use super::{Landscape, landscape::SystemEntry};
use crate::adapters;

/// Reads the named files, and tells their texts to the settings that name them.
pub(super) fn take(landscape: &mut Landscape) {
    let Landscape {
        home,
        files,
        systems,
        findings,
        ..
    } = landscape;
    for (option, value) in systems.iter().flat_map(naming) {
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
    let Landscape { files, systems, .. } = landscape;
    for system in systems {
        let texts: Vec<_> = naming(system)
            .filter_map(|(option, value)| Some((option.name, files.text(value.text()?)?.clone())))
            .collect();
        if texts.is_empty() {
            continue;
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
        let adapter = |entry: &Entry| Entry {
            value: Settings::map(
                entry.value.place.clone(),
                entry
                    .value
                    .entries()
                    .unwrap_or_default()
                    .iter()
                    .map(told)
                    .collect(),
            ),
            ..entry.clone()
        };
        let adapters = system.value.entries().unwrap_or_default();
        system.value = Settings::map(system.value.place.clone(), adapters.iter().map(adapter).collect());
    }
}

/// The options of a system that name files, with their values.
fn naming(system: &SystemEntry) -> impl Iterator<Item = (&'static Opt, &Settings)> {
    let adapter = match system.value.entries() {
        Some([adapter]) => Some(adapter),
        _ => None,
    };
    let named = adapter.and_then(|adapter| Some((adapters::find(&adapter.key)?, &adapter.value)));
    named.into_iter().flat_map(|(adapter, settings)| {
        let options = adapter.describe().system.iter();
        options
            .filter(|option| matches!(option.kind, Kind::File))
            .filter_map(|option| Some((option, settings.get(option.name)?)))
    })
}

/// Whether a path stays in the landscape's folder.
fn is_within(path: &str) -> bool {
    let mut parts = Path::new(path).components();
    parts.all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}
