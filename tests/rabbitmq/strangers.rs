//! Messages that others put on our channels.

use bytes::Bytes;
use lapin::{
    BasicProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::AMQPValue,
};
use trunkline::{
    bus::{Bus, Cause, Delivery, Hop},
    message::Content,
    names::{FlowName, TypeName},
};
use trunkline_sdk::{Body, Remedy};

use crate::{
    scene::{
        ORDER, billing, drained, hop, opened, order, plain_client, receive, receive_one, settle, with_body,
    },
    support::services::Broker,
};

/// Published by a client that knows nothing of us but the interface.
async fn published(url: &str, messages: Vec<(BasicProperties, Vec<u8>)>) {
    let connection = plain_client(url).await;
    let channel = connection.create_channel().await.unwrap();
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await
        .unwrap();
    for (properties, body) in messages {
        let options = BasicPublishOptions {
            mandatory: true,
            immediate: false,
        };
        let publishing =
            channel.basic_publish("trunkline.orders".into(), "x".into(), options, &body, properties);
        let confirm = publishing.await.unwrap().await.unwrap();
        assert!(confirm.is_ack() && confirm.take_message().is_none());
    }
    connection.close(200, "done".into()).await.unwrap();
}

fn well_formed(id: &str) -> BasicProperties {
    BasicProperties::default()
        .with_content_type("application/protobuf".into())
        .with_type(ORDER.into())
        .with_message_id(id.into())
}

