//! What the desk keeps in memory of queues, subscriptions and leases, and how it picks the next.
//!
//! Every message that waits is in exactly one of three conditions: behind the queue's `cursor` on disk (not
//! yet read), leased to a subscription, or `returned`. So that memory does not grow with the backlog, only the
//! latter two are in memory, and a returned message is given out before a new one.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use tokio::sync::mpsc;
use trunkline_sdk::{Fault, Remedy};

use super::store::{self, Counts, StoredQueue};
use crate::bus::{Delivery, Settle};

/// Added to the number of a queue, the number of the line of its parked messages.
pub(super) const PARKED: u16 = 0x8000;

/// How many messages are read at a time.
const BATCH: usize = 256;

/// All of it.
#[derive(Default)]
pub(super) struct State {
    pub(super) numbers: HashMap<String, u16>,
    pub(super) queues: HashMap<u16, Line>,
    pub(super) subscribers: HashMap<u64, Subscriber>,
    pub(super) leases: HashMap<u64, Lease>,
    /// The queues at which there may be something to do.
    pub(super) hot: VecDeque<u16>,
    /// The suspect that is given out alone, or is about to be; one at a time on the whole bus, or an innocent one
    /// would be parked with the one that kills.
    pub(super) alone: Option<Alone>,
    /// The store still says that a message is given out alone, and it is not.
    pub(super) unmark: bool,
    /// Ways to subscriptions that are over; dropped outside the lock, for a delivery may be in them.
    pub(super) gone: Vec<mpsc::Sender<Delivery>>,
    /// Why no more is given out: what, and how to mend it.
    pub(super) ended: Option<(String, Option<String>)>,
}

/// A queue.
pub(super) struct Line {
    pub(super) counts: Counts,
    /// Whether a channel leads to it.
    pub(super) bound: bool,
    /// Whether it is given to one subscription at a time, in its order.
    pub(super) is_ordered: bool,
    /// The last place that was read.
    pub(super) cursor: i64,
    /// The last place that was filled.
    pub(super) end: i64,
    /// The place up to which it is stored that messages may have been given out.
    pub(super) mark: i64,
    /// The mark as it was found: what stands before it may have been given out by an earlier process.
    pub(super) old: i64,
    pub(super) returned: BTreeSet<i64>,
    /// The places of messages that are to be given out alone.
    pub(super) suspects: BTreeSet<i64>,
    pub(super) leased: u64,
    pub(super) subscribers: VecDeque<u64>,
    pub(super) hot: bool,
    pub(super) raising: bool,
}

/// A subscription.
pub(super) struct Subscriber {
    pub(super) queue: u16,
    pub(super) room: usize,
    /// How many messages it has in its hands.
    pub(super) held: u64,
    pub(super) deliveries: mpsc::Sender<Delivery>,
    pub(super) line: Arc<dyn Settle>,
}

/// A message in somebody's hands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lease {
    pub(super) queue: u16,
    pub(super) place: i64,
    pub(super) subscriber: u64,
}

/// A message that is given out with nothing else of its queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Alone {
    pub(super) queue: u16,
    pub(super) place: i64,
    pub(super) step: Step,
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// What is under way in its queue is finished first.
    Waits,
    /// The store is to say so.
    Asked,
    /// The store says so.
    Marked,
    /// It is given out.
    Out,
}

/// What the reader is to do.
#[derive(Debug)]
pub(super) enum Work {
    /// Read these places and what stands behind `after`, up to `until`, at most `limit` in all.
    Read {
        queue: u16,
        returned: Vec<i64>,
        after: i64,
        until: i64,
        limit: usize,
    },
    /// Have the mark of this queue raised.
    Raise(u16),
    /// Have the store say that this message, or none, is given out alone.
    Alone(Option<i64>),
    /// Stop.
    End,
}

impl Line {
    /// A queue as it was found.
    pub(super) fn new(queue: &StoredQueue) -> Self {
        Self {
            counts: queue.counts,
            bound: queue.channel.is_some(),
            is_ordered: queue.takes.is_ordered(),
            cursor: 0,
            end: queue.last,
            mark: queue.given,
            old: queue.given,
            returned: BTreeSet::new(),
            suspects: BTreeSet::new(),
            leased: 0,
            subscribers: VecDeque::new(),
            hot: false,
            raising: false,
        }
    }

    /// The parked messages of a queue as it was found: whoever asks for them may have them all.
    pub(super) fn parked(queue: &StoredQueue) -> Self {
        Self {
            counts: Counts::default(),
            bound: true,
            is_ordered: false,
            mark: i64::MAX,
            old: 0,
            ..Self::new(queue)
        }
    }
}

impl State {
    pub(super) fn line(&mut self, queue: u16) -> &mut Line {
        self.queues
            .get_mut(&queue)
            .expect("queues are added before they are numbered, and never taken away")
    }

    pub(super) fn check(&self) -> Result<(), Fault> {
        match &self.ended {
            None => Ok(()),
            Some((what, hint)) => Err(Fault {
                hint: hint.clone(),
                ..Fault::new(Remedy::Stop, what)
            }),
        }
    }

