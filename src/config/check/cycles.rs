//! Rings of channels and flows: a message in a ring that has no exit would go round for ever, and fill the bus.
//!
//! A flow lets a message go when one of its steps may end it (`filter`, `split` of an empty list), when it writes it
//! into a system, or when its `route` may send it to a channel that is outside of the ring.

use std::collections::{BTreeMap, BTreeSet};

use trunkline_sdk::{Place, Problem, Settings};

use super::super::{
    landscape::Landscape,
    plan::{Feed, FlowPlan, Target},
};
use crate::names::ChannelName;

/// Tells rings without an exit, and flows that feed themselves.
pub(super) fn check(landscape: &Landscape, flows: &[FlowPlan], problems: &mut Vec<Problem>) {
    for (flow, channel) in flows.iter().filter_map(feeds_itself) {
        let what = format!(
            "flow `{}` publishes to channel `{channel}`, which it reads",
            flow.name
        );
        let hint = "give what it makes a channel of its own: it would get every message again";
        problems.extend(place(landscape, flow, channel).map(|place| Problem::new(place, what).hint(hint)));
    }
    let endless = endless(flows);
    let mut told = BTreeSet::new();
    for start in endless.values() {
        let ring = ring(start, &endless);
        let mut names: Vec<_> = ring.iter().map(|(_, flow)| &flow.name).collect();
        names.sort();
        if ring.len() < 2 || !told.insert(names) {
            continue;
        }
        let first = ring.iter().map(|(channel, _)| *channel).next();
        let way: Vec<_> = ring
            .iter()
            .flat_map(|(channel, flow)| [channel.as_str(), flow.name.as_str()])
            .chain(first.map(ChannelName::as_str))
            .map(|name| format!("`{name}`"))
            .collect();
        let what = format!("messages go round without an exit: {}", way.join(" -> "));
        let hint = "let one of these flows end some of them: a `filter`, or a `route` to a channel outside of the ring";
        // Where the ring is closed.
        let last = ring.last().zip(first);
        let last = last.and_then(|((_, flow), first)| place(landscape, flow, first));
        problems.extend(last.map(|place| Problem::new(place, what).hint(hint)));
    }
}

fn feeds_itself(flow: &FlowPlan) -> Option<(&FlowPlan, &ChannelName)> {
    let channel = reads(flow)?;
    flow.publishes()
        .any(|published| published == channel)
        .then_some((flow, channel))
}

/// The channels whose messages never end, each with a flow that passes all of them on to another such channel. What
/// feeds itself is told on its own, and left out.
fn endless(flows: &[FlowPlan]) -> BTreeMap<&ChannelName, &FlowPlan> {
    let mut endless: BTreeMap<&ChannelName, Vec<&FlowPlan>> = BTreeMap::new();
    for flow in flows
        .iter()
        .filter(|flow| !flow.steps.may_end() && feeds_itself(flow).is_none())
    {
        if let Some(channel) = reads(flow) {
            endless.entry(channel).or_default().push(flow);
        }
    }
    // All are endless until one has a way out, and then those that lead there have one.
    loop {
        let left = endless.len();
        let known: BTreeSet<_> = endless.keys().copied().collect();
        endless.retain(|_, flows| {
            flows.retain(|flow| stays_in(flow, &known));
            !flows.is_empty()
        });
        if endless.len() == left {
            let first = |(channel, flows): (_, Vec<_>)| Some((channel, flows.into_iter().next()?));
            return endless.into_iter().filter_map(first).collect();
        }
    }
}

fn stays_in(flow: &FlowPlan, channels: &BTreeSet<&ChannelName>) -> bool {
    match &flow.target {
        Target::Channel(channel) => channels.contains(channel),
        Target::Routed => {
            !flow.sends.is_empty() && flow.sends.iter().all(|channel| channels.contains(channel))
        }
        Target::System { .. } | Target::Reply { .. } => false,
    }
}

/// The ring to which this flow leads, from the first flow that comes again; of the ways of a `route`, its first.
fn ring<'f>(
    start: &'f FlowPlan,
    endless: &BTreeMap<&'f ChannelName, &'f FlowPlan>,
) -> Vec<(&'f ChannelName, &'f FlowPlan)> {
    let mut way: Vec<(&ChannelName, &FlowPlan)> = Vec::new();
    let mut flow = Some(start);
    while let Some(next) = flow {
        let Some(channel) = reads(next) else { break };
        if let Some(at) = way.iter().position(|(known, _)| *known == channel) {
            // Begun with the least name, so that it is the same ring wherever it was entered.
            let mut ring = way.split_off(at);
            let least = ring.iter().enumerate().min_by_key(|(_, (channel, _))| *channel);
            let least = least.map_or(0, |(at, _)| at);
            ring.rotate_left(least);
            return ring;
        }
        way.push((channel, next));
        let to = next.target.channel().or(next.sends.first());
        flow = to.and_then(|channel| endless.get(channel).copied());
    }
    Vec::new()
}

fn reads(flow: &FlowPlan) -> Option<&ChannelName> {
    match &flow.feed {
        Feed::Channel { channel, .. } => Some(channel),
        Feed::System { .. } => None,
    }
}

/// Where the flow says that it sends to this channel, or else its name.
fn place<'l>(landscape: &'l Landscape, flow: &FlowPlan, channel: &ChannelName) -> Option<&'l Place> {
    let file = landscape
        .flows
        .iter()
        .find(|file| file.name.0 == flow.name.as_str())?;
    let is_sent = |settings: &&Settings| settings.text() == Some(channel.as_str());
    let to = file.to.iter().find(is_sent);
    let routed = || file.steps.iter().find_map(|step| sends(step, channel.as_str()));
    Some(to.or_else(routed).map_or(&file.name.1, |to| &to.place))
}

/// Where a step sends to this channel.
fn sends<'l>(step: &'l Settings, channel: &str) -> Option<&'l Settings> {
    let inner = step.entries().unwrap_or_default().iter().find_map(|entry| {
        let is_end = matches!(entry.key.as_str(), "to" | "otherwise");
        let is_sent = is_end && entry.value.text() == Some(channel);
        if is_sent {
            Some(&entry.value)
        } else {
            sends(&entry.value, channel)
        }
    });
    inner.or_else(|| {
        step.items()
            .unwrap_or_default()
            .iter()
            .find_map(|item| sends(item, channel))
    })
}
