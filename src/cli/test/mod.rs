//! `trunkline test`: what the flows make of records and messages, against what is written in `tests/*.yaml`.
//!
//! No bus, no system, no network: a flow's steps are taken through one message, and what comes out is compared.

mod compare;
mod report;
mod shown;

use std::time::Instant;

use trunkline_sdk::Fault;

use self::compare::{Difference, differences};
use super::{Failure, Place, opened::Opened, say, watch};
use crate::{
    config::{self, Test as Case},
    flow::rehearse,
};

#[derive(clap::Args)]
pub(super) struct Test {
    #[command(flatten)]
    place: Place,
    /// One JSON array on stdout
    #[arg(long)]
    json: bool,
    /// Test again whenever a file is saved, until Ctrl-C
    #[arg(long)]
    watch: bool,
}

/// A test and how it ended.
struct Ended<'t> {
    test: &'t Case,
    flow: &'t str,
    differences: Vec<Difference>,
}

impl Test {
    pub(super) async fn run(self) -> Result<(), Failure> {
        if self.watch {
            return watch::repeat(&self.place.landscape, async || self.test().await).await;
        }
        self.test().await
    }

    async fn test(&self) -> Result<(), Failure> {
        let started = Instant::now();
        let Opened {
            landscape,
            plan,
            pool,
        } = Opened::at(self.place.landscape.clone())?;
        let tests = match config::tests(&landscape, &plan, &pool) {
            Ok(tests) => tests,
            Err(problems) => {
                super::tell_problems(&landscape, &problems);
                return Err(Failure::Told);
            }
        };
        if tests.is_empty() {
            return Err(
                Fault::stop(format!("`{}` has no tests", landscape.home.display()))
                    .hint("write the first into `tests/<name>.yaml`: see examples/shop")
                    .into(),
            );
        }
        let mut ended = Vec::with_capacity(tests.len());
        for test in &tests {
            let flow = &plan.flows[test.flow];
            // One after the other: what was given to the last is not there any more.
            if let Some(given) = &plan.given {
                given.give(test.references.clone());
            }
            let verdict = rehearse(flow, test.given.clone()).await;
            ended.push(Ended {
                test,
                flow: flow.name.as_str(),
                differences: differences(&flow.target, &test.expect, verdict),
            });
        }
        let text = match self.json {
            true => report::json(&ended),
            false => report::text(&ended),
        };
        say::data(text)?;
        say::talk(report::sum(&ended, started.elapsed()));
        match ended.iter().all(|ended| ended.differences.is_empty()) {
            true => Ok(()),
            false => Err(Failure::Told),
        }
    }
}
