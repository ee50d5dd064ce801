//! Request and reply: who asks gets its own answer from the flow that ends in `to: reply`, wherever that runs, or hears
//! in time that there is none.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::mpsc;
use trunkline_sdk::{Body, Fault, Outlet, Remedy, Reply};

use crate::{
    asker::{Asker, record},
    gate::{Gate, Way},
    house::{House, until},
    messages::moved,
    on_bus::{PATIENCE, drained, flow, queue},
    subject::Subject,
};

const ASK: &str = r#"
flow: ask
from: { system: shop, path: /ask }
steps:
  - filter: this.id != "unwanted"
  - translate: 'StockMove{ order_id: this.id, sku: "TEA", quantity: uint(this.n) }'
to: moves
"#;

const ANSWER: &str = r#"
flow: answer
from: moves
steps:
  - translate: '{ "order": this.order_id, "n": this.quantity }'
to: reply
"#;

/// A house whose system `shop` is the sentence itself, with the flows of these names at work; and the way to ask.
async fn asking<S: Subject>(flows: &[&str], at_work: &[&str]) -> (House<S>, Outlet, Given) {
    let mut house = House::<S>::built(flows, &[]).await;
    let (adapter, mut given) = Asker::new();
    house.replace_adapter("shop", adapter);
    house.run_only(at_work).await;
    let outlet = given.recv().await.expect("its source runs");
    (house, outlet, given)
}

type Given = mpsc::UnboundedReceiver<Outlet>;

