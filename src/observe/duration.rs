//! How long things took, counted in a few classes.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The upper ends of the classes, in seconds; what took longer is in the last.
pub(super) const BOUNDS: [f64; 12] = [
    0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0, 3600.0,
];

/// A histogram of durations.
#[derive(Debug, Default)]
pub(super) struct Durations {
    classes: [AtomicU64; BOUNDS.len() + 1],
    microseconds: AtomicU64,
}

impl Durations {
    /// Counts this many that took so long.
    pub(super) fn add(&self, took: Duration, times: u64) {
        let seconds = took.as_secs_f64();
        let class = BOUNDS.iter().position(|bound| seconds <= *bound);
        self.classes[class.unwrap_or(BOUNDS.len())].fetch_add(times, Ordering::Relaxed);
        let all = u64::try_from(took.as_micros())
            .unwrap_or(u64::MAX)
            .saturating_mul(times);
        self.microseconds.fetch_add(all, Ordering::Relaxed);
    }

    /// How many took at most as long as each bound, and how many in all.
    pub(super) fn cumulated(&self) -> [u64; BOUNDS.len() + 1] {
        let mut sum = 0;
        self.classes.each_ref().map(|class| {
            sum += class.load(Ordering::Relaxed);
            sum
        })
    }

    /// All together, in seconds.
    pub(super) fn seconds(&self) -> f64 {
        Duration::from_micros(self.microseconds.load(Ordering::Relaxed)).as_secs_f64()
    }
}
