//! What the broker must have for a landscape, as data: exchanges, queues with every argument, bindings.
//!
//! Every argument is spelled out, because the defaults differ between RabbitMQ 3.10 and 4.x, and the
//! defaults of some lose messages.
//!
//! A flow that keeps order has a queue for each partition of the keys, and one for what has no key; each is read by
//! one consumer at a time.

use lapin::{
    ExchangeKind,
    types::{AMQPValue, FieldTable, ShortString},
};

use super::partition::with_count;
use crate::{
    bus::{Bucket, Destination, Queue, Takes, Topology},
    names::{ChannelName, TypeName},
    recovery::Rung,
};

/// Direct; parks: routes by the work queue's name to its `.dead` queue.
pub(super) const DEAD: &str = "trunkline.dead";
/// Direct; brings back from the retry rungs: routes by name to the work queue.
pub(super) const REDELIVER: &str = "trunkline.redeliver";
/// Direct; answers to requests: routes by the return address, which is the name of a queue, to whoever waits there.
pub(super) const REPLY: &str = "trunkline.reply";

/// In place of the bucket of a message without a key.
const NO_BUCKET: &str = "any";

/// A net far above what any message meets: each kill of a consumer counts against its whole prefetch.
const DELIVERY_LIMIT: i64 = 1_000;
/// Looking at a parked message and putting it back counts as a delivery, and behind a parked queue there is
/// no dead-letter exchange: what reaches the limit there is dropped. So it is one that nobody reaches.
const DELIVERY_LIMIT_OF_PARKED: i64 = 1_000_000_000;
/// A queue that nobody reads must not fill the disk of all the others; a full one refuses (`reject-publish`).
const MAX_BYTES: i64 = 4 << 30;
const MAX_BYTES_OF_RUNG: i64 = 16 << 30;
const GROUP_SIZE: i64 = 3;

/// What has to exist.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    Exchange {
        name: String,
        kind: ExchangeKind,
    },
    Queue {
        name: String,
        arguments: FieldTable,
    },
    Binding {
        queue: String,
        exchange: String,
        key: String,
    },
}

/// The exchange of a channel: `trunkline.<channel>`, topic.
pub(super) fn channel_exchange(channel: &ChannelName) -> String {
    format!("trunkline.{channel}")
}

/// Exchange (fanout) and queue of a retry delay, for the whole landscape: `trunkline.retry.<delay>`.
pub(super) fn rung(rung: Rung) -> String {
    format!("trunkline.retry.{}", rung.word())
}

/// Where a message is published: exchange and routing key.
pub(super) fn route(to: &Destination, type_name: Option<&TypeName>, key: Option<&str>) -> (String, String) {
    match to {
        Destination::Channel(channel) => (channel_exchange(channel), routing_key(type_name, key)),
        Destination::Queue { queue, .. } => (REDELIVER.to_owned(), queue.to_string()),
        // The key outlives the rung's dead-lettering, and names the queue to come back to.
        Destination::Retry { queue, after, .. } => (rung(*after), queue.to_string()),
        Destination::Parked { queue, .. } => (DEAD.to_owned(), queue.to_string()),
        Destination::Reply(address) => (REPLY.to_owned(), address.to_string()),
    }
}

/// `<bucket>.<type>`; the bucket is `00` to `63`, the same for all messages with the same key, and `any` for those
/// without.
fn routing_key(type_name: Option<&TypeName>, key: Option<&str>) -> String {
    let type_name = type_name.map_or("native", TypeName::as_str);
    match key {
        Some(key) => format!("{}.{type_name}", Bucket::of(key)),
        None => format!("{NO_BUCKET}.{type_name}"),
    }
}

/// All pieces of a landscape, in the order in which they can be made.
pub(super) fn pieces(topology: &Topology) -> Vec<Piece> {
    let exchange = |name: &str, kind| Piece::Exchange {
        name: name.to_owned(),
        kind,
    };
    let mut pieces = vec![
        exchange(DEAD, ExchangeKind::Direct),
        exchange(REDELIVER, ExchangeKind::Direct),
        exchange(REPLY, ExchangeKind::Direct),
    ];
    for delay in Rung::ALL {
        let name = rung(delay);
        pieces.push(exchange(&name, ExchangeKind::Fanout));
        pieces.push(Piece::Queue {
            name: name.clone(),
            arguments: rung_arguments(delay),
        });
        pieces.push(Piece::Binding {
            queue: name.clone(),
            exchange: name,
            key: String::new(),
        });
    }
    for channel in &topology.channels {
        pieces.push(exchange(&channel_exchange(&channel.name), ExchangeKind::Topic));
    }
    let bound = |exchange: &str, queue: &str, key: String| Piece::Binding {
        queue: queue.to_owned(),
        exchange: exchange.to_owned(),
        key,
    };
    for queue in &topology.queues {
        let name = queue.name.as_str();
        let parked = queue.name.parked();
        pieces.push(Piece::Queue {
            name: parked.clone(),
            arguments: parked_arguments(),
        });
        pieces.push(bound(DEAD, &parked, name.to_owned()));
        if queue.channel.is_some() {
            pieces.push(Piece::Queue {
                name: name.to_owned(),
                arguments: work_arguments(queue),
            });
            if let Some(count) = with_count(queue) {
                pieces.push(bound(DEAD, &parked, count));
            }
            pieces.push(bound(REDELIVER, name, name.to_owned()));
        }
    }
    // Last: from here on they receive, and by now what they receive has every way out.
    for queue in &topology.queues {
        if let Some(channel) = &queue.channel {
            let exchange = channel_exchange(channel);
            pieces.extend(keys(queue.takes).map(|key| bound(&exchange, queue.name.as_str(), key)));
        }
    }
    pieces
}

