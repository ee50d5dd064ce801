//! What flows remember, in the bus's own file: written with the hop that settles the message.

use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use crate::bus::{Memo, MemoKey};

pub(super) const TABLES: &str = "
    CREATE TABLE memory (
        key TEXT PRIMARY KEY,
        value BLOB NOT NULL,
        until INTEGER NOT NULL             -- milliseconds since 1970
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX memory_until ON memory (until);
";

/// How many are forgotten with each that is remembered, so that none is left behind.
const FORGET: i64 = 4;

/// What is remembered about a key.
pub(super) fn recall(connection: &Connection, key: &MemoKey) -> rusqlite::Result<Option<Bytes>> {
    connection
        .prepare_cached("SELECT value FROM memory WHERE key = ?1 AND until > ?2")?
        .query_row(params![key.as_str(), Timestamp::now().as_millisecond()], |row| {
            Ok(Bytes::copy_from_slice(row.get_ref(0)?.as_blob()?))
        })
        .optional()
}

/// Remembers, and forgets some of what is due.
pub(super) fn keep(connection: &Connection, memo: &Memo) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO memory (key, value, until) VALUES (?1, ?2, ?3)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value, until = excluded.until",
        )?
        .execute(params![
            memo.key.as_str(),
            &memo.value[..],
            memo.until.as_millisecond()
        ])?;
    connection
        .prepare_cached(
            "DELETE FROM memory WHERE key IN (SELECT key FROM memory WHERE until <= ?1 ORDER BY until LIMIT ?2)",
        )?
        .execute([Timestamp::now().as_millisecond(), FORGET])?;
    Ok(())
}
