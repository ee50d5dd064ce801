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
    observe::{Standing, Tally},
    recovery::Patience,
};

/// How long a flow pauses that a person must mend, at first and at last.
const PAUSE: (Duration, Duration) = match cfg!(test) {
    true => (Duration::from_millis(10), Duration::from_millis(10)),
    false => (Duration::from_secs(5), Duration::from_secs(60)),
};
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
    /// Its system was not there when it was opened last.
    pub(super) waits: bool,
}

/// What a flow does.
pub(super) enum Work {
    /// It reads a system. The source is opened again after each of its faults.
    Read(Box<dyn Source>),
    /// It reads a channel, and may write to a system.
    Follow(Option<Box<Outbound>>),
}

impl Task {
    /// Runs the flow again after each fault, until it ends or is stopped: others go on in the meantime.
    pub(super) async fn keep_running(mut self) {
        let stopped = || Patience::between(PAUSE.0, PAUSE.1);
        let (mut patience, mut stops) = (Patience::new(), stopped());
        let mut told = String::new();
        loop {
            let began = Instant::now();
            // Whatever it had in its hands goes back to its queue, and what was open is opened again.
            let ended = AssertUnwindSafe(self.once()).catch_unwind().await;
            let Err(fault) = ended.unwrap_or_else(|_| Err(broken())) else {
                return self.tally.stands(Standing::Ended);
            };
            let flow = &self.plan.name;
            if *self.stopping.borrow() {
                tracing::debug!(%flow, error = %fault, "ended while stopping");
                return self.tally.stands(Standing::Ended);
            }
            self.tally.stands(Standing::Waits(fault.to_string()));
            if began.elapsed() > STEADY {
                (patience, stops, told) = (Patience::new(), stopped(), String::new());
            }
            let pause = if passes(&fault) {
                fault.retry_after.unwrap_or_else(|| patience.delay())
            } else {
                stops.delay()
            };
            if told == fault.what {
                tracing::debug!(%flow, error = %fault, "not yet");
            } else if !passes(&fault) {
                tracing::error!(%flow, error = %fault, "the flow is paused; it tries again now and then, at least every two minutes");
            } else {
                tracing::warn!(%flow, error = %fault, "the flow waits; it tries again and again");
            }
            told = fault.what;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = self.stopping.wait_for(|stopping| *stopping) => return,
            }
        }
    }

    /// Opens what is not open, and runs the flow until it ends.
    async fn once(&mut self) -> Result<(), Fault> {
        let work = match self.work.take() {
            Some(work) => work,
            None => {
                let mut stopping = self.stopping.clone();
                let opened = tokio::select! {
                    opened = self.systems.open(&self.plan) => opened,
                    _ = stopping.wait_for(|stopping| *stopping) => return Ok(()),
                };
                let waited = std::mem::replace(&mut self.waits, opened.is_err());
                if waited && !self.waits {
                    tracing::info!(flow = %self.plan.name, "the flow is at work again");
                }
                opened?
            }
        };
        let (bus, tally, stopping) = (self.bus.clone(), self.tally.clone(), self.stopping.clone());
        match work {
            Work::Read(mut source) => {
                match Inbound::new(&self.plan, self.systems.types(), bus, tally, stopping) {
                    Some(inbound) => inbound.run(&mut *source, self.starting.take()).await,
                    None => Ok(()),
                }
            }
            Work::Follow(sink) => {
                let ended = flow::run(&self.plan, bus, sink.as_deref(), tally, stopping).await;
                self.work = Some(Work::Follow(sink));
                ended
            }
        }
    }
}

fn broken() -> Fault {
    Fault::reopen("the flow broke; this is our mistake").hint("please report it with what was said before")
}

/// Whether it may pass by itself.
pub(super) fn passes(fault: &Fault) -> bool {
    matches!(fault.remedy, Remedy::Reopen | Remedy::Retry | Remedy::Wait)
}

