//! What only PostgreSQL does: its types, its locks, its refusals.
#![allow(
    clippy::unwrap_used,
    reason = "in a test, a panic is how a peer that fails is told"
)]

mod peers;

use peers::{PostgresPeer, message, number, part, text};
use trunkline_sdk::{Delivered, Fault, Outcome, Remedy, Settings, Sink, Value, contract::sink::SinkPeer};

const DECREASE: &str = "UPDATE stock SET on_hand = on_hand - :quantity WHERE sku = :sku";

async fn sink(peer: &PostgresPeer, statement: &str) -> Box<dyn Sink> {
    peer.system()
        .await
        .sink("stock", &Settings::of([("statement", statement)]))
        .await
        .unwrap()
}

fn decrease(id: &str, sku: &str, quantity: &str) -> Delivered {
    message(id, vec![("sku", text(sku)), ("quantity", number(quantity))])
}

async fn with_stock() -> PostgresPeer {
    let peer = PostgresPeer::new().await;
    peer.run(
        "CREATE TABLE stock (sku text PRIMARY KEY, on_hand integer NOT NULL CHECK (on_hand >= 0));
         INSERT INTO stock SELECT 'S' || n, 1000 FROM generate_series(1, 20) n",
    )
    .await;
    peer
}

fn is_applied(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Applied(_))
}

fn rejection(outcome: &Outcome) -> &Fault {
    match outcome {
        Outcome::Rejected(fault) => fault,
        other => panic!("not rejected: {other:?}"),
    }
}

fn remedy(outcome: &Outcome) -> Option<Remedy> {
    match outcome {
        Outcome::Applied(_) | Outcome::AlreadyThere(_) => None,
        Outcome::Rejected(fault) | Outcome::NotTried(fault) | Outcome::InDoubt(fault) => Some(fault.remedy),
    }
}

#[tokio::test]
async fn a_statement_that_changes_other_than_the_expected_rows_changes_nothing() {
    // given
    let peer = with_stock().await;
    let settings = Settings::of([("statement", DECREASE), ("expect_rows", "1")]);
    let sink = peer.system().await.sink("stock", &settings).await.unwrap();
    let parts = |id: &str, sku: &str| part("order", id, vec![("sku", text(sku)), ("quantity", number("5"))]);
    // when
    let outcomes = sink
        .write(&[
            decrease("a", "S1", "1"),
            parts("b", "S1"),
            parts("c", "unknown"),
            decrease("d", "S2", "2"),
        ])
        .await;
    // then
    assert!(
        is_applied(&outcomes[0]) && is_applied(&outcomes[3]),
        "{outcomes:?}"
    );
    assert!(matches!(&outcomes[1], Outcome::NotTried(fault) if fault.remedy == Remedy::DeadLetter));
    assert_eq!(rejection(&outcomes[2]).remedy, Remedy::DeadLetter);
    assert!(
        rejection(&outcomes[2])
            .what
            .contains("changed 0 rows, expected 1")
    );
    assert_eq!(
        peer.ask("SELECT on_hand FROM stock WHERE sku = 'S1'").await,
        "999"
    );
    assert_eq!(
        peer.ask("SELECT on_hand FROM stock WHERE sku = 'S2'").await,
        "998"
    );
    assert_eq!(peer.ask("SELECT count(*) FROM trunkline_inbox").await, "2");
    peer.close().await;
}

