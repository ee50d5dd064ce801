//! Races between ways to do the same thing, run in turns in one process, so that what the machine does beside it
//! hits all of them alike. Trust the ratios; the rates are this machine's at this hour.

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

/// How long one turn is.
const TURN: Duration = Duration::from_millis(150);
/// How many turns each contender has.
const TURNS: usize = 15;

/// A contender: what it is called, and one run of it.
pub type Contender<'r> = (&'r str, Box<dyn FnMut() + 'r>);

/// What a race came to: per contender its median rate, in runs per second.
#[derive(Debug)]
pub struct Standing {
    /// Names and rates, in the order they were given.
    pub rates: Vec<(String, f64)>,
}

/// Lets the contenders run in turns.
pub fn race(mut contenders: Vec<Contender<'_>>) -> Standing {
    let mut laps: Vec<Vec<f64>> = contenders.iter().map(|_| Vec::new()).collect();
    for turn in 0..=TURNS {
        for ((_, run), laps) in contenders.iter_mut().zip(&mut laps) {
            let rate = rate(run);
            // The first turn warms up.
            if turn > 0 {
                laps.push(rate);
            }
        }
    }
    let rates = contenders
        .iter()
        .zip(laps)
        .map(|((name, _), mut laps)| {
            laps.sort_by(f64::total_cmp);
            ((*name).to_owned(), laps[laps.len() / 2])
        })
        .collect();
    Standing { rates }
}

fn rate(run: &mut dyn FnMut()) -> f64 {
    let started = Instant::now();
    let mut runs = 0_u32;
    while started.elapsed() < TURN {
        for _ in 0..64 {
            run();
        }
        runs += 64;
    }
    f64::from(runs) / started.elapsed().as_secs_f64()
}

impl Standing {
    /// One line per contender: its rate, and its ratio to the first one's.
    pub fn lines(&self) -> String {
        let first = self.rates.first().map_or(1.0, |(_, rate)| *rate);
        let mut lines = String::new();
        for (name, rate) in &self.rates {
            // Writing to a text cannot fail.
            let _ = writeln!(
                lines,
                "  {name:<44} {:>9.1} k/s   {:>5.2}",
                rate / 1_000.0,
                rate / first
            );
        }
        lines
    }
}
