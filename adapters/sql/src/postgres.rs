//! PostgreSQL: one connection per sink, whose requests are pipelined.
//!
//! A batch costs three round trips: begin and claim its ids in the inbox; run the statement for each that is new;
//! commit. Promises: what is answered as applied is committed, and flushed (`synchronous_commit` off is turned on);
//! no wait is without end. Not promised: TLS, which is refused rather than left out in silence.

mod fault;
mod parameter;

use std::{collections::HashSet, future::Future, ops::Range, pin::Pin, sync::Arc, time::Duration};

use futures_util::{
    future::{MaybeDone, join, maybe_done},
    poll,
};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, Error, NoTls, Statement, types::ToSql};
use trunkline_sdk::{Fault, Remedy, Value};

use crate::{
    sink::{Database, Halt, Job, Part, Then, Unit, inbox_table},
    statement::Parameter,
};
use parameter::Bound;

const INBOX: &str = inbox_table!("timestamptz NOT NULL DEFAULT now()");
const CLAIM: &str = "INSERT INTO trunkline_inbox (flow, message_id) SELECT $1, unnest($2::text[]) \
                     ON CONFLICT DO NOTHING RETURNING message_id";
/// Off means that a crash of the server takes back what it has confirmed.
const DURABLE: &str = "SELECT set_config('synchronous_commit', 'on', false) \
                       WHERE current_setting('synchronous_commit') = 'off'";
/// A request that should have been inside a transaction and is not, because its BEGIN was cancelled, must not commit
/// by itself: an id in the inbox without its effect would be a lost message.
const GUARD: &str = "SET default_transaction_read_only = on";
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
/// How much longer than its own timeouts a server may take to answer before it counts as gone.
const GRACE: Duration = Duration::from_secs(5);

/// A database on a server.
#[derive(Clone)]
pub(crate) struct Postgres {
    config: Config,
    /// Where it is, for faults: without user and password.
    shown: Arc<str>,
    timeout: Duration,
}

