//! The loop over a channel that keeps the order of its keys.
//!
//! The flow reads each partition of the channel, and its intake, by itself; all share the flow's steps and its sink.
//!
//! - Of a key one message is under way at a time ([`Lanes`]); many keys are at once ([`Wave`]).
//! - A message that fails in passing is tried again in place. One that fails for good is parked, and what follows
//!   under its key is parked behind it, while other keys flow; [`Replay`] takes them up again in their order.
//! - Which keys are parked is told by the parked messages: it is looked up whenever the bus began to receive anew,
//!   because another process may have been at work in between. What went back is not begun any more, for the same
//!   reason; all that is in our hands then goes back with it.
//! - The key is that of the body, not of the header: a message that lies in another partition than its key's, or
//!   came through the intake, is sent on to where it belongs, in its order.
//!
//! Not promised: order between what comes through the intake and what comes by its bucket.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, pending, try_join_all},
    stream::FuturesUnordered,
};
use tokio::time::{Instant, sleep, sleep_until};
use trunkline_sdk::Fault;

use super::{
    key::Keyed,
    lanes::Lanes,
    partition::Reader,
    replay::{Heard, Replay},
    run::{BATCH, Flow, UNDER_WAY, ended},
    wave::{Arrival, Ended, Wave, Work},
};
use crate::{
    bus::{Delivery, ParkedMark, Partition, Subscription, requested},
    endpoint::Outbound,
    names::{ChannelName, MessageId, QueueName},
    observe::Standing,
    recovery::Patience,
};

/// Messages that all partitions of a flow have in their hands at most, and each at least and at most.
const PREFETCH: u16 = 1024;
const PREFETCH_OF_ONE: (u16, u16) = (64, 512);

/// Runs a flow that reads this channel in order, until it is told to stop; then what is under way is finished.
///
/// Faults: a queue cannot be read, or no longer.
pub(super) async fn run(
    flow: &Flow,
    channel: &ChannelName,
    keyed: &Keyed,
    sink: Option<&Outbound>,
) -> Result<(), Fault> {
    let (least, most) = PREFETCH_OF_ONE;
    let prefetch = (PREFETCH / u16::from(keyed.partitions)).clamp(least, most);
    let mut readers = Vec::new();
    for partition in Partition::all(keyed.partitions).map(Some).chain([None]) {
        let queue = match partition {
            Some(Partition { index, .. }) => QueueName::of_partition(channel, &flow.name, index),
            None => QueueName::of_intake(channel, &flow.name),
        };
        let subscription = flow.bus.subscribe(&queue, prefetch).await?;
        let reader = Reader {
            flow,
            sink,
            channel,
            keyed,
            partition,
            queue,
            last_order: AtomicU64::new(0),
        };
        readers.push((reader, subscription));
    }
    flow.tally.stands(Standing::AtWork);
    let mut reading = Vec::with_capacity(readers.len());
    for (reader, subscription) in &mut readers {
        reading.push(Reading::new(reader).run(subscription).boxed());
    }
    let result = try_join_all(reading).await;
    for (_, subscription) in readers {
        subscription.close().await;
    }
    result.map(drop)
}

/// The reading of one queue.
struct Reading<'r> {
    reader: &'r Reader<'r>,
    lanes: Lanes<Arrival>,
    under_way: FuturesUnordered<BoxFuture<'r, (usize, Vec<Ended>)>>,
    /// How many messages are in `under_way`.
    messages: usize,
    /// In which the last delivery came.
    session: Option<u64>,
    /// Some of what we had went back.
    went_back: bool,
    /// What is parked, as far as is known.
    known: HashSet<MessageId>,
    /// Requests for a replay, one is carried out after the other.
    requests: VecDeque<Delivery>,
    replay: Option<Replay>,
}

impl<'r> Reading<'r> {
    fn new(reader: &'r Reader<'r>) -> Self {
        Self {
            reader,
            lanes: Lanes::new(),
            under_way: FuturesUnordered::new(),
            messages: 0,
            session: None,
            went_back: false,
            known: HashSet::new(),
            requests: VecDeque::new(),
            replay: None,
        }
    }

