//! What the rounds of one way measured, and how they compare.

use std::{fs, time::Duration};

use super::Way;

/// The rounds of one way.
pub(crate) struct Series {
    pub(crate) way: Way,
    /// Messages per second.
    rates: Vec<f64>,
    /// µs of CPU per message.
    cpus: Vec<f64>,
}

impl Series {
    pub(crate) fn new(way: Way) -> Self {
        Self {
            way,
            rates: Vec::new(),
            cpus: Vec::new(),
        }
    }

    /// A round of `count` messages.
    pub(crate) fn add(&mut self, count: usize, took: Duration, cpu: Duration) {
        self.rates.push(count as f64 / took.as_secs_f64());
        self.cpus.push(cpu.as_secs_f64() * 1e6 / count as f64);
    }
}

/// Prints medians and spreads, and how each way compares to the last, which is the bare one.
#[allow(clippy::print_stdout, reason = "a bench is there to print")]
pub(crate) fn report(series: &[Series]) {
    for one in series {
        let (rates, cpus) = (sorted(&one.rates), sorted(&one.cpus));
        println!(
            "{:>6}: {:>6.0} msg/s ({:.0} to {:.0}), {:>5.1} µs CPU per message ({:.1} to {:.1})",
            format!("{:?}", one.way).to_lowercase(),
            middle(&rates),
            rates[0],
            rates[rates.len() - 1],
            middle(&cpus),
            cpus[0],
            cpus[cpus.len() - 1],
        );
    }
    let Some((bare, ours)) = series.split_last() else {
        return;
    };
    for one in ours {
        // Neighbours in time: what else the machine did at that moment, it did to both.
        let pairs: Vec<_> = one
            .rates
            .iter()
            .zip(&bare.rates)
            .map(|(ours, bare)| ours / bare)
            .collect();
        println!(
            "{} to lapin: rate {:.2} ({:.2} of neighbouring rounds), CPU {:.2}",
            format!("{:?}", one.way).to_lowercase(),
            middle(&sorted(&one.rates)) / middle(&sorted(&bare.rates)),
            middle(&sorted(&pairs)),
            middle(&sorted(&one.cpus)) / middle(&sorted(&bare.cpus)),
        );
    }
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values
}

fn middle(sorted: &[f64]) -> f64 {
    sorted[sorted.len() / 2]
}

/// User and system time of this process, from the kernel's clock ticks (100 a second on Linux).
pub(crate) fn cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks: u64 = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}
