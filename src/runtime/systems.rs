//! The systems that flows use.
//!
//! Promises: a system is opened once, by the first flow that needs it, and its faults name it.

use std::collections::BTreeMap;

use tokio::sync::OnceCell;
use trunkline_sdk::{Description, Fault, Opt, Settings, Sink, System};

use super::task::Work;
use crate::{
    canonical::Tree,
    config::{Feed, FlowPlan, Plan, Target, read_in},
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
                    in_doubt,
                },
            ) => {
                let sink = self.sink(system, &flow.name, settings).await;
                let arrives = arrives.as_ref().map(Tree::new);
                let outbound =
                    |sink| Work::Follow(Some(Outbound::new(system.clone(), sink, arrives, *in_doubt)));
                (system, sink.map(outbound))
            }
            (Feed::Channel { .. }, _) => return Ok(Work::Follow(None)),
        };
        opened.map_err(|fault| self.named(name, fault))
    }

    async fn source(&self, name: &SystemName, settings: &Settings) -> Result<Work, Fault> {
        let opened = self.get(name).await?;
        let settings = self.with_secrets(name, |described| described.source, settings)?;
        opened.source(&settings).await.map(Work::Read)
    }

    async fn sink(
        &self,
        name: &SystemName,
        flow: &FlowName,
        settings: &Settings,
    ) -> Result<Box<dyn Sink>, Fault> {
        let opened = self.get(name).await?;
        let settings = self.with_secrets(name, |described| described.sink, settings)?;
        opened.sink(flow.as_str(), &settings).await
    }

    /// The system, opened.
    async fn get(&self, name: &SystemName) -> Result<&dyn System, Fault> {
        let (Some(plan), Some(cell)) = (self.plan.systems.get(name), self.opened.get(name)) else {
            return Err(Fault::stop("it is not in the landscape"));
        };
        let open = async || {
            let settings = self.with_secrets(name, |described| Some(described.system), &plan.settings)?;
            plan.adapter.open(&settings, &self.plan.home).await
        };
        cell.get_or_try_init(open).await.map(|system| &**system)
    }

    /// These settings of a system, with the secrets that stand elsewhere.
    fn with_secrets(
        &self,
        name: &SystemName,
        options: fn(&Description) -> Option<&'static [Opt]>,
        settings: &Settings,
    ) -> Result<Settings, Fault> {
        let plan = self.plan.systems.get(name);
        let declared = plan.and_then(|plan| options(plan.adapter.describe()));
        read_in(declared.unwrap_or_default(), settings, &self.plan.home)
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
