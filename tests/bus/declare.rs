//! What must be there before the first message.

use trunkline_sdk::Remedy;

use crate::{
    scene::{assert_empty, billing, landscape, log, opened, order, publish, queue, take, to},
    scene::{complete, from_source},
    subject::Subject,
};

pub(crate) async fn declaring_twice_changes_nothing<S: Subject>() {
    // given
    let (place, bus) = opened::<S>().await;
    publish(&*bus, "orders", [order("before")]).await;
    // when
    bus.declare(&landscape()).await.expect("it is as it should be");
    let bus = crate::scene::reopened(&place, bus).await;
    bus.declare(&landscape()).await.expect("it is as it should be");
    publish(&*bus, "orders", [order("after")]).await;
    // then
    let messages = take(&*bus, &billing(), 2).await;
    assert_eq!(
        crate::scene::ids(&messages),
        crate::scene::set(["before", "after"])
    );
    assert_empty(&*bus, "orders", &billing()).await;
    bus.close().await;
}

pub(crate) async fn a_queue_that_exists_otherwise_is_refused<S: Subject>() {
    // given
    let place = S::fresh().await;
    place.make_otherwise(&billing()).await;
    let bus = place.open().await;
    // when
    let fault = bus
        .declare(&landscape())
        .await
        .expect_err("the queue is not as it should be");
    // then
    assert_eq!(fault.remedy, Remedy::Stop);
    assert!(
        fault.what.contains(billing().as_str()),
        "it names the queue: {fault}"
    );
    assert!(fault.hint.is_some(), "it says how to mend it: {fault}");
    bus.close().await;
}

pub(crate) async fn what_is_not_declared_is_refused<S: Subject>() {
    // given
    let (_place, bus) = opened::<S>().await;
    let nowhere = queue("nowhere", "nobody");
    // when, then
    assert!(bus.exists(&billing()).await.expect("it answers"));
    assert!(!bus.exists(&nowhere).await.expect("it answers"));
    let fault = bus
        .subscribe(&nowhere, 1)
        .await
        .expect_err("there is no such queue");
    assert_eq!(fault.remedy, Remedy::Stop);
    let fault = bus.depth(&nowhere).await.expect_err("there is no such queue");
    assert_eq!(fault.remedy, Remedy::Stop);
    let fault = bus.parked(&nowhere, 1).await.expect_err("there is no such queue");
    assert_eq!(fault.remedy, Remedy::Stop);
    let refused = complete(&*bus, from_source(vec![to("nowhere", order("lost"))]))
        .await
        .expect_err("there is no such channel");
    assert_eq!(refused.fault.remedy, Remedy::Stop);
    // then: the bus goes on
    publish(&*bus, "audit", [order("a")]).await;
    assert_empty_after_one(&*bus).await;
    bus.close().await;
}

async fn assert_empty_after_one(bus: &dyn trunkline::bus::Bus) {
    assert_eq!(take(bus, &log(), 1).await.len(), 1);
    assert_empty(bus, "audit", &log()).await;
}
