//! `filter:` lets through, ends, or parks; never changes.

use crate::{
    house::House,
    messages::{bare, message, order, paid, pending},
    on_bus::{ids, queue, set},
    subject::Subject,
};

const KEEP_PAID: &str = r#"
flow: keep
from: orders
steps:
  - filter: this.status   ==   "PAID"
to: first
"#;

pub(crate) async fn a_message_for_which_the_rule_is_true_passes_unchanged<S: Subject>() {
    // given
    let house = House::<S>::running(&[KEEP_PAID]).await;
    // when
    house.publish("orders", [paid("1")]).await;
    // then
    assert_eq!(house.take("first", 1).await, [paid("1")]);
    house.settled("keep").await;
    house.nothing_in("first").await;
    house.end().await;
}

pub(crate) async fn a_message_for_which_the_rule_is_false_ends_under_the_rules_own_words<S: Subject>() {
    // given
    let house = House::<S>::running(&[KEEP_PAID]).await;
    // when
    house
        .publish("orders", [pending("1"), paid("2"), pending("3")])
        .await;
    // then
    assert_eq!(ids(&house.take("first", 1).await), set(["m-2"]));
    house.settled("keep").await;
    let counts = house.counts("keep");
    assert_eq!(
        counts.filtered,
        [("this.status == \"PAID\"".to_owned(), 2)].into()
    );
    assert_eq!((counts.received, counts.published), (3, 1));
    assert_eq!(house.depth("keep").await.parked, 0);
    house.nothing_in("first").await;
    house.end().await;
}

pub(crate) async fn a_message_to_which_the_rule_cannot_be_put_is_parked<S: Subject>() {
    // given a rule about the first line
    let flow = "flow: keep\nfrom: orders\nsteps:\n  - filter: this.lines[0].sku == 'TEA'\nto: first\n";
    let house = House::<S>::running(&[flow]).await;
    // when there is an order without lines
    house
        .publish("orders", [bare("1"), paid("2"), message(&order("3", &["CUP"]))])
        .await;
    // then it is kept as it came, and the others go on
    let parked = house.parked(&queue("orders", "keep"), 1).await.remove(0);
    assert_eq!((parked.message, parked.attempt), (bare("1"), 1));
    let cause = parked.cause.unwrap();
    assert_eq!((cause.flow.as_str(), cause.step.as_str()), ("keep", "filter"));
    assert_eq!(ids(&house.take("first", 1).await), set(["m-2"]));
    house.settled("keep").await;
    house.end().await;
}
