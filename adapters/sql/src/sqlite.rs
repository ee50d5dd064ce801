//! SQLite: one connection per sink, on tokio's threads for blocking work.
//!
//! Promises: what is answered as applied is on the disk (`synchronous=FULL`). The file is created only where
//! `create` says how: a mistyped path must not become an empty database.

use std::{
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
    process,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use rusqlite::{
    Connection, Error, ErrorCode, OpenFlags, TransactionBehavior, ffi, params_from_iter,
    types::Value as Bound,
};
use trunkline_formats::json;
use trunkline_sdk::{Fault, Remedy, Value};

use crate::{
    sink::{Database, Halt, Job, Unit, inbox_table},
    statement::Parameter,
};

pub(crate) const INBOX: &str = inbox_table!("text NOT NULL DEFAULT CURRENT_TIMESTAMP");
const CLAIM: &str = "INSERT INTO trunkline_inbox (flow, message_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING";

/// A database file.
#[derive(Debug, Clone)]
pub(crate) struct Sqlite {
    path: PathBuf,
    /// The path as the user wrote it, for faults.
    shown: String,
    timeout: Duration,
}

impl Sqlite {
    /// The database at this path; where there is none it is made by the SQL in the file `create`.
    ///
    /// Faults: `Stop` when there is no such file, or it cannot be made.
    pub(crate) fn new(
        path: &Path,
        create: Option<&str>,
        home: &Path,
        timeout: Duration,
    ) -> Result<Self, Fault> {
        let shown = path.display().to_string();
        let path = home.join(path);
        let database = Self { path, shown, timeout };
        if database.path.is_file() {
            return Ok(database);
        }
        match create {
            Some(create) => database.create(create, &home.join(create))?,
            None => {
                return Err(Fault::stop(format!("there is no database file `{}`", database.shown)).hint(
                    "create it with its tables first, as `sqlite3 FILE < schema.sql`, or name that file in `create`; \
                     paths are looked up from the landscape's folder",
                ));
            }
        }
        Ok(database)
    }

    /// Makes the database under another name first: it is whole when it is seen. Of several that do so at once
    /// one wins, and none replaces what another has begun to use.
    fn create(&self, shown: &str, statements: &Path) -> Result<(), Fault> {
        let statements = fs::read_to_string(statements).map_err(|error| {
            Fault::stop(format!("the file `{shown}` of `create` cannot be read: {error}"))
        })?;
        let cannot =
            |what: String| Fault::stop(format!("the database `{}` cannot be made: {what}", self.shown));
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let part = self
            .path
            .with_extension(format!("{}-{number}.part", process::id()));
        let io = |error: io::Error| cannot(error.to_string());
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(io)?;
        }
        // What is left of an attempt that was cut short.
        if part.exists() {
            fs::remove_file(&part).map_err(io)?;
        }
        let make = || {
            let connection = Connection::open(&part)?;
            connection.execute_batch(&statements)?;
            connection.close().map_err(|(_, error)| error)
        };
        let made = make()
            .map_err(|error: Error| cannot(error.to_string()).hint(format!("mend `{shown}`")))
            .and_then(|()| match fs::hard_link(&part, &self.path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(io(error)),
                _ => Ok(()),
            });
        // What stays behind if this fails is in nobody's way.
        let _ = fs::remove_file(&part);
        made
    }

    fn open(&self) -> Result<Connection, Fault> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || {
            let connection = Connection::open_with_flags(&self.path, flags)?;
            connection.busy_timeout(self.timeout)?;
            // Where WAL cannot be had (a network share) SQLite stays with its journal, and that is sound too.
            connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "foreign_keys", true)?;
            Ok(connection)
        };
        open().map_err(|error| self.at_open(error))
    }

    /// A connection with its inbox, on which the statement was prepared once.
    fn prepare(&self, job: &Job) -> Result<Connection, Fault> {
        let connection = self.open()?;
        let has_inbox = connection
            .query_row(
                "SELECT count(*) FROM sqlite_schema WHERE name = 'trunkline_inbox'",
                [],
                |row| row.get::<_, i64>(0),
            )
            .map_err(|error| self.at_open(error))?;
        if has_inbox == 0 {
            connection.execute_batch(INBOX).map_err(|error| {
                let fault = self.at_open(error);
                Fault {
                    what: format!("the table `trunkline_inbox` cannot be created: {}", fault.what),
                    ..fault
                }
                .hint(format!("create it by hand: {INBOX}"))
            })?;
        }
        let parameters = connection
            .prepare_cached(&job.statement.text)
            .map_err(|error| self.at_prepare(error))?
            .parameter_count();
        if parameters == job.statement.parameters.len() {
            Ok(connection)
        } else {
            Err(
                Fault::stop("SQLite sees other parameters in the statement than Trunkline")
                    .hint("write parameters as `:name` only"),
            )
        }
    }

    /// An error before any message was at hand: its message can quote only the settings and the schema.
    fn at_open(&self, error: Error) -> Fault {
        let fault = classify(&error, &self.shown);
        let fault = match fault.remedy {
            Remedy::DeadLetter => Fault {
                remedy: Remedy::Stop,
                ..fault
            },
            // Locked, at the moment of opening: it is there, but not for us yet.
            Remedy::Retry => Fault {
                remedy: Remedy::Reopen,
                ..fault
            },
            _ => fault,
        };
        fault.because(error)
    }

    fn at_prepare(&self, error: Error) -> Fault {
        match &error {
            Error::SqliteFailure(failure, Some(message)) if failure.code == ErrorCode::Unknown => {
                Fault::stop(format!("SQLite refuses the statement: {message}"))
                    .hint(format!("mend `statement`, or the tables in `{}`", self.shown))
                    .because(error)
            }
            Error::SqlInputError { msg, offset, .. } => Fault::stop(format!(
                "SQLite refuses the statement at character {offset}: {msg}"
            ))
            .hint(format!("mend `statement`, or the tables in `{}`", self.shown))
            .because(error),
            _ => self.at_open(error),
        }
    }

    /// An error of one statement, with a message's values bound to it.
    fn at_run(&self, connection: &Connection, job: &Job, error: Error) -> Fault {
        let is_general = matches!(&error, Error::SqliteFailure(failure, _) if failure.code == ErrorCode::Unknown)
            || matches!(error, Error::SqlInputError { .. });
        if is_general {
            // The general code means a table that is gone as well as a value that a function cannot take.
            if let Err(error) = connection.prepare(&job.statement.text) {
                return self.at_prepare(error);
            }
        }
        classify(&error, &self.shown).because(error)
    }

    fn run(
        &self,
        connection: &mut Connection,
        job: &Job,
        units: &[Unit<Bound>],
        range: Range<usize>,
    ) -> Result<Vec<bool>, Halt> {
        // IMMEDIATE: waits for the write lock here, where nothing is lost yet, and not in the middle.
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|error| Halt::All(classify(&error, &self.shown).because(error)))?;
        let mut is_new = Vec::new();
        for unit in range {
            for (at, part) in units[unit].iter().enumerate() {
                let claimed = transaction
                    .prepare_cached(CLAIM)
                    .and_then(|mut claim| claim.execute((&job.flow, &part.message_id)))
                    .map_err(|error| Halt::All(self.without_inbox(error)))?;
                is_new.push(claimed == 1);
                if claimed == 0 {
                    continue;
                }
                let done = execute(&transaction, &job.statement.text, &part.values)
                    .map_err(|error| self.at_run(&transaction, job, error))
                    .and_then(|changed| job.check_rows(changed));
                if let Err(fault) = done {
                    let then = fault.remedy.into();
                    return Err(Halt::Part {
                        unit,
                        part: at,
                        fault,
                        then,
                    });
                }
            }
        }
        match transaction.commit() {
            Ok(()) => Ok(is_new),
            Err(error) => {
                let fault = classify(&error, &self.shown).because(error);
                Err(match fault.remedy {
                    Remedy::DeadLetter => Halt::Commit(fault),
                    _ => Halt::All(fault),
                })
            }
        }
    }

    fn without_inbox(&self, error: Error) -> Fault {
        let fault = classify(&error, &self.shown);
        match fault.remedy {
            Remedy::DeadLetter => Fault::stop("the table `trunkline_inbox` does not take a row")
                .hint(format!("make it as it was: {INBOX}")),
            _ => fault,
        }
        .because(error)
    }
}

