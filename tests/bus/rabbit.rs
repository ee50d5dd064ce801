//! RabbitMQ, as the sentences see it: a virtual host of each sentence's own.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use lapin::{Connection, ConnectionProperties, options::QueueDeclareOptions, types::FieldTable};
use tempfile::TempDir;
use trunkline::{
    bus::{Bus, rabbitmq::RabbitBus},
    names::{ProcessName, QueueName},
    store::SqliteStore,
};

use crate::{
    subject::Subject,
    support::services::{Broker, Vhost},
};

/// A virtual host of the test run's broker, and a folder for the positions.
pub(crate) struct Rabbit {
    vhost: Vhost,
    folder: TempDir,
}

#[async_trait]
impl Subject for Rabbit {
    const ENGINE: &'static str = "rabbitmq";

    async fn fresh() -> Self {
        Self {
            vhost: Broker::shared().fresh_vhost().await,
            folder: TempDir::new().expect("a temporary folder"),
        }
    }

    fn address(&self) -> String {
        let folder = self.folder.path().to_str().expect("a path in UTF-8");
        format!("{} {folder}", self.vhost.amqp())
    }

    async fn open_at(address: &str) -> Arc<dyn Bus> {
        let (url, folder) = address.split_once(' ').expect("it was made by `address`");
        let store = SqliteStore::open(Path::new(folder)).expect("the store opens");
        let process = ProcessName::new("suite").expect("it is a word");
        let bus = RabbitBus::connect(url, &process, Arc::new(store)).await;
        Arc::new(bus.expect("the broker is there"))
    }

    async fn beside(&self, _open: &Arc<dyn Bus>) -> Arc<dyn Bus> {
        self.open().await
    }

    async fn make_otherwise(&self, queue: &QueueName) {
        let properties = ConnectionProperties::default();
        let connection = Connection::connect(self.vhost.amqp(), properties).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let name = queue.as_str().into();
        channel
            .queue_declare(name, QueueDeclareOptions::durable(), FieldTable::default())
            .await
            .unwrap();
        connection.close(200, "made".into()).await.unwrap();
    }
}
