//! What only MariaDB does: its types, its locks, its refusals.
#![allow(
    clippy::unwrap_used,
    reason = "in a test, a panic is how a peer that fails is told"
)]

mod peers;

use mysql_async::prelude::Queryable;
use peers::{Peer, mariadb::MariaDbPeer, message, number, text};
use trunkline_sdk::{
    Adapter, Body, Delivered, Fault, Outcome, Remedy, Settings, Sink, System, Value, contract::Desk,
};
use trunkline_sql::Sql;

const DECREASE: &str = "UPDATE stock SET on_hand = on_hand - :quantity WHERE sku = :sku";

async fn sink(system: &dyn System, settings: &[(&str, &str)]) -> Result<Box<dyn Sink>, Fault> {
    system
        .sink("stock", &Settings::of(settings.iter().copied()))
        .await
}

async fn with_stock() -> MariaDbPeer {
    let peer = MariaDbPeer::new().await;
    peer.run(
        "CREATE TABLE stock (sku varchar(40) PRIMARY KEY, on_hand integer NOT NULL CHECK (on_hand >= 0));
         INSERT INTO stock VALUES ('S1', 1000), ('S2', 1000), ('S3', 1000), ('S4', 1000)",
    )
    .await;
    peer
}

fn decrease(id: &str, sku: &str, quantity: &str) -> Delivered {
    message(id, vec![("sku", text(sku)), ("quantity", number(quantity))])
}

fn rejection(outcome: &Outcome) -> &Fault {
    match outcome {
        Outcome::Rejected(fault) => fault,
        other => panic!("not rejected: {other:?}"),
    }
}

fn is_applied(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Applied(_))
}

#[tokio::test]
async fn what_an_update_finds_counts_also_where_nothing_changes() {
    // given
    let peer = with_stock().await;
    let settings = [("statement", DECREASE), ("expect_rows", "1")];
    let sink = sink(&*peer.open().await, &settings).await.unwrap();
    // when
    let batch = [
        decrease("a", "S1", "0"),
        decrease("b", "none", "1"),
        decrease("c", "S1", "1"),
    ];
    let outcomes = sink.write(&batch).await;
    // then
    assert!(
        is_applied(&outcomes[0]) && is_applied(&outcomes[2]),
        "{outcomes:?}"
    );
    assert_eq!(rejection(&outcomes[1]).remedy, Remedy::DeadLetter);
    assert_eq!(
        peer.ask("SELECT on_hand FROM stock WHERE sku = 'S1'").await,
        "999"
    );
}

#[tokio::test]
async fn every_type_takes_and_gives_the_values_of_its_kind_to_the_last_digit() {
    // given
    let peer = MariaDbPeer::new().await;
    peer.run(
        "CREATE TABLE t (id bigint unsigned PRIMARY KEY, n decimal(40,18), f double, b boolean, c varchar(40),
                         u uuid, ts timestamp(6), dt datetime, d date, tm time, j json, y varbinary(9), bt bit(9),
                         z varchar(9), v int)",
    )
    .await;
    let values = vec![
        ("id", number("18446744073709551615")),
        ("n", number("12345678901234567890.123456789012345678")),
        ("f", number("0.1")),
        ("b", Value::Bool(true)),
        ("c", text("'; DROP TABLE t; --")),
        ("u", text("0190d6e0-7b9c-7cc0-8000-000000000001")),
        ("ts", text("2026-11-25T23:30:00.123456-05:00")),
        ("dt", text("2026-11-25T09:30:00+01:00")),
        ("d", text("2026-11-25")),
        ("tm", text("08:30:00")),
        ("j", Value::List(vec![number("1.10"), Value::Null])),
        ("y", Value::Bytes(vec![0, 255].into())),
        ("z", Value::Null),
    ];
    let statement = "INSERT INTO t VALUES (:id, :n, :f, :b, :c, :u, :ts, :dt, :d, :tm, JSON_COMPACT(:j), :y, b'100000001', :z, 1)";
    let system = peer.open().await;
    let sink = sink(&*system, &[("statement", statement)]).await.unwrap();
    // when
    let outcomes = sink.write(&[message("a", values)]).await;
    assert!(is_applied(&outcomes[0]), "{outcomes:?}");
    let settings = Settings::of([("table", "t"), ("cursor", "v"), ("key", "id")]);
    let mut source = system.source(&settings).await.unwrap();
    let desk = Desk::default();
    let outlet = desk.outlet();
    let task = tokio::spawn(async move { source.run(outlet, None).await });
    let record = desk.wait_for(1).await.remove(0);
    desk.stop();
    task.await.unwrap().unwrap();
    // then
    let Body::Value(tree) = &record.body else {
        panic!("no tree")
    };
    for (name, expected) in [
        ("id", number("18446744073709551615")),
        ("n", number("12345678901234567890.123456789012345678")),
        ("f", number("0.1")),
        ("b", number("1")),
        ("c", text("'; DROP TABLE t; --")),
        ("u", text("0190d6e0-7b9c-7cc0-8000-000000000001")),
        ("ts", text("2026-11-26T04:30:00.123456Z")),
        ("dt", text("2026-11-25T08:30:00")),
        ("d", text("2026-11-25")),
        ("tm", text("08:30:00")),
        ("j", text("[1.10,null]")),
        ("y", Value::Bytes(vec![0, 255].into())),
        ("bt", number("257")),
        ("z", Value::Null),
    ] {
        assert_eq!(tree.get(name), Some(&expected), "{name}");
    }
}

