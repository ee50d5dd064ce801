//! What only SQLite does: its file, its types, its lock.
#![allow(
    clippy::unwrap_used,
    reason = "in a test, a panic is how a peer that fails is told"
)]

mod peers;

use peers::{SqlitePeer, message, number, part, text};
use trunkline_sdk::{Adapter, Delivered, Fault, Outcome, Remedy, Settings, Sink, Value};
use trunkline_sql::Sql;

const DECREASE: &str = "UPDATE stock SET on_hand = on_hand - :quantity WHERE sku = :sku";

async fn sink(peer: &SqlitePeer, settings: &[(&'static str, &'static str)]) -> Result<Box<dyn Sink>, Fault> {
    peer.system()
        .await?
        .sink("stock", &Settings::of(settings.iter().copied()))
        .await
}

fn decrease(id: &str, sku: &str, quantity: &str) -> Delivered {
    message(id, vec![("sku", text(sku)), ("quantity", number(quantity))])
}

fn with_stock() -> SqlitePeer {
    let peer = SqlitePeer::new();
    peer.run(
        "CREATE TABLE stock (sku text PRIMARY KEY, on_hand integer NOT NULL CHECK (on_hand >= 0));
         INSERT INTO stock VALUES ('S1', 100), ('S2', 100)",
    );
    peer
}

fn rejection(outcome: &Outcome) -> &Fault {
    match outcome {
        Outcome::Rejected(fault) => fault,
        other => panic!("not rejected: {other:?}"),
    }
}

#[tokio::test]
async fn a_statement_that_changes_other_than_the_expected_rows_changes_nothing() {
    // given
    let peer = with_stock();
    let sink = sink(&peer, &[("statement", DECREASE), ("expect_rows", "1")])
        .await
        .unwrap();
    let parts = |id: &str, sku: &str| part("order", id, vec![("sku", text(sku)), ("quantity", number("5"))]);
    // when
    let batch = [
        decrease("a", "S1", "1"),
        parts("b", "S1"),
        parts("c", "none"),
        decrease("d", "S2", "200"),
        decrease("e", "S2", "2"),
    ];
    let outcomes = sink.write(&batch).await;
    // then
    assert!(
        matches!(outcomes[0], Outcome::Applied(_)) && matches!(outcomes[4], Outcome::Applied(_)),
        "{outcomes:?}"
    );
    assert!(
        rejection(&outcomes[2])
            .what
            .contains("changed 0 rows, expected 1")
    );
    assert!(
        rejection(&outcomes[3]).what.contains("CHECK constraint"),
        "{:?}",
        outcomes[3]
    );
    assert_eq!(peer.ask::<i64>("SELECT on_hand FROM stock WHERE sku = 'S1'"), 99);
    assert_eq!(peer.ask::<i64>("SELECT on_hand FROM stock WHERE sku = 'S2'"), 98);
    assert_eq!(peer.ask::<i64>("SELECT count(*) FROM trunkline_inbox"), 2);
}

#[tokio::test]
async fn rows_are_counted_for_statements_that_return_rows_too() {
    // given
    let peer = with_stock();
    for (statement, rows) in [
        ("UPDATE stock SET on_hand = :n RETURNING sku", "2"),
        ("SELECT sku FROM stock WHERE on_hand >= :n", "2"),
        (
            "WITH w AS (SELECT 'S3' AS sku) INSERT INTO stock SELECT sku, :n FROM w",
            "1",
        ),
    ] {
        let sink = sink(&peer, &[("statement", statement), ("expect_rows", rows)])
            .await
            .unwrap();
        // when
        let outcomes = sink.write(&[message(statement, vec![("n", number("7"))])]).await;
        // then
        assert!(
            matches!(outcomes[0], Outcome::Applied(_)),
            "{statement}: {outcomes:?}"
        );
    }
}

#[tokio::test]
async fn values_are_stored_as_they_are_and_never_as_text_of_the_statement() {
    // given
    let peer = SqlitePeer::new();
    peer.run("CREATE TABLE t (i, big, d, b, x, s, n, j)");
    let sink = sink(
        &peer,
        &[(
            "statement",
            "INSERT INTO t VALUES (:i, :big, :d, :b, :x, :s, :n, json(:j))",
        )],
    )
    .await
    .unwrap();
    let fields = vec![
        ("i", number("9223372036854775807")),
        ("big", number("92233720368547758070")),
        ("d", number("10.10")),
        ("b", Value::Bool(true)),
        ("x", Value::Bytes(vec![0, 255].into())),
        ("s", text("'); DROP TABLE t; --")),
        ("n", Value::Null),
        ("j", Value::List(vec![number("1"), text("a")])),
    ];
    // when
    let outcomes = sink.write(&[message("a", fields)]).await;
    // then
    assert!(matches!(outcomes[0], Outcome::Applied(_)), "{outcomes:?}");
    assert_eq!(
        peer.ask::<String>(
            "SELECT i || ' ' || typeof(i) || ' ' || big || ' ' || typeof(big) || ' ' || d || ' ' || b || ' ' || hex(x)
                    || ' ' || s || ' ' || typeof(n) || ' ' || j FROM t"
        ),
        "9223372036854775807 integer 92233720368547758070 text 10.10 1 00FF '); DROP TABLE t; -- null [1,\"a\"]"
    );
}

