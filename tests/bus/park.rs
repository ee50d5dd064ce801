//! What waits for a person.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};
use trunkline::{
    bus::{Bus, Destination, Hop, Outgoing, Parked, Subscription},
    message::{Content, Message},
    names::QueueName,
    recovery::Rung,
};
use trunkline_sdk::{Body, Remedy};

use crate::{
    scene::{
        PATIENCE, assert_empty, billing, cause, complete, from_source, inbound, opened, order, orders,
        publish, receive, receive_one, reopened, settle, stock, subscribe, take, to, with_body,
    },
    subject::Subject,
};

async fn parked(bus: &dyn Bus, queue: &QueueName) -> Vec<Parked> {
    bus.parked(queue, 100).await.expect("they can be read")
}

/// Waits until so many are counted: a broker counts what was looked at only when it has put it back.
async fn holds_parked(bus: &dyn Bus, count: u64) {
    let deadline = Instant::now() + PATIENCE;
    while bus.depth(&billing()).await.expect("it is there").parked != count {
        assert!(Instant::now() < deadline, "there are never {count}");
        sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) async fn a_parked_message_keeps_content_attributes_attempts_and_cause<S: Subject>() {
    // given
    let (_place, bus) = opened::<S>().await;
    let mut message = order("m");
    message.key = Some("1001".into());
    message.subject = Some("orders/create".into());
    publish(&*bus, "orders", [message.clone()]).await;
    let mut subscription = subscribe(&*bus, &billing(), 1).await;
    let first = receive_one(&mut subscription).await;
    complete(&*bus, Hop::retry(first, Rung::Second1, cause()))
        .await
        .expect("it waits");
    let second = receive_one(&mut subscription).await;
    // when
    complete(&*bus, Hop::park(second, cause()))
        .await
        .expect("it is parked");
    // then
    let found = parked(&*bus, &billing()).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].message, message);
    assert_eq!(found[0].attempt, 2);
    assert_eq!(found[0].cause, Some(cause()));
    subscription.close().await;
    bus.close().await;
}

pub(crate) async fn parked_messages_are_no_longer_delivered<S: Subject>() {
    // given
    let (place, bus) = opened::<S>().await;
    publish(&*bus, "orders", orders("m", 3)).await;
    let mut subscription = subscribe(&*bus, &billing(), 3).await;
    // when
    for delivery in receive(&mut subscription, 3).await {
        complete(&*bus, Hop::park(delivery, cause()))
            .await
            .expect("it is parked");
    }
    subscription.close().await;
    // then
    assert_empty(&*bus, "orders", &billing()).await;
    let bus = reopened(&place, bus).await;
    assert_empty(&*bus, "orders", &billing()).await;
    bus.close().await;
}

pub(crate) async fn parked_messages_are_listed_oldest_first_and_outlive_reopening<S: Subject>() {
    // given
    let (place, bus) = opened::<S>().await;
    publish(&*bus, "orders", orders("m", 5)).await;
    let mut subscription = subscribe(&*bus, &billing(), 5).await;
    let mut in_order = Vec::new();
    for delivery in receive(&mut subscription, 5).await {
        in_order.push(delivery.message.clone());
        complete(&*bus, Hop::park(delivery, cause()))
            .await
            .expect("it is parked");
    }
    subscription.close().await;
    // when
    let bus = reopened(&place, bus).await;
    // then: reading them takes nothing away
    for _ in 0..2 {
        let found: Vec<_> = parked(&*bus, &billing())
            .await
            .into_iter()
            .map(|parked| parked.message)
            .collect();
        assert_eq!(found, in_order);
    }
    let oldest = bus.parked(&billing(), 2).await.expect("they can be read");
    assert_eq!(oldest.len(), 2);
    assert_eq!(oldest[1].message, in_order[1]);
    holds_parked(&*bus, 5).await;
    bus.close().await;
}

pub(crate) async fn a_source_parks_what_it_cannot_map<S: Subject>() {
    // given: a record that never became a message
    let (_place, bus) = opened::<S>().await;
    let mut record = order("raw");
    record.content = Content::Native(Body::Bytes {
        content_type: "application/json".to_owned(),
        bytes: Bytes::from_static(b"{\"id\": 17"),
    });
    let to = Destination::Parked {
        queue: inbound(),
        attempt: 1,
        order: None,
        cause: cause(),
    };
    // when
    let output = Outgoing {
        to,
        message: record.clone(),
    };
    complete(&*bus, from_source(vec![output]))
        .await
        .expect("it is parked");
    // then
    let found = parked(&*bus, &inbound()).await;
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0].message, found[0].attempt), (&record, 1));
    assert_eq!(found[0].cause, Some(cause()));
    bus.close().await;
}

