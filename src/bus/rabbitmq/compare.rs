//! Compares what a landscape needs with what the broker has. Pure: both are data.

use std::collections::{BTreeMap, BTreeSet};

use lapin::{
    ExchangeKind,
    types::{AMQPValue, FieldTable},
};
use serde_json::{Map, Value};

use super::{
    inventory::{FoundExchange, FoundQueue, Inventory},
    orphan::Wanted,
    partition::{DEAD_KEY, PARTITION, renumbered, renumbering},
    topology::{Piece, pieces},
};
use crate::bus::{Difference, DifferenceKind, Topology};

/// All differences: first what is missing, in the order in which it is made.
pub(super) fn differences(topology: &Topology, inventory: &Inventory) -> Vec<Difference> {
    let pieces = pieces(topology);
    let mut found: Vec<_> = pieces
        .iter()
        .filter_map(|piece| difference(piece, inventory))
        .collect();
    found.extend(Wanted::of(&pieces).orphans(inventory));
    found.sort_by_key(|difference| difference.kind);
    found
}

fn difference(piece: &Piece, inventory: &Inventory) -> Option<Difference> {
    let missing = |thing, name, what| Difference {
        kind: DifferenceKind::Missing,
        thing,
        name,
        what,
        mend: None,
    };
    match piece {
        Piece::Exchange { name, kind } => match inventory.exchanges.get(name) {
            None => Some(missing("exchange", name.clone(), kind_word(kind).to_owned())),
            Some(found) => otherwise("exchange", name, exchange_differs(kind, found), || {
                format!(
                    "stop everything that publishes to it, delete it in the broker's console and run `trunkline topology \
                     apply` at once; or have the policy removed that changes `{name}`"
                )
            }),
        },
        Piece::Queue { name, arguments } => {
            let wanted = json_of(arguments);
            match inventory.queues.get(name) {
                None => Some(missing("queue", name.clone(), spoken(&wanted))),
                Some(found) if renumbered(&wanted, found).is_some() => {
                    let (is, should) = renumbered(&wanted, found)?;
                    let what = format!("{PARTITION} {is}, should be one of {should}");
                    let mut differs = vec![what];
                    differs.extend(
                        queue_differs(&wanted, found)
                            .into_iter()
                            .filter(|what| !what.starts_with(DEAD_KEY)),
                    );
                    otherwise("queue", name, differs, || renumbering(name, is, should))
                }
                Some(found) => otherwise("queue", name, queue_differs(&wanted, found), || {
                    format!(
                        "stop the processes that read it, then `trunkline topology apply --recreate {name}`: it moves the \
                         messages aside, makes the queue anew and moves them back"
                    )
                }),
            }
        }
        Piece::Binding { queue, exchange, key } => {
            let there = inventory
                .bindings_of(queue)
                .any(|binding| binding.source == *exchange && binding.routing_key == *key);
            (!there).then(|| missing("binding", arrow(exchange, queue), by_key(key)))
        }
    }
}

fn otherwise(
    thing: &'static str,
    name: &str,
    differs: Vec<String>,
    mend: impl FnOnce() -> String,
) -> Option<Difference> {
    (!differs.is_empty()).then(|| Difference {
        kind: DifferenceKind::Otherwise,
        thing,
        name: name.to_owned(),
        what: differs.join("; "),
        mend: Some(mend()),
    })
}

fn exchange_differs(kind: &ExchangeKind, found: &FoundExchange) -> Vec<String> {
    let mut differs = Vec::new();
    if found.kind != kind_word(kind) {
        differs.push(format!(
            "its type is {}, should be {}",
            found.kind,
            kind_word(kind)
        ));
    }
    for (is, should, what) in [
        (found.durable, true, "durable"),
        (found.auto_delete, false, "auto-delete"),
        (found.internal, false, "internal"),
    ] {
        if is != should {
            differs.push(format!("{what} is {is}, should be {should}"));
        }
    }
    differs.extend(arguments_differ(&Map::new(), &found.arguments));
    differs
}

fn queue_differs(wanted: &BTreeMap<String, Value>, found: &FoundQueue) -> Vec<String> {
    let mut differs = Vec::new();
    for (is, should, what) in [
        (found.durable, true, "durable"),
        (found.auto_delete, false, "auto-delete"),
    ] {
        if is != should {
            differs.push(format!("{what} is {is}, should be {should}"));
        }
    }
    let mut arguments = found.arguments.clone();
    // A classic queue may be one by default, without the argument.
    if !found.kind.is_empty() {
        arguments.insert("x-queue-type".to_owned(), found.kind.clone().into());
    }
    let wanted = wanted.clone().into_iter().collect();
    differs.extend(arguments_differ(&wanted, &arguments));
    differs
}

