//! Files in and files out, through a process that is killed in the middle, again and again.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::support::process::Process;

const ROWS: usize = 4_000;

/// A folder with a landscape: CSV in, a CSV file to which rows are added and a JSON file for some of them out.
fn landscape() -> TempDir {
    let home = TempDir::new().expect("there is a place for temporary files");
    for folder in ["flows", "drop", "out"] {
        fs::create_dir(home.path().join(folder)).expect("it is new");
    }
    for (name, text) in [
        (
            "trunkline.yaml",
            "bus: embedded:./data\nsystems:\n  drop: { file: { folder: drop } }\n  out: { file: { folder: out } }\n\
             channels:\n  levels: { type: trunkline.commerce.v1.StockLevel }\n",
        ),
        (
            "flows/levels-in.yaml",
            "flow: levels-in\nfrom: { system: drop, pattern: \"*.csv\", poll: 50ms }\nsteps:\n  - translate: \
             'StockLevel{ sku: this.sku, on_hand: int(this.on_hand), counted_at: timestamp(attributes.time) }'\n\
             to: levels\n",
        ),
        (
            "flows/all-out.yaml",
            "flow: all-out\nfrom: levels\nsteps:\n  - translate: '{ \"sku\": this.sku, \"on_hand\": this.on_hand }'\n\
             to: { system: out, name: all.csv, append: true, header: [sku, on_hand] }\n",
        ),
        (
            "flows/some-out.yaml",
            "flow: some-out\nfrom: levels\nsteps:\n  - filter: this.on_hand % 20 == 0\n  - translate: \
             '{ \"sku\": this.sku }'\nto: { system: out, name: \"some/{sku}.json\" }\n",
        ),
    ] {
        fs::write(home.path().join(name), text).expect("it is new");
    }
    home
}

fn rows(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().skip(1).map(str::to_owned).collect()
}

/// Waits until something is seen in the folder, of which nobody tells.
async fn until(what: &str, mut is_seen: impl FnMut() -> bool) {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(60) {
        if is_seen() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("a minute has passed, and not {what}");
}

#[tokio::test]
async fn killed_in_the_middle_every_row_comes_out_once_and_bad_ones_stand_beside_their_file() {
    // given: each 100th row is bad
    let home = landscape();
    let row = |n: usize| match n % 100 {
        50 => format!("S{n},none"),
        _ => format!("S{n},{n}"),
    };
    let all: Vec<_> = (0..ROWS).map(row).collect();
    let (bad, good): (BTreeSet<_>, BTreeSet<_>) = all.iter().cloned().partition(|row| row.ends_with("none"));
    let drop = home.path().join("drop");
    fs::write(drop.join("a.part"), format!("sku,on_hand\n{}\n", all.join("\n"))).expect("there is room");
    fs::rename(drop.join("a.part"), drop.join("a.csv")).expect("it is there");
    let out = home.path().join("out/all.csv");
    // when
    let read = || {
        let entries = fs::read_dir(drop.join("processing"))
            .into_iter()
            .flatten()
            .flatten();
        let mut paths = entries.map(|entry| entry.path());
        let notes = paths.find(|path| path.extension().is_some_and(|extension| extension == "verdicts"));
        let notes = notes
            .and_then(|path| fs::read_to_string(path).ok())
            .unwrap_or_default();
        let upto = notes
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("{\"upto\":["));
        upto.and_then(|rest| rest.split(',').next()?.parse().ok())
            .unwrap_or(0)
    };
    for killed_at in [1, 1_000, 2_000] {
        let process = Process::run(home.path(), None, &[]).await;
        until("enough was read", || read() >= killed_at).await;
        process.kill().await;
        assert!(
            drop.join("processing/a.csv").exists(),
            "it was too quick to be killed"
        );
    }
    let mut process = Process::run(home.path(), None, &[]).await;
    let some = |is_hidden: bool| {
        let entries = fs::read_dir(home.path().join("out/some")).into_iter().flatten();
        let names = entries.map(|entry| entry.expect("it can be read").file_name());
        names
            .filter(|name| name.to_string_lossy().starts_with('.') == is_hidden)
            .count()
    };
    let expected_some = good.iter().filter(|row| {
        row[1..]
            .split(',')
            .nth(1)
            .is_some_and(|n| n.parse::<usize>().unwrap_or(1) % 20 == 0)
    });
    let expected_some = expected_some.count();
    until("all came out", || {
        rows(&out).len() >= good.len() && some(false) >= expected_some
    })
    .await;
    until("the file is done", || drop.join("done/a.csv").exists()).await;
    // then: each once
    let came = rows(&out);
    assert_eq!(came.len(), good.len());
    assert_eq!(came.into_iter().collect::<BTreeSet<_>>(), good);
    assert_eq!(some(false), expected_some);
    assert!(!drop.join("processing/a.csv").exists());
    // then: what was rejected, but for what a kill left unsaid
    let rejected: BTreeSet<_> = rows(&drop.join("done/a.csv.rejected")).into_iter().collect();
    assert!(rejected.is_subset(&bad), "{rejected:?}");
    assert!(
        rejected.len() + 3 * 3 >= bad.len(),
        "only {} of {}",
        rejected.len(),
        bad.len()
    );
    assert_eq!(rows(&drop.join("done/a.csv.reasons.csv")).len(), rejected.len());
    process.says("records of the file were rejected").await;
    assert_eq!(process.terminate().await.code(), Some(0));
    // then: of what was begun and not finished nothing is left
    assert_eq!(some(true), 0);
}
