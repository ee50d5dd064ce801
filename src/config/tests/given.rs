//! `given:` what comes in, written in place or in a file of its own.

use std::{fs, io::Read, path::Path};

use jiff::Timestamp;
use prost_reflect::{DynamicMessage, MessageDescriptor, prost::Message as _};
use trunkline_formats::{csv::Rows, json, lines::Lines, media_type, xml};
use trunkline_sdk::{Body, Kind, Need, Opt, Place, Settings, Value};

use super::{Reader, references::REFERENCE};
use crate::{
    canonical,
    config::{Feed, FlowPlan},
    message::{Content, Message},
    names::{MessageId, TypeName},
};

/// The largest record: that of the bus.
const MOST: u64 = 16 << 20;

/// The words of `given:`.
pub(super) const GIVEN: &[Opt] = &[
    Opt {
        name: "record",
        kind: Kind::Any,
        need: Need::Optional,
        summary: "a native record, of a flow that reads a system; YAML's and so JSON's way to write it",
    },
    Opt {
        name: "message",
        kind: Kind::Any,
        need: Need::Optional,
        summary: "a canonical message, of a flow that reads a channel",
    },
    Opt {
        name: "file",
        kind: Kind::Text,
        need: Need::Optional,
        summary: "the file that holds one of them; relative to the landscape's folder",
    },
    Opt {
        name: "attributes",
        kind: Kind::Map(&Kind::Text),
        need: Need::Optional,
        summary: "the attributes of the message: `subject`, `key`, `time`, and what a source tells beside a record",
    },
    Opt {
        name: "references",
        kind: Kind::List(&Kind::Group(REFERENCE)),
        need: Need::Optional,
        summary: "the cross-references that `xref` finds, and no others; left out, it finds none",
    },
];

/// What stands there, with numbers, truth values and nothing where they are written without quotes.
pub(super) fn value(settings: &Settings) -> Value<'static> {
    if let Some(items) = settings.items() {
        return Value::List(items.iter().map(value).collect());
    }
    if let Some(entries) = settings.entries() {
        let fields = entries
            .iter()
            .map(|entry| (entry.key.clone().into(), value(&entry.value)));
        return Value::Object(fields.collect());
    }
    let text = settings.text().unwrap_or_default();
    if settings.is_quoted() {
        return Value::Text(text.to_owned().into());
    }
    match text {
        "" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        text => match json::read(text.as_bytes()) {
            Ok(Value::Number(digits)) => Value::Number(digits.into_owned().into()),
            _ => Value::Text(text.to_owned().into()),
        },
    }
}

