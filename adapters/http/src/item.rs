//! The records of an answer.
//!
//! Promises: a record has the same id however often it is read, until its version changes; one that has no id is marked
//! as unreadable, and goes to a person.

use std::time::SystemTime;

use bytes::Bytes;
use trunkline_formats::json;
use trunkline_sdk::{Body, Fault, Position, Record, Value};

use crate::{
    mark::Mark,
    reading::Reading,
    template::{find, text},
};

/// A record of an answer.
pub(crate) struct Item {
    id: String,
    version: String,
    /// Tells it from every other record, and every other version of it.
    pub(crate) hash: u64,
    pub(crate) mark: Option<Mark>,
    pub(crate) body: String,
    unreadable: Option<String>,
}

impl Item {
    /// As it goes to the bus.
    pub(crate) fn into_record(self, reading: &Reading, position: Position) -> Record {
        let body = Body::Bytes {
            content_type: "application/json".to_owned(),
            bytes: Bytes::from(self.body),
        };
        let mut record = Record::new(format!("{}@{}", self.id, self.version), body);
        record.key = Some(self.id).filter(|id| !id.is_empty());
        record.time = self.mark.and_then(|mark| SystemTime::try_from(mark.time()?).ok());
        record.subject = reading.path.split('?').next().map(str::to_owned);
        record.unreadable = self.unreadable;
        record.position = Some(position);
        record
    }
}

/// The records of an answer.
pub(crate) fn read(reading: &Reading, tree: &Value<'_>) -> Result<Vec<Item>, Fault> {
    let list = match (&reading.records, tree) {
        (_, Value::Null) => return Ok(Vec::new()),
        (Some(path), tree) => find(tree, path),
        (None, tree) => Some(tree),
    };
    let shown = reading.records.as_deref().unwrap_or("its root");
    match list {
        Some(Value::List(items)) => items.iter().map(|value| item(reading, value)).collect(),
        Some(Value::Null) => Ok(Vec::new()),
        Some(value @ Value::Object(_)) if reading.records.is_none() => Ok(vec![item(reading, value)?]),
        _ => Err(Fault::stop(format!(
            "the answer to the reading of {} has no list of records at {shown}",
            reading.shown()
        ))
        .hint("`records` says where they are: `data.items`")),
    }
}

fn item(reading: &Reading, value: &Value<'_>) -> Result<Item, Fault> {
    let body = json::write(value);
    let word = |path: &str| find(value, path).and_then(text);
    let mut mark = None;
    if let Some(cursor) = &reading.cursor
        && let Some(word) = word(&cursor.field)
    {
        mark = Some(Mark::read(&word).ok_or_else(|| {
            Fault::stop(format!(
                "field `{}` of a record is neither a time nor a whole number",
                cursor.field
            ))
            .hint("a `cursor` needs such a field")
        })?);
    }
    let of_body = || blake3::hash(body.as_bytes()).to_hex()[..16].to_owned();
    let version = reading.version.as_deref().and_then(word);
    let version = version.map_or_else(of_body, std::borrow::Cow::into_owned);
    let (id, version, unreadable) = match word(&reading.id).filter(|id| !id.is_empty()) {
        Some(id) => (id.into_owned(), version, None),
        None => (
            String::new(),
            of_body(),
            Some(format!("the record has no field `{}`", reading.id)),
        ),
    };
    Ok(Item {
        hash: hash([id.as_bytes(), b"\0", version.as_bytes()]),
        id,
        version,
        mark,
        body,
        unreadable,
    })
}

/// A short hash of these parts.
pub(crate) fn hash<T: AsRef<[u8]>>(parts: impl IntoIterator<Item = T>) -> u64 {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part.as_ref());
    }
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(bytes)
}