#[cfg(test)]
mod tests {
    use std::{
        path::Path,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use async_trait::async_trait;
    use tokio::sync::mpsc;
    use trunkline_sdk::{Adapter, Description, Effect, Outlet, Position, Settings, Sink, System};

    use super::*;
    use crate::{
        bus::embedded::EmbeddedBus,
        config::{Files, Landscape, Plan, Variables, check},
    };

    /// A system whose source panics when it runs for the first time, needs a person the second time, and says each time
    /// that it runs.
    struct Brittle {
        runs: Arc<AtomicUsize>,
        told: mpsc::UnboundedSender<usize>,
    }

    #[async_trait]
    impl Adapter for Brittle {
        fn describe(&self) -> &'static Description {
            &Description {
                name: "brittle",
                summary: "for this test",
                system: &[],
                source: Some(&[]),
                sink: None,
                effect: Effect::Plain,
            }
        }

        async fn open(&self, _system: &Settings, _home: &Path) -> Result<Box<dyn System>, Fault> {
            Ok(Box::new(Self {
                runs: self.runs.clone(),
                told: self.told.clone(),
            }))
        }
    }

    #[async_trait]
    impl System for Brittle {
        async fn source(&self, _endpoint: &Settings) -> Result<Box<dyn Source>, Fault> {
            Ok(Box::new(Self {
                runs: self.runs.clone(),
                told: self.told.clone(),
            }))
        }

        async fn sink(&self, _flow: &str, _endpoint: &Settings) -> Result<Box<dyn Sink>, Fault> {
            Err(Fault::stop("there is no sink"))
        }

        async fn test(&self) -> Result<String, Fault> {
            Ok(String::new())
        }
    }

    #[async_trait]
    impl Source for Brittle {
        async fn run(&mut self, outlet: Outlet, _resume: Option<Position>) -> Result<(), Fault> {
            let run = self.runs.fetch_add(1, Ordering::Relaxed);
            self.told.send(run).expect("the test listens");
            assert!(run > 0, "this panic is the test's");
            if run == 1 {
                return Err(Fault::stop("somebody must mend it"));
            }
            outlet.stopping().await;
            Ok(())
        }
    }

    fn plan(home: &Path, adapter: &'static dyn Adapter) -> Plan {
        let files = Files::of([
            (
                "trunkline.yaml",
                "systems: { in: { file: { folder: . } } }\nchannels: { orders: { type: trunkline.commerce.v1.StockMove, external: true } }\n",
            ),
            (
                "flows/take.yaml",
                "flow: take\nfrom: { system: in, pattern: \"*.jsonl\" }\nsteps: [{ translate: maps/take.cel }]\nto: orders\n",
            ),
            (
                "maps/take.cel",
                "StockMove{ sku: string(this.sku), quantity: 1u }",
            ),
        ]);
        let landscape = Landscape::of(home.to_owned(), files, &Variables::new(&|_| None), Vec::new());
        let mut plan = check(&landscape, trunkline_proto::descriptor_pool()).expect("it is right");
        plan.systems
            .values_mut()
            .for_each(|system| system.adapter = adapter);
        plan
    }

    #[tokio::test]
    async fn a_flow_that_panics_or_needs_a_person_begins_again() {
        // given
        let folder = tempfile::TempDir::new().expect("there is a place for temporary files");
        let (told, mut heard) = mpsc::unbounded_channel();
        let adapter = Box::leak(Box::new(Brittle {
            runs: Arc::default(),
            told,
        }));
        let plan = plan(folder.path(), adapter);
        let bus = EmbeddedBus::open(&folder.path().join("data")).expect("the test may write there");
        bus.declare(&plan.topology).await.expect("it is a landscape");
        let (stop, stopping) = watch::channel(false);
        let tally = Arc::new(Tally::default());
        let task = Task {
            plan: plan.flows[0].clone(),
            bus: Arc::new(bus),
            systems: Arc::new(Systems::new(&plan)),
            tally: tally.clone(),
            stopping,
            work: None,
            starting: None,
            waits: false,
        };
        // when
        let running = tokio::spawn(task.keep_running());
        assert_eq!(heard.recv().await, Some(0));
        // then
        assert_eq!(heard.recv().await, Some(1));
        assert_eq!(heard.recv().await, Some(2));
        stop.send_replace(true);
        running.await.expect("it ends when it is told to");
        assert_eq!(tally.standing(), Standing::Ended);
    }
}
