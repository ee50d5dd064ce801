//! `recipients:` sends a message to all whose case is true.

use crate::{
    house::{House, until},
    messages::{moved, several},
    on_bus::{drained, ids, queue},
    subject::Subject,
};

const LIST: &str = r#"
flow: tell
from: moves
steps:
  - recipients:
      - { when: this.quantity > 1u, to: void }
      - { when: this.quantity > 2u, to: single-moves }
"#;

pub(crate) async fn everybody_whose_case_is_true_gets_the_message<S: Subject>() {
    // given
    let mut house = House::<S>::built(&[LIST], &[]).await;
    house.read_also("void").await;
    house.read_also("single-moves").await;
    house.run().await;
    // when it is for nobody, for one, for both
    house
        .publish("moves", [several("1", 1), several("2", 2), several("3", 3)])
        .await;
    // then
    let id = |id: &str| id.to_owned();
    assert_eq!(ids(&house.take("void", 2).await), [id("m-2"), id("m-3")].into());
    assert_eq!(ids(&house.take("single-moves", 1).await), [id("m-3")].into());
    drained(&*house.bus, &queue("moves", "tell")).await;
    let counts = house.counts("tell");
    assert_eq!(counts.published, 3);
    assert_eq!(counts.filtered, [("recipients: none".to_owned(), 1)].into());
    house.end().await;
}

pub(crate) async fn who_is_left_over_goes_to_the_last_case<S: Subject>() {
    // given
    let flow = format!("{LIST}      - {{ otherwise: third-moves }}\n");
    let mut house = House::<S>::built(&[&flow], &[]).await;
    for channel in ["void", "single-moves", "third-moves"] {
        house.read_also(channel).await;
    }
    house.run().await;
    // when
    house.publish("moves", [several("1", 1), several("2", 2)]).await;
    // then
    assert_eq!(house.take("third-moves", 1).await[0].id, moved("1").id);
    assert_eq!(house.take("void", 1).await[0].id, moved("2").id);
    house.nothing_in("third-moves").await;
    house.end().await;
}

pub(crate) async fn a_message_is_settled_only_when_all_recipients_have_it<S: Subject>() {
    // given one recipient that is not there
    let mut house = House::<S>::built(&[LIST], &[]).await;
    house.read_also("void").await;
    house.run().await;
    // when
    house.publish("moves", [several("3", 3)]).await;
    house.until_counts("tell", |counts| counts.received == 1).await;
    house.stop().await;
    // then
    until("the message is back", async || {
        (house.depth_of(&queue("moves", "tell")).await.ready == 1).then_some(())
    })
    .await;
    // when it comes
    house.read_also("single-moves").await;
    house.run().await;
    // then
    assert_eq!(house.take("single-moves", 1).await[0].id, moved("3").id);
    drained(&*house.bus, &queue("moves", "tell")).await;
    house.end().await;
}
