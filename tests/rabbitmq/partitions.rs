//! Flow `billing` reads `orders` in order: a queue for each partition of the keys, and one for what has none.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::timeout;
use trunkline::{
    bus::{Bucket, Bus, Delivery, Hop, Partition, Queue, Takes, Topology},
    message::Message,
    names::{FlowName, QueueName},
};
use trunkline_sdk::Remedy;

use crate::{
    scene::{channel, connect, landscape, order, publish, receive, receive_one, settle, until},
    support::services::Broker,
};

fn flow() -> FlowName {
    FlowName::new("billing").unwrap()
}

fn partition(index: u8) -> QueueName {
    QueueName::of_partition(&channel("orders"), &flow(), index)
}

fn intake() -> QueueName {
    QueueName::of_intake(&channel("orders"), &flow())
}

fn in_order(of: u8) -> Topology {
    let queue = |name, takes| Queue {
        name,
        channel: Some(channel("orders")),
        takes,
    };
    let mut topology = landscape();
    topology.queues = Partition::all(of)
        .map(|one| queue(partition(one.index), Takes::Partition(one)))
        .collect();
    topology.queues.push(queue(intake(), Takes::Unkeyed));
    topology
}

fn keyed(id: &str, key: &str) -> Message {
    let mut message = order(id);
    message.key = Some(key.into());
    message
}

async fn all_of(bus: &dyn Bus, queue: &QueueName) -> Vec<Message> {
    let count = bus.depth(queue).await.unwrap().ready;
    let mut subscription = bus.subscribe(queue, 100).await.unwrap();
    let found = receive(&mut subscription, usize::try_from(count).unwrap()).await;
    let messages = found.iter().map(|delivery| delivery.message.clone()).collect();
    settle(bus, found).await;
    subscription.close().await;
    messages
}

