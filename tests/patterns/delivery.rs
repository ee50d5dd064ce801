//! The delivery rule: nothing is lost and nothing acts twice, whoever publishes and however a flow ends.

use trunkline::{
    bus::{Cause, Parked},
    message::{Content, Message},
    names::QueueName,
};
use trunkline_sdk::Body;

use crate::{
    gate::{Gate, Way},
    house::House,
    messages::{MOVE, ORDER, canonical, paid},
    on_bus::{ids, queue},
    subject::Subject,
};

const PASS: &str = "flow: pass\nfrom: orders\nsteps:\n  - filter: this.status == 'PAID'\nto: first\n";

const BOOK: &str = r#"
flow: book
from: orders
to: { system: erp, statement: INSERT INTO orders (order_id) VALUES (:order_id) }
"#;

const MANY: usize = 3_000;
const BOOKED: &str = "SELECT count(DISTINCT order_id) FROM orders";
const ROWS: &str = "SELECT count(*) FROM orders";

fn many() -> Vec<Message> {
    (0..MANY).map(|number| paid(&number.to_string())).collect()
}

/// A message with this content in place of its own.
fn with(content: Content) -> Message {
    Message {
        content,
        ..paid("bad")
    }
}

fn book() -> QueueName {
    queue("orders", "book")
}

/// Why it was parked, in a form that a person can act on.
fn mendable(parked: &Parked) -> &Cause {
    let cause = parked.cause.as_ref().unwrap();
    assert!(cause.hint.is_some(), "{cause:?}");
    cause
}

pub(crate) async fn a_message_of_another_type_is_parked_and_says_how_to_mend_it<S: Subject>() {
    // given
    let house = House::<S>::running(&[PASS]).await;
    let foreign = with(canonical(MOVE, ""));
    // when
    house.publish("orders", [foreign.clone(), paid("1")]).await;
    // then
    let parked = house.parked(&queue("orders", "pass"), 1).await.remove(0);
    assert_eq!(parked.message, foreign);
    let cause = mendable(&parked);
    assert_eq!(cause.step, "receive");
    assert!(
        cause.what.contains(MOVE) && cause.what.contains(ORDER),
        "{cause:?}"
    );
    assert_eq!(house.take("first", 1).await, [paid("1")]);
    house.settled("pass").await;
    house.end().await;
}

pub(crate) async fn what_is_no_protobuf_is_parked_and_the_flow_goes_on<S: Subject>() {
    // given
    let house = House::<S>::running(&[PASS, BOOK]).await;
    let json = with(Content::Native(Body::Bytes {
        content_type: "application/json".to_owned(),
        bytes: "{}".into(),
    }));
    let broken = with(canonical(ORDER, &b"\xff\xff\xff"[..]));
    // when one says that it is JSON, and one says that it is an order
    house
        .publish("orders", [json.clone(), broken.clone(), paid("1")])
        .await;
    // then no flow takes them: neither one that looks into a message, nor one that writes it
    for (flow, step) in [("pass", "filter"), ("book", "erp")] {
        let parked = house.parked(&queue("orders", flow), 2).await;
        assert!(parked.iter().any(|parked| {
            parked.message == json && mendable(parked).what.contains("application/protobuf")
        }));
        assert!(
            parked
                .iter()
                .any(|parked| { parked.message == broken && parked.cause.as_ref().unwrap().step == step })
        );
        house.settled(flow).await;
    }
    assert_eq!(house.take("first", 1).await, [paid("1")]);
    house.until_number(ROWS, 1).await;
    house.end().await;
}

pub(crate) async fn a_message_that_has_expired_is_filtered<S: Subject>() {
    // given
    let house = House::<S>::running(&[PASS]).await;
    let until = |id: &str, time: &str| Message {
        expires_at: Some(time.parse().unwrap()),
        ..paid(id)
    };
    let good = until("2", "2100-01-01T00:00:00Z");
    // when
    house
        .publish("orders", [until("1", "2026-01-01T00:00:00Z"), good.clone()])
        .await;
    // then
    assert_eq!(house.take("first", 1).await, [good]);
    house.settled("pass").await;
    assert_eq!(house.counts("pass").filtered, [("expired".to_owned(), 1)].into());
    house.nothing_in("first").await;
    house.end().await;
}

