//! The sink: a batch becomes units, units become transactions, and every message gets its true outcome.
//!
//! Promises: a unit (the parts of one split message) takes effect whole or not at all; one refused unit keeps no
//! other from taking effect; units take effect in the order of the batch.
//! Not promised: that units share a transaction. They do while all goes well, for speed.

use std::{future::Future, ops::Range, sync::Arc};

use async_trait::async_trait;
use tokio::sync::Mutex;
use trunkline_sdk::{Body, Delivered, Fault, Outcome, Remedy, Sink, Value};

use crate::statement::{Parameter, Statement};

/// The table in which the target remembers what has taken effect there. It may be made by hand, too.
macro_rules! inbox_table {
    ($time:literal) => {
        concat!(
            "CREATE TABLE IF NOT EXISTS trunkline_inbox (flow text NOT NULL, message_id text NOT NULL, applied_at ",
            $time,
            ", PRIMARY KEY (flow, message_id))"
        )
    };
}
pub(crate) use inbox_table;

/// What a sink does with each message.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) flow: String,
    pub(crate) statement: Statement,
    pub(crate) expect_rows: Option<u64>,
}

impl Job {
    /// Whether the statement changed as many rows as it must.
    pub(crate) fn check_rows(&self, changed: u64) -> Result<(), Fault> {
        match self.expect_rows {
            Some(expected) if expected != changed => {
                let rows = if changed == 1 { "row" } else { "rows" };
                Err(Fault::dead_letter(format!(
                    "the statement changed {changed} {rows}, expected {expected}"
                ))
                .hint("look whether the rows that the message names exist; nothing was changed"))
            }
            _ => Ok(()),
        }
    }
}

/// A message that is ready to be applied.
pub(crate) struct Part<B> {
    /// Its place in the batch.
    index: usize,
    pub(crate) message_id: String,
    /// One value per parameter of the statement.
    pub(crate) values: Vec<B>,
}

/// Messages that take effect together.
pub(crate) type Unit<B> = Vec<Part<B>>;

/// One kind of database.
pub(crate) trait Database: Clone + Send + Sync + 'static {
    /// A connection on which the inbox is there and the statement was accepted.
    type Session: Send;
    /// A value, converted to what its parameter wants.
    type Bound: Send + Sync + 'static;

    /// Faults: `Reopen` when the database is not there, `Stop` when a person is needed.
    fn connect(&self, job: &Job) -> impl Future<Output = Result<Self::Session, Fault>> + Send;

    /// Whether the session is good for a transaction, as far as can be seen without asking.
    fn is_alive(session: &Self::Session) -> bool;

    /// Converts the value of the parameter at this place. Errors: what the database wants, in words.
    fn bind(
        session: &Self::Session,
        at: usize,
        parameter: &Parameter,
        value: &Value<'static>,
    ) -> Result<Self::Bound, String>;

    /// Applies these units in one transaction, with their rows in the inbox: all of them or nothing.
    /// Returns for each part whether it is new (false: it had taken effect before), and the session if it is
    /// still good, with no transaction open.
    fn together(
        &self,
        session: Self::Session,
        job: &Arc<Job>,
        units: &Arc<Vec<Unit<Self::Bound>>>,
        range: Range<usize>,
    ) -> impl Future<Output = (Option<Self::Session>, Result<Vec<bool>, Halt>)> + Send;

    /// What is there, in one line.
    fn version(&self) -> impl Future<Output = Result<String, Fault>> + Send;
}

/// Why a transaction came to nothing.
#[derive(Debug)]
pub(crate) enum Halt {
    /// This part was refused.
    Part {
        unit: usize,
        part: usize,
        fault: Fault,
        then: Then,
    },
    /// The parts were accepted, their commit was not: a deferred constraint.
    Commit(Fault),
    /// Nothing can be applied now.
    All(Fault),
}

/// What to do after a part was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// Go on with the others.
    GoOn,
    /// Two transactions were in each other's way: try it once more, alone.
    TryAlone,
    /// The others would fare the same, or wait as long: leave them.
    Leave,
}

/// The sink of one flow, on a connection of its own.
pub(crate) struct SqlSink<D: Database> {
    database: D,
    job: Arc<Job>,
    /// `None` after a fault: the next write connects again. A write takes the session out and puts it back at
    /// its end, so that one which is abandoned half-way closes it, and the database rolls back.
    session: Mutex<Option<D::Session>>,
}

