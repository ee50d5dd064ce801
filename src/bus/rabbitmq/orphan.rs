//! What a virtual host has of ours that no landscape wants any more: queues of flows that are gone, exchanges of
//! channels that are gone, bindings that nobody asked for.

use std::collections::BTreeSet;

use super::{
    inventory::{FoundQueue, Inventory},
    topology::{DEAD, Piece, REDELIVER},
};
use crate::bus::{Difference, DifferenceKind};

/// What a landscape needs, by names.
#[derive(Default)]
pub(super) struct Wanted {
    queues: BTreeSet<String>,
    exchanges: BTreeSet<String>,
    bindings: BTreeSet<(String, String, String)>,
}

impl Wanted {
    pub(super) fn of(pieces: &[Piece]) -> Self {
        let mut wanted = Self::default();
        for piece in pieces {
            match piece.clone() {
                Piece::Exchange { name, .. } => wanted.exchanges.insert(name),
                Piece::Queue { name, .. } => wanted.queues.insert(name),
                Piece::Binding { queue, exchange, key } => wanted.bindings.insert((exchange, queue, key)),
            };
        }
        wanted
    }

    /// All that is not among them, and is ours.
    pub(super) fn orphans(&self, inventory: &Inventory) -> Vec<Difference> {
        let mut orphans = Vec::new();
        for (name, queue) in &inventory.queues {
            if self.queues.contains(name) {
                orphans.extend(self.extra_bindings(name, inventory));
            } else if let Some(original) =
                set_aside_for(name).filter(|original| self.queues.contains(*original))
            {
                let depth = queue.depth();
                let what = format!(
                    "holds what queue {original} held while that is made anew, which was interrupted ({depth})"
                );
                let mend = format!("finish it: `trunkline topology apply --recreate {original}`");
                orphans.push(orphaned("queue", name.clone(), what, mend));
            } else if is_ours(name, inventory) {
                orphans.push(orphan(name, queue, inventory));
            }
        }
        for name in inventory.exchanges.keys() {
            if name.starts_with("trunkline.") && !self.exchanges.contains(name) {
                let what = "no channel of the landscape has this name; who publishes to it reaches nobody who is here";
                let mend =
                    "see that nobody publishes to it, then `rabbitmqadmin delete exchange` with its name";
                orphans.push(orphaned(
                    "exchange",
                    name.clone(),
                    what.to_owned(),
                    mend.to_owned(),
                ));
            }
        }
        orphans
    }

    /// A queue of ours that gets what the landscape does not send it.
    fn extra_bindings(&self, queue: &str, inventory: &Inventory) -> Vec<Difference> {
        inventory
            .bindings_of(queue)
            .filter(|binding| {
                let key = (
                    binding.source.clone(),
                    binding.destination.clone(),
                    binding.routing_key.clone(),
                );
                !self.bindings.contains(&key)
            })
            .map(|binding| {
                orphaned(
                    "binding",
                    format!("{} -> {queue}", binding.source),
                    format!(
                        "with key `{}`; the flow gets by it what the landscape does not send it",
                        binding.routing_key
                    ),
                    "remove it in the broker's console if nobody knows why it is there".to_owned(),
                )
            })
            .collect()
    }
}

/// Whether a queue is ours by its bindings and its name, whatever the landscape says: it is bound to the
/// exchange that brings retries back, or to the one that parks, or to a channel whose name its own begins with.
pub(super) fn is_ours(queue: &str, inventory: &Inventory) -> bool {
    inventory.bindings_of(queue).any(|binding| {
        let channel = binding.source.strip_prefix("trunkline.");
        [DEAD, REDELIVER].contains(&binding.source.as_str())
            || channel.is_some_and(|channel| {
                queue
                    .strip_prefix(channel)
                    .is_some_and(|rest| rest.starts_with('.'))
            })
    })
}

/// Where a queue's messages are while it is made anew.
pub(super) fn aside(queue: &str) -> String {
    format!("{queue}.aside")
}

/// The queue whose messages such a queue holds.
pub(super) fn set_aside_for(aside: &str) -> Option<&str> {
    aside.strip_suffix(".aside")
}

fn orphan(name: &str, queue: &FoundQueue, inventory: &Inventory) -> Difference {
    let depth = queue.depth();
    if let Some(work) = name.strip_suffix(".dead") {
        return orphaned(
            "queue",
            name.to_owned(),
            format!("holds what was parked for `{work}`, which no flow of the landscape reads ({depth})"),
            format!(
                "move what is worth it into the parked queue of its successor: `trunkline topology apply --drain {name} \
                 --to <queue>.dead`; an empty one can be deleted"
            ),
        );
    }
    let channels: Vec<_> = inventory
        .bindings_of(name)
        .map(|binding| binding.source.as_str())
        .filter(|source| *source != REDELIVER)
        .collect();
    if channels.is_empty() {
        return orphaned(
            "queue",
            name.to_owned(),
            format!("unbound from its channel, and no flow of the landscape reads it ({depth})"),
            format!(
                "give what it holds to its successor: `trunkline topology apply --drain {name} --to <queue>`; an empty \
                 one can be deleted"
            ),
        );
    }
    orphaned(
        "queue",
        name.to_owned(),
        format!(
            "bound to {}, and no flow of the landscape reads it ({depth})",
            channels.join(", ")
        ),
        format!(
            "stop it from filling: `trunkline topology apply --unbind {name}`; then give what it holds to its successor: \
             `trunkline topology apply --drain {name} --to <queue>`"
        ),
    )
}

fn orphaned(thing: &'static str, name: String, what: String, mend: String) -> Difference {
    Difference {
        kind: DifferenceKind::Orphan,
        thing,
        name,
        what,
        mend: Some(mend),
    }
}
