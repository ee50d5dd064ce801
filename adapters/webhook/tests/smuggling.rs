//! Requests that a proxy and we could read differently, and heads and chunks that nobody means well by: each has one
//! answer, and what hides behind it is never taken for a request of its own.

mod sender;

use std::time::Duration;

use sender::{BODY, PATH, Peer, SECRET, headers, order};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use trunkline_webhook::{Limits, signature};

/// All that is answered on one connection to these bytes, behind which nothing more comes.
async fn answers(shop: &Peer, request: &[u8]) -> Vec<u16> {
    let mut stream = shop.connect().await;
    let (mut reading, mut writing) = stream.split();
    let write = async {
        let _ = writing.write_all(request).await;
        let _ = writing.shutdown().await;
    };
    let read = async {
        let mut bytes = Vec::new();
        // A connection that is reset has told what it had to.
        let _ = reading.read_to_end(&mut bytes).await;
        bytes
    };
    let (bytes, ()) = timeout(Duration::from_secs(30), async { tokio::join!(read, write) })
        .await
        .expect("it is answered or closed within 30 s");
    String::from_utf8_lossy(&bytes)
        .split("HTTP/1.1 ")
        .skip(1)
        .filter_map(|answer| answer.get(..3)?.parse().ok())
        .collect()
}

/// The headers of an order that keeps its connection.
fn kept(webhook_id: &str, body: &str) -> String {
    headers(webhook_id, &signature::shopify(SECRET, body.as_bytes())).replace("connection: close\r\n", "")
}

#[tokio::test]
async fn what_hides_behind_an_ambiguous_end_is_no_request() {
    // given: an order, rightly signed, that somebody wants to have read as a body by the proxy
    let shop = Peer::shop().await;
    let flow = shop.flow().await;
    let hidden = String::from_utf8(order("hidden")).expect("text");
    let right = kept("w-1", "");
    let long = hidden.len() + 5;
    for (framing, end, expected) in [
        // Both framings: the chunks count, and the connection ends.
        (
            format!("content-length: {long}\r\ntransfer-encoding: chunked\r\n"),
            "0\r\n\r\n",
            &[200][..],
        ),
        (
            format!("transfer-encoding: chunked\r\ncontent-length: {long}\r\n"),
            "0\r\n\r\n",
            &[200],
        ),
        // Not read as anything.
        ("transfer-encoding : chunked\r\n".into(), "0\r\n\r\n", &[400]),
        ("transfer-encoding: xchunked\r\n".into(), "0\r\n\r\n", &[400]),
        ("transfer-encoding: identity\r\n".into(), "", &[400]),
        (
            "transfer-encoding: chunked, identity\r\n".into(),
            "0\r\n\r\n",
            &[400],
        ),
        ("transfer-encoding:\x0bchunked\r\n".into(), "0\r\n\r\n", &[400]),
        ("content-length: 0\r\ncontent-length: 1\r\n".into(), "", &[400]),
        ("content-length: 0, 0\r\n".into(), "", &[400]),
        ("content-length: +0\r\n".into(), "", &[400]),
        ("content-length: 0x0\r\n".into(), "", &[400]),
        ("content-length: 0 0\r\n".into(), "", &[400]),
        ("content-length:\r\n".into(), "", &[400]),
        ("content-length: 99999999999999999999\r\n".into(), "", &[400]),
        ("x-folded: a\r\n b: c\r\ncontent-length: 0\r\n".into(), "", &[400]),
        ("x-cut: a\rb\r\ncontent-length: 0\r\n".into(), "", &[400]),
        ("x-nul: a\0b\r\ncontent-length: 0\r\n".into(), "", &[400]),
    ] {
        // when
        let request = format!("POST {PATH} HTTP/1.1\r\n{right}{framing}\r\n{end}{hidden}");
        let told = answers(&shop, request.as_bytes()).await;
        // then
        assert_eq!(told, expected, "{framing:?}");
    }
    let accepted = flow.desk.accepted();
    assert!(accepted.iter().all(|record| !record.id.contains("hidden")));
    assert_eq!(accepted.len(), 2);
}

