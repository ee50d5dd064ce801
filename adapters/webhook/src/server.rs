//! The listener of one system, shared by all its sources, and the paths they have opened.
//!
//! Promises: connections are bounded in number, in the time their heads take, and in life; a path that was
//! ever opened and is not now is answered 503, so that its senders come again; closing lets the requests in
//! flight have their answers.
//! Does not promise TLS.

use std::{
    collections::HashMap,
    convert::Infallible,
    io::{self, ErrorKind},
    net::SocketAddr,
    pin::pin,
    sync::{Arc, PoisonError, RwLock, atomic::AtomicU64},
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch},
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};
use tracing::{debug, info, warn};
use trunkline_sdk::{Fault, Outlet};

use crate::{
    Limits,
    options::{Policy, Replying},
};

/// Heads of requests: at most so many headers, so many bytes. More is answered 431.
const MAX_HEADERS: usize = 100;
const MAX_HEAD: usize = 32 << 10;
/// All bodies in memory together.
const MEMORY: usize = 128 << 20;
/// A connection is asked to end after this long, so that none is held for ever by who does not read.
const LIFE: Duration = Duration::from_secs(300);
/// How long a connection that was asked to end may take beyond the bus's patience.
const PARTING: Duration = Duration::from_secs(2);
/// Written as it stands to a connection too many.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n\
content-length: 26\r\ncontent-type: text/plain\r\n\r\ntoo many open connections\n";

/// What all connections of a system share.
#[derive(Debug)]
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    pub(crate) policy: Policy,
    pub(crate) limits: Limits,
    /// One permit for each body in memory.
    pub(crate) bodies: Semaphore,
    /// How many callers a flow has answered in time, and how many had to be told the fallback.
    pub(crate) replies: AtomicU64,
    pub(crate) fallbacks: AtomicU64,
    connections: Arc<Semaphore>,
    paths: RwLock<HashMap<String, Option<Arc<Door>>>>,
}

/// An open path. Who holds one is answering a request.
pub(crate) struct Door {
    pub(crate) outlet: Outlet,
    /// How callers are answered who wait for it.
    pub(crate) reply: Option<Arc<Replying>>,
    /// Where a fault goes that ends the flow.
    pub(crate) faults: mpsc::Sender<Fault>,
    /// Dropped with the last holder.
    _held: oneshot::Sender<Infallible>,
}

/// What the flow of an open path waits for.
pub(crate) struct Opened {
    /// Fails when the last request was answered.
    pub(crate) released: oneshot::Receiver<Infallible>,
    /// What ends the flow.
    pub(crate) fault: mpsc::Receiver<Fault>,
}

/// What became of a path.
pub(crate) enum Way {
    /// A flow reads from it.
    Open(Arc<Door>),
    /// A flow has read from it, or will.
    Shut,
    /// No flow knows it.
    Unknown,
}

