//! `then:` beside a `to:` at a system: of what the system answers to a message, a message of its own is made, for a
//! channel.
//!
//! Promises: it is on the bus before the message that was answered is settled, under an id that a repeat gives again; a
//! message whose effect is there and whose answer is missing, or cannot be mapped, is parked.

use trunkline_sdk::{Fault, Kind, Need, Opt, Options, Reply, Settings};

use super::{Emitted, Failed, Scope, combine::Combination};
use crate::{
    mapping::Mapping,
    message::Message,
    names::{ChannelName, FlowName},
};

/// The words of `then:`.
pub(crate) const THEN: &[Opt] = &[
    Opt {
        name: "as",
        kind: Kind::Text,
        need: Need::Default(WORD),
        summary: "the word for what the system answers",
    },
    Opt {
        name: "emit",
        kind: Kind::Text,
        need: Need::Required,
        summary: "the message that is made of it, in place or from a file; `this` is what was written: \
                  `Shipment{ order_id: this.order_id, tracking_number: reply.number, … }`",
    },
    Opt {
        name: "to",
        kind: Kind::Text,
        need: Need::Required,
        summary: "the channel that gets it",
    },
];

/// What the answer is called, if nothing else is said.
const WORD: &str = "reply";

/// What is made of the answers of a system.
#[derive(Clone)]
pub struct FollowUp {
    combination: Combination,
    to: ChannelName,
}

impl FollowUp {
    /// Plans it, over what arrives at the system. `None`: what is wrong was told.
    pub(crate) fn plan(settings: &Settings, scope: &mut Scope<'_>) -> Option<Self> {
        let options = Options::read(THEN, settings);
        let options = options.map_err(|found| scope.problems.extend(found)).ok()?;
        let word = Settings::scalar(settings.place.clone(), WORD, false);
        let combination = Combination::plan(options.get("emit")?, options.get("as").unwrap_or(&word), scope);
        let to = options.get("to")?;
        let name = to.text()?;
        scope.routed.push(name.to_owned());
        let channel = scope.channel(name, &to.place)?;
        scope.fits(&channel, &to.place)?;
        Some(Self {
            combination: combination?,
            to: channel,
        })
    }

    /// The mapping, and the channel to which its product goes.
    pub(crate) fn made(&self) -> (&Mapping, &ChannelName) {
        (self.combination.mapping(), &self.to)
    }

    /// What follows from the answers to these messages, which were written together.
    pub(crate) async fn make(
        &self,
        flow: &FlowName,
        answered: Vec<(Message, Option<Reply>)>,
    ) -> Result<Vec<Emitted>, Failed> {
        let failed = |fault| Failed { step: "then", fault };
        let mut emitted = Vec::with_capacity(answered.len());
        for (message, reply) in answered {
            let reply = reply.ok_or_else(|| failed(unanswered()))?;
            let content = self.combination.make(&message, &reply.body).await;
            let id = message.id.derived(flow, 0);
            emitted.push(Emitted {
                message: message.derive(id, content.map_err(failed)?),
                to: Some(self.to.clone()),
            });
        }
        Ok(emitted)
    }
}

impl std::fmt::Debug for FollowUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "to {}", self.to)
    }
}

fn unanswered() -> Fault {
    Fault::dead_letter("the system took the message, and gave no answer of which another could be made").hint(
        "look there what came of it; replayed, it is written again, as far as the system lets a repeat act",
    )
}
