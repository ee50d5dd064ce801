//! The `timer` adapter: a source of records that time makes, at an interval or by a cron line.
//!
//! Promises: a time of the schedule has one record id, however often and on whatever host it fires, so a repeat after a
//! crash is known as one; what came due while nobody was there is treated as `missed` says; waking up too late or a
//! clock that is set back neither repeats a time nor skips one.
//! Not promised: punctuality. A time fires when it has come and the record before is safe on the bus.
//!
//! [`cron`] reads the line and finds local times, [`schedule`] makes moments of them in a time zone, [`source`] waits
//! for them by a [`Clock`]. The README has the tables.

mod clock;
mod cron;
mod options;
mod schedule;
mod source;

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use trunkline_sdk::{Adapter, Description, Effect, Endpoint, Fault, Problem, Settings, Sink, Source, System};

pub use crate::clock::{Clock, WallClock};
use crate::{options::Plan, source::TimerSource};

/// The adapter, for the registry: [`Timer::new`].
#[derive(Clone)]
pub struct Timer {
    clock: Option<Arc<dyn Clock>>,
}

static DESCRIPTION: Description = Description {
    name: "timer",
    summary: "fires at an interval or by a cron line",
    system: &[],
    source: Some(options::SOURCE),
    sink: None,
    // Says nothing: there is no sink.
    effect: Effect::Plain,
};

impl Timer {
    /// The adapter, with the host's clock.
    pub const fn new() -> Self {
        Self { clock: None }
    }

    /// The adapter with another clock.
    pub fn with(clock: Arc<dyn Clock>) -> Self {
        Self { clock: Some(clock) }
    }
}

impl Default for Timer {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Adapter for Timer {
    fn describe(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn check(&self, _system: &Settings, endpoints: &[Endpoint<'_>]) -> Vec<Problem> {
        let problems = |endpoint: &Endpoint<'_>| match endpoint {
            Endpoint::Source { settings } => Plan::read(settings).err().unwrap_or_default(),
            Endpoint::Sink { .. } => Vec::new(),
        };
        endpoints.iter().flat_map(problems).collect()
    }

    async fn open(&self, _system: &Settings, _home: &Path) -> Result<Box<dyn System>, Fault> {
        Ok(Box::new(Clocked(
            self.clock.clone().unwrap_or_else(|| Arc::new(WallClock)),
        )))
    }
}

/// A clock, for the flows that read from it.
struct Clocked(Arc<dyn Clock>);

#[async_trait]
impl System for Clocked {
    async fn source(&self, endpoint: &Settings) -> Result<Box<dyn Source>, Fault> {
        let plan = Plan::read(endpoint).map_err(|problems| {
            let told: Vec<_> = problems.iter().map(|problem| problem.what.as_str()).collect();
            Fault::stop(format!("timer: {}", told.join("; ")))
        })?;
        Ok(Box::new(TimerSource::new(plan, self.0.clone())))
    }

    async fn sink(&self, _flow: &str, _endpoint: &Settings) -> Result<Box<dyn Sink>, Fault> {
        Err(Fault::stop("timer: there is nothing to write to"))
    }

    async fn test(&self) -> Result<String, Fault> {
        Ok(format!("the clock says {}", clock::timestamp(self.0.now())))
    }
}