impl<D: Database> SqlSink<D> {
    /// Connects, so that a wrong statement shows before the first message.
    pub(crate) async fn open(database: D, job: Arc<Job>) -> Result<Self, Fault> {
        let session = database.connect(&job).await?;
        Ok(Self {
            database,
            job,
            session: Mutex::new(Some(session)),
        })
    }

    /// Groups a batch into units and converts its values. What cannot be converted gets its outcome here.
    fn units(
        &self,
        session: &D::Session,
        batch: &[Delivered],
        outcomes: &mut Outcomes,
    ) -> Vec<Unit<D::Bound>> {
        let mut units = Vec::new();
        let mut start = 0;
        for messages in batch.chunk_by(|one, next| one.context.unit == next.context.unit) {
            let indexes: Vec<_> = (start..start + messages.len()).collect();
            start += messages.len();
            let mut unit = Vec::with_capacity(messages.len());
            let mut refusal = None;
            for (message, index) in messages.iter().zip(&indexes) {
                match self.bind(session, message) {
                    Ok(values) => unit.push(Part {
                        index: *index,
                        message_id: message.context.message_id.clone(),
                        values,
                    }),
                    Err(fault) => {
                        refusal = Some((*index, fault));
                        break;
                    }
                }
            }
            match refusal {
                None => units.push(unit),
                Some((index, fault)) => outcomes.refuse(&indexes, index, fault),
            }
        }
        units
    }

    fn bind(&self, session: &D::Session, message: &Delivered) -> Result<Vec<D::Bound>, Fault> {
        let record = match &message.record.body {
            Body::Value(value @ Value::Object(_)) => value,
            Body::Value(other) => {
                return Err(Fault::dead_letter(format!(
                    "the message is {}, and has no fields to bind",
                    other.kind()
                ))
                .hint("translate it to an object before this sink"));
            }
            Body::Bytes { content_type, .. } => {
                return Err(Fault::dead_letter(format!(
                    "the message is undecoded `{content_type}`, and has no fields to bind"
                ))
                .hint("translate it before this sink"));
            }
        };
        let bind = |(at, parameter): (usize, &Parameter)| {
            let value = parameter
                .find(record)
                .map_err(|what| Fault::dead_letter(what).hint("mend the mapping or the statement"))?;
            D::bind(session, at, parameter, value).map_err(|wanted| {
                Fault::dead_letter(format!(
                    "parameter `:{}` is {}, but the database wants {wanted}",
                    parameter.path,
                    value.kind()
                ))
                .hint("convert it in the mapping, or with a CAST in the statement")
            })
        };
        self.job
            .statement
            .parameters
            .iter()
            .enumerate()
            .map(bind)
            .collect()
    }

    /// Applies units in as few transactions as their faults allow. Returns the session if it is still good.
    ///
    /// A transaction that fails at one unit is repeated without it: first the units before it, which are known to
    /// be good, then those behind it, in transactions that shrink with each fault and grow again without.
    async fn apply(
        &self,
        mut session: D::Session,
        units: Vec<Unit<D::Bound>>,
        outcomes: &mut Outcomes,
    ) -> Option<D::Session> {
        let units = Arc::new(units);
        let (mut at, mut width) = (0, units.len());
        let mut refused: Option<(usize, usize, Fault, Then)> = None;
        while at < units.len() {
            let mut end = units.len().min(at + width);
            if let Some((unit, ..)) = &refused {
                end = *unit;
            }
            if let Some((unit, part, fault, then)) = refused.take_if(|(unit, ..)| *unit == at) {
                at += 1;
                if then == Then::Leave {
                    outcomes.leave(&units[at..], &fault);
                    at = units.len();
                }
                outcomes.refuse_part(&units[unit], part, fault);
                continue;
            }
            let (kept, result) = self.database.together(session, &self.job, &units, at..end).await;
            match result {
                Ok(is_new) => {
                    outcomes.settle(&units[at..end], &is_new);
                    at = end;
                    width = width.saturating_mul(2);
                }
                Err(Halt::Part {
                    unit,
                    then: Then::TryAlone,
                    ..
                }) if end - at > 1 => {
                    refused = None;
                    width = (unit - at).max(1);
                }
                Err(Halt::Part {
                    unit,
                    part,
                    fault,
                    then,
                }) => {
                    refused = Some((unit, part, fault, then));
                    width = (width / 2).max(1);
                }
                Err(Halt::Commit(_)) if end - at > 1 => {
                    refused = None;
                    width = (end - at) / 2;
                }
                Err(Halt::Commit(fault)) => {
                    outcomes.refuse_part(&units[at], 0, fault);
                    at += 1;
                }
                Err(Halt::All(fault)) => {
                    outcomes.leave(&units[at..], &fault);
                    return kept;
                }
            }
            match kept {
                Some(kept) => session = kept,
                // The fault of one unit may cost the connection; the others are tried again on the next write.
                None => {
                    if let Some((unit, part, fault, _)) = refused.take() {
                        outcomes.leave(&units[at..unit], &fault);
                        outcomes.refuse_part(&units[unit], part, fault);
                        at = unit + 1;
                    }
                    outcomes.leave(&units[at..], &Fault::reopen("the connection was given up"));
                    return None;
                }
            }
        }
        Some(session)
    }
}

