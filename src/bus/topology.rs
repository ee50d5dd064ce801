//! The channels and queues of a whole landscape, as data.

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
}
