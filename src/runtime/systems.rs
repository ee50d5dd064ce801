//! The systems that flows use.
//!
//! Promises: a system is opened once, by the first flow that needs it, and its faults name it.

use std::collections::BTreeMap;

use tokio::sync::OnceCell;
use trunkline_sdk::{Fault, Settings, Sink, System};

use super::task::Work;
use crate::{
    canonical::Tree,
    config::{Feed, FlowPlan, Plan, Target},
    endpoint::Outbound,
    names::{FlowName, SystemName},
};

/// The systems of a landscape, each opened by the first flow that needs it and shared by the others.
pub(super) struct Systems {
    plan: Plan,
    opened: BTreeMap<SystemName, OnceCell<Box<dyn System>>>,
}

impl Systems {
    pub(super) fn new(plan: &Plan) -> Self {
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
    pub(super) async fn open(&self, flow: &FlowPlan) -> Result<Work, Fault> {
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

    /// The system, if it is open.
    pub(super) fn opened(&self, name: &SystemName) -> Option<&dyn System> {
        self.opened.get(name)?.get().map(|system| &**system)
    }

    pub(super) async fn close(&self) {
        for system in self.opened.values().filter_map(OnceCell::get) {
            system.close().await;
        }
    }
}
