//! The SQLite file: its form, how it is opened, and what its errors mean.
//!
//! A row's id is its queue's number and its place in the queue: one table holds all queues, each in one piece
//! and in order, with no index to keep. Waiting, delayed and parked messages are three tables, so that none
//! is searched for the others; how many a queue has is counted in its row, in the same transaction.

use std::{
    fs::{self, OpenOptions},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Row, config::DbConfig, params};
use trunkline_sdk::Fault;

use super::{
    disk::Disk,
    memory::TABLES as MEMORY,
    row,
    suspects::{self, TABLES as SUSPECTS},
};
use crate::bus::{Parked, ParkedMark, Partition, Takes, envelope::Opened};

pub(super) const NAME: &str = "bus.db";
/// `application_id` of the file: "TRKL".
const APPLICATION: i64 = 0x5452_4b4c;
/// `user_version` of the file: the form described here.
const VERSION: i64 = 4;

/// Bytes of a page of the file.
pub(super) const PAGE: u64 = 8192;

const TABLES: &str = "
    CREATE TABLE channels (name TEXT PRIMARY KEY, type_name TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE queues (
        number INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        channel TEXT,
        takes TEXT NOT NULL DEFAULT 'all',  -- or `unkeyed`, or `3/8`: a partition of the channel
        waiting INTEGER NOT NULL DEFAULT 0,
        delayed INTEGER NOT NULL DEFAULT 0,
        parked INTEGER NOT NULL DEFAULT 0,
        given INTEGER NOT NULL DEFAULT 0   -- no message behind this place was ever given out
    ) STRICT;
    CREATE TABLE waiting (
        id INTEGER PRIMARY KEY, sum INTEGER NOT NULL, envelope TEXT NOT NULL, body BLOB NOT NULL
    ) STRICT;
    CREATE TABLE delayed (
        id INTEGER PRIMARY KEY, sum INTEGER NOT NULL, envelope TEXT NOT NULL, body BLOB NOT NULL,
        due INTEGER NOT NULL               -- milliseconds since 1970
    ) STRICT;
    CREATE INDEX delayed_due ON delayed (due);
    CREATE TABLE parked (
        id INTEGER PRIMARY KEY, sum INTEGER NOT NULL, envelope TEXT NOT NULL, body BLOB NOT NULL
    ) STRICT;
    CREATE TABLE state (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
";

/// What the second form had not.
const TAKES: &str = "ALTER TABLE queues ADD COLUMN takes TEXT NOT NULL DEFAULT 'all';";

/// How long another program may hold a lock on the file.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// The bits of a row's id that are the place; the others are the queue's number.
const PLACE_BITS: u32 = 48;
/// The highest number of a queue.
pub(super) const MOST_QUEUES: u16 = 0x7fff;

/// The id of a row.
pub(super) fn id(queue: u16, place: i64) -> i64 {
    (i64::from(queue) << PLACE_BITS) | place
}

/// The place in a row's id.
pub(super) fn place(id: i64) -> i64 {
    id & ((1 << PLACE_BITS) - 1)
}

/// The queue in a row's id.
pub(super) fn queue(id: i64) -> u16 {
    u16::try_from(id >> PLACE_BITS).expect("numbers of queues are positive and at most 0x7fff")
}

/// How many messages a queue has in each table, or by how many more or fewer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) waiting: i64,
    pub(super) delayed: i64,
    pub(super) parked: i64,
}

/// A queue, as the store knows it.
#[derive(Debug, Clone)]
pub(super) struct StoredQueue {
    pub(super) number: u16,
    pub(super) name: String,
    pub(super) channel: Option<String>,
    pub(super) takes: Takes,
    pub(super) counts: Counts,
    /// The place behind which nothing was ever given out.
    pub(super) given: i64,
    /// The last place that was ever taken, in any table.
    pub(super) last: i64,
}

/// The file with the connection that writes to it.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
}

