//! `split:` makes parts: all of them, or none.

use trunkline::names::MessageId;

use crate::{
    house::{House, until},
    messages::{bare, message, order, paid, stock_move},
    on_bus::{flow, ids, queue},
    subject::Subject,
};

const TO_MOVES: &str = r#"
flow: split
from: orders
steps:
  - split: { each: this.lines, as: line, emit: "StockMove{ order_id: this.order_id, sku: line.sku, quantity: line.quantity }" }
to: moves
"#;

/// The ids of the first parts of a message.
fn parts(of: &MessageId, count: usize) -> Vec<MessageId> {
    (0..count)
        .map(|number| of.derived(&flow("split"), number))
        .collect()
}

fn texts(ids: &[MessageId]) -> std::collections::BTreeSet<String> {
    ids.iter().map(ToString::to_string).collect()
}

pub(crate) async fn each_element_becomes_a_message_with_the_same_id_again<S: Subject>() {
    // given
    let house = House::<S>::running(&[TO_MOVES]).await;
    let whole = message(&order("1", &["TEA", "CUP", "TEA"]));
    for _ in 0..2 {
        // when it comes, and comes again
        house.publish("orders", [whole.clone()]).await;
        // then
        let mut moves = house.take("moves", 3).await;
        assert_eq!(ids(&moves), texts(&parts(&whole.id, 3)));
        let first = whole.id.derived(&flow("split"), 0);
        moves.sort_by_key(|part| part.id != first);
        assert_eq!(stock_move(&moves[0]).sku, "TEA");
        assert!(
            moves
                .iter()
                .all(|part| part.causation_id.as_ref() == Some(&whole.id) && part.trace == whole.trace)
        );
    }
    house.settled("split").await;
    house.nothing_in("moves").await;
    house.end().await;
}

pub(crate) async fn a_record_is_split_into_messages_that_tell_nothing_of_its_file<S: Subject>() {
    // given
    let flow = r#"
flow: split
from: { system: drop, pattern: "*.jsonl", poll: 10ms }
steps:
  - split: { each: this.lines, as: line, emit: "StockMove{ order_id: attributes['file.name'], sku: line, quantity: 1u }" }
to: moves
"#;
    let house = House::<S>::running(&[flow]).await;
    // when
    house.drop_file("a.jsonl", "{\"lines\": [\"TEA\", \"CUP\"]}\n");
    // then
    let moves = house.take("moves", 2).await;
    let whole = moves[0].causation_id.clone().unwrap();
    assert_eq!(ids(&moves), texts(&parts(&whole, 2)));
    for part in moves {
        assert_eq!(stock_move(&part).order_id, "a.jsonl");
        assert_eq!(part.correlation_id.as_deref(), Some(whole.as_str()));
        assert!(part.facts.is_empty(), "{:?}", part.facts);
    }
    house.end().await;
}

pub(crate) async fn a_message_without_parts_is_filtered<S: Subject>() {
    // given
    let house = House::<S>::running(&[TO_MOVES]).await;
    // when
    house.publish("orders", [bare("1"), paid("2")]).await;
    // then
    house.take("moves", 1).await;
    house.settled("split").await;
    assert_eq!(
        house.counts("split").filtered,
        [("split: no parts".to_owned(), 1)].into()
    );
    assert_eq!(house.depth("split").await.parked, 0);
    house.end().await;
}

pub(crate) async fn a_message_is_settled_only_when_all_its_parts_are_confirmed<S: Subject>() {
    // given a channel for cups that no queue takes from
    let flow = r#"
flow: split
from: orders
steps:
  - split: { each: this.lines, as: line, emit: "StockMove{ sku: line.sku, quantity: 1u }" }
  - route:
      - { when: this.sku == "CUP", to: void }
      - { otherwise: moves }
"#;
    let mut house = House::<S>::running(&[flow]).await;
    let whole = message(&order("1", &["TEA", "CUP"]));
    // when
    house.publish("orders", [whole.clone()]).await;
    house.until_counts("split", |counts| counts.received == 1).await;
    let finished = house.stop().await;
    // then the message is where it was
    assert!(finished);
    until("the message is back", async || {
        (house.depth("split").await.ready == 1).then_some(())
    })
    .await;
    assert_eq!(house.depth("split").await.parked, 0);
    // when a queue takes them, then both parts are there
    house.read_also("void").await;
    house.run().await;
    let ids = parts(&whole.id, 2);
    assert_eq!(house.take("void", 1).await[0].id, ids[1]);
    house.settled("split").await;
    // A part may have come before the other was refused; then it has come twice, under one id.
    for part in house.take("moves", 1).await {
        assert_eq!(part.id, ids[0]);
    }
    house.end().await;
}

pub(crate) async fn one_part_that_cannot_be_made_parks_the_whole_and_passes_none_on<S: Subject>() {
    // given a part that lacks its article
    let house = House::<S>::running(&[TO_MOVES]).await;
    let mut bad = order("1", &["TEA", "CUP", "TEA"]);
    bad.lines[1].sku.clear();
    let bad = message(&bad);
    // when
    house.publish("orders", [bad.clone(), paid("2")]).await;
    // then
    let parked = house.parked(&queue("orders", "split"), 1).await.remove(0);
    assert_eq!(parked.message, bad);
    let cause = parked.cause.unwrap();
    assert_eq!(cause.step, "split");
    assert!(cause.what.contains("[1].sku: "), "{cause:?}");
    assert_eq!(house.take("moves", 1).await[0].causation_id, Some(paid("2").id));
    house.settled("split").await;
    house.nothing_in("moves").await;
    house.end().await;
}

pub(crate) async fn one_part_that_is_refused_parks_the_whole_and_applies_none<S: Subject>() {
    // given
    let flow = r#"
flow: stock
from: orders
steps:
  - split: { each: this.lines, as: line, emit: "StockMove{ sku: line.sku, quantity: line.quantity }" }
to:
  system: erp
  statement: UPDATE stock SET on_hand = on_hand - :quantity WHERE sku = :sku
  expect_rows: 1
"#;
    let house = House::<S>::running(&[flow]).await;
    let bad = message(&order("1", &["TEA", "UNKNOWN", "CUP"]));
    // when it stands between two good ones
    let good = |id| message(&order(id, &["TEA", "CUP"]));
    house.publish("orders", [good("2"), bad.clone(), good("3")]).await;
    // then
    let parked = house.parked(&queue("orders", "stock"), 1).await.remove(0);
    assert_eq!((parked.message, parked.attempt), (bad, 1));
    let cause = parked.cause.unwrap();
    assert_eq!(cause.step, "erp");
    assert!(cause.what.contains("changed 0 rows, expected 1"), "{cause:?}");
    house.settled("stock").await;
    let taken = "SELECT sum(1000000 - on_hand) FROM stock WHERE sku IN ('TEA', 'CUP')";
    assert_eq!(house.number(taken), 4);
    assert_eq!(house.counts("stock").delivered, 2);
    house.end().await;
}