#[async_trait]
impl<D: Database> Sink for SqlSink<D> {
    async fn write(&self, batch: &[Delivered]) -> Vec<Outcome> {
        let mut outcomes = Outcomes::new(batch.len());
        let mut held = self.session.lock().await;
        let session = match held.take().filter(D::is_alive) {
            Some(session) => session,
            None => match self.database.connect(&self.job).await {
                Ok(session) => session,
                Err(fault) => {
                    return batch.iter().map(|_| Outcome::NotTried(again(&fault))).collect();
                }
            },
        };
        let units = self.units(&session, batch, &mut outcomes);
        *held = self.apply(session, units, &mut outcomes).await;
        outcomes.finish()
    }
}

/// The outcomes of a batch, as they become known.
struct Outcomes(Vec<Option<Outcome>>);

impl Outcomes {
    fn new(messages: usize) -> Self {
        Self((0..messages).map(|_| None).collect())
    }

    /// A transaction was committed.
    fn settle<B>(&mut self, units: &[Unit<B>], is_new: &[bool]) {
        for (part, is_new) in units.iter().flatten().zip(is_new) {
            self.0[part.index] = Some(if *is_new {
                Outcome::Applied(None)
            } else {
                Outcome::AlreadyThere(None)
            });
        }
    }

    /// One of these messages, a unit, was refused, and the others with it.
    fn refuse(&mut self, unit: &[usize], refused: usize, fault: Fault) {
        for index in unit {
            if *index != refused {
                let sibling = Fault::new(
                    fault.remedy,
                    "rejected with its unit: another part of the same message was refused",
                );
                self.0[*index] = Some(Outcome::NotTried(sibling));
            }
        }
        self.0[refused] = Some(Outcome::Rejected(fault));
    }

    fn refuse_part<B>(&mut self, unit: &Unit<B>, part: usize, fault: Fault) {
        let indexes: Vec<_> = unit.iter().map(|part| part.index).collect();
        self.refuse(&indexes, indexes[part], fault);
    }

    /// These units are not tried, for this reason.
    fn leave<B>(&mut self, units: &[Unit<B>], fault: &Fault) {
        for part in units.iter().flatten() {
            self.0[part.index] = Some(Outcome::NotTried(again(fault)));
        }
    }

    fn finish(self) -> Vec<Outcome> {
        self.0
            .into_iter()
            .map(|outcome| {
                outcome.expect("every message is in one unit, and `apply` leaves none without an outcome")
            })
            .collect()
    }
}

/// The same fault for a further message; the library's error stays with the first.
fn again(fault: &Fault) -> Fault {
    Fault {
        remedy: fault.remedy,
        what: fault.what.clone(),
        hint: fault.hint.clone(),
        retry_after: fault.retry_after,
        source: None,
    }
}

/// What follows for the others of a batch from the remedy of one.
impl From<Remedy> for Then {
    fn from(remedy: Remedy) -> Self {
        match remedy {
            Remedy::Stop | Remedy::Reopen | Remedy::Wait => Then::Leave,
            Remedy::DeadLetter | Remedy::Retry => Then::GoOn,
        }
    }
}
