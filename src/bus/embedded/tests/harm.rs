//! What becomes of a damaged or full file, a killed process, a wrong clock.

use std::{fs, process::Command};

use tempfile::TempDir;
use trunkline_sdk::{Body, Remedy};

use super::*;

#[tokio::test]
async fn a_damaged_message_is_delivered_as_unreadable_and_can_be_parked() {
    // given: one bit of a body, one of an envelope, an envelope that is no JSON
    let folder = TempDir::new().unwrap();
    let bus = opened(&folder).await;
    publish(&bus, 4).await;
    bus.close().await;
    let damage = [
        "UPDATE waiting SET body = CAST(x'06' || substr(body, 2) AS BLOB) WHERE id & 0xffff = 1",
        "UPDATE waiting SET envelope = replace(envelope, 'm-1', 'm-9') WHERE id & 0xffff = 2",
        "UPDATE waiting SET envelope = CAST(x'ff7b' AS TEXT) WHERE id & 0xffff = 3",
    ];
    for statement in damage {
        assert_eq!(file(&folder).execute(statement, []).unwrap(), 1);
    }
    // when
    let bus = opened(&folder).await;
    let mut subscription = bus.subscribe(&queue(), 4).await.unwrap();
    let received = receive(&mut subscription, 4).await;
    // then
    let unreadable: Vec<bool> = received
        .iter()
        .map(|delivery| delivery.unreadable.is_some())
        .collect();
    assert_eq!(unreadable, [true, true, true, false]);
    for delivery in &received[..3] {
        assert!(
            matches!(&delivery.message.content, Content::Native(Body::Bytes { bytes, .. })
            if bytes.len() == 1000)
        );
    }
    let hops = received
        .into_iter()
        .map(|delivery| Hop::park(delivery, cause()))
        .collect();
    for result in bus.complete(hops).await {
        result.unwrap();
    }
    assert_eq!(bus.parked(&queue(), 10).await.unwrap().len(), 4);
    subscription.close().await;
    bus.close().await;
}

#[tokio::test]
async fn a_damaged_file_stops_the_bus_and_ends_its_subscriptions() {
    // given
    let folder = TempDir::new().unwrap();
    let bus = opened(&folder).await;
    publish(&bus, 2000).await;
    bus.close().await;
    let mut bytes = fs::read(Store::path(folder.path())).unwrap();
    let middle = bytes.len() / 4..bytes.len() * 3 / 4;
    bytes[middle].fill(0xaa);
    fs::write(Store::path(folder.path()), bytes).unwrap();
    // when
    let bus = EmbeddedBus::open(folder.path()).unwrap();
    let mut subscription = bus.subscribe(&queue(), 100).await.unwrap();
    let mut batch = Vec::new();
    while subscription.receive(&mut batch, 100).await {
        for result in bus
            .complete(
                batch
                    .drain(..)
                    .map(|delivery| Hop::of(delivery, Vec::new()))
                    .collect(),
            )
            .await
        {
            // Until the damage is found all goes well.
            if let Err(refused) = result {
                assert_eq!(refused.fault.remedy, Remedy::Stop);
            }
        }
    }
    // then
    let results = bus.complete(vec![order(1, 10)]).await;
    let refused = results.into_iter().next().unwrap().expect_err("it has stopped");
    assert_eq!(refused.fault.remedy, Remedy::Stop);
    assert!(refused.fault.what.contains("is damaged"), "{}", refused.fault);
    assert!(bus.subscribe(&queue(), 1).await.is_err());
    bus.close().await;
}

#[tokio::test]
async fn a_full_disk_refuses_for_now_and_loses_nothing() {
    // given: a file that may not grow
    let folder = TempDir::new().unwrap();
    opened(&folder).await.close().await;
    let lock = Lock::take(folder.path()).unwrap();
    let store = Store::open(folder.path()).unwrap();
    store
        .connection
        .execute_batch("PRAGMA max_page_count = 100")
        .unwrap();
    let suspects = store.begin(i64::MAX).unwrap();
    let disk = Disk::under(folder.path(), Some(0));
    let place = Place { store, disk, lock };
    let bus = EmbeddedBus::start(folder.path(), place, Clock::new(), &suspects).unwrap();
    // when
    let mut accepted = 0;
    let fault = loop {
        match bus.complete(vec![order(accepted, 20_000)]).await.remove(0) {
            Ok(()) => accepted += 1,
            Err(refused) => break refused.fault,
        }
    };
    // then
    assert_eq!(fault.remedy, Remedy::Wait);
    assert!(fault.retry_after.is_some());
    assert!(accepted > 10);
    let depth = bus.depth(&queue()).await.unwrap();
    assert_eq!(depth.ready, u64::try_from(accepted).unwrap());
    // when: what waits is taken off
    let mut subscription = bus.subscribe(&queue(), 100).await.unwrap();
    let received = receive(&mut subscription, accepted).await;
    settle(&bus, received).await;
    // then: there is room again
    publish(&bus, 1).await;
    settle(&bus, receive(&mut subscription, 1).await).await;
    assert!(bus.depth(&queue()).await.unwrap().is_drained());
    subscription.close().await;
    bus.close().await;
}