/// The routing keys of what a queue takes.
fn keys(takes: Takes) -> impl Iterator<Item = String> {
    let buckets = match takes {
        Takes::Partition(partition) => Some(partition.buckets()),
        Takes::All | Takes::Unkeyed => None,
    };
    let one = match takes {
        Takes::All => Some("#".to_owned()),
        Takes::Unkeyed => Some(format!("{NO_BUCKET}.#")),
        Takes::Partition(_) => None,
    };
    let buckets = buckets.into_iter().flatten();
    buckets.map(|bucket| format!("{bucket}.#")).chain(one)
}

fn work_arguments(queue: &Queue) -> FieldTable {
    let key = with_count(queue).unwrap_or_else(|| queue.name.to_string());
    let mut arguments = table([
        ("x-delivery-limit", DELIVERY_LIMIT.into()),
        ("x-dead-letter-exchange", text(DEAD)),
        ("x-dead-letter-routing-key", text(&key)),
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-max-length-bytes", MAX_BYTES.into()),
    ]);
    if queue.takes.is_ordered() {
        arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
    }
    arguments
}

pub(super) fn parked_arguments() -> FieldTable {
    table([
        ("x-delivery-limit", DELIVERY_LIMIT_OF_PARKED.into()),
        ("x-max-length-bytes", MAX_BYTES.into()),
    ])
}

fn rung_arguments(rung: Rung) -> FieldTable {
    let milliseconds = i64::try_from(rung.delay().as_millis()).expect("the longest rung is an hour");
    table([
        ("x-message-ttl", milliseconds.into()),
        ("x-dead-letter-exchange", text(REDELIVER)),
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-max-length-bytes", MAX_BYTES_OF_RUNG.into()),
    ])
}

/// What all our queues have in common, and these.
fn table(more: impl IntoIterator<Item = (&'static str, AMQPValue)>) -> FieldTable {
    let mut table = FieldTable::default();
    let common = [
        ("x-queue-type", text("quorum")),
        ("x-quorum-initial-group-size", GROUP_SIZE.into()),
        ("x-queue-leader-locator", text("balanced")),
        ("x-overflow", text("reject-publish")),
    ];
    for (name, value) in common.into_iter().chain(more) {
        table.insert(ShortString::from(name), value);
    }
    table
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

#[cfg(test)]
mod tests {
    use super::super::partition::count_of;
    use super::*;
    use crate::{
        bus::{self, Partition},
        names::{FlowName, QueueName},
    };

    #[test]
    fn one_key_always_has_the_same_bucket_and_no_key_has_none() {
        let order = TypeName::new("trunkline.commerce.v1.Order");
        // A change of this value would send a key's messages to another partition while old ones wait.
        assert_eq!(
            routing_key(Some(&order), Some("1001")),
            "62.trunkline.commerce.v1.Order"
        );
        assert_eq!(routing_key(Some(&order), None), "any.trunkline.commerce.v1.Order");
        assert_eq!(routing_key(None, None), "any.native");
    }

    #[test]
    fn a_queue_is_bound_to_its_channel_only_when_all_else_is_there() {
        let (channel, flow) = (
            ChannelName::new("orders").unwrap(),
            FlowName::new("stock").unwrap(),
        );
        let pieces = pieces(&Topology {
            channels: vec![bus::Channel {
                name: channel.clone(),
                type_name: TypeName::new("t"),
            }],
            queues: vec![bus::Queue {
                name: QueueName::of_subscriber(&channel, &flow),
                channel: Some(channel),
                takes: bus::Takes::All,
            }],
        });
        let last = Piece::Binding {
            queue: "orders.stock".to_owned(),
            exchange: "trunkline.orders".to_owned(),
            key: "#".to_owned(),
        };
        assert_eq!(pieces.last(), Some(&last));
    }

    #[test]
    fn the_queues_of_a_flow_that_keeps_order_take_each_message_once() {
        // given
        let (channel, flow) = (
            ChannelName::new("orders").unwrap(),
            FlowName::new("stock").unwrap(),
        );
        let mut queues: Vec<_> = Partition::all(4)
            .map(|partition| Queue {
                name: QueueName::of_partition(&channel, &flow, partition.index),
                channel: Some(channel.clone()),
                takes: Takes::Partition(partition),
            })
            .collect();
        queues.push(Queue {
            name: QueueName::of_intake(&channel, &flow),
            channel: Some(channel),
            takes: Takes::Unkeyed,
        });
        // when
        let pieces = pieces(&Topology {
            channels: Vec::new(),
            queues,
        });
        // then
        let mut bound: Vec<_> = pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Binding { exchange, key, .. } if exchange == "trunkline.orders" => Some(key.as_str()),
                _ => None,
            })
            .collect();
        bound.sort_unstable();
        let mut all: Vec<_> = Bucket::all().map(|bucket| format!("{bucket}.#")).collect();
        all.push("any.#".to_owned());
        assert_eq!(bound, all);
        // then: one consumer at a time, and their number is in each
        let first = pieces.iter().find_map(|piece| match piece {
            Piece::Queue { name, arguments } if name == "orders.stock.0" => Some(arguments),
            _ => None,
        });
        let told = |name: &str| first.and_then(|arguments| arguments.inner().get(name)).cloned();
        assert_eq!(told("x-single-active-consumer"), Some(AMQPValue::Boolean(true)));
        assert_eq!(
            told("x-dead-letter-routing-key"),
            Some(text("orders.stock.0 of 4"))
        );
        assert_eq!(count_of("orders.stock.0 of 4"), Some(4));
    }
}
