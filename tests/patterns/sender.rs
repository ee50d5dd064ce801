//! A sender of webhooks, over real HTTP.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, client::conn::http1, http::request::Builder};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// What a sender hears.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
    pub(crate) retry_after: Option<String>,
}

/// Sends a record, once, as the event of this id.
pub(crate) async fn send(address: &str, event: &str, body: &str) -> Answer {
    let request = Request::post("/moves")
        .header("content-type", "application/json")
        .header("ce-id", event)
        .header("ce-source", "/till")
        .header("ce-type", "sale");
    ask(address, request, body).await
}

/// Sends a batch of CloudEvents, once.
pub(crate) async fn send_batch(address: &str, batch: &str) -> Answer {
    let request = Request::post("/moves").header("content-type", "application/cloudevents-batch+json");
    ask(address, request, batch).await
}

/// Whether a flow reads from the path yet: until then every method is answered 503.
pub(crate) async fn is_open(address: &str) -> bool {
    ask(address, Request::get("/moves"), "").await.status != 503
}

async fn ask(address: &str, request: Builder, body: &str) -> Answer {
    let stream = TcpStream::connect(address).await.expect("it listens");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .expect("it speaks HTTP");
    tokio::spawn(connection);
    let request = request
        .header("host", address)
        .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
        .expect("it is a request");
    let answer = sender.send_request(request).await.expect("it answers");
    let (head, body) = answer.into_parts();
    let body = body.collect().await.expect("it answers in full").to_bytes();
    let retry_after = head.headers.get("retry-after");
    Answer {
        status: head.status.as_u16(),
        text: String::from_utf8_lossy(&body).trim().to_owned(),
        retry_after: retry_after.map(|value| value.to_str().unwrap().to_owned()),
    }
}

/// 200, for this reason.
pub(crate) fn safe(text: &str) -> Answer {
    Answer {
        status: 200,
        text: text.to_owned(),
        retry_after: None,
    }
}
