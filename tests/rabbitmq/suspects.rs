//! Messages that came back again and again. That a process dies of one is told in `tests/bus/crash.rs`.

use std::time::Duration;

use tokio::time::timeout;
use trunkline::bus::{Bus, Delivery, Subscription};

use crate::{
    scene::{
        Scene, begun_again, billing, drained, opened, order, publish, publish_at_last, receive, receive_one,
        receive_until, settle, until,
    },
    support::services::Broker,
};

/// As many subscriptions as it takes, each of which ends with the messages in its hands.
async fn make_suspect(scene: &Scene, messages: usize) {
    for _ in 0..5 {
        let mut subscription = scene.bus.subscribe(&billing(), 10).await.unwrap();
        let held = receive(&mut subscription, messages).await;
        subscription.close().await;
        drop(held);
    }
}

async fn nothing_more_comes(subscription: &mut Subscription) {
    let mut batch = Vec::new();
    let moment = Duration::from_millis(300);
    assert!(
        timeout(moment, subscription.receive(&mut batch, 1))
            .await
            .is_err(),
        "{batch:?}"
    );
}

fn names(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries
        .iter()
        .map(|delivery| delivery.message.id.as_str())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspect_waits_for_what_is_out_and_is_then_out_alone() {
    // given
    let vhost = Broker::shared().fresh_vhost().await;
    let scene = opened(vhost.amqp()).await;
    publish(&*scene.bus, order("suspect"))
        .await
        .expect("it is confirmed");
    make_suspect(&scene, 1).await;
    let mut first = scene.bus.subscribe(&billing(), 1).await.unwrap();
    let suspect = receive_one(&mut first).await;
    for id in ["a", "b"] {
        publish(&*scene.bus, order(id)).await.expect("it is confirmed");
    }
    // when: what was out before it is still out
    let mut second = scene.bus.subscribe(&billing(), 10).await.unwrap();
    let good = receive(&mut second, 2).await;
    assert_eq!(names(&good), ["a", "b"]);
    publish(&*scene.bus, order("c")).await.expect("it is confirmed");
    let more = receive_one(&mut second).await;
    first.close().await;
    drop(suspect);
    until("the suspect is held back", || async {
        scene.bus.depth(&billing()).await.unwrap().unsettled == 4
    })
    .await;
    publish(&*scene.bus, order("d")).await.expect("it is confirmed");
    // then
    nothing_more_comes(&mut second).await;
    settle(&*scene.bus, good).await;
    nothing_more_comes(&mut second).await;
    settle(&*scene.bus, vec![more]).await;
    let alone = receive_one(&mut second).await;
    assert_eq!(alone.message, order("suspect"));
    nothing_more_comes(&mut second).await;
    // when
    settle(&*scene.bus, vec![alone]).await;
    // then: the others go on
    receive_until(&*scene.bus, &mut second, "d").await;
    drained(&*scene.bus).await;
    second.close().await;
    scene.bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_a_lost_connection_nor_an_end_in_good_order_is_a_death() {
    // given: one that is out alone
    let broker = Broker::own().await;
    let scene = opened(broker.amqp()).await;
    publish(&*scene.bus, order("suspect"))
        .await
        .expect("it is confirmed");
    make_suspect(&scene, 1).await;
    let mut subscription = scene.bus.subscribe(&billing(), 10).await.unwrap();
    let alone = receive_one(&mut subscription).await;
    // when
    broker.ctl(&["close_all_connections", "maintenance"]).await;
    publish_at_last(&*scene.bus, order("other")).await;
    // then: it is still worked on, so it does not come beside itself
    nothing_more_comes(&mut subscription).await;
    drop(alone);
    let again = receive_one(&mut subscription).await;
    assert_eq!(again.message, order("suspect"));
    // when: the process ends and begins again
    subscription.close().await;
    drop(again);
    let scene = begun_again(scene, broker.amqp()).await;
    let mut subscription = scene.bus.subscribe(&billing(), 10).await.unwrap();
    // then
    let again = receive_one(&mut subscription).await;
    assert_eq!(again.message, order("suspect"));
    settle(&*scene.bus, vec![again]).await;
    receive_until(&*scene.bus, &mut subscription, "other").await;
    assert!(scene.bus.parked(&billing(), 1).await.unwrap().is_empty());
    drained(&*scene.bus).await;
    subscription.close().await;
    scene.bus.close().await;
}
