//! A store in one SQLite file, `state.db`: for the processes of one host.
//!
//! Promises: saved is durable (`synchronous=FULL`); several processes may share the file. Not promised:
//! anything on a network file system.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use trunkline_sdk::Fault;

use super::StateStore;
use crate::bus::StateKey;

/// How long to wait for another process that is writing.
const BUSY: Duration = Duration::from_secs(5);

/// The store.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl SqliteStore {
    /// Opens the store of a folder; makes both if they are not there.
    pub fn open(folder: &Path) -> Result<Self, Fault> {
        std::fs::create_dir_all(folder).map_err(|error| {
            Fault::stop(format!(
                "the store's folder `{}` cannot be made: {error}",
                folder.display()
            ))
            .hint("make it, or name another with `store:`")
        })?;
        let path = folder.join("state.db");
        let connect = || {
            let connection = Connection::open(&path)?;
            connection.busy_timeout(BUSY)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.execute_batch(
                "CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID, STRICT",
            )?;
            Ok(connection)
        };
        let connection = connect().map_err(|error: rusqlite::Error| {
            Fault::stop(format!(
                "the store `{}` cannot be opened: {error}",
                path.display()
            ))
            .hint("see that the folder may be written, and that the file is a store of ours")
        })?;
        Ok(Self {
            path,
            connection: Mutex::new(connection),
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T, Fault> {
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{FlowName, SystemName};

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