fn with_header(properties: BasicProperties, name: &str, value: AMQPValue) -> BasicProperties {
    let mut headers = properties.headers().clone().unwrap_or_default();
    headers.insert(name.into(), value);
    properties.with_headers(headers)
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

fn body_of(delivery: &Delivery) -> &Bytes {
    match &delivery.message.content {
        Content::Canonical { bytes, .. } | Content::Native(Body::Bytes { bytes, .. }) => bytes,
        Content::Native(Body::Value(_)) => panic!("a delivery holds bytes"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_client_takes_part_with_a_type_and_an_id() {
    // given
    let vhost = Broker::shared().fresh_vhost().await;
    let scene = opened(vhost.amqp()).await;
    let mut properties = well_formed("m-1")
        .with_app_id("legacy".into())
        .with_timestamp(1_764_075_600);
    for (name, value) in [
        ("cloudEvents_partitionkey", text("1001")),
        ("cloudEvents_subject", text("orders/create")),
        ("x-retries", AMQPValue::LongLongInt(7)),
        ("x-internal", AMQPValue::Boolean(true)),
    ] {
        properties = with_header(properties, name, value);
    }
    // when
    published(vhost.amqp(), vec![(properties, b"\x0a\x041001".to_vec())]).await;
    // then
    let mut subscription = scene.bus.subscribe(&billing(), 10).await.unwrap();
    let delivery = receive_one(&mut subscription).await;
    assert!(delivery.unreadable.is_none());
    let message = &delivery.message;
    assert_eq!((message.id.as_str(), &*message.source), ("m-1", "legacy"));
    assert_eq!(
        (message.key.as_deref(), message.subject.as_deref()),
        (Some("1001"), Some("orders/create"))
    );
    assert_eq!(message.time.as_second(), 1_764_075_600);
    let content = Content::Canonical {
        type_name: TypeName::new(ORDER),
        bytes: Bytes::from_static(b"\x0a\x041001"),
    };
    assert_eq!(message.content, content);
    settle(&*scene.bus, vec![delivery]).await;
    subscription.close().await;
    scene.bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_cannot_be_accepted_stops_nobody_and_is_parked_as_it_came() {
    // given
    let vhost = Broker::shared().fresh_vhost().await;
    let scene = opened(vhost.amqp()).await;
    let protobuf = |properties: BasicProperties| properties.with_content_type("application/protobuf".into());
    let broken = [
        (
            "no id",
            protobuf(BasicProperties::default()).with_type(ORDER.into()),
        ),
        (
            "no type",
            protobuf(BasicProperties::default()).with_message_id("m".into()),
        ),
        ("no form", well_formed("m").with_content_type("text/plain".into())),
        (
            "damaged",
            with_header(well_formed("m"), "trunkline_body_hash", text("blake3:0011")),
        ),
        (
            "oversized",
            with_header(well_formed("m"), "x-junk", text(&"x".repeat(100_000))),
        ),
        ("nothing", BasicProperties::default()),
    ];
    let count = broken.len();
    // when
    let messages = broken
        .into_iter()
        .map(|(why, properties)| (properties, why.as_bytes().to_vec()));
    published(vhost.amqp(), messages.collect()).await;
    // then
    let mut subscription = scene.bus.subscribe(&billing(), 10).await.unwrap();
    for delivery in receive(&mut subscription, count).await {
        let why = String::from_utf8_lossy(body_of(&delivery)).into_owned();
        let fault = delivery.unreadable.as_ref().filter(|_| why != "nothing");
        if why != "nothing" {
            assert_eq!(fault.expect(&why).remedy, Remedy::DeadLetter, "{why}");
        }
        let cause = Cause {
            what: why.clone(),
            hint: None,
            flow: FlowName::new("billing").unwrap(),
            step: "intake".to_owned(),
            at: "2026-11-25T13:00:01Z".parse().unwrap(),
        };
        scene
            .bus
            .complete(vec![Hop::park(delivery, cause)])
            .await
            .remove(0)
            .expect(&why);
    }
    let parked = scene.bus.parked(&billing(), 100).await.unwrap();
    let bodies: Vec<_> = parked
        .iter()
        .map(|parked| match &parked.message.content {
            Content::Native(Body::Bytes { bytes, .. }) | Content::Canonical { bytes, .. } => bytes.clone(),
            Content::Native(Body::Value(_)) => panic!("what is parked is bytes"),
        })
        .collect();
    assert_eq!(
        bodies,
        ["no id", "no type", "no form", "damaged", "oversized", "nothing"]
    );
    // then: and the next one is received
    published(vhost.amqp(), vec![(well_formed("after"), Vec::new())]).await;
    let delivery = receive_one(&mut subscription).await;
    assert_eq!(delivery.message.id.as_str(), "after");
    settle(&*scene.bus, vec![delivery]).await;
    subscription.close().await;
    drained(&*scene.bus).await;
    scene.bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_amqp_cannot_carry_is_refused_and_its_neighbours_are_not() {
    // given
    let vhost = Broker::shared().fresh_vhost().await;
    let scene = opened(vhost.amqp()).await;
    let mut long = order("long");
    long.reply_to = Some("x".repeat(256).into());
    let mut crowded = order("crowded");
    crowded.subject = Some("x".repeat(200_000).into());
    let hops = vec![
        hop("orders", with_body("huge", vec![0; (16 << 20) + 1])),
        hop("orders", with_body("large", vec![0; 16 << 20])),
        hop("orders", long),
        hop("orders", crowded),
        hop("orders", order("plain")),
    ];
    // when
    let results = scene.bus.complete(hops).await;
    // then
    let remedies: Vec<_> = results
        .iter()
        .map(|result| result.as_ref().err().map(|refused| refused.fault.remedy))
        .collect();
    let refused = Some(Remedy::DeadLetter);
    assert_eq!(remedies, [refused, None, refused, refused, None]);
    let mut subscription = scene.bus.subscribe(&billing(), 10).await.unwrap();
    let ids: Vec<_> = receive(&mut subscription, 2)
        .await
        .iter()
        .map(|delivery| (delivery.message.id.to_string(), body_of(delivery).len()))
        .collect();
    assert_eq!(ids, [("large".to_owned(), 16 << 20), ("plain".to_owned(), 4)]);
    subscription.close().await;
    scene.bus.close().await;
}
