//! What only this engine promises: its folder, its file, and what becomes of a damaged or full one.

mod account;
mod folder;
mod full;
mod harm;
mod partitions;
mod suspects;

use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::{
    bus::{Cause, Channel, Delivery, Destination, Outgoing, Queue, Takes},
    message::{Content, Message},
    names::{ChannelName, FlowName, MessageId, TypeName},
    recovery::Rung,
};

fn channel() -> ChannelName {
    ChannelName::new("orders").unwrap()
}

fn queue() -> QueueName {
    QueueName::of_subscriber(&channel(), &FlowName::new("billing").unwrap())
}

fn landscape() -> Topology {
    Topology {
        channels: vec![Channel {
            name: channel(),
            type_name: TypeName::new("example.v1.Order"),
        }],
        queues: vec![Queue {
            name: queue(),
            channel: Some(channel()),
            takes: Takes::All,
        }],
    }
}

fn cause() -> Cause {
    Cause {
        what: "422".to_owned(),
        hint: None,
        flow: FlowName::new("billing").unwrap(),
        step: "erp".to_owned(),
        at: "2026-11-25T13:00:00Z".parse().unwrap(),
    }
}

fn order(number: usize, bytes: usize) -> Hop {
    let content = Content::Canonical {
        type_name: TypeName::new("example.v1.Order"),
        bytes: vec![7; bytes].into(),
    };
    let id = MessageId::foreign(&format!("m-{number}")).unwrap();
    let time = "2026-11-25T13:00:00Z".parse().unwrap();
    Hop {
        inputs: Vec::new(),
        outputs: vec![Outgoing {
            to: Destination::Channel(channel()),
            message: Message::new(id, "/shop/orders-in", time, content),
        }],
        state: None,
    }
}

async fn opened(folder: &TempDir) -> EmbeddedBus {
    let bus = EmbeddedBus::open(folder.path()).unwrap();
    bus.declare(&landscape()).await.unwrap();
    bus
}

async fn publish(bus: &EmbeddedBus, count: usize) {
    let hops = (0..count).map(|number| order(number, 1000)).collect();
    for result in bus.complete(hops).await {
        result.unwrap();
    }
}

async fn receive(subscription: &mut Subscription, count: usize) -> Vec<Delivery> {
    let mut batch = Vec::new();
    while batch.len() < count {
        let missing = count - batch.len();
        let waiting = subscription.receive(&mut batch, missing);
        assert!(
            tokio::time::timeout(Duration::from_secs(30), waiting)
                .await
                .expect("they come in time")
        );
    }
    batch
}

async fn settle(bus: &EmbeddedBus, deliveries: Vec<Delivery>) {
    let hops = deliveries
        .into_iter()
        .map(|delivery| Hop::of(delivery, Vec::new()))
        .collect();
    for result in bus.complete(hops).await {
        result.unwrap();
    }
}

fn file(folder: &TempDir) -> Connection {
    Connection::open(Store::path(folder.path())).unwrap()
}

fn refused(folder: &TempDir) -> Fault {
    EmbeddedBus::open(folder.path()).expect_err("it is refused")
}
