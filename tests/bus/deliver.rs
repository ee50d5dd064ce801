//! Who gets a message, when it comes again, and when it is gone.

use std::collections::BTreeSet;

use trunkline::bus::Hop;
use trunkline_sdk::Remedy;

use crate::{
    scene::{
        assert_empty, billing, complete, drained, ids, ids_of, log, opened, order, orders, publish, receive,
        receive_one, reopened, set, settle, stock, subscribe, take, to,
    },
    subject::Subject,
};

pub(crate) async fn what_comes_of_a_message_is_there_when_it_is_gone<S: Subject>() {
    // given
    let (place, bus) = opened::<S>().await;
    publish(&*bus, "orders", [order("in")]).await;
    let mut subscription = subscribe(&*bus, &billing(), 1).await;
    let input = receive_one(&mut subscription).await;
    // when
    let outputs = vec![to("audit", order("out-1")), to("audit", order("out-2"))];
    complete(&*bus, Hop::of(input, outputs))
        .await
        .expect("it is done");
    subscription.close().await;
    // then
    let bus = reopened(&place, bus).await;
    assert_eq!(ids(&take(&*bus, &log(), 2).await), set(["out-1", "out-2"]));
    assert_empty(&*bus, "orders", &billing()).await;
    bus.close().await;
}

pub(crate) async fn competing_consumers_share_a_queue_without_overlap<S: Subject>() {
    // given
    let (_place, bus) = opened::<S>().await;
    let mut first = subscribe(&*bus, &billing(), 10).await;
    let mut second = subscribe(&*bus, &billing(), 10).await;
    // when: neither can hold them all
    publish(&*bus, "orders", orders("m", 20)).await;
    let (left, right) = tokio::join!(receive(&mut first, 10), receive(&mut second, 10));
    // then
    let (left_ids, right_ids) = (ids_of(&left), ids_of(&right));
    assert!(left_ids.is_disjoint(&right_ids));
    let all: BTreeSet<_> = left_ids.union(&right_ids).cloned().collect();
    assert_eq!(all, ids(&orders("m", 20)));
    settle(&*bus, left).await;
    settle(&*bus, right).await;
    first.close().await;
    second.close().await;
    assert_empty(&*bus, "orders", &billing()).await;
    bus.close().await;
}

pub(crate) async fn prefetch_bounds_what_is_given_out<S: Subject>() {
    // given
    let (_place, bus) = opened::<S>().await;
    publish(&*bus, "orders", orders("m", 10)).await;
    let mut narrow = subscribe(&*bus, &billing(), 3).await;
    let mut held = receive(&mut narrow, 3).await;
    // when
    let mut wide = subscribe(&*bus, &billing(), 7).await;
    let others = receive(&mut wide, 7).await;
    // then: the first got three and no more
    assert!(ids_of(&held).is_disjoint(&ids_of(&others)));
    // when: nobody has room, until one is settled
    publish(&*bus, "orders", [order("next")]).await;
    settle(&*bus, held.split_off(2)).await;
    // then
    let next = receive_one(&mut narrow).await;
    assert_eq!(next.message, order("next"));
    settle(&*bus, vec![next]).await;
    settle(&*bus, held).await;
    settle(&*bus, others).await;
    narrow.close().await;
    wide.close().await;
    drained(&*bus, &billing()).await;
    bus.close().await;
}

pub(crate) async fn a_full_subscription_holds_up_no_other_queue<S: Subject>() {
    // given: a subscription that takes its fill and settles nothing
    let (_place, bus) = opened::<S>().await;
    let mut slow = subscribe(&*bus, &billing(), 2).await;
    publish(&*bus, "orders", orders("m", 100)).await;
    let held = receive(&mut slow, 2).await;
    // when, then
    assert_eq!(ids(&take(&*bus, &stock(), 100).await), ids(&orders("m", 100)));
    drop(held);
    slow.close().await;
    bus.close().await;
}

pub(crate) async fn a_dropped_delivery_comes_again_as_the_same_attempt<S: Subject>() {
    // given
    let (_place, bus) = opened::<S>().await;
    publish(&*bus, "orders", [order("m")]).await;
    let mut subscription = subscribe(&*bus, &billing(), 1).await;
    let first = receive_one(&mut subscription).await;
    assert!(!first.redelivered);
    // when
    drop(first);
    // then
    let second = receive_one(&mut subscription).await;
    assert_eq!((&second.message, second.attempt), (&order("m"), 1));
    assert!(second.redelivered);
    settle(&*bus, vec![second]).await;
    subscription.close().await;
    assert_empty(&*bus, "orders", &billing()).await;
    bus.close().await;
}

pub(crate) async fn a_dropped_subscription_leaves_its_messages_to_the_others<S: Subject>() {
    // given
    let (_place, bus) = opened::<S>().await;
    publish(&*bus, "orders", orders("m", 10)).await;
    let mut first = subscribe(&*bus, &billing(), 10).await;
    let held = receive(&mut first, 4).await;
    // when
    drop(first);
    drop(held);
    // then
    assert_eq!(ids(&take(&*bus, &billing(), 10).await), ids(&orders("m", 10)));
    assert_empty(&*bus, "orders", &billing()).await;
    bus.close().await;
}

pub(crate) async fn closing_gives_back_what_was_not_received<S: Subject>() {
    // given
    let (_place, bus) = opened::<S>().await;
    publish(&*bus, "orders", orders("m", 20)).await;
    let mut subscription = subscribe(&*bus, &billing(), 20).await;
    let received = receive(&mut subscription, 5).await;
    let received_ids = ids_of(&received);
    settle(&*bus, received).await;
    // when
    subscription.close().await;
    // then
    let rest = ids(&take(&*bus, &billing(), 15).await);
    assert!(rest.is_disjoint(&received_ids));
    assert_empty(&*bus, "orders", &billing()).await;
    bus.close().await;
}

