//! The circuit between a flow and its system: closed while the system takes messages, open while it is down.
//!
//! Promises: it opens when the system has taken nothing of several messages, so that one bad message opens nothing.
//! While it is open one message is tried at a time, at growing intervals and never two within a second; the first that
//! the system takes or refuses for good closes it. Not promised: to tell a system that is down from one that fails on
//! each of several bad messages; whoever holds messages back for long should let others have their turn.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use super::Patience;
use crate::names::MessageId;

/// So many different messages in a row, or tries in a row in which the system took none, open it.
const MOST: usize = 3;
/// The intervals between tries while it is open, but for the jitter of 30 %.
const SHORTEST: Duration = Duration::from_millis(1_500);
const LONGEST: Duration = Duration::from_secs(15);

/// The circuit between a flow and its system, shared by all who write for the flow.
#[derive(Default)]
pub(crate) struct Circuit {
    state: Mutex<State>,
    /// Held by the one who may try while it is open.
    turn: tokio::sync::Mutex<()>,
}

/// Leave to write.
pub(crate) enum Pass<'c> {
    /// Whatever there is.
    All,
    /// One message, to see whether the system is there; meanwhile nobody else may.
    One(#[expect(dead_code, reason = "it is held, not looked at")] tokio::sync::MutexGuard<'c, ()>),
}

/// What one try has shown.
#[derive(Default)]
pub(crate) struct Sign {
    /// The system has taken a message, or refused it for good.
    pub(crate) is_alive: bool,
    /// The messages on which it failed in passing.
    pub(crate) failed: Vec<MessageId>,
    /// It took no message at all: it, or the way to it, is gone.
    pub(crate) is_away: bool,
    /// A person must act: no need to look a second time.
    pub(crate) needs_person: bool,
    /// How long it asked us to wait.
    pub(crate) wait: Option<Duration>,
}

/// What a sign has changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing.
    None,
    /// It was closed and is open.
    Opened,
    /// It was open and is closed.
    Closed,
}

#[derive(Default)]
struct State {
    /// The last messages on which the system failed, up to [`MOST`], since it took one.
    failed: Vec<MessageId>,
    /// Tries since then in which it was away.
    away: usize,
    open: Option<Open>,
}

struct Open {
    since: Instant,
    patience: Patience,
    next: Instant,
}

impl Circuit {
    /// Waits until something may be written. Cancel-safe.
    pub(crate) async fn pass(&self) -> Pass<'_> {
        loop {
            if self.next().is_none() {
                return Pass::All;
            }
            let turn = self.turn.lock().await;
            // Whoever had the turn before may have closed it.
            let Some(next) = self.next() else {
                return Pass::All;
            };
            sleep_until(next).await;
            if self.next().is_some_and(|next| next <= Instant::now()) {
                return Pass::One(turn);
            }
        }
    }

    /// Hears what a try has shown that had this pass.
    pub(crate) fn hear(&self, pass: &Pass<'_>, sign: Sign) -> Change {
        let is_probe = matches!(pass, Pass::One(_));
        self.state().hear(is_probe, sign, Instant::now())
    }

    /// For how long it is open; `None`: it is closed.
    pub(crate) fn open_for(&self) -> Option<Duration> {
        self.state().open.as_ref().map(|open| open.since.elapsed())
    }

    fn next(&self) -> Option<Instant> {
        self.state().open.as_ref().map(|open| open.next)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass<'_> {
    /// Whether only one message may be tried.
    pub(crate) fn is_one(&self) -> bool {
        matches!(self, Pass::One(_))
    }
}

