//! A connection that can be opened again: one for publishing, one for consuming.
//!
//! lapin's own recovery is not used: what it does under a frozen or partitioned broker is not known, and it
//! would replay what we must judge ourselves.

use std::{
    io,
    net::{Shutdown, TcpStream},
    os::fd::AsFd,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use lapin::{
    AsyncTcpStream, Channel, Connection, ConnectionProperties,
    runtime::default_runtime,
    tcp::{AMQPUriTcpExt, RustlsConnector},
    uri::AMQPUri,
};
use rustls::ClientConfig;
use tokio::{
    sync::Mutex,
    task::spawn_blocking,
    time::{error::Elapsed, timeout},
};
use tracing::info;
use trunkline_sdk::Fault;

use super::{address::Address, faults};
use crate::names::ProcessName;

/// How long a node may take to answer before the next one is tried.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a node that we are connected to may take to open a channel, which takes it no disk and no other node.
const ALIVE: Duration = Duration::from_secs(2);

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
    current: Mutex<Option<Session>>,
}

/// An open connection.
#[derive(Debug)]
struct Session {
    connection: Connection,
    /// Its socket once more; the client has the other handle to it.
    socket: Option<TcpStream>,
}

impl Session {
    /// Ends it without a word, so that all who use it learn it now: a heartbeat takes longer to tell.
    fn hang_up(self) {
        shut(self.socket.as_ref());
    }
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
        self.dial().await.map(|session| session.connection)
    }

    async fn dial(&self) -> Result<Session, Fault> {
        let tls = self.tls().await?;
        let mut last = None;
        for _ in 0..self.address.nodes() {
            let (uri, node) = self
                .address
                .node(self.attempts.fetch_add(1, Ordering::Relaxed), self.frame_max);
            let properties = ConnectionProperties::default()
                .with_connection_name(self.name.as_str().into())
                .with_client_property("product".into(), "trunkline".into());
            // Boxed: lapin's future is large, and this is once per connection.
            match Box::pin(open(uri, properties, tls.clone())).await {
                Ok(Ok(session)) => {
                    // The next attempt, after a loss, begins with another node.
                    info!(broker = %node, connection = %self.name, "connected");
                    return Ok(session);
                }
                Ok(Err(error)) => last = Some(faults::connecting(error, &self.address, &node)),
                Err(_) => last = Some(faults::silent(&format!("connecting to {node}"))),
            }
        }
        Err(last.unwrap_or_else(|| Fault::stop("the bus's URL names no host")))
    }

    /// What TLS needs, read anew: certificates are renewed while we run.
    async fn tls(&self) -> Result<Option<Arc<ClientConfig>>, Fault> {
        let Some(tls) = self.address.tls().cloned() else {
            return Ok(None);
        };
        let config = spawn_blocking(move || tls.config()).await;
        config
            .map_err(|error| Fault::stop("reading the certificates failed").because(error))?
            .map(Some)
    }

    /// A channel on the shared connection, which is opened (again) if need be.
    pub(super) async fn channel(&self) -> Result<Channel, Fault> {
        let mut current = self.current.lock().await;
        if let Some(Session { connection, .. }) = current.as_ref()
            && connection.status().connected()
        {
            match timeout(ALIVE, connection.create_channel()).await {
                Ok(Ok(channel)) => return Ok(channel),
                Ok(Err(error)) if connection.status().connected() => {
                    return Err(faults::refused(error, "opening a channel", &self.address));
                }
                // Lost, or frozen: another connection.
                Ok(Err(_)) | Err(_) => {}
            }
        }
        if let Some(session) = current.take() {
            session.hang_up();
        }
        let session = self.dial().await?;
        let channel = timeout(PATIENCE, session.connection.create_channel())
            .await
            .map_err(|_| faults::silent("opening a channel"))?
            .map_err(|error| faults::refused(error, "opening a channel", &self.address))?;
        *current = Some(session);
        Ok(channel)
    }

    /// Leaves the node that the shared connection is to, which answers and yet does not serve: the next channel is on
    /// another, and whoever is on this one learns it now.
    pub(super) async fn leave(&self) {
        if let Some(session) = self.current.lock().await.take() {
            session.hang_up();
        }
    }

    /// Closes the shared connection.
    pub(super) async fn close(&self) {
        if let Some(session) = self.current.lock().await.take() {
            close(&session.connection).await;
        }
    }
}

/// Opens a connection within [`PATIENCE`].
async fn open(
    uri: AMQPUri,
    properties: ConnectionProperties,
    tls: Option<Arc<ClientConfig>>,
) -> Result<lapin::Result<Session>, Elapsed> {
    let runtime = match default_runtime() {
        Ok(runtime) => runtime,
        Err(error) => return Ok(Err(error)),
    };
    let socket = Arc::new(OnceLock::new());
    let connecting = {
        let (socket, runtime) = (socket.clone(), runtime.clone());
        async move |uri: AMQPUri, _| {
            let stream = uri.connect_async(&runtime).await?;
            if let AsyncTcpStream::Plain(stream) = &stream {
                let handle = stream.get_ref().as_fd().try_clone_to_owned()?;
                let _ = socket.set(TcpStream::from(handle));
            }
            match &tls {
                None => Ok(stream),
                Some(tls) => Ok(stream
                    .into_rustls(&RustlsConnector::from(tls.clone()), &uri.authority.host)
                    .await?),
            }
        }
    };
    let opened = timeout(
        PATIENCE,
        Connection::connector(uri, runtime, connecting, properties),
    )
    .await;
    if opened.is_err() {
        // What the client has begun it goes on with, on a thread of its own, for as long as a frozen broker is silent.
        shut(socket.get());
    }
    let socket = socket.get().and_then(|socket| socket.try_clone().ok());
    Ok(opened?.map(|connection| Session { connection, socket }))
}

fn shut(socket: Option<&TcpStream>) {
    if let Some(socket) = socket {
        // One that is not connected any more is what was wanted.
        let _: io::Result<()> = socket.shutdown(Shutdown::Both);
    }
}

/// Closes a connection in order, if the broker still answers.
pub(super) async fn close(connection: &Connection) {
    // Whether the broker answered makes no difference any more.
    let _ = timeout(PATIENCE, connection.close(200, "closed".into())).await;
}
