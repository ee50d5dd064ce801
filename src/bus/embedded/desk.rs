//! Who holds what: the subscriptions, what each was given, and what is ready to be given.
//!
//! All tasks and both threads meet here, under one lock, which is never held while a delivery is dropped: its
//! receipt would come back for it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::mpsc;
use trunkline_sdk::Fault;

use super::{
    lines::{Alone, Lease, Line, PARKED, State, Step, Subscriber, Work},
    store::{self, Counts, StoredQueue},
};
use crate::{
    bus::{Delivery, Depth, Receipt, Replies, Settle, envelope::Opened, reply::fresh_address},
    names::QueueName,
};

/// How far the mark is set before what is given out, in messages.
const MARGIN: i64 = 1024;

/// Numbers of leases, never given twice in a process: a receipt of a bus that was closed fits no other.
static TAGS: AtomicU64 = AtomicU64::new(1);

/// What the writer, the reader and the subscriptions share.
pub(super) struct Desk {
    state: Mutex<State>,
    /// Tells the reader that there may be something to do.
    work: Condvar,
    /// Who waits for answers.
    pub(super) replies: Arc<Replies>,
}

/// What a transaction did to a queue.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Change {
    pub(super) counts: Counts,
    /// The last place that was filled among those that wait.
    pub(super) end: Option<i64>,
    /// And among those that are parked.
    pub(super) parked_end: Option<i64>,
}

/// What a transaction is to write into a queue's row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tally {
    pub(super) counts: Counts,
    pub(super) mark: i64,
}

/// A message that was read, with the place it was read from.
pub(super) type Found = (i64, Opened);

impl Desk {
    /// `suspects`: the ids of messages that are to be given out alone.
    pub(super) fn new(queues: &[StoredQueue], suspects: &[i64]) -> Self {
        let desk = Self {
            state: Mutex::default(),
            work: Condvar::new(),
            replies: Arc::new(Replies::at(fresh_address("all"))),
        };
        for queue in queues {
            desk.add(queue);
        }
        for &id in suspects {
            desk.state()
                .line(store::queue(id))
                .suspects
                .insert(store::place(id));
        }
        desk
    }

    /// A queue that exists.
    pub(super) fn add(&self, queue: &StoredQueue) {
        let mut state = self.state();
        state.numbers.insert(queue.name.clone(), queue.number);
        state.queues.insert(queue.number, Line::new(queue));
        state.queues.insert(queue.number | PARKED, Line::parked(queue));
    }

    /// Whether there is such a queue.
    pub(super) fn exists(&self, queue: &QueueName) -> Result<bool, Fault> {
        let state = self.state();
        state.check()?;
        Ok(state.numbers.contains_key(queue.as_str()))
    }

    /// A queue that is no more; it was empty, and nobody reads it. What is known of its number stays: the reader may
    /// just look at it.
    pub(super) fn remove(&self, name: &str) {
        self.state().numbers.remove(name);
    }

    /// Whether a subscription to the queue is open, or to what is parked for it.
    pub(super) fn is_read(&self, queue: u16) -> bool {
        let state = self.state();
        let is_read = |subscriber: &Subscriber| {
            subscriber.queue & !PARKED == queue && !subscriber.deliveries.is_closed()
        };
        state.subscribers.values().any(is_read)
    }

    /// The number of a queue.
    pub(super) fn number(&self, queue: &QueueName) -> Result<u16, Fault> {
        let state = self.state();
        state.check()?;
        state
            .numbers
            .get(queue.as_str())
            .copied()
            .ok_or_else(|| undeclared(queue))
    }

    pub(super) fn depth(&self, queue: &QueueName) -> Result<Depth, Fault> {
        let number = self.number(queue)?;
        let state = self.state();
        let (line, parked) = (&state.queues[&number], &state.queues[&(number | PARKED)]);
        let count = |rows: i64| u64::try_from(rows).unwrap_or(0);
        Ok(Depth {
            ready: count(line.counts.waiting).saturating_sub(line.leased),
            unsettled: line.leased + parked.leased,
            delayed: count(line.counts.delayed),
            parked: count(line.counts.parked).saturating_sub(parked.leased),
        })
    }

    /// A new subscription to a queue, or (`parked`) to what is parked for it; gives its number.
    pub(super) fn subscribe(
        self: &Arc<Self>,
        queue: &QueueName,
        parked: bool,
        prefetch: u16,
        deliveries: mpsc::Sender<Delivery>,
    ) -> Result<u64, Fault> {
        let number = self.number(queue)? | if parked { PARKED } else { 0 };
        let subscriber = TAGS.fetch_add(1, Ordering::Relaxed);
        let mut state = self.state();
        state.check()?;
        let line = state.line(number);
        if !line.bound {
            return Err(Fault::stop(format!(
                "queue `{queue}` holds parked records only, there is nothing to receive from it"
            ))
            .hint("subscribe to a queue that a channel leads to"));
        }
        line.subscribers.push_back(subscriber);
        let line = Arc::new(Hand {
            desk: Arc::clone(self),
            queue: queue.clone(),
        });
        state.subscribers.insert(
            subscriber,
            Subscriber {
                queue: number,
                room: prefetch.into(),
                held: 0,
                deliveries,
                line,
            },
        );
        self.heat(&mut state, number);
        Ok(subscriber)
    }