impl<'r> Reader<'r, '_> {
    pub(super) fn given(&mut self, flow: &'r FlowPlan, given: &Settings) -> Option<Message> {
        let entries = given.entries()?;
        let beside = ["attributes", "references"];
        let mut contents = entries
            .iter()
            .filter(|entry| !beside.contains(&entry.key.as_str()));
        let (Some(entry), None) = (contents.next(), contents.next()) else {
            let wanted = match &flow.feed {
                Feed::Channel { .. } => "`message` or `file`",
                Feed::System { .. } => "`record` or `file`",
            };
            self.problem(&given.place, "what is given must be one thing").hint =
                Some(format!("one of {wanted}"));
            return None;
        };
        let content = match (entry.key.as_str(), &flow.feed) {
            ("record", Feed::System { .. }) => Content::Native(Body::Value(value(&entry.value))),
            ("message", Feed::Channel { type_name, .. }) => {
                let kind = self.kind(type_name)?;
                let message = self.typed(&kind, &entry.value)?;
                canonical(type_name, &message)
            }
            ("file", feed) => self.file_content(feed, &entry.value)?,
            (
                "record",
                Feed::Channel {
                    channel, type_name, ..
                },
            ) => {
                let what = format!(
                    "flow `{}` reads channel `{channel}`, so it is given no record",
                    flow.name
                );
                self.problem(&entry.place, what).hint = Some(format!("a `message:` of type `{type_name}`"));
                return None;
            }
            ("message", Feed::System { system, .. }) => {
                let what = format!(
                    "flow `{}` reads system `{system}`, so it is given no message",
                    flow.name
                );
                self.problem(&entry.place, what).hint =
                    Some("a `record:`, as the system writes it".to_owned());
                return None;
            }
            // Another word was told already.
            _ => return None,
        };
        let (id, source) = match &flow.feed {
            Feed::System { system, .. } => (
                MessageId::of_event(system, &flow.name, "test"),
                format!("/{system}/{}", flow.name),
            ),
            Feed::Channel { channel, .. } => (MessageId::foreign("test")?, format!("/{channel}")),
        };
        let mut message = Message::new(id, source, Timestamp::UNIX_EPOCH, content);
        if let Some(attributes) = given.get("attributes") {
            self.attributes(flow, attributes, &mut message);
        }
        Some(message)
    }

    /// A canonical message as it is written; what does not fit its type is told at its place.
    pub(super) fn typed(&mut self, kind: &MessageDescriptor, settings: &Settings) -> Option<DynamicMessage> {
        let flaws = match canonical::parse(kind, &value(settings)) {
            Ok(message) => return Some(message),
            Err(flaws) => flaws,
        };
        for flaw in flaws {
            let place = place(settings, &flaw.steps, flaw.is_name);
            self.problem(&place, flaw.what).hint = flaw.hint;
        }
        None
    }

    pub(super) fn kind(&self, type_name: &TypeName) -> Option<MessageDescriptor> {
        self.pool.get_message_by_name(type_name.as_str())
    }

    fn attributes(&mut self, flow: &FlowPlan, attributes: &Settings, message: &mut Message) {
        let mut facts = Vec::new();
        for entry in attributes.entries().unwrap_or_default() {
            let text = entry.value.text().unwrap_or_default();
            match entry.key.as_str() {
                "subject" => message.subject = Some(text.into()),
                "key" => message.key = Some(text.into()),
                "correlation_id" => message.correlation_id = Some(text.into()),
                "source" => message.source = text.into(),
                "time" => match text.parse() {
                    Ok(time) => message.time = time,
                    Err(_) => {
                        self.problem(&entry.value.place, "this is no timestamp").hint =
                            Some("as in `2026-11-25T12:00:00Z`".to_owned());
                    }
                },
                name if matches!(flow.feed, Feed::System { .. }) => {
                    facts.push((name.to_owned(), text.to_owned()));
                }
                name => {
                    let what = format!("a canonical message has no attribute `{name}`");
                    self.problem(&entry.place, what).hint =
                        Some("attributes: `subject`, `key`, `time`, `source`, `correlation_id`".to_owned());
                }
            }
        }
        message.facts = facts.into();
    }

    fn file_content(&mut self, feed: &Feed, named: &Settings) -> Option<Content> {
        let name = named.text()?;
        let path = self.landscape.home.join(name);
        let bytes = match read(&path) {
            Ok(bytes) => bytes,
            Err(what) => {
                self.problem(&named.place, format!("`{name}` {what}")).hint =
                    Some("the path is relative to the landscape's folder".to_owned());
                return None;
            }
        };
        let ending = path
            .extension()
            .and_then(|ending| ending.to_str())
            .unwrap_or_default();
        let told = match (feed, ending) {
            (Feed::Channel { type_name, .. }, "binpb" | "pb") => {
                return Some(Content::Canonical {
                    type_name: type_name.clone(),
                    bytes: bytes.into(),
                });
            }
            (Feed::Channel { type_name, .. }, "json") => {
                let kind = self.kind(type_name)?;
                let parsed = json::read(&bytes)
                    .map_err(|why| why.to_string())
                    .and_then(|value| {
                        canonical::parse(&kind, &value).map_err(|flaws| {
                            let told = flaws.iter().map(|flaw| format!("{}: {}", flaw.path(), flaw.what));
                            told.collect::<Vec<_>>().join("; ")
                        })
                    });
                match parsed {
                    Ok(message) => return Some(canonical(type_name, &message)),
                    Err(what) => format!("`{name}` holds no `{type_name}`: {what}"),
                }
            }
            (Feed::Channel { .. }, _) => format!("`{name}` is neither `.json` nor `.binpb`"),
            (Feed::System { .. }, "json") => {
                return Some(Content::Native(Body::Bytes {
                    content_type: media_type::JSON.to_owned(),
                    bytes: bytes.into(),
                }));
            }
            (Feed::System { settings, .. }, "xml") if settings.get("record").is_none() => {
                return Some(Content::Native(Body::Bytes {
                    content_type: media_type::XML.to_owned(),
                    bytes: bytes.into(),
                }));
            }
            (Feed::System { settings, .. }, ending) => match one(ending, &bytes, settings) {
                Ok(body) => return Some(Content::Native(body)),
                Err(what) => format!("`{name}` {what}"),
            },
        };
        self.problem(&named.place, told);
        None
    }
}

