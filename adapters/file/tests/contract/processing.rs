//! Claims, markers, what a crash leaves behind, and packed files.

use std::{fs, io::Write, path::Path};

use flate2::{Compression, write::GzEncoder};
use trunkline_sdk::{Position, Record, Remedy, contract::Desk};

use crate::folder::{Folder, body};

fn packed(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn lines(range: std::ops::Range<usize>) -> String {
    range.map(|n| format!("{{\"n\":{n}}}\n")).collect()
}

fn subjects(records: &[Record]) -> Vec<&str> {
    records
        .iter()
        .map(|record| record.subject.as_deref().unwrap())
        .collect()
}

impl Folder {
    /// Runs the source until so many records were accepted, and kills it.
    async fn crash_after(&self, records: usize, resume: Option<Position>) -> Desk {
        let desk = Desk::default();
        desk.close_after(records);
        let mut source = self.source().await.unwrap();
        let outlet = desk.outlet();
        let run = tokio::spawn(async move { source.run(outlet, resume).await });
        desk.wait_for(records).await;
        run.abort();
        assert!(run.await.unwrap_err().is_cancelled());
        desk
    }
}

#[tokio::test]
async fn of_two_that_read_one_folder_each_file_is_read_by_one() {
    // given
    let folder = Folder::with(&[("once", "true")]);
    for file in 0..40 {
        folder.drop_file(&format!("{file:02}.jsonl"), lines(0..20));
    }
    // when
    let (one, other) = (Desk::default(), Desk::default());
    let (first, second) = tokio::join!(folder.run_once(&one, None), folder.run_once(&other, None));
    // then
    let (first, second) = (first.unwrap(), second.unwrap());
    let mut all = [subjects(&first), subjects(&second)].concat();
    all.sort_unstable();
    let count = all.len();
    all.dedup();
    assert_eq!((count, all.len()), (800, 800));
    assert!(!first.is_empty() && !second.is_empty(), "one had nothing to do");
    assert_eq!(folder.names("done").len(), 40);
    assert_eq!(folder.names("processing"), [""; 0]);
}

#[tokio::test]
async fn a_file_of_a_process_that_died_is_taken_up_at_its_record() {
    // given
    let folder = Folder::with(&[("once", "true")]);
    folder.drop_file("a.jsonl", lines(0..100));
    let before = folder.crash_after(30, None).await;
    assert!(folder.names("processing").contains(&"a.jsonl".to_owned()));
    folder.drop_file("a.jsonl", lines(500..501));
    // when
    let after = folder
        .run_once(&Desk::default(), before.safe_position())
        .await
        .unwrap();
    // then: what was begun, and then the new one of its name
    assert_eq!(after.len(), 71);
    assert_eq!(subjects(&after)[0], "a.jsonl#31");
    assert_eq!(body(&after[70]), r#"application/json {\"n\":500}"#);
    assert_eq!(folder.names("done"), ["a.2.jsonl", "a.jsonl"]);
    assert_eq!(folder.names("processing"), [""; 0]);
}

#[tokio::test]
async fn of_two_that_died_with_one_position_both_files_go_on_at_their_record() {
    // given: the position of the second has replaced that of the first
    let folder = Folder::with(&[("once", "true")]);
    folder.drop_file("a.jsonl", lines(0..600));
    folder.crash_after(300, None).await;
    while !folder.notes("a.jsonl").1.contains("\"upto\":[300,") {
        tokio::task::yield_now().await;
    }
    let held = fs::File::open(folder.path().join("processing/a.jsonl")).unwrap();
    held.lock().unwrap();
    folder.drop_file("b.jsonl", lines(0..40));
    let second = folder.crash_after(10, None).await;
    drop(held);
    // when
    let after = folder
        .run_once(&Desk::default(), second.safe_position())
        .await
        .unwrap();
    // then
    let mut told = subjects(&after);
    told.sort_by_key(|subject| subject[8..].parse::<usize>().unwrap());
    assert_eq!(told.len(), 330);
    assert_eq!(
        (told[0], told[29], told[30]),
        ("b.jsonl#11", "b.jsonl#40", "a.jsonl#301")
    );
}

#[tokio::test]
async fn a_file_that_is_being_read_is_left_to_its_reader() {
    // given
    let folder = Folder::with(&[("once", "true")]);
    fs::create_dir(folder.path().join("processing")).unwrap();
    let path = folder.path().join("processing/a.jsonl");
    fs::write(&path, lines(0..3)).unwrap();
    let other = fs::File::open(&path).unwrap();
    other.lock().unwrap();
    // when, then
    assert!(folder.run_once(&Desk::default(), None).await.unwrap().is_empty());
    drop(other);
    assert_eq!(folder.run_once(&Desk::default(), None).await.unwrap().len(), 3);
}

#[cfg(unix)]
#[tokio::test]
async fn links_lead_nowhere() {
    // given
    let folder = Folder::with(&[("once", "true")]);
    let outside = folder.home.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret.jsonl"), "{}\n").unwrap();
    std::os::unix::fs::symlink(&outside, folder.path().join("processing")).unwrap();
    // when: a link in the place of our own folder
    folder.drop_file("a.jsonl", "{}\n");
    let fault = folder.run_once(&Desk::default(), None).await.unwrap_err();
    // then
    assert_eq!(fault.remedy, Remedy::Stop, "{fault}");
    assert!(folder.path().join("a.jsonl").exists() && outside.join("secret.jsonl").exists());
    // when: a link in `processing`
    fs::remove_file(folder.path().join("processing")).unwrap();
    fs::create_dir(folder.path().join("processing")).unwrap();
    std::os::unix::fs::symlink(
        outside.join("secret.jsonl"),
        folder.path().join("processing/b.jsonl"),
    )
    .unwrap();
    let records = folder.run_once(&Desk::default(), None).await.unwrap();
    // then
    assert_eq!(subjects(&records), ["a.jsonl#1"]);
}

#[tokio::test]
async fn a_file_with_a_marker_is_read_when_that_is_there_and_the_next_one_needs_its_own() {
    // given
    let folder = Folder::with(&[("once", "true"), ("marker", "{stem}.ok"), ("pattern", "*.jsonl")]);
    folder.drop_file("a.jsonl", "{}\n");
    // when, then
    assert!(folder.run_once(&Desk::default(), None).await.unwrap().is_empty());
    folder.drop_file("a.ok", "");
    assert_eq!(folder.run_once(&Desk::default(), None).await.unwrap().len(), 1);
    assert_eq!(folder.names("done"), ["a.jsonl", "a.ok"]);
    // when, then
    folder.drop_file("a.jsonl", "[]\n");
    assert!(folder.run_once(&Desk::default(), None).await.unwrap().is_empty());
    // when, then: a crash between the claim of the marker and that of the file
    fs::write(folder.path().join("processing/a.ok"), "").unwrap();
    assert_eq!(folder.run_once(&Desk::default(), None).await.unwrap().len(), 1);
    assert_eq!(folder.names("done"), ["a.2.jsonl", "a.2.ok", "a.jsonl", "a.ok"]);
    assert_eq!(folder.names("processing"), [""; 0]);
}

#[tokio::test]
async fn finished_files_have_a_folder_for_each_day() {
    // given
    let folder = Folder::with(&[("once", "true"), ("by_date", "true"), ("done", "archive")]);
    folder.drop_file("a.jsonl", "{}\n");
    let before = jiff::Timestamp::now();
    // when
    folder.run_once(&Desk::default(), None).await.unwrap();
    // then: it may be midnight
    let is_there = |time: jiff::Timestamp| {
        let day = time.strftime("archive/%Y/%m/%d").to_string();
        folder.names(&day) == ["a.jsonl"]
    };
    assert!(is_there(before) || is_there(jiff::Timestamp::now()));
}

#[tokio::test]
async fn a_packed_file_is_read_as_what_is_in_it_and_goes_on_at_its_record() {
    // given
    let folder = Folder::with(&[("once", "true")]);
    folder.drop_file("a.csv.gz", packed(b"id,name\n1,Ann\n2,Bob\n3,Cid\n"));
    let before = folder.crash_after(1, None).await;
    // when
    let after = folder
        .run_once(&Desk::default(), before.safe_position())
        .await
        .unwrap();
    // then
    let told: Vec<_> = after.iter().map(body).collect();
    assert_eq!(
        told,
        [
            r#"value {"id":"2","name":"Bob"}"#,
            r#"value {"id":"3","name":"Cid"}"#
        ]
    );
    assert_eq!(subjects(&after), ["a.csv.gz#2", "a.csv.gz#3"]);
    assert_eq!(folder.names("done"), ["a.csv.gz"]);
}

#[tokio::test]
async fn a_packed_file_that_is_a_bomb_or_damaged_is_parked_and_set_aside() {
    // given
    let folder = Folder::with(&[("once", "true"), ("max_record", "20B")]);
    folder.drop_file("bomb.csv.gz", packed(&vec![b'0'; 40 << 20]));
    let whole = packed(b"id\n1\n2\n");
    folder.drop_file("cut.csv.gz", &whole[..whole.len() - 4]);
    folder.drop_file("plain.csv.gz", b"id\n1\n2\n3\n4\n5\n");
    folder.drop_file("right.csv.gz", whole);
    let desk = Desk::default();
    desk.park(|record| record.unreadable.is_some());
    // when
    let records = folder.run_once(&desk, None).await.unwrap();
    // then: nothing of the broken ones but the news of them
    let told: Vec<_> = records
        .iter()
        .map(|record| {
            (
                record.subject.as_deref().unwrap(),
                record.unreadable.as_deref().unwrap_or("right"),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (
                "bomb.csv.gz#1",
                "line 1, column 1: the file unpacks to more than 200 times its size"
            ),
            (
                "cut.csv.gz#1",
                "line 1, column 1: the packed file ends before its time"
            ),
            (
                "plain.csv.gz#1",
                "line 1, column 1: the file is not packed with gzip, or is damaged"
            ),
            ("right.csv.gz#1", "right"),
            ("right.csv.gz#2", "right"),
        ]
    );
    assert_eq!(folder.names("done"), ["right.csv.gz"]);
    assert_eq!(folder.names("failed").len(), 6);
    assert!(Path::new(&folder.path().join("failed/bomb.csv.gz.reasons.csv")).exists());
}

#[tokio::test]
async fn a_file_is_waited_for_as_long_as_it_must_be_quiet() {
    // given
    let folder = Folder::of_json(r#"{"poll":"10ms","quiet":"1h","once":true}"#);
    folder.drop_file("old.jsonl", "{}\n");
    let hours_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3 * 3600);
    let old = fs::File::options()
        .write(true)
        .open(folder.path().join("old.jsonl"))
        .unwrap();
    old.set_modified(hours_ago).unwrap();
    folder.drop_file("young.jsonl", "{}\n");
    let desk = Desk::default();
    let mut source = folder.source().await.unwrap();
    let outlet = desk.outlet();
    // when
    let run = tokio::spawn(async move { source.run(outlet, None).await });
    desk.wait_for(1).await;
    desk.stop();
    run.await.unwrap().unwrap();
    // then
    assert_eq!(subjects(&desk.accepted()), ["old.jsonl#1"]);
    assert!(folder.path().join("young.jsonl").exists());
}
