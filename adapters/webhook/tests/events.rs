//! Several events in one request, none at all, and the same one twice at once.

mod sender;

use std::fmt::Write;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, KeyInit, Mac};
use sender::{Peer, Reply, order, post, read, settings, settings_with};
use sha2::Sha256;
use tokio::io::AsyncWriteExt;
use trunkline_sdk::{Body, Settings};
use trunkline_webhook::Limits;

const KEY: &str = "a verifier token";

/// A system of one of the senders that sign the body in base64, and its flow.
async fn open(word: &str) -> (Peer, sender::Flow) {
    let peer = Peer::open(&settings(&[], word, &[KEY]), Limits::default()).await;
    let flow = peer.flow_on("/in").await;
    (peer, flow)
}

async fn send(peer: &Peer, header: &str, key: &str, body: &str) -> Reply {
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("any key");
    let signature = BASE64.encode(mac.chain_update(body).finalize().into_bytes());
    peer.send(post(
        "/in",
        &format!("host: a\r\n{header}: {signature}\r\n"),
        body,
    ))
    .await
}

fn list(events: std::ops::Range<usize>) -> String {
    let mut list = String::from("[");
    for at in events {
        let comma = if list.len() > 1 { "," } else { "" };
        let _ = write!(
            list,
            r#"{comma}{{"source":"intuit","id":"{at}","type":"qbo.invoice.created.v1"}}"#
        );
    }
    list + "]"
}

#[tokio::test]
async fn each_event_of_a_body_is_a_record_and_200_says_that_all_are_safe() {
    // given
    let (peer, flow) = open("quickbooks").await;
    flow.desk.park(|record| record.id.ends_with('7'));
    // when
    let reply = send(&peer, "intuit-signature", KEY, &list(0..100)).await;
    // then
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (200, "published 90, parked 10\n")
    );
    let accepted = flow.desk.accepted();
    assert_eq!(accepted.len(), 100);
    let Body::Bytes { bytes, .. } = &accepted[17].body else {
        panic!("a body is bytes");
    };
    assert_eq!(
        &bytes[..],
        br#"{"source":"intuit","id":"17","type":"qbo.invoice.created.v1"}"#
    );
}

#[tokio::test]
async fn when_one_of_them_is_not_confirmed_all_come_again_under_their_ids() {
    // given a bus that goes away in the middle
    let (peer, flow) = open("quickbooks").await;
    flow.desk.close_after(4);
    // when
    let first = send(&peer, "intuit-signature", KEY, &list(0..10)).await;
    flow.desk.open();
    let second = send(&peer, "intuit-signature", KEY, &list(0..10)).await;
    // then
    assert_eq!((first.status, first.header("retry-after")), (503, Some("1")));
    assert_eq!(second.status, 200);
    let ids: Vec<_> = flow.desk.accepted().into_iter().map(|record| record.id).collect();
    assert_eq!(ids.len(), 14);
    assert_eq!(ids[..4], ids[4..8]);
}

#[tokio::test]
async fn too_many_events_are_413_and_cost_no_more_than_their_bytes() {
    // given the most events that fit
    let settings = settings(&[("max_body", "2MiB")], "quickbooks", &[KEY]);
    let peer = Peer::open(&settings, Limits::default()).await;
    let flow = peer.flow_on("/in").await;
    let many = format!("[{}0]", "0,".repeat((1 << 20) - 2));
    // when, then
    let reply = send(&peer, "intuit-signature", KEY, &many).await;
    assert_eq!(reply.status, 413, "{}", reply.body);
    // Nested as deep as may be it is no event of ours, and one record.
    let deep = format!("[{}", "[".repeat((2 << 20) - 1));
    let reply = send(&peer, "intuit-signature", KEY, &deep).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "published\n"));
    let deep = format!("{}{}", "[".repeat(1 << 20), "]".repeat(1 << 20));
    let reply = send(&peer, "intuit-signature", KEY, &deep).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(flow.desk.accepted().len(), 2);
}

