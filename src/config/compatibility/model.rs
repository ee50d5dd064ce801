//! Message types that changed: who carries them, makes them and reads them.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{DescriptorPool, Kind, MessageDescriptor};
use trunkline_proto::compatibility::{BreakingChange, ChangeKind, breaking_changes};
use trunkline_sdk::{Place, Problem, Settings};

use super::{Before, Use, landscape_file, rules};
use crate::config::{Landscape, proto};

pub(super) fn compare(of: &Before, now: &Landscape, pool: &DescriptorPool, problems: &mut Vec<Problem>) {
    let carried = Carried::of(of, now, pool);
    narrowed(of, now, pool, &carried, problems);
    for change in breaking_changes(&of.pool, pool) {
        let holder = holder(&of.pool, &change.element);
        let channels = carried.channels(&holder);
        // A type that travels nowhere breaks nothing, as far as a landscape tells all that travels.
        if channels.is_empty() && of.landscape.is_some() {
            continue;
        }
        let mut what = format!("`{}` {}", change.element, change.what);
        for channel in &channels {
            // Who leaves out what became required is its sender's matter.
            let reads = change.kind != ChangeKind::Required;
            what.push_str(&told(channel, &Use::of(now, channel), reads));
        }
        if !channels.is_empty() && !change.what.contains("parked") {
            what.push_str("; ");
            what.push_str(waiting(change.kind));
        }
        let place = place(of, now, pool, &change, &holder)
            .or_else(|| channels.iter().find_map(|channel| type_of(now, channel)))
            .unwrap_or_else(landscape_file);
        problems.push(Problem::new(&place, what).hint(change.kind.hint()));
    }
}

/// Rules that got narrower: who sends what was right before is refused now.
fn narrowed(
    of: &Before,
    now: &Landscape,
    pool: &DescriptorPool,
    carried: &Carried,
    problems: &mut Vec<Problem>,
) {
    for (name, channels) in &carried.channels {
        let (Some(old), Some(new)) = (of.pool.get_message_by_name(name), pool.get_message_by_name(name))
        else {
            continue;
        };
        let fields = new.fields().filter_map(|field| {
            let same = old.get_field(field.number())?;
            let found = rules::narrowed(&same, &field);
            Some((field.full_name().to_owned(), field.path().to_vec(), found))
        });
        // Its name stands behind `message`.
        let whole = [new.path(), &[1]].concat();
        let whole = (name.clone(), whole, rules::narrowed_of(&old, &new));
        for (element, path, found) in fields.chain([whole]) {
            for rule in found {
                let mut what = format!("`{element}` is held to a narrower rule: {rule}");
                let mut is_validated = false;
                for channel in channels {
                    let validates = validates(now, channel);
                    is_validated |= validates;
                    what.push_str(&told(channel, &Use::of(now, channel), validates));
                }
                what.push_str(match is_validated {
                    true => "; what waits or is parked and breaks it is parked where its channel says `validate: true`",
                    false => "; what waits or is parked is delivered all the same",
                });
                let place = proto::place(&now.files, &new.parent_file(), &path)
                    .or_else(|| channels.iter().find_map(|channel| type_of(now, channel)))
                    .unwrap_or_else(landscape_file);
                let hint = "leave the rule as wide as it was, or make sure first that nobody sends what it refuses: \
                            `trunkline quality` tells which rules the records of a source break";
                problems.push(Problem::new(&place, what).hint(hint));
            }
        }
    }
}

/// Whether flows hold what they read from a channel against its rules.
fn validates(now: &Landscape, channel: &str) -> bool {
    let entry = now.channels.iter().find(|entry| entry.name == channel);
    let validate = entry.and_then(|entry| entry.settings.get("validate"));
    validate.and_then(Settings::text) == Some("true")
}

/// What travels on the channels, that which is inside of it included.
struct Carried {
    /// Channels by the full name of a message or enum.
    channels: BTreeMap<String, BTreeSet<String>>,
}

impl Carried {
    fn of(of: &Before, now: &Landscape, pool: &DescriptorPool) -> Self {
        let mut carried = Self {
            channels: BTreeMap::new(),
        };
        let before = of
            .landscape
            .iter()
            .flat_map(|before| &before.channels)
            .map(|entry| (entry, &of.pool));
        let after = now
            .channels
            .iter()
            .flat_map(|entry| [(entry, pool), (entry, &of.pool)]);
        for (entry, pool) in before.chain(after) {
            // One that is gone or carries something else is told as that.
            let is = now.channels.iter().find(|channel| channel.name == entry.name);
            let (Some(is), Some((name, _))) = (is, &entry.type_name) else {
                continue;
            };
            if is.type_name.as_ref().is_some_and(|(is, _)| is == name)
                && let Some(message) = pool.get_message_by_name(name)
            {
                carried.add(&entry.name, message);
            }
        }
        carried
    }