/// The task that accepts connections; dropping it ends them.
pub(crate) struct Accepting {
    closing: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Server {
    /// Binds the address and begins to answer.
    pub(crate) async fn start(policy: Policy, limits: Limits) -> Result<(Arc<Self>, Accepting), Fault> {
        let listener = TcpListener::bind(&policy.listen)
            .await
            .map_err(|error| refused(&policy.listen, error))?;
        let address = listener
            .local_addr()
            .map_err(|error| refused(&policy.listen, error))?;
        // `check` has seen the word, here is what it was resolved to.
        if !policy.scheme.is_signed() && !address.ip().to_canonical().is_loopback() {
            return Err(Fault::stop(format!(
                "`verify: {{ none: true }}` takes what anybody sends, and {address} is open to others"
            ))
            .hint("listen on 127.0.0.1, or name the scheme that the sender signs with"));
        }
        let fits = (MEMORY / policy.max_body.max(1)).max(1);
        let server = Arc::new(Self {
            address,
            bodies: Semaphore::new(limits.in_flight.min(fits)),
            connections: Arc::new(Semaphore::new(limits.connections)),
            replies: AtomicU64::new(0),
            fallbacks: AtomicU64::new(0),
            paths: RwLock::default(),
            policy,
            limits,
        });
        info!(%address, verify = server.policy.scheme.word, "webhook: listening");
        let (closing, closed) = watch::channel(false);
        let task = tokio::spawn(accept(server.clone(), listener, closed));
        Ok((server, Accepting { closing, task }))
    }

    /// A flow will read from this path: until it does, senders are told to come again.
    pub(crate) fn announce(&self, path: &str) {
        self.paths_mut().entry(path.to_owned()).or_default();
    }

    /// A flow reads from this path from now on. What is returned resolves, with an error, when the path was
    /// shut and its last request was answered; and tells what ends the flow. `None`: another flow reads from it.
    pub(crate) fn open(&self, path: &str, outlet: Outlet, reply: Option<Arc<Replying>>) -> Option<Opened> {
        let (held, released) = oneshot::channel();
        let (faults, fault) = mpsc::channel(1);
        let mut paths = self.paths_mut();
        let door = paths.entry(path.to_owned()).or_default();
        if door.is_some() {
            return None;
        }
        *door = Some(Arc::new(Door {
            outlet,
            reply,
            faults,
            _held: held,
        }));
        Some(Opened { released, fault })
    }

    /// No new request is taken on this path.
    pub(crate) fn shut(&self, path: &str) {
        if let Some(door) = self.paths_mut().get_mut(path) {
            *door = None;
        }
    }

    /// What a request for this path finds.
    pub(crate) fn way(&self, path: &str) -> Way {
        let paths = self.paths.read().unwrap_or_else(PoisonError::into_inner);
        match paths.get(path) {
            Some(Some(door)) => Way::Open(door.clone()),
            Some(None) => Way::Shut,
            // Flows are only just being opened: this may be one of theirs.
            None if paths.is_empty() => Way::Shut,
            None => Way::Unknown,
        }
    }

    /// How many paths are known.
    pub(crate) fn paths(&self) -> usize {
        self.paths.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn paths_mut(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<String, Option<Arc<Door>>>> {
        self.paths.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// One connection, from its first byte to its last.
    async fn serve(
        self: Arc<Self>,
        stream: TcpStream,
        permit: OwnedSemaphorePermit,
        mut closing: watch::Receiver<bool>,
    ) {
        let server = self.clone();
        let service = service_fn(move |request| {
            let server = server.clone();
            async move { Ok::<_, Infallible>(server.exchange(request).await) }
        });
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(self.limits.head)
                .max_headers(MAX_HEADERS)
                .max_header_size(MAX_HEAD)
                .max_buf_size(2 * MAX_HEAD)
                .serve_connection(TokioIo::new(stream), service)
        );
        let ended = tokio::select! {
            ended = connection.as_mut() => Some(ended),
            // An error means that whoever would have closed us is gone.
            _ = closing.wait_for(|closing| *closing) => None,
            () = sleep(LIFE) => None,
        };
        let ended = match ended {
            Some(ended) => ended,
            None => {
                connection.as_mut().graceful_shutdown();
                timeout(self.policy.patience + PARTING, connection)
                    .await
                    .unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            // A sender that hung up, was too slow or does not speak HTTP.
            debug!(%error, "webhook: connection ended");
        }
        drop(permit);
    }
}

impl Accepting {
    /// Takes no further connection, lets those that are open finish, and returns when they have.
    pub(crate) async fn close(self) {
        self.closing.send_replace(true);
        // A panic in the task has been told by the runtime.
        let _ = self.task.await;
    }
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Door")
    }
}

/// Accepts until asked to close, then waits for what is open.
async fn accept(server: Arc<Server>, listener: TcpListener, mut closing: watch::Receiver<bool>) {
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = open.join_next() => continue,
            _ = closing.wait_for(|closing| *closing) => break,
        };
        match accepted {
            Ok((stream, _)) => match server.connections.clone().try_acquire_owned() {
                Ok(permit) => {
                    // Answers are small and must not wait for more.
                    let _ = stream.set_nodelay(true);
                    open.spawn(server.clone().serve(stream, permit, closing.clone()));
                }
                // A courtesy: who does not get it sees the connection closed, and comes again as well.
                Err(_) => {
                    let _ = stream.try_write(TOO_MANY);
                }
            },
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset
                ) => {}
            Err(error) => {
                warn!(%error, address = %server.address, "webhook: no connection accepted");
                // Out of descriptors: at once again would only burn the processor.
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    while open.join_next().await.is_some() {}
    info!(address = %server.address, "webhook: closed");
}

fn refused(listen: &str, error: io::Error) -> Fault {
    let fault = match error.kind() {
        ErrorKind::AddrInUse => Fault::stop(format!("webhook: {listen} is taken by another process"))
            .hint("is Trunkline running already? else give `listen` another port"),
        ErrorKind::PermissionDenied => Fault::stop(format!("webhook: not allowed to listen on {listen}"))
            .hint("ports below 1024 need a privilege; put a proxy in front and listen above"),
        ErrorKind::AddrNotAvailable => Fault::reopen(format!("webhook: this host has no address {listen}"))
            .hint("`listen` names an address of this host, not the sender's"),
        _ => Fault::reopen(format!("webhook: cannot listen on {listen}"))
            .hint("is the host in `listen` a name or an address of this host?"),
    };
    fault.because(error)
}
