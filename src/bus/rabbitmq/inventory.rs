//! What a virtual host has, as the management API tells it.
//!
//! Not promised: that counters are fresh. The broker samples them every 5 s, and a new queue has none.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use trunkline_sdk::Fault;

use super::management::{Management, segment};

/// Queues, exchanges and bindings of one virtual host.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    pub(super) queues: BTreeMap<String, FoundQueue>,
    pub(super) exchanges: BTreeMap<String, FoundExchange>,
    pub(super) bindings: Vec<FoundBinding>,
}

/// A queue as it is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FoundQueue {
    pub(super) name: String,
    /// `quorum`, `classic`, `stream`.
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) durable: bool,
    pub(super) auto_delete: bool,
    #[serde(deserialize_with = "lenient")]
    pub(super) arguments: Map<String, Value>,
    pub(super) messages: Option<u64>,
    pub(super) messages_ready: Option<u64>,
    pub(super) messages_unacknowledged: Option<u64>,
    pub(super) consumers: Option<u64>,
    /// The nodes that hold a copy of a quorum queue, and those of them that run.
    pub(super) members: Vec<String>,
    pub(super) online: Vec<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) message_stats: Map<String, Value>,
}

/// An exchange as it is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FoundExchange {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) durable: bool,
    pub(super) auto_delete: bool,
    pub(super) internal: bool,
    #[serde(deserialize_with = "lenient")]
    pub(super) arguments: Map<String, Value>,
}

/// A binding as it is.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct FoundBinding {
    pub(super) source: String,
    pub(super) destination: String,
    /// `queue` or `exchange`.
    pub(super) destination_type: String,
    pub(super) routing_key: String,
}

impl Inventory {
    /// Reads all of a virtual host.
    pub(super) async fn read(management: &Management, vhost: &str) -> Result<Self, Fault> {
        let vhost = segment(vhost);
        let queues: Vec<FoundQueue> = management.get(&format!("queues/{vhost}")).await?;
        let exchanges: Vec<FoundExchange> = management.get(&format!("exchanges/{vhost}")).await?;
        let bindings: Vec<FoundBinding> = management.get(&format!("bindings/{vhost}")).await?;
        Ok(Self {
            queues: queues
                .into_iter()
                .map(|queue| (queue.name.clone(), queue))
                .collect(),
            exchanges: exchanges
                .into_iter()
                .map(|exchange| (exchange.name.clone(), exchange))
                .collect(),
            // Every queue is bound to the default exchange; nobody can change that.
            bindings: bindings
                .into_iter()
                .filter(|binding| !binding.source.is_empty())
                .collect(),
        })
    }

    /// The bindings of one queue.
    pub(super) fn bindings_of(&self, queue: &str) -> impl Iterator<Item = &FoundBinding> {
        self.bindings
            .iter()
            .filter(move |binding| binding.destination_type == "queue" && binding.destination == queue)
    }
}

impl FoundQueue {
    /// `12 messages`, or that they are not counted yet.
    pub(super) fn depth(&self) -> String {
        match self.messages {
            None => "not counted yet".to_owned(),
            Some(1) => "1 message".to_owned(),
            Some(count) => format!("{count} messages"),
        }
    }
}

/// The API writes an empty object as `[]` at places, and leaves it out at others.
fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Object(map) => map,
        _ => Map::new(),
    })
}
