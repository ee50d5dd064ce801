//! `route:` sends each message to one channel, unchanged.

use crate::{
    house::House,
    messages::{bare, message, order, paid},
    on_bus::queue,
    subject::Subject,
};

const BY_ARTICLE: &str = r#"
flow: sort
from: orders
steps:
  - route:
      - { when: 'this.lines[0].sku == "TEA"', to: first }
      - { when: 'this.lines.size() == 1', to: second }
      - { otherwise: third }
"#;

pub(crate) async fn the_first_case_that_is_true_takes_the_message_unchanged<S: Subject>() {
    // given
    let house = House::<S>::running(&[BY_ARTICLE]).await;
    // when both cases are true, only the second is, none is
    let both = paid("1");
    let second = message(&order("2", &["CUP"]));
    let none = message(&order("3", &["CUP", "TEA"]));
    house
        .publish("orders", [none.clone(), second.clone(), both.clone()])
        .await;
    // then
    assert_eq!(house.take("first", 1).await, [both]);
    assert_eq!(house.take("second", 1).await, [second]);
    assert_eq!(house.take("third", 1).await, [none]);
    house.settled("sort").await;
    for channel in ["first", "second", "third"] {
        house.nothing_in(channel).await;
    }
    house.end().await;
}

pub(crate) async fn a_message_whose_case_cannot_be_told_is_parked<S: Subject>() {
    // given
    let house = House::<S>::running(&[BY_ARTICLE]).await;
    // when there is an order without lines
    house.publish("orders", [bare("1"), paid("2")]).await;
    // then it goes nowhere, not even by `otherwise`
    let parked = house.parked(&queue("orders", "sort"), 1).await.remove(0);
    assert_eq!(parked.message, bare("1"));
    assert_eq!(parked.cause.unwrap().step, "route");
    assert_eq!(house.take("first", 1).await, [paid("2")]);
    house.settled("sort").await;
    house.nothing_in("third").await;
    house.end().await;
}
