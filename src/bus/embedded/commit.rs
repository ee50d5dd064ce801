//! One transaction: the hops of a group, and what became due.
//!
//! What is wrong with a hop is found before the first row is written, so that it is refused alone. An error of
//! the store takes the whole group back.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};
use tracing::{error, warn};
use trunkline_sdk::{Fault, Remedy};

use super::{
    desk::{Change, Tally, undeclared},
    door::Prepared,
    lines::PARKED,
    row::Sealed,
    store, suspects,
    writer::{Completion, Writer},
};
use crate::{
    bus::{Destination, Hop, Refused, Takes},
    names::QueueName,
    recovery::Rung,
};

/// How many delayed messages become due in one transaction at most.
const DUE: i64 = 512;

/// Where the rows of a hop are and go.
struct Plan {
    inputs: Vec<(u16, i64)>,
    outputs: Vec<Table>,
}

enum Table {
    Waiting(Vec<u16>),
    Delayed(u16, Rung),
    Parked(u16),
    /// Nowhere: it is given to whoever waits when the hop is done.
    Reply,
}

/// What a transaction did.
#[derive(Default)]
struct Written {
    changes: BTreeMap<u16, Change>,
    tallies: BTreeMap<u16, Tally>,
    due: Option<i64>,
}

impl Writer {
    /// Makes the hops durable and answers for each; moves what is due.
    pub(super) fn commit(&mut self, completions: Vec<Completion>) {
        if !completions.is_empty() {
            self.disk.look();
        }
        let mut plans: Vec<Vec<Result<Plan, Fault>>> = completions
            .iter()
            .map(|(hops, _)| hops.iter().map(|prepared| self.plan(prepared)).collect())
            .collect();
        let own = self.due.is_some_and(|due| due <= self.clock.now()) || self.has_own();
        let failed = if self.desk.has_ended() || (planned(&completions, &plans).next().is_none() && !own) {
            None
        } else {
            let mut written = self.write(planned(&completions, &plans));
            if written.as_ref().is_err_and(store::is_full) && self.make_room() {
                // On the reserve, without what would only take more of it.
                for ((hops, _), plans) in completions.iter().zip(&mut plans) {
                    for (prepared, plan) in hops.iter().zip(plans) {
                        if let (Ok(_), Some(fault)) = (&plan, self.disk.refusal(&prepared.hop)) {
                            *plan = Err(fault);
                        }
                    }
                }
                written = self.write(planned(&completions, &plans));
            }
            match written {
                Ok(written) => {
                    let settled: Vec<u64> = planned(&completions, &plans)
                        .flat_map(|(prepared, _)| tags(&prepared.hop))
                        .collect();
                    self.due = written.due;
                    self.raises.clear();
                    self.failed = false;
                    self.desk.committed(&settled, &written.changes, &written.tallies);
                    if let Some(id) = self.alone.take() {
                        self.desk.marked(id);
                    }
                    None
                }
                Err(error) => Some(self.failure(error)),
            }
        };
        for ((hops, answer), plans) in completions.into_iter().zip(plans) {
            let mut results = Vec::with_capacity(hops.len());
            for (prepared, plan) in hops.into_iter().zip(plans) {
                results.push(match (plan, &failed) {
                    (Err(fault), _) => Err(refused(prepared.hop, fault)),
                    (Ok(_), Some(fault)) => Err(refused(prepared.hop, again(fault))),
                    (Ok(_), None) => {
                        for input in prepared.hop.inputs {
                            input.receipt.settle();
                        }
                        for output in prepared.hop.outputs {
                            if matches!(output.to, Destination::Reply(_)) {
                                self.desk.replies.give(output.message);
                            }
                        }
                        Ok(())
                    }
                });
            }
            // The caller may have given up waiting; the hops are done all the same.
            let _gone = answer.send(results);
        }
    }

    /// On a full disk: gives up the reserve, and has the log cleared. False if neither helps.
    fn make_room(&mut self) -> bool {
        let released = self.disk.release();
        let tidied = self.can_tidy().is_ok_and(|can| can) && self.store.tidy().is_ok();
        released || tidied
    }

