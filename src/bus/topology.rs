//! The channels and queues of a whole landscape, as data.

use std::fmt;

use super::Partition;
use crate::names::{ChannelName, QueueName, TypeName};

/// What must exist on the bus before the first message is published.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topology {
    /// The channels.
    pub channels: Vec<Channel>,
    /// The queues.
    pub queues: Vec<Queue>,
}

/// A channel: carries messages of one type to every queue bound to it (EIP Datatype, Publish-Subscribe Channel).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its name.
    pub name: ChannelName,
    /// The type of its messages.
    pub type_name: TypeName,
}

/// A queue with its parked messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub name: QueueName,
    /// The channel it is bound to. `None`: an inbound flow's, which holds parked records only.
    pub channel: Option<ChannelName>,
    /// Which of the channel's messages it takes.
    pub takes: Takes,
}

/// Which of a channel's messages a queue takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Takes {
    /// All of them.
    #[default]
    All,
    /// Those whose key has a bucket of this partition. Such a queue is given to one subscription at a time, in its
    /// order; to the next when that one is gone.
    Partition(Partition),
    /// Those without a key: of publishers that know of no buckets. Given to one subscription at a time, too.
    Unkeyed,
}

impl Takes {
    /// Whether the queue is given to one subscription at a time.
    pub fn is_ordered(self) -> bool {
        self != Takes::All
    }
}

/// In words: `all messages`, `partition 3 of 8`, `messages without a key`.
impl fmt::Display for Takes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Takes::All => f.write_str("all messages"),
            Takes::Partition(Partition { index, of }) => write!(f, "partition {index} of {of}"),
            Takes::Unkeyed => f.write_str("messages without a key"),
        }
    }
}