#[tokio::test]
async fn every_type_takes_the_values_of_its_kind_to_the_last_digit() {
    // given
    let peer = PostgresPeer::new().await;
    peer.run(
        "CREATE TYPE word AS ENUM ('NEW', 'PAID');
         CREATE DOMAIN amount AS numeric CHECK (VALUE >= 0);
         CREATE TABLE t (i2 int2, i4 int4, i8 int8, n numeric, a amount, f float8, b bool, c varchar(9), d text,
                         e word, u uuid, tz timestamptz, ts timestamp, dt date, j jsonb, y bytea, z text)",
    )
    .await;
    let values = vec![
        ("i2", number("-32768"), "-32768"),
        ("i4", number("2147483647"), "2147483647"),
        ("i8", number("9223372036854775807"), "9223372036854775807"),
        (
            "n",
            number("12345678901234567890.123456789012345678"),
            "12345678901234567890.123456789012345678",
        ),
        ("a", text("10.10"), "10.10"),
        ("f", number("0.5"), "0.5"),
        ("b", Value::Bool(true), "true"),
        ("c", text("it's"), "it's"),
        ("d", text("'; DROP TABLE t; --"), "'; DROP TABLE t; --"),
        ("e", text("PAID"), "PAID"),
        (
            "u",
            text("0190d6e0-7b9c-7cc0-8000-000000000001"),
            "0190d6e0-7b9c-7cc0-8000-000000000001",
        ),
        (
            "tz",
            text("2026-11-25T09:30:00.123456+01:00"),
            "2026-11-25 08:30:00.123456+00",
        ),
        ("ts", text("2026-11-25T23:30:00-05:00"), "2026-11-26 04:30:00"),
        ("dt", text("2026-11-25"), "2026-11-25"),
        (
            "j",
            Value::Object(vec![("x".into(), Value::List(vec![number("1.10"), Value::Null]))]),
            r#"{"x": [1.10, null]}"#,
        ),
        ("y", Value::Bytes(vec![0, 255].into()), "\\x00ff"),
    ];
    let names: Vec<_> = values.iter().map(|(name, ..)| *name).collect();
    let statement = format!(
        "INSERT INTO t ({}, z) VALUES (:{}, :z)",
        names.join(", "),
        names.join(", :")
    );
    let mut fields: Vec<_> = values
        .iter()
        .map(|(name, value, _)| (*name, value.clone()))
        .collect();
    fields.push(("z", Value::Null));
    // when
    let outcomes = sink(&peer, &statement).await.write(&[message("a", fields)]).await;
    // then
    assert!(is_applied(&outcomes[0]), "{outcomes:?}");
    peer.run("SET timezone = 'UTC'").await;
    for (name, _, stored) in values {
        assert_eq!(peer.ask(&format!("SELECT {name} FROM t")).await, stored, "{name}");
    }
    assert_eq!(peer.ask("SELECT count(*) FROM t WHERE z IS NULL").await, "1");
    peer.close().await;
}

