//! Messages that were in somebody's hands when their process died.
//!
//! A kill takes everything with it that was given out, so that a message is no suspect after one. After
//! [`DEATHS`] of them it is given out alone: no other suspect, and nothing else of its queue is under way, and
//! the store says so before. If the process dies then as well, the message is parked.
//!
//! A process that closes the bus in good order counts for nothing.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{row::Sealed, store};
use crate::{
    bus::{Cause, envelope::Envelope},
    names::QueueName,
};

/// After how many deaths a message is given out alone.
const DEATHS: i64 = 5;

pub(super) const TABLES: &str = "
    CREATE TABLE suspects (
        id INTEGER PRIMARY KEY,            -- as in `waiting`
        deaths INTEGER NOT NULL,           -- how many processes died while it may have been given out
        alone INTEGER NOT NULL DEFAULT 0   -- 1: it is given out alone
    ) STRICT;
    CREATE TABLE process (running INTEGER NOT NULL) STRICT;
    INSERT INTO process (running) VALUES (0);
";

/// A process begins. If the last one died, what it may have given out is counted, and what it had alone is
/// parked. Gives the ids of those that are to be given out alone.
pub(super) fn begin(connection: &Connection) -> rusqlite::Result<Vec<i64>> {
    let transaction = connection.unchecked_transaction()?;
    let died = transaction.query_row("SELECT running FROM process", [], |row| row.get::<_, bool>(0))?;
    transaction.execute("UPDATE process SET running = 1 WHERE running = 0", [])?;
    transaction.execute(
        "DELETE FROM suspects WHERE id NOT IN (SELECT id FROM waiting)",
        [],
    )?;
    if died {
        count(&transaction)?;
        park(&transaction)?;
    }
    transaction.execute("UPDATE suspects SET alone = 0 WHERE alone = 1", [])?;
    let suspects = transaction
        .prepare("SELECT id FROM suspects WHERE deaths >= ?1")?
        .query_map([DEATHS], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    transaction.commit()?;
    Ok(suspects)
}

/// A process ends in good order.
pub(super) fn end(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("UPDATE process SET running = 0", [])?;
    Ok(())
}

/// This message, or none, is given out alone from now on.
pub(super) fn mark(connection: &Connection, id: Option<i64>) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE suspects SET alone = (id IS ?1) WHERE alone = 1 OR id IS ?1")?
        .execute([id])?;
    Ok(())
}

fn count(connection: &Connection) -> rusqlite::Result<()> {
    let marks: Vec<(u16, i64)> = connection
        .prepare("SELECT number, given FROM queues")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut count = connection.prepare(
        "INSERT INTO suspects (id, deaths) SELECT id, 1 FROM waiting WHERE id > ?1 AND id <= ?2
         ON CONFLICT (id) DO UPDATE SET deaths = deaths + 1",
    )?;
    for (queue, given) in marks {
        count.execute([store::id(queue, 0), store::id(queue, given)])?;
    }
    Ok(())
}

fn park(connection: &Connection) -> rusqlite::Result<()> {
    let alone: Vec<(i64, i64)> = connection
        .prepare("SELECT id, deaths FROM suspects WHERE alone = 1")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (id, deaths) in alone {
        let queue = store::queue(id);
        let name: String = connection
            .prepare_cached("SELECT name FROM queues WHERE number = ?1")?
            .query_row([queue], |row| row.get(0))?;
        let opened = connection
            .prepare_cached("SELECT id, sum, envelope, body FROM waiting WHERE id = ?1")?
            .query_row([id], store::opened)?;
        let cause = cause(&name, deaths);
        let sealed = Sealed::seal(Envelope::seal(
            &opened.message,
            opened.attempt,
            Some(&cause),
            None,
        ));
        connection
            .prepare_cached("INSERT INTO parked (id, sum, envelope, body) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![id, sealed.sum, sealed.envelope, &sealed.body[..]])?;
        connection
            .prepare_cached("DELETE FROM waiting WHERE id = ?1")?
            .execute([id])?;
        connection
            .prepare_cached("UPDATE queues SET waiting = waiting - 1, parked = parked + 1 WHERE number = ?1")?
            .execute([queue])?;
    }
    Ok(())
}

fn cause(queue: &str, deaths: i64) -> Cause {
    Cause {
        what: format!("the process died {deaths} times while it worked on this message"),
        hint: Some(
            "look for the end of the process in its log and the system's; replay the message when that is mended"
                .to_owned(),
        ),
        flow: QueueName::stored(queue).flow(),
        step: "process".to_owned(),
        at: Timestamp::now(),
    }
}