impl State {
    fn hear(&mut self, is_probe: bool, sign: Sign, now: Instant) -> Change {
        if sign.is_alive {
            let was_open = std::mem::take(self).open.is_some();
            return if was_open { Change::Closed } else { Change::None };
        }
        if let Some(open) = &mut self.open {
            // Others began before it opened, and tell nothing new.
            if is_probe {
                open.put_off(sign.wait, now);
            }
            return Change::None;
        }
        self.away += usize::from(sign.is_away);
        for id in sign.failed {
            if self.failed.len() < MOST && !self.failed.contains(&id) {
                self.failed.push(id);
            }
        }
        if self.failed.len() < MOST && self.away < MOST && !sign.needs_person {
            return Change::None;
        }
        let mut open = Open {
            since: now,
            patience: Patience::between(SHORTEST, LONGEST),
            next: now,
        };
        open.put_off(sign.wait, now);
        self.open = Some(open);
        Change::Opened
    }
}

impl Open {
    fn put_off(&mut self, wait: Option<Duration>, now: Instant) {
        let delay = self.patience.delay();
        self.next = now + wait.map_or(delay, |wait| wait.max(SHORTEST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(ids: &[&str]) -> Sign {
        Sign {
            failed: ids
                .iter()
                .map(|id| MessageId::foreign(id).expect("it is short"))
                .collect(),
            ..Sign::default()
        }
    }

    fn alive() -> Sign {
        Sign {
            is_alive: true,
            ..Sign::default()
        }
    }

    #[test]
    fn one_bad_message_opens_nothing_however_often_it_fails() {
        let mut state = State::default();
        for _ in 0..100 {
            assert_eq!(state.hear(false, failed(&["1"]), Instant::now()), Change::None);
        }
    }

    #[test]
    fn several_messages_in_a_row_open_it_and_the_first_that_is_taken_closes_it() {
        let now = Instant::now();
        let mut state = State::default();
        assert_eq!(state.hear(false, failed(&["1", "2"]), now), Change::None);
        assert_eq!(state.hear(false, alive(), now), Change::None);
        assert_eq!(state.hear(false, failed(&["3", "4"]), now), Change::None);
        assert_eq!(state.hear(false, failed(&["5"]), now), Change::Opened);
        assert_eq!(state.hear(true, alive(), now), Change::Closed);
        assert_eq!(state.hear(false, failed(&["6"]), now), Change::None);
    }

    #[test]
    fn a_system_that_is_away_three_times_in_a_row_opens_it() {
        let mut state = State::default();
        let mut hear = || {
            let sign = Sign {
                is_away: true,
                ..Sign::default()
            };
            state.hear(false, sign, Instant::now())
        };
        assert_eq!(
            [hear(), hear(), hear()],
            [Change::None, Change::None, Change::Opened]
        );
    }

    #[test]
    fn tries_grow_rarer_and_are_never_two_within_a_second() {
        // given
        let began = Instant::now();
        let mut state = State::default();
        state.hear(false, failed(&["1", "2", "3"]), began);
        // when it is down for ten minutes
        let mut tries = vec![began];
        while let Some(open) = &state.open
            && open.next < began + Duration::from_secs(600)
        {
            let now = open.next;
            tries.push(now);
            // One that began before it opened changes nothing.
            state.hear(false, failed(&["4"]), now);
            state.hear(true, failed(&["1"]), now);
        }
        // then
        let waits: Vec<_> = tries.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(
            waits.iter().all(|wait| *wait > Duration::from_secs(1)),
            "{waits:?}"
        );
        assert!(
            waits.iter().all(|wait| *wait < Duration::from_secs(20)),
            "{waits:?}"
        );
        assert!(waits[0] < Duration::from_secs(2), "{waits:?}");
        assert!(tries.len() < 70, "{waits:?}");
    }

    #[test]
    fn a_system_that_asks_for_patience_gets_it() {
        let now = Instant::now();
        let mut state = State::default();
        let sign = Sign {
            wait: Some(Duration::from_secs(90)),
            ..failed(&["1", "2", "3"])
        };
        assert_eq!(state.hear(false, sign, now), Change::Opened);
        let next = state.open.as_ref().map(|open| open.next);
        assert_eq!(next, Some(now + Duration::from_secs(90)));
    }
}
