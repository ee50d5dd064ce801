//! The source: rows of a table or query as they change, or of an outbox until it is empty.
//!
//! Promises: a row is on the bus before anything says that it was read; what is read again has the same id; a page
//! of rows at a time is in memory; a lost connection ends the run, so that whoever restarts it sets the pace.
//! Not promised: that a deleted row, or a state between two polls, is seen. Only an outbox tells of those.
//!
//! [`reading`] is what the settings ask for, [`poll`] and [`outbox`] are the two ways to read; the first remembers
//! in a [`window`] what it has seen, and stores it in a [`position`].

mod outbox;
mod poll;
mod position;
mod reading;
mod window;

use std::{future::Future, pin::Pin, time::Duration};

use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use jiff::Timestamp;
use trunkline_sdk::{Fault, Outlet, Position, Record, Source, Value};

use reading::Relation;
pub(crate) use reading::{Reading, Span, check};

/// The most rows that are read at once, and sent without a receipt.
pub(crate) const PAGE: usize = 256;
/// A page ends with the row that reaches so many bytes.
pub(crate) const PAGE_BYTES: usize = 8 << 20;
/// How long a source that must stop waits for the receipts of what it sent.
const LAST_RECEIPTS: Duration = Duration::from_secs(3);

/// One kind of database, as a source reads it.
pub(crate) trait Origin: Clone + Send + Sync + 'static {
    /// A connection on which the relation of a [`Reading`] was found, with its columns.
    type Reader: Send;

    /// Faults: `Reopen` when the database is not there, `Stop` when a person is needed.
    fn read(&self, reading: &Reading) -> impl Future<Output = Result<Self::Reader, Fault>> + Send;

    /// The names of the relation's columns, in their order.
    fn columns(reader: &Self::Reader) -> &[String];

    /// The next rows of a span, in their order.
    fn page(
        &self,
        reader: &mut Self::Reader,
        reading: &Reading,
        span: Span<'_>,
    ) -> impl Future<Output = Result<Page, Fault>> + Send;

    /// Takes the outbox for this connection alone, for as long as it lives. False: another has it.
    fn lease(
        &self,
        reader: &mut Self::Reader,
        reading: &Reading,
    ) -> impl Future<Output = Result<bool, Fault>> + Send;

    /// Removes these rows from the outbox, or marks them as sent.
    fn finish(
        &self,
        reader: &mut Self::Reader,
        reading: &Reading,
        ids: &[Value<'static>],
    ) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// Some rows.
#[derive(Default)]
pub(crate) struct Page {
    pub(crate) rows: Vec<Row>,
    /// Whether there are rows behind these.
    pub(crate) has_more: bool,
}

/// One row.
pub(crate) struct Row {
    /// A value per column.
    pub(crate) values: Vec<Value<'static>>,
    /// The values by which the rows are ordered, as the database takes them back.
    pub(crate) mark: Mark,
    /// Why a value cannot be read.
    pub(crate) unreadable: Option<String>,
}

/// A place in the order of rows.
pub(crate) type Mark = Vec<Value<'static>>;

/// Reads one relation of one database.
pub(crate) struct SqlSource<O: Origin> {
    origin: O,
    reading: Reading,
    /// Of the first run; every other connects again.
    reader: Option<O::Reader>,
}

/// Resolves when the source must stop.
type Stopping<'a> = Pin<&'a mut (dyn Future<Output = ()> + Send)>;

impl<O: Origin> SqlSource<O> {
    /// Connects, so that a wrong table or query shows at once.
    pub(crate) async fn open(origin: O, reading: Reading) -> Result<Self, Fault> {
        let reader = origin.read(&reading).await?;
        Ok(Self {
            origin,
            reading,
            reader: Some(reader),
        })
    }
}

#[async_trait]
impl<O: Origin> Source for SqlSource<O> {
    async fn run(&mut self, outlet: Outlet, resume: Option<Position>) -> Result<(), Fault> {
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => self.origin.read(&self.reading).await?,
        };
        let stopping = std::pin::pin!(outlet.stopping());
        if self.reading.is_outbox() {
            outbox::run(
                &self.origin,
                &mut reader,
                &self.reading,
                &outlet,
                stopping,
                resume,
            )
            .await
        } else {
            poll::run(
                &self.origin,
                &mut reader,
                &self.reading,
                &outlet,
                stopping,
                resume,
            )
            .await
        }
    }
}

/// What became of records that were sent.
#[derive(Default)]
struct Sent {
    /// Which of them are safe, by their places, in no order.
    safe: Vec<usize>,
    /// The source must stop; the others come again at its next start.
    must_stop: bool,
}

/// Sends records in their order, and waits for all receipts.
async fn send(outlet: &Outlet, mut stopping: Stopping<'_>, records: Vec<Record>) -> Sent {
    // Polled in the order in which they were pushed, so sent in the order of the rows.
    let mut in_flight: FuturesUnordered<BoxFuture<'_, (usize, bool)>> = records
        .into_iter()
        .enumerate()
        .map(|(place, record)| async move { (place, outlet.send(record).await.is_ok()) }.boxed())
        .collect();
    let mut sent = Sent::default();
    while !in_flight.is_empty() {
        tokio::select! {
            biased;
            () = &mut stopping, if !sent.must_stop => {
                sent.must_stop = true;
                let receipts = async {
                    while let Some((place, is_safe)) = in_flight.next().await {
                        sent.safe.extend(is_safe.then_some(place));
                    }
                };
                // Without a receipt in time a record comes again at the next start.
                let _ = tokio::time::timeout(LAST_RECEIPTS, receipts).await;
                break;
            }
            Some((place, is_safe)) = in_flight.next() => {
                sent.safe.extend(is_safe.then_some(place));
                // Only when Trunkline is stopping there is no receipt.
                sent.must_stop |= !is_safe;
            }
        }
    }
    sent
}

/// Waits until the next poll. True: the source must stop.
async fn pause(every: Duration, stopping: Stopping<'_>) -> bool {
    tokio::select! {
        biased;
        () = stopping => true,
        () = tokio::time::sleep(every) => false,
    }
}

/// A value as a text, for ids: digits and texts as they are, bytes in hex.
pub(crate) fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Number(text) | Value::Text(text) => text.to_string(),
        Value::Bytes(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        other => trunkline_formats::json::write(other),
    }
}

/// The time that a value tells; one without an offset is taken for UTC.
fn time(value: &Value<'_>) -> Option<Timestamp> {
    let Value::Text(text) = value else { return None };
    text.parse().ok().or_else(|| {
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        jiff::tz::Offset::UTC.to_timestamp(civil).ok()
    })
}
