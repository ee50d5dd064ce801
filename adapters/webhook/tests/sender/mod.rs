//! The other side of the wire: a system under test with flows on its paths, and a sender over real TCP.

#![allow(dead_code, reason = "each test file uses its part")]

use std::{net::SocketAddr, path::Path, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};
use trunkline_sdk::{Adapter, Entry, Fault, Settings, System, contract::Desk};
use trunkline_webhook::{Limits, Webhook, signature};

pub(crate) const SECRET: &str = "canary-secret-of-the-shop";
pub(crate) const PATH: &str = "/orders/create";
pub(crate) const BODY: &str = r#"{"id":820982911946154508,"total_price":"10.10","note":"caf\u00e9 é"}"#;

/// A webhook system on a free port of this host.
pub(crate) struct Peer {
    pub(crate) system: Box<dyn System>,
    pub(crate) address: SocketAddr,
}

/// A flow that reads from a path: a desk in the bus's place.
pub(crate) struct Flow {
    pub(crate) desk: Desk,
    pub(crate) run: JoinHandle<Result<(), Fault>>,
}

/// The settings of a system: single values, and the scheme with its secrets.
pub(crate) fn settings(pairs: &[(&str, &str)], scheme: &str, secrets: &[&str]) -> Settings {
    let place = Settings::of([]).place;
    let secrets = secrets
        .iter()
        .map(|secret| Settings::scalar(place.clone(), *secret, true))
        .collect();
    let value = Settings::list(place.clone(), secrets);
    let scheme = Entry {
        key: scheme.to_owned(),
        place: place.clone(),
        value,
    };
    settings_with(pairs, Settings::map(place, vec![scheme]))
}

/// The settings of a system: single values, and what stands behind `verify`.
pub(crate) fn settings_with(pairs: &[(&str, &str)], verify: Settings) -> Settings {
    let listens = pairs.iter().any(|(name, _)| *name == "listen");
    let free_port = (!listens).then_some(("listen", "127.0.0.1:0"));
    let plain = Settings::of(free_port.into_iter().chain(pairs.iter().copied()));
    let verify = Entry {
        key: "verify".to_owned(),
        place: plain.place.clone(),
        value: verify,
    };
    let entries = plain.entries().expect("a map").iter().cloned();
    Settings::map(plain.place.clone(), entries.chain([verify]).collect())
}

impl Peer {
    /// A shop with the defaults.
    pub(crate) async fn shop() -> Self {
        Self::open(&settings(&[], "shopify", &[SECRET]), Limits::default()).await
    }

    /// A shop with other limits.
    pub(crate) async fn limited(limits: Limits) -> Self {
        Self::open(&settings(&[], "shopify", &[SECRET]), limits).await
    }

    pub(crate) async fn open(settings: &Settings, limits: Limits) -> Self {
        let system = Webhook::with(limits)
            .open(settings, Path::new("."))
            .await
            .expect("a free port of this host");
        let report = system.test().await.expect("it listens");
        let address = report
            .split_once("http://")
            .and_then(|(_, rest)| rest.split_once(','))
            .and_then(|(address, _)| address.parse().ok())
            .expect("the report names the address");
        Self { system, address }
    }

    /// A flow reads from [`PATH`].
    pub(crate) async fn flow(&self) -> Flow {
        self.flow_on(PATH).await
    }

    pub(crate) async fn flow_on(&self, path: &str) -> Flow {
        let endpoint = Settings::of([("path", path)]);
        let mut source = self.system.source(&endpoint).await.expect("a path");
        let desk = Desk::default();
        let outlet = desk.outlet();
        let mut run = Box::pin(async move { source.run(outlet, None).await });
        // The first poll opens the path.
        let begun = std::future::poll_fn(|context| std::task::Poll::Ready(run.as_mut().poll(context))).await;
        let run = match begun {
            std::task::Poll::Ready(ended) => tokio::spawn(async { ended }),
            std::task::Poll::Pending => tokio::spawn(run),
        };
        Flow { desk, run }
    }

    /// Sends these bytes on a connection of their own, and reads the answer.
    pub(crate) async fn send(&self, request: impl AsRef<[u8]>) -> Reply {
        let mut stream = self.connect().await;
        // A refusal may come before all is written.
        let _ = stream.write_all(request.as_ref()).await;
        read(&mut stream).await
    }

    /// Sends until the answer has this status, at most 30 s: for what becomes so by itself and tells nobody.
    pub(crate) async fn send_until(&self, status: u16, request: impl AsRef<[u8]>) -> Reply {
        let request = request.as_ref();
        let reached = async {
            loop {
                let reply = self.send(request).await;
                if reply.status == status {
                    return reply;
                }
            }
        };
        timeout(Duration::from_secs(30), reached)
            .await
            .expect("it becomes so within 30 s")
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("it listens")
    }
}

impl Flow {
    /// Waits until so many requests wait for the bus.
    pub(crate) async fn waits(&self, requests: usize) {
        let mut waiting = self.desk.waiting();
        let reached = waiting.wait_for(|waiting| *waiting >= requests);
        timeout(Duration::from_secs(30), reached)
            .await
            .expect("it arrives within 30 s")
            .expect("the flow runs");
    }

    /// Asks the flow to stop and waits until it has.
    pub(crate) async fn stop(self) {
        self.desk.stop();
        timeout(Duration::from_secs(30), self.run)
            .await
            .expect("it stops within 30 s")
            .expect("it does not panic")
            .expect("stopping is no fault");
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// Reads one answer; status 0: the connection ended without one.
pub(crate) async fn read(stream: &mut TcpStream) -> Reply {
    let mut bytes = Vec::new();
    let whole = async {
        loop {
            if let Some(reply) = parse(&bytes) {
                return reply;
            }
            let mut buffer = [0; 4096];
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => {
                    return Reply {
                        status: 0,
                        head: String::new(),
                        body: String::new(),
                    };
                }
                Ok(read) => bytes.extend_from_slice(&buffer[..read]),
            }
        }
    };
    timeout(Duration::from_secs(40), whole)
        .await
        .expect("an answer within 40 s")
}

fn parse(bytes: &[u8]) -> Option<Reply> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut reply = Reply {
        status: head.split(' ').nth(1)?.parse().ok()?,
        head: head.to_owned(),
        body: String::new(),
    };
    let length = reply
        .header("content-length")
        .and_then(|length| length.parse().ok())
        .unwrap_or(0);
    reply.body = body.get(..length)?.to_owned();
    Some(reply)
}

/// The headers of a Shopify webhook with this id and signature.
pub(crate) fn headers(webhook_id: &str, signature: &str) -> String {
    format!(
        "host: shop.example\r\nconnection: close\r\ncontent-type: application/json\r\n\
         x-shopify-topic: orders/create\r\nx-shopify-shop-domain: acme.myshopify.com\r\n\
         x-shopify-api-version: 2026-10\r\nx-shopify-webhook-id: {webhook_id}\r\n\
         x-shopify-hmac-sha256: {signature}\r\n"
    )
}

/// A whole request with a length.
pub(crate) fn post(path: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!(
        "POST {path} HTTP/1.1\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// What the shop sends, rightly signed.
pub(crate) fn order(webhook_id: &str) -> Vec<u8> {
    order_to(PATH, webhook_id)
}

pub(crate) fn order_to(path: &str, webhook_id: &str) -> Vec<u8> {
    let signature = signature::shopify(SECRET, BODY.as_bytes());
    post(path, &headers(webhook_id, &signature), BODY)
}
