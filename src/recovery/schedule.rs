//! When a message is tried again.

use std::time::Duration;

use backoff::{ExponentialBackoff, ExponentialBackoffBuilder, backoff::Backoff};

/// A delay that the bus offers. There are a few for the whole landscape, because on RabbitMQ each is a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    /// 1 s.
    Second1,
    /// 5 s.
    Second5,
    /// 30 s.
    Second30,
    /// 2 min.
    Minute2,
    /// 10 min.
    Minute10,
    /// 1 h.
    Hour1,
}

impl Rung {
    /// All rungs, shortest first.
    pub const ALL: [Rung; 6] = [
        Rung::Second1,
        Rung::Second5,
        Rung::Second30,
        Rung::Minute2,
        Rung::Minute10,
        Rung::Hour1,
    ];

    /// How long it is.
    pub fn delay(self) -> Duration {
        Duration::from_secs(match self {
            Rung::Second1 => 1,
            Rung::Second5 => 5,
            Rung::Second30 => 30,
            Rung::Minute2 => 120,
            Rung::Minute10 => 600,
            Rung::Hour1 => 3600,
        })
    }

    /// How long it is, and up to a fifth more: where each message waits by itself, those that failed together do not come
    /// again together.
    pub fn spread(self) -> Duration {
        let middle = self.delay().mul_f64(1.1);
        let mut around = exponential(middle, 1.0, middle, 0.09);
        around.next_backoff().unwrap_or(middle)
    }

    /// Its word in the names of queues: `5s`, `10m`.
    pub fn word(self) -> &'static str {
        match self {
            Rung::Second1 => "1s",
            Rung::Second5 => "5s",
            Rung::Second30 => "30s",
            Rung::Minute2 => "2m",
            Rung::Minute10 => "10m",
            Rung::Hour1 => "1h",
        }
    }

    /// The longest rung that is at most this long; the shortest, if none is.
    pub fn at_most(delay: Duration) -> Self {
        let mut fitting = Self::ALL.into_iter().rev();
        fitting
            .find(|rung| rung.delay() <= delay)
            .unwrap_or(Rung::Second1)
    }

    /// The shortest rung that is at least this long; the longest, if none is.
    pub fn at_least(delay: Duration) -> Self {
        Self::ALL
            .into_iter()
            .find(|rung| rung.delay() >= delay)
            .unwrap_or(Rung::Hour1)
    }
}

/// How often and when a flow tries again: the `retry:` of a flow file.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// How many attempts in all, the first included; then the message is parked.
    pub attempts: u32,
    /// The delay before the second attempt.
    pub first: Duration,
    /// Each delay is the one before times this.
    pub factor: f64,
    /// No delay is longer.
    pub max: Duration,
}

impl Default for Schedule {
    /// 8 attempts: after 1 s, then 2, 4, 8 … s on the rungs, in all about 5 minutes.
    fn default() -> Self {
        Self {
            attempts: 8,
            first: Duration::from_secs(1),
            factor: 2.0,
            max: Duration::from_secs(600),
        }
    }
}

impl Schedule {
    /// When to try again after attempt number `attempt` (from 1) has failed; `None`: no more.
    ///
    /// The bus counts in rungs, which spreads retries less than jitter would, but the same on both engines. What is tried
    /// again in its place is spread.
    pub fn after(&self, attempt: u32) -> Option<Rung> {
        if attempt >= self.attempts {
            return None;
        }
        let mut delays = exponential(self.first, self.factor, self.max, 0.0);
        let delay = (0..attempt)
            .filter_map(|_| delays.next_backoff())
            .last()
            .unwrap_or(self.first);
        Some(Rung::at_least(delay))
    }

    /// How long all delays are together.
    pub fn whole(&self) -> Duration {
        (1..self.attempts)
            .filter_map(|attempt| self.after(attempt))
            .map(Rung::delay)
            .sum()
    }
}

/// Endless delays between attempts to reach something that is away, with jitter: from 100 ms, to 5 s if nothing else is
/// said.
#[derive(Debug)]
pub struct Patience(ExponentialBackoff);

impl Patience {
    /// Begins with the shortest delay.
    pub fn new() -> Self {
        Self::up_to(Duration::from_secs(5))
    }

    /// With no delay longer than this, but for the jitter.
    pub fn up_to(longest: Duration) -> Self {
        Self::between(Duration::from_millis(100), longest)
    }

    /// Beginning with the first of these delays, and with none longer than the second, but for the jitter.
    pub fn between(first: Duration, longest: Duration) -> Self {
        Self(exponential(first, 2.0, longest, 0.3))
    }

    /// The next delay.
    pub fn delay(&mut self) -> Duration {
        self.0.next_backoff().unwrap_or(Duration::from_secs(5))
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self::new()
    }
}

/// The only use of the `backoff` crate, which is no longer maintained: it computes delays, nothing more.
fn exponential(first: Duration, factor: f64, max: Duration, jitter: f64) -> ExponentialBackoff {
    ExponentialBackoffBuilder::new()
        .with_initial_interval(first)
        .with_multiplier(factor)
        .with_max_interval(max)
        .with_randomization_factor(jitter)
        .with_max_elapsed_time(None)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_by_the_factor_and_snap_up_to_the_rungs() {
        let schedule = Schedule {
            attempts: 7,
            first: Duration::from_secs(1),
            factor: 3.0,
            max: Duration::from_secs(60),
        };
        let rungs: Vec<_> = (1..=7)
            .map(|attempt| schedule.after(attempt).map(Rung::word))
            .collect();
        assert_eq!(schedule.whole(), Duration::from_secs(1 + 5 + 30 + 30 + 120 + 120));
        assert_eq!(
            rungs,
            [
                Some("1s"),
                Some("5s"),
                Some("30s"),
                Some("30s"),
                Some("2m"),
                Some("2m"),
                None
            ]
        );
    }

    #[test]
    fn what_failed_together_does_not_come_again_together() {
        let delays: Vec<_> = (0..100).map(|_| Rung::Second5.spread()).collect();
        let bounds = Duration::from_secs(5)..Duration::from_secs(6);
        assert!(delays.iter().all(|delay| bounds.contains(delay)), "{delays:?}");
        assert!(delays.iter().any(|delay| *delay != delays[0]));
    }

    #[test]
    fn patience_never_ends_and_never_waits_long() {
        let mut patience = Patience::new();
        assert!(
            (0..100)
                .map(|_| patience.delay())
                .all(|delay| delay < Duration::from_secs(10))
        );
    }
}