/// Runs a statement to its end; what it returns is dropped. Returns the number of rows it changed, or read if
/// it changes none.
fn execute(connection: &Connection, text: &str, values: &[Bound]) -> Result<u64, Error> {
    let mut statement = connection.prepare_cached(text)?;
    let is_read = statement.readonly();
    let mut rows = statement.query(params_from_iter(values))?;
    let mut read = 0;
    while rows.next()?.is_some() {
        read += 1;
    }
    Ok(if is_read { read } else { connection.changes() })
}

impl Database for Sqlite {
    type Session = Connection;
    type Bound = Bound;

    async fn connect(&self, job: &Job) -> Result<Connection, Fault> {
        let (database, job) = (self.clone(), job.clone());
        blocking(move || database.prepare(&job)).await?
    }

    fn is_alive(_: &Connection) -> bool {
        true
    }

    fn bind(
        _: &Connection,
        _: usize,
        parameter: &Parameter,
        value: &Value<'static>,
    ) -> Result<Bound, String> {
        if parameter.json {
            return Ok(Bound::Text(json::write(value)));
        }
        Ok(match value {
            Value::Null => Bound::Null,
            Value::Bool(value) => Bound::Integer(i64::from(*value)),
            // Other digits stay as they are: the column's affinity says what becomes of them.
            Value::Number(digits) => match digits.parse() {
                Ok(integer) => Bound::Integer(integer),
                Err(_) => Bound::Text(digits.to_string()),
            },
            Value::Text(text) => Bound::Text(text.to_string()),
            Value::Bytes(bytes) => Bound::Blob(bytes.to_vec()),
            Value::List(_) | Value::Object(_) => return Err("a single value, or `json(:name)`".to_owned()),
        })
    }