fn arguments_differ(wanted: &Map<String, Value>, found: &Map<String, Value>) -> Vec<String> {
    let names: BTreeSet<_> = wanted.keys().chain(found.keys()).collect();
    names
        .into_iter()
        .filter_map(|name| match (found.get(name), wanted.get(name)) {
            (Some(is), Some(should)) if is == should => None,
            (Some(is), Some(should)) => Some(format!("{name} is {}, should be {}", plain(is), plain(should))),
            (None, Some(should)) => Some(format!("{name} is not set, should be {}", plain(should))),
            (Some(is), None) => Some(format!("{name} is {}, should not be set", plain(is))),
            (None, None) => None,
        })
        .collect()
}

/// The arguments as the management API writes them.
pub(super) fn json_of(arguments: &FieldTable) -> BTreeMap<String, Value> {
    arguments
        .into_iter()
        .map(|(name, value)| {
            let value = match value {
                AMQPValue::LongLongInt(number) => Value::from(*number),
                AMQPValue::LongString(text) => Value::from(text.to_string()),
                AMQPValue::Boolean(flag) => Value::from(*flag),
                other => Value::from(format!("{other:?}")),
            };
            (name.to_string(), value)
        })
        .collect()
}

/// The arguments in one line, the type first.
fn spoken(arguments: &BTreeMap<String, Value>) -> String {
    let mut parts: Vec<_> = arguments.get("x-queue-type").map(plain).into_iter().collect();
    parts.extend(
        arguments
            .iter()
            .filter(|(name, _)| *name != "x-queue-type")
            .map(|(name, value)| format!("{name} {}", plain(value))),
    );
    parts.join(", ")
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), ToOwned::to_owned)
}

fn arrow(exchange: &str, queue: &str) -> String {
    format!("{exchange} -> {queue}")
}

fn by_key(key: &str) -> String {
    if key.is_empty() {
        String::new()
    } else {
        format!("key {key}")
    }
}

fn kind_word(kind: &ExchangeKind) -> &str {
    match kind {
        ExchangeKind::Custom(word) => word,
        ExchangeKind::Direct => "direct",
        ExchangeKind::Fanout => "fanout",
        ExchangeKind::Headers => "headers",
        ExchangeKind::Topic => "topic",
    }
}

#[cfg(test)]
mod tests {
    use super::{super::inventory::FoundBinding, *};
    use crate::{
        bus,
        names::{ChannelName, FlowName, QueueName, TypeName},
    };

    fn landscape() -> Topology {
        let channel = ChannelName::new("orders").unwrap();
        Topology {
            channels: vec![bus::Channel {
                name: channel.clone(),
                type_name: TypeName::new("t"),
            }],
            queues: vec![bus::Queue {
                name: QueueName::of_subscriber(&channel, &FlowName::new("stock").unwrap()),
                channel: Some(channel),
                takes: bus::Takes::All,
            }],
        }
    }

    /// A broker that has all of a landscape.
    fn complete(topology: &Topology) -> Inventory {
        let mut inventory = Inventory::default();
        for piece in pieces(topology) {
            match piece {
                Piece::Exchange { name, kind } => {
                    let found = FoundExchange {
                        name: name.clone(),
                        kind: kind_word(&kind).to_owned(),
                        durable: true,
                        ..FoundExchange::default()
                    };
                    inventory.exchanges.insert(name, found);
                }
                Piece::Queue { name, arguments } => {
                    let found = FoundQueue {
                        name: name.clone(),
                        kind: "quorum".to_owned(),
                        durable: true,
                        arguments: json_of(&arguments).into_iter().collect(),
                        messages: Some(0),
                        ..FoundQueue::default()
                    };
                    inventory.queues.insert(name, found);
                }
                Piece::Binding { queue, exchange, key } => {
                    inventory.bindings.push(bound(&exchange, &queue, &key));
                }
            }
        }
        inventory
    }

    fn bound(exchange: &str, queue: &str, key: &str) -> FoundBinding {
        FoundBinding {
            source: exchange.to_owned(),
            destination: queue.to_owned(),
            destination_type: "queue".to_owned(),
            routing_key: key.to_owned(),
        }
    }

