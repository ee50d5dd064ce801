//! What a source reads and when, over each database: one suite of sentences for all of them.
#![allow(
    clippy::unwrap_used,
    reason = "in a test, a panic is how a peer that fails is told"
)]

mod peers;

use std::collections::BTreeSet;

use peers::{Peer, PostgresPeer, SqlitePeer, mariadb::MariaDbPeer};
use tokio::task::JoinHandle;
use trunkline_sdk::{
    Body, Fault, Position, Record, Remedy, Settings, Value,
    contract::{Cable, Desk, sink::SinkPeer},
};

const TABLE: [(&str, &str); 4] = [
    ("table", "orders"),
    ("cursor", "updated_at"),
    ("key", "id"),
    ("every", "20ms"),
];

/// A source at work.
struct Running {
    desk: Desk,
    task: JoinHandle<Result<(), Fault>>,
}

impl Running {
    async fn start(peer: &dyn Peer, settings: &[(&str, &str)], resume: Option<Position>) -> Self {
        let system = peer.open().await;
        let settings = Settings::of(settings.iter().copied());
        let mut source = system.source(&settings).await.unwrap();
        let desk = Desk::default();
        let outlet = desk.outlet();
        Self {
            desk,
            task: tokio::spawn(async move { source.run(outlet, resume).await }),
        }
    }

    async fn wait_for(&self, records: usize) -> Vec<Record> {
        self.desk.wait_for(records).await
    }

    async fn stop(self) -> Vec<Record> {
        self.desk.stop();
        self.task.await.unwrap().unwrap();
        self.desk.accepted()
    }
}

fn field<'r>(record: &'r Record, name: &str) -> &'r Value<'static> {
    match &record.body {
        Body::Value(tree) => tree
            .get(name)
            .unwrap_or_else(|| panic!("no field {name}: {record:?}")),
        other => panic!("no tree: {other:?}"),
    }
}

fn notes(records: &[Record]) -> Vec<String> {
    let note = |record: &Record| match field(record, "note") {
        Value::Text(text) => text.to_string(),
        other => panic!("no text: {other:?}"),
    };
    records.iter().map(note).collect()
}

fn ids(records: &[Record]) -> BTreeSet<&str> {
    records.iter().map(|record| record.id.as_str()).collect()
}

async fn with_orders(peer: &dyn Peer) {
    peer.execute(&format!(
        "CREATE TABLE orders (id integer PRIMARY KEY, note varchar(40), updated_at {})",
        peer.time_type()
    ))
    .await;
}

/// Puts an order in at a second of one minute.
async fn put(peer: &dyn Peer, id: u32, note: &str, second: u32) {
    peer.execute(&format!("DELETE FROM orders WHERE id = {id}")).await;
    peer.execute(&format!(
        "INSERT INTO orders VALUES ({id}, '{note}', '2026-11-25 10:00:{second:02}')"
    ))
    .await;
}

/// One test per sentence and database.
macro_rules! sentences {
    ($($sentence:ident)*) => {
        mod sqlite { $(
            #[tokio::test]
            async fn $sentence() {
                super::$sentence(&super::SqlitePeer::new()).await;
            }
        )* }
        mod mariadb { $(
            #[tokio::test]
            async fn $sentence() {
                super::$sentence(&super::MariaDbPeer::new().await).await;
            }
        )* }
        mod postgres { $(
            #[tokio::test]
            async fn $sentence() {
                let peer = super::PostgresPeer::new().await;
                super::$sentence(&peer).await;
                super::SinkPeer::close(&peer).await;
            }
        )* }
    };
}

sentences! {
    a_changed_row_is_sent_again_and_the_others_are_not
    a_row_that_changes_within_one_second_is_sent_each_time
    a_row_that_becomes_visible_behind_later_ones_is_found
    without_an_overlap_nothing_is_looked_at_again
    more_rows_of_one_second_than_a_page_holds_are_each_read_once
    a_row_is_told_apart_by_several_columns
    the_rows_of_a_query_are_read
    a_row_without_a_cursor_is_not_read_and_a_value_may_be_null
    a_message_of_an_outbox_is_its_payload_and_its_columns
    an_outbox_that_keeps_its_rows_marks_them
    an_outbox_is_read_by_one_and_then_by_the_next
    what_is_wrong_with_the_settings_is_told_before_the_first_row
}