impl Store {
    /// Opens the file in this folder, or makes it. The folder is locked.
    pub(super) fn open(folder: &Path) -> Result<Self, Fault> {
        let path = Self::path(folder);
        let is_empty = fs::metadata(&path).map_or(true, |file| file.len() < PAGE);
        let log = folder.join(format!("{NAME}-wal"));
        if is_empty && (Disk::was_used(folder) || fs::metadata(log).is_ok_and(|log| log.len() > 0)) {
            return Err(Fault::stop(format!(
                "`{}` is missing or cut short, but a bus was here: its messages would be lost",
                path.display()
            ))
            .hint("restore the file from a backup; or, to begin anew, move its folder away"));
        }
        create_private(&path)?;
        let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let store = Self { connection, path };
        store.recognise()?;
        store.settings().map_err(|error| store.fault(error))?;
        Ok(store)
    }

    /// The file in this folder.
    pub(super) fn path(folder: &Path) -> PathBuf {
        folder.join(NAME)
    }

    /// A second connection to the file, which only reads.
    pub(super) fn reading(&self) -> Result<Connection, Fault> {
        connect(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)
    }

    /// Makes sure that it is our file in our form; fills an empty one.
    fn recognise(&self) -> Result<(), Fault> {
        let number = |pragma| {
            self.connection
                .query_row(pragma, [], |row| row.get::<_, i64>(0))
                .map_err(|error| self.fault(error))
        };
        let path = self.path.display();
        let tables = number("SELECT count(*) FROM sqlite_schema")?;
        let application = number("PRAGMA application_id")?;
        let version = number("PRAGMA user_version")?;
        match (application, version) {
            (0, 0) if tables == 0 => self.fill().map_err(|error| self.fault(error)),
            (APPLICATION, VERSION) => Ok(()),
            (APPLICATION, 1) => self
                .grow(&format!("{SUSPECTS} {TAKES} {MEMORY}"))
                .map_err(|error| self.fault(error)),
            (APPLICATION, 2) => self
                .grow(&format!("{TAKES} {MEMORY}"))
                .map_err(|error| self.fault(error)),
            (APPLICATION, 3) => self.grow(MEMORY).map_err(|error| self.fault(error)),
            (APPLICATION, newer) if newer > VERSION => Err(Fault::stop(format!(
                "`{path}` was written by a newer trunkline: its form is {newer}, this one knows {VERSION}"
            ))
            .hint("run the newer version; it can move the messages to RabbitMQ or to another folder")),
            (APPLICATION, other) => Err(Fault::stop(format!(
                "`{path}` has a form that no trunkline ever wrote: {other}"
            ))
            .hint("restore the file from a backup")),
            _ => Err(
                Fault::stop(format!("`{path}` is a database, but not one of trunkline's"))
                    .hint("choose another folder for the bus"),
            ),
        }
    }

    fn fill(&self) -> rusqlite::Result<()> {
        // These two must come before the first table. Incremental: space can be given back after a drain.
        self.connection.execute_batch(&format!(
            "PRAGMA page_size = {PAGE}; PRAGMA auto_vacuum = INCREMENTAL;"
        ))?;
        wal(&self.connection)?;
        self.connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {TABLES} {SUSPECTS} {MEMORY}
             PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT;"
        ))
    }

    /// From an earlier form to this one.
    fn grow(&self, missing: &str) -> rusqlite::Result<()> {
        self.connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {missing} PRAGMA user_version = {VERSION}; COMMIT;"
        ))
    }

    fn settings(&self) -> rusqlite::Result<()> {
        wal(&self.connection)?;
        self.connection.execute_batch(
            "PRAGMA synchronous = FULL;
             PRAGMA cell_size_check = ON;
             PRAGMA cache_size = -8192;
             PRAGMA temp_store = MEMORY;
             PRAGMA wal_autocheckpoint = 0;
             PRAGMA journal_size_limit = 67108864;",
        )
    }

    /// All queues.
    pub(super) fn queues(&self) -> Result<Vec<StoredQueue>, Fault> {
        self.read_queues().map_err(|error| self.fault(error))
    }

    fn read_queues(&self) -> rusqlite::Result<Vec<StoredQueue>> {
        let mut statement = self
            .connection
            .prepare("SELECT number, name, channel, waiting, delayed, parked, given, takes FROM queues")?;
        let rows = statement.query_map([], |row| {
            let number = row.get(0)?;
            let given: i64 = row.get(6)?;
            Ok(StoredQueue {
                number,
                name: row.get(1)?,
                channel: row.get(2)?,
                takes: takes(row.get_ref(7)?.as_str()?)?,
                counts: Counts {
                    waiting: row.get(3)?,
                    delayed: row.get(4)?,
                    parked: row.get(5)?,
                },
                given,
                last: given.max(self.last_place(number)?),
            })
        })?;
        rows.collect()
    }

    fn last_place(&self, queue: u16) -> rusqlite::Result<i64> {
        let mut last = 0;
        for table in ["waiting", "delayed", "parked"] {
            let sql = format!("SELECT max(id) FROM {table} WHERE id >= ?1 AND id < ?2");
            let highest: Option<i64> = self
                .connection
                .prepare_cached(&sql)?
                .query_row(params![id(queue, 0), after(queue)], |row| row.get(0))?;
            last = last.max(highest.map_or(0, place));
        }
        Ok(last)
    }

    /// All channels with their types.
    pub(super) fn channels(&self) -> Result<Vec<(String, String)>, Fault> {
        let read = || {
            let mut statement = self.connection.prepare("SELECT name, type_name FROM channels")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|error| self.fault(error))
    }

    /// A process begins: no delay is longer than the longest rung, whatever the wall clock was when it began.
    /// Gives the ids of the messages that are to be given out alone.
    pub(super) fn begin(&self, latest: i64) -> Result<Vec<i64>, Fault> {
        let begin = || {
            self.connection
                .execute("UPDATE delayed SET due = ?1 WHERE due > ?1", [latest])?;
            suspects::begin(&self.connection)
        };
        begin().map_err(|error| self.fault(error))
    }

    /// What this error means here.
    pub(super) fn fault(&self, error: rusqlite::Error) -> Fault {
        fault(&self.path, error)
    }
}