#[tokio::test]
async fn after_a_crash_only_what_may_have_been_given_out_counts_as_redelivered() {
    // given: of 3000 messages a few were given out
    let folder = TempDir::new().unwrap();
    let bus = opened(&folder).await;
    publish(&bus, 3000).await;
    let mut subscription = bus.subscribe(&queue(), 10).await.unwrap();
    let held = receive(&mut subscription, 10).await;
    // when: the files as a killed process leaves them
    let crashed = TempDir::new().unwrap();
    for name in ["bus.db", "bus.db-wal"] {
        fs::copy(folder.path().join(name), crashed.path().join(name)).unwrap();
    }
    let after = opened(&crashed).await;
    // then
    let mut again = after.subscribe(&queue(), 3000).await.unwrap();
    let received = receive(&mut again, 3000).await;
    assert!(received[..10].iter().all(|delivery| delivery.redelivered));
    assert!(received[1500..].iter().all(|delivery| !delivery.redelivered));
    drop((held, received));
    for (bus, subscription) in [(bus, subscription), (after, again)] {
        subscription.close().await;
        bus.close().await;
    }
}

/// Writes until it cannot, in a process whose files may not grow beyond some MiB: to SQLite, a disk that fails.
#[test]
fn after_an_error_of_the_disk_the_bus_stops_and_a_restart_finds_what_was_confirmed() {
    // given
    let folder = TempDir::new().unwrap();
    // when
    let child = Command::new("sh")
        .args(["-c", r#"trap '' XFSZ; ulimit -f 8192; exec "$@""#, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture"])
        .arg("bus::embedded::tests::harm::in_a_process_with_small_files")
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8(child.stdout).unwrap();
    assert!(child.status.success(), "{said}");
    let confirmed = said
        .lines()
        .find_map(|line| line.split_once("confirmed "))
        .map(|(_, count)| count.parse::<u64>().unwrap());
    // then
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let bus = opened(&folder).await;
        let ready = bus.depth(&queue()).await.unwrap().ready;
        assert!(confirmed.is_some_and(|confirmed| confirmed > 0 && confirmed <= ready));
        publish(&bus, 1).await;
        bus.close().await;
    });
}

const FOLDER: &str = "TRUNKLINE_EMBEDDED_FOLDER";

#[tokio::test]
#[ignore = "runs in a process of its own"]
async fn in_a_process_with_small_files() {
    let folder = PathBuf::from(std::env::var(FOLDER).unwrap());
    let bus = EmbeddedBus::open_above(&folder, Some(0)).unwrap();
    bus.declare(&landscape()).await.unwrap();
    let mut confirmed = 0;
    let fault = loop {
        match bus.complete(vec![order(confirmed, 100_000)]).await.remove(0) {
            Ok(()) => confirmed += 1,
            Err(refused) => break refused.fault,
        }
    };
    assert_eq!(fault.remedy, Remedy::Stop, "{fault}");
    assert!(fault.what.contains("the disk fails under"), "{fault}");
    assert!(
        fault
            .hint
            .is_some_and(|hint| hint.contains("check the disk and start again"))
    );
    // What could be done is not done either: what a failed write left is not known.
    let again = bus.complete(vec![order(0, 1)]).await.remove(0);
    assert_eq!(again.expect_err("it has stopped").fault.remedy, Remedy::Stop);
    assert!(bus.subscribe(&queue(), 1).await.is_err());
    bus.close().await;
    println!("\nconfirmed {confirmed}");
}

