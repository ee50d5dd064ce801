//! What was seen lately, so that it can be read again and only what is new in it is sent.
//!
//! A row may become visible behind others that stand after it: its transaction began before theirs and ended later,
//! or another computer's clock gave it its time. So each poll begins at `low`, which lies as far back as the overlap
//! says, and passes over what it has seen. Promises: what becomes visible within the overlap after a row behind it was
//! read is found; no row counts as new twice, unless its content has changed; memory is bounded.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::Mark;

/// The most rows that are remembered; of an overlap with more only the newest are read again.
pub(super) const MOST: usize = 100_000;

/// The rows of the overlap.
pub(super) struct Window {
    overlap: Duration,
    /// Rows up to here are never read again.
    pub(super) low: Option<Mark>,
    /// All rows up to here were read at least once.
    pub(super) high: Option<Mark>,
    seen: HashMap<u64, Seen>,
    /// The places of `seen`, in the order in which they were first seen.
    order: VecDeque<u64>,
    /// How many have left `order` at its front.
    left: u64,
    passed: VecDeque<Passed>,
    /// The newest of what was seen, as it is stored.
    log: Vec<u8>,
}

/// So many of the rows that were seen are stored, the newest; after a restart others come again, under their ids.
pub(super) const LOGGED: usize = 1024;

/// One version of a row: where it stands (the hash of cursor and key), and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) place: u64,
    /// The hash of all its values.
    pub(super) content: u64,
    /// The hash of all contents that were seen at this place, one after the other.
    pub(super) version: u64,
}

impl Seen {
    /// In bytes, as it is stored.
    const LENGTH: usize = 24;

    fn write(self, log: &mut Vec<u8>) {
        for number in [self.place, self.content, self.version] {
            log.extend(number.to_be_bytes());
        }
    }

    /// What was written; something shorter than one at the end is left out.
    pub(super) fn read_all(log: &[u8]) -> Vec<Self> {
        let number = |bytes: &[u8]| bytes.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        let read = |bytes: &[u8]| Self {
            place: number(bytes),
            content: number(&bytes[8..]),
            version: number(&bytes[16..]),
        };
        log.chunks_exact(Self::LENGTH).map(read).collect()
    }
}

/// A mark that was the highest once.
struct Passed {
    mark: Mark,
    /// The time that its cursor tells, if it tells one.
    time: Option<Timestamp>,
    at: Instant,
    /// How many rows had been seen by then.
    rows: u64,
}

impl Window {
    pub(super) fn new(overlap: Duration) -> Self {
        Self {
            overlap,
            low: None,
            high: None,
            seen: HashMap::new(),
            order: VecDeque::new(),
            left: 0,
            passed: VecDeque::new(),
            log: Vec::new(),
        }
    }

    /// A window as it was stored, read again from now on for a whole overlap.
    pub(super) fn resume(
        overlap: Duration,
        low: Option<Mark>,
        high: Option<Mark>,
        seen: Vec<Seen>,
        now: Instant,
    ) -> Self {
        let mut window = Self::new(overlap);
        for each in seen {
            window.remember(each);
        }
        (window.low, window.high) = (low, high);
        if let Some(high) = window.high.clone().filter(|_| window.low != window.high) {
            window.pass(high, None, now);
        }
        window
    }

    /// A row was read. Returns its version, if it is new.
    pub(super) fn see(&mut self, place: u64, content: u64) -> Option<Seen> {
        let version = match self.seen.get(&place) {
            Some(known) if known.content == content => return None,
            // Changed without a new cursor: the version must differ also from that of an earlier time when it looked
            // like this.
            Some(known) => chain(known.version, content),
            None => content,
        };
        let seen = Seen {
            place,
            content,
            version,
        };
        self.remember(seen);
        Some(seen)
    }

    fn remember(&mut self, seen: Seen) {
        if self.seen.insert(seen.place, seen).is_none() {
            self.order.push_back(seen.place);
        }
        seen.write(&mut self.log);
        if self.log.len() > 2 * LOGGED * Seen::LENGTH {
            self.log.drain(..self.log.len() - LOGGED * Seen::LENGTH);
        }
    }

    /// All rows up to this mark were read.
    pub(super) fn pass(&mut self, mark: Mark, time: Option<Timestamp>, at: Instant) {
        let rows = self.left + self.order.len() as u64;
        self.high = Some(mark.clone());
        self.passed.push_back(Passed { mark, time, at, rows });
        // What lies further back than the overlap, by the rows' own times, is past already: an old row that became
        // visible only now would be later than the overlap allows.
        let highest = self.passed.back().and_then(|passed| passed.time);
        let overlap = i64::try_from(self.overlap.as_millis()).unwrap_or(i64::MAX);
        self.raise(|passed, rows| {
            let behind = highest.zip(passed.time);
            behind.is_some_and(|(highest, time)| {
                highest.as_millisecond().saturating_sub(time.as_millisecond()) >= overlap
            }) || rows > MOST as u64
        });
    }

