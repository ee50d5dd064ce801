//! A flow at work, again after each fault.
//!
//! Promises: a fault or a panic of one flow leaves the others alone, and what it had in its hands goes back to its
//! queue; the same fault is told once while it lasts. Not promised: that a flow whose system is away ever begins.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use tokio::sync::{oneshot, watch};
use trunkline_sdk::{Fault, Remedy, Source};

use super::systems::Systems;
use crate::{
    bus::Bus,
    config::FlowPlan,
    endpoint::{Inbound, Outbound},
    flow,
    observe::Tally,
    recovery::Patience,
};

/// How long a flow pauses that a person must mend.
const PAUSE: Duration = Duration::from_secs(30);
/// A flow that has worked this long begins anew: its next fault is told again, and is followed by a short delay.
const STEADY: Duration = Duration::from_secs(60);

/// A flow at work.
pub(super) struct Task {
    pub(super) plan: FlowPlan,
    pub(super) bus: Arc<dyn Bus>,
    pub(super) systems: Arc<Systems>,
    pub(super) tally: Arc<Tally>,
    pub(super) stopping: watch::Receiver<bool>,
    /// What it does, once its system is open.
    pub(super) work: Option<Work>,
    /// Dropped when its source is at work for the first time.
    pub(super) starting: Option<oneshot::Sender<()>>,
}

/// What a flow does.
pub(super) enum Work {
    /// It reads a system. The source is opened again after each of its faults.
    Read(Box<dyn Source>),
    /// It reads a channel, and may write to a system.
    Follow(Option<Outbound>),
}

impl Task {
    /// Runs the flow again after each fault, until it ends or is stopped: others go on in the meantime.
    pub(super) async fn keep_running(mut self) {
        let mut patience = Patience::new();
        let mut told = String::new();
        loop {
            let began = Instant::now();
            // Whatever it had in its hands goes back to its queue, and what was open is opened again.
            let ended = AssertUnwindSafe(self.once(!told.is_empty())).catch_unwind().await;
            let Err(fault) =
                ended.unwrap_or_else(|_| Err(Fault::stop("the flow broke; this is our mistake")))
            else {
                return;
            };
            let flow = &self.plan.name;
            if *self.stopping.borrow() {
                tracing::debug!(%flow, error = %fault, "ended while stopping");
                return;
            }
            if began.elapsed() > STEADY {
                (patience, told) = (Patience::new(), String::new());
            }
            let pause = if passes(&fault) {
                fault.retry_after.unwrap_or_else(|| patience.delay())
            } else {
                PAUSE
            };
            if !passes(&fault) {
                tracing::error!(%flow, error = %fault, "the flow is paused; it tries again every 30 s");
            } else if told != fault.what {
                tracing::warn!(%flow, error = %fault, "the flow waits; it tries again and again");
            }
            told = fault.what;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = self.stopping.wait_for(|stopping| *stopping) => return,
            }
        }
    }

    /// Opens what is not open, and runs the flow until it ends. `waited`: a fault was told before.
    async fn once(&mut self, waited: bool) -> Result<(), Fault> {
        let work = match self.work.take() {
            Some(work) => work,
            None => {
                let mut stopping = self.stopping.clone();
                let opened = tokio::select! {
                    opened = self.systems.open(&self.plan) => opened?,
                    _ = stopping.wait_for(|stopping| *stopping) => return Ok(()),
                };
                if waited {
                    tracing::info!(flow = %self.plan.name, "the flow is at work again");
                }
                opened
            }
        };
        let (bus, tally, stopping) = (self.bus.clone(), self.tally.clone(), self.stopping.clone());
        match work {
            Work::Read(mut source) => match Inbound::new(&self.plan, bus, tally, stopping) {
                Some(inbound) => inbound.run(&mut *source, self.starting.take()).await,
                None => Ok(()),
            },
            Work::Follow(sink) => {
                let ended = flow::run(&self.plan, bus, sink.as_ref(), tally, stopping).await;
                self.work = Some(Work::Follow(sink));
                ended
            }
        }
    }
}

/// Whether it may pass by itself.
pub(super) fn passes(fault: &Fault) -> bool {
    matches!(fault.remedy, Remedy::Reopen | Remedy::Retry | Remedy::Wait)
}
