//! How rows are read: on a connection of its own, read-only but for an outbox.

use std::{
    fs::{File, TryLockError},
    path::PathBuf,
};

use rusqlite::{Connection, params_from_iter, types::Value as Bound, types::ValueRef};
use trunkline_sdk::{Fault, Value};

use super::{Sqlite, blocking};
use crate::source::{Origin, PAGE, PAGE_BYTES, Page, Reading, Row, Span};

/// A connection that reads one relation.
pub(crate) struct Reader {
    /// Out while it works.
    connection: Option<Connection>,
    columns: Vec<String>,
    /// Where the columns of the order stand.
    order: Vec<usize>,
    /// Locked for as long as the outbox is ours.
    lock: Option<File>,
}

impl Sqlite {
    fn open_reader(&self, reading: &Reading) -> Result<Reader, Fault> {
        let connection = self.open()?;
        if !reading.is_outbox() {
            connection
                .pragma_update(None, "query_only", true)
                .map_err(|error| self.at_open(error))?;
        }
        let columns: Vec<_> = connection
            .prepare(&reading.probe())
            .map_err(|error| self.at_prepare(error, reading.word()))?
            .column_names()
            .map(str::to_owned)
            .collect();
        Ok(Reader {
            connection: Some(connection),
            order: reading.places(&columns)?,
            columns,
            lock: None,
        })
    }

    fn next_page(&self, connection: &Connection, asked: &Question) -> Result<Page, Fault> {
        let mut statement = connection
            .prepare_cached(&asked.text)
            .map_err(|error| self.at_prepare(error, asked.word))?;
        let mut rows = statement
            .query(params_from_iter(&asked.values))
            .map_err(|error| self.at_prepare(error, asked.word))?;
        let mut page = Page::default();
        let mut bytes = 0;
        while let Some(row) = rows.next().map_err(|error| self.at_prepare(error, asked.word))? {
            let values = (0..asked.columns)
                .map(|at| {
                    let value = row.get_ref(at).map_err(|error| self.at_open(error))?;
                    bytes += value.as_bytes_or_null().ok().flatten().map_or(8, <[u8]>::len);
                    Ok(read(value))
                })
                .collect::<Result<Vec<_>, Fault>>()?;
            let mark = asked.order.iter().map(|at| values[*at].clone());
            page.rows.push(Row {
                mark: mark.collect(),
                values,
                unreadable: None,
            });
            page.has_more = page.rows.len() == PAGE || bytes >= PAGE_BYTES;
            if page.has_more {
                break;
            }
        }
        Ok(page)
    }

    /// The file whose lock is that of an outbox, beside the database.
    fn lock_path(&self, table: &str) -> PathBuf {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let mut name = self.path.clone().into_os_string();
        if table.chars().all(is_plain) {
            name.push(format!("-{table}.lock"));
        } else {
            let hash = blake3::hash(table.as_bytes()).to_hex();
            name.push(format!("-{}.lock", &hash[..16]));
        }
        PathBuf::from(name)
    }

    /// Does something with the connection, which is lost if it is broken off.
    async fn with<T: Send + 'static>(
        reader: &mut Reader,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let Some(connection) = reader.connection.take() else {
            return Err(Fault::reopen("the reading of the SQLite file was broken off"));
        };
        let (connection, result) = blocking(move || {
            let result = work(&connection);
            (connection, result)
        })
        .await?;
        reader.connection = Some(connection);
        result
    }
}

/// What is asked, with all that it takes.
struct Question {
    text: String,
    values: Vec<Bound>,
    columns: usize,
    order: Vec<usize>,
    word: &'static str,
}

/// The value, for a mapping and as SQLite takes it back: it has few types, and tells them by themselves.
fn read(value: ValueRef<'_>) -> Value<'static> {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Number(number.to_string().into()),
        // The fewest digits that are this number again, and no other.
        ValueRef::Real(number) if number.is_finite() => Value::Number(format!("{number:?}").into()),
        ValueRef::Real(number) => Value::Text(number.to_string().into()),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Value::Text(text.to_owned().into()),
            Err(_) => Value::Bytes(bytes.to_vec().into()),
        },
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec().into()),
    }
}

/// A value of a mark, as the database gave it.
fn bound(value: &Value<'static>) -> Bound {
    match value {
        Value::Number(digits) => match (digits.parse(), digits.parse()) {
            (Ok(integer), _) => Bound::Integer(integer),
            (_, Ok(real)) => Bound::Real(real),
            _ => Bound::Text(digits.to_string()),
        },
        Value::Text(text) => Bound::Text(text.to_string()),
        Value::Bytes(bytes) => Bound::Blob(bytes.to_vec()),
        _ => Bound::Null,
    }
}

impl Origin for Sqlite {
    type Reader = Reader;

    async fn read(&self, reading: &Reading) -> Result<Reader, Fault> {
        let (database, reading) = (self.clone(), reading.clone());
        blocking(move || database.open_reader(&reading)).await?
    }

    fn columns(reader: &Reader) -> &[String] {
        &reader.columns
    }

    async fn page(&self, reader: &mut Reader, reading: &Reading, span: Span<'_>) -> Result<Page, Fault> {
        let asked = reading.page("*", &reader.columns, span);
        let values: Vec<_> = [span.after, span.until].into_iter().flatten().flatten().collect();
        let question = Question {
            values: asked.places.iter().map(|place| bound(values[*place])).collect(),
            text: asked.text,
            columns: reader.columns.len(),
            order: reader.order.clone(),
            word: reading.word(),
        };
        let database = self.clone();
        Self::with(reader, move |connection| {
            database.next_page(connection, &question)
        })
        .await
    }

    /// By a lock on a file: whoever holds it is alive.
    async fn lease(&self, reader: &mut Reader, reading: &Reading) -> Result<bool, Fault> {
        let path = self.lock_path(reading.name());
        let cannot = |error: std::io::Error| {
            Fault::stop("the lock file of the outbox cannot be opened beside the database")
                .hint("the user that runs Trunkline must be allowed to write that folder")
                .because(error)
        };
        let file = blocking(move || {
            let file = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&path)
                .map_err(cannot)?;
            match file.try_lock() {
                Ok(()) => Ok(Some(file)),
                Err(TryLockError::WouldBlock) => Ok(None),
                Err(TryLockError::Error(error)) => Err(cannot(error)),
            }
        });
        reader.lock = file.await??;
        Ok(reader.lock.is_some())
    }

    async fn finish(
        &self,
        reader: &mut Reader,
        reading: &Reading,
        ids: &[Value<'static>],
    ) -> Result<(), Fault> {
        let text = reading.finish(&reader.columns, ids.len());
        let values: Vec<_> = ids.iter().map(bound).collect();
        let (database, word) = (self.clone(), reading.word());
        Self::with(reader, move |connection| {
            let changed = connection.execute(&text, params_from_iter(&values));
            changed
                .map(drop)
                .map_err(|error| database.at_prepare(error, word))
        })
        .await
    }
}
