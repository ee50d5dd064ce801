//! `translate:` makes another message; what it is made of, and why, can be told from it.

use trunkline::{
    message::Message,
    names::MessageId,
    store::{CrossReference, CrossReferences},
};

use crate::{
    house::House,
    messages::{bare, message, order, paid, stock_move},
    on_bus::{flow, ids, queue},
    subject::Subject,
};

const TO_MOVE: &str = r#"
flow: pick
from: orders
steps:
  - translate: "StockMove{ order_id: this.order_id, sku: this.lines[0].sku, quantity: this.lines[0].quantity }"
to: moves
"#;

/// The id of what flow `pick` makes of a message.
fn made_of(message: &Message) -> MessageId {
    message.id.derived(&flow("pick"), 0)
}

pub(crate) async fn a_message_made_of_a_message_has_an_id_of_its_own_and_names_its_cause<S: Subject>() {
    // given
    let house = House::<S>::running(&[TO_MOVE]).await;
    let mut first = paid("2");
    first.correlation_id = None;
    // when a message of a journey is translated, and one that begins a journey
    house.publish("orders", [paid("1"), first.clone()]).await;
    // then
    let moves = house.take("moves", 2).await;
    let of = |original: &Message| moves.iter().find(|made| made.id == made_of(original)).unwrap();
    let made = of(&paid("1"));
    assert_eq!(stock_move(made).order_id, "1");
    assert_eq!(made.causation_id, Some(paid("1").id));
    let mut journey = paid("1");
    journey.id = made.id.clone();
    journey.causation_id = made.causation_id.clone();
    journey.content = made.content.clone();
    assert_eq!(
        *made, journey,
        "source, subject, key, time, correlation and trace go on"
    );
    assert_eq!(of(&first).correlation_id.as_deref(), Some(first.id.as_str()));
    house.settled("pick").await;
    house.end().await;
}

pub(crate) async fn the_same_message_again_is_translated_into_the_same_message_again<S: Subject>() {
    // given
    let house = House::<S>::running(&[TO_MOVE]).await;
    // when
    house.publish("orders", [paid("1"), paid("1")]).await;
    // then
    let moves = house.take("moves", 2).await;
    assert_eq!(moves[0], moves[1]);
    house.settled("pick").await;
    house.end().await;
}

pub(crate) async fn a_message_that_went_through_a_record_has_an_id_of_its_own_too<S: Subject>() {
    // given
    let flow = r#"
flow: pick
from: orders
steps:
  - translate: "{ 'article': this.lines[0].sku, 'order': this.order_id }"
  - translate: "StockMove{ order_id: this.order, sku: this.article, quantity: 1u }"
to: moves
"#;
    let house = House::<S>::running(&[flow]).await;
    // when
    house.publish("orders", [paid("1")]).await;
    // then it is not the order under another type
    let made = house.take("moves", 1).await.remove(0);
    assert_eq!((&*stock_move(&made).sku, made.id), ("TEA", made_of(&paid("1"))));
    assert_eq!(made.causation_id, Some(paid("1").id));
    house.settled("pick").await;
    house.end().await;
}

pub(crate) async fn what_cannot_be_translated_is_parked_as_it_came_and_the_others_go_on<S: Subject>() {
    // given
    let house = House::<S>::running(&[TO_MOVE]).await;
    // when
    house.publish("orders", [paid("1"), bare("2"), paid("3")]).await;
    // then
    let parked = house.parked(&queue("orders", "pick"), 1).await.remove(0);
    assert_eq!((parked.message, parked.attempt), (bare("2"), 1));
    let cause = parked.cause.unwrap();
    assert_eq!((cause.flow.as_str(), cause.step.as_str()), ("pick", "translate"));
    for path in ["sku: ", "quantity: "] {
        assert!(cause.what.contains(path), "{cause:?}");
    }
    let moves = house.take("moves", 2).await;
    let expected = [paid("1"), paid("3")].map(|message| made_of(&message).to_string());
    assert_eq!(ids(&moves), expected.into());
    house.settled("pick").await;
    house.nothing_in("moves").await;
    assert_eq!(house.counts("pick").parked.values().sum::<u64>(), 1);
    house.end().await;
}

pub(crate) async fn a_cross_reference_is_fetched_before_the_mapping_runs_and_a_missing_one_parks_the_message<
    S: Subject,
>() {
    // given
    let flow = r#"
flow: pick
from: orders
steps:
  - translate: "StockMove{ order_id: xref('shop', 'order', this.order_id), sku: 'TEA', quantity: 1u }"
to: moves
"#;
    let house = House::<S>::running(&[flow]).await;
    let entry = CrossReference {
        system: "shop".to_owned(),
        kind: "order".to_owned(),
        id: "1".to_owned(),
        identity: "o-1".to_owned(),
    };
    house.store().set(&[entry]).expect("the store takes it");
    // when
    house.publish("orders", [paid("1"), paid("2")]).await;
    // then
    let made = house.take("moves", 1).await.remove(0);
    assert_eq!(stock_move(&made).order_id, "o-1");
    let parked = house.parked(&queue("orders", "pick"), 1).await.remove(0);
    let cause = parked.cause.unwrap();
    assert!(
        cause
            .what
            .starts_with("order_id: no cross-reference for this order of `shop`"),
        "{cause:?}"
    );
    assert!(cause.hint.unwrap().contains("trunkline xref set shop order"));
    house.settled("pick").await;
    house.end().await;
}

pub(crate) async fn a_message_that_grows_beyond_what_the_bus_carries_is_parked<S: Subject>() {
    // given a mapping that repeats the note of the order
    let flow = "
flow: grow
from: orders
steps:
  - translate: \"acme.v1.Note{ text: this.note + this.note + this.note }\"
to: notes
";
    let house = House::<S>::running(&[flow]).await;
    // when three times the note is more than 16 MiB
    let mut large = order("1", &["TEA"]);
    large.note = "x".repeat(6 << 20);
    let large = message(&large);
    house.publish("orders", [large.clone(), paid("2")]).await;
    // then it waits for a person, and what is behind it goes on
    let parked = house.parked(&queue("orders", "grow"), 1).await.remove(0);
    assert_eq!(parked.message.id, large.id);
    assert!(parked.message == large, "it is kept as it came");
    assert_eq!(parked.cause.unwrap().step, "to");
    let made = house.take("notes", 1).await.remove(0);
    assert_eq!(made.causation_id, Some(paid("2").id));
    house.settled("grow").await;
    house.end().await;
}
