//! MariaDB, and MySQL, which speaks the same protocol: one connection per sink.
//!
//! Promises: what is answered as applied is committed; a value that does not fit is refused and never cut (strict
//! mode, whatever the server is set to); no wait is without end; TLS that was asked for is had, and verified.
//! Not promised: that a commit is flushed, which `innodb_flush_log_at_trx_commit` of the server says; nor effect
//! together with its id in a table that has no transactions (MyISAM).

mod cell;
mod fault;
mod parameter;
mod reader;

use std::{future::Future, ops::Range, path::Path, sync::Arc, time::Duration};

use futures_util::StreamExt;
use mysql_async::{
    Conn, Error, Opts, OptsBuilder, Params, Row, SslOpts, Statement, Value as Bound, consts::StatusFlags,
    prelude::Queryable,
};
use trunkline_sdk::{Fault, Remedy, Value, tls};

use crate::{
    sink::{Database, Halt, Job, Part, Then, Unit},
    statement::Parameter,
};

/// How much longer than its own timeouts a server may take to answer before it counts as gone.
const GRACE: Duration = Duration::from_secs(5);
/// Ids are told apart byte by byte; the collation of the database might hold `a` for `A`.
const INBOX: &str = "CREATE TABLE IF NOT EXISTS trunkline_inbox (\
     flow varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, \
     message_id varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, \
     applied_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY (flow, message_id)) ENGINE = InnoDB";
/// The grammar that `statement` reads, values that are refused and not cut, times in UTC.
const SESSION: &str = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', \
     time_zone = '+00:00', autocommit = 1";
const ISOLATION: &str = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";

/// A database on a server.
#[derive(Clone)]
pub(crate) struct MariaDb {
    opts: Opts,
    /// Where it is, for faults: without user and password.
    shown: Arc<str>,
    timeout: Duration,
}

/// A connection, ready for the statement of one sink.
pub(crate) struct Session {
    connection: Conn,
    statement: Statement,
    /// It went away under the last transaction.
    is_lost: bool,
}

impl MariaDb {
    pub(crate) fn new(opts: &OptsBuilder, shown: String, timeout: Duration) -> Self {
        let opts = opts
            .clone()
            // What an UPDATE finds counts, not only what it changes, as in other databases.
            .client_found_rows(true)
            .prefer_socket(false)
            .tcp_keepalive(Some(Duration::from_secs(30)));
        Self {
            opts: opts.into(),
            shown: shown.into(),
            timeout,
        }
    }

    /// The server ends each statement after `timeout`; a longer silence is the network's.
    async fn patiently<T>(&self, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
        match tokio::time::timeout(self.timeout + GRACE, answer).await {
            Ok(answer) => answer.map_err(Failure::Refused),
            Err(_) => Err(Failure::Silent(self.silent())),
        }
    }

    fn silent(&self) -> Fault {
        Fault::reopen(format!("MariaDB at `{}` does not answer", self.shown))
            .hint("is it reachable, and is it alive?")
    }

    /// Connects, and limits all waits.
    async fn connection(&self) -> Result<Conn, Fault> {
        let open = async {
            let mut connection = Conn::new(self.opts.clone()).await?;
            let version: Option<String> = connection.query_first("SELECT VERSION()").await?;
            let seconds = self.timeout.as_secs_f64();
            let limit = if version.is_some_and(|version| version.contains("MariaDB")) {
                format!("max_statement_time = {seconds}")
            } else {
                format!("max_execution_time = {}", self.timeout.as_millis())
            };
            let lock = self.timeout.as_secs().max(1);
            connection
                .query_drop(format!("{SESSION}, innodb_lock_wait_timeout = {lock}, {limit}"))
                .await?;
            connection.query_drop(ISOLATION).await?;
            Ok(connection)
        };
        self.patiently(open)
            .await
            .map_err(|failure| self.at_open(failure, None))
    }

    async fn prepare(&self, job: &Job) -> Result<Session, Fault> {
        let mut connection = self.connection().await?;
        let there = self
            .patiently(connection.query_drop("SELECT flow, message_id FROM trunkline_inbox LIMIT 0"))
            .await;
        match there {
            Err(Failure::Refused(error)) if fault::is_missing_table(&error) => {
                let made = self.patiently(connection.query_drop(INBOX)).await;
                made.map_err(|failure| self.without_inbox(failure))?;
            }
            there => there.map_err(|failure| self.without_inbox(failure))?,
        }
        let statement = self
            .patiently(connection.prep(job.statement.text.as_str()))
            .await
            .map_err(|failure| self.at_open(failure, Some("statement")))?;
        if usize::from(statement.num_params()) != job.statement.places.len() {
            return Err(
                Fault::stop("MariaDB sees other parameters in the statement than Trunkline")
                    .hint("write parameters as `:name` only"),
            );
        }
        Ok(Session {
            connection,
            statement,
            is_lost: false,
        })
    }