pub(crate) async fn only_what_is_confirmed_counts_as_published<S: Subject>() {
    // given a bus that does not confirm yet
    let mut house = House::<S>::built(&[PASS], &[]).await;
    let gate = Gate::before(&house.bus, Way::Shut);
    house.run_behind(gate.clone()).await;
    // when
    house.publish("orders", [paid("1")]).await;
    gate.somebody_waits().await;
    // then
    assert_eq!(house.counts("pass").published, 0);
    assert_eq!(house.depth("pass").await.unsettled, 1);
    // when it confirms, be it at the second time
    gate.turn(Way::RefusingOnce);
    // then
    assert_eq!(house.take("first", 1).await, [paid("1")]);
    house.settled("pass").await;
    house.until_counts("pass", |counts| counts.published == 1).await;
    house.nothing_in("first").await;
    house.end().await;
}

pub(crate) async fn a_stop_under_load_loses_nothing_and_repeats_nothing<S: Subject>() {
    // given
    let mut house = House::<S>::built(&[PASS], &[]).await;
    house.publish("orders", many()).await;
    // when it is stopped and started in the middle, twice
    for _ in 0..2 {
        house.run().await;
        house.until_counts("pass", |counts| counts.published >= 500).await;
        assert!(house.stop().await);
    }
    house.run().await;
    // then each has come once
    assert_eq!(ids(&house.take("first", MANY).await), ids(&many()));
    house.settled("pass").await;
    house.nothing_in("first").await;
    house.end().await;
}

pub(crate) async fn what_is_stopped_under_load_is_applied_once<S: Subject>() {
    // given
    let mut house = House::<S>::built(&[BOOK], &[]).await;
    house.publish("orders", many()).await;
    // when
    for _ in 0..2 {
        house.run().await;
        house.until_counts("book", |counts| counts.delivered >= 500).await;
        assert!(house.stop().await);
    }
    house.run().await;
    // then
    house.until_number(BOOKED, MANY as i64).await;
    house.settled("book").await;
    assert_eq!(house.number(ROWS), MANY as i64);
    assert_eq!(house.depth_of(&book()).await.parked, 0);
    house.end().await;
}

pub(crate) async fn what_crashes_under_load_is_applied_once<S: Subject>() {
    // given
    let mut house = House::<S>::built(&[BOOK], &[]).await;
    house.publish("orders", many()).await;
    // when it is cut off between the system's commit and the settling, and wherever it happens to be
    let gate = Gate::before(&house.bus, Way::Shut);
    house.run_behind(gate.clone()).await;
    gate.somebody_waits().await;
    assert_ne!(house.number(ROWS), 0, "nothing is settled before it is applied");
    house.crash().await;
    house.run().await;
    house.until_counts("book", |counts| counts.delivered >= 500).await;
    house.crash().await;
    house.run().await;
    // then
    house.until_number(BOOKED, MANY as i64).await;
    house.settled("book").await;
    assert_eq!(house.number(ROWS), MANY as i64);
    assert_eq!(house.depth_of(&book()).await.parked, 0);
    house.end().await;
}

pub(crate) async fn two_instances_share_the_work_and_apply_each_message_once<S: Subject>() {
    // given
    let mut house = House::<S>::built(&[BOOK], &[]).await;
    house.run().await;
    let beside = house.place.beside(&house.bus).await;
    let second = house.instance(beside).await;
    let tally = second.tallies().values().next().unwrap().clone();
    // when
    house.publish("orders", many()).await;
    // then
    house.until_number(BOOKED, MANY as i64).await;
    house.settled("book").await;
    assert_eq!(house.number(ROWS), MANY as i64);
    let (one, other) = (house.counts("book").delivered, tally.read().delivered);
    assert!(one > 0 && other > 0, "one of them did it all: {one}, {other}");
    let first = house.take_runtime();
    let (first, second) = tokio::join!(first.stop(), second.stop());
    assert!(first && second);
}

pub(crate) async fn a_flow_whose_subscription_ends_begins_again<S: Subject>() {
    // given
    let mut house = House::<S>::built(&[PASS], &[]).await;
    let gate = Gate::before(&house.bus, Way::Open);
    // when
    gate.end_next_subscription();
    house.run_behind(gate).await;
    // then
    house.publish("orders", [paid("1")]).await;
    assert_eq!(house.take("first", 1).await, [paid("1")]);
    house.settled("pass").await;
    house.end().await;
}

pub(crate) async fn a_flow_that_panics_begins_again_where_it_was<S: Subject>() {
    // given
    let mut house = House::<S>::built(&[PASS], &[]).await;
    let gate = Gate::before(&house.bus, Way::Open);
    gate.panic_once();
    house.run_behind(gate).await;
    // when
    house.publish("orders", [paid("1")]).await;
    // then
    assert_eq!(house.take("first", 1).await, [paid("1")]);
    house.settled("pass").await;
    house.end().await;
}