#[tokio::test]
async fn a_value_that_does_not_fit_is_refused_by_its_column_and_never_cut_nor_shown() {
    // given a server that cuts, if it is let
    let peer = MariaDbPeer::new().await;
    peer.run("CREATE TABLE t (n int, c varchar(8), d datetime, u varchar(9) UNIQUE)")
        .await;
    let statement = "INSERT INTO t VALUES (:n, :c, :d, :u)";
    let sink = sink(&*peer.open().await, &[("statement", statement)])
        .await
        .unwrap();
    let fields = |n: Value<'static>, c: &str, d: &str, u: &str| {
        vec![("n", n), ("c", text(c)), ("d", text(d)), ("u", text(u))]
    };
    let day = "2026-11-25";
    let batch = [
        message("a", fields(text("canary"), "", day, "a")),
        message("b", fields(number("2147483648"), "", day, "b")),
        message("c", fields(number("1"), "canary canary", day, "c")),
        message("d", fields(number("1"), "", "canary", "d")),
        message("e", fields(number("1"), "", day, "canary")),
        message("f", fields(number("1"), "", day, "canary")),
        message("g", vec![("n", Value::List(vec![text("canary")]))]),
    ];
    // when
    let outcomes = sink.write(&batch).await;
    // then
    let expected = ["`n`", "'n'", "'c'", "`d`", "", "for key 'u'", "`:n` is a list"];
    for (at, expected) in expected.into_iter().enumerate() {
        if at == 4 {
            assert!(is_applied(&outcomes[at]), "{:?}", outcomes[at]);
            continue;
        }
        let fault = rejection(&outcomes[at]);
        assert_eq!(fault.remedy, Remedy::DeadLetter, "{fault}");
        assert!(fault.what.contains(expected), "{fault}");
        assert!(!fault.to_string().contains("canary"), "{fault}");
    }
    assert_eq!(peer.ask("SELECT count(*) FROM t").await, "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_write_the_same_rows_in_opposite_order_end_up_exact() {
    // given orders of four lines, each a unit, over the same rows forwards and backwards
    let peer = with_stock().await;
    let (one, other) = (peer.open().await, peer.open().await);
    let settings = [("statement", DECREASE)];
    let (one, other) = (
        sink(&*one, &settings).await.unwrap(),
        sink(&*other, &settings).await.unwrap(),
    );
    let orders = |name: &str, backwards: bool| -> Vec<Delivered> {
        let lines = |order: usize| {
            let mut skus = ["S1", "S2", "S3", "S4"];
            if backwards {
                skus.reverse();
            }
            skus.map(|sku| {
                let unit = format!("{name}{order}");
                let fields = vec![("sku", text(sku)), ("quantity", number("1"))];
                peers::part(&unit, &format!("{unit}-{sku}"), fields)
            })
        };
        (0..25).flat_map(lines).collect()
    };
    let write = async |sink: &dyn Sink, mut left: Vec<Delivered>| {
        for _ in 0..100 {
            let outcomes = sink.write(&left).await;
            let mut again = Vec::new();
            for (message, outcome) in left.into_iter().zip(outcomes) {
                match outcome {
                    Outcome::Applied(_) | Outcome::AlreadyThere(_) => {}
                    Outcome::Rejected(fault) | Outcome::NotTried(fault)
                        if matches!(fault.remedy, Remedy::Retry | Remedy::Reopen) =>
                    {
                        again.push(message);
                    }
                    other => panic!("{other:?}"),
                }
            }
            left = again;
            if left.is_empty() {
                return;
            }
        }
        panic!("{} messages are left", left.len());
    };
    // when
    tokio::join!(
        write(&*one, orders("a", false)),
        write(&*other, orders("b", true))
    );
    // then
    assert_eq!(
        peer.ask("SELECT sum(on_hand) FROM stock").await,
        (4 * 950).to_string()
    );
    assert_eq!(peer.ask("SELECT count(*) FROM trunkline_inbox").await, "200");
}

#[tokio::test]
async fn a_row_that_somebody_holds_is_waited_for_no_longer_than_the_timeout() {
    // given
    let peer = with_stock().await;
    let system = peer.system_with(&[("timeout", "1s")]).await.unwrap();
    let sink = sink(&*system, &[("statement", DECREASE)]).await.unwrap();
    let mut holder = peer.connect().await;
    holder.query_drop("START TRANSACTION").await.unwrap();
    holder
        .query_drop("UPDATE stock SET on_hand = 1 WHERE sku = 'S1'")
        .await
        .unwrap();
    // when
    let outcomes = sink
        .write(&[decrease("a", "S1", "1"), decrease("b", "S2", "1")])
        .await;
    // then
    assert_eq!(rejection(&outcomes[0]).remedy, Remedy::Retry);
    assert!(matches!(&outcomes[1], Outcome::NotTried(fault) if fault.remedy == Remedy::Retry));
    holder.query_drop("ROLLBACK").await.unwrap();
    let outcomes = sink
        .write(&[decrease("a", "S1", "1"), decrease("b", "S2", "1")])
        .await;
    assert!(outcomes.iter().all(is_applied), "{outcomes:?}");
}

