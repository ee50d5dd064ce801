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
use trunkline_formats::{Encoding, json};
use trunkline_sdk::{
    Adapter, Body, Endpoint, Entry, Fault, Place, Position, Record, Remedy, Settings, Source, Value,
    contract::{Desk, source::SourcePeer},
};

/// A folder into which files are dropped.
struct Folder {
    home: TempDir,
    settings: Settings,
    /// How files are written.
    format: Format,
    files: usize,
    records: usize,
}

#[derive(Clone, Copy)]
enum Format {
    JsonLines,
    Csv,
    Xml,
    Fixed,
}

/// Settings as their YAML would be read, here from JSON.
fn settings(text: &str) -> Settings {
    fn of(value: &Value<'_>) -> Settings {
        let place = Place {
            file: "flow.yaml".into(),
            line: 1,
            column: 1,
            width: 1,
        };
        match value {
            Value::Object(fields) => {
                let entry = |(key, value): &(std::borrow::Cow<'_, str>, Value<'_>)| Entry {
                    key: key.to_string(),
                    place: place.clone(),
                    value: of(value),
                };
                let entries = fields.iter().map(entry).collect();
                Settings::map(place, entries)
            }
            Value::List(items) => Settings::list(place, items.iter().map(of).collect()),
            Value::Text(text) => Settings::scalar(place, text.as_ref(), false),
            other => Settings::scalar(place, json::write(other), false),
        }
    }
    of(&json::read(text.as_bytes()).unwrap())
}

