//! A full disk: nothing is left half-written, and when there is room again it goes on.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, SystemTime},
};

use trunkline_file::File;
use trunkline_sdk::{
    Adapter, Body, Context, Delivered, Entry, Fault, Outcome, Place, Record, Remedy, Settings, Sink, Value,
};

/// The folder on a small disk, for this test within itself.
const SMALL: &str = "TRUNKLINE_TEST_SMALL_DISK";

#[test]
fn a_full_disk_is_waited_for_and_leaves_nothing_half_written() {
    if let Ok(folder) = std::env::var(SMALL) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            files(Path::new(&folder)).await;
            rows(Path::new(&folder)).await;
        });
        return;
    }
    // A disk of our own, which nobody else sees, needs a namespace of our own.
    if !Command::new("unshare")
        .args(["-rm", "true"])
        .status()
        .is_ok_and(|status| status.success())
    {
        eprintln!("no `unshare` here, or it is not allowed: the full disk is not tested");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=256k none \"$0\" && exec \"$1\" --exact --nocapture \
                  a_full_disk_is_waited_for_and_leaves_nothing_half_written";
    let status = Command::new("unshare")
        .args(["-rm", "sh", "-c", script])
        .arg(home.path())
        .arg(std::env::current_exe().unwrap())
        .env(SMALL, home.path())
        .status()
        .unwrap();
    assert!(status.success());
}

async fn sink(folder: &Path, options: &[(&'static str, Settings)]) -> Box<dyn Sink> {
    let place = || Place {
        file: "flow.yaml".into(),
        line: 1,
        column: 1,
        width: 1,
    };
    let entry = |(key, value): &(&'static str, Settings)| Entry {
        key: (*key).to_owned(),
        place: place(),
        value: value.clone(),
    };
    let system = File
        .open(&Settings::of([("folder", "out")]), folder)
        .await
        .unwrap();
    let options = Settings::map(place(), options.iter().map(entry).collect());
    system.sink("orders", &options).await.unwrap()
}

fn text(text: &str) -> Settings {
    let settings = Settings::of([("text", text)]);
    settings.get("text").unwrap().clone()
}

/// A message of 20 kB.
fn message(number: usize) -> Delivered {
    let id = format!("m{number}");
    let tree = Value::Object(vec![
        ("id".into(), Value::Text(id.clone().into())),
        ("note".into(), Value::Text("x".repeat(20_000).into())),
    ]);
    let mut record = Record::new(id.clone(), Body::Value(tree));
    record.time = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1));
    Delivered {
        record,
        context: Context {
            message_id: id.clone(),
            unit: id,
            attempt: 1,
        },
    }
}

fn fault(outcomes: &[Outcome]) -> Option<&Fault> {
    outcomes.iter().find_map(|outcome| match outcome {
        Outcome::Applied(_) | Outcome::AlreadyThere(_) => None,
        Outcome::Rejected(fault) | Outcome::InDoubt(fault) | Outcome::NotTried(fault) => Some(fault),
    })
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

async fn files(folder: &Path) {
    // given
    let out = folder.join("out");
    fs::create_dir(&out).unwrap();
    let sink = sink(folder, &[("name", text("{id}.json"))]).await;
    // when: more than there is room for, the second half smaller than what is left
    let mut batch: Vec<_> = (0..20).map(message).collect();
    batch.push(Delivered {
        record: Record::new(
            "small",
            Body::Value(Value::Object(vec![("id".into(), Value::Text("small".into()))])),
        ),
        ..message(20)
    });
    let outcomes = sink.write(&batch).await;
    // then: the first ones are there, whole, and none of those behind
    let applied = outcomes
        .iter()
        .take_while(|outcome| matches!(outcome, Outcome::Applied(_)))
        .count();
    assert!((5..15).contains(&applied), "{applied}");
    for outcome in &outcomes[applied..] {
        let Outcome::NotTried(fault) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(fault.remedy, Remedy::Wait);
        assert!(fault.retry_after.is_some() && fault.hint.is_some());
    }
    assert_eq!(names(&out).len(), applied);
    for name in names(&out) {
        assert!(fs::metadata(out.join(name)).unwrap().len() > 20_000);
    }
    // when there is room
    for name in names(&out) {
        fs::remove_file(out.join(name)).unwrap();
    }
    let outcomes = sink.write(&batch[applied..applied + 2]).await;
    // then
    assert!(fault(&outcomes).is_none(), "{outcomes:?}");
    assert_eq!(names(&out).len(), 2);
    fs::remove_dir_all(out).unwrap();
}

async fn rows(folder: &Path) {
    // given
    let out = folder.join("out");
    fs::create_dir(&out).unwrap();
    let sink = sink(folder, &[("name", text("all.jsonl")), ("append", text("true"))]).await;
    // when
    let mut number = 0;
    let full = loop {
        let outcomes = sink.write(&[message(number), message(number + 1)]).await;
        if fault(&outcomes).is_some() {
            break outcomes;
        }
        number += 2;
    };
    // then: both of the last are not there, nor a half of them
    assert!(
        full.iter().all(|outcome| matches!(outcome, Outcome::NotTried(_))),
        "{full:?}"
    );
    assert_eq!(fault(&full).unwrap().remedy, Remedy::Wait);
    let lines = || {
        let text = fs::read_to_string(out.join("all.jsonl")).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "a line is not whole");
        text.lines().count()
    };
    assert_eq!(lines(), number);
    // when: its reader takes it away
    fs::remove_file(out.join("all.jsonl")).unwrap();
    let outcomes = sink
        .write(&[message(0), message(number), message(number + 1)])
        .await;
    // then
    assert!(matches!(
        outcomes[..],
        [Outcome::AlreadyThere(_), Outcome::Applied(_), Outcome::Applied(_)]
    ));
    assert_eq!(lines(), 2);
}
