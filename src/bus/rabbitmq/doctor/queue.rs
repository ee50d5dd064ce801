//! The queues and exchanges: whether they keep what they get, and whether somebody takes it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Chart, Findings,
    Severity::{Loses, Note, Stalls},
};
use crate::bus::{
    DifferenceKind,
    rabbitmq::{
        compare::{self, json_of},
        inventory::{FoundExchange, FoundQueue},
        orphan::is_ours,
        partition::PARTITION,
        topology::{DEAD, Piece, REDELIVER, pieces},
    },
};

pub(super) fn examine(chart: &Chart<'_>, findings: &mut Findings) {
    let mut ours: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
    for piece in pieces(chart.topology) {
        match piece {
            Piece::Queue { name, arguments } => {
                if let Some(found) = chart.inventory.queues.get(&name) {
                    one(&name, found, &json_of(&arguments), chart.nodes.len(), findings);
                }
                ours.insert(name, json_of(&arguments));
            }
            Piece::Exchange { name, .. } => {
                if let Some(found) = chart.inventory.exchanges.get(&name) {
                    exchange(&name, found, findings);
                }
            }
            Piece::Binding { .. } => {}
        }
    }
    differences(chart, findings);
    readers(chart, findings);
    for (name, queue) in &chart.inventory.queues {
        if !ours.contains_key(name) && !is_ours(name, &chart.inventory) {
            foreign(name, queue, chart, findings);
        }
    }
}

/// A queue of the landscape. What differs without harm is the plan's to tell.
fn one(
    name: &str,
    found: &FoundQueue,
    wanted: &BTreeMap<String, Value>,
    nodes: usize,
    findings: &mut Findings,
) {
    let recreate = format!(
        "stop the processes that read it, then `trunkline topology apply --recreate {name}`: it moves the messages aside and \
         back"
    );
    if found.kind != "quorum" {
        findings.add(
            Loses,
            format!("queue `{name}` is {}, not quorum", found.kind),
            "it has one copy, on one node; and what the broker dead-letters from it, retries among it, may be lost on the way",
            recreate,
        );
        return;
    }
    let text = |key: &str| found.arguments.get(key).and_then(Value::as_str);
    let number = |key: &str| found.arguments.get(key).and_then(Value::as_i64);
    let mut wrong = |severity, what: &str, why| {
        findings.add(severity, format!("queue `{name}` {what}"), why, recreate.clone());
    };
    let wants = |key: &str| wanted.contains_key(key);
    if wants("x-dead-letter-exchange") {
        if text("x-dead-letter-exchange") != wanted["x-dead-letter-exchange"].as_str() {
            wrong(
                Loses,
                "does not dead-letter to where we park",
                "what the broker takes out of it (a delivery limit, a time to live) is thrown away, or goes where nobody \
                 looks",
            );
        } else if text("x-dead-letter-strategy") != Some("at-least-once") {
            wrong(
                Loses,
                "dead-letters at most once",
                "the broker takes a message out before it knows that it has arrived: a restart in between loses it",
            );
        }
    }
    if text("x-overflow") != Some("reject-publish") {
        wrong(
            Loses,
            "does not refuse when it is full (`x-overflow`)",
            "it throws its oldest messages away, after they were confirmed; and dead lettering is at-most-once by it",
        );
    }
    if number("x-expires").is_some() {
        wrong(
            Loses,
            "expires (`x-expires`)",
            "the broker removes it, with all that is in it, when nobody reads it for a time",
        );
    }
    if number("x-message-ttl").is_some() && !wants("x-message-ttl") {
        let severity = if name.ends_with(".dead") { Loses } else { Stalls };
        wrong(
            severity,
            "has a time to live (`x-message-ttl`)",
            "what waits too long is taken out although nothing is wrong with it",
        );
    }
    if wants("x-delivery-limit") && number("x-delivery-limit") < wanted["x-delivery-limit"].as_i64() {
        // Without one, RabbitMQ 4 takes 20.
        let severity = if wants("x-dead-letter-exchange") {
            Stalls
        } else {
            Loses
        };
        wrong(
            severity,
            "has too low a delivery limit, or none",
            "a killed process counts against all it held: after a few, good messages are taken out; without a limit, \
             RabbitMQ 4 takes 20",
        );
    }
    if nodes >= 3 && found.members.len() < 3 {
        findings.add(
            Stalls,
            format!("queue `{name}` has {} of 3 copies", found.members.len()),
            "it stands still, or is lost, with the nodes that hold them",
            format!("`rabbitmq-queues add_member {name} <node>`, or `rabbitmq-queues grow <node> all`"),
        );
    }
    if !found.members.is_empty() && found.online.len() * 2 <= found.members.len() {
        findings.add(
            Stalls,
            format!(
                "queue `{name}` has no majority: {} of {} copies are there",
                found.online.len(),
                found.members.len()
            ),
            "it takes nothing and gives nothing",
            "start the nodes that hold the others",
        );
    }
}

fn exchange(name: &str, found: &FoundExchange, findings: &mut Findings) {
    if let Some(other) = found.arguments.get("alternate-exchange") {
        findings.add(
            Loses,
            format!("exchange `{name}` has the alternate exchange {other}"),
            "what no queue takes goes there, and its publisher is told that it was delivered",
            "stop everything that publishes to it, delete it in the broker's console and run `trunkline topology apply` at once",
        );
    }
}

