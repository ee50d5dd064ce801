//! The thread that reads: what the subscriptions have room for, and no more.

use std::sync::Arc;

use rusqlite::{Connection, Row, params};
use tracing::error;

use super::{
    desk::{Desk, Found},
    door::{Door, Request},
    lines::{PARKED, Work},
    store,
};

/// How many bytes are read at a time; the message that passes it is the last of its batch.
const BATCH_BYTES: usize = 4 << 20;

/// Reads until the desk has ended.
pub(super) fn run(connection: &Connection, desk: &Arc<Desk>, door: &Door) {
    loop {
        match desk.next() {
            Work::End => return,
            Work::Raise(queue) => {
                if !door.push(Request::Raise(queue)) {
                    return;
                }
            }
            Work::Alone(id) => {
                if !door.push(Request::Alone(id)) {
                    return;
                }
            }
            Work::Read {
                queue,
                returned,
                after,
                until,
                limit,
            } => match read(connection, queue, &returned, after, until, limit) {
                Ok((found, looked_at)) => desk.deal(queue, found, looked_at),
                Err(error) => {
                    let path = connection.path().unwrap_or("bus.db").to_owned();
                    let fault = store::fault(path.as_ref(), error);
                    error!(error = %fault, "the embedded bus cannot read, and stops");
                    desk.end(&fault);
                    return;
                }
            },
        }
    }
}

/// Reads the returned places, then new ones. The second result: the last place that was looked at.
fn read(
    connection: &Connection,
    queue: u16,
    returned: &[i64],
    after: i64,
    until: i64,
    limit: usize,
) -> rusqlite::Result<(Vec<Found>, Option<i64>)> {
    let (queue, table) = match queue & PARKED {
        0 => (queue, "waiting"),
        _ => (queue & !PARKED, "parked"),
    };
    let mut found = Vec::with_capacity(limit);
    if !returned.is_empty() {
        let mut statement = connection.prepare_cached(&format!(
            "SELECT id, sum, envelope, body FROM {table} WHERE id = ?1"
        ))?;
        for &place in returned {
            let mut rows = statement.query([store::id(queue, place)])?;
            if let Some(row) = rows.next()? {
                found.push(take(row)?);
            }
        }
    }
    let limit = limit.saturating_sub(returned.len());
    if limit == 0 || after >= until {
        return Ok((found, None));
    }
    let mut statement = connection.prepare_cached(&format!(
        "SELECT id, sum, envelope, body FROM {table} WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3"
    ))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![store::id(queue, after), store::id(queue, until), limit])?;
    let mut bytes = 0;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        bytes += row.get_ref(3)?.as_blob()?.len();
        count += 1;
        found.push(take(row)?);
        if bytes >= BATCH_BYTES {
            return Ok((found, None));
        }
    }
    Ok((found, (count < limit).then_some(until)))
}

fn take(row: &Row<'_>) -> rusqlite::Result<Found> {
    Ok((store::place(row.get(0)?), store::opened(row)?))
}