async fn a_changed_row_is_sent_again_and_the_others_are_not(peer: &dyn Peer) {
    // given
    with_orders(peer).await;
    put(peer, 1, "a", 1).await;
    put(peer, 2, "b", 2).await;
    let running = Running::start(peer, &TABLE, None).await;
    running.wait_for(2).await;
    // when
    put(peer, 1, "c", 3).await;
    // then
    let records = running.wait_for(3).await;
    assert_eq!(notes(&records), ["a", "b", "c"]);
    assert_eq!(records[2].key.as_deref(), Some("1"));
    assert_eq!(records[2].subject.as_deref(), Some("orders/1"));
    let time = jiff::Timestamp::try_from(records[2].time.unwrap()).unwrap();
    assert_eq!(time.to_string(), "2026-11-25T10:00:03Z");
    assert_eq!(ids(&running.stop().await).len(), 3);
}

async fn a_row_that_changes_within_one_second_is_sent_each_time(peer: &dyn Peer) {
    // given
    with_orders(peer).await;
    put(peer, 1, "a", 1).await;
    let running = Running::start(peer, &TABLE, None).await;
    running.wait_for(1).await;
    // when
    put(peer, 1, "b", 1).await;
    running.wait_for(2).await;
    put(peer, 1, "a", 1).await;
    // then
    let records = running.wait_for(3).await;
    assert_eq!(notes(&records), ["a", "b", "a"]);
    assert_eq!(
        ids(&running.stop().await).len(),
        3,
        "the third state is not the first one"
    );
}

async fn a_row_that_becomes_visible_behind_later_ones_is_found(peer: &dyn Peer) {
    // given
    with_orders(peer).await;
    put(peer, 2, "later", 9).await;
    let running = Running::start(peer, &TABLE, None).await;
    running.wait_for(1).await;
    // when
    put(peer, 1, "earlier", 1).await;
    let records = running.wait_for(2).await;
    let position = records[1].position.clone();
    running.stop().await;
    put(peer, 3, "while it was down", 5).await;
    let again = Running::start(peer, &TABLE, position).await;
    // then
    again.wait_for(1).await;
    assert_eq!(notes(&records), ["later", "earlier"]);
    assert_eq!(notes(&again.stop().await), ["while it was down"]);
}

async fn without_an_overlap_nothing_is_looked_at_again(peer: &dyn Peer) {
    // given
    with_orders(peer).await;
    put(peer, 1, "first", 5).await;
    let settings = [TABLE.as_slice(), &[("overlap", "0s")]].concat();
    let running = Running::start(peer, &settings, None).await;
    running.wait_for(1).await;
    // when
    put(peer, 2, "too late", 1).await;
    put(peer, 3, "next", 6).await;
    // then
    running.wait_for(2).await;
    assert_eq!(notes(&running.stop().await), ["first", "next"]);
}

async fn more_rows_of_one_second_than_a_page_holds_are_each_read_once(peer: &dyn Peer) {
    // given
    with_orders(peer).await;
    let rows: Vec<_> = (1..=1_000)
        .map(|id| format!("({id}, 'x', '2026-11-25 10:00:00')"))
        .collect();
    peer.execute(&format!("INSERT INTO orders VALUES {}", rows.join(", ")))
        .await;
    // when
    let running = Running::start(peer, &TABLE, None).await;
    running.wait_for(1_000).await;
    put(peer, 1_001, "last", 1).await;
    // then
    let records = running.wait_for(1_001).await;
    assert_eq!(ids(&records).len(), 1_001);
    assert_eq!(running.stop().await.len(), 1_001);
}

async fn a_row_is_told_apart_by_several_columns(peer: &dyn Peer) {
    // given
    peer.execute(
        "CREATE TABLE order_lines (order_id integer, line integer, note varchar(40), version integer,
                                   PRIMARY KEY (order_id, line))",
    )
    .await;
    let lines =
        "INSERT INTO order_lines VALUES (1, 1, 'a', 7), (1, 2, 'b', 7), (2, 1, 'c', 7), (2, 2, 'd', 8)";
    peer.execute(lines).await;
    let place = Settings::of([]).place;
    let texts = |texts: &[&str]| {
        let items = texts
            .iter()
            .map(|text| Settings::scalar(place.clone(), *text, false));
        Settings::list(place.clone(), items.collect())
    };
    let entry = |key: &str, value| trunkline_sdk::Entry {
        key: key.to_owned(),
        place: place.clone(),
        value,
    };
    let settings = Settings::map(
        place.clone(),
        vec![
            entry("table", Settings::scalar(place.clone(), "order_lines", false)),
            entry("cursor", Settings::scalar(place.clone(), "version", false)),
            entry("key", texts(&["order_id", "line"])),
        ],
    );
    // when
    let mut source = peer.open().await.source(&settings).await.unwrap();
    let desk = Desk::default();
    let outlet = desk.outlet();
    let task = tokio::spawn(async move { source.run(outlet, None).await });
    // then
    let records = desk.wait_for(4).await;
    assert_eq!(notes(&records), ["a", "b", "c", "d"]);
    assert_eq!(records[1].key.as_deref(), Some("1/2"));
    assert_eq!(records[0].time, None, "a version is no time");
    desk.stop();
    task.await.unwrap().unwrap();
}

