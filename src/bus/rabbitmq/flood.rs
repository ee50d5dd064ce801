//! Whether messages come so fast that it pays to fetch them together.
//!
//! To be woken for each message costs more than the message: the client's thread wakes the consumer, the consumer wakes
//! who works on it, one by one. So, as network cards are read: one that comes alone is taken at once, and in a flood
//! the consumer sleeps for [`NAP`] and then takes all that has come.

use std::time::Duration;

use tokio::time::Instant;

/// How long a nap is; the timer's grain may make it twice as long.
const NAP: Duration = Duration::from_millis(1);
/// What follows the one before it by less belongs to its run.
const CLOSE: Duration = Duration::from_micros(100);
/// So long a run is a flood, and it lasts as long as half of that comes in each nap.
const RUN: u32 = 16;
/// Whoever may have fewer out at a time gets them faster one by one.
const LEAST_PREFETCH: u16 = 128;

/// How messages follow each other.
#[derive(Debug)]
pub(super) struct Flood {
    possible: bool,
    last: Option<Instant>,
    run: u32,
    /// The last time not all could be taken.
    more: bool,
}

impl Flood {
    /// Of a consumer that has at most `prefetch` messages out.
    pub(super) fn new(prefetch: u16) -> Self {
        Self {
            possible: prefetch >= LEAST_PREFETCH,
            last: None,
            run: 0,
            more: false,
        }
    }

    /// Whether it is one.
    pub(super) fn is_high(&self) -> bool {
        self.run >= RUN
    }

    /// `count` messages were taken; `more`: there was no room for what else may be there.
    pub(super) fn took(&mut self, count: usize, more: bool) {
        if self.possible {
            self.more = more;
            self.took_at(Instant::now(), count);
        }
    }

    /// When to look again what has come.
    pub(super) fn waking(&self) -> Instant {
        self.last
            .filter(|_| !self.more)
            .map_or_else(Instant::now, |last| last + NAP)
    }

    fn took_at(&mut self, now: Instant, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let goes_on = if self.is_high() {
            count >= RUN / 2
        } else {
            self.last.is_some_and(|last| now - last < CLOSE)
        };
        self.run = if goes_on {
            self.run.saturating_add(count)
        } else {
            0
        };
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_begins_with_a_long_run_of_messages_and_ends_with_an_idle_nap() {
        let mut flood = Flood::new(LEAST_PREFETCH);
        let mut now = Instant::now();
        let mut take = |flood: &mut Flood, after: Duration, count: usize| {
            now += after;
            flood.took_at(now, count);
            flood.is_high()
        };
        for _ in 0..100 {
            assert!(!take(&mut flood, CLOSE, 1));
        }
        for _ in 1..RUN {
            assert!(!take(&mut flood, CLOSE / 2, 1));
        }
        assert!(take(&mut flood, CLOSE / 2, 1));
        assert!(take(&mut flood, NAP, 8));
        assert!(!take(&mut flood, NAP, 7));
    }

    #[test]
    fn who_may_have_few_out_never_naps() {
        let mut flood = Flood::new(LEAST_PREFETCH - 1);
        flood.took(1000, false);
        flood.took(1000, false);
        assert!(!flood.is_high());
    }
}
