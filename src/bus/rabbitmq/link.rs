//! A connection that can be opened again: one for publishing, one for consuming.
//!
//! lapin's own recovery is not used: what it does under a frozen or partitioned broker is not known, and it
//! would replay what we must judge ourselves.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use lapin::{Channel, Connection, ConnectionProperties};
use tokio::{sync::Mutex, time::timeout};
use tracing::info;
use trunkline_sdk::Fault;

use super::{address::Address, faults};
use crate::names::ProcessName;

/// How long a node may take to answer before the next one is tried.
const PATIENCE: Duration = Duration::from_secs(5);

/// The largest frame, in bytes, where others' messages come in: the broker's own. Properties and headers are one
/// frame, and a broker that may not send it closes the connection.
pub(super) const ANY_FRAME: u32 = 128 << 10;
/// The largest frame where only ours go out; a larger body goes in several. The client keeps 32 frames in memory for
/// each direction of each connection, so this saves 4 MiB.
pub(super) const OUR_FRAME: u32 = 64 << 10;

/// A way to the broker for one purpose.
#[derive(Debug)]
pub(super) struct Link {
    address: Address,
    /// As the broker's console shows it: `trunkline stock publisher`.
    name: String,
    frame_max: u32,
    attempts: AtomicUsize,
    current: Mutex<Option<Connection>>,
}

impl Link {
    /// A link that is not open yet, for frames of at most `frame_max` bytes.
    pub(super) fn new(address: Address, process: &ProcessName, purpose: &str, frame_max: u32) -> Self {
        Self {
            address,
            name: format!("trunkline {process} {purpose}"),
            frame_max,
            attempts: AtomicUsize::new(0),
            current: Mutex::new(None),
        }
    }

    /// Where it leads.
    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// A connection of the caller's own. Each node is tried once; the fault is the last one's.
    pub(super) async fn connect(&self) -> Result<Connection, Fault> {
        let mut last = None;
        for _ in 0..self.address.nodes() {
            let (uri, node) = self
                .address
                .node(self.attempts.fetch_add(1, Ordering::Relaxed), self.frame_max);
            let properties = ConnectionProperties::default()
                .with_connection_name(self.name.as_str().into())
                .with_client_property("product".into(), "trunkline".into());
            // Boxed: lapin's future is large, and this is once per connection.
            let connected = timeout(PATIENCE, Box::pin(Connection::connect_uri(uri, properties))).await;
            match connected {
                Ok(Ok(connection)) => {
                    // The next attempt, after a loss, begins with another node.
                    info!(broker = %node, connection = %self.name, "connected");
                    return Ok(connection);
                }
                Ok(Err(error)) => last = Some(faults::connecting(error, &self.address, &node)),
                Err(_) => last = Some(faults::silent(&format!("connecting to {node}"))),
            }
        }
        Err(last.unwrap_or_else(|| Fault::stop("the bus's URL names no host")))
    }

    /// A channel on the shared connection, which is opened (again) if need be.
    pub(super) async fn channel(&self) -> Result<Channel, Fault> {
        let mut current = self.current.lock().await;
        if let Some(connection) = current.as_ref()
            && connection.status().connected()
        {
            match timeout(PATIENCE, connection.create_channel()).await {
                Ok(Ok(channel)) => return Ok(channel),
                Ok(Err(error)) if connection.status().connected() => {
                    return Err(faults::refused(error, "opening a channel", &self.address));
                }
                // Lost, or frozen: another connection.
                Ok(Err(_)) | Err(_) => {}
            }
        }
        *current = None;
        let connection = self.connect().await?;
        let channel = timeout(PATIENCE, connection.create_channel())
            .await
            .map_err(|_| faults::silent("opening a channel"))?
            .map_err(|error| faults::refused(error, "opening a channel", &self.address))?;
        *current = Some(connection);
        Ok(channel)
    }

    /// Closes the shared connection.
    pub(super) async fn close(&self) {
        if let Some(connection) = self.current.lock().await.take() {
            close(&connection).await;
        }
    }
}

/// Closes a connection in order, if the broker still answers.
pub(super) async fn close(connection: &Connection) {
    // Whether the broker answered makes no difference any more.
    let _ = timeout(PATIENCE, connection.close(200, "closed".into())).await;
}
