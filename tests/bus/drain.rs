//! Everything moves from one bus to another, as it is.

use std::{
    collections::BTreeSet,
    process::{Command, Stdio},
};

use bytes::Bytes;
use trunkline::{
    bus::{Bus, Destination, Drained, Hop, Outgoing, StateKey, drain, holds},
    names::SystemName,
    recovery::Rung,
};

use crate::{
    rabbit::Rabbit,
    scene::{
        all_in, billing, cause, complete, flow, from_source, ids, inbound, landscape, log, opened, order,
        orders, publish, receive, receive_one, set, settle, stock, subscribe, take,
    },
    subject::{Embedded, Subject},
};

const FROM: &str = "TRUNKLINE_BUS_SUITE_FROM";
const TO: &str = "TRUNKLINE_BUS_SUITE_TO";
/// After so many messages the child dies.
const DEATH: u64 = 700;

#[tokio::test]
async fn all_moves_from_the_embedded_bus_to_rabbitmq_and_back_as_it_was() {
    let (_here, embedded) = opened::<Embedded>().await;
    let (_there, rabbit) = opened::<Rabbit>().await;
    fill(&*embedded).await;
    all_moves(&*embedded, &*rabbit).await;
    all_moves(&*rabbit, &*embedded).await;
    // then
    assert_eq!(take(&*embedded, &log(), 3).await, orders("in-order", 3));
    assert_eq!(ids(&take(&*embedded, &stock(), 2).await), set(["a", "b"]));
    let mut subscription = subscribe(&*embedded, &billing(), 2).await;
    let received = receive(&mut subscription, 1).await;
    assert_eq!((&received[0].message, received[0].attempt), (&order("a"), 3));
    assert_eq!(received[0].cause, Some(cause()));
    settle(&*embedded, received).await;
    subscription.close().await;
    embedded.close().await;
    rabbit.close().await;
}

/// `b` is parked, `a` was tried twice and waits for an hour, a record is parked, a position is stored.
async fn fill(bus: &dyn Bus) {
    publish(bus, "orders", [order("a"), order("b")]).await;
    publish(bus, "audit", orders("in-order", 3)).await;
    let mut subscription = subscribe(bus, &billing(), 2).await;
    for delivery in receive(&mut subscription, 2).await {
        let hop = match delivery.message.id.as_str() {
            "a" => Hop::retry(delivery, Rung::Second1, cause()),
            _ => Hop::park(delivery, cause()),
        };
        complete(bus, hop).await.expect("it is done");
    }
    let again = receive_one(&mut subscription).await;
    complete(bus, Hop::retry(again, Rung::Hour1, cause()))
        .await
        .expect("it waits");
    subscription.close().await;
    let to = Destination::Parked {
        queue: inbound(),
        attempt: 1,
        order: None,
        cause: cause(),
    };
    let mut hop = from_source(vec![Outgoing {
        to,
        message: order("record"),
    }]);
    hop.state = Some((position(), Bytes::from_static(b"17")));
    complete(bus, hop).await.expect("it is parked");
}

async fn all_moves(from: &dyn Bus, to: &dyn Bus) {
    // when
    let mut heard = 0;
    let drained = drain(from, to, &landscape(), &[position()], |moved| heard += moved)
        .await
        .expect("both are there");
    // then
    assert_eq!(drained.messages, 6);
    assert_eq!((drained.parked, drained.positions, heard), (2, 1, 8));
    assert_eq!(holds(from, &landscape()).await.expect("it can be counted"), 0);
    for (queue, id) in [(billing(), "b"), (inbound(), "record")] {
        let parked = to.parked(&queue, 10).await.expect("they can be read");
        assert_eq!(parked.len(), 1, "`{queue}`");
        assert_eq!((&parked[0].message, parked[0].attempt), (&order(id), 1));
        assert_eq!(parked[0].cause, Some(cause()));
    }
    let stored = to.state(&position()).await.expect("it can be read");
    assert_eq!(stored, Some(Bytes::from_static(b"17")));
}

fn position() -> StateKey {
    StateKey::position(&SystemName::new("shop").unwrap(), &flow("orders-in"))
}

#[tokio::test]
async fn a_drain_to_rabbitmq_killed_in_the_middle_is_run_again_and_loses_nothing() {
    loses_nothing::<Embedded, Rabbit>("to_rabbitmq").await;
}

#[tokio::test]
async fn a_drain_from_rabbitmq_killed_in_the_middle_is_run_again_and_loses_nothing() {
    loses_nothing::<Rabbit, Embedded>("from_rabbitmq").await;
}

async fn loses_nothing<F: Subject, T: Subject>(child: &str) {
    // given
    let (here, from) = opened::<F>().await;
    let (there, to) = opened::<T>().await;
    let sent = orders("m", 1500);
    publish(&*from, "audit", sent.clone()).await;
    from.close().await;
    to.close().await;
    // when
    let status = Command::new(std::env::current_exe().expect("the path of this program"))
        .args(["--exact", "--ignored", &format!("drain::{child}")])
        .env(FROM, here.address())
        .env(TO, there.address())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("the child starts");
    assert!(!status.success(), "it died in the middle");
    // then: nothing is on neither
    let (from, to) = (here.open().await, there.open().await);
    let left = holds(&*from, &landscape()).await.expect("it can be counted");
    assert!((1..1500).contains(&left), "{left} left");
    // when
    let drained = drain(&*from, &*to, &landscape(), &[], |_| ())
        .await
        .expect("both are there");
    // then
    assert!(matches!(drained, Drained { messages, .. } if messages >= left));
    let there: BTreeSet<_> = all_in(&*to, &log()).await;
    assert_eq!(there, ids(&sent));
    assert_eq!(holds(&*from, &landscape()).await.expect("it can be counted"), 0);
    from.close().await;
    to.close().await;
}

#[tokio::test]
#[ignore = "runs in a process of its own, which dies"]
async fn to_rabbitmq() {
    die_while_draining::<Embedded, Rabbit>().await;
}

#[tokio::test]
#[ignore = "runs in a process of its own, which dies"]
async fn from_rabbitmq() {
    die_while_draining::<Rabbit, Embedded>().await;
}

async fn die_while_draining<F: Subject, T: Subject>() {
    let address = |name| std::env::var(name).expect("only the sentences above start this");
    let from = F::open_at(&address(FROM)).await;
    let to = T::open_at(&address(TO)).await;
    let mut all = 0;
    let _never = drain(&*from, &*to, &landscape(), &[], |moved| {
        all += moved;
        if all > DEATH {
            std::process::abort();
        }
    })
    .await;
}
