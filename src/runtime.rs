//! A running landscape: the bus, the systems, the flows, and their end.

use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use tokio::{sync::watch, task::JoinSet};
use trunkline_sdk::{Fault, Remedy, Settings, Source, System};

use crate::{
    bus::{Bus, embedded::EmbeddedBus, rabbitmq::RabbitBus},
    canonical::Tree,
    config::{BusAddress, Feed, FlowPlan, Plan, Target},
    endpoint::{Inbound, Outbound},
    flow,
    names::{FlowName, ProcessName, SystemName},
    observe::Tally,
    recovery::Patience,
    store::SqliteStore,
};

/// Work under way is finished within this time after a stop; what is not goes back to its queue.
pub const GRACE: Duration = Duration::from_secs(25);

/// A landscape at work.
pub struct Runtime {
    bus: Arc<dyn Bus>,
    systems: BTreeMap<SystemName, Arc<dyn System>>,
    flows: JoinSet<()>,
    tallies: BTreeMap<FlowName, Arc<Tally>>,
    stop: watch::Sender<bool>,
}

/// Opens the bus that a plan names.
///
/// Faults: it is not there, does not let us in, or is in use.
pub async fn open_bus(plan: &Plan, process: &ProcessName) -> Result<Arc<dyn Bus>, Fault> {
    Ok(match &plan.bus {
        BusAddress::Embedded(folder) => Arc::new(EmbeddedBus::open(folder)?),
        BusAddress::RabbitMq(url) => {
            let store = SqliteStore::open(&plan.store)?;
            Arc::new(RabbitBus::connect(url, process, Arc::new(store)).await?)
        }
    })
}

impl Runtime {
    /// Starts the flows of one process, or all of them. When this returns they are at work.
    ///
    /// Faults: the bus or a system cannot be opened, and waiting would not help.
    pub async fn start(plan: &Plan, process: Option<&ProcessName>) -> Result<Self, Fault> {
        let whole = ProcessName::whole();
        let name = process.unwrap_or(&whole);
        let bus = until_there("the bus", async || open_bus(plan, name).await).await?;
        Self::start_on(bus, plan, process).await
    }

    /// As [`Runtime::start`], on a bus that is open already.
    pub async fn start_on(
        bus: Arc<dyn Bus>,
        plan: &Plan,
        process: Option<&ProcessName>,
    ) -> Result<Self, Fault> {
        // Those of other processes too: whoever starts first must not publish into the void.
        bus.declare(&plan.topology).await?;
        let mut runtime = Self {
            bus,
            systems: BTreeMap::new(),
            flows: JoinSet::new(),
            tallies: BTreeMap::new(),
            stop: watch::Sender::new(false),
        };
        let flows: Vec<_> = plan.flows_of(process).collect();
        for name in flows.iter().flat_map(|flow| flow.systems()) {
            if !runtime.systems.contains_key(name) {
                let system = open_system(plan, name).await?;
                runtime.systems.insert(name.clone(), system);
            }
        }
        // Readers first: when the first message comes in, all are there.
        let (readers, sources): (Vec<_>, Vec<_>) = flows
            .into_iter()
            .partition(|flow| matches!(flow.feed, Feed::Channel { .. }));
        for flow in readers.into_iter().chain(sources) {
            runtime.spawn(flow).await?;
        }
        Ok(runtime)
    }

    async fn spawn(&mut self, plan: &FlowPlan) -> Result<(), Fault> {
        let tally = Arc::new(Tally::default());
        self.tallies.insert(plan.name.clone(), tally.clone());
        // Opened here and now, so that a wrong path or port is told at the start.
        let work = match (&plan.feed, &plan.target) {
            (Feed::System { system, settings }, _) => {
                let end = end_of(plan, system);
                let system = self.system(system)?;
                let source = until_there(&end, async || system.source(settings).await).await?;
                Work::Read {
                    system,
                    settings: settings.clone(),
                    source: Some(source),
                }
            }
            (
                Feed::Channel { .. },
                Target::System {
                    system,
                    settings,
                    arrives,
                },
            ) => {
                let (end, opened) = (end_of(plan, system), self.system(system)?);
                let sink =
                    until_there(&end, async || opened.sink(plan.name.as_str(), settings).await).await?;
                Work::Follow {
                    sink: Some(Outbound::new(
                        system.clone(),
                        sink,
                        arrives.as_ref().map(Tree::new),
                    )),
                }
            }
            (Feed::Channel { .. }, _) => Work::Follow { sink: None },
        };
        let (bus, stopping) = (self.bus.clone(), self.stop.subscribe());
        self.flows.spawn(
            Task {
                plan: plan.clone(),
                bus,
                tally,
                stopping,
                work,
            }
            .keep_running(),
        );
        Ok(())
    }

    fn system(&self, name: &SystemName) -> Result<Arc<dyn System>, Fault> {
        let missing = || Fault::stop(format!("system `{name}` was not opened"));
        self.systems.get(name).cloned().ok_or_else(missing)
    }

