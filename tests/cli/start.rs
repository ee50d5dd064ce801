//! A start that cannot succeed says why and ends with 1; one that may succeed later waits.

use std::{net::TcpListener, os::unix::fs::PermissionsExt, path::Path};

use tokio_postgres::NoTls;

use crate::{
    scene::Scene,
    support::{
        process::Process,
        services::{Broker, Postgres},
        shop,
    },
};

/// A password that must be seen nowhere.
const CANARY: &str = "c4nary-9f3b";

fn address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").to_string()
}

/// The URL with the canary as its password.
fn with_canary(url: &str, user: &str) -> String {
    let (scheme, rest) = url.split_once("://").expect("it is a URL");
    let (_, place) = rest.rsplit_once('@').expect("it names a user");
    format!("{scheme}://{user}:{CANARY}@{place}")
}

#[tokio::test]
async fn a_wrong_address_of_the_bus_is_told_by_its_part_and_shows_no_password() {
    let scene = Scene::shop();
    for (bus, told) in [
        ("kafka://u:c4nary-9f3b@h", "`bus` is no address of a bus"),
        (
            "amqp://u:c4nary-9f3b@h:99999/v",
            "has a port of `h` that is no number",
        ),
        ("amqp://u:c4nary-9f3b/x@h", "has a `/`, `?` or `@`"),
        ("embedded:", "`bus` names no folder"),
    ] {
        let (code, _, talk) = scene.run(&[("TRUNKLINE_BUS", bus)]).await;
        assert_eq!(code, Some(1), "{bus}");
        assert!(talk.contains(told), "{bus}: {talk}");
        assert!(talk.contains("  --> trunkline.yaml:3:6\n"), "{talk}");
        assert!(talk.contains("= hint: "), "{talk}");
        assert!(!talk.contains(CANARY), "{talk}");
    }
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_told_once_and_awaited_until_the_end() {
    // given what was a broker, and now ends every connection
    let port = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let place = port.local_addr().expect("it is bound");
    let bus = format!("amqp://u:{CANARY}@{place}/v");
    // when it has been tried three times
    let scene = Scene::shop();
    let mut process = scene.start(&[("TRUNKLINE_BUS", &bus)]);
    process.says("the bus is not there yet").await;
    for _ in 0..3 {
        drop(port.accept().await.expect("it tries again"));
    }
    process.signal_to_stop().await;
    let (status, said) = process.ended().await;
    // then
    assert!(status.success(), "{said}");
    assert_eq!(said.matches("WARN").count(), 1, "{said}");
    assert!(said.contains(&format!("amqp://u@{place}/v")), "{said}");
    assert!(!said.contains(CANARY), "{said}");
}

#[tokio::test]
async fn refused_credentials_are_told_with_the_user_and_the_vhost() {
    // given a user who has another password
    let broker = Broker::shared();
    let vhost = broker.fresh_vhost().await;
    let user = format!("{}-user", vhost.name());
    let path = format!("/api/users/{user}");
    let made = broker
        .manage("PUT", &path, r#"{"password": "another", "tags": ""}"#)
        .await;
    assert_eq!(made.expect("the management API answers").0, 201);
    // when
    let bus = with_canary(vhost.amqp(), &user);
    let (code, _, talk) = Scene::shop().run(&[("TRUNKLINE_BUS", &bus)]).await;
    broker
        .manage("DELETE", &path, "")
        .await
        .expect("the management API answers");
    // then
    assert_eq!(code, Some(1), "{talk}");
    assert!(
        talk.contains(&format!("refused the credentials of user `{user}`")),
        "{talk}"
    );
    assert!(
        talk.contains(&format!("may use vhost `{}`", vhost.name())),
        "{talk}"
    );
    assert!(!talk.contains(CANARY), "{talk}");
}

#[tokio::test]
async fn a_vhost_that_is_missing_is_told_with_how_to_make_it() {
    let bus = Broker::shared().amqp().to_owned();
    let bus = format!("{}/nowhere", bus.rsplit_once('/').expect("it names a vhost").0);
    let (code, _, talk) = Scene::shop().run(&[("TRUNKLINE_BUS", &bus)]).await;
    assert_eq!(code, Some(1), "{talk}");
    assert!(
        talk.contains("has no vhost `nowhere`\n  = hint: make it with `rabbitmqctl add_vhost nowhere`"),
        "{talk}"
    );
}

#[tokio::test]
async fn a_database_that_refuses_us_is_told_with_its_system() {
    let database = Postgres::fresh_database().await;
    let (scheme, rest) = database.url().split_once("://").expect("it is a URL");
    let user = rest.split([':', '@']).next().expect("it names a user");
    let url = with_canary(database.url(), user);
    let (code, _, talk) = Scene::shop().run(&[("ERP_URL", &url)]).await;
    assert_eq!(code, Some(1), "{talk}");
    assert!(
        talk.contains("error: system `erp` (sql): PostgreSQL at "),
        "{talk}"
    );
    assert!(talk.contains("refuses the user or the password"), "{talk}");
    assert!(talk.contains("  = hint: "), "{talk}");
    assert_eq!(
        talk.matches("refuses the user").count(),
        1,
        "four flows share it: {talk}"
    );
    assert!(!talk.contains(CANARY), "{scheme}: {talk}");
}

#[tokio::test]
async fn flows_wait_for_a_database_that_is_away_while_the_others_work() {
    // given
    let server = Postgres::own().await;
    let (erp, connection) = tokio_postgres::connect(server.url(), NoTls)
        .await
        .expect("it is there");
    tokio::spawn(connection);
    erp.batch_execute(include_str!("../../examples/shop/erp.sql"))
        .await
        .expect("it is everyone's SQL");
    server.stop().await;
    // when the landscape starts
    let scene = Scene::shop();
    let listen = address();
    let variables = [
        ("ERP_URL", server.url()),
        ("SHOP_LISTEN", &listen),
        ("SHOP_SECRET", shop::SECRET),
    ];
    let mut process = scene.start(&variables);
    process.says("ready: ").await;
    while process.said.matches("the flow waits").count() < 4 {
        process.says("the flow waits").await;
    }
    let told = "error=system `erp` (sql): PostgreSQL at `";
    assert_eq!(process.said.matches(told).count(), 4, "{}", process.said);
    // then the shop is served
    shop::deliver(&listen, 0).await;
    // when the database is back, then the order has got there
    server.start().await;
    for _ in 0..4 {
        process.says("the flow is at work again").await;
    }
    let (erp, connection) = tokio_postgres::connect(server.url(), NoTls)
        .await
        .expect("it is there");
    tokio::spawn(connection);
    loop {
        let row = erp
            .query_one("SELECT 50000 - sum(on_hand) FROM stock", &[])
            .await
            .expect("it answers");
        if row.get::<_, i64>(0) == shop::takes(0).values().sum::<i64>() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    process.signal_to_stop().await;
    let (status, said) = process.ended().await;
    assert!(status.success(), "{said}");
    // One that asks while the server is starting up is told another thing, once.
    let told = said.matches("cannot be reached").count();
    assert_eq!(told, 4, "each flow says it once: {said}");
}

#[tokio::test]
async fn a_database_file_that_is_missing_is_told() {
    let scene = Scene::shop();
    scene.edit(", create: erp.sql", "");
    let (code, _, talk) = scene.run(&[]).await;
    assert_eq!(code, Some(1), "{talk}");
    assert!(talk.contains("error: system `erp` (sql): "), "{talk}");
    assert!(talk.contains("data/erp.db"), "{talk}");
    assert!(talk.contains("  = hint: "), "{talk}");
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_with_the_option() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let listen = taken.local_addr().expect("it is bound").to_string();
    let (code, _, talk) = Scene::shop().run(&[("SHOP_LISTEN", &listen)]).await;
    assert_eq!(code, Some(1), "{talk}");
    let told = format!(
        "error: system `shop` (webhook): {listen} is taken by another process\n  \
         = hint: is Trunkline running already? else give `listen` another port\n"
    );
    assert!(talk.ends_with(&told), "{talk}");
}

#[tokio::test]
async fn a_bus_that_another_process_holds_is_told_with_its_holder() {
    let scene = Scene::shop();
    let mut holder: Process = scene.start(&[]);
    holder.says("ready: ").await;
    for command in [&["run"][..], &["dead-letters", "list"]] {
        let (code, data, talk) = scene.command(command, &[]).await;
        assert_eq!((code, data.as_str()), (Some(1), ""), "{talk}");
        let told = format!(
            "error: the embedded bus in `SHOP/data` is in use by process {}",
            holder.id()
        );
        assert!(talk.contains(&told), "{talk}");
        assert!(talk.contains("  = hint: stop that process first"), "{talk}");
    }
    assert!(holder.terminate().await.success());
}

#[tokio::test]
async fn a_bus_that_is_damaged_is_told_and_left_as_it_is() {
    let scene = Scene::shop();
    let file = scene.home().join("data/bus.db");
    std::fs::create_dir(scene.home().join("data")).expect("the test may write there");
    let damaged: Vec<_> = (0..8192_u32).map(|at| (at * 7 % 251) as u8).collect();
    std::fs::write(&file, &damaged).expect("the test may write there");
    let (code, _, talk) = scene.run(&[]).await;
    assert_eq!(code, Some(1), "{talk}");
    assert!(
        talk.contains("error: `SHOP/data/bus.db` is no database"),
        "{talk}"
    );
    assert!(talk.contains("  = hint: "), "{talk}");
    assert_eq!(std::fs::read(&file).expect("it is there"), damaged);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_told() {
    // given a file where the bus's folder should be
    let scene = Scene::shop();
    std::fs::write(scene.home().join("data"), "").expect("the test may write there");
    let (code, _, talk) = scene.run(&[]).await;
    assert_eq!(code, Some(1), "{talk}");
    assert!(talk.contains("`SHOP/data`"), "{talk}");
    assert!(
        talk.contains("  = hint: a file is in the way: choose another folder"),
        "{talk}"
    );
    // given a folder that is not ours to write; root may write everywhere
    let closed = scene.home().join("closed");
    std::fs::create_dir(&closed).expect("the test may write there");
    std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o500)).expect("it is the test's");
    if !is_writable(&closed) {
        let bus = format!("embedded:{}", closed.display());
        let (code, _, talk) = scene.run(&[("TRUNKLINE_BUS", &bus)]).await;
        assert_eq!(code, Some(1), "{talk}");
        assert!(
            talk.contains("  = hint: give the user that runs trunkline the right to write there"),
            "{talk}"
        );
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_stops_the_start_where_a_flow_needs_it() {
    // given a store that is none
    let scene = Scene::shop();
    std::fs::create_dir(scene.home().join("data")).expect("the test may write there");
    std::fs::create_dir(scene.home().join("store")).expect("the test may write there");
    std::fs::write(scene.home().join("store/state.db"), [7_u8; 8192]).expect("the test may write there");
    scene.edit("systems:", "store: ./store\nsystems:");
    let mapping = scene.home().join("maps/shop-order.cel");
    let text = std::fs::read_to_string(&mapping).expect("it was copied");
    let text = text.replace(
        "string(this.customer.id)",
        "xref(\"shop\", \"customer\", string(this.customer.id))",
    );
    std::fs::write(&mapping, text).expect("the test may write there");
    // when
    let (code, _, talk) = scene.run(&[]).await;
    // then
    assert_eq!(code, Some(1), "{talk}");
    assert!(
        talk.contains("error: the store `SHOP/store/state.db` cannot be opened: "),
        "{talk}"
    );
    assert!(
        talk.contains("  = hint: see that the folder may be written"),
        "{talk}"
    );
    // given a process whose flows need none
    let mut process = Process::start(
        &[
            "run",
            scene.home().to_str().expect("the path is text"),
            "--process",
            "stock",
        ],
        &[("SHOP_LISTEN", "127.0.0.1:0")],
    );
    process.says("ready: ").await;
    assert!(process.terminate().await.success());
}

fn is_writable(folder: &Path) -> bool {
    let path = folder.join("probe");
    std::fs::write(&path, "")
        .and_then(|()| std::fs::remove_file(path))
        .is_ok()
}
