//! Order per key: what has the same key is worked on in its order, whatever fails, dies or is replayed meanwhile.
//!
//! The channel `kept` keeps order by `buyer_reference`, in four partitions. Order `a-3` is the third of buyer `a`; the
//! database refuses the orders that stand in its table `closed`.

use async_trait::async_trait;
use trunkline::{
    bus::{Bucket, Parked, Partition, replay_key},
    flow::{Expression, Processor, Step, Steps},
    message::{Content, Message},
    names::QueueName,
};
use trunkline_proto::commerce::v1::Order;
use trunkline_sdk::Fault;

use crate::{
    gate::{Gate, Way},
    house::House,
    messages::{MOVE, canonical, message, order},
    on_bus::{channel, drained, flow},
    subject::Subject,
    support::services::Postgres,
};

const KEEP: &str = r#"
flow: keep
from: kept
to: { system: erp, statement: "INSERT INTO kept (buyer, order_id) VALUES (:buyer_reference, :order_id)" }
"#;

const PASS: &str = "flow: pass\nfrom: kept\nto: first\n";

const PARTITIONS: u8 = 4;
const ROWS: &str = "SELECT count(*) FROM kept";

/// The orders of a buyer with these numbers.
fn orders(buyer: &str, numbers: impl IntoIterator<Item = usize>) -> Vec<Message> {
    numbers.into_iter().map(|number| one(buyer, number)).collect()
}

fn one(buyer: &str, number: usize) -> Message {
    let mut message = message(&Order {
        buyer_reference: buyer.to_owned(),
        ..order(&format!("{buyer}-{number}"), &["TEA"])
    });
    message.key = Some(buyer.into());
    message
}

fn home(flow_name: &str, key: &str) -> QueueName {
    let partition = Partition::of_bucket(Bucket::of(key), PARTITIONS);
    QueueName::of_partition(&channel("kept"), &flow(flow_name), partition.index)
}

fn intake(flow_name: &str) -> QueueName {
    QueueName::of_intake(&channel("kept"), &flow(flow_name))
}

/// The database refuses these orders from now on.
fn close<S: Subject>(house: &House<S>, orders: &[&str]) {
    for order in orders {
        house
            .erp()
            .execute("INSERT INTO closed VALUES (?1)", [order])
            .unwrap();
    }
}

fn open<S: Subject>(house: &House<S>, order: &str) {
    house
        .erp()
        .execute("DELETE FROM closed WHERE order_id = ?1", [order])
        .unwrap();
}

/// The numbers of a buyer's orders, as they were applied.
fn applied<S: Subject>(house: &House<S>, buyer: &str) -> Vec<usize> {
    let erp = house.erp();
    let mut rows = erp
        .prepare("SELECT order_id FROM kept WHERE buyer = ?1 ORDER BY number")
        .unwrap();
    let rows = rows.query_map([buyer], |row| row.get::<_, String>(0)).unwrap();
    rows.map(|order| number(&order.unwrap())).collect()
}

fn number(order: &str) -> usize {
    order.rsplit('-').next().unwrap().parse().unwrap()
}

fn rising(count: usize) -> Vec<usize> {
    (1..=count).collect()
}

/// The ids of parked messages, in their order, with what they say.
fn told(mut parked: Vec<Parked>) -> Vec<(String, String)> {
    parked.sort_by_key(|parked| parked.order);
    let told = |parked: Parked| {
        let cause = parked.cause.unwrap();
        assert!(
            !cause.what.contains("behind") || cause.hint.is_some(),
            "{cause:?}"
        );
        (parked.message.id.to_string(), cause.what)
    };
    parked.into_iter().map(told).collect()
}

async fn replay<S: Subject>(house: &House<S>, key: &str) {
    replay_key(&*house.bus, &home("keep", key), Some(key))
        .await
        .expect("the request is confirmed");
}

/// Waits until this many orders are applied and the partition of the key is at rest.
async fn until_rows<S: Subject>(house: &House<S>, rows: i64, key: &str) {
    house.until_number(ROWS, rows).await;
    drained(&*house.bus, &home("keep", key)).await;
}

/// A landscape at work in which `a-2` failed: it is parked, and `a-3` and `a-4` behind it.
async fn with_a_parked_key<S: Subject>() -> House<S> {
    let house = House::<S>::running(&[KEEP]).await;
    close(&house, &["a-2"]);
    house.publish("kept", orders("a", 1..=4)).await;
    house.parked(&home("keep", "a"), 3).await;
    until_rows(&house, 1, "a").await;
    house
}

