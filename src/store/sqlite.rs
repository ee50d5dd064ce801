//! A store in one SQLite file, `state.db`: for the processes of one host.
//!
//! Promises: saved is durable (`synchronous=FULL`); several processes may share the file. Not promised:
//! anything on a network file system.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OptionalExtension, TransactionBehavior};
use trunkline_sdk::Fault;

use super::{StateStore, sqlite_references};
use crate::bus::{Memo, MemoKey, StateKey};

/// Its file.
const FILE: &str = "state.db";

/// How long to wait for another process that is writing.
const BUSY: Duration = Duration::from_secs(5);

/// What flows remember, until when in milliseconds since 1970.
const MEMORY: &str = "
    CREATE TABLE IF NOT EXISTS memory (
        key TEXT PRIMARY KEY, value BLOB NOT NULL, until INTEGER NOT NULL
    ) WITHOUT ROWID, STRICT;
    CREATE INDEX IF NOT EXISTS memory_until ON memory (until);";

/// How many are forgotten with each that is remembered, so that none is left behind.
const FORGET: usize = 4;

/// How long between two attempts to open it.
const TURN: Duration = Duration::from_millis(10);

/// The store.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl SqliteStore {
    /// Whether there is a store in this folder.
    pub fn is_in(folder: &Path) -> bool {
        folder.join(FILE).exists()
    }

    /// Opens the store of a folder; makes both if they are not there.
    pub fn open(folder: &Path) -> Result<Self, Fault> {
        std::fs::create_dir_all(folder).map_err(|error| {
            Fault::stop(format!(
                "the store's folder `{}` cannot be made: {error}",
                folder.display()
            ))
            .hint("make it, or name another with `store:`")
        })?;
        let path = folder.join(FILE);
        let connect = || {
            let connection = Connection::open(&path)?;
            connection.busy_timeout(BUSY)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.execute_batch(
                "CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID, STRICT",
            )?;
            connection.execute_batch(sqlite_references::TABLES)?;
            connection.execute_batch(MEMORY)?;
            Ok(connection)
        };
        let since = Instant::now();
        let connection = loop {
            match connect() {
                Ok(connection) => break connection,
                // SQLite does not wait by itself while another process makes the file, or turns it to WAL.
                Err(error) if is_busy(&error) && since.elapsed() < BUSY => thread::sleep(TURN),
                Err(error) => return Err(unopened(&path, &error)),
            }
        };
        Ok(Self {
            path,
            connection: Mutex::new(connection),
        })
    }

    pub(super) fn with<T>(
        &self,
        act: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Fault> {
        // A panic in between left no half state: the transaction was rolled back.
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        act(&mut connection).map_err(|error| {
            Fault::retry(format!(
                "the store `{}` did not answer: {error}",
                self.path.display()
            ))
            .hint("see that the disk is not full, and that the file may be written")
        })
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn unopened(path: &Path, error: &rusqlite::Error) -> Fault {
    let shown = path.display();
    if is_busy(error) {
        return Fault::reopen(format!("the store `{shown}` is locked by another process"));
    }
    Fault::stop(format!("the store `{shown}` cannot be opened: {error}"))
        .hint("see that the folder may be written, and that the file is a store of ours")
}

impl StateStore for SqliteStore {
    fn load(&self, key: &StateKey) -> Result<Option<Bytes>, Fault> {
        self.with(|connection| {
            connection
                .prepare_cached("SELECT value FROM state WHERE key = ?1")?
                .query_row([key.as_str()], |row| row.get::<_, Vec<u8>>(0))
                .optional()
        })
        .map(|value| value.map(Bytes::from))
    }

    fn save(&self, states: &[(StateKey, Bytes)]) -> Result<(), Fault> {
        self.with(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for (key, value) in states {
                transaction
                    .prepare_cached("INSERT OR REPLACE INTO state (key, value) VALUES (?1, ?2)")?
                    .execute((key.as_str(), &value[..]))?;
            }
            transaction.commit()
        })
    }

    fn recall(&self, key: &MemoKey) -> Result<Option<Bytes>, Fault> {
        self.with(|connection| {
            connection
                .prepare_cached("SELECT value FROM memory WHERE key = ?1 AND until > ?2")?
                .query_row((key.as_str(), Timestamp::now().as_millisecond()), |row| {
                    row.get::<_, Vec<u8>>(0)
                })
                .optional()
        })
        .map(|value| value.map(Bytes::from))
    }

    fn remember(&self, memos: &[Memo]) -> Result<(), Fault> {
        self.with(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for memo in memos {
                let value = (memo.key.as_str(), &memo.value[..], memo.until.as_millisecond());
                transaction
                    .prepare_cached("INSERT OR REPLACE INTO memory (key, value, until) VALUES (?1, ?2, ?3)")?
                    .execute(value)?;
            }
            let most = i64::try_from(memos.len() * FORGET).unwrap_or(i64::MAX);
            transaction
                .prepare_cached(
                    "DELETE FROM memory WHERE key IN (SELECT key FROM memory WHERE until <= ?1 ORDER BY until LIMIT ?2)",
                )?
                .execute((Timestamp::now().as_millisecond(), most))?;
            transaction.commit()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{FlowName, SystemName};

    #[test]
    fn processes_that_start_at_once_share_the_store_they_make() {
        for _ in 0..20 {
            // given
            let folder = tempfile::tempdir().unwrap();
            let start = std::sync::Barrier::new(8);
            // when eight open at once what is not there yet
            let open = || {
                start.wait();
                SqliteStore::open(folder.path()).map(drop)
            };
            let opened: Vec<_> = thread::scope(|scope| {
                let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            // then all have it
            assert!(opened.iter().all(Result::is_ok), "{opened:?}");
        }
    }

    #[test]
    fn what_was_saved_last_is_there_after_reopening() {
        // given
        let folder = tempfile::tempdir().unwrap();
        let key = StateKey::position(&SystemName::new("shop").unwrap(), &FlowName::new("in").unwrap());
        let store = SqliteStore::open(folder.path()).unwrap();
        assert_eq!(store.load(&key).unwrap(), None);
        // when
        let save = |text: &'static str| (key.clone(), Bytes::from_static(text.as_bytes()));
        store.save(&[save("1"), save("2")]).unwrap();
        drop(store);
        // then
        let store = SqliteStore::open(folder.path()).unwrap();
        assert_eq!(store.load(&key).unwrap(), Some(Bytes::from_static(b"2")));
    }

    #[test]
    fn a_file_that_is_no_store_is_refused_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("state.db"),
            "not a database, but long enough to be looked at as one",
        )
        .unwrap();
        let fault = SqliteStore::open(folder.path()).unwrap_err();
        assert!(fault.what.contains("state.db"), "{fault}");
    }
}