    async fn run(mut self, subscription: &mut Subscription) -> Result<(), Fault> {
        let flow = self.reader.flow;
        let mut batch = Vec::with_capacity(BATCH);
        let mut result = Ok(());
        while !flow.is_stopping() {
            self.advance_replay().await;
            if !self.start_waves() {
                self.leave_session().await;
            }
            // Without room nothing is taken, though it may be due long since.
            let due = self.lanes.due().filter(|_| self.has_room());
            tokio::select! {
                biased;
                () = flow.stopping() => break,
                Some(ended) = self.under_way.next() => self.apply(ended),
                () = until(due) => {}
                heard = hear(&mut self.replay) => self.hear(heard).await,
                more = subscription.receive(&mut batch, BATCH) => {
                    if !more {
                        // What is under way went back when the subscription ended.
                        result = Err(ended(&self.reader.queue));
                        break;
                    }
                    for delivery in batch.drain(..) {
                        self.arrive(delivery).await;
                    }
                }
            }
        }
        if result.is_ok() {
            while self.under_way.next().await.is_some() {}
        }
        if let Some(replay) = self.replay.take() {
            replay.close().await;
        }
        result
    }

    fn has_room(&self) -> bool {
        let most = if self.reader.flow.at_once() == 1 {
            1
        } else {
            UNDER_WAY
        };
        self.messages < most && (self.reader.sink.is_none() || self.under_way.is_empty())
    }

    /// Takes what can be worked on, several keys together. A system gets one wave after the other. False: what we have
    /// went back, and another may be at work on it.
    fn start_waves(&mut self) -> bool {
        while !self.went_back && self.has_room() && !self.reader.flow.is_stopping() {
            let taken = self.lanes.take(self.reader.flow.at_once(), Instant::now());
            let count = taken.len();
            if count == 0 {
                break;
            }
            self.went_back |= taken
                .iter()
                .any(|taken| taken.delivery.delivery.receipt.is_lost());
            if self.went_back {
                return false;
            }
            self.messages += count;
            let wave = Wave::run(self.reader, taken).map(move |ended| (count, ended));
            self.under_way.push(wave.boxed());
        }
        !self.went_back
    }

    async fn arrive(&mut self, mut delivery: Delivery) {
        if self.session != Some(delivery.session) {
            self.begin_session(delivery.session).await;
        }
        match requested(&delivery.message).filter(|_| delivery.unreadable.is_none()) {
            Some(Ok(_)) => return self.requests.push_back(delivery),
            Some(Err(fault)) => {
                let work = Work::Refuse(fault);
                return self.lanes.arrive(None, Arrival { delivery, work });
            }
            None => {}
        }
        let (lane, mut work) = self.reader.sort(&mut delivery);
        if delivery.redelivered && self.known.contains(&delivery.message.id) {
            // It is settled unworked: so it is looked up whether that is still so.
            self.look_up().await;
            if self.known.contains(&delivery.message.id) {
                work = Work::Parked;
            }
        }
        self.lanes.arrive(lane, Arrival { delivery, work });
    }

    /// The bus has begun to receive anew: what we had went back, and others may have parked and replayed since.
    async fn begin_session(&mut self, session: u64) {
        self.leave_session().await;
        self.look_up().await;
        self.session = Some(session);
    }

    /// Forgets what we have: all of it comes again.
    async fn leave_session(&mut self) {
        self.finish_waves().await;
        (self.session, self.went_back) = (None, false);
        self.lanes.clear();
        self.requests.clear();
        if let Some(replay) = self.replay.take() {
            replay.close().await;
        }
    }

    /// Learns which keys are parked, and behind which message.
    async fn look_up(&mut self) -> Vec<ParkedMark> {
        // One of them may be about to park.
        self.finish_waves().await;
        let reader = self.reader;
        let mut asking = Asking::new(reader);
        let mut marks = loop {
            match reader.flow.bus.parked_marks(&reader.queue).await {
                Ok(marks) => break marks,
                Err(fault) if asking.again(&fault).await => {}
                // Stopping: nothing more is begun.
                Err(_) => return Vec::new(),
            }
        };
        marks.sort_by_key(|mark| mark.order);
        let mut parked = HashMap::new();
        for mark in &marks {
            if let Some(key) = &mark.key {
                parked.entry(key.clone()).or_insert_with(|| mark.id.clone());
            }
            let order = mark.order.unwrap_or_default();
            reader.last_order.fetch_max(order, Ordering::Relaxed);
        }
        self.lanes.set_parked(parked);
        self.known = marks.iter().map(|mark| mark.id.clone()).collect();
        marks
    }

    async fn finish_waves(&mut self) {
        while let Some(ended) = self.under_way.next().await {
            self.apply(ended);
        }
    }

