//! The flows of one process, as they stand: what its health and its metrics are read from.

use std::{fmt::Write, sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::time::timeout;

use super::{Standing, Tally};
use crate::{
    bus::{Bus, Depth},
    config::{Feed, FlowPlan},
    names::{ChannelName, FlowName, QueueName, SystemName},
};

/// How long the bus may take to say what its queues hold; then nothing is said of them.
const PATIENCE: Duration = Duration::from_secs(2);

/// The flows of one process.
pub struct Board {
    bus: Arc<dyn Bus>,
    pub(super) flows: Vec<Watched>,
}

/// A flow that is watched.
pub(super) struct Watched {
    pub(super) name: FlowName,
    /// The system that it reads or writes, and the channel that it reads or publishes to.
    pub(super) system: Option<SystemName>,
    pub(super) channel: Option<ChannelName>,
    pub(super) tally: Arc<Tally>,
    queues: Vec<QueueName>,
}

impl Board {
    /// A board without flows.
    pub(crate) fn new(bus: Arc<dyn Bus>) -> Self {
        let flows = Vec::new();
        Self { bus, flows }
    }

    /// Watches one more flow.
    pub(crate) fn watch(&mut self, plan: &FlowPlan, tally: Arc<Tally>) {
        let read = match &plan.feed {
            Feed::Channel { channel, .. } => Some(channel),
            Feed::System { .. } => None,
        };
        self.flows.push(Watched {
            name: plan.name.clone(),
            system: plan.systems().next().cloned(),
            channel: read.or(plan.target.channel()).cloned(),
            tally,
            queues: plan.queues().into_iter().map(|queue| queue.name).collect(),
        });
    }

    /// Whether all flows are at work, and a line for each that is not, or is paused.
    pub(super) fn readiness(&self) -> (bool, String) {
        let mut is_ready = true;
        let mut told = String::new();
        for Watched { name, tally, .. } in &self.flows {
            let said = match tally.standing() {
                Standing::Starting => "is starting".to_owned(),
                Standing::Waits(why) => format!("waits: {why}"),
                Standing::AtWork if tally.paused() => {
                    // Not for a balancer to act on: what comes in is taken, and kept.
                    let _ = writeln!(told, "flow {name} is paused: its system does not take messages");
                    continue;
                }
                Standing::AtWork | Standing::Ended => continue,
            };
            is_ready = false;
            let _ = writeln!(told, "flow {name} {said}");
        }
        (is_ready, told)
    }

    /// What the queues of each flow hold together; `None` where the bus does not say.
    pub(super) async fn depths(&self) -> Vec<Option<Depth>> {
        let of = async |flow: &Watched| {
            let mut sum = Depth::default();
            for queue in &flow.queues {
                let depth = self.bus.depth(queue).await.ok()?;
                sum.ready += depth.ready;
                sum.unsettled += depth.unsettled;
                sum.delayed += depth.delayed;
                sum.parked += depth.parked;
            }
            Some(sum)
        };
        let asked = timeout(PATIENCE, join_all(self.flows.iter().map(of))).await;
        asked.unwrap_or_else(|_| self.flows.iter().map(|_| None).collect())
    }
}
