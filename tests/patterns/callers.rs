//! Request and reply from end to end: a caller over HTTP hears what a flow answers over the bus, or the fallback in time.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::{
    house::{House, until},
    on_bus::{drained, queue},
    sender::{safe, send},
    subject::Subject,
};

const FALLBACK: &str = r#"{"fulfillmentText":"We call you back."}"#;

const ANSWER: &str = r#"
flow: answer
from: moves
steps:
  - translate: '{ "fulfillmentText": "We have " + string(this.quantity) + " " + this.sku }'
to: reply
"#;

/// The flow that asks, with this time to do so.
fn ask(within: &str) -> String {
    format!(
        r#"
flow: ask
from: {{ system: shop, path: /moves, reply: {{ within: {within}, fallback: '{FALLBACK}' }} }}
steps:
  - translate: 'StockMove{{ sku: this.sku, quantity: uint(this.n) }}'
to: moves
"#
    )
}

pub(crate) async fn a_caller_over_http_hears_what_a_flow_answers<S: Subject>() {
    // given
    let house = House::<S>::running(&[&ask("25s"), ANSWER]).await;
    let address = house.address().await;
    // when many ask at once, and one asks again
    let numbers = [1, 2, 3, 4, 5, 6, 7, 8, 9, 1];
    let asked = numbers.map(|n| {
        let address = &address;
        async move {
            let body = format!(r#"{{ "sku": "TEA", "n": {n} }}"#);
            send(address, &n.to_string(), &body).await
        }
    });
    let answers = join_all(asked).await;
    // then
    for (n, answer) in numbers.iter().zip(answers) {
        assert_eq!(
            answer,
            safe(&format!(r#"{{"fulfillmentText":"We have {n} TEA"}}"#))
        );
    }
    drained(&*house.bus, &queue("moves", "answer")).await;
    assert_eq!(house.counts("ask").unanswered, 0);
    house.end().await;
}

pub(crate) async fn a_caller_hears_the_fallback_in_time_when_no_flow_answers<S: Subject>() {
    // given
    let mut house = House::<S>::built(&[&ask("400ms"), ANSWER], &[]).await;
    house.run_only(&["ask"]).await;
    let address = house.address().await;
    // when
    let begun = Instant::now();
    let answer = send(&address, "1", r#"{ "sku": "TEA", "n": 1 }"#).await;
    // then
    assert_eq!(answer, safe(FALLBACK));
    assert!((Duration::from_millis(400)..Duration::from_secs(4)).contains(&begun.elapsed()));
    until("it is counted", async || {
        (house.counts("ask").unanswered == 1).then_some(())
    })
    .await;
    house.end().await;
}

pub(crate) async fn a_caller_hears_the_fallback_at_once_when_its_request_is_parked<S: Subject>() {
    // given
    let house = House::<S>::running(&[&ask("25s"), ANSWER]).await;
    let address = house.address().await;
    // when
    let begun = Instant::now();
    let answer = send(&address, "1", r#"{ "sku": "TEA" }"#).await;
    // then
    assert_eq!(answer, safe(FALLBACK));
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(house.counts("ask").parked.values().sum::<u64>(), 1);
    house.end().await;
}
