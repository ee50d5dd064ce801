//! `expect:` what is to become of it.

use prost_reflect::{DynamicMessage, MessageDescriptor};
use trunkline_sdk::{Kind, Need, Opt, Options, Place, Settings, Value};

use super::{Reader, given::value};
use crate::{
    config::{FlowPlan, REPLY, Target, unknown_hint},
    flow::Expression,
    names::ChannelName,
};

/// The words of `expect:`.
pub(in crate::config) const EXPECT: &[Opt] = &[
    Opt {
        name: "message",
        kind: Kind::Any,
        need: Need::Optional,
        summary: "the one message that comes out, of a flow that has one place to send to",
    },
    Opt {
        name: "messages",
        kind: Kind::Map(&Kind::Any),
        need: Need::Optional,
        summary: "what comes out, by the channel or system it goes to: a message, or a list of them in their order",
    },
    Opt {
        name: "whole",
        kind: Kind::Flag,
        need: Need::Default("false"),
        summary: "whether fields that are not named must not be set; else only those that are named are compared",
    },
    Opt {
        name: "filtered",
        kind: Kind::Text,
        need: Need::Optional,
        summary: "the rule by which nothing comes out, as it stands in the flow",
    },
    Opt {
        name: "fault",
        kind: Kind::Any,
        need: Need::Optional,
        summary: "how it fails: a part of the text, or `path`, `text` and `step`",
    },
];

/// The words of `fault:`.
const FAULT: &[Opt] = &[
    Opt {
        name: "path",
        kind: Kind::Text,
        need: Need::Optional,
        summary: "the field that cannot be set: `lines[0].quantity`",
    },
    Opt {
        name: "text",
        kind: Kind::Text,
        need: Need::Optional,
        summary: "a part of what the fault says",
    },
    Opt {
        name: "step",
        kind: Kind::Text,
        need: Need::Optional,
        summary: "the word of the step that fails: `translate`",
    },
];

/// What is to become of what is given.
#[derive(Debug)]
pub enum Expected {
    /// Nothing comes out.
    Nothing,
    /// Nothing comes out, by this rule.
    Filtered(String),
    /// It fails.
    Fault(FaultWanted),
    /// This comes out.
    Messages {
        /// By where it goes; nothing goes elsewhere.
        arrivals: Vec<Arrivals>,
        /// Whether fields that are not named must not be set.
        whole: bool,
    },
}

/// How it is to fail.
#[derive(Debug, Default)]
pub struct FaultWanted {
    /// The field that cannot be set.
    pub path: Option<String>,
    /// A part of what is told.
    pub text: Option<String>,
    /// The word of the step.
    pub step: Option<String>,
}

/// What is to come to one channel or system.
#[derive(Debug)]
pub struct Arrivals {
    /// The channel or system.
    pub to: String,
    /// What comes there, in its order.
    pub messages: Vec<Arrival>,
}

/// One message that is to come.
#[derive(Debug)]
pub struct Arrival {
    /// Where it is written.
    pub place: Place,
    /// As it is written.
    pub tree: Value<'static>,
    /// As its type has it; `None`: it is a native record.
    pub message: Option<DynamicMessage>,
}