async fn the_rows_of_a_query_are_read(peer: &dyn Peer) {
    // given
    with_orders(peer).await;
    peer.execute("CREATE TABLE buyers (order_id integer, name varchar(40))")
        .await;
    peer.execute("INSERT INTO buyers VALUES (1, 'Ada'), (2, 'Grace')")
        .await;
    put(peer, 1, "a", 1).await;
    put(peer, 2, "b", 2).await;
    let settings = [
        (
            "query",
            "SELECT o.id, o.updated_at, b.name AS note FROM orders o JOIN buyers b ON b.order_id = o.id
             WHERE o.note <> 'x'; -- the shop's",
        ),
        ("cursor", "updated_at"),
        ("key", "id"),
        ("every", "20ms"),
    ];
    // when
    let running = Running::start(peer, &settings, None).await;
    running.wait_for(2).await;
    put(peer, 3, "x", 3).await;
    put(peer, 2, "y", 4).await;
    running.wait_for(3).await;
    // then
    assert_eq!(notes(&running.stop().await), ["Ada", "Grace", "Grace"]);
}

async fn a_row_without_a_cursor_is_not_read_and_a_value_may_be_null(peer: &dyn Peer) {
    // given
    let time = peer.time_type();
    peer.execute(&format!(
        "CREATE TABLE orders (id integer PRIMARY KEY, note varchar(40), updated_at {time} NULL)"
    ))
    .await;
    peer.execute("INSERT INTO orders VALUES (1, 'draft', NULL), (2, NULL, '2026-11-25 10:00:00')")
        .await;
    // when
    let running = Running::start(peer, &TABLE, None).await;
    running.wait_for(1).await;
    put(peer, 3, "next", 7).await;
    running.wait_for(2).await;
    // then
    let records = running.stop().await;
    assert_eq!(field(&records[0], "note"), &Value::Null);
    assert_eq!((records.len(), records[1].key.as_deref()), (2, Some("3")));
}

const OUTBOX: [(&str, &str); 2] = [("outbox", "outbox"), ("every", "20ms")];

async fn with_outbox(peer: &dyn Peer, columns: &str) {
    let time = peer.time_type();
    peer.execute(&format!(
        "CREATE TABLE outbox (id integer PRIMARY KEY, message_key varchar(40), subject varchar(40),
                              created_at {time}, payload {}, tenant varchar(40){columns})",
        peer.json_type(),
    ))
    .await;
}

async fn write(peer: &dyn Peer, id: u32) {
    peer.execute(&format!(
        "INSERT INTO outbox (id, message_key, subject, created_at, payload, tenant)
         VALUES ({id}, 'k{id}', 'order.placed', '2026-11-25 10:00:00', '{{\"total\": 10.10}}', 'acme')"
    ))
    .await;
}

async fn a_message_of_an_outbox_is_its_payload_and_its_columns(peer: &dyn Peer) {
    // given
    with_outbox(peer, "").await;
    for id in [2, 1, 3] {
        write(peer, id).await;
    }
    // when
    let running = Running::start(peer, &OUTBOX, None).await;
    let records = running.wait_for(3).await;
    running.stop().await;
    // then
    let ids: Vec<_> = records.iter().map(|record| record.id.as_str()).collect();
    assert_eq!(ids, ["1", "2", "3"], "in the order of their ids");
    let record = &records[0];
    assert_eq!(record.key.as_deref(), Some("k1"));
    assert_eq!(record.subject.as_deref(), Some("order.placed"));
    let time = jiff::Timestamp::try_from(record.time.unwrap()).unwrap();
    assert_eq!(time.to_string(), "2026-11-25T10:00:00Z");
    assert_eq!(record.attributes, [("tenant".to_owned(), "acme".to_owned())]);
    let Body::Bytes { content_type, bytes } = &record.body else {
        panic!("no bytes: {record:?}")
    };
    assert_eq!(content_type, "application/json");
    assert_eq!(String::from_utf8_lossy(bytes), "{\"total\": 10.10}");
    assert_eq!(peer.count("SELECT count(*) FROM outbox").await, 0);
}

