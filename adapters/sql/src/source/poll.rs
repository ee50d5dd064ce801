//! Reads the rows of a table or query that have changed, poll after poll.

use std::time::Instant;

use trunkline_sdk::{Body, Fault, Outlet, Position, Record, Value};

use super::{
    Origin, Page, Reading, Relation, Row, Span, Stopping, pause, position, send, shown, time,
    window::{Window, hash},
};

/// Runs until it must stop.
pub(super) async fn run<O: Origin>(
    origin: &O,
    reader: &mut O::Reader,
    reading: &Reading,
    outlet: &Outlet,
    stopping: Stopping<'_>,
    resume: Option<Position>,
) -> Result<(), Fault> {
    let window = match resume {
        Some(position) => {
            let (low, high, seen) = position::read_window(&position, &reading.order)?;
            Window::resume(reading.overlap, low, high, seen, Instant::now())
        }
        None => Window::new(reading.overlap),
    };
    let columns = O::columns(reader).to_vec();
    let keys: Vec<_> = reading
        .key
        .iter()
        .filter_map(|name| columns.iter().position(|column| column == name))
        .collect();
    let cursor = columns.iter().position(|column| *column == reading.order[0]);
    let poll = Poll {
        reading,
        outlet,
        stopping,
        window,
        columns,
        keys,
        cursor: cursor.unwrap_or_default(),
    };
    poll.run(origin, reader).await
}

/// One run of polls.
struct Poll<'a> {
    reading: &'a Reading,
    outlet: &'a Outlet,
    stopping: Stopping<'a>,
    window: Window,
    columns: Vec<String>,
    /// Where the columns of `key` stand.
    keys: Vec<usize>,
    /// Where the column of `cursor` stands.
    cursor: usize,
}

/// Whether the source goes on.
type GoesOn = bool;

impl Poll<'_> {
    async fn run<O: Origin>(mut self, origin: &O, reader: &mut O::Reader) -> Result<(), Fault> {
        loop {
            let goes_on = self.look_again(origin, reader).await? && self.go_on(origin, reader).await?;
            if !goes_on || pause(self.reading.every, self.stopping.as_mut()).await {
                return Ok(());
            }
        }
    }

    /// Reads the overlap once more, for rows that have become visible in it, or have changed without a new cursor.
    async fn look_again<O: Origin>(&mut self, origin: &O, reader: &mut O::Reader) -> Result<GoesOn, Fault> {
        let began = Instant::now();
        let Some(high) = self.window.high.clone() else {
            return Ok(true);
        };
        let mut after = self.window.low.clone();
        while after.as_ref() != Some(&high) {
            let span = Span {
                after: after.as_ref(),
                until: Some(&high),
            };
            let Some(page) = self.page(origin, reader, span).await? else {
                return Ok(false);
            };
            after = page.rows.last().map(|row| row.mark.clone());
            let has_more = page.has_more;
            let records = self.records(page.rows, false)?;
            if !self.send(records).await {
                return Ok(false);
            }
            if !has_more {
                break;
            }
        }
        self.window.settle(began);
        Ok(true)
    }

    /// Reads the rows behind all that was read.
    async fn go_on<O: Origin>(&mut self, origin: &O, reader: &mut O::Reader) -> Result<GoesOn, Fault> {
        loop {
            let high = self.window.high.clone();
            let span = Span {
                after: high.as_ref(),
                until: None,
            };
            let Some(page) = self.page(origin, reader, span).await? else {
                return Ok(false);
            };
            let has_more = page.has_more;
            let last = page
                .rows
                .last()
                .map(|row| (row.mark.clone(), time(&row.values[self.cursor])));
            let records = self.records(page.rows, true)?;
            if let Some((mark, time)) = last {
                self.window.pass(mark, time, Instant::now());
            }
            if !self.send(records).await {
                return Ok(false);
            }
            if !has_more {
                return Ok(true);
            }
        }
    }

    /// `None`: the source must stop.
    async fn page<O: Origin>(
        &mut self,
        origin: &O,
        reader: &mut O::Reader,
        span: Span<'_>,
    ) -> Result<Option<Page>, Fault> {
        tokio::select! {
            biased;
            () = self.stopping.as_mut() => Ok(None),
            page = origin.page(reader, self.reading, span) => page.map(Some),
        }
    }

    async fn send(&mut self, records: Vec<Record>) -> GoesOn {
        records.is_empty() || !send(self.outlet, self.stopping.as_mut(), records).await.must_stop
    }

    /// The records of those rows that are new; `is_behind`: they are behind all that was read before.
    fn records(&mut self, rows: Vec<Row>, is_behind: bool) -> Result<Vec<Record>, Fault> {
        let mut records = Vec::new();
        for row in rows {
            let place = hash(trunkline_formats::json::write(&Value::List(row.mark.clone())).as_bytes());
            let names = self.columns.iter().map(|name| name.clone().into());
            let tree = Value::Object(names.zip(row.values).collect());
            let content = hash(trunkline_formats::json::write(&tree).as_bytes());
            let is_new = self.window.see(place, content);
            if is_behind {
                self.window.high = Some(row.mark);
            }
            let Some(seen) = is_new else { continue };
            let Value::Object(fields) = &tree else { continue };
            let key: Vec<_> = self.keys.iter().map(|at| shown(&fields[*at].1)).collect();
            let (key, cursor) = (key.join("/"), &fields[self.cursor].1);
            let id = format!("{key}@{}#{:016x}", shown(cursor), seen.version);
            let time = time(cursor).and_then(|time| time.try_into().ok());
            let subject = match &self.reading.relation {
                Relation::Table(name) => format!("{name}/{key}"),
                _ => key.clone(),
            };
            let mut record = Record::new(id, Body::Value(tree));
            record.time = time;
            record.subject = Some(subject);
            record.key = Some(key);
            record.unreadable = row.unreadable;
            record.position = Some(position::of_window(&self.window, &self.reading.order)?);
            records.push(record);
        }
        Ok(records)
    }
}
