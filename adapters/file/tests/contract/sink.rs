//! The sink: its contract in three kinds of files, and what is its own.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use tempfile::TempDir;
use trunkline_file::File;
use trunkline_formats::{Encoding, json};
use trunkline_sdk::{
    Adapter, Body, Context, Delivered, Effect, Endpoint, Field, Outcome, Record, Remedy, Settings, Shape,
    Sink, Within,
    contract::sink::{PRIVATE, SinkPeer},
};

use crate::folder::settings;

/// A folder into which files are written.
pub(crate) struct Outbox {
    home: TempDir,
    settings: Settings,
}

impl Outbox {
    fn of(options: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("out")).unwrap();
        Self {
            home,
            settings: settings(options),
        }
    }

    pub(crate) fn of_files() -> Self {
        Self::of(r#"{"name":"{id}.json","marker":"{name}.done"}"#)
    }

    pub(crate) fn of_elements() -> Self {
        Self::of(r#"{"name":"xml/{id}.xml","record":"all/one","exists":"replace"}"#)
    }

    pub(crate) fn of_rows() -> Self {
        Self::of(r#"{"name":"all.csv","append":true,"header":["id","note"]}"#)
    }

    fn path(&self) -> PathBuf {
        self.home.path().join("out")
    }

    async fn open(&self, flow: &str) -> Box<dyn Sink> {
        let system = File
            .open(&Settings::of([("folder", "out")]), self.home.path())
            .await
            .unwrap();
        system.sink(flow, &self.settings).await.unwrap()
    }

    async fn write(&self, messages: &[(&str, &str)]) -> Vec<Outcome> {
        let batch: Vec<_> = messages.iter().map(|(id, json)| message(id, json)).collect();
        self.open("orders").await.write(&batch).await
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }

    fn names(&self) -> Vec<String> {
        names(&self.path())
    }
}

/// All that is there, hidden or not, in folders below too.
fn names(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => names.extend(
                self::names(&entry.path())
                    .iter()
                    .map(|below| format!("{name}/{below}")),
            ),
            false => names.push(name),
        }
    }
    names.sort();
    names
}

fn message(id: &str, json: &str) -> Delivered {
    let mut record = Record::new(id, Body::Value(json::read(json.as_bytes()).unwrap().into_owned()));
    record.time = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000));
    Delivered {
        record,
        context: Context {
            message_id: id.to_owned(),
            unit: id.to_owned(),
            attempt: 1,
        },
    }
}

fn words(outcomes: &[Outcome]) -> Vec<&'static str> {
    let word = |outcome: &Outcome| match outcome {
        Outcome::Applied(_) => "applied",
        Outcome::AlreadyThere(_) => "there",
        Outcome::Rejected(_) => "rejected",
        Outcome::InDoubt(_) => "in doubt",
        Outcome::NotTried(_) => "not tried",
    };
    outcomes.iter().map(word).collect()
}

#[async_trait]
impl SinkPeer for Outbox {
    fn effect(&self) -> Effect {
        File.describe().effect
    }

    async fn sink(&self, flow: &str) -> Box<dyn Sink> {
        self.open(flow).await
    }