#[tokio::test]
async fn xero_is_told_200_for_right_and_401_for_wrong_and_nothing_else() {
    // given
    let (peer, flow) = open("xero").await;
    let probe = r#"{"events":[],"firstEventSequence":0,"lastEventSequence":0,"entropy":"S0m3"}"#;
    for (key, body, status) in [
        (KEY, probe, 200),
        ("another", probe, 401),
        (KEY, "", 200),
        ("another", "", 401),
    ] {
        // when
        let reply = send(&peer, "x-xero-signature", key, body).await;
        // then
        assert_eq!(reply.status, status);
        assert_eq!(reply.body.is_empty(), status == 200);
        assert_eq!(reply.header("set-cookie"), None);
    }
    assert!(flow.desk.accepted().is_empty());
    let event = r#"{"events":[{"tenantId":"t","resourceId":"r","eventType":"UPDATE","eventDateUtc":"2026-11-25T10:00:00"}]}"#;
    let reply = send(&peer, "x-xero-signature", KEY, event).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, ""));
    assert_eq!(flow.desk.accepted()[0].id, "t r UPDATE 2026-11-25T10:00:00");
}

#[tokio::test]
async fn the_same_delivery_twice_at_once_is_twice_the_same_id() {
    // given: both are on their way to the bus at the same time
    let shop = Peer::shop().await;
    let flow = shop.flow().await;
    flow.desk.close();
    let (mut one, mut other) = (shop.connect().await, shop.connect().await);
    for stream in [&mut one, &mut other] {
        stream.write_all(&order("w-1")).await.expect("it listens");
    }
    flow.waits(2).await;
    // when
    flow.desk.open();
    // then: which of them acts is the idempotent receiver's to know, by the id
    assert_eq!(
        (read(&mut one).await.status, read(&mut other).await.status),
        (200, 200)
    );
    let ids: Vec<_> = flow.desk.accepted().into_iter().map(|record| record.id).collect();
    assert_eq!(ids, ["acme.myshopify.com w-1 orders/create"; 2]);
}

#[tokio::test]
async fn cloud_events_come_one_by_one_or_in_batches_or_not_at_all() {
    // given
    let none = Settings::of([("none", "true")]);
    let peer = Peer::open(&settings_with(&[], none), Limits::default()).await;
    let flow = peer.flow_on("/in").await;
    let event =
        |id: &str| format!(r#"{{"specversion":"1.0","id":"{id}","source":"s","type":"t","data":{{"n":1}}}}"#);
    let one = "content-type: application/cloudevents+json; charset=utf-8\r\n";
    let batch = "content-type: application/cloudevents-batch+json\r\n";
    // when, then
    assert_eq!(peer.send(post("/in", one, event("1"))).await.status, 200);
    let two = format!("[{},{}]", event("2"), event("3"));
    let reply = peer.send(post("/in", batch, two)).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "published 2\n"));
    let broken = format!("[{},{{\"id\":\"5\"}}]", event("4"));
    let reply = peer.send(post("/in", batch, broken)).await;
    assert_eq!(reply.status, 400);
    assert!(
        reply.body.contains("CloudEvent 2: attribute `source`"),
        "{}",
        reply.body
    );
    let reply = peer.send(post("/in", batch, event("6"))).await;
    assert_eq!(reply.status, 400);
    let ids: Vec<_> = flow.desk.accepted().into_iter().map(|record| record.id).collect();
    assert_eq!(ids, ["s 1", "s 2", "s 3"]);
}

#[tokio::test]
async fn a_sender_of_cloud_events_may_ask_whether_they_are_wanted() {
    // given
    let asks = |path: &str| {
        format!("OPTIONS {path} HTTP/1.1\r\nhost: a\r\nwebhook-request-origin: eventgrid.example\r\n\r\n")
    };
    let peer = Peer::open(&settings(&[], "bearer", &["a-token"]), Limits::default()).await;
    let flow = peer.flow_on("/in").await;
    // when
    let reply = peer.send(asks("/in")).await;
    // then
    assert_eq!((reply.status, reply.body.as_str()), (200, ""));
    assert_eq!(reply.header("webhook-allowed-origin"), Some("eventgrid.example"));
    assert_eq!(reply.header("webhook-allowed-rate"), Some("*"));
    assert_eq!(peer.send(asks("/elsewhere")).await.status, 404);
    assert_eq!(
        peer.send("OPTIONS /in HTTP/1.1\r\nhost: a\r\n\r\n").await.status,
        405
    );
    // What is sent must be proven all the same, and who sends no CloudEvents is not asked.
    assert_eq!(
        peer.send(post("/in", "authorization: Bearer x\r\n", "{}"))
            .await
            .status,
        401
    );
    assert!(flow.desk.accepted().is_empty());
    let (peer, _flow) = open("quickbooks").await;
    assert_eq!(peer.send(asks("/in")).await.status, 405);
}
