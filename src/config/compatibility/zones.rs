//! Time zones of systems that changed: a time that tells no zone means another instant.

use trunkline_sdk::{Problem, Settings};

use super::{Use, mappings, sends};
use crate::config::{Landscape, SystemEntry, flow::FlowFile};

pub(super) fn compare(before: &Landscape, now: &Landscape, problems: &mut Vec<Problem>) {
    for new in &now.systems {
        let same = before.systems.iter().find(|old| old.name == new.name);
        let Some(old) = same.filter(|old| zone(old) != zone(new)) else {
            continue;
        };
        let users: Vec<_> = now
            .flows
            .iter()
            .filter_map(|flow| user(now, flow, &new.name))
            .collect();
        // Nobody reads or writes its times.
        if users.is_empty() {
            continue;
        }
        let shown = |zone: Option<&str>| match zone {
            Some(zone) => format!("`{zone}`"),
            None => "none (UTC)".to_owned(),
        };
        let what = format!(
            "the time zone of system `{}` was {} and is {}; {}: a time that tells no zone means another instant than in what was \
             sent before",
            new.name,
            shown(zone(old)),
            shown(zone(new)),
            users.join("; ")
        );
        let place = new.zone.as_ref().map_or(&new.place, |zone| &zone.place);
        let hint = "let the queues run empty first, and see which times were wrong: before, or from now on";
        problems.push(Problem::new(place, what).hint(hint));
    }
}

fn zone(system: &SystemEntry) -> Option<&str> {
    system.zone.as_ref()?.text()
}

/// What a flow does with the system, and who hears of it; `None`: nothing.
fn user(now: &Landscape, flow: &FlowFile, system: &str) -> Option<String> {
    let is_end = |end: &Option<Settings>| {
        let named = end.as_ref().and_then(|end| end.get("system"));
        named.and_then(Settings::text) == Some(system)
    };
    let name = &flow.name.0;
    let files: Vec<_> = mappings(flow).iter().map(|file| format!("`{file}`")).collect();
    let by = match files.is_empty() {
        true => String::new(),
        false => format!(" with {}", files.join(", ")),
    };
    if is_end(&flow.to) {
        return Some(format!("flow `{name}` writes it{by}"));
    }
    if !is_end(&flow.from) {
        return None;
    }
    let mut text = format!("flow `{name}` reads it{by}");
    for channel in sends(flow) {
        let used = Use::of(now, channel);
        let readers: Vec<_> = used.readers.iter().map(|flow| format!("`{flow}`")).collect();
        text.push_str(&format!(" and sends to channel `{channel}`"));
        if !readers.is_empty() {
            text.push_str(&format!(", which {} reads", readers.join(", ")));
        }
    }
    Some(text)
}