    /// The counters of the flows.
    pub fn tallies(&self) -> &BTreeMap<FlowName, Arc<Tally>> {
        &self.tallies
    }

    /// The bus.
    pub fn bus(&self) -> &Arc<dyn Bus> {
        &self.bus
    }

    /// An opened system.
    pub fn opened(&self, name: &SystemName) -> Option<&Arc<dyn System>> {
        self.systems.get(name)
    }

    /// Waits until every flow has ended by itself: when all sources are batches. A landscape with a push source
    /// never ends.
    pub async fn ended(&mut self) {
        while self.flows.join_next().await.is_some() {}
    }

    /// Stops: sources take nothing new, what is under way is finished within [`GRACE`], the rest goes back to its
    /// queue. True: all was finished.
    pub async fn stop(mut self) -> bool {
        self.stop.send_replace(true);
        let finished = tokio::time::timeout(GRACE, self.ended()).await.is_ok();
        self.flows.shutdown().await;
        for system in self.systems.values() {
            system.close().await;
        }
        self.bus.close().await;
        finished
    }
}

/// One end of a flow, as its operators know it.
fn end_of(plan: &FlowPlan, system: &SystemName) -> String {
    format!("system `{system}` of flow `{}`", plan.name)
}

async fn open_system(plan: &Plan, name: &SystemName) -> Result<Arc<dyn System>, Fault> {
    let system = plan
        .systems
        .get(name)
        .ok_or_else(|| Fault::stop(format!("system `{name}` is not in the landscape")))?;
    let told = format!("system `{name}` ({})", system.adapter.describe().name);
    let opened = until_there(&told, async || {
        system.adapter.open(&system.settings, &plan.home).await
    })
    .await;
    opened.map(Arc::from).map_err(|fault| Fault {
        what: format!("{told}: {}", fault.what),
        ..fault
    })
}

/// Opens something, again and again while it is not there yet: who starts first waits for the other.
async fn until_there<T>(what: &str, mut open: impl AsyncFnMut() -> Result<T, Fault>) -> Result<T, Fault> {
    let mut patience = Patience::new();
    let mut told = false;
    loop {
        match open().await {
            Err(fault) if matches!(fault.remedy, Remedy::Reopen | Remedy::Retry | Remedy::Wait) => {
                if !told {
                    tracing::warn!(error = %fault, "{what} is not there yet; trying again");
                    told = true;
                }
                tokio::time::sleep(fault.retry_after.unwrap_or_else(|| patience.delay())).await;
            }
            opened => return opened,
        }
    }
}

/// A flow at work.
struct Task {
    plan: FlowPlan,
    bus: Arc<dyn Bus>,
    tally: Arc<Tally>,
    stopping: watch::Receiver<bool>,
    work: Work,
}

/// What a flow does.
enum Work {
    /// It reads a system. The source is opened again after each of its faults.
    Read {
        system: Arc<dyn System>,
        settings: Settings,
        source: Option<Box<dyn Source>>,
    },
    /// It reads a channel, and may write to a system.
    Follow { sink: Option<Outbound> },
}

impl Task {
    /// Runs the flow again after each fault, until it ends or is stopped: others go on in the meantime.
    async fn keep_running(mut self) {
        let mut patience = Patience::new();
        loop {
            // What it held in its hands went back when it unwound; it begins anew, and keeps nothing.
            let ended = AssertUnwindSafe(self.once()).catch_unwind().await;
            let flow = &self.plan.name;
            let fault = match ended {
                Ok(Ok(())) => return,
                Ok(Err(fault)) => fault,
                Err(_) => {
                    let fault = Fault::reopen("the flow broke off on a fault of ours");
                    tracing::error!(%flow, error = %fault, "please report what stands above");
                    fault
                }
            };
            if *self.stopping.borrow() {
                tracing::debug!(%flow, error = %fault, "ended while stopping");
                return;
            }
            let pause = if fault.remedy == Remedy::Stop {
                tracing::error!(%flow, error = %fault, "the flow is paused; it tries again in 30 s");
                Duration::from_secs(30)
            } else {
                tracing::warn!(%flow, error = %fault, "the flow begins again");
                fault.retry_after.unwrap_or_else(|| patience.delay())
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = self.stopping.wait_for(|stopping| *stopping) => return,
            }
        }
    }

    async fn once(&mut self) -> Result<(), Fault> {
        let (bus, tally, stopping) = (self.bus.clone(), self.tally.clone(), self.stopping.clone());
        match &mut self.work {
            Work::Read {
                system,
                settings,
                source,
            } => {
                let mut source = match source.take() {
                    Some(source) => source,
                    None => system.source(settings).await?,
                };
                match Inbound::new(&self.plan, bus, tally, stopping) {
                    Some(inbound) => inbound.run(&mut *source).await,
                    None => Ok(()),
                }
            }
            Work::Follow { sink } => flow::run(&self.plan, bus, sink.as_ref(), tally, stopping).await,
        }
    }
}
