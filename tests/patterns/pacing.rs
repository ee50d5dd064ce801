//! `throttle:` and `delay:` hold messages up: evenly, on the bus, and never in the way of a stop.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::{
    house::{House, until},
    messages::moved,
    on_bus::{drained, queue},
    subject::Subject,
};

pub(crate) async fn a_throttled_flow_passes_one_message_at_a_time<S: Subject>() {
    // given
    let flow = "flow: slow\nfrom: moves\nsteps: [{ throttle: { rate: 10, per: 1s } }]\nto: void\n";
    let mut house = House::<S>::built(&[flow], &[]).await;
    house.read_also("void").await;
    house
        .publish("moves", (0..6).map(|number| moved(&number.to_string())))
        .await;
    // when
    let began = Instant::now();
    house.run().await;
    // then each comes as it passes: the first before the last, and that not before its turn
    house.take("void", 1).await;
    let first = began.elapsed();
    house.take("void", 5).await;
    assert!(
        began.elapsed() >= Duration::from_millis(500),
        "{:?}",
        began.elapsed()
    );
    assert!(first < began.elapsed());
    house.end().await;
}

pub(crate) async fn a_stop_does_not_wait_for_a_throttle_and_loses_nothing<S: Subject>() {
    // given
    let flow = "flow: slow\nfrom: moves\nsteps: [{ throttle: { rate: 1, per: 10m } }]\nto: void\n";
    let mut house = House::<S>::built(&[flow], &[]).await;
    house.read_also("void").await;
    house.run().await;
    house.publish("moves", ["1", "2", "3"].map(moved)).await;
    house.take("void", 1).await;
    house.until_counts("slow", |counts| counts.received == 2).await;
    // when
    let began = Instant::now();
    assert!(house.stop().await);
    // then
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    until("the others are where they were", async || {
        (house.depth_of(&queue("moves", "slow")).await.ready == 2).then_some(())
    })
    .await;
}

pub(crate) async fn a_delayed_message_waits_on_the_bus_and_is_no_attempt<S: Subject>() {
    // given
    let flow = "flow: wait\nfrom: moves\nsteps: [{ delay: { for: 2s } }]\nto: void\nretry: { attempts: 1 }\n";
    let mut house = House::<S>::built(&[flow], &[]).await;
    house.read_also("void").await;
    house.run().await;
    let mut fresh = moved("1");
    fresh.time = Timestamp::now();
    let due = fresh.time + Duration::from_secs(2);
    // when one is fresh, and one is old
    house.publish("moves", [fresh.clone(), moved("2")]).await;
    // then the old one goes first
    assert_eq!(house.take("void", 1).await[0].id, moved("2").id);
    // then the fresh one outlives a crash, and comes when its time has come
    house.until_counts("wait", |counts| counts.delayed > 0).await;
    house.crash().await;
    house.run().await;
    assert_eq!(house.take("void", 1).await[0].id, fresh.id);
    assert!(Timestamp::now() >= due);
    drained(&*house.bus, &queue("moves", "wait")).await;
    assert_eq!(house.depth_of(&queue("moves", "wait")).await.parked, 0);
    assert_eq!(house.counts("wait").retried, 0);
    house.end().await;
}

pub(crate) async fn a_message_waits_until_the_time_that_it_tells<S: Subject>() {
    // given
    let flow = r#"
flow: wait
from: moves
steps:
  - delay: { until: 'timestamp(this.order_id) + duration("1s")' }
to: void
"#;
    let mut house = House::<S>::built(&[flow], &[]).await;
    house.read_also("void").await;
    house.run().await;
    // when one tells no time
    let now = Timestamp::now();
    house
        .publish("moves", [moved(&now.to_string()), moved("never")])
        .await;
    // then
    house.take("void", 1).await;
    assert!(Timestamp::now() >= now + Duration::from_secs(1));
    let parked = house.parked(&queue("moves", "wait"), 1).await.remove(0);
    assert_eq!(parked.cause.unwrap().step, "delay");
    house.end().await;
}