async fn ask(outlet: &Outlet, id: &str, deadline: Duration) -> Result<Reply, Fault> {
    let json = format!(r#"{{ "id": "{id}", "n": {} }}"#, id.len());
    outlet.ask(record(id, &json), deadline).await
}

fn text(reply: Reply) -> String {
    match reply.body {
        Body::Bytes { content_type, bytes } if content_type == "application/json" => {
            String::from_utf8(bytes.to_vec()).expect("JSON is text")
        }
        other => panic!("no JSON, but {other:?}"),
    }
}

/// The flow that answers has settled all, and parked nothing.
async fn settled<S: Subject>(house: &House<S>) {
    let queue = queue("moves", "answer");
    drained(&*house.bus, &queue).await;
    assert_eq!(house.depth_of(&queue).await.parked, 0);
}

fn answer_to(id: &str) -> String {
    format!(r#"{{"order":"{id}","n":{}}}"#, id.len())
}

pub(crate) async fn everybody_who_asks_gets_its_own_answer<S: Subject>() {
    // given
    let (house, outlet, _given) = asking::<S>(&[ASK, ANSWER], &["ask", "answer"]).await;
    // when many ask at once, two of them the same
    let ids = ["a", "bb", "ccc", "dddd", "bb"];
    let replies = join_all(ids.map(|id| ask(&outlet, id, PATIENCE))).await;
    // then
    for (id, reply) in ids.iter().zip(replies) {
        assert_eq!(text(reply.expect("it is answered")), answer_to(id));
    }
    // then one who asks again is answered again
    let again = ask(&outlet, "a", PATIENCE).await.expect("it is answered");
    assert_eq!(text(again), answer_to("a"));
    assert!(house.counts("answer").answered >= 5);
    settled(&house).await;
    drop(outlet);
    house.end().await;
}

pub(crate) async fn an_answer_that_is_a_canonical_message_comes_as_sinks_see_it<S: Subject>() {
    // given
    let answer = r#"
flow: answer
from: moves
steps:
  - translate: 'StockMove{ order_id: this.order_id, sku: this.sku, quantity: 3u }'
to: reply
"#;
    let (house, outlet, _given) = asking::<S>(&[ASK, answer], &["ask", "answer"]).await;
    // when
    let reply = ask(&outlet, "a", PATIENCE).await.expect("it is answered");
    // then
    let reply = text(reply);
    assert!(reply.contains(r#""order_id":"a""#), "{reply}");
    assert!(reply.contains(r#""quantity":3"#), "{reply}");
    drop(outlet);
    house.end().await;
}

pub(crate) async fn an_answer_finds_its_way_through_other_flows_and_from_another_process<S: Subject>() {
    // given three flows, of which one alone runs in our process
    let pass = r#"
flow: pass
from: moves
steps:
  - filter: this.order_id != ""
to: void
"#;
    let answer = ANSWER.replace("from: moves", "from: void");
    let (mut house, outlet, _given) = asking::<S>(&[ASK, pass, &answer], &["ask"]).await;
    let other = house.place.beside(&house.bus).await;
    let others = house.instance_of(other, &["pass", "answer"]).await;
    // when
    let replies = join_all(["a", "bb"].map(|id| ask(&outlet, id, PATIENCE))).await;
    // then
    let replies: Vec<_> = replies
        .into_iter()
        .map(|reply| text(reply.expect("it is answered")))
        .collect();
    assert_eq!(replies, [answer_to("a"), answer_to("bb")]);
    assert!(others.stop().await);
    if S::ENGINE == "embedded" {
        // The bus was shared, and is closed.
        house.reopen().await;
    }
    drop(house.take_runtime());
}

pub(crate) async fn a_request_that_nobody_takes_up_in_time_is_not_worked_on_any_more<S: Subject>() {
    // given nobody who answers
    let (house, outlet, _given) = asking::<S>(&[ASK, ANSWER], &["ask"]).await;
    // when
    let fault = ask(&outlet, "a", Duration::from_millis(300)).await.unwrap_err();
    // then
    assert_eq!(fault.remedy, Remedy::Wait, "{fault}");
    assert_eq!(house.counts("ask").unanswered, 1);
    // when somebody comes, then it has expired, and the next is answered
    let others = house.instance_of(house.bus.clone(), &["answer"]).await;
    let reply = ask(&outlet, "bb", PATIENCE).await.expect("it is answered");
    assert_eq!(text(reply), answer_to("bb"));
    let counts = others.tallies()[&flow("answer")].read();
    assert_eq!(counts.filtered, [("expired".to_owned(), 1)].into());
    drop(others);
    drop(outlet);
    house.end().await;
}

pub(crate) async fn an_answer_that_comes_too_late_is_dropped_and_counted<S: Subject>() {
    // given somebody whose answer is held up on its way
    let (house, outlet, _given) = asking::<S>(&[ASK, ANSWER], &["ask"]).await;
    let gate = Gate::before(&house.bus, Way::Shut);
    let others = house.instance_of(gate.clone(), &["answer"]).await;
    // when
    let fault = ask(&outlet, "a", Duration::from_millis(500)).await.unwrap_err();
    assert_eq!(fault.remedy, Remedy::Wait, "{fault}");
    gate.somebody_waits().await;
    gate.turn(Way::Open);
    // then
    let replies = house.bus.replies().await.expect("somebody has asked");
    until("it comes, late", async || (replies.late() == 1).then_some(())).await;
    settled(&house).await;
    drop(others);
    drop(outlet);
    house.end().await;
}

pub(crate) async fn an_answer_to_a_process_that_is_gone_ends_under_a_name<S: Subject>() {
    // given somebody who has asked, and is gone
    let (mut house, outlet, given) = asking::<S>(&[ASK, ANSWER], &["ask"]).await;
    let asked = tokio::spawn(async move { ask(&outlet, "a", PATIENCE).await });
    until("it is on the bus", async || {
        (house.depth_of(&queue("moves", "answer")).await.ready == 1).then_some(())
    })
    .await;
    asked.abort();
    drop(given);
    house.crash().await;
    // when
    house.run_only(&["answer"]).await;
    // then
    let counts = house
        .until_counts("answer", |counts| !counts.filtered.is_empty())
        .await;
    assert_eq!(counts.filtered, [("late reply".to_owned(), 1)].into());
    settled(&house).await;
    house.end().await;
}

pub(crate) async fn who_asks_what_no_flow_can_answer_hears_it_at_once<S: Subject>() {
    // given
    let (house, outlet, _given) = asking::<S>(&[ASK, ANSWER], &["ask", "answer"]).await;
    // when
    let unwanted = ask(&outlet, "unwanted", PATIENCE).await.unwrap_err();
    let unmapped = outlet
        .ask(record("x", "{ \"id\": 1 }"), PATIENCE)
        .await
        .unwrap_err();
    // then
    assert_eq!(
        (unwanted.remedy, unmapped.remedy),
        (Remedy::DeadLetter, Remedy::DeadLetter)
    );
    assert!(unwanted.what.contains("unwanted"), "{unwanted}");
    drop(outlet);
    house.end().await;
}

pub(crate) async fn what_is_no_request_ends_under_a_name_in_a_flow_that_answers<S: Subject>() {
    // given
    let house = House::<S>::running(&[ANSWER]).await;
    // when
    house.publish("moves", [moved("1")]).await;
    // then
    settled(&house).await;
    assert_eq!(
        house.counts("answer").filtered,
        [("no return address".to_owned(), 1)].into()
    );
    house.end().await;
}
