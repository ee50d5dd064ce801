//! How fast a system may be asked, by all flows together.
//!
//! Promises: no more requests than the rate allows, evenly spread; while the system asks for patience nobody asks it.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// The longest that a system is left alone because it said so; then it is asked again.
const LONGEST_HOLD: Duration = Duration::from_secs(3600);

/// Shared by all flows of a system.
pub(crate) struct Pace {
    /// Between two requests.
    interval: Duration,
    slots: Mutex<Slots>,
}

struct Slots {
    next: Instant,
    held_until: Option<Instant>,
}

impl Pace {
    pub(crate) fn new(interval: Option<Duration>) -> Self {
        Self {
            interval: interval.unwrap_or_default(),
            slots: Mutex::new(Slots {
                next: Instant::now(),
                held_until: None,
            }),
        }
    }

    /// Waits for a turn. Who gives up waiting has used his turn.
    pub(crate) async fn turn(&self) {
        if self.interval.is_zero() {
            return;
        }
        let turn = {
            let mut slots = self.slots();
            let turn = slots.next.max(Instant::now());
            slots.next = turn + self.interval;
            turn
        };
        sleep_until(turn).await;
    }

    /// The system asks for patience. Returns how long it gets.
    pub(crate) fn hold(&self, patience: Duration) -> Duration {
        let patience = patience.min(LONGEST_HOLD);
        let until = Instant::now() + patience;
        let mut slots = self.slots();
        slots.held_until = Some(slots.held_until.map_or(until, |held| held.max(until)));
        patience
    }

    /// How long the system still wants to be left alone.
    pub(crate) fn held(&self) -> Option<Duration> {
        let held = self.slots().held_until?;
        let left = held.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads `5/s`, `300/m`, `5000/h`: the time between two requests.
pub(crate) fn read_rate(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_once('/')?;
    let number: u32 = number
        .trim()
        .parse()
        .ok()
        .filter(|number| (1..=100_000).contains(number))?;
    let seconds = match unit.trim() {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(seconds) / number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_of_requests_in_a_unit_of_time() {
        assert_eq!(read_rate("5/s"), Some(Duration::from_millis(200)));
        assert_eq!(read_rate("60/m"), Some(Duration::from_secs(1)));
        assert_eq!(read_rate("36/h"), Some(Duration::from_secs(100)));
        for text in ["", "5", "0/s", "5/w", "-1/s", "1.5/s", "/s", "200000/s"] {
            assert_eq!(read_rate(text), None, "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_are_spread_evenly_over_all_who_ask() {
        // given
        let pace = Pace::new(read_rate("5/s"));
        let began = Instant::now();
        // when
        futures_util::future::join_all((0..11).map(|_| pace.turn())).await;
        // then
        assert_eq!(began.elapsed().as_millis() / 100, 20);
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_patience_that_was_asked_for_counts() {
        let pace = Pace::new(None);
        assert_eq!(pace.held(), None);
        pace.hold(Duration::from_secs(20));
        pace.hold(Duration::from_secs(5));
        assert_eq!(pace.held(), Some(Duration::from_secs(20)));
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!(pace.held(), None);
        assert_eq!(pace.hold(Duration::from_secs(1_000_000)), LONGEST_HOLD);
    }
}