    fn apply(&mut self, (count, ended): (usize, Vec<Ended>)) {
        self.messages -= count;
        for ended in ended {
            match ended {
                Ended::Done(None) | Ended::Parked(None, _) => {}
                Ended::WentBack => self.went_back = true,
                Ended::Again(key, delivery, delay) => {
                    let arrival = Arrival {
                        delivery: *delivery,
                        work: Work::Do,
                    };
                    self.lanes.again(&key, arrival, Instant::now() + delay);
                }
                Ended::Done(Some(key)) => {
                    self.lanes.done(&key);
                    if let Some(replay) = self.replay.as_mut().filter(|replay| replay.has(&key)) {
                        if replay.done(&key) {
                            self.lanes.is_free(&key);
                            self.lanes.release(&key);
                        } else {
                            self.go_on(&key);
                        }
                    }
                }
                Ended::Parked(Some(key), id) => {
                    if let Some(replay) = self.replay.as_mut().filter(|replay| replay.has(&key)) {
                        replay.failed(&key);
                        self.lanes.is_free(&key);
                        self.lanes.parked(&key, id);
                        self.lanes.release(&key);
                    } else {
                        self.lanes.parked(&key, id);
                    }
                }
            }
        }
    }

    /// Begins the next replay, or ends the one that is through.
    async fn advance_replay(&mut self) {
        if self.replay.as_ref().is_some_and(Replay::is_through)
            && let Some(replay) = self.replay.take()
        {
            let delivery = replay.close().await;
            let work = Work::Answered;
            self.lanes.arrive(None, Arrival { delivery, work });
        }
        if self.replay.is_none()
            && let Some(request) = self.requests.pop_front()
        {
            self.begin_replay(request).await;
        }
    }

    async fn begin_replay(&mut self, request: Delivery) {
        let wanted = match requested(&request.message) {
            Some(Ok(key)) => key,
            _ => String::new(),
        };
        let marks = self.look_up().await;
        let mut replay = Replay::new(request, &wanted, marks);
        for key in replay.keys() {
            self.lanes.hold(key);
        }
        let mut asking = Asking::new(self.reader);
        while !replay.is_through()
            && let Err(fault) = replay.widen(&*self.reader.flow.bus).await
            && asking.again(&fault).await
        {}
        self.replay = Some(replay);
    }

    /// What is in our hands of it goes back, and it is looked up again what there is.
    async fn restart_replay(&mut self) {
        self.finish_waves().await;
        let Some(replay) = self.replay.take() else { return };
        let keys: Vec<_> = replay.keys().cloned().collect();
        for key in &keys {
            self.lanes.drop_first(key);
        }
        let request = replay.close().await;
        self.begin_replay(request).await;
        let is_over = |key: &&Arc<str>| !self.replay.as_ref().is_some_and(|replay| replay.has(key));
        let over: Vec<_> = keys.iter().filter(is_over).cloned().collect();
        for key in over {
            self.lanes.release(&key);
        }
    }

    async fn hear(&mut self, heard: Heard) {
        let Some(replay) = &mut self.replay else { return };
        match heard {
            Heard::Came(batch) => {
                for key in replay.take_in(batch) {
                    self.go_on(&key);
                }
            }
            Heard::Silence => match replay.look(&*self.reader.flow.bus).await {
                Ok(true) => {}
                Ok(false) => self.restart_replay().await,
                Err(fault) => {
                    tracing::debug!(flow = %self.reader.flow.name, error = %fault, "a replay waits for the bus");
                }
            },
            Heard::Lost => {
                sleep(Patience::new().delay()).await;
                self.restart_replay().await;
            }
        }
    }

    /// Puts the next replayed message of this key into its lane, if it is there.
    fn go_on(&mut self, key: &Arc<str>) {
        if let Some(mut delivery) = self.replay.as_mut().and_then(|replay| replay.next(key)) {
            let (_, work) = self.reader.sort(&mut delivery);
            self.lanes.put_first(key, Arrival { delivery, work });
        }
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}

async fn hear(replay: &mut Option<Replay>) -> Heard {
    match replay {
        Some(replay) => replay.hear().await,
        None => pending().await,
    }
}

/// The patience of one who asks the bus again and again, until it answers.
struct Asking<'r> {
    reader: &'r Reader<'r>,
    patience: Patience,
    told: bool,
}

impl<'r> Asking<'r> {
    fn new(reader: &'r Reader<'r>) -> Self {
        Self {
            reader,
            patience: Patience::new(),
            told: false,
        }
    }

    /// Waits before it is asked again; false: the flow is stopping.
    async fn again(&mut self, fault: &Fault) -> bool {
        let (flow, queue) = (self.reader.flow, &self.reader.queue);
        if !std::mem::replace(&mut self.told, true) {
            tracing::warn!(flow = %flow.name, %queue, error = %fault, "what is parked cannot be seen; trying again");
        }
        tokio::select! {
            () = sleep(self.patience.delay()) => true,
            () = flow.stopping() => false,
        }
    }
}