    /// The subscription is over; what it holds goes back.
    pub(super) fn unsubscribe(&self, subscriber: u64) {
        let mut state = self.state();
        let held: Vec<u64> = state
            .leases
            .iter()
            .filter(|(_, lease)| lease.subscriber == subscriber)
            .map(|(tag, _)| *tag)
            .collect();
        for tag in held {
            self.give_back(&mut state, tag);
        }
        self.forget(&mut state, subscriber);
        let gone = std::mem::take(&mut state.gone);
        drop(state);
        drop(gone);
    }

    /// Waits until there is something to do for the reader.
    pub(super) fn next(&self) -> Work {
        let mut state = self.state();
        loop {
            if state.ended.is_some() {
                return Work::End;
            }
            if std::mem::take(&mut state.unmark) {
                return Work::Alone(None);
            }
            while let Some(queue) = state.hot.pop_front() {
                state.line(queue).hot = false;
                if let Some(work) = state.work(queue) {
                    return work;
                }
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Gives out what was read, returned messages before new ones: each to the next subscription that has
    /// room. What nobody has room for any more stays where it was. `looked_at`: all places up to this one were
    /// read.
    pub(super) fn deal(&self, queue: u16, found: Vec<Found>, mut looked_at: Option<i64>) {
        let mut given = Vec::with_capacity(found.len());
        let mut state = self.state();
        let mut all_placed = true;
        let only = state
            .alone
            .filter(|alone| alone.queue == queue && alone.step == Step::Marked);
        if found.is_empty()
            && let Some(alone) = only
        {
            // It is not in the store any more.
            state.line(queue).suspects.remove(&alone.place);
            self.end_alone(&mut state);
        }
        for (place, opened) in found {
            let alone = state.is_alone(queue, place, Step::Marked);
            if !alone && state.line(queue).suspects.contains(&place) {
                // Its turn comes.
                if all_placed {
                    let line = state.line(queue);
                    line.cursor = line.cursor.max(place);
                }
                continue;
            }
            let Some(taker) = state.next_with_room(queue) else {
                let line = state.line(queue);
                if place <= line.cursor && !alone {
                    line.returned.insert(place);
                }
                all_placed = false;
                looked_at = None;
                continue;
            };
            if alone {
                state.line(queue).suspects.remove(&place);
                state.alone = Some(Alone {
                    queue,
                    place,
                    step: Step::Out,
                });
            }
            let line = state.line(queue);
            let redelivered = place <= line.cursor || place <= line.old;
            line.cursor = line.cursor.max(place);
            line.leased += 1;
            let tag = TAGS.fetch_add(1, Ordering::Relaxed);
            state.leases.insert(
                tag,
                Lease {
                    queue,
                    place,
                    subscriber: taker,
                },
            );
            let subscriber = state
                .subscribers
                .get_mut(&taker)
                .expect("it was just found to have room");
            subscriber.room -= 1;
            subscriber.held += 1;
            let delivery = Delivery {
                message: opened.message,
                attempt: opened.attempt,
                cause: opened.cause,
                redelivered,
                session: taker,
                order: opened.order,
                unreadable: opened.unreadable,
                receipt: Receipt::new(tag, Arc::clone(&subscriber.line)),
            };
            given.push((taker, subscriber.deliveries.clone(), delivery));
        }
        if let Some(place) = looked_at {
            let line = state.line(queue);
            line.cursor = line.cursor.max(place);
        }
        self.heat(&mut state, queue);
        drop(state);
        // Not under the lock: a delivery that nobody takes is dropped, and comes back here.
        let mut over = Vec::new();
        for (taker, deliveries, delivery) in given {
            let refused = deliveries.try_send(delivery);
            if refused.is_err() || deliveries.is_closed() {
                over.push(taker);
            }
        }
        let mut state = self.state();
        for taker in over {
            self.forget(&mut state, taker);
        }
        let gone = std::mem::take(&mut state.gone);
        drop(state);
        drop(gone);
    }

    /// What these deliveries are in the store: queue and place. `None`: no longer the holder's.
    pub(super) fn leased(&self, tags: &[u64]) -> Option<Vec<(u16, i64)>> {
        let state = self.state();
        tags.iter()
            .map(|tag| state.leases.get(tag).map(|lease| (lease.queue, lease.place)))
            .collect()
    }

    /// What a transaction with these changes is to write into the rows of the queues.
    pub(super) fn tally(&self, changes: &BTreeMap<u16, Change>) -> BTreeMap<u16, Tally> {
        let mut state = self.state();
        changes
            .iter()
            .map(|(&queue, change)| {
                let line = state.line(queue);
                let mark = if line.mark < line.cursor + MARGIN / 2 {
                    line.cursor + MARGIN
                } else {
                    line.mark
                };
                let counts = Counts {
                    waiting: line.counts.waiting + change.counts.waiting,
                    delayed: line.counts.delayed + change.counts.delayed,
                    parked: line.counts.parked + change.counts.parked,
                };
                (queue, Tally { counts, mark })
            })
            .collect()
    }

    /// A transaction is durable: these deliveries are settled, and what it wrote can be given out.
    pub(super) fn committed(
        &self,
        settled: &[u64],
        changes: &BTreeMap<u16, Change>,
        tallies: &BTreeMap<u16, Tally>,
    ) {
        let mut state = self.state();
        for (&queue, tally) in tallies {
            let line = state.line(queue);
            line.counts = tally.counts;
            line.mark = tally.mark;
            line.raising = false;
            let Some(change) = changes.get(&queue) else {
                continue;
            };
            if let Some(end) = change.end {
                line.end = end;
            }
            if let Some(end) = change.parked_end {
                state.line(queue | PARKED).end = end;
            }
        }
        for tag in settled {
            if let Some(lease) = state.release(*tag) {
                state.line(lease.queue).returned.remove(&lease.place);
                if state.is_alone(lease.queue, lease.place, Step::Out) {
                    self.end_alone(&mut state);
                }
            }
        }
        for &queue in tallies.keys() {
            self.heat(&mut state, queue);
            self.heat(&mut state, queue | PARKED);
        }
    }

    /// The store says that this message, or none, is given out alone.
    pub(super) fn marked(&self, id: Option<i64>) {
        let mut state = self.state();
        let Some(id) = id else { return };
        let (queue, place) = (store::queue(id), store::place(id));
        if state.is_alone(queue, place, Step::Asked) {
            state.alone = Some(Alone {
                queue,
                place,
                step: Step::Marked,
            });
            self.heat(&mut state, queue);
        }
    }

    /// The exact marks, once nothing is given out any more.
    pub(super) fn final_marks(&self) -> Vec<(u16, i64)> {
        let state = self.state();
        state
            .queues
            .iter()
            .filter(|(queue, _)| **queue < PARKED)
            .map(|(&queue, line)| (queue, line.cursor.max(line.old)))
            .collect()
    }

    /// Nothing is given out any more; all subscriptions end.
    pub(super) fn end(&self, fault: &Fault) {
        let mut state = self.state();
        if state.ended.is_none() {
            state.ended = Some((fault.what.clone(), fault.hint.clone()));
        }
        let over: Vec<Subscriber> = state.subscribers.drain().map(|(_, over)| over).collect();
        self.work.notify_all();
        drop(state);
        drop(over);
    }

    /// Why the bus does nothing any more.
    pub(super) fn ended(&self) -> Fault {
        match self.state().check() {
            Err(fault) => fault,
            Ok(()) => Fault::stop("the embedded bus has stopped working").hint("start again"),
        }
    }

    /// Whether the bus does nothing any more.
    pub(super) fn has_ended(&self) -> bool {
        self.state().ended.is_some()
    }

    fn heat(&self, state: &mut State, queue: u16) {
        let line = state.line(queue);
        let waits = !line.returned.is_empty() || !line.suspects.is_empty() || line.cursor < line.end;
        if !line.hot && waits && !line.subscribers.is_empty() {
            line.hot = true;
            state.hot.push_back(queue);
            self.work.notify_one();
        }
    }

    /// The subscription gets nothing more; the next one may.
    fn forget(&self, state: &mut State, subscriber: u64) {
        let queue = state.subscribers.get(&subscriber).map(|over| over.queue);
        state.forget(subscriber);
        if let Some(queue) = queue {
            self.heat(state, queue);
        }
    }

    fn give_back(&self, state: &mut State, tag: u64) {
        let Some(lease) = state.release(tag) else {
            return;
        };
        if state.is_alone(lease.queue, lease.place, Step::Out) {
            // It did no harm this time, but it is not done either.
            state.line(lease.queue).suspects.insert(lease.place);
            state.unmark = true;
            self.end_alone(state);
            self.work.notify_one();
        } else {
            state.line(lease.queue).returned.insert(lease.place);
        }
        self.heat(state, lease.queue);
    }

    fn end_alone(&self, state: &mut State) {
        for queue in state.end_alone() {
            self.heat(state, queue);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The engine's side of the receipts of one subscription.
struct Hand {
    desk: Arc<Desk>,
    queue: QueueName,
}

impl Settle for Hand {
    fn queue(&self) -> &QueueName {
        &self.queue
    }

    fn settle(&self, _tag: u64) {
        // The hop's transaction did it.
    }

    fn abandon(&self, tag: u64) {
        let mut state = self.desk.state();
        self.desk.give_back(&mut state, tag);
    }
}

/// A queue that nobody declared.
pub(super) fn undeclared(queue: &QueueName) -> Fault {
    Fault::stop(format!("there is no queue `{queue}` on the bus"))
        .hint("declare the landscape first; is the flow that reads it part of it?")
}