impl Folder {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("in")).unwrap();
        Self {
            home,
            settings: Settings::of([("poll", "10ms")]),
            format: Format::JsonLines,
            files: 0,
            records: 0,
        }
    }

    fn of(format: Format, options: &str) -> Self {
        let mut folder = Self::new();
        folder.format = format;
        folder.settings = settings(options);
        folder
    }

    fn of_csv() -> Self {
        Self::of(Format::Csv, r#"{"poll":"10ms"}"#)
    }

    fn of_xml() -> Self {
        Self::of(Format::Xml, r#"{"poll":"10ms","record":"all/one"}"#)
    }

    fn of_fixed() -> Self {
        let options = r#"{"poll":"10ms","format":"fixed","pattern":"*.txt","line_ends":false,"record_length":12,
            "encoding":"cp500","fields":[{"name":"n","length":9,"decimals":0},{"name":"note","length":3}]}"#;
        Self::of(Format::Fixed, options)
    }

    fn with(options: &[(&'static str, &'static str)]) -> Self {
        let mut folder = Self::new();
        folder.settings = Settings::of([("poll", "10ms")].iter().chain(options).copied());
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
        system.source(&self.settings).await
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
        let numbers = from..to;
        let (extension, content): (_, String) = match self.format {
            Format::JsonLines => ("jsonl", numbers.map(|n| format!("{{\"n\":{n}}}\n")).collect()),
            Format::Csv => {
                let rows = numbers.map(|n| format!("{n},\"two\nlines\"\n"));
                ("csv", "n,note\n".to_owned() + &rows.collect::<String>())
            }
            Format::Xml => {
                let elements = numbers.map(|n| format!("<one><n>{n}</n></one>\n"));
                ("xml", format!("<all>{}</all>", elements.collect::<String>()))
            }
            Format::Fixed => ("txt", numbers.map(|n| format!("{n:09}abc")).collect()),
        };
        let name = format!("{:04}.{extension}", self.files);
        let content = match self.format {
            Format::Fixed => Encoding::Cp500.encode(&content).unwrap().into_owned(),
            _ => content.into_bytes(),
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
                let bytes = fs::read(self.path().join("done").join(name)).unwrap();
                let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
                match self.format {
                    Format::JsonLines | Format::Xml => lines,
                    // Two lines each, behind a header.
                    Format::Csv => lines / 2,
                    Format::Fixed => bytes.len() / 12,
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

mod xml {
    use super::Folder;
    trunkline_sdk::source_contract!(Folder::of_xml());
}

mod fixed {
    use super::Folder;
    trunkline_sdk::source_contract!(Folder::of_fixed());
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
async fn xml_and_fixed_width_are_read_as_their_options_say() {
    // given
    let options = r#"{"poll":"10ms","once":true,"record":"Orders/Order","lists":["Line"]}"#;
    let xml = Folder::of(Format::Xml, options);
    let text = "<?xml version=\"1.0\" encoding=\"windows-1252\"?>\n<Orders>\n<Order id=\"7\"><Line>5 €</Line></Order>\n\
                <Order>&nbsp;</Order>\n</Orders>\n";
    xml.drop_file("a.xml", Encoding::Windows1252.encode(text).unwrap());
    xml.drop_file("b.xml", "<!DOCTYPE x><Orders/>");
    xml.drop_file("c.xml", "<?xml version=\"1.0\" encoding=\"koi8-r\"?><Orders/>");
    let options = r#"{"poll":"10ms","once":true,"format":"fixed","pattern":"*.txt","encoding":"iso-8859-1",
        "types":{"H":[{"name":"kind","length":1},{"name":"date","length":8}],
                 "D":[{"name":"kind","length":1},{"name":"sku","length":5,"start":3},{"name":"price","length":6,"decimals":2}]},
        "type_columns":{"start":1,"length":1},"short_lines":true}"#;
    let fixed = Folder::of(Format::Fixed, options);
    fixed.drop_file("a.txt", b"H20261125\r\nD K\xe4se 001250\r\nD Milk xx\r\nX\r\n");
    // when
    let told = |records: Vec<Record>| -> Vec<(String, String)> {
        let tell = |record: &Record| (body(record), record.unreadable.clone().unwrap_or_default());
        records.iter().map(tell).collect()
    };
    let elements = told(xml.run_once(&Desk::default(), None).await.unwrap());
    let lines = told(fixed.run_once(&Desk::default(), None).await.unwrap());
    // then
    let expected = [
        (r#"value {"@id":"7","Line":["5 €"]}"#, ""),
        (
            "application/xml <Order>&nbsp;</Order>",
            "line 4, column 8: this `&` begins no entity that is known: `&lt;`, `&gt;`, `&amp;`, `&apos;`, `&quot;`, \
             or a number as in `&#233;`; a `&` by itself is written `&amp;`, in `Order`",
        ),
        (
            "application/octet-stream <!D",
            "line 1, column 1: document types are not read: what they declare could be anything",
        ),
        (
            r#"application/octet-stream <?xml version=\"1.0\" encoding=\"koi8-r\"?><Orders/>"#,
            "line 1, column 1: the declared encoding is none of those that are read",
        ),
    ];
    let owned = |(body, fault): &(&str, &str)| ((*body).to_owned(), (*fault).to_owned());
    assert_eq!(elements, expected.iter().map(owned).collect::<Vec<_>>());
    let expected = [
        (r#"value {"kind":"H","date":"20261125"}"#, ""),
        (r#"value {"kind":"D","sku":"Käse","price":12.50}"#, ""),
        (
            "text/plain D Milk xx",
            "line 3, column 8: `price` is no number: expected digits, with a sign before or behind them or none",
        ),
        (
            "text/plain X",
            "line 4, column 1: expected the word of a record type",
        ),
    ];
    assert_eq!(lines, expected.iter().map(owned).collect::<Vec<_>>());
    assert_eq!(xml.names("done").len(), 3);
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

#[test]
fn check_refuses_options_that_make_no_sense_for_their_format() {
    let system = Settings::of([("folder", "in")]);
    let field = r#"{"name":"a","length":3}"#;
    let fixed = |more: &str| format!(r#"{{"format":"fixed","pattern":"*.txt",{more}}}"#);
    for (options, told) in [
        (r#"{"format":"xml"}"#.to_owned(), &["XML files need `record`"][..]),
        (
            r#"{"pattern":"a-*.xml"}"#.to_owned(),
            &["XML files need `record`"],
        ),
        (
            r#"{"lists":["Line"]}"#.to_owned(),
            &["`lists` is for XML files, which need `record`"],
        ),
        (
            r#"{"format":"xml","record":"a//b"}"#.to_owned(),
            &["`record`: `` is not the name of an element"],
        ),
        (
            r#"{"format":"xml","record":"n:a"}"#.to_owned(),
            &["`record`: `n:a` has a prefix: names are local names"],
        ),
        (
            r#"{"format":"csv","record":"a","lists":["b"]}"#.to_owned(),
            &[
                "`record` means nothing to the format `csv`",
                "`lists` means nothing to the format `csv`",
            ],
        ),
        (
            r#"{"pattern":"*.jsonl","encoding":"iso-8859-1"}"#.to_owned(),
            &["`encoding` means nothing to the format `json-lines`"],
        ),
        (
            r#"{"format":"csv","encoding":"cp037"}"#.to_owned(),
            &["this format is not read in EBCDIC"],
        ),
        (
            format!(r#"{{"fields":[{field}]}}"#),
            &["`fields` is for files of fixed width"],
        ),
        (
            r#"{"format":"fixed"}"#.to_owned(),
            &[
                "files of fixed width need `pattern`, for no extension tells them",
                "files of fixed width need `fields`",
            ],
        ),
        (
            fixed(r#""fields":[{"name":"a"}]"#),
            &["option `length` is missing"],
        ),
        (fixed(r#""fields":[]"#), &["there are no fields"]),
        (
            fixed(
                r#""fields":[{"name":"a","length":3},{"name":"b","start":3,"length":2},{"name":"a","length":1}]"#,
            ),
            &[
                "`b` (columns 3 to 4) overlaps `a` (1 to 3)",
                "there are two fields `a`",
            ],
        ),
        (
            fixed(
                r#""fields":[{"name":"a","length":3,"pad":"--"},{"name":"b","length":3,"type":"text","decimals":2}]"#,
            ),
            &["`pad` must be one character", "a text has no `decimals`"],
        ),
        (
            fixed(r#""fields":[{"name":"a","length":3,"type":"number","align":"left","pad":"0"}]"#),
            &["this `pad` could be taken for a part of the number"],
        ),
        (
            fixed(&format!(r#""fields":[{field}],"record_length":2"#)),
            &["`record_length` is 2, but fields reach column 3"],
        ),
        (
            fixed(&format!(r#""fields":[{field}],"record_length":2000000"#)),
            &["`record_length` is more than `max_record`"],
        ),
        (
            fixed(&format!(
                r#""fields":[{field}],"line_ends":false,"short_lines":true"#
            )),
            &[
                "records without line ends need `record_length`",
                "`short_lines` means nothing without line ends",
            ],
        ),
        (
            fixed(&format!(r#""fields":[{field}],"encoding":"cp1047""#)),
            &["records in EBCDIC have no line ends"],
        ),
        (
            fixed(&format!(
                r#""fields":[{field}],"encoding":"utf-16le","columns":"bytes""#
            )),
            &["in UTF-16 columns are not bytes"],
        ),
        (
            fixed(&format!(r#""fields":[{field}],"types":{{"a":[{field}]}}"#)),
            &["`fields` and `types` exclude each other"],
        ),
        (
            fixed(&format!(r#""types":{{"a":[{field}]}}"#)),
            &["`types` needs `type_columns`"],
        ),
        (
            fixed(&format!(
                r#""fields":[{field}],"type_columns":{{"start":1,"length":1}}"#
            )),
            &["`type_columns` needs `types`"],
        ),
        (
            fixed(&format!(
                r#""types":{{"a":[{field}]}},"type_columns":{{"start":1,"length":1}}"#
            )),
            &["type `a` has no field in the columns 1 to 1, which tell the type"],
        ),
    ] {
        let settings = settings(&options);
        let problems = File.check(&system, &[Endpoint::Source { settings: &settings }]);
        let problems = match trunkline_sdk::Options::read(File.describe().source.unwrap(), &settings) {
            Ok(_) => problems,
            // What the table of options says itself.
            Err(said) => said,
        };
        let whats: Vec<_> = problems.iter().map(|problem| problem.what.as_str()).collect();
        assert_eq!(whats, told, "{options}");
        assert!(problems.iter().all(|problem| problem.hint.is_some()), "{options}");
    }
    let right = settings(&fixed(
        r#""types":{"a":[{"name":"t","length":1},{"name":"x","length":4}]},"type_columns":{"start":1,"length":1}"#,
    ));
    assert!(
        File.check(&system, &[Endpoint::Source { settings: &right }])
            .is_empty()
    );
}
