//! What the sentences need of an engine.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use tempfile::TempDir;
use trunkline::{
    bus::{Bus, Channel, Queue, Takes, Topology, embedded::EmbeddedBus},
    names::{ChannelName, QueueName, TypeName},
};

/// A place for a bus: a folder, a virtual host. Gone when dropped.
#[async_trait]
pub(crate) trait Subject: Send + Sync + Sized + 'static {
    /// The name of the engine's module in this suite.
    const ENGINE: &'static str;

    /// A place where nothing is.
    async fn fresh() -> Self;

    /// Opens the bus at this place. One at a time: an earlier one was closed, or its process killed.
    async fn open(&self) -> Arc<dyn Bus> {
        Self::open_at(&self.address()).await
    }

    /// What another process must know to open it.
    fn address(&self) -> String;

    /// Opens the bus at the place with this address.
    async fn open_at(address: &str) -> Arc<dyn Bus>;

    /// A bus at this place for another process, beside the one that is open: where the engine has one process only,
    /// the same.
    #[allow(dead_code, reason = "the suite of the patterns takes it")]
    async fn beside(&self, open: &Arc<dyn Bus>) -> Arc<dyn Bus> {
        open.clone()
    }

    /// Makes a queue of this name, and otherwise than `declare` would make it for its channel.
    async fn make_otherwise(&self, queue: &QueueName);
}

/// The embedded bus, in a folder of its own.
pub(crate) struct Embedded {
    folder: TempDir,
}

#[async_trait]
impl Subject for Embedded {
    const ENGINE: &'static str = "embedded";

    async fn fresh() -> Self {
        Self {
            folder: TempDir::new().expect("a temporary folder"),
        }
    }

    fn address(&self) -> String {
        self.folder.path().to_str().expect("a path in UTF-8").to_owned()
    }

    async fn open_at(address: &str) -> Arc<dyn Bus> {
        let folder = PathBuf::from(address);
        Arc::new(EmbeddedBus::open(&folder).expect("the bus opens"))
    }

    async fn make_otherwise(&self, queue: &QueueName) {
        let elsewhere = ChannelName::new("elsewhere").unwrap();
        let bus = self.open().await;
        let topology = Topology {
            channels: vec![Channel {
                name: elsewhere.clone(),
                type_name: TypeName::new("example.v1.Other"),
            }],
            queues: vec![Queue {
                name: queue.clone(),
                channel: Some(elsewhere),
                takes: Takes::All,
            }],
        };
        bus.declare(&topology).await.expect("it is made");
        bus.close().await;
    }
}