#[tokio::test]
async fn a_value_that_does_not_fit_is_refused_by_its_name_and_never_shown() {
    // given
    let peer = PostgresPeer::new().await;
    peer.run("CREATE TABLE t (n int, u uuid, c varchar(8), b text)")
        .await;
    let sink = sink(&peer, "INSERT INTO t VALUES (:n, :buyer.id, :c, :b)").await;
    let fields = |n: Value<'static>, id: Value<'static>, c: Value<'static>, b: Value<'static>| {
        vec![
            ("n", n),
            ("buyer", Value::Object(vec![("id".into(), id)])),
            ("c", c),
            ("b", b),
        ]
    };
    let uuid = || text("0190d6e0-7b9c-7cc0-8000-000000000001");
    let batch = [
        message("a", fields(text("canary"), uuid(), text(""), text(""))),
        message("b", fields(number("1"), text("canary"), text(""), text(""))),
        message("c", fields(number("1"), uuid(), text("canary canary"), text(""))),
        message(
            "d",
            fields(number("1"), uuid(), text(""), Value::List(vec![text("canary")])),
        ),
        message("e", fields(number("1"), uuid(), text(""), text("canary\0"))),
        message(
            "f",
            vec![("n", number("1")), ("buyer", Value::Null), ("c", text("canary"))],
        ),
        message("g", fields(number("1"), uuid(), text(""), text("good"))),
    ];
    // when
    let outcomes = sink.write(&batch).await;
    // then
    let expected = [
        "parameter `:n` is a text, but the database wants a whole number",
        "`:buyer.id`",
        "(22001)",
        "parameter `:b` is a list, but the database wants a text",
        "`:b`",
        "no field `b`",
    ];
    for (outcome, expected) in outcomes.iter().zip(expected) {
        let fault = rejection(outcome);
        assert_eq!(fault.remedy, Remedy::DeadLetter, "{fault}");
        assert!(fault.to_string().contains(expected), "{fault}");
        assert!(!fault.to_string().contains("canary"), "{fault}");
    }
    assert!(is_applied(&outcomes[6]), "{:?}", outcomes[6]);
    peer.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_write_the_same_rows_in_opposite_order_end_up_exact() {
    // given orders of four lines, each a unit, over the same rows forwards and backwards
    let peer = with_stock().await;
    let (one, other) = (sink(&peer, DECREASE).await, sink(&peer, DECREASE).await);
    let orders = |name: &str, backwards: bool| -> Vec<Delivered> {
        let mut lines = Vec::new();
        for order in 0..40 {
            let mut skus: Vec<_> = (0..4).map(|line| (order + line * 5) % 20 + 1).collect();
            if backwards {
                skus.reverse();
            }
            lines.extend(skus.iter().map(|sku| {
                let unit = format!("{name}{order}");
                let fields = vec![("sku", text(&format!("S{sku}"))), ("quantity", number("1"))];
                part(&unit, &format!("{unit}-{sku}"), fields)
            }));
        }
        lines
    };
    let until_done = async |sink: &dyn Sink, mut left: Vec<Delivered>| {
        while !left.is_empty() {
            let outcomes = sink.write(&left).await;
            for outcome in &outcomes {
                assert!(
                    matches!(remedy(outcome), None | Some(Remedy::Retry)),
                    "{outcome:?}"
                );
            }
            left = left
                .into_iter()
                .zip(outcomes)
                .filter(|(_, outcome)| remedy(outcome).is_some())
                .map(|(line, _)| line)
                .collect();
        }
    };
    // when
    tokio::join!(
        until_done(&*one, orders("one", false)),
        until_done(&*other, orders("other", true))
    );
    // then 2 x 40 orders of 4 lines
    assert_eq!(peer.ask("SELECT sum(1000 - on_hand) FROM stock").await, "320");
    assert_eq!(peer.ask("SELECT count(*) FROM trunkline_inbox").await, "320");
    peer.close().await;
}

#[tokio::test]
async fn a_row_that_stays_locked_is_tried_again_later_and_holds_nobody_up_for_long() {
    // given
    let peer = with_stock().await;
    let user = peer.config.get_user().unwrap().to_owned();
    let system = peer.system_as(&user, "200ms").await.unwrap();
    let sink = system
        .sink("stock", &Settings::of([("statement", DECREASE)]))
        .await
        .unwrap();
    peer.run("BEGIN; SELECT 1 FROM stock WHERE sku = 'S2' FOR UPDATE")
        .await;
    let batch: Vec<_> = [("a", "S1"), ("b", "S2"), ("c", "S2"), ("d", "S2"), ("e", "S3")]
        .map(|(id, sku)| decrease(id, sku, "1"))
        .into();
    // when
    let outcomes = tokio::time::timeout(std::time::Duration::from_secs(5), sink.write(&batch))
        .await
        .unwrap();
    // then
    assert!(is_applied(&outcomes[0]), "{outcomes:?}");
    assert_eq!(rejection(&outcomes[1]).remedy, Remedy::Retry);
    for outcome in &outcomes[2..] {
        assert!(
            matches!(outcome, Outcome::NotTried(fault) if fault.remedy == Remedy::Retry),
            "{outcome:?}"
        );
    }
    // when the lock is gone
    peer.run("ROLLBACK").await;
    let outcomes = sink.write(&batch).await;
    // then
    assert!(matches!(outcomes[0], Outcome::AlreadyThere(_)));
    assert!(outcomes[1..].iter().all(is_applied), "{outcomes:?}");
    peer.close().await;
}

#[tokio::test]
async fn a_constraint_that_is_checked_at_commit_refuses_only_its_unit() {
    // given
    let peer = with_stock().await;
    peer.run("CREATE TABLE moves (id text, sku text REFERENCES stock DEFERRABLE INITIALLY DEFERRED)")
        .await;
    let sink = sink(&peer, "INSERT INTO moves VALUES (:id, :sku)").await;
    let order = |id: &str, sku: &str| message(id, vec![("id", text(id)), ("sku", text(sku))]);
    let mut batch: Vec<_> = (0..9).map(|at| order(&format!("m{at}"), "S1")).collect();
    batch.insert(4, order("wrong", "none"));
    // when
    let outcomes = sink.write(&batch).await;
    // then
    assert_eq!(rejection(&outcomes[4]).remedy, Remedy::DeadLetter);
    assert_eq!(outcomes.iter().filter(|outcome| is_applied(outcome)).count(), 9);
    assert_eq!(peer.ask("SELECT count(*) FROM moves").await, "9");
    peer.close().await;
}

#[tokio::test]
async fn a_statement_or_user_that_can_never_work_stops_before_the_first_message() {
    // given
    let peer = with_stock().await;
    let system = peer.system().await;
    let opened = async |statement: &str| {
        let settings = Settings::of([("statement", statement)]);
        system
            .sink("stock", &settings)
            .await
            .err()
            .unwrap_or_else(|| panic!("{statement} is accepted"))
    };
    for (statement, told) in [
        ("UPDATE stok SET on_hand = :n", "stok"),
        ("UPDATE stock SET in_hand = :n", "in_hand"),
        ("UPDATE stock SETT on_hand = :n", "at or near \"on_hand\""),
        (
            "UPDATE stock SET on_hand = :n; DELETE FROM stock",
            "several statements",
        ),
    ] {
        // when
        let fault = opened(statement).await;
        // then
        assert_eq!(fault.remedy, Remedy::Stop, "{fault}");
        assert!(fault.what.contains(told) && fault.hint.is_some(), "{fault}");
    }
    let nobody = peer.system_as("nobody_of_this_name", "5s").await.unwrap();
    for fault in [
        nobody.test().await.unwrap_err(),
        nobody
            .sink("stock", &Settings::of([("statement", DECREASE)]))
            .await
            .err()
            .unwrap(),
    ] {
        assert_eq!(fault.remedy, Remedy::Stop, "{fault}");
        assert!(!fault.to_string().contains(&peer.password()));
    }
    peer.close().await;
}

#[tokio::test]
async fn a_user_who_may_not_make_the_inbox_is_told_how_to_have_it_made() {
    // given a user who may change stock and nothing else
    let peer = with_stock().await;
    let (user, schema) = (format!("user_{}", peer.schema), &peer.schema);
    let password = peer.password();
    peer.run(&format!(
        "CREATE ROLE {user} LOGIN PASSWORD '{password}'; GRANT USAGE ON SCHEMA {schema} TO {user};
         GRANT SELECT, UPDATE ON stock TO {user}; GRANT CONNECT ON DATABASE {} TO {user}",
        peer.config.get_dbname().unwrap_or("postgres")
    ))
    .await;
    let system = peer.system_as(&user, "5s").await.unwrap();
    let settings = Settings::of([("statement", DECREASE)]);
    // when
    let fault = system.sink("stock", &settings).await.err().unwrap();
    // then
    assert_eq!(fault.remedy, Remedy::Stop, "{fault}");
    let hint = fault.hint.unwrap();
    let (_, table) = hint.split_once("CREATE TABLE").unwrap();
    // when the owner does what the hint says, but forgets the grant
    peer.run(&format!("CREATE TABLE{}", table.split(';').next().unwrap()))
        .await;
    let sink = system.sink("stock", &settings).await.unwrap();
    let outcomes = sink.write(&[decrease("a", "S1", "1")]).await;
    // then
    assert_eq!(remedy(&outcomes[0]), Some(Remedy::Stop), "{outcomes:?}");
    // when it is granted
    peer.run(&format!("GRANT INSERT, SELECT ON trunkline_inbox TO {user}"))
        .await;
    // then
    assert!(is_applied(&sink.write(&[decrease("a", "S1", "1")]).await[0]));
    // and what the user may not do stops the flow
    peer.run(&format!("REVOKE UPDATE ON stock FROM {user}")).await;
    let outcomes = sink
        .write(&[decrease("b", "S1", "1"), decrease("c", "S2", "1")])
        .await;
    assert_eq!(rejection(&outcomes[0]).remedy, Remedy::Stop);
    assert_eq!(remedy(&outcomes[1]), Some(Remedy::Stop));
    drop((sink, system));
    peer.run(&format!("DROP OWNED BY {user}; DROP ROLE {user}")).await;
    peer.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_start_at_once_make_one_inbox() {
    // given
    let peer = with_stock().await;
    // when
    let sinks = futures_util::future::join_all((0..8).map(|_| sink(&peer, DECREASE))).await;
    // then
    assert_eq!(sinks.len(), 8);
    assert!(is_applied(&sinks[7].write(&[decrease("a", "S1", "1")]).await[0]));
    peer.close().await;
}

#[tokio::test]
async fn a_session_that_the_server_ends_or_a_table_that_changes_costs_no_message() {
    // given
    let peer = with_stock().await;
    let settings = Settings::of([("statement", DECREASE)]);
    let sink = peer.system().await.sink(&peer.schema, &settings).await.unwrap();
    assert!(is_applied(&sink.write(&[decrease("a", "S1", "1")]).await[0]));
    let end = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'trunkline {}'",
        peer.schema
    );
    for (id, disturbance) in [
        ("b", end.as_str()),
        ("c", "ALTER TABLE stock ALTER on_hand TYPE bigint"),
        ("d", "ALTER TABLE stock ADD note text DEFAULT 'x'"),
    ] {
        // when
        peer.run(disturbance).await;
        let first = sink.write(&[decrease(id, "S1", "1")]).await;
        // then
        assert!(
            matches!(remedy(&first[0]), None | Some(Remedy::Reopen)),
            "{id}: {first:?}"
        );
        let second = sink.write(&[decrease(id, "S1", "1")]).await;
        assert_eq!(remedy(&second[0]), None, "{id}: {second:?}");
    }
    assert_eq!(
        peer.ask("SELECT on_hand FROM stock WHERE sku = 'S1'").await,
        "996"
    );
    peer.close().await;
}

#[tokio::test]
async fn a_deadlock_costs_no_message_an_attempt() {
    // given somebody who holds S2 and will want S1, and looks for deadlocks later than the sink
    let peer = with_stock().await;
    let sink = sink(&peer, DECREASE).await;
    peer.run("SET deadlock_timeout = '60s'; BEGIN; UPDATE stock SET on_hand = 500 WHERE sku = 'S2'")
        .await;
    let line = |id: &str, sku: &str| part("order", id, vec![("sku", text(sku)), ("quantity", number("1"))]);
    let batch = [
        decrease("a", "S3", "1"),
        line("b", "S1"),
        line("c", "S2"),
        decrease("d", "S4", "1"),
    ];
    let cross = async {
        let waiting =
            "SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))";
        while peer.ask(waiting).await == "0" {}
        // This returns only when the sink has given way.
        peer.run("UPDATE stock SET on_hand = 500 WHERE sku = 'S1'; COMMIT")
            .await;
    };
    // when
    let (outcomes, ()) = tokio::join!(sink.write(&batch), cross);
    // then
    assert!(outcomes.iter().all(is_applied), "{outcomes:?}");
    assert_eq!(
        peer.ask("SELECT sum(on_hand) FROM stock WHERE sku IN ('S1', 'S2')")
            .await,
        "998"
    );
    peer.close().await;
}

#[tokio::test]
async fn outside_its_transaction_a_session_can_write_nothing() {
    // given
    let peer = PostgresPeer::new().await;
    let statement = "SELECT 1 WHERE current_setting('default_transaction_read_only') = 'on'";
    let settings = Settings::of([("statement", statement), ("expect_rows", "1")]);
    let sink = peer.system().await.sink("orders", &settings).await.unwrap();
    // then
    assert!(is_applied(&sink.write(&[message("a", vec![])]).await[0]));
    peer.close().await;
}

#[tokio::test]
async fn a_statement_cancelled_at_any_moment_loses_and_repeats_nothing() {
    // given claims, statements and commits that take a while, and somebody who cancels each time a little later
    let peer = with_stock().await;
    let sink = {
        let settings = Settings::of([("statement", DECREASE)]);
        peer.system().await.sink(&peer.schema, &settings).await.unwrap()
    };
    peer.run(
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.002); RETURN NEW; END';
         CREATE TRIGGER claim BEFORE INSERT ON trunkline_inbox FOR EACH ROW EXECUTE FUNCTION dawdle();
         CREATE TRIGGER run BEFORE UPDATE ON stock FOR EACH ROW EXECUTE FUNCTION dawdle();
         CREATE CONSTRAINT TRIGGER finish AFTER UPDATE ON stock DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW EXECUTE FUNCTION dawdle()",
    )
    .await;
    let cancel = |delay: u32| {
        format!(
            "SELECT pg_sleep({delay} * 0.0015); SELECT pg_cancel_backend(pid) FROM pg_stat_activity
             WHERE application_name = 'trunkline {}'",
            peer.schema
        )
    };
    let mut tries = 0;
    for round in 0..40 {
        let mut left: Vec<_> = (0..5)
            .map(|at| decrease(&format!("m{round}-{at}"), &format!("S{}", at + 1), "1"))
            .collect();
        while !left.is_empty() {
            tries += 1;
            assert!(tries < 2_000, "no progress");
            // when
            let disturbance = cancel((round + tries) % 20);
            let (outcomes, ()) = tokio::join!(sink.write(&left), peer.run(&disturbance));
            // then
            for outcome in &outcomes {
                assert!(
                    matches!(remedy(outcome), None | Some(Remedy::Retry | Remedy::Reopen)),
                    "{outcome:?}"
                );
            }
            left = left
                .into_iter()
                .zip(outcomes)
                .filter_map(|(message, outcome)| remedy(&outcome).map(|_| message))
                .collect();
        }
    }
    assert!(
        tries > 50,
        "hardly anything was cancelled: {tries} tries for 40 batches"
    );
    assert_eq!(peer.ask("SELECT sum(1000 - on_hand) FROM stock").await, "200");
    peer.close().await;
}

#[tokio::test]
async fn a_test_of_the_system_names_the_server_and_hides_the_password() {
    let peer = PostgresPeer::new().await;
    let line = peer.system().await.test().await.unwrap();
    assert!(line.starts_with("PostgreSQL 1"), "{line}");
    assert!(!line.contains(&peer.password()), "{line}");
    peer.cable.cut();
    assert_eq!(
        peer.system().await.test().await.unwrap_err().remedy,
        Remedy::Reopen
    );
    peer.close().await;
}
