//! What every pattern is to the loop.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use trunkline_sdk::Fault;

use crate::{
    bus::MemoKey,
    mapping::{Mapping, Predicate, Split},
    message::Message,
    names::ChannelName,
};

/// One step of a flow.
#[async_trait]
pub trait Processor: Send + Sync {
    /// Its word in the flow file.
    fn word(&self) -> &'static str;

    /// The expressions it asks of each message, in their order: for those who look at a flow without running it.
    fn expressions(&self) -> Vec<Expression<'_>>;

    /// Whether a message may end here, so that nothing goes on.
    fn may_end(&self) -> bool {
        false
    }

    /// Whether what it does with a message depends on those before.
    fn remembers(&self) -> bool {
        false
    }

    /// The time from one message to the next, if the step holds them up.
    fn pace(&self) -> Option<Duration> {
        None
    }

    /// Does the step. A fault ends the message's way here: nothing of it is passed on.
    async fn process(&self, message: Message) -> Result<Step, Fault>;
}

/// What a step made of a message. Nothing vanishes without a named verdict.
#[derive(Debug)]
pub enum Step {
    /// One message goes on.
    Pass(Message),
    /// Several go on, each on its own.
    Emit(Vec<Message>),
    /// The message leaves the flow for these channels, at least one.
    Send(Message, Vec<ChannelName>),
    /// The message goes on, and a copy of it leaves the flow for this channel.
    Copy(Message, ChannelName),
    /// The message goes on if it is the first of this key; a repeat ends here.
    Once {
        /// The message.
        message: Message,
        /// What it has in common with its repeats.
        key: MemoKey,
        /// How long it is remembered, from when it is settled.
        within: Duration,
    },
    /// Not before this time: then the whole comes again.
    Later(Timestamp),
    /// The message ends here, by this rule.
    Filtered(Rule),
}

/// An expression of a step, by what it is there for.
#[derive(Debug, Clone, Copy)]
pub enum Expression<'p> {
    /// It decides where a message goes, or whether it goes on.
    Decides(&'p Predicate),
    /// It makes one message of each.
    Translates(&'p Mapping),
    /// It makes several of each.
    Splits(&'p Split),
    /// A copy of what comes goes to this channel.
    Copies(&'p ChannelName),
}

/// Why a message was filtered, in the words of the flow file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rule(pub Arc<str>);

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
