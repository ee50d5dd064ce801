//! From a system onto the bus: nothing is answered, put away or passed over before it is safe.

use bytes::Bytes;
use futures_util::FutureExt;
use trunkline::{message::Content, names::MessageId};
use trunkline_sdk::Body;

use crate::{
    gate::{Gate, Way},
    house::{House, inbound, system, until},
    messages::{canonical, stock_move},
    on_bus::{flow, queue},
    sender::{safe, send, send_batch},
    subject::Subject,
};

const SALES: &str = r#"
flow: sales
from: { system: shop, path: /moves }
steps:
  - filter: this.n != 0
  - translate: "StockMove{ sku: this.sku, quantity: uint(this.n) }"
to: moves
"#;

const DROPS: &str = r#"
flow: drops
from: { system: drop, pattern: "*.jsonl", poll: 10ms }
steps:
  - translate: "StockMove{ sku: this.sku, quantity: 1u, order_id: string(this.id) }"
to: moves
"#;

const BOOK: &str = r#"
flow: book
from: moves
to: { system: erp, statement: INSERT INTO orders (order_id) VALUES (:order_id) }
"#;

/// A file of so many records.
fn records(count: usize) -> String {
    (0..count).map(record).collect()
}

fn record(id: usize) -> String {
    format!("{{\"id\": {id}, \"sku\": \"TEA\"}}\n")
}

/// Waits until the adapter has put the file away.
async fn put_away<S: Subject>(house: &House<S>, name: &str) {
    let done = house.drop_folder().join("done").join(name);
    until("the file is put away", async || done.is_file().then_some(())).await;
}

