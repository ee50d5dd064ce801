//! The partitions of a flow that keeps order, as their queues tell of them.
//!
//! Their number stands in an argument of each queue, because arguments are all that AMQP compares: a queue of another
//! number is refused by the broker, and the two are never mixed.

use std::collections::BTreeMap;

use serde_json::Value;

use super::inventory::FoundQueue;
use crate::bus::{Queue, Takes, Topology};

/// The argument.
pub(super) const DEAD_KEY: &str = "x-dead-letter-routing-key";
/// What stands before the number.
const OF: &str = " of ";
/// How what is told of a partition of another number begins.
pub(super) const PARTITION: &str = "is a partition of";

/// The key under which the broker itself parks what is in a partition: `orders.stock.0 of 8`.
pub(super) fn with_count(queue: &Queue) -> Option<String> {
    match queue.takes {
        Takes::Partition(partition) => Some(format!("{}{OF}{}", queue.name, partition.of)),
        Takes::All | Takes::Unkeyed => None,
    }
}

/// The number of partitions in such a key.
pub(super) fn count_of(key: &str) -> Option<u8> {
    key.rsplit_once(OF)?.1.parse().ok()
}

/// The flow that a queue belongs to, with its channel: `orders.stock`, of its partitions and parked queues too.
/// `None`: it is nobody's, as a retry rung.
pub(super) fn reader(queue: &str) -> Option<&str> {
    let mut dots = queue.match_indices('.').map(|(at, _)| at);
    dots.next()?;
    let end = dots.next().unwrap_or(queue.len());
    Some(&queue[..end]).filter(|_| !queue.starts_with("trunkline."))
}

/// The number of partitions of which a queue is one.
pub(super) fn partitions(found: &FoundQueue) -> Option<u8> {
    count_of(found.arguments.get(DEAD_KEY)?.as_str()?)
}

/// The number it is and the one that it should be, where they differ.
pub(super) fn renumbered(wanted: &BTreeMap<String, Value>, found: &FoundQueue) -> Option<(u8, u8)> {
    let should = count_of(wanted.get(DEAD_KEY)?.as_str()?)?;
    let is = partitions(found)?;
    (is != should).then_some((is, should))
}

/// How to get from one number of partitions to another.
pub(super) fn renumbering(queue: &str, is: u8, should: u8) -> String {
    let flow = reader(queue).unwrap_or(queue);
    format!(
        "go back to {is}; or stop what publishes to its channel, let the queues of `{flow}` run empty with {is}, the \
         parked ones too, remove them in the broker's console, and run `trunkline topology apply` with {should}"
    )
}

/// How to mend a partition of another number than the landscape's, if the queue is one.
pub(super) fn mixed(name: &str, found: &FoundQueue, topology: &Topology) -> Option<String> {
    let wanted = topology.queues.iter().find(|queue| queue.name.as_str() == name)?;
    let wanted = count_of(&with_count(wanted)?)?;
    let is = partitions(found)?;
    (is != wanted).then(|| renumbering(name, is, wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_tells_its_reader() {
        for (queue, of) in [
            ("orders.stock", Some("orders.stock")),
            ("orders.stock.dead", Some("orders.stock")),
            ("orders.stock.3", Some("orders.stock")),
            ("orders.stock.intake.dead", Some("orders.stock")),
            ("trunkline.retry.1s", None),
            ("reports", None),
        ] {
            assert_eq!(reader(queue), of, "{queue}");
        }
    }
}