/// The one record of a file of records, which the flow reads with these settings.
fn one(ending: &str, bytes: &[u8], settings: &Settings) -> Result<Body, String> {
    let mut records = Vec::new();
    let cannot = "cannot be read".to_owned();
    // No ending tells that columns are fixed; the flow does.
    if let Some(mut columns) = trunkline_file::fixed_width(settings, bytes, bytes.len() + 1) {
        while let Some(record) = columns.read().map_err(|_| cannot.clone())? {
            records.push(Body::Value(
                record.content.map_err(|unframed| unframed.why.to_string())?,
            ));
        }
        return only(records);
    }
    match ending {
        "jsonl" | "ndjson" => {
            let mut lines = Lines::new(bytes, bytes.len() + 1);
            while let Some(line) = lines.read().map_err(|_| cannot.clone())? {
                records.push(Body::Bytes {
                    content_type: media_type::JSON.to_owned(),
                    bytes: line.content.map_err(|unframed| unframed.why.to_string())?.into(),
                });
            }
        }
        "csv" => {
            let mut rows = Rows::new(bytes, b',', bytes.len() + 1).map_err(|_| "has no header".to_owned())?;
            while let Some(row) = rows.read().map_err(|_| cannot.clone())? {
                records.push(Body::Value(
                    row.content.map_err(|unframed| unframed.why.to_string())?,
                ));
            }
        }
        "xml" => {
            let text = settings.get("record").and_then(Settings::text);
            let path =
                xml::Path::parse(text.unwrap_or_default()).map_err(|why| format!("has no record: {why}"))?;
            let encoding = xml::encoding_of(bytes).map_err(|why| why.to_string())?;
            let lists = settings.get("lists").map_or_else(Vec::new, |lists| {
                let lists = lists.items().unwrap_or(std::slice::from_ref(lists));
                lists
                    .iter()
                    .filter_map(Settings::text)
                    .map(str::to_owned)
                    .collect()
            });
            let mut elements = xml::Records::new(bytes, encoding, path, lists, bytes.len() + 1);
            while let Some(element) = elements.read().map_err(|_| cannot.clone())? {
                records.push(Body::Value(
                    element.content.map_err(|unframed| unframed.why.to_string())?,
                ));
            }
        }
        _ => return Err("is none of `.json`, `.jsonl`, `.csv` and `.xml`".to_owned()),
    }
    only(records)
}

fn only(mut records: Vec<Body>) -> Result<Body, String> {
    match (records.pop(), records.len()) {
        (Some(record), 0) => Ok(record),
        (None, _) => Err("holds no record".to_owned()),
        (Some(_), more) => Err(format!("holds {} records, and a test is given one", more + 1)),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let metadata = fs::metadata(path).map_err(|error| format!("cannot be read: {}", error.kind()))?;
    if !metadata.is_file() {
        return Err("is no file".to_owned());
    }
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(MOST + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot be read: {}", error.kind()))?;
    if bytes.len() as u64 > MOST {
        return Err("is larger than 16 MiB".to_owned());
    }
    Ok(bytes)
}

fn canonical(type_name: &TypeName, message: &DynamicMessage) -> Content {
    Content::Canonical {
        type_name: type_name.clone(),
        bytes: message.encode_to_vec().into(),
    }
}

/// Where the part behind these steps stands: its key if the name itself is wrong, else its value.
pub(super) fn place(settings: &Settings, steps: &[String], is_name: bool) -> Place {
    let mut at = settings;
    for (index, step) in steps.iter().enumerate() {
        let item = step
            .strip_prefix('[')
            .and_then(|step| step.strip_suffix(']')?.parse::<usize>().ok());
        if let (Some(items), Some(item)) = (at.items(), item) {
            match items.get(item) {
                Some(inner) => at = inner,
                None => break,
            }
            continue;
        }
        let entries = at.entries().unwrap_or_default();
        let Some(entry) = entries.iter().find(|entry| entry.key == *step) else {
            break;
        };
        if is_name && index + 1 == steps.len() {
            return entry.place.clone();
        }
        at = &entry.value;
    }
    at.place.clone()
}
