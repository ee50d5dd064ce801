//! A flow: messages come from a channel or a system, go through steps, and leave for a channel or a system.
//!
//! One file per pattern, named as its word in the flow file. `run.rs` is the one loop, `outputs.rs` and `complete.rs` its
//! end; `ordered.rs` is the loop over a channel that keeps order, by its `partition.rs`, `lanes.rs`, `wave.rs` and
//! `replay.rs`.

mod combine;
mod complete;
mod deduplicate;
mod delay;
mod filter;
mod history;
mod key;
mod lanes;
mod memory;
mod ordered;
mod outputs;
mod partition;
mod processor;
mod reading;
mod recipients;
mod rehearse;
mod replay;
mod route;
mod run;
mod scope;
mod split;
mod steps;
mod tap;
mod then;
mod throttle;
mod translate;
mod wave;

use trunkline_sdk::{Kind, Need, Opt, Settings};

pub(crate) use complete::{onward, tell_refused};
pub use key::{Keyed, Keys};
pub(crate) use outputs::{obeys, outputs, valid};
pub use processor::{Expression, Processor, Rule, Step};
pub(crate) use rehearse::rehearse;
pub(crate) use run::{Flow, Outcomes, cause, run};
pub(crate) use scope::{Carries, Scope};
pub use steps::{Emitted, Failed, Steps, Verdict};
pub use then::FollowUp;
pub(crate) use then::THEN;

/// The words of the steps, each with what stands behind it.
pub(crate) const STEPS: &[Opt] = &[
    step(
        "filter",
        Kind::Text,
        "drops the messages for which this expression is false: `this.status == \"PAID\"`",
    ),
    step(
        "translate",
        Kind::Text,
        "makes another message of each: a mapping, from a file (`maps/….cel`) or in place",
    ),
    step(
        "route",
        Kind::List(&Kind::Group(route::CASE)),
        "sends each message to the channel of the first case that is true; the last step",
    ),
    step(
        "split",
        Kind::Group(split::SPLIT),
        "makes one message per element of a list",
    ),
    step(
        "tap",
        Kind::Text,
        "sends a copy of each message to this channel, and the message goes on",
    ),
    step(
        "recipients",
        Kind::List(&Kind::Group(route::CASE)),
        "sends each message to the channels of all cases that are true; the last step",
    ),
    step(
        "throttle",
        Kind::Group(throttle::THROTTLE),
        "lets so many messages pass in a time, evenly spaced; each process counts for itself, and anew when it starts",
    ),
    step(
        "delay",
        Kind::Group(delay::DELAY),
        "holds each message on the bus until its time has come; what follows it may overtake it",
    ),
    step(
        "deduplicate",
        Kind::Group(deduplicate::DEDUPLICATE),
        "lets the first message of each key pass, and drops what repeats it",
    ),
];

const fn step(name: &'static str, kind: Kind, summary: &'static str) -> Opt {
    Opt {
        name,
        kind,
        need: Need::Optional,
        summary,
    }
}

/// The steps behind which nothing gets.
pub(crate) const SENDERS: [&str; 2] = ["route", "recipients"];

/// The words of the steps alone.
pub(crate) fn words() -> impl Iterator<Item = &'static str> + Clone {
    STEPS.iter().map(|step| step.name)
}

/// Plans one step: its word, and what stands behind it. `None`: what is wrong was told.
pub(crate) fn plan(word: &str, settings: &Settings, scope: &mut Scope<'_>) -> Option<Box<dyn Processor>> {
    match word {
        "filter" => filter::plan(settings, scope),
        "translate" => translate::plan(settings, scope),
        "route" => route::plan(settings, scope),
        "split" => split::plan(settings, scope),
        "tap" => tap::plan(settings, scope),
        "recipients" => recipients::plan(settings, scope),
        "throttle" => throttle::plan(settings, scope),
        "delay" => delay::plan(settings, scope),
        "deduplicate" => deduplicate::plan(settings, scope),
        _ => None,
    }
}
