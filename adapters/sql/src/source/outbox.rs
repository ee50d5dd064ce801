//! Reads an outbox: a table into which an application writes its messages, in the transaction of what they tell.
//!
//! Promises: a row is removed, or marked, only when the bus has it; a row that is read again has the same id, and is
//! not sent again where the position tells that it was; one connection at a time reads an outbox.

use bytes::Bytes;
use trunkline_sdk::{Body, Fault, Outlet, Position, Record, Value};

use super::{
    Origin, Reading, Row, Span, Stopping, pause, position,
    reading::{OUTBOX, PAYLOAD, SENT_AT},
    send, shown, time,
};

/// Columns of an outbox that have a meaning beside `id`, `payload` and `sent_at`.
const CONTENT_TYPE: &str = "content_type";
const KEY: &str = "message_key";
const SUBJECT: &str = "subject";
const CREATED_AT: &str = "created_at";

/// Runs until it must stop.
pub(super) async fn run<O: Origin>(
    origin: &O,
    reader: &mut O::Reader,
    reading: &Reading,
    outlet: &Outlet,
    mut stopping: Stopping<'_>,
    resume: Option<Position>,
) -> Result<(), Fault> {
    let mut sent = resume
        .as_ref()
        .map(position::read_outbox)
        .transpose()?
        .unwrap_or_default();
    let columns = Columns::find(O::columns(reader))?;
    let mut is_ours = false;
    loop {
        let all = Span {
            after: None,
            until: None,
        };
        let page = async {
            is_ours = is_ours || origin.lease(reader, reading).await?;
            match is_ours {
                true => origin.page(reader, reading, all).await,
                false => Ok(super::Page::default()),
            }
        };
        let page = tokio::select! {
            biased;
            () = stopping.as_mut() => return Ok(()),
            page = page => page?,
        };
        let has_more = page.has_more;
        let mut done = Vec::new();
        let mut records = Vec::new();
        let mut ids = Vec::new();
        // Of the page in hand: what was sent before it is gone.
        sent.retain(|id| page.rows.iter().any(|row| row.mark.first() == Some(id)));
        for row in page.rows {
            let Some(id) = row.mark.first().cloned() else {
                continue;
            };
            if sent.contains(&id) {
                done.push(id);
                continue;
            }
            sent.push(id.clone());
            ids.push(id);
            let mut record = columns.record(row);
            record.position = Some(position::of_outbox(&sent)?);
            records.push(record);
        }
        let result = send(outlet, stopping.as_mut(), records).await;
        done.extend(result.safe.into_iter().map(|place| ids[place].clone()));
        if !done.is_empty() {
            origin.finish(reader, reading, &done).await?;
        }
        if result.must_stop || !has_more && pause(reading.every, stopping.as_mut()).await {
            return Ok(());
        }
    }
}

/// Where the columns stand that have a meaning.
struct Columns {
    names: Vec<String>,
    payload: usize,
}

impl Columns {
    fn find(names: &[String]) -> Result<Self, Fault> {
        let payload = names
            .iter()
            .position(|name| name == PAYLOAD)
            .ok_or_else(|| Fault::stop("the outbox has no column `payload`").hint(OUTBOX))?;
        Ok(Self {
            names: names.to_vec(),
            payload,
        })
    }

    fn record(&self, row: Row) -> Record {
        let text = |name: &str| {
            let at = self.names.iter().position(|column| column == name)?;
            match &row.values[at] {
                Value::Null => None,
                value => Some(shown(value)),
            }
        };
        let content_type = text(CONTENT_TYPE).unwrap_or_else(|| "application/json".to_owned());
        let bytes = match &row.values[self.payload] {
            Value::Text(text) => Bytes::from(text.to_string()),
            Value::Bytes(bytes) => Bytes::from(bytes.to_vec()),
            other => Bytes::from(trunkline_formats::json::write(other)),
        };
        let id = row.mark.first().map(shown).unwrap_or_default();
        let mut record = Record::new(id, Body::Bytes { content_type, bytes });
        record.key = text(KEY);
        record.subject = text(SUBJECT);
        let created_at = self.names.iter().position(|name| name == CREATED_AT);
        record.time = created_at
            .and_then(|at| time(&row.values[at]))
            .and_then(|time| time.try_into().ok());
        record.attributes = self.attributes(&row);
        record.unreadable = row.unreadable;
        record
    }

    /// What the application says beside the message, in columns of its own.
    fn attributes(&self, row: &Row) -> Vec<(String, String)> {
        let known = ["id", SENT_AT, PAYLOAD, CONTENT_TYPE, KEY, SUBJECT, CREATED_AT];
        let others = self.names.iter().zip(&row.values);
        others
            .filter(|(name, value)| !known.contains(&name.as_str()) && **value != Value::Null)
            .map(|(name, value)| (name.clone(), shown(value)))
            .collect()
    }
}
