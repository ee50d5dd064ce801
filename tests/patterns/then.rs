//! `then:` makes a message of what a system answers: on its channel before the message that was answered is settled.

use trunkline_sdk::Outcome;

use crate::{
    gate::{Gate, Way},
    house::House,
    messages::{moved, stock_move},
    on_bus::{drained, flow, ids, queue},
    scripted::{Scripted, reply},
    subject::Subject,
};

const SHIP: &str = r#"
flow: ship
from: moves
to:
  system: peer
  in_doubt: repeat
  then:
    as: answer
    emit: 'StockMove{ order_id: this.order_id, sku: answer.tracking, quantity: uint(answer.parcels) }'
    to: void
"#;

/// A carrier that answers with a number.
fn carrier() -> &'static Scripted {
    Scripted::new(|_, _| Outcome::Applied(reply(r#"{ "tracking": "T-1", "parcels": 2 }"#)))
}

pub(crate) async fn an_answer_becomes_a_message_that_knows_what_it_answers<S: Subject>() {
    // given
    let peer = carrier();
    let mut house = House::<S>::built_with(&[SHIP], peer).await;
    house.read_also("void").await;
    house.run().await;
    // when
    house.publish("moves", [moved("1")]).await;
    // then
    let follow = house.take("void", 1).await.remove(0);
    let made = stock_move(&follow);
    assert_eq!((&*made.order_id, &*made.sku, made.quantity), ("1", "T-1", 2));
    assert_eq!(follow.id, moved("1").id.derived(&flow("ship"), 0));
    assert_eq!(follow.causation_id, Some(moved("1").id));
    drained(&*house.bus, &queue("moves", "ship")).await;
    let counts = house.counts("ship");
    assert_eq!((counts.delivered, counts.published), (1, 1));
    house.end().await;
}

pub(crate) async fn a_crash_before_the_answer_is_on_its_channel_repeats_it_under_its_id<S: Subject>() {
    // given a bus that holds up what follows
    let peer = Scripted::new(|_, times| {
        let answer = reply(r#"{ "tracking": "T-1", "parcels": 1 }"#);
        match times {
            1 => Outcome::Applied(answer),
            _ => Outcome::AlreadyThere(answer),
        }
    });
    let mut house = House::<S>::built_with(&[SHIP], peer).await;
    house.read_also("void").await;
    let gate = Gate::before(&house.bus, Way::Shut);
    house.run_behind(gate.clone()).await;
    // when the system has answered, and the process dies
    house.publish("moves", [moved("1")]).await;
    gate.somebody_waits().await;
    assert_eq!(peer.written().len(), 1);
    house.crash().await;
    house.run().await;
    // then the message comes again, and so does the answer
    let follow = house.take("void", 1).await;
    let id = moved("1").id.derived(&flow("ship"), 0);
    assert_eq!(ids(&follow), [id.to_string()].into());
    drained(&*house.bus, &queue("moves", "ship")).await;
    assert_eq!(peer.written().len(), 2);
    house.nothing_in("void").await;
    house.end().await;
}

pub(crate) async fn a_message_whose_answer_is_missing_or_cannot_be_mapped_is_parked<S: Subject>() {
    // given
    let peer = Scripted::new(|delivered, _| {
        let answer = match delivered.context.message_id.as_str() {
            "m-1" => None,
            "m-2" => reply("{}"),
            "m-3" => reply("<html>"),
            _ => reply(r#"{ "tracking": "T-4", "parcels": 1 }"#),
        };
        Outcome::Applied(answer)
    });
    let mut house = House::<S>::built_with(&[SHIP], peer).await;
    house.read_also("void").await;
    house.run().await;
    // when
    house.publish("moves", ["1", "2", "3", "4"].map(moved)).await;
    // then
    let follow = house.take("void", 1).await;
    assert_eq!(stock_move(&follow[0]).sku, "T-4");
    let mut parked = house.parked(&queue("moves", "ship"), 3).await;
    parked.sort_by(|one, two| one.message.id.cmp(&two.message.id));
    for (parked, why) in parked.iter().zip(["gave no answer", "tracking", "no JSON"]) {
        let cause = parked.cause.as_ref().unwrap();
        assert_eq!(cause.step, "then");
        assert!(cause.what.contains(why), "{cause:?}");
    }
    house.end().await;
}
