//! `throttle:` lets so many messages pass in a time, evenly spaced (EIP Throttler): for a system that takes no more.
//!
//! Promises: between two messages lies at least the time divided by the number, so in no stretch of it pass more; a stop
//! does not wait. Not promised: one measure for several processes, or across a restart: each counts for itself, from
//! when it starts.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::{Instant, sleep_until};
use trunkline_sdk::{Fault, Kind, Need, Opt, Options, Settings};

use super::{Expression, Processor, Scope, Step};
use crate::message::Message;

pub(super) const THROTTLE: &[Opt] = &[
    Opt {
        name: "rate",
        kind: Kind::Number(1, 100_000),
        need: Need::Required,
        summary: "how many messages pass in the time `per`",
    },
    Opt {
        name: "per",
        kind: Kind::Duration,
        need: Need::Default("1s"),
        summary: "the time; a message waits for its turn for 10 minutes at most",
    },
];

/// A broker takes back after half an hour what is not settled.
const LONGEST: Duration = Duration::from_secs(10 * 60);

struct Throttler {
    pace: Duration,
    /// When the next message may pass.
    next: Mutex<Option<Instant>>,
}

pub(super) fn plan(settings: &Settings, scope: &mut Scope<'_>) -> Option<Box<dyn Processor>> {
    let options = Options::read(THROTTLE, settings)
        .map_err(|found| scope.problems.extend(found))
        .ok()?;
    let rate = u32::try_from(options.number("rate")?).ok()?;
    let pace = options.duration("per")? / rate;
    if pace > LONGEST {
        let what = "less than one message in 10 minutes is let pass";
        scope.problem(&settings.place, what).hint = Some(
            "raise `rate`, or shorten `per`; what comes once a day is a matter of its source".to_owned(),
        );
        return None;
    }
    Some(Box::new(Throttler {
        pace,
        next: Mutex::default(),
    }))
}

impl Throttler {
    /// When this message may pass; the next one later.
    fn turn(&self, now: Instant) -> Instant {
        // Set as a whole.
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = next.map_or(now, |next| next.max(now));
        *next = Some(turn + self.pace);
        turn
    }
}

#[async_trait]
impl Processor for Throttler {
    fn word(&self) -> &'static str {
        "throttle"
    }

    fn expressions(&self) -> Vec<Expression<'_>> {
        Vec::new()
    }

    fn pace(&self) -> Option<Duration> {
        Some(self.pace)
    }

    async fn process(&self, message: Message) -> Result<Step, Fault> {
        sleep_until(self.turn(Instant::now())).await;
        Ok(Step::Pass(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_evenly_spaced_and_no_burst_makes_up_for_a_pause() {
        let throttler = Throttler {
            pace: Duration::from_millis(100),
            next: Mutex::default(),
        };
        let now = Instant::now();
        let turns: Vec<_> = (0..3).map(|_| throttler.turn(now) - now).collect();
        assert_eq!(turns, [0, 100, 200].map(Duration::from_millis));
        let later = now + Duration::from_secs(60);
        assert_eq!(throttler.turn(later), later);
        assert_eq!(throttler.turn(later), later + Duration::from_millis(100));
    }
}