impl<'r> Reader<'r, '_> {
    pub(super) fn expect(&mut self, flow: &'r FlowPlan, expect: &Settings) -> Option<Expected> {
        if let Some(word) = expect.text() {
            if word == "nothing" {
                return Some(Expected::Nothing);
            }
            self.problem(&expect.place, "this is nothing that can be expected")
                .hint = Some("`message`, `messages`, `filtered`, `fault`, or the word `nothing`".to_owned());
            return None;
        }
        if let Err(found) = Options::read(EXPECT, expect) {
            self.problems.extend(found);
            return None;
        }
        let mut kinds = expect.entries()?.iter().filter(|entry| entry.key != "whole");
        let (Some(entry), None) = (kinds.next(), kinds.next()) else {
            self.problem(&expect.place, "one thing must be expected").hint =
                Some("one of `message`, `messages`, `filtered` and `fault`".to_owned());
            return None;
        };
        let whole = expect.get("whole").and_then(Settings::text) == Some("true");
        let targets = self.targets(flow);
        match entry.key.as_str() {
            "fault" => self.fault(&entry.value),
            "filtered" => self.filtered(flow, &entry.value),
            "message" => {
                let [(to, kind)] = targets.as_slice() else {
                    let known: Vec<_> = targets.iter().map(|(name, _)| format!("`{name}`")).collect();
                    let what = format!("flow `{}` sends to more than one place", flow.name);
                    self.problem(&entry.place, what).hint = Some(format!(
                        "say which: `messages: {{ <name>: … }}`; names: {}",
                        known.join(", ")
                    ));
                    return None;
                };
                let message = self.arrival(kind.as_ref(), &entry.value)?;
                let arrivals = vec![Arrivals {
                    to: to.clone(),
                    messages: vec![message],
                }];
                Some(Expected::Messages { arrivals, whole })
            }
            _ => {
                let mut arrivals = Vec::new();
                for entry in entry.value.entries()? {
                    let Some((to, kind)) = targets.iter().find(|(name, _)| *name == entry.key) else {
                        let known = targets.iter().map(|(name, _)| name.as_str());
                        let hint = unknown_hint(&entry.key, known, "places it sends to");
                        let what = format!("flow `{}` does not send to `{}`", flow.name, entry.key);
                        self.problem(&entry.place, what).hint = Some(hint);
                        continue;
                    };
                    let one = std::slice::from_ref(&entry.value);
                    let messages = entry.value.items().unwrap_or(one);
                    arrivals.push(Arrivals {
                        to: to.clone(),
                        messages: messages
                            .iter()
                            .filter_map(|message| self.arrival(kind.as_ref(), message))
                            .collect(),
                    });
                }
                Some(Expected::Messages { arrivals, whole })
            }
        }
    }

    fn arrival(&mut self, kind: Option<&MessageDescriptor>, settings: &Settings) -> Option<Arrival> {
        let message = match kind {
            Some(kind) => Some(self.typed(kind, settings)?),
            None => None,
        };
        Some(Arrival {
            place: settings.place.clone(),
            tree: value(settings),
            message,
        })
    }

    fn fault(&mut self, settings: &Settings) -> Option<Expected> {
        if let Some(text) = settings.text() {
            return Some(Expected::Fault(FaultWanted {
                text: Some(text.to_owned()),
                ..FaultWanted::default()
            }));
        }
        let options = Options::read(FAULT, settings)
            .map_err(|found| self.problems.extend(found))
            .ok()?;
        let text = |name| options.text(name).map(str::to_owned);
        Some(Expected::Fault(FaultWanted {
            path: text("path"),
            text: text("text"),
            step: text("step"),
        }))
    }

    fn filtered(&mut self, flow: &FlowPlan, settings: &Settings) -> Option<Expected> {
        let rule = on_one_line(settings.text()?);
        let rules: Vec<_> = flow
            .steps
            .expressions()
            .filter_map(|(word, expression)| match expression {
                Expression::Decides(predicate) if word == "filter" => Some(on_one_line(predicate.text())),
                _ => None,
            })
            .collect();
        if !rules.contains(&rule) {
            let hint = unknown_hint(&rule, rules.iter().map(String::as_str), "filters");
            let what = format!("flow `{}` has no such filter", flow.name);
            self.problem(&settings.place, what).hint = Some(hint);
            return None;
        }
        Some(Expected::Filtered(rule))
    }

    /// Where a flow sends to, and what arrives there; `None`: native records.
    fn targets(&self, flow: &FlowPlan) -> Vec<(String, Option<MessageDescriptor>)> {
        let of_channel = |name: &ChannelName| {
            let channels = &self.plan.topology.channels;
            let channel = channels.iter().find(|channel| channel.name == *name);
            let kind = channel.and_then(|channel| self.kind(&channel.type_name));
            (name.to_string(), kind)
        };
        let mut targets: Vec<_> = flow.publishes().map(of_channel).collect();
        if let Target::System { system, arrives, .. } = &flow.target {
            targets.push((system.to_string(), arrives.clone()));
        }
        if let Target::Reply { arrives } = &flow.target {
            targets.push((REPLY.to_owned(), arrives.clone()));
        }
        targets.dedup_by(|one, two| one.0 == two.0);
        targets
    }
}

fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
