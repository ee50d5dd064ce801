//! What all ways work on: two channels, each with one queue, and messages.

use std::sync::Arc;

use bytes::Bytes;
use lapin::{Connection, ConnectionProperties, options::QueuePurgeOptions};
use prost::Message as _;
use tempfile::TempDir;
use trunkline::{
    bus::{Bus, Channel, Destination, Hop, Outgoing, Queue, Takes, Topology, rabbitmq::RabbitBus},
    message::{Content, Message},
    names::{ChannelName, FlowName, MessageId, ProcessName, QueueName, TypeName},
    store::SqliteStore,
};
use trunkline_proto::{
    commerce::v1::{Order, OrderStatus},
    party::v1::Address,
};

use super::{Outcome, WINDOW, Work};

pub(crate) const TYPE: &str = "trunkline.commerce.v1.Order";
const BODY: usize = 1024;

/// The two channels with their queues, made and connected.
pub(crate) struct Stage {
    pub(crate) url: String,
    pub(crate) bus: Arc<RabbitBus>,
    pub(crate) body: Bytes,
    admin: lapin::Channel,
    _store: TempDir,
}

impl Stage {
    pub(crate) async fn set(url: &str) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let store = Arc::new(SqliteStore::open(folder.path())?);
        let bus = Arc::new(RabbitBus::connect(url, &ProcessName::new("bench")?, store).await?);
        bus.declare(&topology()?).await?;
        let connection = Connection::connect(url, ConnectionProperties::default()).await?;
        Ok(Self {
            url: url.to_owned(),
            bus,
            body: order().into(),
            admin: connection.create_channel().await?,
            _store: folder,
        })
    }

    pub(crate) async fn empty(&self) -> Outcome<()> {
        for queue in [input()?, output()?] {
            self.admin
                .queue_purge(queue.as_str().into(), QueuePurgeOptions::default())
                .await?;
        }
        Ok(())
    }

    /// Puts messages where they are taken from.
    pub(crate) async fn fill(&self, count: usize) -> Outcome<()> {
        let to = channel("bench-in")?;
        let mut sent = 0;
        while sent < count {
            let size = (count - sent).min(4 * WINDOW);
            let hops = (sent..sent + size)
                .map(|number| self.hop(number, &to))
                .collect::<Outcome<Vec<_>>>()?;
            if let Some(refused) = self.bus.complete(hops).await.into_iter().find_map(Result::err) {
                return Err(refused.fault.into());
            }
            sent += size;
        }
        Ok(())
    }

    /// A message that comes from a source.
    pub(crate) fn hop(&self, number: usize, to: &ChannelName) -> Outcome<Hop> {
        let content = Content::Canonical {
            type_name: TypeName::new(TYPE),
            bytes: self.body.clone(),
        };
        let id = MessageId::foreign(&format!("{number:036}")).ok_or("an id is short")?;
        let message = Message::new(id, "/bench/fill", "2026-11-25T13:00:00Z".parse()?, content);
        let to = Destination::Channel(to.clone());
        Ok(Hop {
            inputs: Vec::new(),
            outputs: vec![Outgoing { to, message }],
            state: None,
        })
    }

    /// Whether the work has left so many: a bench that measures lost messages measures nothing.
    pub(crate) async fn holds(&self, work: Work, count: u64) -> Outcome<()> {
        let queue = if work == Work::Consume {
            input()?
        } else {
            output()?
        };
        let there = self.bus.depth(&queue).await?.ready;
        if there == count {
            return Ok(());
        }
        Err(format!("{work:?}: {there} messages in `{queue}`, expected {count}").into())
    }

    pub(crate) async fn leave(&self) {
        self.bus.close().await;
    }
}

fn topology() -> Outcome<Topology> {
    let mut topology = Topology::default();
    for (name, queue) in [("bench-in", input()?), ("bench-out", output()?)] {
        topology.channels.push(Channel {
            name: channel(name)?,
            type_name: TypeName::new(TYPE),
        });
        topology.queues.push(Queue {
            name: queue,
            channel: Some(channel(name)?),
            takes: Takes::All,
        });
    }
    Ok(topology)
}

pub(crate) fn channel(name: &str) -> Outcome<ChannelName> {
    Ok(ChannelName::new(name)?)
}

/// What messages are taken from.
pub(crate) fn input() -> Outcome<QueueName> {
    let (channel, flow) = (channel("bench-in")?, FlowName::new("forward")?);
    Ok(QueueName::of_subscriber(&channel, &flow))
}

/// Where published messages arrive.
pub(crate) fn output() -> Outcome<QueueName> {
    let (channel, flow) = (channel("bench-out")?, FlowName::new("sink")?);
    Ok(QueueName::of_subscriber(&channel, &flow))
}

/// About 1 KiB, as orders are: it is what a flow must read, and to the others it is bytes.
fn order() -> Vec<u8> {
    let mut order = Order {
        order_id: "1001".to_owned(),
        status: OrderStatus::Paid.into(),
        ship_to: Some(Address {
            country_code: "DK".to_owned(),
            ..Address::default()
        }),
        ..Order::default()
    };
    order.note = "x".repeat(BODY - order.encoded_len() - 4);
    order.encode_to_vec()
}
