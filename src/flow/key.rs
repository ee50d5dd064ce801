//! The keys of channels: which field of a message says what it must keep its order with.

use std::{collections::BTreeMap, sync::Arc};

use trunkline_sdk::Fault;

use crate::{
    bus::{Bucket, Partition},
    canonical::{KeyPath, MAX_KEY, NoKey},
    message::{Content, Message},
    names::ChannelName,
};

/// How a channel keeps order. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyed {
    /// The field by which it does.
    pub path: KeyPath,
    /// In how many parts each flow reads it: 1 to 64.
    pub partitions: u8,
}

impl Keyed {
    /// The key of a message of the channel.
    ///
    /// Faults: [`trunkline_sdk::Remedy::DeadLetter`] when it has none.
    pub fn key(&self, message: &Message) -> Result<Arc<str>, Fault> {
        match &message.content {
            Content::Canonical { bytes, .. } => self.path.read(bytes).map_err(|no_key| self.fault(no_key)),
            Content::Native(_) => Err(self.fault(NoKey::Empty)),
        }
    }

    /// What is wrong with a message that has no key.
    pub(crate) fn fault(&self, no_key: NoKey) -> Fault {
        let path = self.path.as_str();
        let (what, hint) = match no_key {
            NoKey::Empty => (
                format!("the message has no `{path}`, by which its channel keeps order"),
                "set it where the message is made".to_owned(),
            ),
            NoKey::TooLong => (
                format!("the message's `{path}`, by which its channel keeps order, is too long"),
                format!("a key has at most {MAX_KEY} bytes"),
            ),
            NoKey::Broken(broken) => (
                format!("the message cannot be read: {broken}"),
                "its publisher has encoded it otherwise than its `type` says".to_owned(),
            ),
        };
        Fault::dead_letter(what).hint(hint)
    }

    /// The partition to which a key belongs.
    pub fn partition(&self, key: &str) -> Partition {
        Partition::of_bucket(Bucket::of(key), self.partitions)
    }
}

/// The channels that keep order, of the whole landscape. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Keys(Arc<BTreeMap<ChannelName, Keyed>>);

impl Keys {
    /// These.
    pub fn new(keys: BTreeMap<ChannelName, Keyed>) -> Self {
        Self(Arc::new(keys))
    }

    /// How this channel keeps order, if it does.
    pub fn get(&self, channel: &ChannelName) -> Option<&Keyed> {
        self.0.get(channel)
    }
}