#[tokio::test]
async fn a_procedure_that_ends_the_transaction_stops_the_flow_and_a_trigger_parks_the_message() {
    // given
    let peer = with_stock().await;
    peer.execute("CREATE PROCEDURE ends(n int) BEGIN COMMIT; END")
        .await;
    peer.execute(
        "CREATE TRIGGER guard BEFORE UPDATE ON stock FOR EACH ROW
         BEGIN IF NEW.on_hand = 7 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'canary'; END IF; END",
    )
    .await;
    let system = peer.open().await;
    let calls = sink(&*system, &[("statement", "CALL ends(:quantity)")])
        .await
        .unwrap();
    let sink = sink(
        &*system,
        &[(
            "statement",
            "UPDATE stock SET on_hand = :quantity WHERE sku = :sku",
        )],
    )
    .await
    .unwrap();
    // when
    let ended = calls.write(&[decrease("a", "S1", "1")]).await;
    let refused = sink
        .write(&[decrease("b", "S1", "7"), decrease("c", "S1", "8")])
        .await;
    // then
    assert!(
        matches!(&ended[0], Outcome::NotTried(fault) if fault.remedy == Remedy::Stop),
        "{ended:?}"
    );
    assert_eq!(rejection(&refused[0]).remedy, Remedy::DeadLetter);
    assert!(!rejection(&refused[0]).to_string().contains("canary"));
    assert!(is_applied(&refused[1]), "{refused:?}");
}

#[tokio::test]
async fn what_can_never_work_stops_the_flow_before_the_first_message() {
    // given
    let peer = with_stock().await;
    let system = peer.open().await;
    for (statement, told) in [
        ("UPDATE stocks SET on_hand = :a", "stocks"),
        ("UPDATE stock SET onhand = :a", "onhand"),
        ("UPDATE stock SETT on_hand = :a", "syntax"),
    ] {
        // when
        let fault = sink(&*system, &[("statement", statement)]).await.err().unwrap();
        // then
        assert_eq!(fault.remedy, Remedy::Stop, "{fault}");
        assert!(fault.what.contains(told), "{fault}");
    }
    for (user, password, database) in [
        (peer.name.as_str(), "wrong", peer.name.as_str()),
        (peer.name.as_str(), peers::PASSWORD, "mysql"),
    ] {
        let url = format!("mysql://{user}:{password}@{}/{database}", peer.cable.address());
        let system = Sql
            .open(&Settings::of([("url", url.as_str())]), "".as_ref())
            .await
            .unwrap();
        let fault = system.test().await.unwrap_err();
        assert_eq!(fault.remedy, Remedy::Stop, "{fault}");
    }
    assert!(system.test().await.unwrap().contains("MariaDB"));
}

#[tokio::test]
async fn a_server_is_spoken_to_over_tls_only_if_its_authority_is_named() {
    // given
    let peer = with_stock().await;
    let ca = std::env::var("TRUNKLINE_TEST_MARIADB_CA")
        .expect("TRUNKLINE_TEST_MARIADB_CA names a file, see tests/run");
    peer.run("CREATE TABLE seen (cipher varchar(99))").await;
    let port = peer.cable.address().port();
    let system = async |host: &str, ca: Option<&str>| {
        let url = format!(
            "mysql://{0}:{1}@{host}:{port}/{0}?sslmode=require",
            peer.name,
            peers::PASSWORD
        );
        let mut settings = vec![("url", url.as_str())];
        settings.extend(ca.map(|ca| ("tls_ca", ca)));
        Sql.open(&Settings::of(settings), "".as_ref()).await.unwrap()
    };
    // when
    let trusted = system("localhost", Some(&ca)).await;
    let statement = "INSERT INTO seen SELECT VARIABLE_VALUE FROM information_schema.SESSION_STATUS \
                     WHERE VARIABLE_NAME = 'Ssl_cipher' AND :sku <> ''";
    let outcomes = sink(&*trusted, &[("statement", statement)])
        .await
        .unwrap()
        .write(&[decrease("a", "S1", "1")])
        .await;
    // then
    assert!(is_applied(&outcomes[0]), "{outcomes:?}");
    assert!(peer.ask("SELECT cipher FROM seen").await.contains("TLS"));
    for (host, ca) in [("localhost", None), ("127.0.0.1", Some(ca.as_str()))] {
        let fault = system(host, ca).await.test().await.unwrap_err();
        assert_eq!(fault.remedy, Remedy::Stop, "{host}: {fault} {fault:?}");
    }
}
