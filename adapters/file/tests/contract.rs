//! The file adapter against real folders: the contract of a source, and what is its own.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use tempfile::TempDir;
use trunkline_file::File;
use trunkline_formats::json;
use trunkline_sdk::{
    Adapter, Body, Endpoint, Fault, Position, Record, Remedy, Settings, Source,
    contract::{Desk, source::SourcePeer},
};

/// A folder into which files are dropped.
struct Folder {
    home: TempDir,
    options: Vec<(&'static str, &'static str)>,
    /// How files are written: JSON lines or CSV.
    is_csv: bool,
    files: usize,
    records: usize,
}

impl Folder {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("in")).unwrap();
        Self {
            home,
            options: vec![("poll", "10ms")],
            is_csv: false,
            files: 0,
            records: 0,
        }
    }

    fn of_csv() -> Self {
        let mut folder = Self::new();
        folder.is_csv = true;
        folder
    }

    fn with(options: &[(&'static str, &'static str)]) -> Self {
        let mut folder = Self::new();
        folder.options.extend_from_slice(options);
        folder
    }

    fn path(&self) -> PathBuf {
        self.home.path().join("in")
    }

    /// Drops a file as its writers should: under another name first.
    fn drop_file(&self, name: &str, content: impl AsRef<[u8]>) {
        let part = self.path().join(format!("{name}.part"));
        fs::write(&part, content).unwrap();
        fs::rename(part, self.path().join(name)).unwrap();
    }

    fn names(&self, below: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path().join(below)) else {
            return Vec::new();
        };
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_type().unwrap().is_file())
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    async fn source(&self) -> Result<Box<dyn Source>, Fault> {
        let system = File
            .open(&Settings::of([("folder", "in")]), self.home.path())
            .await?;
        system.source(&Settings::of(self.options.iter().copied())).await
    }

    /// Runs the source as a batch and returns what it sent.
    async fn run_once(&self, desk: &Desk, resume: Option<Position>) -> Result<Vec<Record>, Fault> {
        let run = async { self.source().await?.run(desk.outlet(), resume).await };
        tokio::time::timeout(Duration::from_secs(30), run)
            .await
            .expect("a batch ends")?;
        Ok(desk.accepted())
    }
}

#[async_trait]
impl SourcePeer for Folder {
    async fn offer(&mut self, records: usize) {
        let (from, to) = (self.records, self.records + records);
        let (name, content): (_, String) = match self.is_csv {
            false => (
                format!("{:04}.jsonl", self.files),
                (from..to).map(|n| format!("{{\"n\":{n}}}\n")).collect(),
            ),
            true => (
                format!("{:04}.csv", self.files),
                std::iter::once("n,note\n".to_owned())
                    .chain((from..to).map(|n| format!("{n},\"two\nlines\"\n")))
                    .collect(),
            ),
        };
        self.drop_file(&name, content);
        self.files += 1;
        self.records = to;
    }

    async fn open(&mut self) -> Box<dyn Source> {
        self.source().await.unwrap()
    }

    async fn told(&mut self) -> Option<usize> {
        let done = self.names("done").into_iter();
        Some(
            done.map(|name| {
                let text = fs::read_to_string(self.path().join("done").join(name)).unwrap();
                match self.is_csv {
                    false => text.lines().count(),
                    // Two lines each, behind a header.
                    true => text.lines().count() / 2,
                }
            })
            .sum(),
        )
    }

    fn most_in_flight(&self) -> usize {
        256
    }

    async fn spoil(&mut self) -> bool {
        fs::rename(self.path(), self.home.path().join("elsewhere")).unwrap();
        true
    }
}

mod json_lines {
    use super::Folder;
    trunkline_sdk::source_contract!(Folder::new());
}

mod csv {
    use super::Folder;
    trunkline_sdk::source_contract!(Folder::of_csv());
}

fn body(record: &Record) -> String {
    match &record.body {
        Body::Value(value) => format!("value {}", json::write(value)),
        Body::Bytes { content_type, bytes } => {
            format!("{content_type} {}", String::from_utf8_lossy(bytes).escape_debug())
        }
    }
}

fn attribute<'a>(record: &'a Record, name: &str) -> Option<&'a str> {
    let found = record.attributes.iter().find(|(key, _)| key == name);
    found.map(|(_, value)| value.as_str())
}