    fn lines(inventory: &Inventory) -> Vec<String> {
        differences(&landscape(), inventory)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_broker_that_has_all_differs_in_nothing() {
        assert_eq!(lines(&complete(&landscape())), Vec::<String>::new());
    }

    #[test]
    fn an_argument_is_told_as_it_is_and_as_it_should_be() {
        // given
        let mut inventory = complete(&landscape());
        let queue = inventory.queues.get_mut("orders.stock").unwrap();
        queue.arguments.insert("x-delivery-limit".to_owned(), 20.into());
        queue.arguments.insert("x-expires".to_owned(), 1000.into());
        queue.arguments.remove("x-overflow");
        // then
        assert_eq!(
            lines(&inventory),
            [
                "~ queue orders.stock: x-delivery-limit is 20, should be 1000; x-expires is 1000, should not be set; \
                 x-overflow is not set, should be reject-publish"
            ]
        );
    }

    #[test]
    fn a_flow_that_is_gone_leaves_an_orphan_and_an_application_that_reads_a_channel_is_none() {
        // given
        let mut inventory = complete(&landscape());
        for name in ["orders.old-flow", "reports.orders"] {
            let queue = FoundQueue {
                name: name.to_owned(),
                messages: Some(12),
                ..FoundQueue::default()
            };
            inventory.queues.insert(name.to_owned(), queue);
            inventory.bindings.push(bound("trunkline.orders", name, "#"));
        }
        // then
        assert_eq!(
            lines(&inventory),
            [
                "? queue orders.old-flow: bound to trunkline.orders, and no flow of the landscape reads it (12 messages)"
            ]
        );
    }

    #[test]
    fn what_is_missing_stands_in_the_order_in_which_it_is_made() {
        // given
        let mut inventory = complete(&landscape());
        inventory.exchanges.remove("trunkline.orders");
        inventory
            .bindings
            .retain(|binding| binding.source != "trunkline.orders");
        // then
        assert_eq!(
            lines(&inventory),
            [
                "+ exchange trunkline.orders (topic)",
                "+ binding trunkline.orders -> orders.stock (key #)"
            ]
        );
    }

    /// Flow `stock` reads `orders` in order, in so many partitions.
    fn in_order(of: u8) -> Topology {
        let (channel, flow) = (
            ChannelName::new("orders").unwrap(),
            FlowName::new("stock").unwrap(),
        );
        let queue = |name, takes| bus::Queue {
            name,
            channel: Some(channel.clone()),
            takes,
        };
        let mut topology = landscape();
        topology.queues = bus::Partition::all(of)
            .map(|partition| {
                let name = QueueName::of_partition(&channel, &flow, partition.index);
                queue(name, bus::Takes::Partition(partition))
            })
            .collect();
        let intake = QueueName::of_intake(&channel, &flow);
        topology.queues.push(queue(intake, bus::Takes::Unkeyed));
        topology
    }

    #[test]
    fn another_number_of_partitions_is_told_with_both_numbers_and_the_way_to_mend_it() {
        // given
        let inventory = complete(&in_order(4));
        // when
        let found = differences(&in_order(2), &inventory);
        // then
        let otherwise: Vec<_> = found
            .iter()
            .filter(|difference| difference.kind == DifferenceKind::Otherwise)
            .collect();
        assert_eq!(
            otherwise.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [
                "~ queue orders.stock.0: is a partition of 4, should be one of 2",
                "~ queue orders.stock.1: is a partition of 4, should be one of 2"
            ]
        );
        let mend = otherwise[0].mend.as_deref().unwrap();
        assert!(mend.contains("run empty with 4"), "{mend}");
        // then: what the others still get is told, and what the first ones do not get
        let told: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert!(told.contains(&"+ binding trunkline.orders -> orders.stock.0 (key 02.#)".to_owned()));
        assert!(
            told.iter()
                .any(|line| line.starts_with("? queue orders.stock.3: bound to trunkline.orders")),
            "{told:?}"
        );
    }

    #[test]
    fn a_flow_that_begins_to_keep_order_leaves_its_old_queue_as_an_orphan() {
        let mut inventory = complete(&in_order(2));
        let old = complete(&landscape());
        inventory.queues.extend(old.queues);
        inventory.bindings.extend(old.bindings);
        let told: Vec<_> = differences(&in_order(2), &inventory)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            told,
            [
                "? queue orders.stock: bound to trunkline.orders, and no flow of the landscape reads it (0 messages)",
                "? queue orders.stock.dead: holds what was parked for `orders.stock`, which no flow of the landscape reads \
                 (0 messages)"
            ]
        );
    }

    #[test]
    fn a_bucket_that_comes_to_a_partition_of_others_is_told() {
        let mut inventory = complete(&in_order(2));
        inventory
            .bindings
            .push(bound("trunkline.orders", "orders.stock.0", "01.#"));
        let told: Vec<_> = differences(&in_order(2), &inventory)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            told,
            [
                "? binding trunkline.orders -> orders.stock.0: with key `01.#`; the flow gets by it what the landscape does \
                 not send it"
            ]
        );
    }
}
