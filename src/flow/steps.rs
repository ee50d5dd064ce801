//! The steps of a flow, one after the other.

use std::{fmt, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use jiff::Timestamp;
use trunkline_sdk::Fault;

use super::{
    Expression, Processor, Rule, Step,
    memory::{Memory, Place},
};
use crate::{message::Message, names::ChannelName};

/// The steps of one flow. Cheap to clone.
#[derive(Clone, Default)]
pub struct Steps(Arc<[Box<dyn Processor>]>);

/// What the steps made of a message.
#[derive(Debug)]
pub enum Verdict {
    /// These came out, at least one.
    Emitted(Vec<Emitted>),
    /// Nothing came out, by this rule.
    Filtered(Rule),
    /// It is to come again, not before this time.
    Delayed(Timestamp),
}

/// A message that came out of the steps.
#[derive(Debug)]
pub struct Emitted {
    /// The message.
    pub message: Message,
    /// The channel a `route` has chosen; else it goes to the flow's target.
    pub to: Option<ChannelName>,
}

/// A step failed.
#[derive(Debug)]
pub struct Failed {
    /// Its word.
    pub step: &'static str,
    /// How.
    pub fault: Fault,
}

impl Steps {
    /// These steps.
    pub fn new(steps: Vec<Box<dyn Processor>>) -> Self {
        Self(steps.into())
    }

    /// The expressions of all steps, each with the step's word, in their order.
    pub fn expressions(&self) -> impl Iterator<Item = (&'static str, Expression<'_>)> {
        self.0.iter().flat_map(|step| {
            let word = step.word();
            step.expressions()
                .into_iter()
                .map(move |expression| (word, expression))
        })
    }

    /// Their words, in order.
    pub fn words(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|step| step.word())
    }

    /// Whether a message may end within them.
    pub fn may_end(&self) -> bool {
        self.0.iter().any(|step| step.may_end())
    }

    /// The time from one message to the next, if a step holds them up.
    pub fn pace(&self) -> Option<Duration> {
        self.0.iter().filter_map(|step| step.pace()).max()
    }

    /// The word of the first step that remembers.
    pub fn remembers(&self) -> Option<&'static str> {
        self.0
            .iter()
            .find(|step| step.remembers())
            .map(|step| step.word())
    }

    /// Takes a message through all steps. Of a message that was split all parts come out, or none: a part that
    /// fails fails the whole. So does a step that panics: the message is parked, and does not fell its flow again and
    /// again.
    pub async fn apply(&self, message: Message) -> Result<Verdict, Failed> {
        self.work(message, None).await
    }

    /// As [`Steps::apply`]; without a memory every message is the first of its kind.
    pub(crate) async fn work(
        &self,
        message: Message,
        mut memory: Option<&mut Memory<'_>>,
    ) -> Result<Verdict, Failed> {
        let mut on_the_way = vec![message];
        let mut emitted = Vec::with_capacity(1);
        let mut filtered = None;
        let mut later: Option<Timestamp> = None;
        for processor in self.0.iter() {
            let mut next = Vec::with_capacity(on_the_way.len());
            for message in on_the_way {
                let step = AssertUnwindSafe(processor.process(message)).catch_unwind();
                match step.await.unwrap_or_else(|_| Err(broken())) {
                    Ok(Step::Pass(message)) => next.push(message),
                    Ok(Step::Emit(messages)) => next.extend(messages),
                    Ok(Step::Send(message, to)) => emitted.extend(to.into_iter().map(|to| Emitted {
                        message: message.clone(),
                        to: Some(to),
                    })),
                    Ok(Step::Copy(message, to)) => {
                        emitted.push(Emitted {
                            // It is no request: nobody answers to it, and nobody waits for it.
                            message: Message {
                                reply_to: None,
                                expires_at: None,
                                ..message.clone()
                            },
                            to: Some(to),
                        });
                        next.push(message);
                    }
                    Ok(Step::Once { message, key, within }) => {
                        let place = match memory.as_deref_mut() {
                            None => Ok(Place::First),
                            Some(memory) => memory.place(key, within).await,
                        };
                        let step = processor.word();
                        match place.map_err(|fault| Failed { step, fault })? {
                            Place::First => next.push(message),
                            Place::Repeat => filtered = Some(Rule("repeat".into())),
                            Place::Unknown(until) => later = later.max(Some(until)),
                        }
                    }
                    Ok(Step::Later(until)) => later = later.max(Some(until)),
                    Ok(Step::Filtered(rule)) => filtered = Some(rule),
                    Err(fault) => {
                        return Err(Failed {
                            step: processor.word(),
                            fault,
                        });
                    }
                }
            }
            on_the_way = next;
        }
        if let Some(until) = later {
            // Of a message that was split all parts go on together.
            return Ok(Verdict::Delayed(until));
        }
        emitted.extend(
            on_the_way
                .into_iter()
                .map(|message| Emitted { message, to: None }),
        );
        if emitted.is_empty() {
            return Ok(Verdict::Filtered(
                filtered.unwrap_or_else(|| Rule("split: no parts".into())),
            ));
        }
        Ok(Verdict::Emitted(emitted))
    }
}

fn broken() -> Fault {
    Fault::dead_letter("a step panicked: this is our mistake")
        .hint("please report it with what the log says; replay the message when that is mended")
}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|step| step.word()))
            .finish()
    }
}
