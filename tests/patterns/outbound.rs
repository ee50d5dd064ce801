//! From a flow into a system: what fails is tried again, waits, is parked or stops the flow, as the system says.

use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls};

use crate::{
    house::{House, until},
    messages::{bare, message, order, paid},
    on_bus::queue,
    subject::Subject,
    support::services::Postgres,
};

const BOOK: &str = r#"
flow: book
from: orders
to: { system: books, statement: "SELECT book(:order_id)" }
retry: { attempts: 2, first: 1s }
"#;

const TAKE: &str = r#"
flow: take
from: orders
to:
  system: erp
  statement: UPDATE stock SET on_hand = on_hand - 1 WHERE sku = :note
"#;

/// A database that counts how often it is asked to book, and cannot the first times. Sequences remember what a
/// transaction that is rolled back forgets.
fn books(failures: u32) -> String {
    format!(
        "CREATE TABLE booked (order_id text NOT NULL);
         CREATE SEQUENCE tries;
         CREATE FUNCTION book(id text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
           IF nextval('tries') <= {failures} THEN RAISE EXCEPTION 'not now' USING ERRCODE = '55P03'; END IF;
           INSERT INTO booked VALUES (id);
         END $$"
    )
}

async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("it is there");
    tokio::spawn(connection);
    client
}

/// How often it was asked, and what is booked.
async fn booked(client: &Client) -> (i64, i64) {
    let query = "SELECT (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM tries), (SELECT count(*) FROM booked)";
    let row = client.query_one(query, &[]).await.expect("it answers");
    (row.get(0), row.get(1))
}

pub(crate) async fn a_message_that_fails_comes_again_as_the_next_attempt_and_is_parked_after_the_last<
    S: Subject,
>() {
    // given a database that never can, and a flow that tries twice
    let database = Postgres::fresh_database().await;
    let client = client(database.url()).await;
    client.batch_execute(&books(1_000)).await.unwrap();
    let mut house = House::<S>::built(&[BOOK], &[("BOOKS", database.url())]).await;
    house.run().await;
    // when
    house.publish("orders", [paid("1")]).await;
    // then
    let parked = house.parked(&queue("orders", "book"), 1).await.remove(0);
    assert_eq!((parked.message, parked.attempt), (paid("1"), 2));
    assert_eq!(parked.cause.unwrap().step, "books");
    assert_eq!(booked(&client).await, (2, 0));
    house.settled("book").await;
    let counts = house.counts("book");
    assert_eq!((counts.received, counts.again, counts.retried), (2, 1, 1));
    house.end().await;
}

pub(crate) async fn a_message_that_fails_and_then_does_not_is_applied_once<S: Subject>() {
    // given a database that cannot the first time
    let database = Postgres::fresh_database().await;
    let client = client(database.url()).await;
    client.batch_execute(&books(1)).await.unwrap();
    let mut house = House::<S>::built(&[BOOK], &[("BOOKS", database.url())]).await;
    house.run().await;
    // when
    house.publish("orders", [paid("1")]).await;
    house.until_counts("book", |counts| counts.delivered == 1).await;
    // then
    house.settled("book").await;
    assert_eq!(booked(&client).await, (2, 1));
    assert_eq!(house.depth("book").await.parked, 0);
    house.end().await;
}

pub(crate) async fn while_its_system_is_away_a_message_waits_in_place_and_that_is_no_attempt<S: Subject>() {
    // given a server that is not there yet when the flow starts
    let server = Postgres::own().await;
    client(server.url()).await.batch_execute(&books(0)).await.unwrap();
    server.stop().await;
    let mut house = House::<S>::built(&[BOOK], &[("BOOKS", server.url())]).await;
    house.publish("orders", [paid("1")]).await;
    // when it comes, then the flow starts, and what has waited is applied
    tokio::join!(house.run(), server.start());
    house.until_counts("book", |counts| counts.delivered == 1).await;
    // when it goes away again, and messages come
    server.kill().await;
    house.publish("orders", [paid("2"), paid("3")]).await;
    // One batch is in its hands, of one message or of both.
    house.until_counts("book", |counts| counts.received > 1).await;
    server.start().await;
    // then they were waiting where they were, though the flow tries but twice
    house.until_counts("book", |counts| counts.delivered == 3).await;
    house.settled("book").await;
    assert_eq!(house.counts("book").retried, 0);
    assert_eq!(house.depth("book").await.parked, 0);
    assert_eq!(booked(&client(server.url()).await).await.1, 3);
    house.end().await;
}

