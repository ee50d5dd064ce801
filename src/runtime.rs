//! A running landscape: the bus, the systems, the flows, and their end.

mod systems;
mod task;

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::{
    sync::{oneshot, watch},
    task::JoinSet,
};
use trunkline_sdk::{Fault, System};

use self::{
    systems::Systems,
    task::{Task, Work, passes},
};
use crate::{
    bus::{Bus, embedded::EmbeddedBus, rabbitmq::RabbitBus},
    config::{BusAddress, Feed, FlowPlan, Plan, Target},
    flow::Expression,
    names::{FlowName, ProcessName, SystemName},
    observe::{Board, Quality, Run, Tally},
    recovery::Patience,
    store::SqliteStore,
};

/// Work under way is finished within this time after a stop; what is not goes back to its queue.
pub const GRACE: Duration = Duration::from_secs(25);
/// How long the start waits for systems that do not answer; their flows then wait for them by themselves.
const PATIENCE: Duration = Duration::from_secs(5);
/// Broken rules that are told of one source, the most frequent first.
const RULES: usize = 10;

/// A landscape at work.
pub struct Runtime {
    bus: Arc<dyn Bus>,
    systems: Arc<Systems>,
    flows: JoinSet<()>,
    tallies: BTreeMap<FlowName, Arc<Tally>>,
    /// The flows that read systems.
    sources: Vec<(SystemName, FlowName)>,
    started: Timestamp,
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
    /// Faults: the bus, a system, or a store that flows need cannot be opened, and waiting would not help.
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
        check_store(plan, process)?;
        // Those of other processes too: whoever starts first must not publish into the void.
        bus.declare(&plan.topology).await?;
        let mut runtime = Self {
            bus,
            systems: Arc::new(Systems::new(plan)),
            flows: JoinSet::new(),
            tallies: BTreeMap::new(),
            sources: Vec::new(),
            started: Timestamp::now(),
            stop: watch::Sender::new(false),
        };
        let tasks = plan.flows_of(process).map(|flow| runtime.task(flow)).collect();
        // Opened here and now, so that a wrong path or port is told at the start.
        let tasks = open_all(tasks).await?;
        // Readers first: when the first message comes in, all are there.
        let (readers, sources): (Vec<_>, Vec<_>) = tasks
            .into_iter()
            .partition(|task| matches!(task.plan.feed, Feed::Channel { .. }));
        let mut starting = Vec::new();
        for mut task in readers.into_iter().chain(sources) {
            if matches!(task.work, Some(Work::Read(_))) {
                let (sender, started) = oneshot::channel();
                task.starting = Some(sender);
                starting.push(started);
            }
            runtime.flows.spawn(task.keep_running());
        }
        // Whoever reads "ready" and calls a webhook finds its path open. A source that cannot begin tells it itself.
        let _ = tokio::time::timeout(PATIENCE, join_all(starting)).await;
        Ok(runtime)
    }

    fn task(&mut self, plan: &FlowPlan) -> Task {
        let tally = Arc::new(Tally::default());
        self.tallies.insert(plan.name.clone(), tally.clone());
        if let Feed::System { system, .. } = &plan.feed {
            self.sources.push((system.clone(), plan.name.clone()));
        }
        Task {
            plan: plan.clone(),
            bus: self.bus.clone(),
            systems: self.systems.clone(),
            tally,
            stopping: self.stop.subscribe(),
            work: None,
            starting: None,
            waits: false,
        }
    }

    /// The counters of the flows.
    pub fn tallies(&self) -> &BTreeMap<FlowName, Arc<Tally>> {
        &self.tallies
    }

    /// The flows of a plan that run here, to be watched.
    pub fn board(&self, plan: &Plan) -> Board {
        let mut board = Board::new(self.bus.clone());
        for flow in &plan.flows {
            if let Some(tally) = self.tallies.get(&flow.name) {
                board.watch(flow, tally.clone());
            }
        }
        board
    }

    /// The bus.
    pub fn bus(&self) -> &Arc<dyn Bus> {
        &self.bus
    }

    /// A system, if a flow has opened it.
    pub fn system(&self, name: &SystemName) -> Option<Arc<dyn System>> {
        self.systems.opened(name)
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
        self.tell_quality().await;
        self.bus.close().await;
        finished
    }

    /// Tells how good the records of each source were, and keeps it for `trunkline quality`.
    async fn tell_quality(&self) {
        for (system, flow) in &self.sources {
            let Some(counts) = self.tallies.get(flow).map(|tally| tally.read()) else {
                continue;
            };
            if counts.received == 0 {
                continue;
            }
            let run = Run::of(self.started, counts);
            let Run {
                received,
                published,
                filtered,
                parked,
                ..
            } = run;
            tracing::info!(%flow, %system, received, published, filtered, parked, "what was read");
            for (rule, times) in run.rules().into_iter().take(RULES) {
                tracing::warn!(%flow, %system, %rule, times, "records break a rule");
            }
            let kept = Quality::add(&*self.bus, system, flow, run);
            match tokio::time::timeout(PATIENCE, kept).await {
                Ok(Ok(())) => {}
                Ok(Err(fault)) => {
                    tracing::warn!(%flow, error = %fault, "the quality of what was read is not kept");
                }
                Err(_) => {
                    tracing::warn!(%flow, "the quality of what was read is not kept: the bus does not answer");
                }
            }
        }
    }
}

/// Opens the store, where a mapping reads cross-references, and leaves it as it is: what it cannot answer would park
/// record after record.
fn check_store(plan: &Plan, process: Option<&ProcessName>) -> Result<(), Fault> {
    let expressions = plan.flows_of(process).flat_map(|flow| flow.steps.expressions());
    let mappings = expressions.filter_map(|(_, expression)| match expression {
        Expression::Translates(mapping) => Some(mapping),
        Expression::Decides(_) | Expression::Splits(_) | Expression::Copies(_) => None,
    });
    let of_replies = plan.flows_of(process).filter_map(|flow| match &flow.target {
        Target::System { then, .. } => then.as_ref().map(|then| then.made().0),
        _ => None,
    });
    let mut mappings = mappings.chain(of_replies);
    match mappings.any(|mapping| !mapping.references().is_empty()) {
        true => SqliteStore::open(&plan.store).map(drop),
        false => Ok(()),
    }
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
