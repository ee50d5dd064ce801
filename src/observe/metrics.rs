//! The numbers of the flows as Prometheus reads them: its text format, version 0.0.4.
//!
//! Promises: labels are names of the landscape alone (flow, system, channel), never an id or a value, so that their
//! number is bounded; counters begin at 0 with the process.

use std::fmt::{Display, Write};

use super::{Board, Counts, Standing, board::Watched, duration::BOUNDS};
use crate::bus::Depth;

/// The media type of what is written here.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

type Counter = (&'static str, &'static str, fn(&Counts) -> u64);

const COUNTERS: [Counter; 9] = [
    (
        "accepted",
        "Records or messages taken in, repeats and retries included.",
        |counts| counts.received,
    ),
    (
        "repeated",
        "Those among the accepted that had been given out before.",
        |counts| counts.again,
    ),
    (
        "published",
        "Messages sent to channels, and confirmed.",
        |counts| counts.published,
    ),
    ("applied", "Messages that have reached their system.", |counts| {
        counts.delivered
    }),
    (
        "filtered",
        "Messages that ended by a rule of the flow.",
        |counts| counts.filtered.values().sum(),
    ),
    ("parked", "Messages put aside for a person.", |counts| {
        counts.parked.values().sum()
    }),
    ("retried", "Retries ordered.", |counts| counts.retried),
    ("answered", "Answers given to whoever asked.", |counts| {
        counts.answered
    }),
    (
        "unanswered",
        "Requests to which no answer came in time.",
        |counts| counts.unanswered,
    ),
];

type Gauge = (&'static str, &'static str, fn(&Depth) -> u64);

const QUEUES: [Gauge; 4] = [
    ("queue_ready", "Messages that wait for the flow.", |depth| {
        depth.ready
    }),
    ("in_flight", "Messages in the hands of the flow.", |depth| {
        depth.unsettled
    }),
    (
        "queue_delayed",
        "Messages that wait for their next attempt; 0 on RabbitMQ, which counts them for all queues together.",
        |depth| depth.delayed,
    ),
    ("queue_parked", "Messages that wait for a person.", |depth| {
        depth.parked
    }),
];

/// The numbers of all flows.
pub(super) async fn write(board: &Board) -> String {
    let flows: Vec<_> = board
        .flows
        .iter()
        .map(|flow| (flow, labels(flow), flow.tally.read()))
        .collect();
    let mut text = Text(String::with_capacity(1024 * flows.len()));
    text.family("build_info", "gauge", "The version that runs.");
    text.sample(
        "build_info",
        &format!("version=\"{}\"", env!("CARGO_PKG_VERSION")),
        1,
    );
    for (name, help, count) in COUNTERS {
        let name = format!("{name}_total");
        text.family(&name, "counter", help);
        for (_, labels, counts) in &flows {
            text.sample(&name, labels, count(counts));
        }
    }
    text.family(
        "flow_up",
        "gauge",
        "1 where the flow is at work, 0 where it waits or has ended.",
    );
    for (flow, labels, _) in &flows {
        let is_up = flow.tally.standing() == Standing::AtWork;
        text.sample("flow_up", labels, u64::from(is_up));
    }
    text.family(
        "circuit_open",
        "gauge",
        "1 where the flow is paused, because its system does not take messages.",
    );
    for (_, labels, counts) in &flows {
        text.sample("circuit_open", labels, u64::from(counts.is_paused));
    }
    let depths = board.depths().await;
    for (name, help, count) in QUEUES {
        text.family(name, "gauge", help);
        for ((_, labels, _), depth) in flows.iter().zip(&depths) {
            if let Some(depth) = depth {
                text.sample(name, labels, count(depth));
            }
        }
    }
    text.family("in_flow_seconds", "histogram", "How long messages were in the hands of the flow, from when the bus or the source gave them to when they were done with.");
    for (flow, labels, _) in &flows {
        let durations = flow.tally.durations();
        let counts = durations.cumulated();
        let bounds = BOUNDS.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(counts) {
            text.sample(
                "in_flow_seconds_bucket",
                &format!("{labels},le=\"{bound}\""),
                count,
            );
        }
        text.sample("in_flow_seconds_sum", labels, durations.seconds());
        text.sample("in_flow_seconds_count", labels, counts[BOUNDS.len()]);
    }
    text.0
}

/// Names need no escapes: they are made of letters, digits, `-`, `_` and `.`.
fn labels(flow: &Watched) -> String {
    let mut labels = format!("flow=\"{}\"", flow.name);
    if let Some(system) = &flow.system {
        let _ = write!(labels, ",system=\"{system}\"");
    }
    if let Some(channel) = &flow.channel {
        let _ = write!(labels, ",channel=\"{channel}\"");
    }
    labels
}

struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(
            self.0,
            "# HELP trunkline_{name} {help}\n# TYPE trunkline_{name} {kind}"
        );
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = writeln!(self.0, "trunkline_{name}{{{labels}}} {value}");
    }
}
