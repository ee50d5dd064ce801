//! A running landscape: the bus, the systems, the flows, and their end.

use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::join_all};
use tokio::{
    sync::{OnceCell, watch},
    task::JoinSet,
};
use trunkline_sdk::{Fault, Remedy, Settings, Sink, Source, System};

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
/// How long the start waits for systems that do not answer; their flows then wait for them by themselves.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a flow pauses that a person must mend.
const PAUSE: Duration = Duration::from_secs(30);
/// A flow that has worked this long begins anew: its next fault is told again, and is followed by a short delay.
const STEADY: Duration = Duration::from_secs(60);

/// A landscape at work.
pub struct Runtime {
    bus: Arc<dyn Bus>,
    systems: Arc<Systems>,
    flows: JoinSet<()>,
    tallies: BTreeMap<FlowName, Arc<Tally>>,
    stop: watch::Sender<bool>,
}

/// Opens the bus that a plan names.
///
/// Faults: it is not there, does not let us in, or is in use.
pub async fn open_bus(plan: &Plan, process: &ProcessName) -> Result<Arc<dyn Bus>, Fault> {
    open_bus_at(&plan.bus, &plan.store, process).await
}

/// Opens the bus at this address; `store`: the folder for what it does not remember itself.
///
/// Faults: as of [`open_bus`].
pub async fn open_bus_at(
    address: &BusAddress,
    store: &Path,
    process: &ProcessName,
) -> Result<Arc<dyn Bus>, Fault> {
    Ok(match address {
        BusAddress::Embedded(folder) => Arc::new(EmbeddedBus::open(folder)?),
        BusAddress::RabbitMq(url) => {
            let store = SqliteStore::open(store)?;
            Arc::new(RabbitBus::connect(url, process, Arc::new(store)).await?)
        }
    })
}

impl Runtime {
    /// Starts the flows of one process, or all of them. When this returns they are at work, but for those whose
    /// system is not there yet: they wait for it, while their messages wait in their queues.
    ///
    /// Faults: the bus or a system cannot be opened, and waiting would not help.
    pub async fn start(plan: &Plan, process: Option<&ProcessName>) -> Result<Self, Fault> {
        let whole = ProcessName::whole();
        let bus = until_there(async || open_bus(plan, process.unwrap_or(&whole)).await).await?;
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
            systems: Arc::new(Systems::new(plan)),
            flows: JoinSet::new(),
            tallies: BTreeMap::new(),
            stop: watch::Sender::new(false),
        };
        let tasks = plan.flows_of(process).map(|flow| runtime.task(flow)).collect();
        // Opened here and now, so that a wrong path or port is told at the start.
        let tasks = open_all(tasks).await?;
        // Readers first: when the first message comes in, all are there.
        let (readers, sources): (Vec<_>, Vec<_>) = tasks
            .into_iter()
            .partition(|task| matches!(task.plan.feed, Feed::Channel { .. }));
        for task in readers.into_iter().chain(sources) {
            runtime.flows.spawn(task.keep_running());
        }
        Ok(runtime)
    }

    fn task(&mut self, plan: &FlowPlan) -> Task {
        let tally = Arc::new(Tally::default());
        self.tallies.insert(plan.name.clone(), tally.clone());
        Task {
            plan: plan.clone(),
            bus: self.bus.clone(),
            systems: self.systems.clone(),
            tally,
            stopping: self.stop.subscribe(),
            work: None,
        }
    }

    /// The counters of the flows.
    pub fn tallies(&self) -> &BTreeMap<FlowName, Arc<Tally>> {
        &self.tallies
    }

    /// The bus.
    pub fn bus(&self) -> &Arc<dyn Bus> {
        &self.bus
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
        self.systems.close().await;
        self.bus.close().await;
        finished
    }
}

/// The systems of a landscape, each opened by the first flow that needs it and shared by the others.
struct Systems {
    plan: Plan,
    opened: BTreeMap<SystemName, OnceCell<Box<dyn System>>>,
}

impl Systems {
    fn new(plan: &Plan) -> Self {
        Self {
            opened: plan
                .systems
                .keys()
                .map(|name| (name.clone(), OnceCell::new()))
                .collect(),
            plan: plan.clone(),
        }
    }

