//! What a picture of a landscape shows: boxes, and arrows in the direction in which messages go.
//!
//! A system that is read from and written to has two boxes, one at the beginning of ways and one at their end: else
//! every way would lead back to where it came from.

use std::collections::HashMap;

use crate::config::{Feed, FlowPlan, Plan, Target};

/// Boxes and arrows, without places.
#[derive(Debug, Default)]
pub(super) struct Picture {
    pub(super) boxes: Vec<Box>,
    /// From one box to another, each once.
    pub(super) arrows: Vec<(usize, usize)>,
}

#[derive(Debug)]
pub(super) struct Box {
    pub(super) kind: Kind,
    pub(super) name: String,
    /// The adapter of a system, the type of a channel, the steps of a flow.
    pub(super) note: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Source,
    Sink,
    Channel,
    Flow,
}

impl Kind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Kind::Source | Kind::Sink => "system",
            Kind::Channel => "channel",
            Kind::Flow => "flow",
        }
    }
}

impl Picture {
    /// Of all that a landscape has, in the order of its files.
    pub(super) fn of(plan: &Plan) -> Self {
        let mut drawing = Drawing {
            plan,
            picture: Self::default(),
            known: HashMap::new(),
        };
        for flow in &plan.flows {
            drawing.flow(flow);
        }
        // Those that only others use.
        for channel in &plan.topology.channels {
            drawing.at(Kind::Channel, channel.name.as_str());
        }
        drawing.picture
    }
}

struct Drawing<'p> {
    plan: &'p Plan,
    picture: Picture,
    known: HashMap<(Kind, String), usize>,
}

impl Drawing<'_> {
    fn flow(&mut self, flow: &FlowPlan) {
        let from = match &flow.feed {
            Feed::Channel { channel, .. } => self.at(Kind::Channel, channel.as_str()),
            Feed::System { system, .. } => self.at(Kind::Source, system.as_str()),
        };
        let here = self.at(Kind::Flow, flow.name.as_str());
        self.arrow(from, here);
        if let Target::System { system, .. } = &flow.target {
            let to = self.at(Kind::Sink, system.as_str());
            self.arrow(here, to);
        }
        for channel in flow.publishes() {
            let to = self.at(Kind::Channel, channel.as_str());
            self.arrow(here, to);
        }
    }

    fn arrow(&mut self, from: usize, to: usize) {
        if !self.picture.arrows.contains(&(from, to)) {
            self.picture.arrows.push((from, to));
        }
    }

    /// The box of this thing.
    fn at(&mut self, kind: Kind, name: &str) -> usize {
        if let Some(known) = self.known.get(&(kind, name.to_owned())) {
            return *known;
        }
        let at = self.picture.boxes.len();
        self.picture.boxes.push(Box {
            kind,
            name: name.to_owned(),
            note: self.note(kind, name),
        });
        self.known.insert((kind, name.to_owned()), at);
        at
    }

    fn note(&self, kind: Kind, name: &str) -> String {
        let plan = self.plan;
        let found = match kind {
            Kind::Source | Kind::Sink => {
                let system = plan.systems.iter().find(|(system, _)| system.as_str() == name);
                system.map(|(_, system)| system.adapter.describe().name.to_owned())
            }
            Kind::Channel => {
                let channel = plan
                    .topology
                    .channels
                    .iter()
                    .find(|channel| channel.name.as_str() == name);
                channel.map(|channel| {
                    let full = channel.type_name.as_str();
                    full.rsplit('.').next().unwrap_or(full).to_owned()
                })
            }
            Kind::Flow => {
                let flow = plan.flows.iter().find(|flow| flow.name.as_str() == name);
                flow.map(|flow| flow.steps.words().collect::<Vec<_>>().join(", "))
            }
        };
        found.unwrap_or_default()
    }
}
