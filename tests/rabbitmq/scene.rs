//! The landscape of these tests: channel `orders` read by `billing`, channel `void` read by nobody.

use std::{future::Future, sync::Arc, time::Duration};

use lapin::{Connection, ConnectionProperties};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};
use trunkline::{
    bus::{
        Bus, Channel, Delivery, Destination, Hop, Outgoing, Queue, Refused, Subscription, Takes, Topology,
        rabbitmq::RabbitBus,
    },
    message::{Content, Message},
    names::{ChannelName, FlowName, MessageId, ProcessName, QueueName, TypeName},
    store::SqliteStore,
};
use trunkline_sdk::Fault;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const ORDER: &str = "trunkline.commerce.v1.Order";

/// A bus, with the folder of its store.
pub(crate) struct Scene {
    pub(crate) bus: Arc<RabbitBus>,
    folder: TempDir,
}

pub(crate) async fn connect(url: &str) -> Result<Scene, Fault> {
    connect_with(url, TempDir::new().unwrap()).await
}

async fn connect_with(url: &str, folder: TempDir) -> Result<Scene, Fault> {
    let store = SqliteStore::open(folder.path()).unwrap();
    let process = ProcessName::new("tests").unwrap();
    let bus = RabbitBus::connect(url, &process, Arc::new(store)).await?;
    Ok(Scene {
        bus: Arc::new(bus),
        folder,
    })
}

/// The process ends in good order, and begins again on its old store.
pub(crate) async fn begun_again(scene: Scene, url: &str) -> Scene {
    scene.bus.close().await;
    let Scene { bus, folder } = scene;
    drop(bus);
    connect_with(url, folder).await.expect("the broker is there")
}

/// Connected, with the landscape declared.
pub(crate) async fn opened(url: &str) -> Scene {
    let scene = connect(url).await.expect("the broker is there");
    scene.bus.declare(&landscape()).await.expect("it is declared");
    scene
}

pub(crate) async fn plain_client(url: &str) -> Connection {
    Connection::connect(url, ConnectionProperties::default())
        .await
        .unwrap()
}

pub(crate) fn channel(name: &str) -> ChannelName {
    ChannelName::new(name).unwrap()
}

pub(crate) fn billing() -> QueueName {
    reader("billing")
}

/// The queue by which a flow reads `orders`.
pub(crate) fn reader(flow: &str) -> QueueName {
    QueueName::of_subscriber(&channel("orders"), &FlowName::new(flow).unwrap())
}

pub(crate) fn landscape() -> Topology {
    let named = |name| Channel {
        name: channel(name),
        type_name: TypeName::new(ORDER),
    };
    Topology {
        channels: vec![named("orders"), named("void")],
        queues: vec![Queue {
            name: billing(),
            channel: Some(channel("orders")),
            takes: Takes::All,
        }],
    }
}

pub(crate) fn order(id: &str) -> Message {
    with_body(id, b"body".to_vec())
}

pub(crate) fn with_body(id: &str, body: Vec<u8>) -> Message {
    let content = Content::Canonical {
        type_name: TypeName::new(ORDER),
        bytes: body.into(),
    };
    let time = "2026-11-25T13:00:00Z".parse().unwrap();
    Message::new(MessageId::foreign(id).unwrap(), "/shop/orders-in", time, content)
}

pub(crate) fn hop(to: &str, message: Message) -> Hop {
    let to = Destination::Channel(channel(to));
    Hop {
        inputs: Vec::new(),
        outputs: vec![Outgoing { to, message }],
        state: None,
    }
}

pub(crate) async fn publish(bus: &dyn Bus, message: Message) -> Result<(), Refused> {
    bus.complete(vec![hop("orders", message)]).await.remove(0)
}

/// Publishes as the flow loop does: again, until it is confirmed.
pub(crate) async fn publish_at_last(bus: &dyn Bus, message: Message) {
    let deadline = Instant::now() + PATIENCE;
    while let Err(refused) = publish(bus, message.clone()).await {
        assert!(Instant::now() < deadline, "still refused: {}", refused.fault);
    }
}

pub(crate) async fn settle(bus: &dyn Bus, deliveries: Vec<Delivery>) {
    let hops = deliveries
        .into_iter()
        .map(|delivery| Hop::of(delivery, Vec::new()))
        .collect();
    for result in bus.complete(hops).await {
        result.expect("it is settled");
    }
}

pub(crate) async fn receive(subscription: &mut Subscription, count: usize) -> Vec<Delivery> {
    let mut batch = Vec::new();
    while batch.len() < count {
        let limit = count - batch.len();
        let receiving = timeout(PATIENCE, subscription.receive(&mut batch, limit));
        assert!(receiving.await.expect("it comes"), "the subscription ended");
    }
    batch
}

pub(crate) async fn receive_one(subscription: &mut Subscription) -> Delivery {
    receive(subscription, 1).await.remove(0)
}

/// Receives and settles until the message with this id has come; what comes before it may be a repeat.
pub(crate) async fn receive_until(bus: &dyn Bus, subscription: &mut Subscription, id: &str) -> Vec<String> {
    let mut seen = Vec::new();
    while seen.last().is_none_or(|last| last != id) {
        let delivery = receive_one(subscription).await;
        seen.push(delivery.message.id.to_string());
        settle(bus, vec![delivery]).await;
    }
    seen
}

/// Asks until it is so: for what a broker tells by counters only.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "never: {what}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until nothing waits in the queue and nothing is under way.
pub(crate) async fn drained(bus: &dyn Bus) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let depth = bus.depth(&billing()).await;
        if depth.as_ref().is_ok_and(trunkline::bus::Depth::is_drained) {
            return;
        }
        assert!(Instant::now() < deadline, "it still holds {depth:?}");
        sleep(Duration::from_millis(50)).await;
    }
}
