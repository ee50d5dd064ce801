//! The broker itself: its version, its nodes, their memory and disks.

use serde::Deserialize;

use super::{
    Chart, Findings,
    Severity::{Loses, Note, Repeats, Stalls},
};

/// Below this a disk fills faster than anybody can look.
const LEAST_FREE_LIMIT: u64 = 1_000_000_000;
/// A cluster whose nodes have been silent for so many seconds gives them up soon enough.
const LONGEST_SILENCE: u32 = 20;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Overview {
    pub(super) rabbitmq_version: String,
}

/// A node of the cluster. What the API leaves out of a node that does not run is not taken for an alarm.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Node {
    name: String,
    running: bool,
    partitions: Vec<String>,
    mem_alarm: bool,
    disk_free_alarm: bool,
    disk_free_limit: Option<u64>,
    /// In seconds.
    net_ticktime: Option<u32>,
}

pub(super) fn examine(chart: &Chart<'_>, findings: &mut Findings) {
    version(&chart.version, findings);
    for node in &chart.nodes {
        one(node, findings);
    }
    match chart.nodes.len() {
        0 => {}
        1 => findings.add(
            Note,
            "the broker is a single node".to_owned(),
            "what waits is on one disk only, and nothing moves while the node is away",
            "three nodes on three machines, where that matters",
        ),
        2 => findings.add(
            Stalls,
            "the cluster has two nodes".to_owned(),
            "a quorum queue needs a majority: when one of the two is away, all stand still",
            "add a third node",
        ),
        _ => patience(&chart.version, &chart.nodes, findings),
    }
    findings.add(
        Note,
        "`consumer_timeout` cannot be seen here".to_owned(),
        "a delivery that is held for longer is given out again, and its channel is closed; the default is 30 minutes",
        "look with `rabbitmqctl eval 'application:get_env(rabbit, consumer_timeout).'`; it must be longer than the slowest \
         system takes for one message",
    );
}

/// Measured on 3.10.8, where the leader of a queue was frozen: others led it after 9 s, and yet who was new to it was
/// answered on no node before the cluster had given the frozen one up. On 4.3.6 it does not matter.
fn patience(version: &str, nodes: &[Node], findings: &mut Findings) {
    let longest = nodes.iter().filter_map(|node| node.net_ticktime).max();
    if let Some(longest) = longest
        && longest > LONGEST_SILENCE
        && version.starts_with("3.")
    {
        findings.add(
            Stalls,
            format!("the cluster gives a frozen node up only after {longest} s"),
            "until then the queues that it led stand still, whichever node one is connected to",
            "start its nodes with `-kernel net_ticktime 20` in `RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS`, all with the same",
        );
    }
}

fn version(version: &str, findings: &mut Findings) {
    let mut parts = version.split('.').map(|part| {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().unwrap_or_default()
    });
    let mut next = || parts.next().unwrap_or_default();
    match (next(), next(), next()) {
        (0..=2, ..) | (3, 0..=9, _) => findings.add(
            Loses,
            format!("the broker is RabbitMQ {version}"),
            "before 3.10 a quorum queue knows neither a time to live, by which retries come back, nor at-least-once dead \
             lettering",
            "upgrade to a RabbitMQ that is maintained, 3.10 at the least",
        ),
        (3, minor, patch) => {
            if (minor, patch) < (10, 20) {
                findings.add(
                    Repeats,
                    format!("the broker is RabbitMQ {version}"),
                    "before 3.10.20 two of a node's workers may dead-letter the same message (rabbitmq-server #7677): a \
                     retried message may come twice",
                    "upgrade; until then see that each system drops repeats, as our sinks with an inbox do",
                );
            }
            findings.add(
                Note,
                format!("the broker is RabbitMQ {version}, which is no longer maintained"),
                "faults that are found in it stay",
                "upgrade to 4.x",
            );
        }
        (4, ..) => {}
        _ => findings.add(
            Note,
            format!("the broker is RabbitMQ {version}, which Trunkline was not tested with"),
            "arguments may mean something else there",
            "see whether there is a newer Trunkline",
        ),
    }
}

fn one(node: &Node, findings: &mut Findings) {
    let name = &node.name;
    if !node.running {
        findings.add(
            Stalls,
            format!("node `{name}` does not run"),
            "with one more away, queues lose their majority and stand still",
            "start it; if it is gone for good, `rabbitmqctl forget_cluster_node` and a new one in its place",
        );
    }
    if !node.partitions.is_empty() {
        findings.add(
            Loses,
            format!("node `{name}` is partitioned from {}", node.partitions.join(", ")),
            "each side goes on by itself with exchanges and bindings of its own: what is published on one may reach nobody",
            "mend the network, restart the smaller side, and set `cluster_partition_handling = pause_minority`",
        );
    }
    if node.mem_alarm {
        findings.add(
            Stalls,
            format!("node `{name}` is out of memory"),
            "the whole cluster takes nothing more from publishers",
            "let consumers catch up, or give it more memory; `vm_memory_high_watermark` says when it stops",
        );
    }
    if node.disk_free_alarm {
        findings.add(
            Stalls,
            format!("node `{name}` is out of disk"),
            "the whole cluster takes nothing more from publishers",
            "make room; `disk_free_limit` says when it stops",
        );
    }
    if let Some(limit) = node.disk_free_limit
        && limit < LEAST_FREE_LIMIT
    {
        findings.add(
            Stalls,
            format!(
                "node `{name}` stops taking messages only at {} MB of free disk",
                limit / 1_000_000
            ),
            "the disk may be full before it notices; then the node goes down, and cannot start",
            "set `disk_free_limit.absolute = 5GB` or more",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_refused_told_or_passed() {
        let severities = |text| {
            let mut findings = Findings::default();
            version(text, &mut findings);
            findings
                .0
                .iter()
                .map(|finding| finding.severity)
                .collect::<Vec<_>>()
        };
        assert_eq!(severities("3.9.29"), [Loses]);
        assert_eq!(severities("3.10.8"), [Repeats, Note]);
        assert_eq!(severities("3.13.7"), [Note]);
        assert_eq!(severities("4.1.0-rc.1"), []);
        assert_eq!(severities("5.0.0"), [Note]);
    }

    #[test]
    fn a_cluster_that_waits_long_for_a_frozen_node_is_told_where_that_matters() {
        let findings = |version, net_ticktime| {
            let node = || Node {
                net_ticktime: Some(net_ticktime),
                ..Node::default()
            };
            let mut findings = Findings::default();
            patience(version, &[node(), node(), node()], &mut findings);
            findings.0.len()
        };
        assert_eq!(findings("3.10.8", 60), 1);
        assert_eq!(findings("3.10.8", 20), 0);
        assert_eq!(findings("4.3.6", 60), 0);
    }
}