    /// Opens the end of a flow at its system. Its faults name the system.
    async fn open(&self, flow: &FlowPlan) -> Result<Work, Fault> {
        let (name, opened) = match (&flow.feed, &flow.target) {
            (Feed::System { system, settings }, _) => (system, self.source(system, settings).await),
            (
                Feed::Channel { .. },
                Target::System {
                    system,
                    settings,
                    arrives,
                },
            ) => {
                let sink = self.sink(system, &flow.name, settings).await;
                let arrives = arrives.as_ref().map(Tree::new);
                let outbound = |sink| Work::Follow(Some(Outbound::new(system.clone(), sink, arrives)));
                (system, sink.map(outbound))
            }
            (Feed::Channel { .. }, _) => return Ok(Work::Follow(None)),
        };
        opened.map_err(|fault| self.named(name, fault))
    }

    async fn source(&self, name: &SystemName, settings: &Settings) -> Result<Work, Fault> {
        self.get(name).await?.source(settings).await.map(Work::Read)
    }

    async fn sink(
        &self,
        name: &SystemName,
        flow: &FlowName,
        settings: &Settings,
    ) -> Result<Box<dyn Sink>, Fault> {
        self.get(name).await?.sink(flow.as_str(), settings).await
    }

    /// The system, opened.
    async fn get(&self, name: &SystemName) -> Result<&dyn System, Fault> {
        let (Some(plan), Some(cell)) = (self.plan.systems.get(name), self.opened.get(name)) else {
            return Err(Fault::stop("it is not in the landscape"));
        };
        let open = || plan.adapter.open(&plan.settings, &self.plan.home);
        cell.get_or_try_init(open).await.map(|system| &**system)
    }

    /// The fault of a system, with its name.
    fn named(&self, name: &SystemName, fault: Fault) -> Fault {
        let adapter = self
            .plan
            .systems
            .get(name)
            .map_or("", |plan| plan.adapter.describe().name);
        let what = fault
            .what
            .strip_prefix(adapter)
            .and_then(|what| what.strip_prefix(": "));
        Fault {
            what: format!("system `{name}` ({adapter}): {}", what.unwrap_or(&fault.what)),
            ..fault
        }
    }

    async fn close(&self) {
        for system in self.opened.values().filter_map(OnceCell::get) {
            system.close().await;
        }
    }
}

/// Whether it may pass by itself.
fn passes(fault: &Fault) -> bool {
    matches!(fault.remedy, Remedy::Reopen | Remedy::Retry | Remedy::Wait)
}

/// Opens the bus, again and again while it is not there yet: who starts first waits for the other.
async fn until_there<T>(mut open: impl AsyncFnMut() -> Result<T, Fault>) -> Result<T, Fault> {
    let mut patience = Patience::new();
    let mut told = false;
    loop {
        match open().await {
            Err(fault) if passes(&fault) => {
                if !told {
                    tracing::warn!(error = %fault, "the bus is not there yet; trying again");
                    told = true;
                }
                tokio::time::sleep(fault.retry_after.unwrap_or_else(|| patience.delay())).await;
            }
            opened => return opened,
        }
    }
}

/// Opens the ends of all flows at once. Those that are not there yet stay closed.
///
/// Faults: a person must mend it. Of several, all but the returned one are in the log.
async fn open_all(mut tasks: Vec<Task>) -> Result<Vec<Task>, Fault> {
    let opened = join_all(tasks.iter_mut().map(async |task| {
        let systems = &task.systems;
        // Those who do not answer in time are told when their flow meets them.
        match tokio::time::timeout(PATIENCE, systems.open(&task.plan)).await {
            Ok(Ok(work)) => task.work = Some(work),
            Ok(Err(fault)) if !passes(&fault) => return Some(fault),
            Ok(Err(_)) | Err(_) => {}
        }
        None
    }))
    .await;
    let mut faults = opened.into_iter().flatten();
    let Some(first) = faults.next() else {
        return Ok(tasks);
    };
    let mut told = vec![first.what.clone()];
    // Flows that share a system share its fault.
    for fault in faults {
        if !told.contains(&fault.what) {
            tracing::error!(error = %fault, "cannot start");
            told.push(fault.what);
        }
    }
    Err(first)
}

/// A flow at work.
struct Task {
    plan: FlowPlan,
    bus: Arc<dyn Bus>,
    systems: Arc<Systems>,
    tally: Arc<Tally>,
    stopping: watch::Receiver<bool>,
    /// What it does, once its system is open.
    work: Option<Work>,
}

/// What a flow does.
enum Work {
    /// It reads a system. The source is opened again after each of its faults.
    Read(Box<dyn Source>),
    /// It reads a channel, and may write to a system.
    Follow(Option<Outbound>),
}

impl Task {
    /// Runs the flow again after each fault, until it ends or is stopped: others go on in the meantime.
    async fn keep_running(mut self) {
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
                Some(inbound) => inbound.run(&mut *source).await,
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
