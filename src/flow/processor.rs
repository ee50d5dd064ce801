//! What every pattern is to the loop.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use trunkline_sdk::Fault;

use crate::{message::Message, names::ChannelName};

/// One step of a flow.
#[async_trait]
pub trait Processor: Send + Sync {
    /// Its word in the flow file.
    fn word(&self) -> &'static str;

    /// Whether a message may end here, so that nothing goes on.
    fn may_end(&self) -> bool {
        false
    }

    /// Whether what it does with a message depends on those before.
    fn remembers(&self) -> bool {
        false
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
    /// The message leaves the flow for this channel.
    Send(Message, ChannelName),
    /// The message ends here, by this rule.
    Filtered(Rule),
}

/// Why a message was filtered, in the words of the flow file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rule(pub Arc<str>);

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
