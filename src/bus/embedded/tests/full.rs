//! A disk that is nearly full, and one that is. On a small file system of its own, which takes root to mount.

use std::{
    fs::{self, File},
    io::Write,
    process::Command,
};

use tempfile::TempDir;
use trunkline_sdk::Remedy;

use super::*;

const MIB: u64 = 1 << 20;

/// A file system of 64 MiB. Unmounted when dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// `None`, said aloud: this user may not mount one.
    fn mount() -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64m", "trunkline-test"])
            .arg(folder.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(folder)),
            _ => {
                eprintln!("SKIPPED, NOT PROVEN: mounting a small disk takes root");
                None
            }
        }
    }

    fn bus(&self) -> PathBuf {
        self.0.path().join("bus")
    }

    fn free(&self) -> u64 {
        let seen = rustix::fs::statvfs(self.0.path()).unwrap();
        seen.f_bavail * seen.f_frsize
    }

    /// Another program takes all the room there is.
    fn fill(&self) {
        let mut file = File::create(self.0.path().join("another-program's")).unwrap();
        let block = [1; 4096];
        while file.write_all(&block).is_ok() {}
        assert_eq!(self.free(), 0);
    }

    fn clear(&self) {
        fs::remove_file(self.0.path().join("another-program's")).unwrap();
    }

    fn has_reserve(&self) -> bool {
        self.bus().join("bus.reserve").exists()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(self.0.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

async fn open(disk: &SmallDisk, mark: u64) -> EmbeddedBus {
    let bus = EmbeddedBus::open_above(&disk.bus(), Some(mark)).unwrap();
    bus.declare(&landscape()).await.unwrap();
    bus
}

/// Publishes until the bus has no room.
async fn publish_until_refused(bus: &EmbeddedBus) -> (usize, Fault) {
    for number in 0.. {
        let hops = (0..10).map(|index| order(number * 10 + index, 20_000)).collect();
        let mut results = bus.complete(hops).await;
        if let Some(Err(refused)) = results.pop() {
            assert!(
                results.iter().all(Result::is_err),
                "one group is refused as a whole"
            );
            return (number * 10, refused.fault);
        }
    }
    unreachable!("every disk is full some day")
}

/// Settles, parks and tries again a third each; gives how many are left to come.
async fn work_off(bus: &EmbeddedBus, count: usize) {
    let mut subscription = bus.subscribe(&queue(), 30).await.unwrap();
    for _ in 0..count / 30 {
        let mut received = receive(&mut subscription, 30).await.into_iter();
        let mut hops: Vec<Hop> = received
            .by_ref()
            .take(10)
            .map(|delivery| Hop::park(delivery, cause()))
            .collect();
        hops.extend(
            received
                .by_ref()
                .take(10)
                .map(|delivery| Hop::retry(delivery, Rung::Hour1, cause())),
        );
        hops.extend(received.map(|delivery| Hop::of(delivery, Vec::new())));
        for result in bus.complete(hops).await {
            result.unwrap();
        }
    }
    subscription.close().await;
}

async fn accepts_again(bus: &EmbeddedBus) {
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while let Err(refused) = bus.complete(vec![order(0, 1000)]).await.remove(0) {
        assert_eq!(refused.fault.remedy, Remedy::Wait);
        assert!(
            std::time::Instant::now() < deadline,
            "it never accepts: {}",
            refused.fault
        );
        // As its sources do.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn below_the_mark_sources_wait_and_all_else_goes_on() {
    let Some(disk) = SmallDisk::mount() else { return };
    // given
    let mark = 20 * MIB;
    let bus = open(&disk, mark).await;
    // when
    let (accepted, fault) = publish_until_refused(&bus).await;
    // then
    assert_eq!(fault.remedy, Remedy::Wait);
    assert!(fault.retry_after.is_some() && fault.hint.is_some());
    assert!(fault.what.contains("nearly full"), "{fault}");
    assert!(accepted > 300, "only {accepted}");
    assert!(disk.has_reserve(), "what is kept back was not touched");
    // when
    work_off(&bus, accepted).await;
    // then
    let third = u64::try_from(accepted / 30 * 10).unwrap();
    let depth = bus.depth(&queue()).await.unwrap();
    assert_eq!((depth.parked, depth.delayed), (third, third));
    accepts_again(&bus).await;
    bus.close().await;
}

#[tokio::test]
async fn on_a_full_disk_acks_retries_and_parking_go_on_and_it_can_be_opened() {
    let Some(disk) = SmallDisk::mount() else { return };
    // given
    let bus = open(&disk, 0).await;
    for result in bus
        .complete((0..900).map(|number| order(number, 20_000)).collect())
        .await
    {
        result.unwrap();
    }
    // Not while the log is moved: who takes all the room again and again takes the reserve, too.
    bus.hasten().await.unwrap();
    disk.fill();
    // when
    let (accepted, fault) = publish_until_refused(&bus).await;
    // then: what has its place in the file already may still be written
    assert_eq!(fault.remedy, Remedy::Wait);
    assert!(accepted < 900, "the disk is full, and yet it took {accepted}");
    // when
    work_off(&bus, 300).await;
    bus.close().await;
    // then: it opens
    let bus = open(&disk, 0).await;
    work_off(&bus, 300).await;
    assert_eq!(bus.parked(&queue(), 1000).await.unwrap().len(), 200);
    let left = bus.depth(&queue()).await.unwrap().ready;
    assert_eq!(left, u64::try_from(900 + accepted - 600).unwrap());
    // when
    disk.clear();
    // then
    accepts_again(&bus).await;
    assert!(disk.has_reserve());
    bus.close().await;
}

#[tokio::test]
async fn a_bus_that_was_closed_opens_on_a_disk_that_was_filled_since() {
    let Some(disk) = SmallDisk::mount() else { return };
    // given
    let bus = open(&disk, MIB).await;
    publish(&bus, 300).await;
    bus.close().await;
    disk.fill();
    // when
    let bus = open(&disk, MIB).await;
    // then
    let refused = bus.complete(vec![order(0, 10)]).await.remove(0);
    assert_eq!(refused.expect_err("it is full").fault.remedy, Remedy::Wait);
    work_off(&bus, 300).await;
    assert_eq!(bus.depth(&queue()).await.unwrap().ready, 0);
    bus.close().await;
}

#[tokio::test]
async fn a_killed_bus_opens_on_a_full_disk() {
    let Some(disk) = SmallDisk::mount() else { return };
    // given: the files as a killed process leaves them, its log not moved yet
    let bus = open(&disk, MIB).await;
    publish(&bus, 300).await;
    let crashed = disk.0.path().join("crashed");
    fs::create_dir(&crashed).unwrap();
    for name in ["bus.db", "bus.db-wal", "bus.reserve"] {
        fs::copy(disk.bus().join(name), crashed.join(name)).unwrap();
    }
    disk.fill();
    // when
    let after = EmbeddedBus::open_above(&crashed, Some(MIB)).unwrap();
    // then
    work_off(&after, 300).await;
    assert_eq!(after.depth(&queue()).await.unwrap().ready, 0);
    after.close().await;
    bus.close().await;
}
