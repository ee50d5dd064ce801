//! The landscape on which all sentences play, and what they do in it over and over.
//!
//! Channel `orders` is read by the flows `billing` and `stock`, `audit` by `log`, `void` by nobody; source
//! `shop` with flow `orders-in` has parked records only.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout};
use trunkline::{
    bus::{
        Bus, Cause, Channel, Delivery, Destination, Hop, Outgoing, Queue, Refused, Subscription, Takes,
        Topology,
    },
    message::{Content, Message},
    names::{ChannelName, FlowName, MessageId, QueueName, SystemName, TypeName},
};

use crate::subject::Subject;

/// How long a sentence waits before it says that what it expects does not come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

const ORDER: &str = "trunkline.commerce.v1.Order";

pub(crate) fn channel(name: &str) -> ChannelName {
    ChannelName::new(name).unwrap()
}

pub(crate) fn flow(name: &str) -> FlowName {
    FlowName::new(name).unwrap()
}

/// The queue `<channel>.<flow>`.
pub(crate) fn queue(channel_name: &str, flow_name: &str) -> QueueName {
    QueueName::of_subscriber(&channel(channel_name), &flow(flow_name))
}

pub(crate) fn billing() -> QueueName {
    queue("orders", "billing")
}

pub(crate) fn stock() -> QueueName {
    queue("orders", "stock")
}

pub(crate) fn log() -> QueueName {
    queue("audit", "log")
}

/// Where the inbound flow of the shop parks.
pub(crate) fn inbound() -> QueueName {
    QueueName::of_source(&SystemName::new("shop").unwrap(), &flow("orders-in"))
}

pub(crate) fn landscape() -> Topology {
    let bound = |channel_name, flow_name| Queue {
        name: queue(channel_name, flow_name),
        channel: Some(channel(channel_name)),
        takes: Takes::All,
    };
    Topology {
        channels: ["orders", "audit", "void"]
            .map(|name| Channel {
                name: channel(name),
                type_name: TypeName::new(ORDER),
            })
            .into(),
        queues: vec![
            bound("orders", "billing"),
            bound("orders", "stock"),
            bound("audit", "log"),
            Queue {
                name: inbound(),
                channel: None,
                takes: Takes::All,
            },
        ],
    }
}

/// A fresh place with the landscape on it.
pub(crate) async fn opened<S: Subject>() -> (S, Arc<dyn Bus>) {
    let place = S::fresh().await;
    let bus = place.open().await;
    bus.declare(&landscape())
        .await
        .expect("the landscape is declared");
    (place, bus)
}

/// Closes the bus and opens it again.
pub(crate) async fn reopened<S: Subject>(place: &S, bus: Arc<dyn Bus>) -> Arc<dyn Bus> {
    bus.close().await;
    drop(bus);
    place.open().await
}

/// An order with this id.
pub(crate) fn order(id: &str) -> Message {
    with_body(id, format!("body of {id}"))
}

/// An order with this id and body.
pub(crate) fn with_body(id: &str, body: impl Into<Bytes>) -> Message {
    let content = Content::Canonical {
        type_name: TypeName::new(ORDER),
        bytes: body.into(),
    };
    Message::new(
        MessageId::foreign(id).unwrap(),
        "/shop/orders-in",
        "2026-11-25T13:00:00.25Z".parse().unwrap(),
        content,
    )
}

/// Orders `<prefix>-0`, `<prefix>-1` …
pub(crate) fn orders(prefix: &str, count: usize) -> Vec<Message> {
    (0..count)
        .map(|number| order(&format!("{prefix}-{number}")))
        .collect()
}

pub(crate) fn to(channel_name: &str, message: Message) -> Outgoing {
    Outgoing {
        to: Destination::Channel(channel(channel_name)),
        message,
    }
}

/// A hop from a source: no inputs.
pub(crate) fn from_source(outputs: Vec<Outgoing>) -> Hop {
    Hop {
        inputs: Vec::new(),
        outputs,
        state: None,
    }
}

pub(crate) fn cause() -> Cause {
    Cause {
        what: "changed 0 rows, expected 1".to_owned(),
        hint: Some("add the product".to_owned()),
        flow: flow("billing"),
        step: "erp".to_owned(),
        at: "2026-11-25T13:00:01.5Z".parse().unwrap(),
    }
}

/// Publishes each message to the channel and waits for the confirms.
pub(crate) async fn publish(bus: &dyn Bus, channel_name: &str, messages: impl IntoIterator<Item = Message>) {
    let hops = messages
        .into_iter()
        .map(|message| from_source(vec![to(channel_name, message)]))
        .collect();
    for result in bus.complete(hops).await {
        result.expect("it is confirmed");
    }
}

