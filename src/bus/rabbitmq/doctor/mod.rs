//! What on a broker would lose messages, repeat them, or leave them lying. Looks only; changes nothing.
//!
//! Not promised: that a broker without findings loses nothing. `consumer_timeout` and how a cluster settles a
//! partition are told by no API; the doctor says how to look. Counters are up to 5 s old.

mod node;
mod permission;
mod policy;
mod queue;

use serde::de::DeserializeOwned;
use trunkline_sdk::{Fault, Remedy};

use self::{node::Node, permission::Permission, policy::Policies};
use super::{grant::Role, inspector::Inspector, inventory::Inventory, management::segment};
use crate::bus::Topology;

/// Something on a broker that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What comes of it.
    pub severity: Severity,
    /// What is so.
    pub what: String,
    /// Why that is bad.
    pub why: String,
    /// How to mend it.
    pub mend: String,
}

/// What comes of a finding, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Messages are lost.
    Loses,
    /// Messages come twice.
    Repeats,
    /// Messages wait, or are refused.
    Stalls,
    /// To be known.
    Note,
}

impl Severity {
    /// Its word: `loses`, `repeats`, `stalls`, `note`.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Loses => "loses",
            Severity::Repeats => "repeats",
            Severity::Stalls => "stalls",
            Severity::Note => "note",
        }
    }
}

/// All that is known of a broker.
struct Chart<'t> {
    topology: &'t Topology,
    version: String,
    nodes: Vec<Node>,
    inventory: Inventory,
    policies: Policies,
}

/// Gathers findings.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, severity: Severity, what: String, why: &str, mend: impl Into<String>) {
        self.0.push(Finding {
            severity,
            what,
            why: why.to_owned(),
            mend: mend.into(),
        });
    }
}

impl Inspector {
    /// Examines the broker for a landscape, and the rights of the bus's user for this role. The worst first.
    ///
    /// Faults: `Reopen` when the management API cannot be reached, `Stop` when we may not ask the most of it.
    pub async fn findings(&self, topology: &Topology, role: &Role) -> Result<Vec<Finding>, Fault> {
        let mut findings = Findings::default();
        let vhost = segment(self.address.vhost());
        let overview: node::Overview = self.management.get("overview").await?;
        let nodes = self.allowed("nodes", "the nodes", &mut findings).await?;
        let policies = Policies {
            users: self
                .allowed(&format!("policies/{vhost}"), "the policies", &mut findings)
                .await?,
            operators: self
                .allowed(
                    &format!("operator-policies/{vhost}"),
                    "the operator policies",
                    &mut findings,
                )
                .await?,
        };
        let chart = Chart {
            topology,
            version: overview.rabbitmq_version,
            nodes,
            inventory: self.inventory().await?,
            policies,
        };
        node::examine(&chart, &mut findings);
        queue::examine(&chart, &mut findings);
        policy::examine(&chart, &mut findings);
        self.examine_rights(topology, role, &mut findings).await?;
        let mut findings = findings.0;
        findings.sort_by_key(|finding| finding.severity);
        Ok(findings)
    }

    async fn examine_rights(
        &self,
        topology: &Topology,
        role: &Role,
        findings: &mut Findings,
    ) -> Result<(), Fault> {
        let user = self.address.user();
        let path = format!("users/{}/permissions", segment(user));
        let what = format!("the rights of user `{user}`");
        let before = findings.0.len();
        let permissions: Vec<Permission> = self.allowed(&path, &what, findings).await?;
        if findings.0.len() == before {
            let permission = permissions
                .into_iter()
                .find(|permission| permission.vhost == self.address.vhost());
            permission::examine(user, self.address.vhost(), permission, topology, role, findings);
        }
        Ok(())
    }

    /// Asks for a list; one that we may not see is empty, and a finding.
    async fn allowed<T: DeserializeOwned>(
        &self,
        path: &str,
        what: &str,
        findings: &mut Findings,
    ) -> Result<Vec<T>, Fault> {
        match self.management.find(path).await {
            Ok(found) => Ok(found.unwrap_or_default()),
            Err(fault) if fault.remedy == Remedy::Stop => {
                findings.add(
                    Severity::Note,
                    format!("{what} could not be looked at: {}", fault.what),
                    "what is wrong with them is not told here",
                    "examine once more as a user with the tag `administrator`",
                );
                Ok(Vec::new())
            }
            Err(fault) => Err(fault),
        }
    }
}
