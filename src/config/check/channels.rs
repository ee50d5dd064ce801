//! The channels: what they carry, by which key they keep order, and whether somebody is at both ends.

use std::collections::BTreeMap;

use prost_reflect::{DescriptorPool, MessageDescriptor};
use trunkline_sdk::{Place, Problem, nearest};

use super::{Uses, near_name, no_name};
use crate::{
    canonical::KeyPath,
    config::{
        flow::REPLY,
        known::Known,
        landscape::{ChannelEntry, Landscape},
        proto,
    },
    flow::{Keyed, Keys},
    names::ChannelName,
};

/// In how many parts a channel with a key is read, if it does not say so.
const PARTITIONS: u8 = 8;

/// The channels by name, each with its type.
pub(super) fn read(
    landscape: &Landscape,
    pool: &DescriptorPool,
    problems: &mut Vec<Problem>,
) -> Known<ChannelName, MessageDescriptor> {
    let mut channels = Known::new(landscape.knows_names);
    let hides_types = proto::hides_types(&landscape.files, pool);
    for entry in &landscape.channels {
        let name = ChannelName::new(&entry.name)
            .map_err(|what| problems.push(no_name(&entry.place, &entry.name, what)));
        if entry.name == REPLY {
            problems.push(
                Problem::new(&entry.place, "no channel can be called `reply`")
                    .hint("`to: reply` is the return address of a request: give the channel another name"),
            );
        }
        let descriptor = entry
            .type_name
            .as_ref()
            .and_then(|(text, place)| message_type(text, place, pool, hides_types, problems));
        match (name, descriptor) {
            (Ok(name), Some(descriptor)) => channels.insert(&entry.name, name, descriptor),
            (Ok(_), None) => channels.insert_wrong(&entry.name),
            (Err(()), _) => {
                channels.insert_told(entry.name.clone());
                channels.insert_told(near_name(&entry.name));
            }
        }
    }
    channels
}

/// The channels that keep order, by which key.
pub(super) fn keys(
    landscape: &Landscape,
    channels: &Known<ChannelName, MessageDescriptor>,
    problems: &mut Vec<Problem>,
) -> Keys {
    let mut keys = BTreeMap::new();
    for entry in &landscape.channels {
        let Some((text, place)) = &entry.key else {
            if let Some((_, place)) = &entry.partitions {
                problems.push(
                    Problem::new(place, "only a channel with a `key` has partitions")
                        .hint("say by which field order is kept, as in `key: order_id`; or leave it out"),
                );
            }
            continue;
        };
        let Some((name, descriptor)) = channels.get(&entry.name) else {
            continue;
        };
        match KeyPath::compile(descriptor, text) {
            Ok(path) => {
                let partitions = entry
                    .partitions
                    .as_ref()
                    .map_or(PARTITIONS, |(number, _)| *number);
                keys.insert(name.clone(), Keyed { path, partitions });
            }
            Err((what, hint)) => problems.push(Problem::new(place, what).hint(hint)),
        }
    }
    Keys::new(keys)
}

/// `None`: there is no such type, and that was told. `hides_types`: a `.proto` file is wrong, and its types not known.
fn message_type(
    text: &str,
    place: &Place,
    pool: &DescriptorPool,
    hides_types: bool,
    problems: &mut Vec<Problem>,
) -> Option<MessageDescriptor> {
    let found = pool.get_message_by_name(text);
    // What is empty was told when it was read; and a file that is wrong may declare it.
    let is_own = !text.starts_with("trunkline.") && !text.starts_with("google.");
    if found.is_some() || text.is_empty() || hides_types && is_own {
        return found;
    }
    let is_builtin = |name: &str| name.starts_with("google.") || name.starts_with("buf.");
    let known: Vec<_> = pool
        .all_messages()
        .filter(|message| !message.is_map_entry())
        .map(|message| message.full_name().to_owned())
        .filter(|name| !is_builtin(name))
        .collect();
    let known = || known.iter().map(String::as_str);
    let short = |name: &str| name.rsplit('.').next().unwrap_or_default().to_lowercase();
    let near = nearest(text, known()).or_else(|| known().find(|known| short(known) == short(text)));
    let hint = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "write its full name, such as `trunkline.commerce.v1.Order`".to_owned(),
    };
    problems.push(Problem::new(place, format!("there is no message type `{text}`")).hint(hint));
    None
}

/// A channel that nobody publishes to or nobody reads is a slip of the pen, unless others use it.
pub(super) fn check_ends(landscape: &Landscape, uses: &Uses, problems: &mut Vec<Problem>) {
    if !uses.is_clear {
        return;
    }
    let ours = |entry: &&ChannelEntry| !entry.external && ChannelName::new(&entry.name).is_ok();
    for entry in landscape.channels.iter().filter(ours) {
        let hint = "remove it, or say `external: true` if another program does";
        let mut wrong = |what: String| problems.push(Problem::new(&entry.place, what).hint(hint));
        if !uses.published.contains(&entry.name) {
            wrong(format!("nothing publishes to channel `{}`", entry.name));
        }
        if !uses.read.contains(&entry.name) {
            wrong(format!("nothing reads channel `{}`", entry.name));
        }
    }
}