    /// An error before any message was at hand; `option`: the one that holds what was refused.
    fn at_open(&self, failure: Failure, option: Option<&str>) -> Fault {
        let error = match failure {
            Failure::Refused(error) => error,
            Failure::Silent(fault) => return fault,
        };
        if let (Some(option), Some(words)) = (option, fault::about_the_text(&error)) {
            return Fault::stop(format!("`{option}` is refused by MariaDB: {words}"))
                .hint(format!("mend `{option}`, or the tables in `{}`", self.shown))
                .because(error);
        }
        let fault = fault::classify(&error, &self.shown);
        let remedy = match fault.remedy {
            Remedy::DeadLetter => Remedy::Stop,
            Remedy::Retry | Remedy::Wait => Remedy::Reopen,
            remedy => remedy,
        };
        Fault { remedy, ..fault }.because(error)
    }

    fn without_inbox(&self, failure: Failure) -> Fault {
        let fault = self.at_open(failure, None);
        match fault.remedy {
            Remedy::Stop => Fault {
                what: format!(
                    "the table `trunkline_inbox` cannot be created or written: {}",
                    fault.what
                ),
                ..fault
            }
            .hint(format!(
                "have its owner run: {INBOX}; and grant INSERT and SELECT on it to the user of `url`"
            )),
            _ => fault,
        }
    }

    /// Begins a transaction and writes the ids of these parts into the inbox. Returns for each whether it is new.
    async fn claim(
        &self,
        session: &mut Session,
        job: &Job,
        parts: &[&Part<Bound>],
    ) -> Result<Vec<bool>, Halt> {
        let connection = &mut session.connection;
        let refused = |failure| Halt::All(self.without_inbox(failure));
        self.patiently(connection.query_drop("START TRANSACTION"))
            .await
            .map_err(refused)?;
        // One order for all processes: two that claim the same ids wait for each other, and never in a ring.
        let mut order: Vec<_> = (0..parts.len()).collect();
        order.sort_by_key(|at| &parts[*at].message_id);
        let flow = Bound::from(job.flow.as_str());
        let id = |at: &usize| Bound::from(parts[*at].message_id.as_str());
        // Most often all are new, and then one statement says so.
        let rows = vec!["(?, ?)"; parts.len()].join(", ");
        let all = format!("INSERT INTO trunkline_inbox (flow, message_id) VALUES {rows}");
        let values: Vec<_> = order.iter().flat_map(|at| [flow.clone(), id(at)]).collect();
        match self
            .patiently(connection.exec_drop(all, Params::Positional(values)))
            .await
        {
            Ok(()) => return Ok(vec![true; parts.len()]),
            Err(Failure::Refused(error)) if fault::is_duplicate(&error) => {}
            Err(failure) => return Err(self.claim_refused(failure)),
        }
        let mut is_new = vec![false; parts.len()];
        for at in &order {
            let one = "INSERT INTO trunkline_inbox (flow, message_id) VALUES (?, ?)";
            let values = Params::Positional(vec![flow.clone(), id(at)]);
            match self.patiently(connection.exec_drop(one, values)).await {
                Ok(()) => is_new[*at] = true,
                // This statement alone is rolled back.
                Err(Failure::Refused(error)) if fault::is_duplicate(&error) => {}
                Err(failure) => return Err(self.claim_refused(failure)),
            }
        }
        Ok(is_new)
    }

    fn claim_refused(&self, failure: Failure) -> Halt {
        Halt::All(match failure {
            Failure::Refused(error) => {
                let fault = fault::classify(&error, &self.shown);
                match fault.remedy {
                    Remedy::Stop | Remedy::DeadLetter => self.without_inbox(Failure::Refused(error)),
                    _ => fault.because(error),
                }
            }
            Failure::Silent(fault) => fault,
        })
    }

