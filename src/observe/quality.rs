//! How good the records of a source are: what became of them in the last runs, and which rules they broke.
//!
//! Promises: kept where the positions of sources are, so that it is there when the process is not; bounded, whatever
//! comes in. Not promised: a run that was killed, or is still going on; the log of a process tells at its end.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use trunkline_sdk::Fault;

use super::Counts;
use crate::{
    bus::{Bus, Hop, StateKey},
    names::{FlowName, SystemName},
};

/// Runs that are kept.
const MOST: usize = 30;

/// The last runs of one flow that reads a system, the oldest first.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Quality {
    /// The runs.
    pub runs: Vec<Run>,
}

/// What became of the records of one run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// When it began (RFC 3339).
    pub from: String,
    /// When it ended.
    pub until: String,
    /// Records read.
    pub received: u64,
    /// Messages made of them and published.
    pub published: u64,
    /// Records that ended by a rule of the flow.
    pub filtered: u64,
    /// Records parked, whatever the cause.
    pub parked: u64,
    /// How often each rule was broken, by field and rule; of one record each at most once per field.
    pub broken: BTreeMap<String, u64>,
}

impl Run {
    /// What was counted since `from`.
    pub(crate) fn of(from: Timestamp, counts: Counts) -> Self {
        Self {
            from: from.to_string(),
            until: Timestamp::now().to_string(),
            received: counts.received,
            published: counts.published,
            filtered: counts.filtered.values().sum(),
            parked: counts.parked.values().sum(),
            broken: counts.broken,
        }
    }

    /// The rules that were broken, the most frequent first.
    pub fn rules(&self) -> Vec<(&str, u64)> {
        let mut rules: Vec<_> = self
            .broken
            .iter()
            .map(|(rule, times)| (rule.as_str(), *times))
            .collect();
        rules.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
        rules
    }
}

impl Quality {
    /// What is kept of a flow; of one that has not run nothing.
    ///
    /// Faults: the bus cannot be read.
    pub async fn of(bus: &dyn Bus, system: &SystemName, flow: &FlowName) -> Result<Self, Fault> {
        let kept = bus.state(&StateKey::quality(system, flow)).await?;
        // What another version has written is left aside.
        Ok(kept
            .and_then(|kept| serde_json::from_slice(&kept).ok())
            .unwrap_or_default())
    }

    /// Keeps one more run.
    ///
    /// Faults: the bus does not take it.
    pub(crate) async fn add(
        bus: &dyn Bus,
        system: &SystemName,
        flow: &FlowName,
        run: Run,
    ) -> Result<(), Fault> {
        let mut quality = Self::of(bus, system, flow).await?;
        quality.runs.push(run);
        let surplus = quality.runs.len().saturating_sub(MOST);
        quality.runs.drain(..surplus);
        let kept = serde_json::to_vec(&quality).unwrap_or_default();
        let hop = Hop {
            inputs: Vec::new(),
            outputs: Vec::new(),
            state: Some((StateKey::quality(system, flow), Bytes::from(kept))),
        };
        match bus.complete(vec![hop]).await.pop() {
            Some(Err(refused)) => Err(refused.fault),
            _ => Ok(()),
        }
    }

    /// All runs together.
    pub fn total(&self) -> Run {
        let mut total = Run::default();
        for run in &self.runs {
            if total.from.is_empty() {
                total.from.clone_from(&run.from);
            }
            total.until.clone_from(&run.until);
            total.received += run.received;
            total.published += run.published;
            total.filtered += run.filtered;
            total.parked += run.parked;
            for (rule, times) in &run.broken {
                *total.broken.entry(rule.clone()).or_default() += times;
            }
        }
        total
    }
}