#[tokio::test]
async fn chunks_that_are_none_are_400_and_take_neither_time_nor_memory() {
    // given
    let shop = Peer::shop().await;
    let flow = shop.flow().await;
    let right = kept("w-1", "x");
    let trailers: String = (0..20_000).map(|at| format!("x-{at}: y\r\n")).collect();
    for (what, chunks) in [
        ("no number", "z\r\nx\r\n0\r\n\r\n".to_owned()),
        ("negative", "-1\r\nx\r\n0\r\n\r\n".into()),
        (
            "larger than can be",
            "ffffffffffffffffff\r\nx\r\n0\r\n\r\n".into(),
        ),
        ("as large as can be", "fffffffffffffffe\r\nx".into()),
        ("no break behind it", "1\r\nxx0\r\n\r\n".into()),
        ("a break cut in two", "1\nx\r\n0\r\n\r\n".into()),
        (
            "an extension without end",
            format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(1 << 20)),
        ),
        ("trailers without end", format!("1\r\nx\r\n0\r\n{trailers}\r\n")),
        ("never the last", "1\r\nx\r\n".into()),
    ] {
        // when
        let request = format!("POST {PATH} HTTP/1.1\r\n{right}transfer-encoding: chunked\r\n\r\n{chunks}");
        let told = answers(&shop, request.as_bytes()).await;
        // then
        assert_eq!(told, [400], "{what}");
    }
    assert!(flow.desk.accepted().is_empty());
    // Trailers that are few are no part of anything, and an extension is none of ours.
    let few = format!(
        "POST {PATH} HTTP/1.1\r\n{right}transfer-encoding: chunked\r\n\r\n\
         1;a=b\r\nx\r\n0\r\nx-shopify-webhook-id: w-2\r\n\r\n"
    );
    assert_eq!(answers(&shop, few.as_bytes()).await, [200]);
    assert!(flow.desk.accepted()[0].id.contains("w-1"));
}

#[tokio::test]
async fn only_the_very_path_is_a_path() {
    let shop = Peer::shop().await;
    let flow = shop.flow().await;
    let right = kept("w-1", BODY);
    let rest = format!("{right}content-length: {}\r\n\r\n{BODY}", BODY.len());
    for (target, status) in [
        ("//orders/create", 404),
        ("/orders/create/", 404),
        ("/Orders/create", 404),
        ("/orders%2Fcreate", 404),
        ("/orders/./create", 404),
        ("/x/../orders/create", 404),
        ("/orders/create;a=b", 404),
        ("*", 404),
        ("", 400),
        ("/orders/create#x", 200),
        ("/orders/create?x", 200),
        ("http://elsewhere.example/orders/create", 200),
    ] {
        let told = answers(&shop, format!("POST {target} HTTP/1.1\r\n{rest}").as_bytes()).await;
        assert_eq!(told.first(), Some(&status), "{target}");
    }
    for (line, status) in [
        ("CONNECT shop.example:443 HTTP/1.1", 404),
        ("TRACE /orders/create HTTP/1.1", 405),
        ("post /orders/create HTTP/1.1", 405),
        ("OPTIONS /orders/create HTTP/1.1", 405),
        ("POST /orders/create HTTP/2.0", 400),
        ("POST /orders/create", 400),
        ("PRI * HTTP/2.0", 400),
        ("\x16\x03\x01\x02", 400),
    ] {
        let told = answers(&shop, format!("{line}\r\n{rest}").as_bytes()).await;
        assert_eq!(told.first(), Some(&status), "{line:?}");
    }
    assert_eq!(flow.desk.accepted().len(), 3);
}

#[tokio::test]
async fn a_hundred_who_say_nothing_do_not_keep_one_who_does_from_his_answer() {
    // given
    let limits = Limits {
        head: Duration::from_millis(500),
        slow_body: Duration::from_millis(500),
        ..Limits::default()
    };
    let shop = Peer::limited(limits).await;
    let flow = shop.flow().await;
    let request = order("w-1");
    let mut slow = Vec::new();
    for at in 0..100 {
        // Some have said nothing, some half a head, some half a body.
        let said = [0, 30, request.len() - 5][at % 3];
        let mut stream = shop.connect().await;
        stream.write_all(&request[..said]).await.expect("it listens");
        slow.push(stream);
    }
    // when, then
    assert_eq!(shop.send(order("w-2")).await.status, 200);
    for (at, mut stream) in slow.into_iter().enumerate() {
        let mut bytes = Vec::new();
        let ended = timeout(Duration::from_secs(30), stream.read_to_end(&mut bytes)).await;
        ended.expect("it is cut within 30 s").expect("in order");
        assert_eq!(bytes.starts_with(b"HTTP/1.1 408"), at % 3 == 2, "{at}");
    }
    assert_eq!(flow.desk.accepted().len(), 1);
}