pub(crate) async fn messages_of_a_key_keep_their_order_while_many_keys_are_under_way<S: Subject>() {
    // given
    let mut house = House::<S>::built(&[KEEP], &[]).await;
    let buyers: Vec<_> = (0..40).map(|buyer| format!("buyer{buyer}")).collect();
    for number in 1..=20 {
        let round = buyers.iter().map(|buyer| one(buyer, number));
        house.publish("kept", round.collect::<Vec<_>>()).await;
    }
    // when
    house.run().await;
    // then
    house.until_number(ROWS, 800).await;
    for buyer in &buyers {
        assert_eq!(applied(&house, buyer), rising(20), "{buyer}");
    }
    house.end().await;
}

pub(crate) async fn what_fails_in_passing_is_tried_again_before_what_follows_it<S: Subject>() {
    // given a database that cannot take the first order of one buyer the first time
    let database = Postgres::fresh_database().await;
    let (client, connection) = tokio_postgres::connect(database.url(), tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
        .batch_execute(
            "CREATE TABLE booked (number serial, order_id text NOT NULL);
             CREATE SEQUENCE tries;
             CREATE FUNCTION book(id text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
               IF id = 'a-1' AND nextval('tries') = 1 THEN RAISE EXCEPTION 'not now' USING ERRCODE = '55P03'; END IF;
               INSERT INTO booked (order_id) VALUES (id);
             END $$",
        )
        .await
        .unwrap();
    let keep = r#"
flow: keep
from: kept
to: { system: books, statement: "SELECT book(:order_id)" }
retry: { attempts: 2, first: 1s }
"#;
    let mut house = House::<S>::built(&[keep], &[("BOOKS", database.url())]).await;
    house.run().await;
    // when
    let both = [orders("a", 1..=3), orders("b", 1..=3)].concat();
    house.publish("kept", both).await;
    house.until_counts("keep", |counts| counts.delivered == 6).await;
    // then its order is kept, and the other buyer has not waited
    let rows = client
        .query("SELECT order_id FROM booked ORDER BY number", &[])
        .await
        .unwrap();
    let booked: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let of = |buyer: &str| -> Vec<_> {
        let orders = booked.iter().filter(|order| order.starts_with(buyer));
        orders.map(|order| number(order)).collect()
    };
    assert_eq!((of("a"), of("b")), (rising(3), rising(3)));
    let place = |order: &str| booked.iter().position(|booked| booked == order);
    assert!(place("b-3") < place("a-1"), "{booked:?}");
    let counts = house.counts("keep");
    assert_eq!((counts.retried, counts.again), (1, 1));
    house.end().await;
}

pub(crate) async fn what_follows_a_failed_message_is_parked_behind_it_and_other_keys_flow<S: Subject>() {
    // given
    let house = House::<S>::running(&[KEEP]).await;
    close(&house, &["a-2"]);
    // when
    let both = [orders("a", 1..=4), orders("b", 1..=4)].concat();
    house.publish("kept", both).await;
    // then
    let parked = told(house.parked(&home("keep", "a"), 3).await);
    let ids: Vec<_> = parked.iter().map(|(id, _)| &**id).collect();
    assert_eq!(ids, ["m-a-2", "m-a-3", "m-a-4"]);
    assert!(!parked[0].1.contains("behind"), "{parked:?}");
    assert!(
        parked[1..].iter().all(|(_, what)| what == "behind m-a-2"),
        "{parked:?}"
    );
    until_rows(&house, 5, "a").await;
    assert_eq!(
        (applied(&house, "a"), applied(&house, "b")),
        (rising(1), rising(4))
    );
    house.end().await;
}

pub(crate) async fn a_parked_key_is_remembered_after_a_stop_and_a_crash<S: Subject>() {
    // given
    let mut house = with_a_parked_key::<S>().await;
    open(&house, "a-2");
    // when
    for number in [5, 6] {
        if number == 5 {
            house.stop().await;
        } else {
            house.crash().await;
        }
        house.run().await;
        house.publish("kept", [one("a", number), one("b", number)]).await;
        // then
        house.parked(&home("keep", "a"), number - 1).await;
    }
    house.until_number(ROWS, 3).await;
    let parked = told(house.parked(&home("keep", "a"), 5).await);
    assert_eq!(parked[4], ("m-a-6".to_owned(), "behind m-a-2".to_owned()));
    house.end().await;
}

pub(crate) async fn an_instance_that_takes_over_keeps_the_order_and_knows_the_parked_keys<S: Subject>() {
    // given two instances
    let mut house = House::<S>::built(&[KEEP], &[]).await;
    house.run().await;
    let beside = house.place.beside(&house.bus).await;
    let second = house.instance(beside).await;
    close(&house, &["a-2"]);
    house.publish("kept", orders("a", 1..=3)).await;
    house.parked(&home("keep", "a"), 2).await;
    // when one of them is cut off while messages come
    house.publish("kept", orders("b", 1..=200)).await;
    drop(house.take_runtime());
    house.publish("kept", orders("b", 201..=400)).await;
    house.publish("kept", [one("a", 4)]).await;
    // then
    house.parked(&home("keep", "a"), 3).await;
    house.until_number(ROWS, 401).await;
    assert_eq!(applied(&house, "b"), rising(400));
    assert!(second.stop().await);
}

pub(crate) async fn a_replay_drains_the_key_in_order_while_new_messages_arrive<S: Subject>() {
    // given
    let house = with_a_parked_key::<S>().await;
    open(&house, "a-2");
    // when
    replay(&house, "a").await;
    house.publish("kept", orders("a", 5..=60)).await;
    // then
    until_rows(&house, 60, "a").await;
    assert_eq!(applied(&house, "a"), rising(60));
    assert_eq!(house.depth_of(&home("keep", "a")).await.parked, 0);
    house.end().await;
}

pub(crate) async fn what_fails_again_in_a_replay_stays_parked_in_its_place<S: Subject>() {
    // given
    let house = with_a_parked_key::<S>().await;
    open(&house, "a-2");
    close(&house, &["a-3"]);
    // when all keys are replayed
    replay_key(&*house.bus, &home("keep", "a"), None).await.unwrap();
    house.publish("kept", [one("a", 5)]).await;
    // then it goes as far as it can
    until_rows(&house, 2, "a").await;
    let parked = told(house.parked(&home("keep", "a"), 3).await);
    let ids: Vec<_> = parked.iter().map(|(id, _)| &**id).collect();
    assert_eq!(ids, ["m-a-3", "m-a-4", "m-a-5"]);
    assert!(!parked[0].1.contains("behind"), "{parked:?}");
    assert_eq!(parked[2].1, "behind m-a-3");
    // when that is mended, too
    open(&house, "a-3");
    replay(&house, "a").await;
    // then
    until_rows(&house, 5, "a").await;
    assert_eq!(applied(&house, "a"), rising(5));
    house.end().await;
}

pub(crate) async fn a_replay_of_one_key_leaves_the_others_parked<S: Subject>() {
    // given two keys of one partition
    let house = with_a_parked_key::<S>().await;
    let other = (0..)
        .map(|number| format!("other{number}"))
        .find(|key| home("keep", key) == home("keep", "a"))
        .unwrap();
    close(&house, &[&format!("{other}-1")]);
    house.publish("kept", orders(&other, 1..=400)).await;
    house.publish("kept", orders("a", 5..=6)).await;
    house
        .until_counts("keep", |counts| counts.parked.values().sum::<u64>() == 405)
        .await;
    open(&house, "a-2");
    // when
    replay(&house, "a").await;
    // then
    until_rows(&house, 6, "a").await;
    assert_eq!(applied(&house, "a"), rising(6));
    assert_eq!(house.depth_of(&home("keep", "a")).await.parked, 400);
    house.end().await;
}

pub(crate) async fn a_crash_in_the_middle_of_a_replay_repeats_and_keeps_the_order<S: Subject>() {
    // given
    let mut house = House::<S>::running(&[KEEP]).await;
    close(&house, &["a-2"]);
    house.publish("kept", orders("a", 1..=30)).await;
    house.parked(&home("keep", "a"), 29).await;
    assert!(house.stop().await);
    open(&house, "a-2");
    replay(&house, "a").await;
    house.publish("kept", orders("a", 31..=40)).await;
    // when it is cut off, again and again
    for settled in [0, 3, 7] {
        let gate = Gate::before(&house.bus, Way::Open);
        gate.shut_after(settled);
        house.run_behind(gate.clone()).await;
        gate.somebody_waits().await;
        house.crash().await;
    }
    house.run().await;
    // then
    until_rows(&house, 40, "a").await;
    assert_eq!(applied(&house, "a"), rising(40));
    assert_eq!(house.depth_of(&home("keep", "a")).await.parked, 0);
    house.end().await;
}

pub(crate) async fn when_parked_messages_were_taken_away_a_replay_sets_their_key_free<S: Subject>() {
    // given a tool that discards them
    let house = with_a_parked_key::<S>().await;
    let queue = home("keep", "a");
    let mut parked = house.bus.subscribe_parked(&queue, 10).await.unwrap();
    let discarded = crate::on_bus::receive(&mut parked, 3).await;
    crate::on_bus::settle(&*house.bus, discarded).await;
    parked.close().await;
    // when
    replay(&house, "a").await;
    house.publish("kept", [one("a", 5)]).await;
    // then
    until_rows(&house, 2, "a").await;
    assert_eq!(applied(&house, "a"), [1, 5]);
    house.end().await;
}

pub(crate) async fn what_comes_without_a_key_passes_the_intake_in_its_order<S: Subject>() {
    // given a publisher that knows of no buckets
    let house = House::<S>::running(&[KEEP]).await;
    let foreign = orders("a", 1..=50).into_iter().map(|mut message| {
        message.key = None;
        message
    });
    // when
    house.publish("kept", foreign.collect::<Vec<_>>()).await;
    // then
    until_rows(&house, 50, "a").await;
    assert_eq!(applied(&house, "a"), rising(50));
    drained(&*house.bus, &intake("keep")).await;
    house.end().await;
}

pub(crate) async fn what_lies_in_the_wrong_partition_is_sent_on_in_its_order<S: Subject>() {
    // given a publisher whose header names another key
    let house = House::<S>::running(&[PASS]).await;
    let wrong = ["b", "c", "d", "e", "f"]
        .into_iter()
        .find(|key| home("pass", key) != home("pass", "a"))
        .unwrap();
    let foreign = orders("a", 1..=50).into_iter().map(|mut message| {
        message.key = Some(wrong.into());
        message
    });
    // when
    house.publish("kept", foreign.collect::<Vec<_>>()).await;
    // then its key is that of its body
    assert_eq!(house.take("first", 50).await, orders("a", 1..=50));
    drained(&*house.bus, &home("pass", wrong)).await;
    house.end().await;
}

pub(crate) async fn what_has_no_key_is_parked_alone_and_says_so<S: Subject>() {
    // given
    let house = House::<S>::running(&[KEEP]).await;
    let keyless = message(&order("x", &["TEA"]));
    let mut foreign = one("a", 2);
    foreign.content = canonical(MOVE, "");
    let mut broken = one("b", 2);
    broken.content = Content::Native(trunkline_sdk::Body::Bytes {
        content_type: "text/plain".to_owned(),
        bytes: "b".into(),
    });
    // when
    house
        .publish(
            "kept",
            [one("a", 1), foreign, keyless.clone(), broken, one("a", 3)],
        )
        .await;
    // then others go on
    house.until_number(ROWS, 2).await;
    assert_eq!(applied(&house, "a"), [1, 3]);
    let parked = house
        .parked(&home("keep", keyless.key.as_ref().unwrap()), 1)
        .await;
    let parked = parked
        .into_iter()
        .find(|parked| parked.message.id == keyless.id)
        .unwrap();
    let cause = parked.cause.unwrap();
    assert!(cause.what.contains("`buyer_reference`"), "{}", cause.what);
    house.end().await;
}

pub(crate) async fn a_flow_gives_what_it_publishes_the_key_of_its_channel<S: Subject>() {
    // given
    let into = "flow: into\nfrom: orders\nto: kept\n";
    let house = House::<S>::running(&[into, PASS]).await;
    let mut keyed = one("a", 1);
    keyed.key = Some("another".into());
    let keyless = message(&order("x", &["TEA"]));
    // when
    house.publish("orders", [keyed, keyless.clone()]).await;
    // then
    let passed = house.take("first", 1).await.remove(0);
    assert_eq!(passed.key.as_deref(), Some("a"));
    let parked = house
        .parked(&crate::on_bus::queue("orders", "into"), 1)
        .await
        .remove(0);
    assert_eq!(parked.message, keyless);
    let cause = parked.cause.unwrap();
    assert!(cause.what.contains("`buyer_reference`"), "{}", cause.what);
    house.end().await;
}

/// A step that cannot stand the order `a-2`.
struct Brittle;

#[async_trait]
impl Processor for Brittle {
    fn word(&self) -> &'static str {
        "filter"
    }

    fn expressions(&self) -> Vec<Expression<'_>> {
        Vec::new()
    }

    async fn process(&self, message: Message) -> Result<Step, Fault> {
        assert_ne!(message.id.as_str(), "m-a-2", "this panic is the test's");
        Ok(Step::Pass(message))
    }
}

pub(crate) async fn a_step_that_panics_parks_its_message_and_the_flow_goes_on<S: Subject>() {
    // given, of a channel that keeps order and of one that does not
    let pass_too = "flow: pass-too\nfrom: orders\nto: second\n";
    let mut house = House::<S>::built(&[PASS, pass_too], &[]).await;
    house.replace_steps(|| Steps::new(vec![Box::new(Brittle)]));
    house.run().await;
    // when
    house
        .publish("kept", [orders("a", 1..=3), orders("b", 1..=1)].concat())
        .await;
    house.publish("orders", orders("a", 1..=3)).await;
    // then
    let parked = told(house.parked(&home("pass", "a"), 2).await);
    assert_eq!(parked[0].0, "m-a-2");
    assert!(parked[0].1.contains("panicked"), "{parked:?}");
    assert_eq!(house.take("first", 2).await.len(), 2);
    let parked = told(house.parked(&crate::on_bus::queue("orders", "pass-too"), 1).await);
    assert!(parked[0].1.contains("panicked"), "{parked:?}");
    assert_eq!(house.take("second", 2).await.len(), 2);
    house.end().await;
}