pub(crate) async fn a_delivery_kept_past_its_subscription_cannot_be_settled<S: Subject>() {
    // given
    let (_place, bus) = opened::<S>().await;
    publish(&*bus, "orders", [order("m")]).await;
    let mut subscription = subscribe(&*bus, &billing(), 1).await;
    let kept = receive_one(&mut subscription).await;
    // when
    subscription.close().await;
    let refused = complete(&*bus, Hop::of(kept, Vec::new()))
        .await
        .expect_err("it is somebody else's by now");
    // then
    assert_eq!(refused.fault.remedy, Remedy::Reopen);
    drop(refused);
    assert_eq!(ids(&take(&*bus, &billing(), 1).await), set(["m"]));
    assert_empty(&*bus, "orders", &billing()).await;
    bus.close().await;
}

pub(crate) async fn unsettled_messages_come_again_after_reopening<S: Subject>() {
    // given
    let (place, bus) = opened::<S>().await;
    publish(&*bus, "orders", orders("m", 5)).await;
    let mut subscription = subscribe(&*bus, &billing(), 5).await;
    let mut received = receive(&mut subscription, 5).await;
    settle(&*bus, received.split_off(3)).await;
    let unsettled = ids_of(&received);
    // when
    subscription.close().await;
    drop(received);
    let bus = reopened(&place, bus).await;
    // then
    let mut subscription = subscribe(&*bus, &billing(), 5).await;
    let again = receive(&mut subscription, 3).await;
    assert_eq!(ids_of(&again), unsettled);
    assert!(
        again
            .iter()
            .all(|delivery| delivery.redelivered && delivery.attempt == 1)
    );
    settle(&*bus, again).await;
    subscription.close().await;
    bus.close().await;
}

pub(crate) async fn what_is_settled_is_gone_for_good<S: Subject>() {
    // given
    let (place, bus) = opened::<S>().await;
    publish(&*bus, "orders", orders("m", 200)).await;
    // when
    take(&*bus, &billing(), 200).await;
    // then
    drained(&*bus, &billing()).await;
    let bus = reopened(&place, bus).await;
    assert_empty(&*bus, "orders", &billing()).await;
    bus.close().await;
}

pub(crate) async fn a_subscription_waits_for_what_comes_later<S: Subject>() {
    // given
    let (_place, bus) = opened::<S>().await;
    let mut subscription = subscribe(&*bus, &billing(), 10).await;
    let waiting = tokio::spawn(async move {
        let delivery = receive_one(&mut subscription).await;
        (subscription, delivery)
    });
    // when
    publish(&*bus, "orders", [order("m")]).await;
    // then
    let (subscription, delivery) = waiting.await.expect("it comes");
    assert_eq!(delivery.message, order("m"));
    settle(&*bus, vec![delivery]).await;
    subscription.close().await;
    bus.close().await;
}

pub(crate) async fn settling_one_settles_no_other<S: Subject>() {
    // given
    let (_place, bus) = opened::<S>().await;
    publish(&*bus, "orders", orders("m", 10)).await;
    let mut subscription = subscribe(&*bus, &billing(), 10).await;
    let received = receive(&mut subscription, 10).await;
    // when: the later ones are done first
    let (done, under_way): (Vec<_>, Vec<_>) = received
        .into_iter()
        .partition(|delivery| ["m-5", "m-9"].contains(&delivery.message.id.as_str()));
    settle(&*bus, done).await;
    let left = ids_of(&under_way);
    drop(under_way);
    subscription.close().await;
    // then
    assert_eq!(ids(&take(&*bus, &billing(), 8).await), left);
    assert_empty(&*bus, "orders", &billing()).await;
    bus.close().await;
}

pub(crate) async fn a_hop_settles_all_its_inputs<S: Subject>() {
    // given
    let (place, bus) = opened::<S>().await;
    publish(&*bus, "orders", orders("part", 3)).await;
    let mut subscription = subscribe(&*bus, &billing(), 3).await;
    // when
    let hop = Hop {
        inputs: receive(&mut subscription, 3).await,
        outputs: vec![to("audit", order("whole"))],
        state: None,
    };
    complete(&*bus, hop).await.expect("it is done");
    subscription.close().await;
    // then
    let bus = reopened(&place, bus).await;
    assert_eq!(ids(&take(&*bus, &log(), 1).await), set(["whole"]));
    assert_empty(&*bus, "orders", &billing()).await;
    bus.close().await;
}

pub(crate) async fn nothing_under_way_is_settled_with_what_came_after_it<S: Subject>() {
    // given: the first of many stays in our hands
    let (place, bus) = opened::<S>().await;
    publish(&*bus, "orders", orders("m", 300)).await;
    let mut subscription = subscribe(&*bus, &billing(), 50).await;
    let under_way = receive_one(&mut subscription).await;
    let first = under_way.message.clone();
    // when: all others are done, and the process goes on with something else
    for _ in 0..13 {
        let others = receive(&mut subscription, 23).await;
        settle(&*bus, others).await;
    }
    drop(under_way);
    subscription.close().await;
    // then
    let bus = reopened(&place, bus).await;
    assert_eq!(take(&*bus, &billing(), 1).await, [first]);
    assert_empty(&*bus, "orders", &billing()).await;
    bus.close().await;
}
