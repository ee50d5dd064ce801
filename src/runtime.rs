//! A running landscape: the bus, the systems, the flows, and their end.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinSet};
use trunkline_sdk::{Fault, Remedy, System};

use crate::{
    bus::{Bus, embedded::EmbeddedBus, rabbitmq::RabbitBus},
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
    flows: JoinSet<FlowName>,
    tallies: BTreeMap<FlowName, Arc<Tally>>,
    stop: watch::Sender<bool>,
}

/// Opens the bus that a plan names.
///
/// Faults: it is not there, does not let us in, or is in use.
pub async fn open_bus(plan: &Plan, name: &str) -> Result<Arc<dyn Bus>, Fault> {
    Ok(match &plan.bus {
        BusAddress::Embedded(folder) => Arc::new(EmbeddedBus::open(folder)?),
        BusAddress::RabbitMq(url) => {
            let store = SqliteStore::open(&plan.store)?;
            Arc::new(RabbitBus::connect(url, name, Arc::new(store)).await?)
        }
    })
}

impl Runtime {
    /// Starts the flows of one process, or all of them. When this returns they are at work.
    ///
    /// Faults: the bus or a system cannot be opened, and waiting would not help.
    pub async fn start(plan: &Plan, process: Option<&ProcessName>) -> Result<Self, Fault> {
        let bus = open_bus(plan, process.map_or("trunkline", ProcessName::as_str)).await?;
        Self::start_on(bus, plan, process).await
    }

    /// As [`Runtime::start`], on a bus that is open already.
    pub async fn start_on(bus: Arc<dyn Bus>, plan: &Plan, process: Option<&ProcessName>) -> Result<Self, Fault> {
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
        let (readers, sources): (Vec<_>, Vec<_>) =
            flows.into_iter().partition(|flow| matches!(flow.feed, Feed::Channel { .. }));
        for flow in readers.into_iter().chain(sources) {
            runtime.spawn(flow).await?;
        }
        Ok(runtime)
    }

    async fn spawn(&mut self, plan: &FlowPlan) -> Result<(), Fault> {
        let tally = Arc::new(Tally::default());
        self.tallies.insert(plan.name.clone(), tally.clone());
        let (bus, stopping, plan) = (self.bus.clone(), self.stop.subscribe(), plan.clone());
        let name = plan.name.clone();
        match &plan.feed {
            Feed::System { system, settings } => {
                let system = self.system(system)?;
                // Opened here and now, so that a wrong path or port is told at the start.
                let mut source = Some(system.source(settings).await?);
                let settings = settings.clone();
                self.flows.spawn(async move {
                    let Some(inbound) = Inbound::new(&plan, bus, tally, stopping.clone()) else { return plan.name };
                    let open = async || match source.take() {
                        Some(source) => Ok(source),
                        None => system.source(&settings).await,
                    };
                    let mut open = open;
                    keep_running(&plan.name, stopping, async || inbound.run(&mut *open().await?).await).await;
                    plan.name
                });
            }
            Feed::Channel { .. } => {
                let sink = match &plan.target {
                    Target::System { system: name, settings, arrives } => {
                        let sink = self.system(name)?.sink(plan.name.as_str(), settings).await?;
                        Some(Outbound::new(name.clone(), sink, arrives.clone()))
                    }
                    Target::Channel(_) | Target::Routed => None,
                };
                self.flows.spawn(async move {
                    let run = async || flow::run(&plan, bus.clone(), sink.as_ref(), tally.clone(), stopping.clone()).await;
                    keep_running(&plan.name, stopping.clone(), run).await;
                    plan.name
                });
            }
        }
        tracing::debug!(flow = %name, "started");
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

async fn open_system(plan: &Plan, name: &SystemName) -> Result<Arc<dyn System>, Fault> {
    let system =
        plan.systems.get(name).ok_or_else(|| Fault::stop(format!("system `{name}` is not in the landscape")))?;
    let mut patience = Patience::new();
    let mut told = false;
    loop {
        match system.adapter.open(&system.settings, &plan.home).await {
            Ok(opened) => return Ok(opened.into()),
            Err(fault) if matches!(fault.remedy, Remedy::Reopen | Remedy::Retry | Remedy::Wait) => {
                if !told {
                    tracing::warn!(system = %name, error = %fault, "not there yet; trying again");
                    told = true;
                }
                tokio::time::sleep(fault.retry_after.unwrap_or_else(|| patience.delay())).await;
            }
            Err(fault) => {
                let what = format!("system `{name}` ({}): {}", system.adapter.describe().name, fault.what);
                return Err(Fault { what, ..fault });
            }
        }
    }
}

/// Runs a flow again after each fault, until it ends or is stopped: others go on in the meantime.
async fn keep_running(
    name: &FlowName,
    mut stopping: watch::Receiver<bool>,
    mut run: impl AsyncFnMut() -> Result<(), Fault>,
) {
    let mut patience = Patience::new();
    loop {
        match run().await {
            Ok(()) => return,
            Err(fault) if *stopping.borrow() => {
                tracing::debug!(flow = %name, error = %fault, "ended while stopping");
                return;
            }
            Err(fault) => {
                let pause = if fault.remedy == Remedy::Stop {
                    tracing::error!(flow = %name, error = %fault, "the flow is paused; it tries again in 30 s");
                    Duration::from_secs(30)
                } else {
                    tracing::warn!(flow = %name, error = %fault, "the flow begins again");
                    fault.retry_after.unwrap_or_else(|| patience.delay())
                };
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    _ = stopping.wait_for(|stopping| *stopping) => return,
                }
            }
        }
    }
}
