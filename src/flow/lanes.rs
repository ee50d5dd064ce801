//! The lanes of one partition: one for each key, in which its messages go one behind the other.
//!
//! Promises: of a key at most one message is taken at a time, in the order of arrival; one that is tried again goes
//! before those that came after it; what comes under a parked key is told to be parked behind. Keys do not wait for
//! each other. Pure: no bus, no clock of its own. Not promised: fairness beyond turns, a bound (the prefetch is it).

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
    sync::Arc,
};

use tokio::time::Instant;

use crate::{bus::Delivery, names::MessageId};

/// A key; `None`: the lane of those that have none, which wait for nobody.
pub(super) type LaneKey = Option<Arc<str>>;

/// The lanes of one partition.
pub(super) struct Lanes<T = Delivery> {
    lanes: HashMap<Arc<str>, Lane<T>>,
    /// Lanes of which something can be taken, in turns.
    ready: VecDeque<Arc<str>>,
    /// Messages without a key.
    loose: VecDeque<T>,
    /// When lanes that wait for the next attempt go on.
    due: BinaryHeap<Reverse<(Instant, Arc<str>)>>,
    /// Keys of which something is parked: behind which message others are parked.
    parked: HashMap<Arc<str>, MessageId>,
}

/// What was taken from a lane.
pub(super) struct Taken<T = Delivery> {
    pub(super) lane: LaneKey,
    pub(super) delivery: T,
    /// It is to be parked behind this one.
    pub(super) behind: Option<MessageId>,
}

struct Lane<T> {
    /// Goes before all that waits: the next attempt, or what is replayed.
    first: Option<T>,
    waiting: VecDeque<T>,
    /// One of its messages is under way.
    is_busy: bool,
    /// `first` is not due yet.
    until: Option<Instant>,
    /// What waits is held back: the key is being replayed.
    is_held: bool,
    is_ready: bool,
}

impl<T> Lanes<T> {
    pub(super) fn new() -> Self {
        Self {
            lanes: HashMap::new(),
            ready: VecDeque::new(),
            loose: VecDeque::new(),
            due: BinaryHeap::new(),
            parked: HashMap::new(),
        }
    }

    /// A message has arrived.
    pub(super) fn arrive(&mut self, lane: LaneKey, delivery: T) {
        match lane {
            None => self.loose.push_back(delivery),
            Some(key) => {
                self.lane(&key).waiting.push_back(delivery);
                self.wake(&key);
            }
        }
    }

    /// Takes at most `limit` messages, each of another key.
    pub(super) fn take(&mut self, limit: usize, now: Instant) -> Vec<Taken<T>> {
        while let Some(Reverse((due, _))) = self.due.peek()
            && *due <= now
            && let Some(Reverse((due, key))) = self.due.pop()
        {
            if let Some(lane) = self.lanes.get_mut(&key)
                && lane.until == Some(due)
            {
                lane.until = None;
                self.wake(&key);
            }
        }
        let mut taken = Vec::new();
        while taken.len() < limit
            && let Some(delivery) = self.loose.pop_front()
        {
            taken.push(Taken {
                lane: None,
                delivery,
                behind: None,
            });
        }
        while taken.len() < limit
            && let Some(key) = self.ready.pop_front()
        {
            let Some(lane) = self.lanes.get_mut(&key) else {
                continue;
            };
            lane.is_ready = false;
            let first = lane.first.take();
            let behind = match first {
                Some(_) => None,
                None => self.parked.get(&key).cloned(),
            };
            let next = match first {
                None if !lane.is_held => lane.waiting.pop_front(),
                first => first,
            };
            if let Some(delivery) = next {
                lane.is_busy = true;
                taken.push(Taken {
                    lane: Some(key),
                    delivery,
                    behind,
                });
            }
        }
        taken
    }