/// Completes one hop.
pub(crate) async fn complete(bus: &dyn Bus, hop: Hop) -> Result<(), Refused> {
    let mut results = bus.complete(vec![hop]).await;
    assert_eq!(results.len(), 1, "one result for one hop");
    results.remove(0)
}

/// Settles deliveries from which nothing comes.
pub(crate) async fn settle(bus: &dyn Bus, deliveries: Vec<Delivery>) {
    let hops = deliveries
        .into_iter()
        .map(|delivery| Hop::of(delivery, Vec::new()))
        .collect();
    for result in bus.complete(hops).await {
        result.expect("it is settled");
    }
}

/// Subscribes.
pub(crate) async fn subscribe(bus: &dyn Bus, queue: &QueueName, prefetch: u16) -> Subscription {
    bus.subscribe(queue, prefetch).await.expect("the queue is there")
}

/// Waits for exactly this many deliveries.
pub(crate) async fn receive(subscription: &mut Subscription, count: usize) -> Vec<Delivery> {
    let mut batch = Vec::new();
    while batch.len() < count {
        let missing = count - batch.len();
        let open = timeout(PATIENCE, subscription.receive(&mut batch, missing))
            .await
            .unwrap_or_else(|_| panic!("{missing} of {count} deliveries did not come"));
        assert!(open, "the subscription ended with {missing} of {count} missing");
    }
    batch
}

/// Waits for one delivery.
pub(crate) async fn receive_one(subscription: &mut Subscription) -> Delivery {
    receive(subscription, 1).await.remove(0)
}

/// Receives this many from a queue, settles them, and stops receiving.
pub(crate) async fn take(bus: &dyn Bus, queue: &QueueName, count: usize) -> Vec<Message> {
    let mut subscription = subscribe(bus, queue, 100).await;
    let mut messages = Vec::with_capacity(count);
    while messages.len() < count {
        let deliveries = receive(&mut subscription, (count - messages.len()).min(50)).await;
        messages.extend(deliveries.iter().map(|delivery| delivery.message.clone()));
        settle(bus, deliveries).await;
    }
    subscription.close().await;
    messages
}

/// Shows that a queue holds nothing to be received: what is published now is the only thing that comes, and
/// then it is drained.
pub(crate) async fn assert_empty(bus: &dyn Bus, channel_name: &str, queue: &QueueName) {
    publish(bus, channel_name, [order("the-last")]).await;
    let messages = take(bus, queue, 1).await;
    assert_eq!(ids(&messages), set(["the-last"]), "`{queue}` held something else");
    drained(bus, queue).await;
}

/// Waits until nothing waits in a queue and nothing is under way. A broker's counters lag behind, and tell
/// nobody when they have caught up.
pub(crate) async fn drained(bus: &dyn Bus, queue: &QueueName) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let depth = bus.depth(queue).await.expect("the queue is there");
        if depth.is_drained() {
            return;
        }
        assert!(Instant::now() < deadline, "`{queue}` still holds {depth:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Everything a queue holds.
pub(crate) async fn all_in(bus: &dyn Bus, queue: &QueueName) -> BTreeSet<String> {
    let mut subscription = subscribe(bus, queue, 100).await;
    let mut found = BTreeSet::new();
    let mut batch = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while !bus.depth(queue).await.expect("it is there").is_drained() {
        assert!(Instant::now() < deadline, "`{queue}` is never drained");
        // What is expected is not known: it may be that the counters only lag behind.
        let moment = Duration::from_millis(50);
        let _nothing_came = timeout(moment, subscription.receive(&mut batch, 100)).await;
        found.extend(
            batch
                .iter()
                .map(|delivery| delivery.message.id.as_str().to_owned()),
        );
        settle(bus, std::mem::take(&mut batch)).await;
    }
    subscription.close().await;
    found
}

/// The ids of messages, each of which must be there once.
pub(crate) fn ids(messages: &[Message]) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for message in messages {
        let id = message.id.as_str().to_owned();
        assert!(ids.insert(id), "`{}` is there twice", message.id);
    }
    ids
}

/// The ids of deliveries, each of which must be there once.
pub(crate) fn ids_of(deliveries: &[Delivery]) -> BTreeSet<String> {
    let messages: Vec<_> = deliveries
        .iter()
        .map(|delivery| delivery.message.clone())
        .collect();
    ids(&messages)
}

pub(crate) fn set<const N: usize>(ids: [&str; N]) -> BTreeSet<String> {
    ids.map(str::to_owned).into()
}
