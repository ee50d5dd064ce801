//! `deduplicate:` lets one message of each key pass, however often and fast it comes.

use crate::{
    gate::{Gate, Way},
    house::House,
    messages::{moved, several, stock_move},
    on_bus::{drained, queue},
    subject::Subject,
};

const ONCE: &str = r#"
flow: once
from: moves
steps:
  - deduplicate: { by: this.order_id }
  - translate: 'StockMove{ order_id: this.order_id, sku: this.sku, quantity: uint(7 / int(this.quantity)) }'
to: void
"#;

/// A message of its own for the same order.
fn again(order_id: &str, number: u32) -> trunkline::message::Message {
    let mut message = moved(order_id);
    message.id = crate::messages::id(&format!("m-{order_id}-{number}"));
    message
}

async fn deduplicating<S: Subject>() -> House<S> {
    let mut house = House::<S>::built(&[ONCE], &[]).await;
    house.read_also("void").await;
    house
}

async fn settled<S: Subject>(house: &House<S>) {
    drained(&*house.bus, &queue("moves", "once")).await;
}

pub(crate) async fn the_first_of_each_key_passes_and_repeats_end_under_a_name<S: Subject>() {
    // given
    let mut house = deduplicating::<S>().await;
    house.run().await;
    // when one comes again, under its id and under another
    house.publish("moves", [moved("1"), moved("2")]).await;
    house.take("void", 2).await;
    settled(&house).await;
    house.publish("moves", [moved("1"), again("2", 1)]).await;
    // then
    let counts = house
        .until_counts("once", |counts| counts.filtered.values().sum::<u64>() == 2)
        .await;
    assert_eq!(counts.filtered, [("repeat".to_owned(), 2)].into());
    settled(&house).await;
    house.nothing_in("void").await;
    house.end().await;
}

pub(crate) async fn repeats_that_come_at_once_wait_for_the_first<S: Subject>() {
    // given
    let mut house = deduplicating::<S>().await;
    house
        .publish("moves", (0..5).map(|number| again("1", number)))
        .await;
    // when
    house.run().await;
    // then one of them passes
    let counts = house
        .until_counts("once", |counts| counts.filtered.values().sum::<u64>() == 4)
        .await;
    assert_eq!(counts.published, 1);
    house.take("void", 1).await;
    settled(&house).await;
    house.nothing_in("void").await;
    house.end().await;
}

pub(crate) async fn a_message_that_fails_leaves_no_mark<S: Subject>() {
    // given one that cannot be translated
    let mut house = deduplicating::<S>().await;
    house.run().await;
    house.publish("moves", [several("1", 0)]).await;
    house.parked(&queue("moves", "once"), 1).await;
    // when another one of its key comes
    house.publish("moves", [again("1", 1)]).await;
    // then
    let passed = house.take("void", 1).await.remove(0);
    assert_eq!(stock_move(&passed).quantity, 7);
    house.end().await;
}

pub(crate) async fn what_was_seen_is_remembered_after_a_crash<S: Subject>() {
    // given one that is held up on its way, and a process that dies
    let mut house = deduplicating::<S>().await;
    let gate = Gate::before(&house.bus, Way::Shut);
    house.run_behind(gate.clone()).await;
    house.publish("moves", [moved("1")]).await;
    gate.somebody_waits().await;
    house.crash().await;
    // when it comes again, then it was not settled, and passes
    house.run().await;
    house.take("void", 1).await;
    settled(&house).await;
    // when the process dies once more, then it was settled
    house.crash().await;
    house.run().await;
    house.publish("moves", [again("1", 1)]).await;
    house
        .until_counts("once", |counts| counts.filtered.len() == 1)
        .await;
    settled(&house).await;
    house.nothing_in("void").await;
    house.end().await;
}

pub(crate) async fn after_its_time_a_repeat_is_none<S: Subject>() {
    // given
    let flow = ONCE.replace("this.order_id }", "this.order_id, within: 1s }");
    let mut house = House::<S>::built(&[&flow], &[]).await;
    house.read_also("void").await;
    house.run().await;
    house.publish("moves", [moved("1")]).await;
    house.take("void", 1).await;
    // when it comes again and again
    for number in 1.. {
        house.publish("moves", [again("1", number)]).await;
        let counts = house
            .until_counts("once", |counts| {
                counts.published + counts.filtered.values().sum::<u64>() == u64::from(number) + 1
            })
            .await;
        // then one of them passes at last
        if counts.published == 2 {
            break;
        }
    }
    house.take("void", 1).await;
    house.end().await;
}
