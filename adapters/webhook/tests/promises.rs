//! What the webhook source promises, over real HTTP: 200 means that it is on the bus; nothing unproven gets
//! there; a delivery that is sent again has the same id; stopping and closing answer what is in flight.

mod sender;

use std::{
    io::ErrorKind,
    path::Path,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, KeyInit, Mac};
use sender::{BODY, PATH, Peer, SECRET, headers, order, order_to, post, read, settings};
use sha2::Sha256;
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};
use trunkline_sdk::{Adapter, Body, Options, Remedy};
use trunkline_webhook::{Limits, Webhook, signature};

/// `openssl dgst -sha256 -hmac canary-secret-of-the-shop -binary | base64` of [`BODY`].
const BY_OPENSSL: &str = "5MaTdQc/81+FueJh4YnqImMYnFDAj9+RyvgblC9brDI=";

#[tokio::test]
async fn a_signed_order_is_on_the_bus_unchanged() {
    // given
    let shop = Peer::shop().await;
    let flow = shop.flow().await;
    // when
    let reply = shop
        .send(post(
            "/orders/create?shop=acme",
            &headers("w-1", BY_OPENSSL),
            BODY,
        ))
        .await;
    // then
    assert_eq!((reply.status, reply.body.as_str()), (200, "published\n"));
    let [record] = &flow.desk.accepted()[..] else {
        panic!("one request is one record");
    };
    assert_eq!(record.id, "acme.myshopify.com w-1 orders/create");
    assert_eq!(record.subject.as_deref(), Some("orders/create"));
    assert!(
        record
            .attributes
            .contains(&("api_version".into(), "2026-10".into()))
    );
    assert_eq!(record.position, None);
    let Body::Bytes { content_type, bytes } = &record.body else {
        panic!("a body is bytes");
    };
    assert_eq!(
        (content_type.as_str(), &bytes[..]),
        ("application/json", BODY.as_bytes())
    );
}

#[tokio::test]
async fn one_bit_flipped_in_body_or_signature_is_401_and_nothing_moves() {
    // given
    let shop = Peer::shop().await;
    let flow = shop.flow().await;
    let right = headers("w-1", BY_OPENSSL);
    // when, then
    for at in (0..BODY.len()).step_by(7) {
        let mut body = BODY.as_bytes().to_vec();
        body[at] ^= 1;
        let reply = shop.send(post(PATH, &right, body)).await;
        assert_eq!(reply.status, 401, "byte {at}");
        assert!(!reply.body.contains(SECRET) && !reply.body.contains(BY_OPENSSL));
    }
    for at in (0..BY_OPENSSL.len() - 1).step_by(5) {
        let mut signature = BY_OPENSSL.to_owned().into_bytes();
        signature[at] ^= 1;
        let signature = String::from_utf8(signature).expect("ASCII");
        let reply = shop.send(post(PATH, &headers("w-1", &signature), BODY)).await;
        assert_eq!(reply.status, 401, "{signature}");
    }
    assert!(flow.desk.accepted().is_empty());
    assert_eq!(shop.send(post(PATH, &right, BODY)).await.status, 200);
}

#[tokio::test]
async fn either_of_two_secrets_proves_a_request() {
    // given: the new secret first, senders still sign with the old one
    let settings = settings(&[], "shopify", &["the new one", SECRET]);
    let shop = Peer::open(&settings, Limits::default()).await;
    let flow = shop.flow().await;
    // then
    for (secret, status) in [("the new one", 200), (SECRET, 200), ("another", 401)] {
        let signed = signature::shopify(secret, BODY.as_bytes());
        let reply = shop.send(post(PATH, &headers(secret, &signed), BODY)).await;
        assert_eq!(reply.status, status);
    }
    assert_eq!(flow.desk.accepted().len(), 2);
}