#[tokio::test]
async fn a_reference_that_is_checked_at_commit_refuses_only_its_unit() {
    // given
    let peer = with_stock();
    peer.run("CREATE TABLE moves (id, sku text REFERENCES stock (sku) DEFERRABLE INITIALLY DEFERRED)");
    let sink = sink(&peer, &[("statement", "INSERT INTO moves VALUES (:id, :sku)")])
        .await
        .unwrap();
    let order = |id: &str, sku: &str| message(id, vec![("id", text(id)), ("sku", text(sku))]);
    // when
    let outcomes = sink
        .write(&[order("a", "S1"), order("b", "none"), order("c", "S2")])
        .await;
    // then
    assert!(
        matches!(outcomes[0], Outcome::Applied(_)) && matches!(outcomes[2], Outcome::Applied(_)),
        "{outcomes:?}"
    );
    assert_eq!(rejection(&outcomes[1]).remedy, Remedy::DeadLetter);
}

#[tokio::test]
async fn what_a_person_must_mend_stops_before_the_first_message() {
    // given
    let peer = with_stock();
    for (statement, told) in [
        ("UPDATE stok SET on_hand = :n", "stok"),
        ("UPDATE stock SET in_hand = :n", "in_hand"),
        ("UPDATE stock SETT on_hand = :n", "SETT"),
    ] {
        // when
        let fault = sink(&peer, &[("statement", statement)]).await.err().unwrap();
        // then
        assert_eq!(fault.remedy, Remedy::Stop, "{fault}");
        assert!(fault.what.contains(told), "{fault}");
    }
    let missing = Sql
        .open(&Settings::of([("url", "sqlite:./none.db")]), peer.folder.path())
        .await
        .err()
        .unwrap();
    assert_eq!(missing.remedy, Remedy::Stop);
    assert!(!peer.folder.path().join("none.db").exists());
    std::fs::write(
        peer.folder.path().join("text.db"),
        "this is no database, however long it is".repeat(99),
    )
    .unwrap();
    let system = Sql
        .open(&Settings::of([("url", "sqlite:text.db")]), peer.folder.path())
        .await
        .unwrap();
    assert_eq!(system.test().await.unwrap_err().remedy, Remedy::Stop);
}

#[tokio::test]
async fn a_table_that_is_dropped_under_the_sink_stops_it_and_parks_no_message() {
    // given
    let peer = with_stock();
    let sink = sink(&peer, &[("statement", DECREASE)]).await.unwrap();
    // when
    peer.run("DROP TABLE stock");
    let outcomes = sink
        .write(&[decrease("a", "S1", "1"), decrease("b", "S1", "1")])
        .await;
    // then
    assert_eq!(rejection(&outcomes[0]).remedy, Remedy::Stop);
    assert!(matches!(&outcomes[1], Outcome::NotTried(fault) if fault.remedy == Remedy::Stop));
}

#[test]
fn a_database_is_made_where_there_is_none_by_one_of_all_who_try_and_never_made_again() {
    // given
    let home = tempfile::tempdir().unwrap();
    std::fs::write(
        home.path().join("schema.sql"),
        "CREATE TABLE t (n); INSERT INTO t VALUES (1);",
    )
    .unwrap();
    let open = |create: &str| {
        let settings = Settings::of([("url", "sqlite:data/new.db"), ("create", create)]);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(Sql.open(&settings, home.path())).map(drop)
    };
    std::fs::write(
        home.path().join("wrong.sql"),
        "CREATE TABLE t (n); INSERT INTO u VALUES (1);",
    )
    .unwrap();
    for wrong in ["wrong.sql", "none.sql"] {
        assert_eq!(open(wrong).unwrap_err().remedy, Remedy::Stop);
    }
    // when
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                open("schema.sql").unwrap();
                let connection = rusqlite::Connection::open(home.path().join("data/new.db")).unwrap();
                connection
                    .busy_timeout(std::time::Duration::from_secs(30))
                    .unwrap();
                connection.execute("INSERT INTO t VALUES (2)", []).unwrap();
            });
        }
    });
    // then what each of them wrote is there
    let connection = rusqlite::Connection::open(home.path().join("data/new.db")).unwrap();
    let rows: i64 = connection
        .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 9);
    drop(connection);
    assert_eq!(std::fs::read_dir(home.path().join("data")).unwrap().count(), 1);
}

#[tokio::test]
async fn a_test_of_the_system_names_the_file() {
    let peer = with_stock();
    let line = peer.system().await.unwrap().test().await.unwrap();
    assert!(
        line.starts_with("SQLite 3.") && line.contains("`peer.db`"),
        "{line}"
    );
}
