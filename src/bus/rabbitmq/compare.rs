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
}