#[tokio::test]
async fn a_file_that_was_cut_is_refused_or_stops_the_bus_and_is_never_taken_for_a_new_one() {
    // given
    let folder = TempDir::new().unwrap();
    let bus = opened(&folder).await;
    publish(&bus, 2000).await;
    bus.close().await;
    let path = Store::path(folder.path());
    let whole = fs::read(&path).unwrap();
    for length in [0, 1, 100, 8192, whole.len() / 2, whole.len() - 8192] {
        fs::write(&path, &whole[..length]).unwrap();
        // when
        let fault = match EmbeddedBus::open(folder.path()) {
            Err(fault) => fault,
            Ok(bus) => {
                let mut subscription = bus.subscribe(&queue(), 100).await.unwrap();
                let mut batch = Vec::new();
                while subscription.receive(&mut batch, 100).await {
                    for refused in bus.complete(settling(&mut batch)).await {
                        drop(refused);
                    }
                }
                let refused = bus.complete(vec![order(1, 10)]).await.remove(0);
                bus.close().await;
                refused.expect_err("it has stopped").fault
            }
        };
        // then
        assert_eq!(fault.remedy, Remedy::Stop, "{length}: {fault}");
        assert!(fault.what.contains("bus.db"), "{length}: {fault}");
        assert!(fault.hint.is_some(), "{length}: {fault}");
    }
    // then: so is one that is missing
    fs::remove_file(&path).unwrap();
    assert_eq!(refused(&folder).remedy, Remedy::Stop);
    assert!(!path.exists(), "nothing was made in its place");
}

fn settling(batch: &mut Vec<Delivery>) -> Vec<Hop> {
    batch
        .drain(..)
        .map(|delivery| Hop::of(delivery, Vec::new()))
        .collect()
}

#[tokio::test]
async fn a_wall_clock_that_is_a_year_wrong_moves_no_delay() {
    for wrong in [-31_536_000_000, 31_536_000_000] {
        // given: the process began with it
        let folder = TempDir::new().unwrap();
        opened(&folder).await.close().await;
        let lock = Lock::take(folder.path()).unwrap();
        let store = Store::open(folder.path()).unwrap();
        let suspects = store.begin(i64::MAX).unwrap();
        let disk = Disk::under(folder.path(), Some(0));
        let place = Place { store, disk, lock };
        let bus = EmbeddedBus::start(folder.path(), place, Clock::wrong_by(wrong), &suspects).unwrap();
        publish(&bus, 2).await;
        let mut subscription = bus.subscribe(&queue(), 2).await.unwrap();
        let received = receive(&mut subscription, 2).await;
        // when
        let began = std::time::Instant::now();
        let rungs = [Rung::Second1, Rung::Hour1];
        let hops = received
            .into_iter()
            .zip(rungs)
            .map(|(delivery, rung)| Hop::retry(delivery, rung, cause()));
        for result in bus.complete(hops.collect()).await {
            result.unwrap();
        }
        let again = receive(&mut subscription, 1).await;
        // then
        assert!((1..10).contains(&began.elapsed().as_secs()));
        settle(&bus, again).await;
        subscription.close().await;
        bus.close().await;
        // then: nor across a restart with the right one, by more than the longest rung
        let bus = opened(&folder).await;
        bus.close().await;
        let due: i64 = file(&folder)
            .query_row("SELECT coalesce(min(due), 0) FROM delayed", [], |row| row.get(0))
            .unwrap();
        assert!(due <= jiff::Timestamp::now().as_millisecond() + 3_600_001);
    }
}

#[tokio::test]
async fn no_delay_outlives_a_clock_that_was_set_back_by_more_than_the_longest_rung() {
    // given: a retry that a wrong clock put ten days ahead
    let folder = TempDir::new().unwrap();
    let bus = opened(&folder).await;
    publish(&bus, 1).await;
    let mut subscription = bus.subscribe(&queue(), 1).await.unwrap();
    let delivery = receive(&mut subscription, 1).await.remove(0);
    for result in bus
        .complete(vec![Hop::retry(delivery, Rung::Second1, cause())])
        .await
    {
        result.unwrap();
    }
    subscription.close().await;
    bus.close().await;
    let due = "SELECT due FROM delayed";
    let right: i64 = file(&folder).query_row(due, [], |row| row.get(0)).unwrap();
    file(&folder)
        .execute("UPDATE delayed SET due = ?1", [right + 864_000_000])
        .unwrap();
    // when
    opened(&folder).await.close().await;
    // then
    let mended: i64 = file(&folder).query_row(due, [], |row| row.get(0)).unwrap();
    assert!(mended <= right + 3_700_000, "{} ms too late", mended - right);
}