pub(crate) async fn the_same_event_twice_is_the_same_message<S: Subject>() {
    // given
    let house = House::<S>::running(&[SALES]).await;
    let address = house.address().await;
    // when
    for event in ["17", "17", "18"] {
        let answer = send(&address, event, r#"{ "sku": "TEA", "n": 2 }"#).await;
        assert_eq!(answer, safe("published"));
    }
    // then
    let moves = house.take("moves", 3).await;
    let id = |event| MessageId::of_event(&system("shop"), &flow("sales"), event);
    let mut ids: Vec<_> = moves.iter().map(|made| made.id.clone()).collect();
    ids.sort();
    let mut expected = vec![id("/till 17"), id("/till 17"), id("/till 18")];
    expected.sort();
    assert_eq!(ids, expected);
    // it is the first of its journey, and was made of no other
    let made = &moves[0];
    assert_eq!(made.correlation_id.as_deref(), Some(made.id.as_str()));
    assert_eq!((&*made.source, &made.causation_id), ("/shop/sales", &None));
    assert_eq!(stock_move(made).quantity, 2);
    house.end().await;
}

pub(crate) async fn a_batch_of_events_is_as_many_messages_and_200_when_all_are_confirmed<S: Subject>() {
    // given more than are published together
    let house = House::<S>::running(&[SALES]).await;
    let address = house.address().await;
    let event = |id: usize| {
        let data = format!(r#"{{ "sku": "TEA", "n": {} }}"#, id % 2);
        format!(
            r#"{{ "specversion": "1.0", "id": "{id}", "source": "/till", "type": "sale", "data": {data} }}"#
        )
    };
    let batch = format!("[{}]", (0..600).map(event).collect::<Vec<_>>().join(","));
    // when it is sent, and sent again
    for _ in 0..2 {
        let answer = send_batch(&address, &batch).await;
        assert_eq!(answer, safe("published 300, filtered 300"));
    }
    // then
    let moves = house.take("moves", 600).await;
    let ids: std::collections::BTreeSet<_> = moves.iter().map(|made| made.id.clone()).collect();
    assert_eq!(ids.len(), 300);
    assert!(ids.contains(&MessageId::of_event(&system("shop"), &flow("sales"), "/till 599")));
    house.end().await;
}

pub(crate) async fn a_sender_hears_what_became_of_its_record<S: Subject>() {
    // given
    let house = House::<S>::running(&[SALES]).await;
    let address = house.address().await;
    // when, then
    let body = r#"{ "sku": "TEA", "n": 0 }"#;
    assert_eq!(send(&address, "1", body).await, safe("filtered"));
    let body = r#"{ "sku": "TEA", "n": -1 }"#;
    assert_eq!(send(&address, "2", body).await, safe("parked"));
    let body = r#"{ "sku": "TEA", "n": 1 }"#;
    assert_eq!(send(&address, "3", body).await, safe("published"));
    let counts = house.counts("sales");
    assert_eq!(counts.filtered, [("this.n != 0".to_owned(), 1)].into());
    assert_eq!((counts.received, counts.published), (3, 1));
    let parked = house.parked(&inbound("shop", "sales"), 1).await.remove(0);
    assert_eq!(
        parked.message.id,
        MessageId::of_event(&system("shop"), &flow("sales"), "/till 2")
    );
    let cause = parked.cause.unwrap();
    assert_eq!(cause.step, "translate");
    assert!(cause.what.contains("quantity: "), "{cause:?}");
    house.take("moves", 1).await;
    house.nothing_in("moves").await;
    house.end().await;
}

pub(crate) async fn a_sender_hears_200_only_when_the_bus_has_confirmed<S: Subject>() {
    // given a bus that does not confirm yet
    let mut house = House::<S>::built(&[SALES], &[]).await;
    let gate = Gate::before(&house.bus, Way::Shut);
    house.run_behind(gate.clone()).await;
    let address = house.address().await;
    // when
    let mut answer = Box::pin(async { send(&address, "1", r#"{ "sku": "TEA", "n": 1 }"#).await });
    tokio::select! {
        answer = &mut answer => panic!("answered before the confirm: {answer:?}"),
        () = gate.somebody_waits() => {}
    }
    // then
    assert!((&mut answer).now_or_never().is_none());
    // when it confirms
    gate.turn(Way::Open);
    // then
    assert_eq!(answer.await, safe("published"));
    house.take("moves", 1).await;
    house.end().await;
}

pub(crate) async fn a_sender_that_waits_too_long_is_told_to_come_again<S: Subject>() {
    // given a bus that does not confirm
    let mut house = House::<S>::built(&[SALES], &[("PATIENCE", "100ms")]).await;
    let gate = Gate::before(&house.bus, Way::Shut);
    house.run_behind(gate.clone()).await;
    let address = house.address().await;
    // when
    let body = r#"{ "sku": "TEA", "n": 1 }"#;
    let answer = send(&address, "1", body).await;
    // then
    assert_eq!(answer.status, 503);
    assert!(answer.retry_after.is_some());
    // when it confirms, and the sender comes again, then what comes is one message, maybe twice
    gate.turn(Way::Open);
    until("the record is taken", async || {
        (send(&address, "1", body).await.status == 200).then_some(())
    })
    .await;
    let id = MessageId::of_event(&system("shop"), &flow("sales"), "/till 1");
    assert!(house.take("moves", 2).await.iter().all(|made| made.id == id));
    house.end().await;
}

pub(crate) async fn a_record_that_cannot_be_read_is_parked_as_it_came_and_the_others_go_on<S: Subject>() {
    // given
    let house = House::<S>::running(&[DROPS]).await;
    // when there is half a record, and one that is no text, between two good ones
    let mut file = record(1).into_bytes();
    file.extend(b"{\"id\": 2, \"sku\": \n\xff\xfe\n");
    file.extend(record(4).into_bytes());
    std::fs::write(house.drop_folder().join("a.part"), file).unwrap();
    std::fs::rename(
        house.drop_folder().join("a.part"),
        house.drop_folder().join("a.jsonl"),
    )
    .unwrap();
    // then
    let moves = house.take("moves", 2).await;
    let mut ids: Vec<_> = moves.iter().map(|made| stock_move(made).order_id).collect();
    ids.sort();
    assert_eq!(ids, ["1", "4"]);
    let parked = house.parked(&inbound("drop", "drops"), 2).await;
    for (parked, bytes) in parked.iter().zip([&b"{\"id\": 2, \"sku\": "[..], b"\xff\xfe"]) {
        match &parked.message.content {
            Content::Native(Body::Bytes { bytes: kept, .. }) => assert_eq!(kept, &Bytes::from_static(bytes)),
            other => panic!("not as it came: {other:?}"),
        }
        assert_eq!(parked.cause.as_ref().unwrap().step, "translate");
        let facts: Vec<_> = parked.message.facts.iter().map(|(name, _)| &**name).collect();
        assert!(facts.contains(&"file.line"), "{facts:?}");
    }
    put_away(&house, "a.jsonl").await;
    house.nothing_in("moves").await;
    house.end().await;
}

pub(crate) async fn a_record_that_grows_beyond_what_the_bus_carries_is_parked_and_the_others_go_on<
    S: Subject,
>() {
    // given a mapping that repeats a text
    let times = ["this.pad"; 20].join(" + ");
    let flow = format!(
        "flow: drops\nfrom: {{ system: drop, pattern: '*.jsonl', poll: 10ms }}\nsteps:\n  - translate: \"acme.v1.Note{{ \
         text: {times}, of: string(this.id) }}\"\nto: notes\n"
    );
    let house = House::<S>::running(&[&flow]).await;
    // when a record of one megabyte stands between two small ones
    let line = |id: usize, pad: &str| format!("{{\"id\": {id}, \"sku\": \"TEA\", \"pad\": \"{pad}\"}}\n");
    let large = line(2, &"x".repeat(1_000_000));
    house.drop_file("a.jsonl", &[line(1, ""), large.clone(), line(3, "")].concat());
    // then
    let notes = house.take("notes", 2).await;
    let mut made: Vec<_> = notes.into_iter().map(|note| note.content).collect();
    made.sort_by_key(|content| format!("{content:?}"));
    let of = |id: &'static [u8]| canonical("acme.v1.Note", id);
    assert_eq!(made, [of(b"\x12\x011"), of(b"\x12\x013")]);
    let parked = house.parked(&inbound("drop", "drops"), 1).await.remove(0);
    assert!(
        matches!(&parked.message.content, Content::Native(Body::Bytes { bytes, .. }) if *bytes == large.trim_end()),
        "not as it came"
    );
    assert_eq!(parked.cause.unwrap().step, "to");
    put_away(&house, "a.jsonl").await;
    house.end().await;
}

pub(crate) async fn after_a_crash_no_record_is_missing_and_none_counts_twice<S: Subject>() {
    const RECORDS: usize = 3_000;
    // given
    let mut house = House::<S>::built(&[DROPS, BOOK], &[]).await;
    house.drop_file("a.jsonl", &records(RECORDS));
    // when it crashes while the bus has something in its hands, at four moments
    for calls in [0, 2, 5, 11] {
        let gate = Gate::before(&house.bus, Way::Open);
        gate.shut_after(calls);
        house.run_behind(gate.clone()).await;
        gate.somebody_waits().await;
        house.crash().await;
    }
    // then
    house.run().await;
    house
        .until_number("SELECT count(DISTINCT order_id) FROM orders", RECORDS as i64)
        .await;
    put_away(&house, "a.jsonl").await;
    crate::on_bus::drained(&*house.bus, &queue("moves", "book")).await;
    assert_eq!(house.number("SELECT count(*) FROM orders"), RECORDS as i64);
    assert_eq!(house.depth_of(&queue("moves", "book")).await.parked, 0);
    house.end().await;
}

pub(crate) async fn a_stop_while_the_bus_refuses_skips_no_record<S: Subject>() {
    const RECORDS: usize = 48;
    // given records so large that the source has several batches of them on their way
    let mut house = House::<S>::built(&[DROPS, BOOK], &[]).await;
    let pad = "x".repeat(400_000);
    let record = |id| format!("{{\"id\": {id}, \"sku\": \"TEA\", \"pad\": \"{pad}\"}}\n");
    house.drop_file("a.jsonl", &(0..RECORDS).map(record).collect::<String>());
    let gate = Gate::before(&house.bus, Way::Shut);
    house.run_behind(gate.clone()).await;
    gate.somebody_waits().await;
    // What the bus does for others meanwhile gives the source the time to send more.
    house.nothing_in("second").await;
    // when it is told to stop, and the bus refuses what it has in its hands, and takes what comes then
    let mut stop = Box::pin(house.take_runtime().stop());
    assert!((&mut stop).now_or_never().is_none(), "something is under way");
    gate.turn(Way::RefusingOnce);
    assert!(stop.await);
    house.reopen().await;
    // then the refused records come again at the next start
    house.run().await;
    put_away(&house, "a.jsonl").await;
    let booked = "SELECT count(DISTINCT order_id) FROM orders";
    house.until_number(booked, RECORDS as i64).await;
    house.end().await;
}
