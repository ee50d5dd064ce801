//! Policies: what an administrator sets by patterns of names, over the arguments of queues and exchanges.

use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Chart, Findings,
    Severity::{Loses, Note, Stalls},
};
use crate::bus::rabbitmq::{
    compare::json_of,
    topology::{Piece, pieces},
};

/// A policy, of users or of operators.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Policy {
    name: String,
    pattern: String,
    #[serde(rename = "apply-to")]
    apply_to: String,
    priority: i64,
    definition: Map<String, Value>,
}

/// All policies of a virtual host.
#[derive(Debug, Default)]
pub(super) struct Policies {
    pub(super) users: Vec<Policy>,
    pub(super) operators: Vec<Policy>,
}

impl Policies {
    /// What holds for a queue or an exchange: of each kind the one policy with the highest priority.
    pub(super) fn of<'p>(
        &'p self,
        name: &str,
        is_queue: bool,
    ) -> impl Iterator<Item = (&'p Policy, &'p str, &'p Value)> {
        let best = |policies: &'p [Policy]| {
            policies
                .iter()
                .filter(|policy| policy.fits(name, is_queue))
                .max_by_key(|policy| policy.priority)
        };
        [best(&self.users), best(&self.operators)]
            .into_iter()
            .flatten()
            .flat_map(|policy| {
                policy
                    .definition
                    .iter()
                    .map(move |(key, value)| (policy, key.as_str(), value))
            })
    }
}

impl Policy {
    fn fits(&self, name: &str, is_queue: bool) -> bool {
        let applies = match self.apply_to.as_str() {
            "all" | "" => true,
            "exchanges" => !is_queue,
            "queues" | "quorum_queues" => is_queue,
            _ => false,
        };
        applies && Regex::new(&self.pattern).is_ok_and(|pattern| pattern.is_match(name))
    }
}

/// What of our things a policy overrides.
pub(super) fn examine(chart: &Chart<'_>, findings: &mut Findings) {
    for piece in pieces(chart.topology) {
        match piece {
            Piece::Exchange { name, .. } => {
                for (policy, key, value) in chart.policies.of(&name, false) {
                    if key == "alternate-exchange" {
                        findings.add(
                            Loses,
                            told("exchange", &name, policy, key, value),
                            "what no queue takes goes there, and its publisher is told that it was delivered",
                            mend(policy, &name),
                        );
                    }
                }
            }
            Piece::Queue { name, arguments } => {
                let arguments = json_of(&arguments);
                for (policy, key, value) in chart.policies.of(&name, true) {
                    queue(
                        &name,
                        policy,
                        key,
                        value,
                        arguments.get(&format!("x-{key}")),
                        findings,
                    );
                }
            }
            Piece::Binding { .. } => {}
        }
    }
}

/// `ours`: the argument of the same name that we set.
fn queue(
    name: &str,
    policy: &Policy,
    key: &str,
    value: &Value,
    ours: Option<&Value>,
    findings: &mut Findings,
) {
    let is_parked = name.ends_with(".dead");
    let lower = || value.as_i64() < ours.and_then(Value::as_i64);
    let (severity, why) = match key {
        // RabbitMQ lets the policy win here, and takes the lower of two limits.
        "overflow" if value == "reject-publish" => return,
        "overflow" => (
            Loses,
            "a full queue throws its oldest messages away after they were confirmed, and dead lettering is at-most-once \
             by it",
        ),
        "expires" => (
            Loses,
            "the broker removes the queue, with all that is in it, when nobody reads it for a time",
        ),
        "message-ttl" if is_parked => (Loses, "what is parked is thrown away when its time is over"),
        "message-ttl" if ours.is_none() => (
            Stalls,
            "what waits too long is parked although nothing is wrong with it",
        ),
        "message-ttl" if lower() => (
            Stalls,
            "retries come earlier than their flows say, and are used up sooner",
        ),
        "delivery-limit" if is_parked => (
            Loses,
            "looking at a parked message counts as a delivery, and what reaches the limit is thrown away",
        ),
        "delivery-limit" if lower() || ours.is_none() => (
            Stalls,
            "a killed process counts against all it held: after a few, good messages are parked",
        ),
        "max-length" => (
            Stalls,
            "the queue refuses messages when it has so many, and its channel's publishers wait",
        ),
        "max-length-bytes" if lower() => (
            Stalls,
            "the queue refuses messages earlier, and its channel's publishers wait",
        ),
        "dead-letter-exchange" if is_parked => (
            Note,
            "what a limit or a time to live takes out of the parked ones goes there",
        ),
        key if key.starts_with("ha-") => (
            Note,
            "it is of no use to quorum queues, and RabbitMQ 4 knows it no more",
        ),
        // Our arguments win over all others, or they change nothing of what is kept.
        _ => return,
    };
    findings.add(
        severity,
        told("queue", name, policy, key, value),
        why,
        mend(policy, name),
    );
}

fn told(thing: &str, name: &str, policy: &Policy, key: &str, value: &Value) -> String {
    let value = value
        .as_str()
        .map_or_else(|| value.to_string(), ToOwned::to_owned);
    format!(
        "policy `{}` sets `{key}` of {thing} `{name}` to {value}",
        policy.name
    )
}

fn mend(policy: &Policy, name: &str) -> String {
    format!(
        "change the pattern of policy `{}` (`{}`) so that it does not fit `{name}`",
        policy.name, policy.pattern
    )
}