async fn an_outbox_that_keeps_its_rows_marks_them(peer: &dyn Peer) {
    // given
    with_outbox(peer, &format!(", sent_at {} NULL", peer.time_type())).await;
    write(peer, 1).await;
    // when
    let running = Running::start(peer, &OUTBOX, None).await;
    running.wait_for(1).await;
    write(peer, 2).await;
    running.wait_for(2).await;
    // then
    assert_eq!(running.stop().await.len(), 2);
    assert_eq!(
        peer.count("SELECT count(*) FROM outbox WHERE sent_at IS NOT NULL")
            .await,
        2
    );
}

async fn an_outbox_is_read_by_one_and_then_by_the_next(peer: &dyn Peer) {
    // given
    with_outbox(peer, "").await;
    let one = Running::start(peer, &OUTBOX, None).await;
    write(peer, 1).await;
    one.wait_for(1).await;
    let other = Running::start(peer, &OUTBOX, None).await;
    for id in 2..100 {
        write(peer, id).await;
    }
    one.wait_for(99).await;
    // when
    one.stop().await;
    assert_eq!(other.desk.accepted().len(), 0, "two read at once");
    write(peer, 100).await;
    // then
    other.wait_for(1).await;
    assert_eq!(other.stop().await[0].id, "100");
}

async fn what_is_wrong_with_the_settings_is_told_before_the_first_row(peer: &dyn Peer) {
    with_orders(peer).await;
    let table = |table, cursor, key| vec![("table", table), ("cursor", cursor), ("key", key)];
    for (settings, told) in [
        (table("orderz", "updated_at", "id"), "orderz"),
        (table("orders", "updatedat", "id"), "did you mean `updated_at`?"),
        (table("orders", "updated_at", "nr"), "no column `nr`"),
        (
            vec![("query", "SELECT * FROM nothing"), ("cursor", "a"), ("key", "b")],
            "nothing",
        ),
        (vec![("outbox", "orders")], "no column `payload`"),
    ] {
        // when
        let result = peer.open().await.source(&Settings::of(settings.clone())).await;
        let fault = match result {
            Err(fault) => fault,
            Ok(mut source) => source.run(Desk::default().outlet(), None).await.unwrap_err(),
        };
        // then
        assert_eq!(fault.remedy, Remedy::Stop, "{settings:?}: {fault}");
        assert!(fault.to_string().contains(told), "{settings:?}: {fault}");
    }
}

