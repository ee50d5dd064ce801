//! Where others ask a process how it is: `/livez`, `/readyz`, and `/metrics` for Prometheus.
//!
//! Promises: it answers from before the bus is there until the process ends; connections are bounded in number and in
//! time; it tells no secret and no value of a record. Not promised: TLS, or who may ask: that is for the address.

use std::{
    convert::Infallible,
    io::ErrorKind,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};
use trunkline_sdk::Fault;

use super::{Board, metrics};

/// Connections at once; others wait.
const CONNECTIONS: usize = 16;
/// How long the head of a request may take, and a connection may last.
const HEAD: Duration = Duration::from_secs(5);
const LIFE: Duration = Duration::from_secs(60);

/// The listener; dropping it ends it.
pub struct Health {
    address: SocketAddr,
    seen: Arc<Seen>,
    accepting: JoinHandle<()>,
}

/// What is known of the process.
#[derive(Default)]
struct Seen {
    /// Set when its flows are started.
    board: OnceLock<Board>,
    is_stopping: AtomicBool,
}

impl Health {
    /// Begins to answer here.
    ///
    /// Faults: the address is taken, or is none of this host.
    pub async fn open(address: SocketAddr) -> Result<Self, Fault> {
        let refused = |error| refused(address, error);
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        tracing::info!(%address, "health: listening");
        let seen = Arc::new(Seen::default());
        let accepting = tokio::spawn(accept(listener, seen.clone()));
        Ok(Self {
            address,
            seen,
            accepting,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The flows are started: from now on it is they who tell.
    pub fn show(&self, board: Board) {
        // A second board would be that of another runtime: there is one in a process.
        let _ = self.seen.board.set(board);
    }

    /// The process is stopping: it is not ready any more.
    pub fn stopping(&self) {
        self.seen.is_stopping.store(true, Ordering::Relaxed);
    }
}

impl Drop for Health {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Seen {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        if !matches!(path, "/livez" | "/readyz" | "/metrics") {
            let told = "there are /livez, /readyz and /metrics\n";
            return text(StatusCode::NOT_FOUND, told.to_owned());
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "ask with GET\n".to_owned());
            answer
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return answer;
        }
        match path {
            "/livez" => text(StatusCode::OK, "alive\n".to_owned()),
            "/readyz" => self.readiness(),
            _ => {
                let written = match self.board.get() {
                    Some(board) => metrics::write(board).await,
                    None => String::new(),
                };
                let mut answer = text(StatusCode::OK, written);
                let media_type = HeaderValue::from_static(metrics::CONTENT_TYPE);
                answer.headers_mut().insert(CONTENT_TYPE, media_type);
                answer
            }
        }
    }

    fn readiness(&self) -> Response<Full<Bytes>> {
        if self.is_stopping.load(Ordering::Relaxed) {
            return text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n".to_owned());
        }
        let Some(board) = self.board.get() else {
            return text(StatusCode::SERVICE_UNAVAILABLE, "starting\n".to_owned());
        };
        match board.readiness() {
            (true, told) => text(StatusCode::OK, format!("ready\n{told}")),
            (false, told) => text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready\n{told}")),
        }
    }
}

fn text(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(text.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

async fn accept(listener: TcpListener, seen: Arc<Seen>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    // Dropped with this task, and all connections with it.
    let mut open = JoinSet::new();
    while let Ok(permit) = room.clone().acquire_owned().await {
        while open.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let seen = seen.clone();
                open.spawn(async move {
                    serve(stream, seen).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "health: no connection accepted");
                // Out of descriptors: at once again would only burn the processor.
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, seen: Arc<Seen>) {
    let service = service_fn(|request| {
        let seen = seen.clone();
        async move { Ok::<_, Infallible>(seen.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service);
    // Whoever hangs up, is too slow or does not speak HTTP is nobody's fault here.
    let _ = timeout(LIFE, pin!(connection)).await;
}

fn refused(address: SocketAddr, error: std::io::Error) -> Fault {
    let fault = match error.kind() {
        ErrorKind::AddrInUse => Fault::stop(format!("`health`: {address} is taken by another process")).hint(
            "give each process of a host an address of its own, such as `health: ${TRUNKLINE_HEALTH:-none}`",
        ),
        ErrorKind::PermissionDenied => Fault::stop(format!("`health`: not allowed to listen on {address}"))
            .hint("ports below 1024 need a privilege"),
        _ => Fault::stop(format!("`health`: cannot listen on {address}"))
            .hint("it is an address of this host: `127.0.0.1:9464`"),
    };
    fault.because(error)
}
