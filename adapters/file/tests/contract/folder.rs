//! A drop folder in a test's hand.

use std::{fs, path::PathBuf, time::Duration};

use async_trait::async_trait;
use tempfile::TempDir;
use trunkline_file::File;
use trunkline_formats::{Encoding, json};
use trunkline_sdk::{
    Adapter, Body, Entry, Fault, Place, Position, Record, Settings, Source, Value,
    contract::{Desk, source::SourcePeer},
};

/// A folder into which files are dropped.
pub(crate) struct Folder {
    pub(crate) home: TempDir,
    settings: Settings,
    /// How files are written.
    format: Format,
    files: usize,
    records: usize,
}

#[derive(Clone, Copy)]
pub(crate) enum Format {
    JsonLines,
    Csv,
    Xml,
    Fixed,
}

/// Settings as their YAML would be read, here from JSON.
pub(crate) fn settings(text: &str) -> Settings {
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
    pub(crate) fn new() -> Self {
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

    pub(crate) fn of(format: Format, options: &str) -> Self {
        let mut folder = Self::new();
        folder.format = format;
        folder.settings = settings(options);
        folder
    }

    pub(crate) fn of_json(options: &str) -> Self {
        Self::of(Format::JsonLines, options)
    }

    pub(crate) fn of_csv() -> Self {
        Self::of(Format::Csv, r#"{"poll":"10ms"}"#)
    }

    pub(crate) fn of_xml() -> Self {
        Self::of(Format::Xml, r#"{"poll":"10ms","record":"all/one"}"#)
    }

    pub(crate) fn of_fixed() -> Self {
        let options = r#"{"poll":"10ms","format":"fixed","pattern":"*.txt","line_ends":false,"record_length":12,
            "encoding":"cp500","fields":[{"name":"n","length":9,"decimals":0},{"name":"note","length":3}]}"#;
        Self::of(Format::Fixed, options)
    }

    pub(crate) fn with(options: &[(&'static str, &'static str)]) -> Self {
        let mut folder = Self::new();
        folder.settings = Settings::of([("poll", "10ms")].iter().chain(options).copied());
        folder
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.home.path().join("in")
    }

    /// Drops a file as its writers should: under another name first.
    pub(crate) fn drop_file(&self, name: &str, content: impl AsRef<[u8]>) {
        let part = self.path().join(format!("{name}.part"));
        fs::write(&part, content).unwrap();
        fs::rename(part, self.path().join(name)).unwrap();
    }

    /// The notes about a file that is being read: where they are, and what they say.
    pub(crate) fn notes(&self, name: &str) -> (PathBuf, String) {
        let names = self.names("processing").into_iter();
        let mut notes =
            names.filter(|notes| notes.starts_with(&format!(".{name}.")) && notes.ends_with(".verdicts"));
        let path = self.path().join("processing").join(notes.next().unwrap());
        let text = fs::read_to_string(&path).unwrap();
        (path, text)
    }

    pub(crate) fn names(&self, below: &str) -> Vec<String> {
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

    pub(crate) async fn source(&self) -> Result<Box<dyn Source>, Fault> {
        let system = File
            .open(&Settings::of([("folder", "in")]), self.home.path())
            .await?;
        system.source(&self.settings).await
    }

    /// Runs the source as a batch and returns what it sent.
    pub(crate) async fn run_once(&self, desk: &Desk, resume: Option<Position>) -> Result<Vec<Record>, Fault> {
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
        let moved =
            ["done", "failed"].map(|folder| self.names(folder).into_iter().map(move |name| (folder, name)));
        let moved = moved.into_iter().flatten();
        // What was rejected stands beside them.
        let files = moved.filter(|(_, name)| !name.ends_with(".rejected") && !name.ends_with(".reasons.csv"));
        Some(
            files
                .map(|(folder, name)| {
                    let bytes = fs::read(self.path().join(folder).join(name)).unwrap();
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

pub(crate) fn body(record: &Record) -> String {
    match &record.body {
        Body::Value(value) => format!("value {}", json::write(value)),
        Body::Bytes { content_type, bytes } => {
            format!("{content_type} {}", String::from_utf8_lossy(bytes).escape_debug())
        }
    }
}

pub(crate) fn attribute<'a>(record: &'a Record, name: &str) -> Option<&'a str> {
    let found = record.attributes.iter().find(|(key, _)| key == name);
    found.map(|(_, value)| value.as_str())
}