    /// Finds where the rows of a hop are and go, or what is wrong with it.
    fn plan(&self, prepared: &Prepared) -> Result<Plan, Fault> {
        if self.desk.has_ended() {
            return Err(self.desk.ended());
        }
        if let Err(fault) = &prepared.sealed {
            return Err(again(fault));
        }
        if let Some(fault) = self.disk.refusal(&prepared.hop) {
            return Err(fault);
        }
        let inputs = self.desk.leased(&tags(&prepared.hop)).ok_or_else(|| {
            Fault::reopen("a delivery is settled that went back to its queue when its subscription ended")
                .hint("it comes again")
        })?;
        let outputs = prepared
            .hop
            .outputs
            .iter()
            .map(|output| match &output.to {
                Destination::Channel(channel) => self
                    .route(channel.as_str(), output.message.key.as_deref())
                    .map(Table::Waiting),
                Destination::Queue { queue, .. } => Ok(Table::Waiting(vec![self.find_bound(queue)?])),
                Destination::Retry { queue, after, .. } => {
                    Ok(Table::Delayed(self.find_bound(queue)?, *after))
                }
                Destination::Parked { queue, .. } => Ok(Table::Parked(self.find(queue)?.0)),
                Destination::Reply(address) if self.desk.replies.is_at(address) => Ok(Table::Reply),
                Destination::Reply(_) => Err(Fault::dead_letter(
                    "nobody waits at the return address of the request",
                )
                .hint("whoever asked was started anew since")),
            })
            .collect::<Result<_, _>>()?;
        Ok(Plan { inputs, outputs })
    }

    fn route(&self, channel: &str, key: Option<&str>) -> Result<Vec<u16>, Fault> {
        let Some(known) = self.channels.get(channel) else {
            return Err(Fault::stop(format!("there is no channel `{channel}` on the bus"))
                .hint("declare the landscape first; is the channel part of it?"));
        };
        let takes = |takes: Takes| match takes {
            Takes::All => true,
            Takes::Partition(partition) => key.is_some_and(|key| partition.holds(key)),
            Takes::Unkeyed => key.is_none(),
        };
        let queues: Vec<_> = known
            .queues
            .iter()
            .filter(|(_, what)| takes(*what))
            .map(|(number, _)| *number)
            .collect();
        if queues.is_empty() {
            return Err(
                Fault::stop(format!("no queue takes what is sent to channel `{channel}`"))
                    .hint("add a flow that reads it"),
            );
        }
        Ok(queues)
    }

    fn find(&self, queue: &QueueName) -> Result<(u16, bool), Fault> {
        self.queues
            .get(queue.as_str())
            .map(|known| (known.number, known.channel.is_some()))
            .ok_or_else(|| undeclared(queue))
    }

    fn find_bound(&self, queue: &QueueName) -> Result<u16, Fault> {
        match self.find(queue)? {
            (number, true) => Ok(number),
            (_, false) => Err(undeclared(queue)),
        }
    }

    fn write<'a>(
        &mut self,
        hops: impl Iterator<Item = (&'a Prepared, &'a Plan)>,
    ) -> rusqlite::Result<Written> {
        let transaction = Transaction::begin(&self.store.connection)?;
        let connection = transaction.connection;
        let mut written = Written {
            due: self.due,
            ..Written::default()
        };
        for &queue in &self.raises {
            written.changes.entry(queue).or_default();
        }
        let places = &mut self.places;
        let mut next = |queue: u16| {
            let place = places.entry(queue).or_default();
            *place += 1;
            *place
        };
        for (prepared, plan) in hops {
            for &(line, place) in &plan.inputs {
                let (queue, parked) = (line & !PARKED, line & PARKED != 0);
                let gone = connection
                    .prepare_cached(if parked { FROM_PARKED } else { FROM_WAITING })?
                    .execute([store::id(queue, place)])?;
                // One, unless its subscription ended just now and another took it, too.
                let gone = i64::from(gone > 0);
                let counts = &mut written.changes.entry(queue).or_default().counts;
                if parked {
                    counts.parked -= gone;
                } else {
                    counts.waiting -= gone;
                }
            }
            for (sealed, table) in prepared.sealed.iter().flatten().zip(&plan.outputs) {
                match table {
                    Table::Waiting(queues) => {
                        for &queue in queues {
                            let place = next(queue);
                            insert(connection, INTO_WAITING, store::id(queue, place), sealed)?;
                            let change = written.changes.entry(queue).or_default();
                            change.counts.waiting += 1;
                            change.end = Some(place);
                        }
                    }
                    Table::Delayed(queue, rung) => {
                        let due = self.clock.after(rung.delay());
                        connection
                            .prepare_cached(
                                "INSERT INTO delayed (id, sum, envelope, body, due) VALUES (?1, ?2, ?3, ?4, ?5)",
                            )?
                            .execute(params![
                                store::id(*queue, next(*queue)),
                                sealed.sum,
                                sealed.envelope,
                                &sealed.body[..],
                                due
                            ])?;
                        written.changes.entry(*queue).or_default().counts.delayed += 1;
                        written.due = Some(written.due.map_or(due, |first| first.min(due)));
                    }
                    Table::Reply => {}
                    Table::Parked(queue) => {
                        let place = next(*queue);
                        insert(connection, INTO_PARKED, store::id(*queue, place), sealed)?;
                        let change = written.changes.entry(*queue).or_default();
                        change.counts.parked += 1;
                        change.parked_end = Some(place);
                    }
                }
            }
            if let Some((key, value)) = &prepared.hop.state {
                connection
                    .prepare_cached(
                        "INSERT INTO state (key, value) VALUES (?1, ?2)
                         ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                    )?
                    .execute(params![key.as_str(), &value[..]])?;
            }
        }
        if let Some(id) = self.alone {
            suspects::mark(connection, id)?;
        }
        let now = self.clock.now();
        if written.due.is_some_and(|due| due <= now) {
            written.due = promote(connection, now, &mut next, &mut written.changes)?;
        }
        written.tallies = self.desk.tally(&written.changes);
        for (queue, tally) in &written.tallies {
            connection
                .prepare_cached(
                    "UPDATE queues SET waiting = ?2, delayed = ?3, parked = ?4, given = ?5 WHERE number = ?1",
                )?
                .execute(params![
                    queue,
                    tally.counts.waiting,
                    tally.counts.delayed,
                    tally.counts.parked,
                    tally.mark
                ])?;
        }
        transaction.commit()?;
        Ok(written)
    }

    /// What an error of the store means for the bus.
    pub(super) fn failure(&mut self, error: rusqlite::Error) -> Fault {
        let first = !std::mem::replace(&mut self.failed, true);
        let fault = self.store.fault(error);
        if fault.remedy == Remedy::Stop {
            // Whether what was written before a failed flush is on the disk cannot be told any more.
            error!(error = %fault, "the embedded bus stops");
            self.desk.end(&fault);
        } else if first {
            warn!(error = %fault, "the embedded bus accepts nothing for now");
        }
        fault
    }
}

