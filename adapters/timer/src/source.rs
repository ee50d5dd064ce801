//! A timer as a source: waits for the next time, sends its record, and goes on behind it.

use std::{sync::Arc, time::SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use trunkline_sdk::{Body, Fault, Outlet, Position, Record, Source, Value};

use crate::{
    clock::{Clock, timestamp},
    options::{Missed, Plan},
};

/// With `missed: all`, so many of the newest.
const MOST_MISSED: usize = 1000;

/// One timer of a flow.
pub(crate) struct TimerSource {
    plan: Plan,
    name: String,
    clock: Arc<dyn Clock>,
}

impl TimerSource {
    pub(crate) fn new(plan: Plan, clock: Arc<dyn Clock>) -> Self {
        let name = plan.schedule.name();
        Self { plan, name, clock }
    }

    fn now(&self) -> Timestamp {
        timestamp(self.clock.now())
    }

    /// Behind which time it goes on.
    fn begin(&self, resume: Option<Position>) -> Result<Timestamp, Fault> {
        let now = self.now();
        let last = match resume {
            Some(position) => read(&position)?,
            None => self.plan.since.unwrap_or(now),
        };
        if last > now {
            tracing::warn!(schedule = %self.name, %last, "its last time lies ahead of this host's clock: it waits");
        }
        Ok(match self.plan.missed {
            Missed::Skip => last.max(now),
            Missed::Once | Missed::All => last,
        })
    }

    /// The times behind `last` up to `now` that fire: at least one has come.
    fn due(&self, last: Timestamp, now: Timestamp) -> Vec<Timestamp> {
        let most = match self.plan.missed {
            Missed::Once => 1,
            Missed::All => MOST_MISSED,
            Missed::Skip => 2,
        };
        let due = self.plan.schedule.newest(last, now, most);
        match self.plan.missed {
            // Of several nobody was there for any: the host was suspended, or the bus away.
            Missed::Skip if due.len() > 1 => Vec::new(),
            _ => due,
        }
    }

    fn record(&self, scheduled: Timestamp, is_missed: bool) -> Record {
        let text = |text: String| Value::Text(text.into());
        let local = self.plan.schedule.zone().to_offset(scheduled);
        let mut record = Record::new(
            format!("{} {scheduled}", self.name),
            Body::Value(Value::Object(vec![
                ("schedule".into(), text(self.name.clone())),
                ("scheduled".into(), text(scheduled.to_string())),
                (
                    "local".into(),
                    text(scheduled.display_with_offset(local).to_string()),
                ),
                ("fired".into(), text(self.now().to_string())),
                ("missed".into(), Value::Bool(is_missed)),
            ])),
        );
        record.time = system_time(scheduled);
        record.subject = Some(self.name.clone());
        record.position = Some(Position(Bytes::from(scheduled.to_string())));
        record
    }
}

#[async_trait]
impl Source for TimerSource {
    /// Ends by itself only when its schedule does, in the year 9999.
    async fn run(&mut self, outlet: Outlet, resume: Option<Position>) -> Result<(), Fault> {
        let mut last = self.begin(resume)?;
        while let Some(next) = self.plan.schedule.next(last)
            && let Some(moment) = system_time(next)
        {
            let is_missed = next < self.now();
            tokio::select! {
                () = self.clock.wait_until(moment) => {}
                () = outlet.stopping() => return Ok(()),
            }
            let now = self.now().max(next);
            for time in self.due(last, now) {
                let record = self.record(time, is_missed || time != next);
                if outlet.send(record).await.is_err() {
                    // Trunkline is stopping: what is not safe comes again.
                    return Ok(());
                }
            }
            last = now;
        }
        Ok(())
    }
}

fn read(position: &Position) -> Result<Timestamp, Fault> {
    let text = std::str::from_utf8(&position.0).ok();
    text.and_then(|text| text.parse().ok()).ok_or_else(|| {
        Fault::stop("timer: the stored position is no time")
            .hint("was the flow's `from:` another system before? reset its position")
    })
}

/// `None`: beyond what this host can tell.
fn system_time(moment: Timestamp) -> Option<SystemTime> {
    SystemTime::try_from(moment).ok()
}
