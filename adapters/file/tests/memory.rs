//! A large file is read in flat memory. Alone in its process, whose memory it measures.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::{BufWriter, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use trunkline_file::File;
use trunkline_sdk::{Adapter, Fault, Intake, Outlet, Receipt, Record, Settings};

/// More than the memory that is allowed, so that keeping any part of it shows.
const SIZE: usize = 200 << 20;
const ALLOWED: u64 = 16 << 20;
const ROW: usize = 1_000;

/// Takes all, rejects some, keeps nothing.
struct Void(AtomicU64);

#[async_trait]
impl Intake for Void {
    async fn accept(&self, record: Record, _: Option<Duration>) -> Result<Receipt, Fault> {
        // As a bus confirms: not in the call itself.
        tokio::task::yield_now().await;
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(match record.id.ends_with("007") {
            true => Receipt::Parked,
            false => Receipt::Published,
        })
    }

    async fn stopping(&self) {
        std::future::pending::<()>().await;
    }
}

/// In bytes.
fn most_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let digits: String = line.chars().filter(char::is_ascii_digit).collect();
    digits.parse::<u64>().unwrap() << 10
}

#[tokio::test]
async fn a_file_of_200_mb_and_what_is_rejected_of_it_are_read_in_flat_memory() {
    // given
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("in")).unwrap();
    let rows = SIZE / ROW;
    let mut file = BufWriter::new(fs::File::create(home.path().join("in/large.csv")).unwrap());
    writeln!(file, "id,name,note").unwrap();
    for row in 0..rows {
        writeln!(file, "{row:09},\"A \"\"name\"\"\",{}", "x".repeat(ROW - 25)).unwrap();
    }
    drop(file.into_inner().unwrap());
    let before = most_memory();
    // when
    let system = File
        .open(&Settings::of([("folder", "in")]), home.path())
        .await
        .unwrap();
    let settings = Settings::of([("poll", "10ms"), ("once", "true")]);
    let mut source = system.source(&settings).await.unwrap();
    let void = Arc::new(Void(AtomicU64::new(0)));
    source
        .run(Outlet::new(Arc::clone(&void) as _), None)
        .await
        .unwrap();
    // then
    let used = most_memory() - before;
    assert!(used < ALLOWED, "{} MiB were used", used >> 20);
    assert_eq!(void.0.load(Ordering::Relaxed), rows as u64);
    let rejected = fs::read_to_string(home.path().join("in/done/large.csv.rejected")).unwrap();
    assert_eq!(rejected.lines().count(), 1 + rows / 1_000);
    assert!(rejected.lines().nth(1).unwrap().starts_with("000001006,"));
}