/// A database that cannot book while it is down.
const CARRIER: &str = "
CREATE TABLE down (since timestamptz NOT NULL DEFAULT now());
CREATE TABLE booked (number bigserial, buyer text NOT NULL, order_id text NOT NULL);
CREATE SEQUENCE tries;
CREATE FUNCTION book(buyer text, id text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
  PERFORM nextval('tries');
  IF EXISTS (SELECT FROM down) THEN RAISE EXCEPTION 'not now' USING ERRCODE = '55P03'; END IF;
  INSERT INTO booked (buyer, order_id) VALUES (buyer, id);
END $$;
INSERT INTO down DEFAULT VALUES";

const SHIP: &str = r#"
flow: ship
from: orders
to: { system: books, statement: "SELECT book('', :order_id)" }
retry: { attempts: 2, first: 1s }
"#;

async fn tries(client: &Client) -> i64 {
    let query = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM tries";
    client.query_one(query, &[]).await.expect("it answers").get(0)
}

pub(crate) async fn while_its_system_is_down_a_flow_is_paused_and_it_goes_on_by_itself<S: Subject>() {
    // given a system that fails on every message, and a flow that tries twice
    let database = Postgres::fresh_database().await;
    let client = client(database.url()).await;
    client.batch_execute(CARRIER).await.unwrap();
    let mut house = House::<S>::built(&[SHIP], &[("BOOKS", database.url())]).await;
    let orders: Vec<_> = (0..20).map(|number| paid(&number.to_string())).collect();
    house.publish("orders", orders).await;
    house.run().await;
    // when it is paused
    house.until_counts("ship", |counts| counts.is_paused).await;
    // then one message is tried now and then, never two within a second
    let mut tried = tries(&client).await;
    for round in 0..3 {
        let began = Instant::now();
        let next = until("it tries again", async || {
            Some(tries(&client).await).filter(|now| *now > tried)
        });
        let next = next.await;
        assert_eq!(next, tried + 1);
        // The first wait began before it was seen that the flow is paused.
        assert!(
            round == 0 || began.elapsed() > Duration::from_secs(1),
            "{:?}",
            began.elapsed()
        );
        tried = next;
    }
    assert_eq!(house.depth("ship").await.parked, 0);
    // then it stops in time, and all are there at the next start
    let began = Instant::now();
    assert!(house.stop().await);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    house.run().await;
    house.until_counts("ship", |counts| counts.is_paused).await;
    // when it is up again, then the flow goes on
    client.batch_execute("DELETE FROM down").await.unwrap();
    let counts = house.until_counts("ship", |counts| counts.delivered == 20).await;
    assert!(!counts.is_paused);
    house.settled("ship").await;
    assert_eq!(house.depth("ship").await.parked, 0);
    let booked = client.query_one("SELECT count(*), count(DISTINCT order_id) FROM booked", &[]);
    let booked = booked.await.unwrap();
    assert_eq!((booked.get::<_, i64>(0), booked.get::<_, i64>(1)), (20, 20));
    house.end().await;
}

pub(crate) async fn what_waited_while_its_system_was_down_keeps_its_order<S: Subject>() {
    // given four orders of each of five buyers, and a system that fails on every message
    let flow = r#"
flow: ship
from: kept
to: { system: books, statement: "SELECT book(:buyer_reference, :order_id)" }
retry: { attempts: 2, first: 1s }
"#;
    let database = Postgres::fresh_database().await;
    let client = client(database.url()).await;
    client.batch_execute(CARRIER).await.unwrap();
    let mut house = House::<S>::built(&[flow], &[("BOOKS", database.url())]).await;
    let of = |number: usize| {
        let mut order = order(&number.to_string(), &["TEA"]);
        order.buyer_reference = format!("buyer-{}", number % 5);
        let mut message = message(&order);
        message.key = Some(order.buyer_reference.into());
        message
    };
    house.publish("kept", (10..30).map(of)).await;
    house.run().await;
    house.until_counts("ship", |counts| counts.is_paused).await;
    // when it is up again after some tries
    let tried = tries(&client).await;
    until("it has tried again", async || {
        (tries(&client).await >= tried + 2).then_some(())
    })
    .await;
    client.batch_execute("DELETE FROM down").await.unwrap();
    // then all are applied, those of each buyer in their order
    let counts = house.until_counts("ship", |counts| counts.delivered == 20).await;
    assert!(counts.parked.is_empty(), "{counts:?}");
    let in_order = "SELECT count(*) FROM booked AS one WHERE NOT EXISTS (SELECT FROM booked AS other
        WHERE other.buyer = one.buyer AND other.number < one.number AND other.order_id >= one.order_id)";
    let in_order: i64 = client.query_one(in_order, &[]).await.unwrap().get(0);
    assert_eq!(in_order, 20);
    house.end().await;
}