pub(crate) async fn what_no_bus_carries_is_refused_and_parked_without_what_is_too_much<S: Subject>() {
    // given: more of attributes than any bus carries
    let (_place, bus) = opened::<S>().await;
    let mut message = with_body("m", vec![7; 100_000]);
    message.key = Some("1001".into());
    message.subject = Some("s".repeat(60_000).into());
    message.reply_to = Some("r".repeat(256).into());
    message.facts = [("header".to_owned(), "f".repeat(40_000))].into();
    // when
    let refused = complete(&*bus, from_source(vec![to("orders", message.clone())]))
        .await
        .expect_err("no bus carries it");
    // then
    assert_eq!(refused.fault.remedy, Remedy::DeadLetter);
    // when
    let mut cause = cause();
    cause.hint = Some("h".repeat(60_000));
    let park = Outgoing {
        to: Destination::Parked {
            queue: inbound(),
            attempt: 2,
            order: None,
            cause,
        },
        message: message.clone(),
    };
    complete(&*bus, from_source(vec![park]))
        .await
        .expect("what is parked is always taken");
    // then
    let found = parked(&*bus, &inbound()).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].message.content, message.content);
    assert_eq!(
        (&found[0].message.id, &found[0].message.key),
        (&message.id, &message.key)
    );
    let told = &found[0].cause.as_ref().expect("it says why").what;
    for part in [
        "changed 0 rows, expected 1",
        "`cloudEvents_subject` (60000 bytes)",
        "`reply_to` (256 bytes)",
        "`trunkline_record_attributes`",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    bus.close().await;
}

/// Parks these of the queue `orders.billing`, in their order.
async fn park_all(bus: &dyn Bus, messages: Vec<Message>) {
    let count = messages.len();
    publish(bus, "orders", messages).await;
    let mut subscription = subscribe(bus, &billing(), 100).await;
    for delivery in receive(&mut subscription, count).await {
        complete(bus, Hop::park(delivery, cause()))
            .await
            .expect("it is parked");
    }
    subscription.close().await;
}

async fn subscribe_parked(bus: &dyn Bus, prefetch: u16) -> Subscription {
    bus.subscribe_parked(&billing(), prefetch)
        .await
        .expect("the queue is there")
}

pub(crate) async fn a_replayed_message_comes_to_its_own_queue_as_a_first_attempt<S: Subject>() {
    // given
    let (place, bus) = opened::<S>().await;
    publish(&*bus, "orders", [order("m")]).await;
    let mut subscription = subscribe(&*bus, &billing(), 1).await;
    let first = receive_one(&mut subscription).await;
    complete(&*bus, Hop::retry(first, Rung::Second1, cause()))
        .await
        .expect("it waits");
    let second = receive_one(&mut subscription).await;
    complete(&*bus, Hop::park(second, cause()))
        .await
        .expect("it is parked");
    // when
    let mut dead = subscribe_parked(&*bus, 10).await;
    let delivery = receive_one(&mut dead).await;
    assert_eq!((delivery.queue(), delivery.attempt), (&billing(), 2));
    assert_eq!(delivery.cause, Some(cause()));
    complete(&*bus, Hop::replay(delivery))
        .await
        .expect("it is replayed");
    dead.close().await;
    // then
    let again = receive_one(&mut subscription).await;
    assert_eq!((&again.message, again.attempt), (&order("m"), 1));
    assert_eq!(again.cause, None);
    settle(&*bus, vec![again]).await;
    subscription.close().await;
    assert_eq!(take(&*bus, &stock(), 1).await, [order("m")]);
    assert_empty(&*bus, "orders", &stock()).await;
    let bus = reopened(&place, bus).await;
    assert!(parked(&*bus, &billing()).await.is_empty());
    bus.close().await;
}

pub(crate) async fn a_discarded_message_is_gone_for_good<S: Subject>() {
    // given
    let (place, bus) = opened::<S>().await;
    park_all(&*bus, orders("m", 3)).await;
    // when
    let mut dead = subscribe_parked(&*bus, 10).await;
    let discarded = receive_one(&mut dead).await;
    assert_eq!(discarded.message, order("m-0"));
    settle(&*bus, vec![discarded]).await;
    dead.close().await;
    // then
    let bus = reopened(&place, bus).await;
    let left: Vec<_> = parked(&*bus, &billing())
        .await
        .into_iter()
        .map(|parked| parked.message)
        .collect();
    assert_eq!(left, [order("m-1"), order("m-2")]);
    bus.close().await;
}

pub(crate) async fn a_parked_message_that_is_dropped_stays_parked<S: Subject>() {
    // given
    let (place, bus) = opened::<S>().await;
    park_all(&*bus, orders("m", 3)).await;
    // when: one is dropped, one is held when the subscription ends
    let mut dead = subscribe_parked(&*bus, 1).await;
    drop(receive_one(&mut dead).await);
    let held = receive_one(&mut dead).await;
    dead.close().await;
    // then: nobody can settle it any more
    let refused = complete(&*bus, Hop::replay(held))
        .await
        .expect_err("it went back");
    drop(refused);
    let bus = reopened(&place, bus).await;
    assert_eq!(parked(&*bus, &billing()).await.len(), 3);
    assert_empty(&*bus, "orders", &billing()).await;
    bus.close().await;
}

pub(crate) async fn parked_messages_are_given_out_oldest_first_and_later_ones_too<S: Subject>() {
    // given
    let (_place, bus) = opened::<S>().await;
    park_all(&*bus, orders("m", 20)).await;
    // when
    let mut dead = subscribe_parked(&*bus, 5).await;
    let mut seen = Vec::new();
    while seen.len() < 20 {
        let received = receive(&mut dead, 5).await;
        seen.extend(received.iter().map(|delivery| delivery.message.clone()));
        settle(&*bus, received).await;
    }
    // then
    assert_eq!(seen, orders("m", 20));
    // when
    park_all(&*bus, vec![order("later")]).await;
    // then
    let later = receive_one(&mut dead).await;
    assert_eq!(later.message, order("later"));
    settle(&*bus, vec![later]).await;
    dead.close().await;
    bus.close().await;
}