/// What a queue takes, as it is stored.
pub(super) fn word(takes: Takes) -> String {
    match takes {
        Takes::All => "all".to_owned(),
        Takes::Partition(Partition { index, of }) => format!("{index}/{of}"),
        Takes::Unkeyed => "unkeyed".to_owned(),
    }
}

/// What a stored word says that a queue takes.
pub(super) fn takes(word: &str) -> rusqlite::Result<Takes> {
    let partition = |word: &str| {
        let (index, of) = word.split_once('/')?;
        let (index, of) = (index.parse().ok()?, of.parse().ok()?);
        (index < of).then_some(Takes::Partition(Partition { index, of }))
    };
    match word {
        "all" => Ok(Takes::All),
        "unkeyed" => Ok(Takes::Unkeyed),
        _ => partition(word).ok_or_else(|| {
            let damaged = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
            rusqlite::Error::SqliteFailure(damaged, None)
        }),
    }
}

/// The first id that does not belong to the queue any more.
pub(super) fn after(queue: u16) -> i64 {
    i64::from(queue)
        .checked_add(1)
        .and_then(|next| next.checked_mul(1 << PLACE_BITS))
        .unwrap_or(i64::MAX)
}

/// The state stored under a key.
pub(super) fn state(connection: &Connection, key: &str) -> rusqlite::Result<Option<Bytes>> {
    connection
        .prepare_cached("SELECT value FROM state WHERE key = ?1")?
        .query_row([key], |row| {
            Ok(Bytes::copy_from_slice(row.get_ref(0)?.as_blob()?))
        })
        .optional()
}

/// What is parked for a queue, oldest first.
pub(super) fn parked(connection: &Connection, queue: u16, limit: usize) -> rusqlite::Result<Vec<Parked>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, sum, envelope, body FROM parked WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT ?3",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![id(queue, 0), after(queue), limit], |row| {
        let opened = opened(row)?;
        Ok(Parked {
            message: opened.message,
            attempt: opened.attempt,
            cause: opened.cause,
            order: opened.order,
        })
    })?;
    rows.collect()
}

/// The marks of all that is parked for a queue.
pub(super) fn parked_marks(connection: &Connection, queue: u16) -> rusqlite::Result<Vec<ParkedMark>> {
    // Not the bodies: they may be large. Without them every message is damaged, but for its attributes.
    let mut statement = connection
        .prepare_cached("SELECT sum, envelope FROM parked WHERE id >= ?1 AND id < ?2 ORDER BY id")?;
    let rows = statement.query_map(params![id(queue, 0), after(queue)], |row| {
        let opened = row::open(row.get(0)?, row.get_ref(1)?.as_bytes()?, Bytes::new());
        Ok(ParkedMark {
            id: opened.message.id,
            key: opened.message.key,
            order: opened.order,
        })
    })?;
    rows.collect()
}