    /// What there is to do at a queue.
    pub(super) fn work(&mut self, queue: u16) -> Option<Work> {
        let room = self.room(queue);
        if room == 0 {
            return None;
        }
        if let Some(next) = self.alone_next(queue) {
            return self.work_alone(next);
        }
        let limit = room.min(BATCH);
        let line = self.line(queue);
        if line.is_ordered && !line.suspects.is_empty() {
            // Its turn to give them out alone comes; what stands behind them must not overtake them.
            return None;
        }
        let mut returned = Vec::new();
        while returned.len() < limit
            && let Some(place) = line.returned.pop_first()
        {
            returned.push(place);
        }
        let until = line.end.min(line.mark);
        if returned.is_empty() && line.cursor >= until {
            if line.cursor < line.end && !line.raising {
                line.raising = true;
                return Some(Work::Raise(queue));
            }
            return None;
        }
        Some(Work::Read {
            queue,
            returned,
            after: line.cursor,
            until,
            limit,
        })
    }

    fn room(&self, queue: u16) -> usize {
        if self.queues[&queue].is_ordered {
            let chosen = self
                .chosen(queue)
                .and_then(|number| self.subscribers.get(&number));
            return chosen.map_or(0, |subscriber| subscriber.room);
        }
        self.queues[&queue]
            .subscribers
            .iter()
            .filter_map(|number| self.subscribers.get(number))
            .map(|subscriber| subscriber.room)
            .sum()
    }

    /// The subscription to which a queue that keeps order is given: the one that has waited longest. `None`: there is
    /// none, or what an earlier one was given has not come back yet.
    fn chosen(&self, queue: u16) -> Option<u64> {
        let line = &self.queues[&queue];
        let (number, chosen) = line
            .subscribers
            .iter()
            .filter_map(|number| Some((*number, self.subscribers.get(number)?)))
            .find(|(_, subscriber)| !subscriber.deliveries.is_closed())?;
        (line.leased == chosen.held).then_some(number)
    }

    /// The suspect that this queue is to give out alone, and nothing else before; `None`: it goes on as usual,
    /// because it has none, or because it is another queue's turn.
    fn alone_next(&mut self, queue: u16) -> Option<Alone> {
        match self.alone {
            Some(alone) if alone.queue == queue => Some(alone),
            // Whoever can take nothing holds nobody up.
            Some(alone) if alone.step == Step::Out || self.room(alone.queue) > 0 => None,
            _ => {
                let place = *self.queues[&queue].suspects.first()?;
                self.alone = Some(Alone {
                    queue,
                    place,
                    step: Step::Waits,
                });
                self.alone
            }
        }
    }

    fn work_alone(&mut self, next: Alone) -> Option<Work> {
        if self.queues[&next.queue].leased > 0 {
            return None;
        }
        match next.step {
            Step::Waits => {
                self.alone = Some(Alone {
                    step: Step::Asked,
                    ..next
                });
                Some(Work::Alone(Some(store::id(next.queue, next.place))))
            }
            Step::Marked => Some(Work::Read {
                queue: next.queue,
                returned: vec![next.place],
                after: 0,
                until: 0,
                limit: 1,
            }),
            Step::Asked | Step::Out => None,
        }
    }

    /// Whether it is this message's turn to be given out alone.
    pub(super) fn is_alone(&self, queue: u16, place: i64, step: Step) -> bool {
        self.alone
            .is_some_and(|alone| (alone.queue, alone.place, alone.step) == (queue, place, step))
    }

    /// Nothing is given out alone any more; the next one may be. Gives the queues that have one.
    pub(super) fn end_alone(&mut self) -> Vec<u16> {
        self.alone = None;
        self.queues
            .iter()
            .filter(|(_, line)| !line.suspects.is_empty())
            .map(|(queue, _)| *queue)
            .collect()
    }

    pub(super) fn next_with_room(&mut self, queue: u16) -> Option<u64> {
        if self.line(queue).is_ordered {
            let chosen = self.chosen(queue)?;
            return (self.subscribers[&chosen].room > 0).then_some(chosen);
        }
        for _ in 0..self.line(queue).subscribers.len() {
            let line = self.line(queue);
            let number = line.subscribers.pop_front()?;
            let Some(subscriber) = self.subscribers.get(&number) else {
                continue;
            };
            if subscriber.deliveries.is_closed() {
                self.forget(number);
                continue;
            }
            let has_room = subscriber.room > 0;
            self.line(queue).subscribers.push_back(number);
            if has_room {
                return Some(number);
            }
        }
        None
    }

    pub(super) fn release(&mut self, tag: u64) -> Option<Lease> {
        let lease = self.leases.remove(&tag)?;
        self.line(lease.queue).leased -= 1;
        if let Some(subscriber) = self.subscribers.get_mut(&lease.subscriber) {
            subscriber.room += 1;
            subscriber.held -= 1;
        }
        Some(lease)
    }

    pub(super) fn forget(&mut self, subscriber: u64) {
        if let Some(forgotten) = self.subscribers.remove(&subscriber) {
            self.line(forgotten.queue)
                .subscribers
                .retain(|number| *number != subscriber);
            self.gone.push(forgotten.deliveries);
        }
    }
}
