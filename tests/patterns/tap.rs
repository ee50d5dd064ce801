//! `tap:` sends a copy away, and the message goes on as it was.

use crate::{
    house::{House, until},
    messages::{moved, stock_move},
    on_bus::{drained, flow, queue},
    subject::Subject,
};

const TAPPED: &str = r#"
flow: pass
from: moves
steps:
  - tap: void
  - filter: this.quantity > 1u
  - translate: 'StockMove{ order_id: this.order_id, sku: "CUP", quantity: this.quantity }'
to: single-moves
"#;

pub(crate) async fn a_copy_of_each_message_goes_to_the_channel_and_the_flow_goes_on<S: Subject>() {
    // given
    let mut house = House::<S>::built(&[TAPPED], &[]).await;
    house.read_also("void").await;
    house.read_also("single-moves").await;
    house.run().await;
    // when one is a request that goes on, and one ends behind the tap
    let mut asked = crate::messages::several("1", 2);
    asked.reply_to = Some("answers".into());
    asked.expires_at = Some("2999-01-01T00:00:00Z".parse().unwrap());
    house.publish("moves", [asked.clone(), moved("2")]).await;
    // then
    let copies = house.take("void", 2).await;
    assert!(copies.iter().all(|copy| stock_move(copy).sku == "TEA"));
    let copy = copies
        .iter()
        .find(|copy| copy.id == asked.id)
        .expect("it has the id");
    assert_eq!((&copy.reply_to, copy.expires_at), (&None, None));
    let on = house.take("single-moves", 1).await.remove(0);
    assert_eq!(on.id, asked.id.derived(&flow("pass"), 0));
    assert_eq!(on.reply_to, asked.reply_to);
    drained(&*house.bus, &queue("moves", "pass")).await;
    assert_eq!(house.counts("pass").published, 3);
    house.end().await;
}

pub(crate) async fn a_message_is_settled_only_when_its_copy_is_confirmed<S: Subject>() {
    // given a tap that no queue takes from
    let mut house = House::<S>::built(&[TAPPED], &[]).await;
    house.read_also("single-moves").await;
    house.run().await;
    // when
    house.publish("moves", [moved("1")]).await;
    house.until_counts("pass", |counts| counts.received == 1).await;
    house.stop().await;
    // then
    until("the message is back", async || {
        (house.depth_of(&queue("moves", "pass")).await.ready == 1).then_some(())
    })
    .await;
    // when there is one
    house.read_also("void").await;
    house.run().await;
    // then
    assert_eq!(house.take("void", 1).await[0].id, moved("1").id);
    house.end().await;
}

pub(crate) async fn a_message_tells_the_flows_it_has_passed<S: Subject>() {
    // given two flows, one behind the other
    let first = "flow: one\nfrom: moves\nto: void\n";
    let second = "flow: two\nfrom: void\nto: single-moves\n";
    let mut house = House::<S>::built(&[first, second], &[]).await;
    house.read_also("single-moves").await;
    house.run().await;
    // when
    house.publish("moves", [moved("1")]).await;
    // then
    let came = house.take_whole("single-moves", 1).await.remove(0);
    assert_eq!(came.history.as_deref(), Some("one,two"));
    house.end().await;
}
