//! The Trunkline side: a bus on a virtual host of its own, and one flow's subscription.

use std::{sync::Arc, time::Duration};

use tempfile::TempDir;
use tokio::time::timeout;
use trunkline::{
    bus::{
        Bus, Channel, Delivery, Destination, Hop, Outgoing, Queue, Subscription, Takes, Topology,
        rabbitmq::RabbitBus,
    },
    message::Message,
    names::{ChannelName, FlowName, ProcessName, QueueName, TypeName},
    store::SqliteStore,
};

use crate::{
    order::ORDER,
    support::services::{Broker, Vhost},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A landscape of one flow that reads channel `orders`, and a channel `returns` that nobody reads.
pub(crate) struct Landscape {
    pub(crate) bus: RabbitBus,
    subscription: Subscription,
    pub(crate) vhost: Vhost,
    _store: TempDir,
}

impl Landscape {
    /// On the broker of this test run, with all that the landscape needs.
    pub(crate) async fn start() -> Self {
        let vhost = Broker::shared().fresh_vhost().await;
        let store = TempDir::new().expect("a folder can be made");
        let state = Arc::new(SqliteStore::open(store.path()).expect("the folder is new"));
        let process = ProcessName::new("stock").expect("it is a word");
        let bus = RabbitBus::connect(vhost.amqp(), &process, state)
            .await
            .expect("the broker is there");
        let channel = |name| Channel {
            name: ChannelName::new(name).expect("it is a word"),
            type_name: TypeName::new(ORDER),
        };
        let topology = Topology {
            channels: vec![channel("orders"), channel("returns")],
            queues: vec![Queue {
                name: queue(),
                channel: Some(orders()),
                takes: Takes::All,
            }],
        };
        bus.declare(&topology).await.expect("the virtual host is empty");
        let subscription = bus.subscribe(&queue(), 16).await.expect("the queue was declared");
        Self {
            bus,
            subscription,
            vhost,
            _store: store,
        }
    }

    /// Publishes to channel `orders`, and waits for the confirm.
    pub(crate) async fn publish(&self, message: Message) {
        let to = Destination::Channel(orders());
        let hop = Hop {
            inputs: vec![],
            outputs: vec![Outgoing { to, message }],
            state: None,
        };
        let results = self.bus.complete(vec![hop]).await;
        assert!(matches!(&results[..], [Ok(())]), "{results:?}");
    }

    /// The next message of the flow's queue.
    pub(crate) async fn receive(&mut self) -> Delivery {
        let mut deliveries = Vec::new();
        let received = timeout(PATIENCE, self.subscription.receive(&mut deliveries, 1)).await;
        assert_eq!(received, Ok(true), "a message comes");
        deliveries.remove(0)
    }
}

fn orders() -> ChannelName {
    ChannelName::new("orders").expect("it is a word")
}

/// The flow.
pub(crate) fn stock() -> FlowName {
    FlowName::new("stock").expect("it is a word")
}

fn queue() -> QueueName {
    QueueName::of_subscriber(&orders(), &stock())
}
