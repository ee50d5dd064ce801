//! PostgreSQL: one connection per sink, whose requests are pipelined.
//!
//! A batch costs three round trips: begin and claim its ids in the inbox; run the statement for each that is new;
//! commit. Promises: what is answered as applied is committed, and flushed (`synchronous_commit` off is turned on);
//! no wait is without end; TLS that was asked for is had, and verified.

mod cell;
mod fault;
mod parameter;
mod reader;
mod session;
mod tls;

use std::{collections::HashSet, future::Future, ops::Range, pin::Pin, sync::Arc, time::Duration};

use futures_util::{
    future::{MaybeDone, join, maybe_done},
    poll,
};
use tokio_postgres::{Config, Error, types::ToSql};
use trunkline_sdk::{Fault, Remedy, Value};

use crate::{
    sink::{Database, Halt, Job, Part, Then, Unit},
    statement::Parameter,
};
use parameter::Bound;
use session::Session;
pub(crate) use tls::Tls;

/// Outside of it a session is read-only, see `session`.
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
    /// `None`: the URL does not ask for it.
    tls: Option<Tls>,
}

impl Postgres {
    pub(crate) fn new(config: &Config, shown: String, timeout: Duration, tls: Option<Tls>) -> Self {
        let mut config = config.clone();
        config
            .connect_timeout(timeout)
            .keepalives_idle(Duration::from_secs(30))
            .tcp_user_timeout(timeout + GRACE);
        Self {
            config,
            shown: shown.into(),
            timeout,
            tls,
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