/// What the plan shows, as far as it does harm.
fn differences(chart: &Chart<'_>, findings: &mut Findings) {
    let differences = compare::differences(chart.topology, &chart.inventory);
    let of = |kind, thing| {
        let names: Vec<_> = differences
            .iter()
            .filter(|difference| difference.kind == kind && difference.thing == thing)
            .map(|difference| difference.name.as_str())
            .collect();
        names
    };
    // A binding of a queue that is not there either is missing with it.
    let unbound: Vec<_> = of(DifferenceKind::Missing, "binding")
        .into_iter()
        .filter(|name| {
            name.rsplit(" -> ")
                .next()
                .is_some_and(|queue| chart.inventory.queues.contains_key(queue))
        })
        .collect();
    if !unbound.is_empty() {
        findings.add(
            Loses,
            format!("bindings are missing: {}", unbound.join(", ")),
            "the flow gets nothing of what is published meanwhile, and its publishers are not told if another flow does",
            "`trunkline topology apply` makes them",
        );
    }
    let missing: Vec<_> = ["exchange", "queue"]
        .into_iter()
        .flat_map(|thing| of(DifferenceKind::Missing, thing))
        .collect();
    if !missing.is_empty() {
        findings.add(
            Stalls,
            format!(
                "{} exchanges and queues are missing, first `{}`",
                missing.len(),
                missing[0]
            ),
            "no process starts that may not make them itself",
            "`trunkline topology apply` makes them",
        );
    }
    let mixed = differences.iter().find(|difference| {
        difference.kind == DifferenceKind::Otherwise && difference.what.starts_with(PARTITION)
    });
    if let Some(mixed) = mixed {
        findings.add(
            Stalls,
            format!("queue `{}` {}", mixed.name, mixed.what),
            "no process of the flow starts: with both numbers at once the order of its keys would be mixed",
            mixed.mend.clone().unwrap_or_default(),
        );
    }
    for name in of(DifferenceKind::Orphan, "queue") {
        if fills(name, chart) {
            findings.add(
                Stalls,
                format!("queue `{name}` fills, and no flow of the landscape reads it"),
                "when it is full it refuses, and everybody who publishes to its channel waits",
                format!("`trunkline topology apply --unbind {name}`"),
            );
        }
    }
}

/// Whether it is bound to a channel still.
fn fills(queue: &str, chart: &Chart<'_>) -> bool {
    chart
        .inventory
        .bindings_of(queue)
        .any(|binding| ![DEAD, REDELIVER].contains(&binding.source.as_str()))
}

/// Whether somebody reads what a flow should read, and gets on.
fn readers(chart: &Chart<'_>, findings: &mut Findings) {
    let mut idle = Vec::new();
    for queue in chart
        .topology
        .queues
        .iter()
        .filter(|queue| queue.channel.is_some())
    {
        let name = queue.name.as_str();
        let Some(found) = chart.inventory.queues.get(name) else {
            continue;
        };
        let waiting = found.messages_ready.unwrap_or_default();
        if found.consumers == Some(0) {
            if waiting > 0 {
                findings.add(
                    Stalls,
                    format!("{waiting} messages wait in queue `{name}`, and no process reads it"),
                    "they go on waiting",
                    "start the process that runs its flow",
                );
            } else {
                idle.push(name);
            }
        }
        let held = found.messages_unacknowledged.unwrap_or_default();
        if waiting > 0 && held > 0 && found.consumers > Some(0) && acked(found) == Some(0.0) {
            findings.add(
                Stalls,
                format!("queue `{name}`: {held} messages are held, {waiting} wait, and none is settled"),
                "its flow stands: its system does not answer, or it lost its hold of the queue",
                "look at the log of the process that runs it; started again, what it holds comes again",
            );
        }
    }
    if !idle.is_empty() {
        findings.add(
            Note,
            format!("no process reads {}", idle.join(", ")),
            "what is published waits until one does",
            "start the processes that run these flows",
        );
    }
}

/// Acks per second, as sampled last.
fn acked(queue: &FoundQueue) -> Option<f64> {
    queue.message_stats.get("ack_details")?.get("rate")?.as_f64()
}

/// A queue of another program, as far as it concerns us: bound to one of our channels.
fn foreign(name: &str, found: &FoundQueue, chart: &Chart<'_>, findings: &mut Findings) {
    let Some(binding) = chart
        .inventory
        .bindings_of(name)
        .find(|binding| binding.source.starts_with("trunkline."))
    else {
        return;
    };
    let told = |what: &str| {
        format!(
            "queue `{name}` of another program, bound to `{}`, {what}",
            binding.source
        )
    };
    let set = |key: &str| {
        found.arguments.get(&format!("x-{key}")).or_else(|| {
            let mut all = chart.policies.of(name, true);
            all.find(|(_, other, _)| *other == key).map(|(_, _, value)| value)
        })
    };
    let overflow = set("overflow").and_then(Value::as_str).unwrap_or("drop-head");
    let limited = set("max-length").is_some() || set("max-length-bytes").is_some();
    if limited && overflow.starts_with("reject-publish") {
        findings.add(
            Stalls,
            told("refuses when it is full"),
            "then everybody who publishes to this channel waits for that program",
            "have it say `x-overflow: drop-head`",
        );
    } else if !limited {
        findings.add(
            Note,
            told("has no limit"),
            "if that program stops, it fills the broker's disk",
            "have it say `x-max-length-bytes`, with `x-overflow: drop-head`",
        );
    }
    if found.kind == "classic" {
        findings.add(
            Note,
            told("is classic"),
            "it has one copy: what waits for that program is gone with its node",
            "have it say `x-queue-type: quorum`, if that matters to it",
        );
    }
}
