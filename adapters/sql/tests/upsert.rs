//! The statements of the README that write a row whether it is there or not.
#![allow(
    clippy::unwrap_used,
    reason = "in a test, a panic is how a peer that fails is told"
)]

mod peers;

use peers::{Peer, PostgresPeer, SqlitePeer, mariadb::MariaDbPeer, message, number, text};
use trunkline_sdk::{Outcome, Settings, contract::sink::SinkPeer};

/// The first or second that the README shows.
fn upsert(number: usize) -> &'static str {
    let readme = include_str!("../README.md");
    let blocks = readme.split("```sql\n").skip(1);
    let mut upserts = blocks.filter(|block| block.starts_with("INSERT INTO customers"));
    let block = upserts.nth(number).expect("the README shows it");
    block.split("```").next().expect("a block has an end")
}

async fn a_late_message_changes_nothing(peer: &dyn Peer, statement: &str) {
    // given
    peer.execute("CREATE TABLE customers (id integer PRIMARY KEY, email varchar(40), version integer)")
        .await;
    let system = peer.open().await;
    let settings = Settings::of([("statement", statement)]);
    let sink = system.sink("customers", &settings).await.unwrap();
    let customer = |message_id: &str, email: &str, version: &str| {
        let fields = vec![
            ("id", number("1")),
            ("email", text(email)),
            ("version", number(version)),
        ];
        message(message_id, fields)
    };
    // when
    let batch = [
        customer("a", "first", "1"),
        customer("b", "third", "3"),
        customer("c", "second", "2"),
    ];
    let outcomes = sink.write(&batch).await;
    // then
    let is_applied = |outcome: &Outcome| matches!(outcome, Outcome::Applied(_));
    assert!(outcomes.iter().all(is_applied), "{outcomes:?}");
    let third = "SELECT count(*) FROM customers WHERE email = 'third' AND version = 3";
    assert_eq!(peer.count(third).await, 1);
    assert_eq!(peer.count("SELECT count(*) FROM customers").await, 1);
}

#[tokio::test]
async fn a_late_message_changes_nothing_in_sqlite() {
    a_late_message_changes_nothing(&SqlitePeer::new(), upsert(0)).await;
}

#[tokio::test]
async fn a_late_message_changes_nothing_in_postgres() {
    let peer = PostgresPeer::new().await;
    a_late_message_changes_nothing(&peer, upsert(0)).await;
    peer.close().await;
}

#[tokio::test]
async fn a_late_message_changes_nothing_in_mariadb() {
    a_late_message_changes_nothing(&MariaDbPeer::new().await, upsert(1)).await;
}
