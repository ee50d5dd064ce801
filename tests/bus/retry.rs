//! What failed comes again, later.

use std::time::{Duration, Instant};

use trunkline::{bus::Hop, recovery::Rung};

use crate::{
    scene::{
        assert_empty, billing, cause, complete, drained, ids, opened, order, orders, publish, receive,
        receive_one, reopened, settle, stock, subscribe, take,
    },
    subject::Subject,
};

/// What two clocks, a millisecond's rounding and the way may take off the delay.
const TOLERANCE: Duration = Duration::from_millis(20);

pub(crate) async fn a_retry_comes_after_its_delay_as_the_next_attempt<S: Subject>() {
    // given
    let (_place, bus) = opened::<S>().await;
    publish(&*bus, "orders", [order("m")]).await;
    let mut subscription = subscribe(&*bus, &billing(), 1).await;
    let first = receive_one(&mut subscription).await;
    // when
    let began = Instant::now();
    complete(&*bus, Hop::retry(first, Rung::Second1, cause()))
        .await
        .expect("it waits");
    // then
    let second = receive_one(&mut subscription).await;
    assert!(began.elapsed() + TOLERANCE >= Rung::Second1.delay());
    assert_eq!((&second.message, second.attempt), (&order("m"), 2));
    // when, then: and so on
    complete(&*bus, Hop::retry(second, Rung::Second1, cause()))
        .await
        .expect("it waits");
    let third = receive_one(&mut subscription).await;
    assert_eq!((&third.message, third.attempt), (&order("m"), 3));
    settle(&*bus, vec![third]).await;
    subscription.close().await;
    assert_empty(&*bus, "orders", &billing()).await;
    bus.close().await;
}

pub(crate) async fn a_retry_does_not_hold_up_what_is_behind_it<S: Subject>() {
    // given
    let (_place, bus) = opened::<S>().await;
    publish(&*bus, "orders", [order("fails")]).await;
    let mut subscription = subscribe(&*bus, &billing(), 1).await;
    let failing = receive_one(&mut subscription).await;
    publish(&*bus, "orders", orders("m", 20)).await;
    // when
    complete(&*bus, Hop::retry(failing, Rung::Second5, cause()))
        .await
        .expect("it waits");
    // then
    let began = Instant::now();
    for _ in 0..20 {
        let delivery = receive_one(&mut subscription).await;
        assert_ne!(delivery.message, order("fails"));
        settle(&*bus, vec![delivery]).await;
    }
    assert!(began.elapsed() < Rung::Second5.delay(), "they waited for it");
    let delivery = receive_one(&mut subscription).await;
    assert_eq!((&delivery.message, delivery.attempt), (&order("fails"), 2));
    settle(&*bus, vec![delivery]).await;
    subscription.close().await;
    drained(&*bus, &billing()).await;
    bus.close().await;
}

pub(crate) async fn a_retry_goes_back_to_its_own_queue_only<S: Subject>() {
    // given
    let (_place, bus) = opened::<S>().await;
    publish(&*bus, "orders", orders("m", 3)).await;
    let mut subscription = subscribe(&*bus, &billing(), 3).await;
    // when
    for delivery in receive(&mut subscription, 3).await {
        complete(&*bus, Hop::retry(delivery, Rung::Second1, cause()))
            .await
            .expect("it waits");
    }
    let again = receive(&mut subscription, 3).await;
    // then
    assert!(again.iter().all(|delivery| delivery.attempt == 2));
    settle(&*bus, again).await;
    subscription.close().await;
    assert_eq!(ids(&take(&*bus, &stock(), 3).await), ids(&orders("m", 3)));
    assert_empty(&*bus, "orders", &stock()).await;
    bus.close().await;
}

pub(crate) async fn a_retry_outlives_reopening<S: Subject>() {
    // given
    let (place, bus) = opened::<S>().await;
    publish(&*bus, "orders", [order("m")]).await;
    let mut subscription = subscribe(&*bus, &billing(), 1).await;
    let first = receive_one(&mut subscription).await;
    complete(&*bus, Hop::retry(first, Rung::Second1, cause()))
        .await
        .expect("it waits");
    subscription.close().await;
    // when
    let bus = reopened(&place, bus).await;
    // then
    let mut subscription = subscribe(&*bus, &billing(), 1).await;
    let second = receive_one(&mut subscription).await;
    assert_eq!((&second.message, second.attempt), (&order("m"), 2));
    settle(&*bus, vec![second]).await;
    subscription.close().await;
    bus.close().await;
}

pub(crate) async fn a_hastened_retry_comes_at_once_with_its_attempt_and_cause<S: Subject>() {
    // given
    let (_place, bus) = opened::<S>().await;
    publish(&*bus, "orders", orders("m", 3)).await;
    for queue in [billing(), stock()] {
        let mut subscription = subscribe(&*bus, &queue, 3).await;
        for delivery in receive(&mut subscription, 3).await {
            complete(&*bus, Hop::retry(delivery, Rung::Hour1, cause()))
                .await
                .expect("it waits");
        }
        subscription.close().await;
    }
    // when
    let hastened = bus.hasten().await.expect("it can be done");
    // then
    assert_eq!(hastened, 6);
    for queue in [billing(), stock()] {
        let mut subscription = subscribe(&*bus, &queue, 3).await;
        let again = receive(&mut subscription, 3).await;
        assert!(
            again
                .iter()
                .all(|delivery| delivery.attempt == 2 && delivery.cause == Some(cause()))
        );
        settle(&*bus, again).await;
        subscription.close().await;
        drained(&*bus, &queue).await;
    }
    assert_eq!(bus.hasten().await.expect("it can be done"), 0);
    bus.close().await;
}