#[tokio::test]
async fn files_are_read_in_name_order_and_moved_and_what_is_not_ours_stays() {
    // given
    let folder = Folder::with(&[("once", "true")]);
    folder.drop_file("b.csv", "id,name\n7,Ann\n");
    folder.drop_file("a.ndjson", "{\"id\":10.10}\n\n{\"id\":2}");
    folder.drop_file("c.JSON", "{\"id\":\n3}");
    for name in [".hidden.csv", "half.csv.part", "half.csv.tmp", "sheet.xlsx"] {
        fs::write(folder.path().join(name), "id\n1\n").unwrap();
    }
    fs::create_dir(folder.path().join("folder.csv")).unwrap();
    let outside = folder.home.path().join("outside.csv");
    fs::write(&outside, "id\n1\n").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(&outside, folder.path().join("link.csv")).unwrap();
    // when
    let records = folder.run_once(&Desk::default(), None).await.unwrap();
    // then
    let told: Vec<_> = records
        .iter()
        .map(|record| (record.subject.as_deref().unwrap(), body(record)))
        .collect();
    let expected = [
        ("a.ndjson#1", r#"application/json {\"id\":10.10}"#),
        ("a.ndjson#2", r#"application/json {\"id\":2}"#),
        ("b.csv#1", r#"value {"id":"7","name":"Ann"}"#),
        ("c.JSON#1", r#"application/json {\"id\":\n3}"#),
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|(subject, body)| (*subject, (*body).to_owned()))
        .collect();
    assert_eq!(told, expected);
    assert_eq!(attribute(&records[1], "file.name"), Some("a.ndjson"));
    assert_eq!(attribute(&records[1], "file.record"), Some("2"));
    assert_eq!(attribute(&records[1], "file.line"), Some("3"));
    let modified = fs::metadata(folder.path().join("done/b.csv"))
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(records[2].time, Some(modified));
    assert_eq!(folder.names("done"), ["a.ndjson", "b.csv", "c.JSON"]);
    assert!(
        folder.names("").contains(&"sheet.xlsx".to_owned())
            && folder.names("").contains(&".hidden.csv".to_owned())
    );
    assert!(outside.exists());
}

#[tokio::test]
async fn what_cannot_be_framed_is_sent_raw_with_its_fault_and_the_rest_goes_on() {
    // given
    let folder = Folder::with(&[("once", "true"), ("max_record", "20B"), ("delimiter", ";")]);
    folder.drop_file(
        "a.csv",
        b"id;name\n1;Ann\n2\n3;\xff\n4;a name that is too long\n5;Bob\n",
    );
    folder.drop_file("b.csv", "id;id\n1;2\n");
    folder.drop_file("c.jsonl", "{\"a\":\"123456789012345\"}\n{}\n");
    folder.drop_file("d.json", "[1,2,3,4,5,6,7,8,9,10]");
    // when
    let records = folder.run_once(&Desk::default(), None).await.unwrap();
    // then
    let told: Vec<_> = records
        .iter()
        .map(|record| (body(record), record.unreadable.clone().unwrap_or_default()))
        .collect();
    let expected = [
        (r#"value {"id":"1","name":"Ann"}"#, ""),
        (
            "text/csv 2",
            "line 3, column 1: expected 2 fields as in the header, found 1",
        ),
        ("text/csv 3;\u{fffd}", "line 4, column 3: expected UTF-8"),
        (
            "application/octet-stream 4;a name that is too",
            "line 5, column 1: the line is longer than 20 B",
        ),
        (r#"value {"id":"5","name":"Bob"}"#, ""),
        (
            "text/csv id;id",
            "line 1, column 1: column 2 of the header has the name of an earlier one",
        ),
        (
            r#"application/octet-stream {\"a\":\"12345678901234"#,
            "line 1, column 1: the line is longer than 20 B",
        ),
        ("application/json {}", ""),
        (
            "application/octet-stream [1,2,3,4,5,6,7,8,9,1",
            "line 1, column 1: the file is larger than `max_record`",
        ),
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|(body, fault)| ((*body).to_owned(), (*fault).to_owned()))
        .collect();
    assert_eq!(told, expected);
    assert_eq!(folder.names("done").len(), 4);
}

#[tokio::test]
async fn a_finished_file_is_never_overwritten() {
    // given
    let folder = Folder::with(&[("once", "true")]);
    // when
    for content in ["{\"n\":1}", "{\"n\":2}", "{\"n\":3}"] {
        folder.drop_file("orders.jsonl", content);
        folder.run_once(&Desk::default(), None).await.unwrap();
    }
    // then
    assert_eq!(
        folder.names("done"),
        ["orders.2.jsonl", "orders.3.jsonl", "orders.jsonl"]
    );
    let second = fs::read_to_string(folder.path().join("done/orders.2.jsonl")).unwrap();
    assert_eq!(second, "{\"n\":2}");
}

#[tokio::test]
async fn a_file_that_was_sent_before_the_crash_is_only_moved() {
    // given
    let folder = Folder::with(&[("once", "true")]);
    folder.drop_file("orders.jsonl", "{}\n{}\n");
    let desk = Desk::default();
    folder.run_once(&desk, None).await.unwrap();
    fs::rename(
        folder.path().join("done/orders.jsonl"),
        folder.path().join("orders.jsonl"),
    )
    .unwrap();
    // when
    let again = folder
        .run_once(&Desk::default(), desk.safe_position())
        .await
        .unwrap();
    // then
    assert!(again.is_empty());
    assert_eq!(folder.names("done"), ["orders.jsonl"]);
}

#[tokio::test]
async fn a_file_that_was_changed_in_the_middle_stops_the_flow_and_a_new_one_of_its_name_does_not() {
    // given: a file of which a part was sent
    let folder = Folder::with(&[("once", "true")]);
    let desk = Desk::default();
    folder.drop_file("orders.jsonl", "{}\n{}\n{}\n");
    let all = folder.run_once(&desk, None).await.unwrap();
    let [middle, end] = [1, 2].map(|index: usize| all[index].position.clone());
    folder.drop_file("orders.jsonl", "{}\n[]\n{}\n");
    // when, then
    let fault = folder.run_once(&Desk::default(), middle).await.unwrap_err();
    assert_eq!(fault.remedy, Remedy::Stop);
    assert!(folder.path().join("orders.jsonl").exists());
    // when, then: the one before had been sent to its end
    let records = folder.run_once(&Desk::default(), end).await.unwrap();
    assert_eq!(records.len(), 3);
    assert!(
        records
            .iter()
            .all(|record| all.iter().all(|other| other.id != record.id))
    );
}

#[tokio::test]
async fn a_file_that_grows_while_it_is_read_stops_the_flow_and_is_not_moved() {
    // given
    let folder = Folder::new();
    let desk = Desk::default();
    desk.close_after(1);
    folder.drop_file("orders.jsonl", "{}\n".repeat(1_000));
    let mut source = folder.source().await.unwrap();
    let outlet = desk.outlet();
    let run = tokio::spawn(async move { source.run(outlet, None).await });
    desk.wait_for(1).await;
    // when
    let path = folder.path().join("orders.jsonl");
    let mut grown = fs::read(&path).unwrap();
    grown.extend_from_slice(b"{}\n");
    fs::write(&path, grown).unwrap();
    desk.open();
    // then
    let fault = run.await.unwrap().unwrap_err();
    assert_eq!(fault.remedy, Remedy::Stop);
    assert!(path.exists());
}

#[tokio::test]
async fn a_file_larger_than_all_buffers_arrives_whole_and_in_order() {
    // given: 40 MB in records of 10 kB
    let folder = Folder::with(&[("once", "true")]);
    let text = "x".repeat(10_000);
    let content: String = (0..4_000)
        .map(|n| format!("{{\"n\":{n},\"t\":\"{text}\"}}\n"))
        .collect();
    folder.drop_file("large.jsonl", content);
    // when
    let records = folder.run_once(&Desk::default(), None).await.unwrap();
    // then
    assert_eq!(records.len(), 4_000);
    assert!(
        records
            .iter()
            .enumerate()
            .all(|(n, record)| record.id.ends_with(&format!(":{}", n + 1)))
    );
}

#[tokio::test]
async fn a_missing_folder_and_a_foreign_position_stop_the_flow() {
    let opened = File
        .open(&Settings::of([("folder", "nowhere")]), Path::new("/"))
        .await;
    let fault = opened.err().unwrap();
    assert_eq!(fault.remedy, Remedy::Stop);
    assert!(fault.what.contains("/nowhere") && fault.hint.is_some(), "{fault}");

    let folder = Folder::new();
    let foreign = Position("{\"lsn\":17}".into());
    let fault = folder
        .run_once(&Desk::default(), Some(foreign))
        .await
        .unwrap_err();
    assert_eq!(fault.remedy, Remedy::Stop);
}

#[test]
fn check_refuses_two_flows_that_read_the_same_files() {
    // given
    let system = Settings::of([("folder", "in")]);
    let orders = Settings::of([("pattern", "orders-*.csv")]);
    let stock = Settings::of([("pattern", "stock-*.csv")]);
    let source = |settings| Endpoint::Source { settings };
    // when, then
    assert!(File.check(&system, &[source(&orders), source(&stock)]).is_empty());
    let problems = File.check(&system, &[source(&orders), source(&stock), source(&orders)]);
    assert_eq!(problems.len(), 1);
}