#[tokio::test]
async fn a_standard_webhook_is_proven_by_id_time_and_body() {
    // given
    let key = b"24 bytes of a secret key";
    let settings = settings(
        &[],
        "standard",
        &[&format!("whsec_{}", BASE64.encode(key)), "raw secret"],
    );
    let peer = Peer::open(&settings, Limits::default()).await;
    let flow = peer.flow_on("/hooks").await;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    let request = |key: &[u8], id: &str, signed_at: u64, told: u64| {
        let mac = Hmac::<Sha256>::new_from_slice(key).expect("any key");
        let mac = mac.chain_update(format!("{id}.{signed_at}.{BODY}")).finalize();
        let headers = format!(
            "host: a\r\nwebhook-id: {id}\r\nwebhook-timestamp: {told}\r\nwebhook-signature: v1,AAAA v1,{}\r\n",
            BASE64.encode(mac.into_bytes())
        );
        post("/hooks", &headers, BODY)
    };
    // then
    assert_eq!(peer.send(request(key, "m-1", now, now)).await.status, 200);
    assert_eq!(
        peer.send(request(b"raw secret", "m-2", now, now)).await.status,
        200
    );
    assert_eq!(peer.send(request(key, "m-3", now - 600, now)).await.status, 401);
    assert_eq!(
        peer.send(request(key, "m-4", now - 600, now - 600)).await.status,
        401
    );
    let ids: Vec<_> = flow.desk.accepted().into_iter().map(|record| record.id).collect();
    assert_eq!(ids, ["m-1", "m-2"]);
}

#[tokio::test]
async fn the_answer_comes_only_after_the_confirm() {
    // given: a bus that takes its time
    let shop = Peer::shop().await;
    let flow = shop.flow().await;
    flow.desk.close();
    let mut waiting = shop.connect().await;
    // when
    waiting.write_all(&order("w-1")).await.expect("it listens");
    flow.waits(1).await;
    // then: others are answered meanwhile, this one is not
    for _ in 0..3 {
        assert_eq!(shop.send(order_to("/nowhere", "w-1")).await.status, 404);
    }
    let mut buffer = [0; 1];
    let early = waiting
        .try_read(&mut buffer)
        .expect_err("no answer without a receipt");
    assert_eq!(early.kind(), ErrorKind::WouldBlock);
    assert!(flow.desk.accepted().is_empty());
    // when the bus confirms
    flow.desk.open();
    // then
    assert_eq!(read(&mut waiting).await.status, 200);
    assert_eq!(flow.desk.accepted().len(), 1);
}

#[tokio::test]
async fn with_the_bus_away_the_sender_is_told_to_come_again_within_4s() {
    // given
    let shop = Peer::shop().await;
    let flow = shop.flow().await;
    flow.desk.close();
    // when
    let begun = Instant::now();
    let reply = shop.send(order("w-1")).await;
    // then
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
    assert!(flow.desk.accepted().is_empty());
    // when the bus is back and the sender tries again, twice
    flow.desk.open();
    assert_eq!(shop.send(order("w-1")).await.status, 200);
    assert_eq!(shop.send(order("w-1")).await.status, 200);
    // then the two are one delivery
    let accepted = flow.desk.accepted();
    assert_eq!(accepted.len(), 2);
    assert_eq!(accepted[0].id, accepted[1].id);
}

#[tokio::test]
async fn what_cannot_be_mapped_is_safe_too_and_answered_200() {
    let shop = Peer::shop().await;
    let flow = shop.flow().await;
    flow.desk.park(|_| true);
    let reply = shop.send(order("w-1")).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "parked\n"));
}

#[tokio::test]
async fn each_path_of_a_system_is_a_source_of_its_own() {
    // given
    let shop = Peer::shop().await;
    let orders = shop.flow().await;
    let refunds = shop.flow_on("/refunds/create").await;
    // when
    assert_eq!(shop.send(order("w-1")).await.status, 200);
    assert_eq!(shop.send(order_to("/refunds/create", "w-2")).await.status, 200);
    assert_eq!(shop.send(order_to("/refunds", "w-3")).await.status, 404);
    // then
    assert_eq!(orders.desk.accepted().len(), 1);
    assert_eq!(
        refunds.desk.accepted()[0].id,
        "acme.myshopify.com w-2 orders/create"
    );
}

#[tokio::test]
async fn a_path_has_one_flow() {
    // given
    let shop = Peer::shop().await;
    let first = shop.flow().await;
    // when
    let second = shop.flow().await.run.await.expect("it does not panic");
    // then
    assert_eq!(second.expect_err("the path is taken").remedy, Remedy::Stop);
    assert_eq!(shop.send(order("w-1")).await.status, 200);
    assert_eq!(first.desk.accepted().len(), 1);
}