/// The hops that can be done.
fn planned<'a>(
    completions: &'a [Completion],
    plans: &'a [Vec<Result<Plan, Fault>>],
) -> impl Iterator<Item = (&'a Prepared, &'a Plan)> {
    completions
        .iter()
        .zip(plans)
        .flat_map(|((hops, _), plans)| hops.iter().zip(plans))
        .filter_map(|(prepared, plan)| Some((prepared, plan.as_ref().ok()?)))
}

/// Moves what is due to the end of its queue; gives the next due time.
fn promote(
    connection: &Connection,
    now: i64,
    next: &mut impl FnMut(u16) -> i64,
    changes: &mut BTreeMap<u16, Change>,
) -> rusqlite::Result<Option<i64>> {
    let due: Vec<i64> = connection
        .prepare_cached("SELECT id FROM delayed WHERE due <= ?1 ORDER BY due, id LIMIT ?2")?
        .query_map([now, DUE], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for id in due {
        let queue = store::queue(id);
        let place = next(queue);
        connection
            .prepare_cached(
                "INSERT INTO waiting (id, sum, envelope, body)
                 SELECT ?1, sum, envelope, body FROM delayed WHERE id = ?2",
            )?
            .execute([store::id(queue, place), id])?;
        connection
            .prepare_cached("DELETE FROM delayed WHERE id = ?1")?
            .execute([id])?;
        let change = changes.entry(queue).or_default();
        change.counts.delayed -= 1;
        change.counts.waiting += 1;
        change.end = Some(place);
    }
    connection
        .prepare_cached("SELECT min(due) FROM delayed")?
        .query_row([], |row| row.get(0))
}

const INTO_WAITING: &str = "INSERT INTO waiting (id, sum, envelope, body) VALUES (?1, ?2, ?3, ?4)";
const FROM_WAITING: &str = "DELETE FROM waiting WHERE id = ?1";
const FROM_PARKED: &str = "DELETE FROM parked WHERE id = ?1";
const INTO_PARKED: &str = "INSERT INTO parked (id, sum, envelope, body) VALUES (?1, ?2, ?3, ?4)";

fn insert(connection: &Connection, sql: &str, id: i64, sealed: &Sealed) -> rusqlite::Result<()> {
    connection
        .prepare_cached(sql)?
        .execute(params![id, sealed.sum, sealed.envelope, &sealed.body[..]])?;
    Ok(())
}

fn tags(hop: &Hop) -> Vec<u64> {
    hop.inputs.iter().map(|input| input.receipt.tag()).collect()
}

fn refused(hop: Hop, fault: Fault) -> Refused {
    Refused { hop, fault }
}

/// The same fault for another hop.
fn again(fault: &Fault) -> Fault {
    Fault {
        hint: fault.hint.clone(),
        retry_after: fault.retry_after,
        ..Fault::new(fault.remedy, fault.what.clone())
    }
}

/// A transaction, rolled back unless it was committed.
struct Transaction<'c> {
    connection: &'c Connection,
}

impl<'c> Transaction<'c> {
    fn begin(connection: &'c Connection) -> rusqlite::Result<Self> {
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(Self { connection })
    }

    fn commit(self) -> rusqlite::Result<()> {
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        // Some errors have rolled it back already. If this fails there is nothing left to try.
        if !self.connection.is_autocommit() {
            let _hopeless = self.connection.execute_batch("ROLLBACK");
        }
    }
}