    fn accepted(&self, id: &str) -> Record {
        message(id, &format!(r#"{{"id":"{id}","note":"{PRIVATE}"}}"#)).record
    }

    fn refused(&self, id: &str) -> Record {
        // A file's name needs what it does not have; a row has no place for a list.
        message(id, &format!(r#"{{"note":["{PRIVATE}"]}}"#)).record
    }

    async fn effects(&self, id: &str) -> usize {
        let path = [self.path(), self.home.path().join("away")]
            .into_iter()
            .find(|path| path.exists());
        let Some(path) = path else {
            // It is on its way.
            return 0;
        };
        if let Ok(rows) = fs::read_to_string(path.join("all.csv")) {
            return rows
                .lines()
                .filter(|row| row.starts_with(&format!("{id},")))
                .count();
        }
        let files = [
            path.join(format!("{id}.json")),
            path.join("xml").join(format!("{id}.xml")),
        ];
        files.iter().filter(|file| file.exists()).count()
    }

    async fn leave(&self) {
        fs::rename(self.path(), self.home.path().join("away")).unwrap();
    }

    async fn come_back(&self) {
        if self.home.path().join("away").exists() {
            fs::rename(self.home.path().join("away"), self.path()).unwrap();
        }
    }
}

#[tokio::test]
async fn each_format_is_written_as_it_is_read() {
    for (options, expected) in [
        (r#"{"name":"{id}.json"}"#, "{\"id\":\"1\",\"n\":10.10}\n"),
        (r#"{"name":"{id}.jsonl"}"#, "{\"id\":\"1\",\"n\":10.10}\n"),
        (
            r#"{"name":"{id}.csv","header":["n","id"],"delimiter":";"}"#,
            "n;id\r\n10.10;1\r\n",
        ),
        (
            r#"{"name":"{id}.xml","record":"all/one"}"#,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<all>\n<one><id>1</id><n>10.10</n></one>\n</all>\n",
        ),
        (
            r#"{"name":"{id}.txt","format":"fixed","fields":[{"name":"id","length":3},{"name":"n","length":6,"decimals":2}]}"#,
            "1  001010\n",
        ),
    ] {
        // given
        let outbox = Outbox::of(options);
        // when
        let outcomes = outbox.write(&[("m1", r#"{"id":"1","n":10.10}"#)]).await;
        // then
        assert_eq!(words(&outcomes), ["applied"], "{options}");
        let names = outbox.names();
        assert_eq!(names.len(), 1, "{names:?}");
        assert_eq!(outbox.text(&names[0]), expected);
    }
}

#[tokio::test]
async fn what_a_file_cannot_say_is_refused_and_leaves_nothing() {
    let latin = r#"{"name":"{id}.csv","header":["id","note"],"encoding":"iso-8859-1"}"#;
    let outbox = Outbox::of(latin);
    // when
    let outcomes = outbox
        .write(&[
            ("1", r#"{"id":"1","note":"5 €"}"#),
            ("2", r#"{"id":"2","other":"x"}"#),
            ("3", r#"{"id":"3","note":{"a":1}}"#),
            ("4", r#"{"id":"4","note":"é"}"#),
            ("5", r#"["5"]"#),
        ])
        .await;
    // then
    assert_eq!(
        words(&outcomes),
        ["rejected", "rejected", "rejected", "applied", "rejected"]
    );
    assert_eq!(outbox.names(), ["4.csv"]);
    let bytes = fs::read(outbox.path().join("4.csv")).unwrap();
    assert_eq!(
        bytes,
        Encoding::Latin1.encode("id,note\r\n4,é\r\n").unwrap().as_ref()
    );
    // when: undecoded, and not JSON
    let mut record = Record::new("6", Body::Value(trunkline_sdk::Value::Null));
    record.body = Body::Bytes {
        content_type: "text/plain".to_owned(),
        bytes: "6".into(),
    };
    let undecoded = Delivered {
        record,
        ..message("6", "{}")
    };
    let outcomes = outbox.open("orders").await.write(&[undecoded]).await;
    assert_eq!(words(&outcomes), ["rejected"]);
}

#[tokio::test]
async fn a_text_that_a_spreadsheet_would_run_is_guarded_unless_that_is_not_wanted() {
    let record = r#"{"a":"=1+1","b":"-5.50"}"#;
    for (safe, row) in [
        ("", "'=1+1,-5.50"),
        (r#","spreadsheet_safe":false"#, "=1+1,-5.50"),
    ] {
        let outbox = Outbox::of(&format!(
            r#"{{"name":"{{message_id}}.csv","header":["a","b"]{safe}}}"#
        ));
        outbox.write(&[("1", record)]).await;
        assert_eq!(outbox.text("1.csv"), format!("a,b\r\n{row}\r\n"));
    }
}

#[tokio::test]
async fn no_value_leads_out_of_the_folder() {
    // given
    let outbox = Outbox::of(r#"{"name":"{id}/{id}.json"}"#);
    // when
    let ids = ["../../x", "/etc/passwd", "..", "a\\\\b", "\\u0000"];
    for id in ids {
        let outcomes = outbox.write(&[("1", &format!(r#"{{"id":"{id}"}}"#))]).await;
        assert_eq!(words(&outcomes), ["applied"], "{id}");
    }
    // then
    assert_eq!(outbox.names().len(), ids.len());
    assert_eq!(fs::read_dir(outbox.home.path()).unwrap().count(), 1);
    // when: somebody has made a link where the folder of a message should be
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(outbox.home.path(), outbox.path().join("link")).unwrap();
        let outcomes = outbox.write(&[("1", r#"{"id":"link"}"#)]).await;
        assert_eq!(words(&outcomes), ["rejected"]);
        assert_eq!(fs::read_dir(outbox.home.path()).unwrap().count(), 1);
    }
}

#[tokio::test]
async fn a_file_with_other_content_is_not_overwritten_unless_that_is_asked_for() {
    let (first, second) = (r#"{"id":"1","n":1}"#, r#"{"id":"1","n":2}"#);
    // given
    let refuses = Outbox::of(r#"{"name":"{id}.json"}"#);
    let replaces = Outbox::of(r#"{"name":"{id}.json","exists":"replace"}"#);
    // when, then
    assert_eq!(
        words(&refuses.write(&[("a", first), ("b", second), ("a", first)]).await),
        ["applied", "rejected", "there"]
    );
    assert_eq!(refuses.text("1.json"), "{\"id\":\"1\",\"n\":1}\n");
    assert_eq!(
        words(&replaces.write(&[("a", first), ("b", second)]).await),
        ["applied", "applied"]
    );
    assert_eq!(replaces.text("1.json"), "{\"id\":\"1\",\"n\":2}\n");
    // when: something else has the name
    fs::create_dir(replaces.path().join("2.json")).unwrap();
    assert_eq!(
        words(&replaces.write(&[("c", r#"{"id":"2"}"#)]).await),
        ["rejected"]
    );
}

#[tokio::test]
async fn a_marker_is_there_when_the_file_is_and_is_made_good_after_a_crash() {
    // given: killed between the file and its marker
    let outbox = Outbox::of(r#"{"name":"{id}.json","marker":"{stem}.ok"}"#);
    let record = r#"{"id":"1"}"#;
    fs::write(outbox.path().join("1.json"), "{\"id\":\"1\"}\n").unwrap();
    fs::write(outbox.path().join(".trunkline-1-0.part"), "{\"id").unwrap();
    // when
    let outcomes = outbox.write(&[("a", record)]).await;
    // then
    assert_eq!(words(&outcomes), ["there"]);
    assert_eq!(outbox.names(), ["1.json", "1.ok"]);
}

#[tokio::test]
async fn rows_are_added_to_the_file_of_their_day_once_and_behind_one_header() {
    // given
    let outbox = Outbox::of(r#"{"name":"{kind}-{date}.csv","append":true,"header":["kind","n"]}"#);
    let row = |kind: &str, n: usize| format!(r#"{{"kind":"{kind}","n":{n}}}"#);
    let rows = [row("a", 1), row("b", 2), row("a", 3)];
    // when
    let first = outbox
        .write(&[("1", &rows[0]), ("2", &rows[1]), ("3", &rows[2]), ("1", &rows[0])])
        .await;
    let second = outbox.write(&[("3", &rows[2]), ("4", &rows[0])]).await;
    // then
    assert_eq!(words(&first), ["applied", "applied", "applied", "there"]);
    assert_eq!(words(&second), ["there", "applied"]);
    assert_eq!(outbox.text("a-2026-11-18.csv"), "kind,n\r\na,1\r\na,3\r\na,1\r\n");
    assert_eq!(outbox.text("b-2026-11-18.csv"), "kind,n\r\nb,2\r\n");
    // when: it is taken away, and a message comes again
    fs::rename(
        outbox.path().join("a-2026-11-18.csv"),
        outbox.home.path().join("taken.csv"),
    )
    .unwrap();
    let third = outbox.write(&[("4", &rows[0]), ("5", &rows[2])]).await;
    // then
    assert_eq!(words(&third), ["there", "applied"]);
    assert_eq!(outbox.text("a-2026-11-18.csv"), "kind,n\r\na,3\r\n");
}

#[tokio::test]
async fn what_was_added_half_before_a_crash_is_cut_off_and_added_again() {
    // given
    let outbox = Outbox::of(r#"{"name":"all.jsonl","append":true}"#);
    outbox.write(&[("1", r#"{"n":1}"#)]).await;
    let (path, notes) = (
        outbox.path().join("all.jsonl"),
        outbox.path().join(".all.jsonl.added"),
    );
    let (whole, noted) = (outbox.text("all.jsonl"), outbox.text(".all.jsonl.added"));
    for (half, note) in [
        // Killed before the file, in it, behind it, and in the note behind it.
        ("", "? 8 16\n"),
        ("{\"n\"", "? 8 16\n"),
        ("{\"n\":2}\n", "? 8 16\n"),
        ("{\"n\":2}\n", "? 8 16\n16 0123"),
        // Killed in the note before.
        ("", "? 8"),
    ] {
        fs::write(&path, format!("{whole}{half}")).unwrap();
        fs::write(&notes, format!("{noted}{note}")).unwrap();
        // when
        let outcomes = outbox.write(&[("1", r#"{"n":1}"#), ("2", r#"{"n":2}"#)]).await;
        // then
        assert_eq!(words(&outcomes), ["there", "applied"], "{half} {note}");
        assert_eq!(outbox.text("all.jsonl"), "{\"n\":1}\n{\"n\":2}\n");
    }
}

#[tokio::test]
async fn a_file_that_somebody_else_has_changed_is_not_added_to() {
    // given
    let outbox = Outbox::of(r#"{"name":"all.jsonl","append":true}"#);
    outbox.write(&[("1", r#"{"n":1}"#)]).await;
    fs::write(outbox.path().join("all.jsonl"), "{\"n\":1}\n{\"mine\":1}\n").unwrap();
    // when
    let outcomes = outbox.write(&[("2", r#"{"n":2}"#)]).await;
    // then
    let [Outcome::NotTried(fault)] = &outcomes[..] else {
        panic!("{outcomes:?}")
    };
    assert_eq!(fault.remedy, Remedy::Stop);
    assert_eq!(outbox.text("all.jsonl"), "{\"n\":1}\n{\"mine\":1}\n");
}

#[test]
fn check_refuses_options_that_make_no_sense_for_what_is_written() {
    let system = Settings::of([("folder", "out")]);
    for (options, told) in [
        (
            r#"{"name":"../{id}.json"}"#,
            &["`name` must be a path below the folder, without `.`, `..` or hidden names"][..],
        ),
        (
            r#"{"name":"{id}"}"#,
            &["`name` does not tell the format of the files"],
        ),
        (
            r#"{"name":"{id}.csv.gz","header":["id"]}"#,
            &["files are not packed"],
        ),
        (r#"{"name":"{id}.csv"}"#, &["CSV files need `header`"]),
        (
            r#"{"name":"{id}.csv","header":["a","a"]}"#,
            &["`header`: `a` is the name of two columns"],
        ),
        (r#"{"name":"{id}.xml"}"#, &["XML files need `record`"]),
        (
            r#"{"name":"{id}.xml","record":"a/b","encoding":"utf-16le"}"#,
            &["XML is written in UTF-8"],
        ),
        (
            r#"{"name":"{id}.txt","format":"fixed"}"#,
            &["files of fixed width need `fields`"],
        ),
        (
            r#"{"name":"{id}.json","header":["a"]}"#,
            &["`header` means nothing to the format `json`"],
        ),
        (
            r#"{"name":"{date}.json"}"#,
            &["`name` is the same for many messages, and the second is refused"],
        ),
        (
            r#"{"name":"{date}.json","append":true}"#,
            &["a document has an end, and nothing can be added to it"],
        ),
        (
            r#"{"name":"a.jsonl","append":true,"exists":"replace","marker":"{name}"}"#,
            &[
                "`exists` means nothing to files that messages are added to",
                "`marker` means nothing to files that messages are added to",
                "`marker` must be a name with `{name}` or `{stem}` in it",
            ],
        ),
        (
            r#"{"name":"{ordr}/{buyer}.csv","header":["order","buyer","total","buyer.id"]}"#,
            &[
                "`{ordr}` is no field of `Order`",
                "`{buyer}` is an object, not a single value",
                "`buyer` is an object, not a single value",
                "`total` is no field of `Order`",
                "`buyer.id` stands within another field, but a row is flat",
            ],
        ),
        (r#"{"name":"{order}.json","exists":"refuse"}"#, &[]),
    ] {
        let settings = settings(options);
        let field = |name: &str, within| Field {
            name: name.to_owned(),
            within,
        };
        let shape = Shape {
            name: "Order".to_owned(),
            whole: Within::Object(0),
            objects: vec![
                vec![field("order", Within::Value), field("buyer", Within::Object(1))],
                vec![field("id", Within::Value)],
            ],
        };
        let wants_shape = options.contains("order") || options.contains("ordr");
        let problems = File.check(
            &system,
            &[Endpoint::Sink {
                settings: &settings,
                shape: wants_shape.then_some(&shape),
            }],
        );
        let whats: Vec<_> = problems.iter().map(|problem| problem.what.as_str()).collect();
        assert_eq!(whats, told, "{options}");
        assert!(problems.iter().all(|problem| problem.hint.is_some()), "{options}");
    }
}