/// A connection, ready for the statement of one sink.
pub(crate) struct Session {
    client: Client,
    claim: Statement,
    statement: Statement,
    /// Carries the bytes; ends with the session.
    connection: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Postgres {
    pub(crate) fn new(config: &Config, shown: String, timeout: Duration) -> Self {
        let mut config = config.clone();
        config
            .connect_timeout(timeout)
            .keepalives_idle(Duration::from_secs(30))
            .tcp_user_timeout(timeout + GRACE);
        Self {
            config,
            shown: shown.into(),
            timeout,
        }
    }

    async fn client(&self, name: &str) -> Result<(Client, JoinHandle<()>), Fault> {
        let mut config = self.config.clone();
        if config.get_application_name().is_none() {
            config.application_name(name);
        }
        let connecting = tokio::time::timeout(self.timeout + GRACE, config.connect(NoTls));
        let (client, connection) = match connecting.await {
            Ok(connected) => connected.map_err(|error| self.at_connect(error))?,
            Err(_) => return Err(self.silent()),
        };
        let connection = tokio::spawn(async move {
            // Its error comes out of the request that was under way, too.
            let _ = connection.await;
        });
        Ok((client, connection))
    }

    async fn prepare(&self, job: &Job) -> Result<Session, Fault> {
        let (client, connection) = self.client(&format!("trunkline {}", job.flow)).await?;
        let timeout = self.timeout.as_millis();
        let limits = format!(
            "SET statement_timeout = {timeout}; SET lock_timeout = {timeout}; \
             SET idle_in_transaction_session_timeout = {timeout}"
        );
        client
            .batch_execute(&limits)
            .await
            .map_err(|error| self.at_open(error))?;
        client
            .batch_execute(DURABLE)
            .await
            .map_err(|error| self.at_open(error))?;
        self.make_inbox(&client).await?;
        client
            .batch_execute(GUARD)
            .await
            .map_err(|error| self.at_open(error))?;
        let (claim, statement) = join(client.prepare(CLAIM), client.prepare(&job.statement.text)).await;
        let claim = claim.map_err(|error| self.without_inbox(error))?;
        let statement = statement.map_err(|error| self.at_prepare(error))?;
        if statement.params().len() != job.statement.parameters.len() {
            return Err(
                Fault::stop("PostgreSQL sees other parameters in the statement than Trunkline")
                    .hint("write parameters as `:name` only"),
            );
        }
        Ok(Session {
            client,
            claim,
            statement,
            connection,
        })
    }

    /// Creates the inbox if it is missing. Two processes may do so at once: the slower finds it made.
    async fn make_inbox(&self, client: &Client) -> Result<(), Fault> {
        let is_there = async || {
            client
                .query_one("SELECT to_regclass('trunkline_inbox') IS NOT NULL", &[])
                .await
                .and_then(|row| row.try_get::<_, bool>(0))
                .map_err(|error| self.at_open(error))
        };
        if is_there().await? {
            return Ok(());
        }
        match client.batch_execute(INBOX).await {
            Ok(()) => Ok(()),
            Err(_) if is_there().await? => Ok(()),
            Err(error) => Err(self.without_inbox(error)),
        }
    }

    fn without_inbox(&self, error: Error) -> Fault {
        let fault = self.at_open(error);
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

    /// The session could not be had; no message was at hand.
    fn at_connect(&self, error: Error) -> Fault {
        match error.code() {
            Some(_) => self.at_open(error),
            None => Fault::reopen(format!("PostgreSQL at `{}` cannot be reached", self.shown))
                .hint("is it running, and are host and port in `url` right?")
                .because(error),
        }
    }

    fn at_open(&self, error: Error) -> Fault {
        let fault = fault::classify(&error, &self.shown);
        let fault = match fault.remedy {
            Remedy::DeadLetter => Fault {
                remedy: Remedy::Stop,
                ..fault
            },
            Remedy::Retry | Remedy::Wait => Fault {
                remedy: Remedy::Reopen,
                ..fault
            },
            _ => fault,
        };
        fault.because(error)
    }

    /// Here the server's words can quote only the settings.
    fn at_prepare(&self, error: Error) -> Fault {
        match error.as_db_error() {
            Some(refusal) if fault::is_about_the_statement(refusal.code()) => {
                let (message, code) = (refusal.message(), refusal.code().code());
                Fault::stop(format!("PostgreSQL refuses the statement: {message} ({code})"))
                    .hint(format!("mend `statement`, or the tables in `{}`", self.shown))
                    .because(error)
            }
            _ => self.at_open(error),
        }
    }

    /// The server ends each statement after `timeout`; a longer silence is the network's.
    async fn patiently<T>(&self, answer: impl Future<Output = T>) -> Result<T, Halt> {
        tokio::time::timeout(self.timeout + GRACE, answer)
            .await
            .map_err(|_| Halt::All(self.silent()))
    }

    fn silent(&self) -> Fault {
        Fault::reopen(format!("PostgreSQL at `{}` does not answer", self.shown))
            .hint("is it reachable, and is it alive?")
    }

    /// Begins a transaction and writes the ids of these parts into the inbox. Returns those that are new.
    async fn claim(
        &self,
        session: &Session,
        job: &Job,
        parts: &[&Part<Bound>],
    ) -> Result<HashSet<String>, Halt> {
        let mut ids: Vec<_> = parts.iter().map(|part| part.message_id.as_str()).collect();
        // One order for all processes: two that claim the same ids wait for each other, and never in a ring.
        ids.sort_unstable();
        let values: [&(dyn ToSql + Sync); 2] = [&job.flow, &ids];
        let (begun, claimed) = self
            .patiently(join(
                session.client.batch_execute(BEGIN),
                session.client.query(&session.claim, &values),
            ))
            .await?;
        let rows = begun.and(claimed).map_err(|error| {
            let fault = fault::classify(&error, &self.shown);
            Halt::All(match fault.remedy {
                Remedy::Stop | Remedy::DeadLetter => self.without_inbox(error),
                _ => fault.because(error),
            })
        })?;
        rows.iter()
            .map(|row| row.try_get(0))
            .collect::<Result<_, _>>()
            .map_err(|error| {
                Halt::All(
                    Fault::stop("the table `trunkline_inbox` is not as Trunkline made it").because(error),
                )
            })
    }

    /// Everything up to the commit; what it leaves open is rolled back by the caller.
    async fn run(
        &self,
        session: &Session,
        job: &Job,
        units: &[Unit<Bound>],
        range: Range<usize>,
    ) -> Result<Vec<bool>, Halt> {
        let places = range.flat_map(|unit| (0..units[unit].len()).map(move |part| (unit, part)));
        let places: Vec<_> = places.collect();
        let parts: Vec<_> = places.iter().map(|(unit, part)| &units[*unit][*part]).collect();
        let mut claimed = self.claim(session, job, &parts).await?;
        // The same id twice in one batch: the first of them is new.
        let is_new: Vec<_> = parts
            .iter()
            .map(|part| claimed.remove(&part.message_id))
            .collect();
        let todo: Vec<_> = (0..parts.len()).filter(|at| is_new[*at]).collect();
        let calls = todo.iter().map(|at| {
            session
                .client
                .execute_raw(&session.statement, parts[*at].values.iter())
        });
        let mut answers = send_all(calls).await;
        for (at, answer) in todo.iter().zip(&mut answers) {
            let (unit, part) = places[*at];
            self.patiently(answer.as_mut()).await?;
            let result = answer
                .as_mut()
                .take_output()
                .expect("it was awaited, and its output is taken once");
            let (fault, then) = match result {
                Ok(changed) => match job.check_rows(changed) {
                    Ok(()) => continue,
                    Err(fault) => (fault, Then::GoOn),
                },
                Err(error) => self.refusal(job, error)?,
            };
            return Err(Halt::Part {
                unit,
                part,
                fault,
                then,
            });
        }
        self.patiently(session.client.batch_execute("COMMIT"))
            .await?
            .map_err(|error| {
                let fault = fault::classify(&error, &self.shown);
                let is_lost = matches!(fault.remedy, Remedy::Reopen);
                let fault = fault.because(error);
                // A commit whose answer is lost may have happened. It is no doubt for long: when the message comes
                // again, the inbox knows.
                if is_lost {
                    Halt::All(fault)
                } else {
                    Halt::Commit(fault)
                }
            })?;
        Ok(is_new)
    }

    /// What one refused statement means for its unit and for the others; `Err`: for all of them.
    fn refusal(&self, job: &Job, error: Error) -> Result<(Fault, Then), Halt> {
        let mut fault = fault::classify(&error, &self.shown);
        if let Some(parameter) = fault::parameter(&error).and_then(|at| job.statement.parameters.get(at)) {
            fault.what = format!("{}: parameter `:{}`", fault.what, parameter.path);
        }
        let then = if fault::is_conflict(&error) {
            Then::TryAlone
        } else if fault::is_timeout(&error) {
            Then::Leave
        } else {
            fault.remedy.into()
        };
        match fault.remedy {
            Remedy::Reopen => Err(Halt::All(fault.because(error))),
            _ => Ok((fault.because(error), then)),
        }
    }
}

impl Database for Postgres {
    type Session = Session;
    type Bound = Bound;

    async fn connect(&self, job: &Job) -> Result<Session, Fault> {
        match tokio::time::timeout(self.timeout * 2 + GRACE, self.prepare(job)).await {
            Ok(prepared) => prepared,
            Err(_) => Err(self.silent()),
        }
    }

    fn is_alive(session: &Session) -> bool {
        !session.client.is_closed()
    }

    fn bind(session: &Session, at: usize, _: &Parameter, value: &Value<'static>) -> Result<Bound, String> {
        Bound::new(&session.statement.params()[at], value)
    }

    async fn together(
        &self,
        session: Session,
        job: &Arc<Job>,
        units: &Arc<Vec<Unit<Bound>>>,
        range: Range<usize>,
    ) -> (Option<Session>, Result<Vec<bool>, Halt>) {
        let result = self.run(&session, job, units, range).await;
        if result.is_ok() {
            return (Some(session), result);
        }
        let is_back = match tokio::time::timeout(GRACE, session.client.batch_execute("ROLLBACK")).await {
            Ok(rolled_back) => rolled_back.is_ok(),
            Err(_) => false,
        };
        (is_back.then_some(session), result)
    }

    async fn version(&self) -> Result<String, Fault> {
        let (client, connection) = self.client("trunkline test").await?;
        let asked = client.query_one(
            "SELECT current_setting('server_version'), current_user::text",
            &[],
        );
        let answer = tokio::time::timeout(self.timeout + GRACE, asked).await;
        connection.abort();
        let row = answer
            .map_err(|_| self.silent())?
            .map_err(|error| self.at_open(error))?;
        let text = |at: usize| row.try_get::<_, String>(at).unwrap_or_default();
        Ok(format!(
            "PostgreSQL {}, `{}`, as `{}`",
            text(0),
            self.shown,
            text(1)
        ))
    }
}

/// Sends all requests in this order, and waits for no answer: a first poll sends a request, and the server answers
/// in the order of the requests.
async fn send_all<F: Future>(calls: impl Iterator<Item = F>) -> Vec<Pin<Box<MaybeDone<F>>>> {
    let mut answers: Vec<_> = calls.map(|call| Box::pin(maybe_done(call))).collect();
    for answer in &mut answers {
        let _ = poll!(answer.as_mut());
    }
    answers
}