pub(crate) async fn what_a_step_has_ended_does_not_wait_for_a_system_that_is_locked<S: Subject>() {
    // given a database that another program keeps locked
    let flow = r#"
flow: note
from: orders
steps:
  - filter: this.lines[0].sku != "CUP"
to: { system: erp, statement: INSERT INTO orders (order_id) VALUES (:order_id) }
"#;
    let mut house = House::<S>::built(&[flow], &[("ERP_TIMEOUT", "50ms")]).await;
    house.run().await;
    assert!(house.stop().await);
    let other = house.erp();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // when one message fails on its way, one ends there, and one is for it
    let cup = message(&order("1", &["CUP"]));
    house.publish("orders", [cup, bare("2"), paid("3")]).await;
    house.run().await;
    // then the first two are done with
    house.parked(&queue("orders", "note"), 1).await;
    until("the last alone is left", async || {
        let depth = house.depth("note").await;
        (depth.ready + depth.unsettled == 1).then_some(())
    })
    .await;
    assert_eq!(house.counts("note").delivered, 0);
    // when it is free again, then the last is applied, and no attempt was counted
    other.execute_batch("ROLLBACK").unwrap();
    house.until_counts("note", |counts| counts.delivered == 1).await;
    assert_eq!(house.counts("note").retried, 0);
    house.settled("note").await;
    house.end().await;
}

pub(crate) async fn a_message_that_its_system_will_never_take_is_parked_alone<S: Subject>() {
    // given
    let house = House::<S>::running(&[TAKE]).await;
    let of = |id: &str, article: &str| {
        let mut order = order(id, &["TEA"]);
        order.note = article.to_owned();
        message(&order)
    };
    // when one of three takes more than there is
    house
        .publish("orders", [of("1", "TEA"), of("2", "SOLD-OUT"), of("3", "TEA")])
        .await;
    // then
    let parked = house.parked(&queue("orders", "take"), 1).await.remove(0);
    assert_eq!((parked.message, parked.attempt), (of("2", "SOLD-OUT"), 1));
    let cause = parked.cause.unwrap();
    assert_eq!((cause.flow.as_str(), cause.step.as_str()), ("take", "erp"));
    house.settled("take").await;
    let left = house.number("SELECT on_hand FROM stock WHERE sku = 'TEA'");
    assert_eq!(left, 1_000_000 - 2);
    let counts = house.counts("take");
    assert_eq!((counts.delivered, counts.retried), (2, 0));
    house.end().await;
}

pub(crate) async fn a_flow_whose_system_needs_a_person_stops_and_loses_nothing<S: Subject>() {
    // given a flow whose table is gone
    let flow = r#"
flow: note
from: orders
to: { system: erp, statement: INSERT INTO orders (order_id) VALUES (:order_id) }
"#;
    let mut house = House::<S>::running(&[flow]).await;
    house
        .erp()
        .execute_batch("ALTER TABLE orders RENAME TO away")
        .unwrap();
    // when
    house.publish("orders", [paid("1"), paid("2"), paid("3")]).await;
    house.until_counts("note", |counts| counts.received > 0).await;
    // then it stops when it is told to, and all are where they were
    assert!(house.stop().await);
    until("the messages are back", async || {
        (house.depth("note").await.ready == 3).then_some(())
    })
    .await;
    assert_eq!(house.depth("note").await.parked, 0);
    // when a person has mended it
    house
        .erp()
        .execute_batch("ALTER TABLE away RENAME TO orders")
        .unwrap();
    house.run().await;
    // then
    house.until_counts("note", |counts| counts.delivered == 3).await;
    assert_eq!(house.number("SELECT count(*) FROM orders"), 3);
    house.settled("note").await;
    house.end().await;
}