/// The message in a row of `id, sum, envelope, body`.
pub(super) fn opened(row: &Row<'_>) -> rusqlite::Result<Opened> {
    // Not as text: a damaged one may be no UTF-8.
    let envelope = row.get_ref(2)?.as_bytes()?;
    let body = Bytes::copy_from_slice(row.get_ref(3)?.as_blob()?);
    Ok(row::open(row.get(1)?, envelope, body))
}

/// What an error of SQLite means, and what is to be done.
pub(super) fn fault(path: &Path, error: rusqlite::Error) -> Fault {
    let path = path.display();
    let code = if is_full(&error) {
        Some(ErrorCode::DiskFull)
    } else {
        error.sqlite_error_code()
    };
    let fault = match code {
        Some(ErrorCode::DiskFull) => Fault::wait(
            format!("the disk that holds `{path}` is full"),
            Duration::from_secs(1),
        )
        .hint("make room on it; nothing that was confirmed is lost"),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Fault::wait(
            format!("another program holds a lock on `{path}`"),
            Duration::from_secs(1),
        )
        .hint("end what has it open: an sqlite3 shell, a backup"),
        Some(ErrorCode::NotADatabase) => Fault::stop(format!("`{path}` is no database, or encrypted"))
            .hint("restore the file from a backup, or choose another folder"),
        Some(ErrorCode::DatabaseCorrupt) => Fault::stop(format!("`{path}` is damaged"))
            .hint("stop, copy the folder, try `sqlite3 bus.db .recover`, and check the disk"),
        Some(ErrorCode::SystemIoFailure) => Fault::stop(format!("the disk fails under `{path}`: {error}"))
            .hint("check the disk and start again: what was confirmed before is on it"),
        Some(ErrorCode::ReadOnly) => Fault::stop(format!("`{path}` cannot be written"))
            .hint("give the user that runs trunkline the right to write to the folder and its files"),
        Some(ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            Fault::stop(format!("`{path}` cannot be opened"))
                .hint("give the user that runs trunkline the right to write to the folder and its files")
        }
        _ => Fault::stop(format!("`{path}`: {error}")),
    };
    fault.because(error)
}

/// Whether there was no room for it.
pub(super) fn is_full(error: &rusqlite::Error) -> bool {
    // The index of the log lies in a file of its own, whose growth fails by another name.
    let index_full = error
        .sqlite_error()
        .is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE);
    index_full || error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

fn connect(path: &Path, access: OpenFlags) -> Result<Connection, Fault> {
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|error| fault(path, error))?;
    connection
        .busy_timeout(BUSY)
        .map_err(|error| fault(path, error))?;
    // On a full disk it would take the last room and not come to an end: the writer knows when it can be done.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .map_err(|error| fault(path, error))?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

fn wal(connection: &Connection) -> rusqlite::Result<()> {
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode == "wal" {
        return Ok(());
    }
    Err(rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN),
        Some("its file system has no shared memory".to_owned()),
    ))
}

/// Makes the file readable for its owner only; SQLite gives its other files the same rights.
fn create_private(path: &Path) -> Result<(), Fault> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(Fault::stop(format!("cannot make `{}`: {error}", path.display()))
            .hint("give the user that runs trunkline the right to write to the folder")
            .because(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_queue_takes_is_read_as_it_was_stored() {
        let partition = Partition { index: 3, of: 8 };
        for stored in [Takes::All, Takes::Unkeyed, Takes::Partition(partition)] {
            assert_eq!(takes(&word(stored)).unwrap(), stored);
        }
        for damaged in ["", "8/8", "x/8", "3/"] {
            assert!(takes(damaged).is_err(), "{damaged}");
        }
    }

    #[test]
    fn a_row_id_is_a_queue_and_a_place() {
        let last = id(MOST_QUEUES, 17);
        assert_eq!((queue(last), place(last)), (MOST_QUEUES, 17));
        assert!(id(MOST_QUEUES - 1, 17) < id(MOST_QUEUES, 0));
        assert!(last < after(MOST_QUEUES));
        assert_eq!(after(3), id(4, 0));
    }
}