async fn park(bus: &dyn Bus, delivery: Delivery) {
    let cause = trunkline::bus::Cause {
        what: "no such customer".to_owned(),
        hint: None,
        flow: flow(),
        step: "erp".to_owned(),
        at: "2026-11-25T13:00:00Z".parse().unwrap(),
    };
    bus.complete(vec![Hop::park(delivery, cause)])
        .await
        .remove(0)
        .expect("it is parked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_message_comes_to_the_partition_of_its_key_once_and_without_a_key_to_the_intake() {
    // given
    let vhost = Broker::shared().fresh_vhost().await;
    let scene = connect(vhost.amqp()).await.unwrap();
    scene.bus.declare(&in_order(4)).await.expect("it is declared");
    // when
    for number in 0..64 {
        publish(&*scene.bus, keyed(&format!("m-{number}"), &format!("k-{number}")))
            .await
            .expect("it is confirmed");
    }
    publish(&*scene.bus, order("without"))
        .await
        .expect("it is confirmed");
    // then
    let mut seen = BTreeSet::new();
    for one in Partition::all(4) {
        for message in all_of(&*scene.bus, &partition(one.index)).await {
            let bucket = Bucket::of(message.key.as_deref().unwrap());
            assert_eq!(Partition::of_bucket(bucket, 4), one, "{}", message.id);
            assert!(seen.insert(message.id.to_string()), "{} came twice", message.id);
        }
    }
    assert_eq!(seen.len(), 64);
    assert_eq!(all_of(&*scene.bus, &intake()).await, [order("without")]);
    scene.bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_number_of_partitions_is_refused_with_both_and_changes_nothing() {
    // given
    let vhost = Broker::shared().fresh_vhost().await;
    let scene = connect(vhost.amqp()).await.unwrap();
    scene.bus.declare(&in_order(4)).await.expect("it is declared");
    for of in [2, 8] {
        // when
        let fault = scene.bus.declare(&in_order(of)).await.expect_err("there are 4");
        // then
        assert_eq!(fault.remedy, Remedy::Stop);
        let told = format!("in {of} partitions, and on the broker it has 4");
        assert!(fault.what.contains(&told), "{fault}");
        assert!(
            !fault.what.contains("orders.billing.1"),
            "it is said once: {fault}"
        );
        assert!(fault.hint.is_some());
    }
    // then: the four go on, and there is no fifth
    publish(&*scene.bus, keyed("m", "k"))
        .await
        .expect("it is confirmed");
    let mut found = Vec::new();
    for one in Partition::all(4) {
        found.extend(all_of(&*scene.bus, &partition(one.index)).await);
    }
    assert_eq!(found, [keyed("m", "k")]);
    assert!(scene.bus.depth(&partition(4)).await.is_err(), "it was not made");
    scene.bus.declare(&in_order(4)).await.expect("it is as it was");
    scene.bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flow_that_begins_or_ceases_to_keep_order_finds_its_old_queues_in_the_way() {
    for (before, after, rival) in [
        (
            landscape(),
            in_order(2),
            "`orders.billing`, from a time when it did not",
        ),
        (
            in_order(2),
            landscape(),
            "`orders.billing.0`, from a time when it did",
        ),
    ] {
        // given
        let vhost = Broker::shared().fresh_vhost().await;
        let scene = connect(vhost.amqp()).await.unwrap();
        scene.bus.declare(&before).await.expect("it is declared");
        // when
        let fault = scene
            .bus
            .declare(&after)
            .await
            .expect_err("the old ones are there");
        // then
        assert_eq!(fault.remedy, Remedy::Stop);
        assert!(fault.what.contains(rival), "{fault}");
        assert!(fault.hint.is_some());
        assert!(
            scene.bus.depth(&after.queues[0].name).await.is_err(),
            "nothing was made"
        );
        scene.bus.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_is_given_to_one_at_a_time_and_then_to_the_next_in_another_session() {
    // given
    let vhost = Broker::shared().fresh_vhost().await;
    let scene = connect(vhost.amqp()).await.unwrap();
    scene.bus.declare(&in_order(1)).await.expect("it is declared");
    let mut first = scene.bus.subscribe(&partition(0), 2).await.unwrap();
    let mut second = scene.bus.subscribe(&partition(0), 10).await.unwrap();
    for number in 0..4 {
        publish(&*scene.bus, keyed(&format!("m-{number}"), "k"))
            .await
            .expect("it is confirmed");
    }
    let held = receive(&mut first, 2).await;
    let mut early = Vec::new();
    let moment = Duration::from_millis(300);
    assert!(
        timeout(moment, second.receive(&mut early, 1)).await.is_err(),
        "{early:?}"
    );
    // when
    first.close().await;
    // then: in their order, from the first
    let all = receive(&mut second, 4).await;
    let ids: Vec<_> = all.iter().map(|delivery| delivery.message.id.as_str()).collect();
    assert_eq!(ids, ["m-0", "m-1", "m-2", "m-3"]);
    assert_ne!(all[0].session, held[0].session);
    drop(held);
    settle(&*scene.bus, all).await;
    second.close().await;
    scene.bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_parked_is_known_without_being_taken_unless_somebody_has_it_in_his_hands() {
    // given
    let vhost = Broker::shared().fresh_vhost().await;
    let scene = connect(vhost.amqp()).await.unwrap();
    scene.bus.declare(&in_order(1)).await.expect("it is declared");
    assert_eq!(scene.bus.parked_marks(&partition(0)).await.unwrap(), []);
    let mut subscription = scene.bus.subscribe(&partition(0), 10).await.unwrap();
    for key in ["a", "b"] {
        publish(&*scene.bus, keyed(&format!("m-{key}"), key))
            .await
            .expect("it is confirmed");
        let mut delivery = receive_one(&mut subscription).await;
        delivery.order = Some(7);
        park(&*scene.bus, delivery).await;
    }
    // when, then: it may be asked as often as one likes
    for _ in 0..2 {
        until("both are known", || async {
            let Ok(marks) = scene.bus.parked_marks(&partition(0)).await else {
                return false;
            };
            let told: Vec<_> = marks
                .iter()
                .map(|mark| (mark.id.as_str(), mark.key.as_deref(), mark.order))
                .collect();
            told == [("m-a", Some("a"), Some(7)), ("m-b", Some("b"), Some(7))]
        })
        .await;
    }
    // when
    let mut dead = scene.bus.subscribe_parked(&partition(0), 1).await.unwrap();
    let held = receive_one(&mut dead).await;
    // then
    let fault = scene
        .bus
        .parked_marks(&partition(0))
        .await
        .expect_err("one is out of sight");
    assert_eq!(fault.remedy, Remedy::Wait);
    // when: it is given up, and what it holds is not
    drop(dead);
    let fault = scene
        .bus
        .parked_marks(&partition(0))
        .await
        .expect_err("one is out of sight");
    assert_eq!(fault.remedy, Remedy::Wait);
    drop(held);
    // then
    until("both are there again", || async {
        scene
            .bus
            .parked_marks(&partition(0))
            .await
            .is_ok_and(|marks| marks.len() == 2)
    })
    .await;
    subscription.close().await;
    scene.bus.close().await;
}