#[tokio::test]
async fn stopping_answers_what_is_in_flight_and_takes_nothing_new() {
    // given: two flows, and a request on its way to the bus in one of them
    let shop = Peer::shop().await;
    let orders = shop.flow().await;
    let refunds = shop.flow_on("/refunds/create").await;
    orders.desk.close();
    let mut waiting = shop.connect().await;
    waiting.write_all(&order("w-1")).await.expect("it listens");
    orders.waits(1).await;
    // when
    orders.desk.stop();
    // then: a new request is refused from the moment the stop is seen …
    let refused = shop.send_until(503, order("w-2")).await;
    assert!(refused.body.contains("stopped"), "{}", refused.body);
    assert_eq!(
        (refused.header("retry-after"), refused.header("connection")),
        (Some("5"), Some("close"))
    );
    assert!(
        !orders.run.is_finished(),
        "it waits for the request that is in flight"
    );
    // … the one in flight has its answer, and then the source is done
    let desk = orders.desk.clone();
    desk.open();
    assert_eq!(read(&mut waiting).await.status, 200);
    orders.stop().await;
    assert_eq!(desk.accepted().len(), 1);
    // and the other flow is as it was
    assert_eq!(shop.send(order_to("/refunds/create", "w-3")).await.status, 200);
    assert_eq!(refunds.desk.accepted().len(), 1);
    // when the flow is resumed
    let resumed = shop.flow().await;
    assert_eq!(shop.send(order("w-2")).await.status, 200);
    assert_eq!(resumed.desk.accepted().len(), 1);
}

#[tokio::test]
async fn a_source_that_was_cut_off_shuts_its_path_and_can_be_opened_again() {
    // given
    let shop = Peer::shop().await;
    let flow = shop.flow().await;
    // when
    flow.run.abort();
    assert!(flow.run.await.is_err_and(|error| error.is_cancelled()));
    // then
    assert_eq!(shop.send(order("w-1")).await.status, 503);
    let again = shop.flow().await;
    assert_eq!(shop.send(order("w-1")).await.status, 200);
    assert_eq!(again.desk.accepted().len(), 1);
}

#[tokio::test]
async fn closing_gives_the_address_back_when_all_are_answered() {
    // given: a request in flight, and a connection that says nothing
    let shop = Peer::shop().await;
    let flow = shop.flow().await;
    let mut idle = shop.connect().await;
    flow.desk.close();
    let mut waiting = shop.connect().await;
    waiting.write_all(&order("w-1")).await.expect("it listens");
    flow.waits(1).await;
    // when
    let Peer { system, address } = shop;
    let closing = tokio::spawn(async move { system.close().await });
    let refused = async { while TcpStream::connect(address).await.is_ok() {} };
    timeout(Duration::from_secs(30), refused)
        .await
        .expect("it stops listening");
    // then
    flow.desk.open();
    assert_eq!(read(&mut waiting).await.status, 200);
    assert_eq!(read(&mut idle).await.status, 0);
    timeout(Duration::from_secs(30), closing)
        .await
        .expect("it closes")
        .expect("it does not panic");
    flow.stop().await;
    let listen = address.to_string();
    let again = settings(&[("listen", listen.as_str())], "shopify", &[SECRET]);
    Peer::open(&again, Limits::default()).await;
}

#[tokio::test]
async fn an_address_that_is_taken_stops_and_says_which() {
    // given
    let shop = Peer::shop().await;
    let listen = shop.address.to_string();
    let taken = settings(&[("listen", listen.as_str())], "shopify", &[SECRET]);
    // when
    let fault = Webhook::default()
        .open(&taken, Path::new("."))
        .await
        .err()
        .expect("it is taken");
    // then
    assert_eq!(fault.remedy, Remedy::Stop);
    assert!(fault.what.contains(&listen));
}

#[tokio::test]
async fn what_is_declared_is_what_is_read() {
    // given
    let described = Webhook::default().describe();
    let settings = settings(&[("max_body", "16MiB"), ("patience", "1s")], "shopify", &[SECRET]);
    // then
    assert!(Options::read(described.system, &settings).is_ok());
    assert!(described.sink.is_none() && described.source.is_some());
    let shop = Peer::open(&settings, Limits::default()).await;
    let fault = shop
        .system
        .sink("flow", &settings)
        .await
        .err()
        .expect("there is no sink");
    assert_eq!(fault.remedy, Remedy::Stop);
    let report = shop.system.test().await.expect("it listens");
    assert!(report.contains("verify: shopify (1 secret)"), "{report}");
}
