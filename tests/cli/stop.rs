//! It ends when it is told to: in order within its time, or at once.

use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls};

use crate::{
    scene::Scene,
    support::{process::Process, services::Postgres, shop},
};

/// Where its webhook listens, as the log says.
async fn ready(scene: &Scene, variables: &[(&str, &str)]) -> (Process, String) {
    let mut variables = variables.to_vec();
    variables.push(("SHOP_SECRET", shop::SECRET));
    let mut process = scene.start(&variables);
    let line = process.says("webhook: listening").await;
    let (_, address) = line.split_once("address=").expect("it says where");
    let address = address
        .split(' ')
        .next()
        .expect("a split has a first part")
        .to_owned();
    process.says("ready: 7 flows at work").await;
    (process, address)
}

#[tokio::test]
async fn it_says_what_it_runs_when_it_is_ready_and_when_it_has_stopped() {
    let scene = Scene::shop();
    let (process, _) = ready(&scene, &[]).await;
    process.signal_to_stop().await;
    let (status, said) = process.ended().await;
    assert!(status.success());
    let home = scene.home().display().to_string();
    for (line, text) in [
        "starting version=",
        "the embedded bus is open",
        "webhook: listening address=127.0.0.1:",
        "ready: 7 flows at work after=",
        "stopping: what is under way is finished first; a second signal stops at once",
        "webhook: closed",
        "the embedded bus is closed",
        "stopped",
    ]
    .iter()
    .enumerate()
    {
        let found = said.lines().nth(line).unwrap_or_default();
        assert!(found.contains(text), "line {line} says `{text}`: {said}");
    }
    assert_eq!(said.lines().count(), 8, "and no more: {said}");
    assert!(said.contains(&format!("landscape={home} ")), "{said}");
    assert!(said.contains(&format!("bus=embedded:{home}/data")), "{said}");
    assert!(
        said.contains(" route-orders stock\""),
        "the flows are named: {said}"
    );
}

#[tokio::test]
async fn told_to_stop_under_way_it_finishes_what_it_has_and_ends_in_order() {
    // given orders that come in without a pause
    let scene = Scene::shop();
    let (process, address) = ready(&scene, &[]).await;
    let (accepted, mut progress) = tokio::sync::watch::channel(0);
    let sending = tokio::spawn({
        let address = address.clone();
        async move {
            for index in 0.. {
                match shop::send_signed(&address, index).await {
                    Ok(answer) if answer.status() == 200 => accepted.send_replace(index + 1),
                    _ => return index,
                };
            }
            0
        }
    });
    progress
        .wait_for(|accepted| *accepted >= 50)
        .await
        .expect("they are accepted");
    // when
    let began = Instant::now();
    process.signal_to_stop().await;
    let (status, said) = process.ended().await;
    // then it ends in order, and what it had accepted and not finished comes at the next start
    assert!(status.success() && said.ends_with("stopped\n"), "{said}");
    assert!(
        began.elapsed() < trunkline::runtime::GRACE,
        "{:?}",
        began.elapsed()
    );
    let accepted = sending.await.expect("it ends when nobody answers");
    let (process, _) = ready(&scene, &[]).await;
    let taken: i64 = (0..accepted)
        .flat_map(shop::takes)
        .map(|(_, quantity)| quantity)
        .sum();
    let erp = rusqlite::Connection::open(scene.home().join("data/erp.db")).expect("the example makes it");
    erp.busy_timeout(Duration::from_secs(30)).expect("it is open");
    loop {
        let found: i64 = erp
            .query_row("SELECT 50000 - sum(on_hand) FROM stock", [], |row| row.get(0))
            .expect("it answers");
        // The last one may have been accepted without its sender hearing it.
        let last: i64 = shop::takes(accepted).values().sum();
        if found == taken || found == taken + last {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{found} of {taken}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(process.terminate().await.success());
}

#[tokio::test]
async fn told_twice_it_stops_at_once() {
    // given an order on its way into a table that somebody else has locked
    let database = Postgres::fresh_database().await;
    let mut erp = connect(database.url()).await;
    erp.batch_execute(include_str!("../../examples/shop/erp.sql"))
        .await
        .expect("it is everyone's SQL");
    let scene = Scene::shop();
    let (mut process, address) = ready(&scene, &[("ERP_URL", database.url())]).await;
    let lock = erp.transaction().await.expect("it answers");
    lock.batch_execute("LOCK TABLE stock")
        .await
        .expect("nobody else uses it");
    shop::deliver(&address, 0).await;
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'stock'::regclass";
    while lock
        .query_one(waits, &[])
        .await
        .expect("it answers")
        .get::<_, i64>(0)
        == 0
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // when
    process.signal_to_stop().await;
    process.says("stopping: ").await;
    let began = Instant::now();
    process.signal_to_stop().await;
    let (status, said) = process.ended().await;
    // then
    assert!(status.success());
    assert!(said.contains("stopped at once"), "{said}");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("it is there");
    tokio::spawn(connection);
    client
}
