//! What a flow has done since it was started, in numbers.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use dashmap::DashMap;

use super::{Standing, duration::Durations};
use crate::{
    bus::Cause,
    canonical::rules::{Violation, Violations},
    flow::Rule,
};

/// Causes told apart; the rest is counted together, so that memory stays bounded whatever comes in.
const MOST_CAUSES: usize = 64;
/// Rules told apart.
const MOST_RULES: usize = 256;

/// The counters of one flow.
#[derive(Debug, Default)]
pub struct Tally {
    received: AtomicU64,
    again: AtomicU64,
    published: AtomicU64,
    delivered: AtomicU64,
    answered: AtomicU64,
    unanswered: AtomicU64,
    retried: AtomicU64,
    delayed: AtomicU64,
    is_paused: AtomicBool,
    standing: Mutex<Standing>,
    durations: Durations,
    filtered: DashMap<Rule, u64>,
    /// By the cause without its numbers: the same mistake in line 3 and in line 5 is one cause.
    parked: DashMap<String, (String, u64)>,
    /// By the field, without the numbers of items, and the rule.
    broken: DashMap<String, u64>,
}

/// A reading of a [`Tally`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records or messages taken in, repeats included.
    pub received: u64,
    /// Those among them that had been given out before: retries, and repeats after a crash.
    pub again: u64,
    /// Messages sent to channels, and confirmed.
    pub published: u64,
    /// Messages that have reached their system.
    pub delivered: u64,
    /// Answers given to requests.
    pub answered: u64,
    /// Requests to which no answer came within their deadline.
    pub unanswered: u64,
    /// Retries ordered.
    pub retried: u64,
    /// Messages that came before their time, and come again: each time counts, and is among `received`.
    pub delayed: u64,
    /// Whether it is paused, because its system is down.
    pub is_paused: bool,
    /// Messages that ended by a rule, per rule.
    pub filtered: BTreeMap<String, u64>,
    /// Messages parked, per cause; causes that differ only in numbers (lines, lengths) count as the first of them.
    pub parked: BTreeMap<String, u64>,
    /// Rules that messages have broken, per field and rule: `lines[].quantity: uint32.gt`.
    pub broken: BTreeMap<String, u64>,
}

impl Tally {
    /// A message was taken in; `again`: it had been given out before.
    pub(crate) fn received(&self, again: bool) {
        self.received.fetch_add(1, Ordering::Relaxed);
        self.again.fetch_add(u64::from(again), Ordering::Relaxed);
    }

    pub(crate) fn published(&self, messages: usize) {
        self.published.fetch_add(messages as u64, Ordering::Relaxed);
    }

    pub(crate) fn delivered(&self) {
        self.delivered.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn answered(&self, answers: usize) {
        self.answered.fetch_add(answers as u64, Ordering::Relaxed);
    }

    pub(crate) fn unanswered(&self) {
        self.unanswered.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn retried(&self) {
        self.retried.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn delayed(&self) {
        self.delayed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn is_paused(&self, is_paused: bool) {
        self.is_paused.store(is_paused, Ordering::Relaxed);
    }

    pub(crate) fn filtered(&self, rule: Rule) {
        *self.filtered.entry(rule).or_default() += 1;
    }

    pub(crate) fn parked(&self, cause: &Cause) {
        let (mut what, mut likeness) = (cause.what.clone(), likeness(&cause.what));
        if self.parked.len() >= MOST_CAUSES && !self.parked.contains_key(&likeness) {
            what = "other causes".to_owned();
            likeness.clone_from(&what);
        }
        self.parked.entry(likeness).or_insert((what, 0)).1 += 1;
    }

    /// A message has broken these rules.
    pub(crate) fn broke(&self, violations: &Violations) {
        for Violation { path, rule, .. } in &violations.told {
            let mut rule = format!("{}: {rule}", unnumbered(path));
            if self.broken.len() >= MOST_RULES && !self.broken.contains_key(&rule) {
                "other rules".clone_into(&mut rule);
            }
            *self.broken.entry(rule).or_default() += 1;
        }
    }

    /// This many messages were done with, which took so long.
    pub(crate) fn done(&self, took: Duration, messages: usize) {
        self.durations.add(took, messages as u64);
    }

    /// How the flow stands from now on.
    pub(crate) fn stands(&self, standing: Standing) {
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner) = standing;
    }

    /// How the flow stands.
    pub fn standing(&self) -> Standing {
        self.standing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn paused(&self) -> bool {
        self.is_paused.load(Ordering::Relaxed)
    }

    pub(super) fn durations(&self) -> &Durations {
        &self.durations
    }

    /// The numbers as they are now.
    pub fn read(&self) -> Counts {
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            received: number(&self.received),
            again: number(&self.again),
            published: number(&self.published),
            delivered: number(&self.delivered),
            answered: number(&self.answered),
            unanswered: number(&self.unanswered),
            retried: number(&self.retried),
            delayed: number(&self.delayed),
            is_paused: self.paused(),
            filtered: self
                .filtered
                .iter()
                .map(|entry| (entry.key().to_string(), *entry.value()))
                .collect(),
            parked: self.parked.iter().map(|entry| entry.value().clone()).collect(),
            broken: self
                .broken
                .iter()
                .map(|entry| (entry.key().clone(), *entry.value()))
                .collect(),
        }
    }
}

/// The path of a field without the numbers of items: `lines[].quantity`; the whole message is `message`.
fn unnumbered(path: &str) -> String {
    let mut shown = String::with_capacity(path.len());
    let mut is_inside = false;
    for character in path.chars() {
        is_inside &= character != ']';
        if !is_inside {
            shown.push(character);
        }
        is_inside |= character == '[';
    }
    if shown.is_empty() {
        "message".to_owned()
    } else {
        shown
    }
}

/// A text with `#` for each number in it.
fn likeness(text: &str) -> String {
    let mut likeness = String::with_capacity(text.len());
    for character in text.chars() {
        if !character.is_ascii_digit() {
            likeness.push(character);
        } else if !likeness.ends_with('#') {
            likeness.push('#');
        }
    }
    likeness
}