    /// Everything up to the commit; what it leaves open is rolled back by the caller.
    async fn run(
        &self,
        session: &mut Session,
        job: &Job,
        units: &[Unit<Bound>],
        range: Range<usize>,
    ) -> Result<Vec<bool>, Halt> {
        let places = range.flat_map(|unit| (0..units[unit].len()).map(move |part| (unit, part)));
        let places: Vec<_> = places.collect();
        let parts: Vec<_> = places.iter().map(|(unit, part)| &units[*unit][*part]).collect();
        let is_new = self.claim(session, job, &parts).await?;
        for (at, (unit, part)) in places.iter().enumerate().filter(|(at, _)| is_new[*at]) {
            let values = job
                .statement
                .places
                .iter()
                .map(|place| parts[at].values[*place].clone());
            let executed = execute(session, values.collect());
            let (fault, then) = match self.patiently(executed).await {
                Ok(Executed { is_open: false, .. }) => {
                    return Err(Halt::All(
                        Fault::stop("the statement ended the sink's transaction")
                            .hint("leave COMMIT, ROLLBACK and what commits by itself (DDL) out of the procedure that it calls"),
                    ));
                }
                Ok(Executed { rows, .. }) => match job.check_rows(rows) {
                    Ok(()) => continue,
                    Err(fault) => (fault, Then::GoOn),
                },
                Err(Failure::Silent(fault)) => return Err(Halt::All(fault)),
                Err(Failure::Refused(error)) => {
                    let fault = fault::classify(&error, &self.shown);
                    let then = if fault::is_conflict(&error) {
                        Then::TryAlone
                    } else if fault::is_timeout(&error) {
                        Then::Leave
                    } else {
                        fault.remedy.into()
                    };
                    let remedy = fault.remedy;
                    let fault = fault.because(error);
                    if remedy == Remedy::Reopen {
                        return Err(Halt::All(fault));
                    }
                    (fault, then)
                }
            };
            return Err(Halt::Part {
                unit: *unit,
                part: *part,
                fault,
                then,
            });
        }
        match self.patiently(session.connection.query_drop("COMMIT")).await {
            Ok(()) => Ok(is_new),
            Err(Failure::Silent(fault)) => Err(Halt::All(fault)),
            // A commit whose answer is lost may have happened. It is no doubt for long: when the message comes again,
            // the inbox knows.
            Err(Failure::Refused(error)) => {
                let fault = fault::classify(&error, &self.shown);
                let is_lost = fault.remedy == Remedy::Reopen;
                let fault = fault.because(error);
                Err(if is_lost {
                    Halt::All(fault)
                } else {
                    Halt::Commit(fault)
                })
            }
        }
    }
}

/// Why there is no answer.
enum Failure {
    Refused(Error),
    Silent(Fault),
}

/// What a statement has done.
struct Executed {
    rows: u64,
    /// The transaction goes on.
    is_open: bool,
}

/// Runs the statement to its end; rows that it returns are counted, and dropped.
async fn execute(session: &mut Session, values: Vec<Bound>) -> Result<Executed, Error> {
    let Session {
        connection,
        statement,
        ..
    } = session;
    let mut returned = 0;
    {
        let mut rows = connection
            .exec_stream::<Row, _, _>(&*statement, positional(values))
            .await?;
        while let Some(row) = rows.next().await {
            row?;
            returned += 1;
        }
    }
    let is_open = connection
        .last_ok_packet()
        .is_none_or(|ok| ok.status_flags().contains(StatusFlags::SERVER_STATUS_IN_TRANS));
    Ok(Executed {
        rows: if statement.num_columns() > 0 {
            returned
        } else {
            connection.affected_rows()
        },
        is_open,
    })
}

fn positional(values: Vec<Bound>) -> Params {
    if values.is_empty() {
        Params::Empty
    } else {
        Params::Positional(values)
    }
}

/// TLS that verifies certificate and host name. `ca`: a file of root certificates in PEM, instead of Mozilla's.
///
/// Faults: `Stop` when it holds none.
pub(crate) fn tls(ca: Option<&Path>) -> Result<SslOpts, Fault> {
    let Some(ca) = ca else {
        return Ok(SslOpts::default());
    };
    tls::read_roots(ca)?;
    Ok(SslOpts::default()
        .with_disable_built_in_roots(true)
        .with_root_certs(vec![ca.to_owned().into()]))
}

impl Database for MariaDb {
    type Session = Session;
    type Bound = Bound;

    async fn connect(&self, job: &Job) -> Result<Session, Fault> {
        self.prepare(job).await
    }

    fn is_alive(session: &Session) -> bool {
        !session.is_lost
    }

    fn bind(_: &Session, _: usize, parameter: &Parameter, value: &Value<'static>) -> Result<Bound, String> {
        parameter::bind(parameter, value)
    }

    async fn together(
        &self,
        mut session: Session,
        job: &Arc<Job>,
        units: &Arc<Vec<Unit<Bound>>>,
        range: Range<usize>,
    ) -> (Option<Session>, Result<Vec<bool>, Halt>) {
        // A connection that is dropped with a question open may answer it later: then it is given up.
        session.is_lost = true;
        let result = self.run(&mut session, job, units, range).await;
        if result.is_err() {
            let rolled_back = session.connection.query_drop("ROLLBACK");
            if !matches!(tokio::time::timeout(GRACE, rolled_back).await, Ok(Ok(()))) {
                return (None, result);
            }
        }
        session.is_lost = false;
        (Some(session), result)
    }

    async fn version(&self) -> Result<String, Fault> {
        let mut connection = self.connection().await?;
        let asked = connection.query_first::<(String, String), _>("SELECT VERSION(), CURRENT_USER()");
        let answer = self.patiently(asked).await;
        let (version, user) = answer
            .map_err(|failure| self.at_open(failure, None))?
            .unwrap_or_default();
        let name = if version.contains("MariaDB") { "" } else { "MySQL " };
        Ok(format!("{name}{version}, `{}`, as `{user}`", self.shown))
    }
}
