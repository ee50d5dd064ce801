//! A strict HTTP server in a test's hand: it notes what it is asked, and answers as it is told.

#![allow(dead_code)] // Each test uses a part of it.

use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{io::AsyncWriteExt, net::TcpListener, sync::watch, task::JoinHandle};
use trunkline_http::Http;
use trunkline_sdk::{Adapter, Body, Context, Delivered, Entry, Fault, Outcome, Record, Settings, System};

/// Who knows it is let in.
pub(crate) const TOKEN: &str = "t0ken-9c41";

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    pub(crate) at: Instant,
}

/// What is answered, by the wire's own means.
#[derive(Debug, Clone)]
pub(crate) enum Say {
    /// Status, headers, body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// The connection is closed, without a byte.
    Close,
    /// Nothing, for longer than anybody waits.
    Hang,
}

pub(crate) fn answer(status: u16, body: &str) -> Say {
    Say::Answer(
        status,
        vec![("content-type", "application/json".to_owned())],
        body.to_owned(),
    )
}

pub(crate) fn answer_with(status: u16, headers: &[(&'static str, &str)], body: &str) -> Say {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned()));
    Say::Answer(status, headers.collect(), body.to_owned())
}

type Rule = Arc<dyn Fn(&Asked) -> Option<Say> + Send + Sync>;

/// The server.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    inner: Arc<Inner>,
    accepting: JoinHandle<()>,
}

struct Inner {
    book: Mutex<Book>,
    count: watch::Sender<usize>,
}

#[derive(Default)]
struct Book {
    asked: Vec<Asked>,
    /// Answered first, one by one.
    next: VecDeque<Say>,
    rule: Option<Rule>,
    in_flight: usize,
    most_in_flight: usize,
}

impl Peer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let inner = Arc::new(Inner {
            book: Mutex::default(),
            count: watch::Sender::new(0),
        });
        Self {
            address: listener.local_addr().expect("it is bound"),
            accepting: tokio::spawn(accept(listener, inner.clone())),
            inner,
        }
    }

    /// What is answered where nothing was queued; `None` of it: 404.
    pub(crate) fn rule(&self, rule: impl Fn(&Asked) -> Option<Say> + Send + Sync + 'static) {
        self.book().rule = Some(Arc::new(rule));
    }

    /// The next answers, before any rule.
    pub(crate) fn next(&self, answers: impl IntoIterator<Item = Say>) {
        self.book().next.extend(answers);
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.book().asked.clone()
    }

    /// Waits until it was asked so often.
    pub(crate) async fn wait_for(&self, requests: usize) -> Vec<Asked> {
        let mut count = self.inner.count.subscribe();
        let reached = tokio::time::timeout(
            Duration::from_secs(20),
            count.wait_for(|count| *count >= requests),
        )
        .await;
        assert!(reached.is_ok(), "{} of {requests} requests", self.asked().len());
        self.asked()
    }

    pub(crate) fn most_in_flight(&self) -> usize {
        self.book().most_in_flight
    }

    /// Goes away: its port refuses connections.
    pub(crate) async fn leave(&mut self) {
        self.accepting.abort();
        // Cancelled, as it was told.
        let _ = (&mut self.accepting).await;
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.inner
            .book
            .lock()
            .expect("no test panics while it holds the lock")
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A system at this peer.
    pub(crate) async fn system(&self, more: &[(&str, &str)]) -> Box<dyn System> {
        open(&map(
            &[("base_url", &self.url()), ("allow_private", "true")],
            more,
        ))
        .await
        .expect("it opens")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

pub(crate) async fn open(settings: &Settings) -> Result<Box<dyn System>, Fault> {
    Http.open(settings, Path::new(".")).await
}

/// Settings: `oauth2.token_url` is a word within a group, `already_there[]` one of a list.
pub(crate) fn map(base: &[(&str, &str)], more: &[(&str, &str)]) -> Settings {
    let place = Settings::of([]).place;
    let mut entries: Vec<Entry> = Vec::new();
    for (key, text) in base.iter().chain(more) {
        let (name, inner) = key
            .split_once('.')
            .map_or((*key, None), |(name, inner)| (name, Some(inner)));
        let value = Settings::scalar(place.clone(), *text, true);
        let entry = |key: &str, value| Entry {
            key: key.to_owned(),
            place: place.clone(),
            value,
        };
        let Some(inner) = inner else {
            entries.retain(|entry| entry.key != name);
            entries.push(entry(name, value));
            continue;
        };
        let at = entries.iter().position(|entry| entry.key == name);
        let mut group = at.map_or_else(Vec::new, |at| {
            entries.remove(at).value.entries().expect("a group").to_vec()
        });
        group.push(entry(inner, value));
        entries.push(entry(name, Settings::map(place.clone(), group)));
    }
    Settings::map(place, entries)
}

/// A message with this JSON as its record.
pub(crate) fn message(id: &str, json: &str) -> Delivered {
    let body = Body::Bytes {
        content_type: "application/json".to_owned(),
        bytes: json.as_bytes().to_vec().into(),
    };
    Delivered {
        record: Record::new(id, body),
        context: Context {
            message_id: id.to_owned(),
            unit: id.to_owned(),
            attempt: 1,
        },
    }
}

/// The outcome's word, and its remedy.
pub(crate) fn told(outcome: &Outcome) -> String {
    let (word, fault) = match outcome {
        Outcome::Applied(_) => return "applied".to_owned(),
        Outcome::AlreadyThere(_) => return "repeat".to_owned(),
        Outcome::Rejected(fault) => ("rejected", fault),
        Outcome::InDoubt(fault) => ("in doubt", fault),
        Outcome::NotTried(fault) => ("not tried", fault),
    };
    format!("{word}: {:?}", fault.remedy)
}

pub(crate) fn fault(outcome: &Outcome) -> &Fault {
    match outcome {
        Outcome::Rejected(fault) | Outcome::InDoubt(fault) | Outcome::NotTried(fault) => fault,
        _ => panic!("{outcome:?}"),
    }
}

async fn accept(listener: TcpListener, inner: Arc<Inner>) {
    while let Ok((stream, _)) = listener.accept().await {
        let inner = inner.clone();
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let service = service_fn(move |request| respond(inner.clone(), request));
            // An error is how `Close` closes.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn respond(inner: Arc<Inner>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Closed> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Closed)?.to_bytes();
    let asked = Asked {
        method: head.method.to_string(),
        target: head.uri.to_string(),
        headers: head.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
        at: Instant::now(),
    };
    let say = {
        let mut book = inner.book.lock().expect("no test panics while it holds the lock");
        book.asked.push(asked.clone());
        book.in_flight += 1;
        book.most_in_flight = book.most_in_flight.max(book.in_flight);
        let rule = book.rule.clone();
        book.next
            .pop_front()
            .or_else(|| rule.and_then(|rule| rule(&asked)))
    };
    inner.count.send_modify(|count| *count += 1);
    // So that requests which may be side by side are.
    tokio::task::yield_now().await;
    let answered = match say {
        None => Ok(Response::builder()
            .status(404)
            .body(Full::default())
            .expect("it is right")),
        Some(Say::Answer(status, headers, body)) => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            Ok(response.body(Full::new(Bytes::from(body))).expect("it is right"))
        }
        Some(Say::Close) => Err(Closed),
        Some(Say::Hang) => std::future::pending().await,
    };
    inner
        .book
        .lock()
        .expect("no test panics while it holds the lock")
        .in_flight -= 1;
    answered
}

/// Ends a connection.
#[derive(Debug)]
pub(crate) struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the test closes the connection")
    }
}

impl std::error::Error for Closed {}

/// A listener that answers every connection with these bytes, whatever it is asked, and closes it.
pub(crate) async fn blurt(bytes: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut buffer).await;
                let _ = stream.write_all(bytes).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    address
}