    async fn together(
        &self,
        mut session: Connection,
        job: &Arc<Job>,
        units: &Arc<Vec<Unit<Bound>>>,
        range: Range<usize>,
    ) -> (Option<Connection>, Result<Vec<bool>, Halt>) {
        let (database, job, units) = (self.clone(), Arc::clone(job), Arc::clone(units));
        let done = blocking(move || {
            let result = database.run(&mut session, &job, &units, range);
            // Dropping a transaction rolls it back; where even that failed the connection is of no more use.
            let session = session.is_autocommit().then_some(session);
            (session, result)
        });
        match done.await {
            Ok(done) => done,
            Err(fault) => (None, Err(Halt::All(fault))),
        }
    }

    async fn version(&self) -> Result<String, Fault> {
        let database = self.clone();
        blocking(move || {
            let connection = database.open()?;
            let tables: i64 = connection
                .query_row(
                    "SELECT count(*) FROM sqlite_schema WHERE type = 'table'",
                    [],
                    |row| row.get(0),
                )
                .map_err(|error| database.at_open(error))?;
            Ok(format!(
                "SQLite {}, `{}`, {tables} tables",
                rusqlite::version(),
                database.shown
            ))
        })
        .await?
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Fault::retry("the work on the SQLite file was broken off").because(error))
}

/// What is to be done about an error. Never quotes what could hold a value.
fn classify(error: &Error, file: &str) -> Fault {
    let Error::SqliteFailure(failure, message) = error else {
        return Fault::dead_letter("SQLite cannot take the values of the message");
    };
    match failure.code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            Fault::retry(format!("`{file}` is locked by another program"))
                .hint("find what keeps a transaction open, or raise `timeout`")
        }
        ErrorCode::SchemaChanged
        | ErrorCode::OperationInterrupted
        | ErrorCode::OperationAborted
        | ErrorCode::OutOfMemory => Fault::retry(format!(
            "SQLite broke the statement off ({})",
            failure.extended_code
        )),
        ErrorCode::DiskFull => {
            Fault::stop(format!("the disk of `{file}` is full")).hint("make room, then resume the flow")
        }
        ErrorCode::SystemIoFailure => Fault::stop(format!(
            "`{file}` cannot be read or written ({})",
            failure.extended_code
        ))
        .hint("look at the disk and the system's log before you resume the flow"),
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
            Fault::stop(format!("`{file}` is damaged, or no SQLite database"))
                .hint("restore it from a backup")
        }
        ErrorCode::ReadOnly
        | ErrorCode::CannotOpen
        | ErrorCode::PermissionDenied
        | ErrorCode::AuthorizationForStatementDenied => {
            Fault::stop(format!("`{file}` cannot be opened for writing"))
                .hint("the user that runs Trunkline must be allowed to write the file and its folder")
        }
        ErrorCode::ConstraintViolation => {
            Fault::dead_letter(constraint(failure.extended_code, message.as_deref()))
        }
        ErrorCode::TypeMismatch => Fault::dead_letter("a value is of a kind that its column does not take"),
        ErrorCode::TooBig => Fault::dead_letter("a value is larger than SQLite takes"),
        _ => Fault::dead_letter(format!(
            "SQLite cannot apply the statement to the values of the message ({})",
            failure.extended_code
        )),
    }
}

fn constraint(code: i32, message: Option<&str>) -> String {
    match (code, message) {
        // What a trigger says is put together by its author, maybe of values.
        (ffi::SQLITE_CONSTRAINT_TRIGGER, _) | (_, None) => {
            format!("a trigger or constraint refused the row ({code})")
        }
        // The others name constraints, tables and columns.
        (_, Some(message)) => format!("a constraint refused the row: {message} ({code})"),
    }
}