    /// All between `low` and `high` was read again, in a poll that began at this time: what was passed an overlap
    /// before needs no further look.
    pub(super) fn settle(&mut self, began: Instant) {
        let overlap = self.overlap;
        self.raise(|passed, _| began.saturating_duration_since(passed.at) >= overlap);
    }

    /// Moves `low` to the last mark of which this is true; it is asked about a mark and how many rows were seen
    /// since the current `low`.
    fn raise(&mut self, is_past: impl Fn(&Passed, u64) -> bool) {
        let seen = self.left + self.order.len() as u64;
        while let Some(first) = self.passed.front()
            && is_past(first, seen - self.left)
        {
            let Some(Passed { mark, rows, .. }) = self.passed.pop_front() else {
                break;
            };
            self.low = Some(mark);
            while self.left < rows
                && let Some(place) = self.order.pop_front()
            {
                self.left += 1;
                self.seen.remove(&place);
            }
        }
    }

    /// The newest of what was seen, as it is stored; the last one of a place holds.
    pub(super) fn log(&self) -> &[u8] {
        if self.order.is_empty() {
            return &[];
        }
        &self.log[self.log.len().saturating_sub(LOGGED * Seen::LENGTH)..]
    }
}

fn chain(version: u64, content: u64) -> u64 {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&version.to_be_bytes());
    bytes[8..].copy_from_slice(&content.to_be_bytes());
    hash(&bytes)
}

/// A hash that is the same in every release.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let hash = blake3::hash(bytes);
    let first = hash.as_bytes().first_chunk::<8>();
    u64::from_be_bytes(*first.expect("a hash has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use trunkline_sdk::Value;

    use super::*;

    const OVERLAP: Duration = Duration::from_secs(30);

    fn mark(number: u64) -> Mark {
        vec![Value::Number(number.to_string().into())]
    }

    #[test]
    fn a_row_is_new_once_and_again_whenever_its_content_has_changed() {
        // given
        let mut window = Window::new(OVERLAP);
        let versions: Vec<_> = [7, 7, 8, 7, 7]
            .into_iter()
            // when
            .map(|content| window.see(1, content).map(|seen| seen.version))
            .collect();
        // then
        assert_eq!(versions[0], Some(7));
        assert_eq!((versions[1], versions[4]), (None, None));
        let (other, again) = (versions[2].unwrap(), versions[3].unwrap());
        assert!(other != again && again != 7, "a third state is not the first one");
    }

    #[test]
    fn a_mark_is_left_behind_only_when_it_was_read_again_an_overlap_later() {
        // given
        let start = Instant::now();
        let mut window = Window::new(OVERLAP);
        window.see(1, 1);
        window.pass(mark(1), None, start);
        window.see(2, 2);
        window.pass(mark(2), None, start + OVERLAP / 2);
        // when, then
        window.settle(start + OVERLAP - Duration::from_millis(1));
        assert_eq!(window.low, None);
        window.settle(start + OVERLAP);
        assert_eq!(window.low, Some(mark(1)));
        assert_eq!(window.order.len(), 1);
        window.settle(start + OVERLAP * 2);
        assert_eq!((&window.low, window.order.len()), (&Some(mark(2)), 0));
        assert_eq!(window.high, Some(mark(2)));
    }

    #[test]
    fn rows_of_long_ago_are_left_behind_at_once_by_their_own_time() {
        // given
        let now = Instant::now();
        let at = |second| Some(Timestamp::from_second(second).unwrap());
        let mut window = Window::new(OVERLAP);
        for second in 0..1_000 {
            window.see(second, second);
            // when
            window.pass(mark(second), at(second.cast_signed()), now);
        }
        // then
        assert_eq!(window.low, Some(mark(969)));
        assert_eq!(window.order.len(), 30);
    }

    #[test]
    fn no_more_rows_are_remembered_than_there_is_room_for() {
        let now = Instant::now();
        let mut window = Window::new(OVERLAP);
        for row in 0..(MOST as u64 + 5_000) {
            window.see(row, row);
            if row % 100 == 99 {
                window.pass(mark(row), None, now);
            }
        }
        assert!(window.order.len() <= MOST);
        assert!(window.low.is_some());
    }

    #[test]
    fn a_window_that_was_stored_knows_what_it_has_seen() {
        // given
        let now = Instant::now();
        let mut before = Window::new(OVERLAP);
        for row in 0..(3 * LOGGED as u64) {
            before.see(row, row);
        }
        before.see(3_000, 1);
        before.pass(mark(9), None, now);
        let seen = Seen::read_all(before.log());
        assert_eq!(seen.len(), LOGGED);
        // when
        let mut after = Window::resume(OVERLAP, before.low.clone(), before.high.clone(), seen, now);
        // then
        assert_eq!((after.see(3_071, 3_071), after.see(3_000, 1)), (None, None));
        assert_eq!(
            after.see(5, 5).map(|seen| seen.version),
            Some(5),
            "the same id as before"
        );
        after.settle(now + OVERLAP);
        assert_eq!(after.low, Some(mark(9)));
    }
}