#[tokio::test]
async fn a_row_of_a_transaction_that_ends_after_later_ones_is_found() {
    // given two transactions, of which the first ends last
    let peer = PostgresPeer::new().await;
    peer.run("CREATE TABLE orders (id integer, note text, updated_at timestamptz DEFAULT now())")
        .await;
    let (slow, connection) = peer.config.connect(tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let begin = format!(
        "SET search_path = {}; BEGIN; INSERT INTO orders VALUES (1, 'slow')",
        peer.schema
    );
    slow.batch_execute(&begin).await.unwrap();
    let running = Running::start(&peer, &TABLE, None).await;
    peer.run("INSERT INTO orders VALUES (2, 'quick')").await;
    running.wait_for(1).await;
    // when
    slow.batch_execute("COMMIT").await.unwrap();
    // then
    let records = running.wait_for(2).await;
    assert_eq!(notes(&records), ["quick", "slow"]);
    running.stop().await;
    connection.abort();
    SinkPeer::close(&peer).await;
}

#[tokio::test]
async fn a_lost_connection_to_postgres_ends_the_run_and_the_next_one_goes_on() {
    let peer = PostgresPeer::new().await;
    a_lost_connection_ends_the_run_and_the_next_one_goes_on(&peer, &peer.cable).await;
    SinkPeer::close(&peer).await;
}

#[tokio::test]
async fn a_lost_connection_to_mariadb_ends_the_run_and_the_next_one_goes_on() {
    let peer = MariaDbPeer::new().await;
    a_lost_connection_ends_the_run_and_the_next_one_goes_on(&peer, &peer.cable).await;
}

async fn a_lost_connection_ends_the_run_and_the_next_one_goes_on(peer: &dyn Peer, cable: &Cable) {
    // given
    with_orders(peer).await;
    put(peer, 1, "a", 1).await;
    let running = Running::start(peer, &TABLE, None).await;
    let position = running.wait_for(1).await[0].position.clone();
    // when
    cable.cut();
    let fault = running.task.await.unwrap().unwrap_err();
    let away = peer
        .open()
        .await
        .source(&Settings::of(TABLE))
        .await
        .err()
        .unwrap();
    put(peer, 2, "b", 2).await;
    cable.mend();
    // then
    let remedies = (fault.remedy, away.remedy);
    assert_eq!(remedies, (Remedy::Reopen, Remedy::Reopen), "{fault}; {away}");
    let again = Running::start(peer, &TABLE, position).await;
    again.wait_for(1).await;
    assert_eq!(notes(&again.stop().await), ["b"]);
}

#[tokio::test]
async fn every_type_keeps_its_digits_its_offset_and_its_shape() {
    // given
    let peer = PostgresPeer::new().await;
    peer.run(
        "CREATE TYPE word AS ENUM ('NEW', 'PAID'); CREATE TYPE point2 AS (x int, y numeric);
         CREATE DOMAIN amount AS numeric;
         CREATE TABLE t (id bytea, i2 int2, i8 int8, n numeric, nan numeric, a amount, f4 float4, f8 float8, b bool,
                         c char(4), e word, u uuid, tz timestamptz, ts timestamp, dt date, tm time, iv interval,
                         j jsonb, js json, l numeric[], p point2, y bytea, ip inet, z text, v int8 DEFAULT 1);
         INSERT INTO t VALUES ('\\x00ff', -32768, 9223372036854775807, 12345678901234567890.123456789012345678, 'NaN',
                         10.10, 0.1, 1e300, true, 'ab', 'PAID', '0190d6e0-7b9c-7cc0-8000-000000000001',
                         '2026-11-25 23:30:00.123456-05', '2026-11-25 08:30:00', '2026-11-25', '08:30',
                         '1 day 02:00:00', '{\"x\": 1.10}', '[1.0]', '{1.10,NULL}', '(1,2.50)', '\\x01', '10.0.0.1',
                         NULL)",
    )
    .await;
    // when
    let settings = [("table", "t"), ("cursor", "v"), ("key", "id"), ("every", "20ms")];
    let running = Running::start(&peer, &settings, None).await;
    let record = running.wait_for(1).await.remove(0);
    let other = "INSERT INTO t (id, v) VALUES ('\\x0100', 1)";
    peer.run(other).await;
    let records = running.wait_for(2).await;
    running.stop().await;
    // then
    assert_eq!(records[1].key.as_deref(), Some("0100"));
    let text = |text: &str| Value::Text(text.to_owned().into());
    let number = |text: &str| Value::Number(text.to_owned().into());
    for (name, expected) in [
        ("id", Value::Bytes(vec![0, 255].into())),
        ("i2", number("-32768")),
        ("i8", number("9223372036854775807")),
        ("n", number("12345678901234567890.123456789012345678")),
        ("nan", text("NaN")),
        ("a", number("10.10")),
        ("f4", number("0.1")),
        ("f8", number("1e+300")),
        ("b", Value::Bool(true)),
        ("c", text("ab")),
        ("e", text("PAID")),
        ("u", text("0190d6e0-7b9c-7cc0-8000-000000000001")),
        ("tz", text("2026-11-26T04:30:00.123456Z")),
        ("ts", text("2026-11-25T08:30:00")),
        ("dt", text("2026-11-25")),
        ("tm", text("08:30:00")),
        ("iv", text("1 day 02:00:00")),
        ("j", Value::Object(vec![("x".into(), number("1.10"))])),
        ("js", Value::List(vec![number("1.0")])),
        ("l", Value::List(vec![number("1.10"), Value::Null])),
        (
            "p",
            Value::Object(vec![("x".into(), number("1")), ("y".into(), number("2.50"))]),
        ),
        ("y", Value::Bytes(vec![1].into())),
        ("ip", text("10.0.0.1/32")),
        ("z", Value::Null),
    ] {
        assert_eq!(field(&record, name), &expected, "{name}");
    }
    SinkPeer::close(&peer).await;
}

#[tokio::test]
async fn of_large_rows_few_are_held_at_once() {
    // given 40 rows of a MiB
    let peer = SqlitePeer::new();
    peer.run(
        "CREATE TABLE orders (id integer PRIMARY KEY, note text, updated_at text);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
         INSERT INTO orders SELECT i, hex(zeroblob(524288)), '2026-11-25 10:00:00' FROM n",
    );
    let system = peer.system().await.unwrap();
    let mut source = system.source(&Settings::of(TABLE)).await.unwrap();
    let desk = Desk::default();
    desk.close();
    let outlet = desk.outlet();
    // when
    let task = tokio::spawn(async move { source.run(outlet, None).await });
    let mut waiting = desk.waiting();
    waiting.wait_for(|waiting| *waiting == 8).await.unwrap();
    // then no ninth comes while the bus is away, and all when it is back
    assert_eq!(*desk.waiting().borrow(), 8);
    desk.open();
    assert_eq!(ids(&desk.wait_for(40).await).len(), 40);
    desk.stop();
    task.await.unwrap().unwrap();
}