    /// The message under way has ended: the next may follow.
    pub(super) fn done(&mut self, key: &Arc<str>) {
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.is_busy = false;
        }
        self.wake(key);
        self.sweep(key);
    }

    /// The message under way is tried again then, before all others of its key.
    pub(super) fn again(&mut self, key: &Arc<str>, delivery: T, due: Instant) {
        let lane = self.lane(key);
        lane.is_busy = false;
        lane.first = Some(delivery);
        lane.until = Some(due);
        self.due.push(Reverse((due, key.clone())));
    }

    /// The message under way was parked: what comes under its key is parked behind it, or behind the one that was
    /// parked before it.
    pub(super) fn parked(&mut self, key: &Arc<str>, id: MessageId) {
        self.parked.entry(key.clone()).or_insert(id);
        self.done(key);
    }

    /// These keys are parked, behind these messages, and no others.
    pub(super) fn set_parked(&mut self, parked: HashMap<Arc<str>, MessageId>) {
        self.parked = parked;
    }

    /// Nothing of this key is parked any more.
    pub(super) fn is_free(&mut self, key: &Arc<str>) {
        self.parked.remove(key);
    }

    /// What comes under this key waits, while what is parked under it goes first.
    pub(super) fn hold(&mut self, key: &Arc<str>) {
        self.lane(key).is_held = true;
    }

    /// Puts a message of a held key before all others of it.
    pub(super) fn put_first(&mut self, key: &Arc<str>, delivery: T) {
        self.lane(key).first = Some(delivery);
        self.wake(key);
    }

    /// Gives back the message that was to go first.
    pub(super) fn drop_first(&mut self, key: &Arc<str>) {
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.first = None;
            lane.until = None;
        }
    }

    /// What waits under this key goes on.
    pub(super) fn release(&mut self, key: &Arc<str>) {
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.is_held = false;
        }
        self.wake(key);
        self.sweep(key);
    }

    /// When the next lane goes on that waits for it.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.peek().map(|Reverse((due, _))| *due)
    }

    /// Forgets everything; nothing may be under way.
    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }

    fn lane(&mut self, key: &Arc<str>) -> &mut Lane<T> {
        self.lanes.entry(key.clone()).or_insert_with(|| Lane {
            first: None,
            waiting: VecDeque::new(),
            is_busy: false,
            until: None,
            is_held: false,
            is_ready: false,
        })
    }

    fn wake(&mut self, key: &Arc<str>) {
        let Some(lane) = self.lanes.get_mut(key) else {
            return;
        };
        let has_next = match lane.first {
            Some(_) => lane.until.is_none(),
            None => !lane.is_held && !lane.waiting.is_empty(),
        };
        if has_next && !lane.is_busy && !lane.is_ready {
            lane.is_ready = true;
            self.ready.push_back(key.clone());
        }
    }

    /// Memory is for keys that have something.
    fn sweep(&mut self, key: &Arc<str>) {
        if self.lanes.get(key).is_some_and(|lane| {
            !lane.is_busy && !lane.is_held && lane.first.is_none() && lane.waiting.is_empty()
        }) {
            self.lanes.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn key(text: &str) -> Arc<str> {
        text.into()
    }

    fn id(text: &str) -> MessageId {
        MessageId::foreign(text).unwrap()
    }

    fn arrived(messages: &[&'static str]) -> Lanes<&'static str> {
        let mut lanes = Lanes::new();
        for message in messages {
            lanes.arrive(Some(key(&message[..1])), *message);
        }
        lanes
    }

    fn take(lanes: &mut Lanes<&'static str>, now: Instant) -> Vec<(&'static str, bool)> {
        let taken = lanes.take(10, now).into_iter();
        taken
            .map(|taken| (taken.delivery, taken.behind.is_some()))
            .collect()
    }

    #[test]
    fn of_a_key_one_message_is_under_way_and_other_keys_go_on() {
        let now = Instant::now();
        let mut lanes = arrived(&["a1", "a2", "b1", "a3"]);
        assert_eq!(take(&mut lanes, now), [("a1", false), ("b1", false)]);
        assert_eq!(take(&mut lanes, now), []);
        lanes.done(&key("a"));
        assert_eq!(take(&mut lanes, now), [("a2", false)]);
        lanes.done(&key("b"));
        assert_eq!(lanes.lanes.len(), 1, "an empty lane takes no room");
    }

    #[test]
    fn what_is_tried_again_goes_first_when_it_is_due() {
        let now = Instant::now();
        let due = now + Duration::from_secs(5);
        let mut lanes = arrived(&["a1", "a2", "b1"]);
        take(&mut lanes, now);
        lanes.again(&key("a"), "a1", due);
        lanes.done(&key("b"));
        assert_eq!(lanes.due(), Some(due));
        assert_eq!(take(&mut lanes, now), []);
        assert_eq!(take(&mut lanes, due), [("a1", false)]);
        lanes.done(&key("a"));
        assert_eq!(take(&mut lanes, due), [("a2", false)]);
    }

    #[test]
    fn what_follows_a_parked_message_is_parked_behind_it() {
        let now = Instant::now();
        let mut lanes = arrived(&["a1", "a2", "b1"]);
        take(&mut lanes, now);
        lanes.parked(&key("a"), id("a1"));
        assert_eq!(take(&mut lanes, now), [("a2", true)]);
        lanes.parked(&key("a"), id("a2"));
        lanes.arrive(Some(key("a")), "a3");
        let taken = lanes.take(10, now).remove(0);
        assert_eq!(taken.behind, Some(id("a1")), "behind the one that failed");
    }

    #[test]
    fn what_arrives_during_a_replay_waits_for_it() {
        let now = Instant::now();
        let mut lanes = Lanes::new();
        lanes.set_parked([(key("a"), id("a1"))].into());
        lanes.arrive(Some(key("a")), "a3");
        lanes.hold(&key("a"));
        assert_eq!(take(&mut lanes, now), []);
        for replayed in ["a1", "a2"] {
            lanes.put_first(&key("a"), replayed);
            assert_eq!(take(&mut lanes, now), [(replayed, false)]);
            lanes.done(&key("a"));
        }
        lanes.is_free(&key("a"));
        lanes.release(&key("a"));
        assert_eq!(take(&mut lanes, now), [("a3", false)]);
    }

    #[test]
    fn what_has_no_key_waits_for_nobody() {
        let mut lanes = Lanes::new();
        lanes.arrive(None, "x");
        lanes.arrive(None, "y");
        assert_eq!(take(&mut lanes, Instant::now()), [("x", false), ("y", false)]);
    }
}