    fn add(&mut self, channel: &str, message: MessageDescriptor) {
        let mut open = vec![message];
        let mut seen = BTreeSet::new();
        while let Some(message) = open.pop() {
            if !seen.insert(message.full_name().to_owned()) {
                continue;
            }
            for field in message.fields() {
                match field.kind() {
                    Kind::Message(inner) => open.push(inner),
                    Kind::Enum(inner) => drop(seen.insert(inner.full_name().to_owned())),
                    _ => {}
                }
            }
        }
        for name in seen {
            self.channels.entry(name).or_default().insert(channel.to_owned());
        }
    }

    fn channels(&self, holder: &str) -> BTreeSet<String> {
        self.channels.get(holder).cloned().unwrap_or_default()
    }
}

/// The message or enum that an element is, or is in.
fn holder(pool: &DescriptorPool, element: &str) -> String {
    let is_there =
        |name: &str| pool.get_message_by_name(name).is_some() || pool.get_enum_by_name(name).is_some();
    let mut name = element;
    while !is_there(name) {
        match name.rsplit_once('.') {
            Some((before, _)) => name = before,
            None => return element.to_owned(),
        }
    }
    name.to_owned()
}

/// Whom a change reaches on a channel.
fn told(channel: &str, used: &Use<'_>, reads: bool) -> String {
    let mut text = format!("; channel `{channel}`");
    let mut parts = Vec::new();
    for (flow, mappings) in &used.writers {
        let mappings: Vec<_> = mappings.iter().map(|file| format!("`{file}`")).collect();
        let by = if mappings.is_empty() {
            String::new()
        } else {
            format!(" with {}", mappings.join(", "))
        };
        parts.push(format!("flow `{flow}` sends it{by}"));
    }
    if reads {
        parts.extend(used.readers.iter().map(|flow| format!("flow `{flow}` reads it")));
    }
    if used.external {
        parts.push("programs of others know it".to_owned());
    }
    if !parts.is_empty() {
        text.push_str(": ");
        text.push_str(&parts.join(", "));
    }
    text
}

/// What becomes of messages that wait or are parked.
fn waiting(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Removed => "what waits or is parked still has it, and nobody reads it any more",
        ChangeKind::Renamed => "what waits or is parked is read under the new name",
        ChangeKind::Renumbered => "what waits or is parked is read as if it were not set",
        ChangeKind::Oneof => "what waits or is parked with several members of the oneof is read with one",
        ChangeKind::Type | ChangeKind::Cardinality => {
            "what waits or is parked has the old form, and is misread"
        }
        ChangeKind::Presence => "what waits or is parked no longer tells unset from zero as it did",
        ChangeKind::JsonName => "what waits or is parked is as good as before, but shown under the new name",
        ChangeKind::Required => {
            "what waits or is parked without it is delivered all the same, but where its channel says `validate: true`"
        }
        ChangeKind::Unreserved => "what waits or is parked may hold its old meaning",
        ChangeKind::Moved => "what waits or is parked is as good as before",
    }
}

/// Where the element stands now, in a file of the landscape; or what it was in.
fn place(
    of: &Before,
    now: &Landscape,
    pool: &DescriptorPool,
    change: &BreakingChange,
    holder: &str,
) -> Option<Place> {
    if let Some(message) = pool.get_message_by_name(holder) {
        let place = |path: &[i32]| proto::place(&now.files, &message.parent_file(), path);
        let name = change.element.rsplit('.').next().unwrap_or_default();
        let was = of.pool.get_message_by_name(holder);
        let number = was.and_then(|was| Some(was.get_field_by_name(name)?.number()));
        let same_number = || number.and_then(|number| message.get_field(number));
        if let Some(field) = message.get_field_by_name(name).or_else(same_number) {
            return place(field.path());
        }
        if let Some(oneof) = message.oneofs().find(|oneof| oneof.name() == name) {
            return place(oneof.path());
        }
        // Its name stands behind `message`.
        return place(&[message.path(), &[1]].concat());
    }
    if let Some(found) = pool.get_enum_by_name(holder) {
        return proto::place(&now.files, &found.parent_file(), &[found.path(), &[1]].concat());
    }
    let file = pool.get_file_by_name(&change.file)?;
    proto::place(&now.files, &file, &[2])
}

/// Where a channel names its type.
fn type_of(now: &Landscape, channel: &str) -> Option<Place> {
    let entry = now.channels.iter().find(|entry| entry.name == channel)?;
    entry.type_name.as_ref().map(|(_, place)| place.clone())
}
