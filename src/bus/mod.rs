//! The bus: one promise, two engines ([`embedded`] and [`rabbitmq`]).
//!
//! - Confirmed is durable: what [`Bus::complete`] accepted outlives a kill -9 right after.
//! - Nothing is settled before what came of it is confirmed. A crash in between repeats, under the same ids.
//! - Instances compete: each message of a queue goes to one of its subscriptions at a time, and comes again
//!   when that one is gone.
//! - A message that no queue takes is an error, not a loss.
//! - A queue that takes a [`Partition`] of its channel is given to one subscription at a time, in its order.
//!
//! Not promised: that a message comes only once (receivers know its id), nor order across any other queue.

mod bucket;
mod difference;
mod drain;
pub mod embedded;
pub mod envelope;
mod limits;
mod memo;
pub mod rabbitmq;
mod replay;
mod reply;
mod subscription;
mod topology;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use trunkline_sdk::Fault;

pub use bucket::{Bucket, Partition};
pub use difference::{Difference, DifferenceKind};
pub use drain::{Drained, drain, holds};
pub(crate) use memo::Turns;
pub use memo::{Memo, MemoKey};
pub use replay::replay_key;
pub(crate) use replay::requested;
pub use reply::Replies;
pub use subscription::{Delivery, Receipt, Settle, Subscription};
pub use topology::{Channel, Queue, Takes, Topology};

use crate::{
    message::Message,
    names::{ChannelName, FlowName, MessageId, ProcessName, QueueName, ReturnAddress, SystemName},
    recovery::Rung,
};

/// A connection to a bus. All tasks of a process share one.
#[async_trait]
pub trait Bus: Send + Sync {
    /// Makes sure that every channel and queue of the landscape exists, those of other processes too: a
    /// process that starts first must not publish into the void. Done twice it changes nothing.
    ///
    /// Faults: [`trunkline_sdk::Remedy::Stop`] when one exists otherwise than it should, saying how.
    async fn declare(&self, topology: &Topology) -> Result<(), Fault>;

    /// Begins to receive from a queue, at most `prefetch` unsettled messages at a time. The subscription
    /// outlives a lost connection: what was unsettled comes again.
    async fn subscribe(&self, queue: &QueueName, prefetch: u16) -> Result<Subscription, Fault>;

    /// Begins to receive what is parked for a queue, with its causes: to be replayed ([`Hop::replay`]), discarded
    /// (a hop without outputs) or moved to another bus. As with [`Bus::subscribe`], what is dropped comes again.
    async fn subscribe_parked(&self, queue: &QueueName, prefetch: u16) -> Result<Subscription, Fault>;

    /// Nothing waits for its next attempt any more: all of it, of all queues, is put back into its queue now.
    /// Gives how many those were. A crash in between repeats some, under the same ids.
    async fn hasten(&self) -> Result<u64, Fault>;

    /// The delivery rule, in one place: publishes the outputs of each hop, waits until they are durable, stores
    /// its state, and only then settles its inputs. The hops are independent of each other: one result each,
    /// in their order.
    ///
    /// A refused hop comes back whole, to be tried again (its outputs keep their ids) or to be completed with
    /// another verdict; some of its outputs may be on the bus already.
    ///
    /// Faults: [`trunkline_sdk::Remedy::Stop`] when an output has nowhere to go, or the bus has stopped;
    /// `Reopen` when an input went back to its queue because its subscription ended; `DeadLetter` when a body is
    /// too large, or nobody waits for an answer any more; `Wait` when the bus has no room for now.
    async fn complete(&self, hops: Vec<Hop>) -> Vec<Result<(), Refused>>;

    /// The state stored last under this key by a completed hop.
    async fn state(&self, key: &StateKey) -> Result<Option<Bytes>, Fault>;

    /// What is remembered about this, by an input that was settled; `None`: nothing, or not any more.
    async fn recall(&self, key: &MemoKey) -> Result<Option<Bytes>, Fault>;

    /// Where the answers to this process's requests arrive; made when it is first asked for.
    ///
    /// Faults: [`trunkline_sdk::Remedy::Stop`] when we may not make it, [`trunkline_sdk::Remedy::Reopen`] when the bus
    /// is away.
    async fn replies(&self) -> Result<Arc<Replies>, Fault>;

    /// Whether a queue was declared here, by whomever. Nothing is made.
    async fn exists(&self, queue: &QueueName) -> Result<bool, Fault>;

    /// How many messages a queue holds.
    async fn depth(&self, queue: &QueueName) -> Result<Depth, Fault>;

    /// Reads what is parked for a queue without taking it, oldest first, at most `limit`.
    async fn parked(&self, queue: &QueueName, limit: usize) -> Result<Vec<Parked>, Fault>;

    /// What is parked for a queue, all of it, without the bodies: so a flow that keeps order knows which keys are
    /// parked. In no particular order.
    ///
    /// Faults: [`trunkline_sdk::Remedy::Wait`] when some of it is in somebody else's hands and cannot be seen.
    async fn parked_marks(&self, queue: &QueueName) -> Result<Vec<ParkedMark>, Fault>;

    /// Lets go of the connection or file. Subscriptions were closed before.
    async fn close(&self);
}

/// One step of messages through the bus: what came in, what came of it.
#[derive(Debug)]
pub struct Hop {
    /// Settled when all else is durable. None: the record came from a source.
    pub inputs: Vec<Delivery>,
    /// What came of them.
    pub outputs: Vec<Outgoing>,
    /// Remembered with them: where the source is.
    pub state: Option<(StateKey, Bytes)>,
}

impl Hop {
    /// A hop from a delivery to these outputs; none when the message was filtered or has reached its system.
    pub fn of(input: Delivery, outputs: Vec<Outgoing>) -> Self {
        Self {
            inputs: vec![input],
            outputs,
            state: None,
        }
    }

    /// What is to be remembered of its inputs.
    pub(crate) fn memos(&self) -> impl Iterator<Item = &Memo> {
        self.inputs.iter().flat_map(|input| &input.memos)
    }

    /// Whether anything is to be stored before its inputs are settled.
    pub(crate) fn remembers(&self) -> bool {
        self.state.is_some() || self.memos().next().is_some()
    }

    /// The message comes again after a delay, as the next attempt.
    pub fn retry(mut input: Delivery, after: Rung, cause: Cause) -> Self {
        let to = Destination::Retry {
            queue: input.queue().clone(),
            after,
            attempt: input.attempt + 1,
            cause: Some(cause),
        };
        input.memos.clear();
        let message = input.message.clone();
        Self::of(input, vec![Outgoing { to, message }])
    }

    /// The message comes again after a delay, and nothing has failed: it is the same attempt.
    pub fn delay(mut input: Delivery, after: Rung) -> Self {
        let to = Destination::Retry {
            queue: input.queue().clone(),
            after,
            attempt: input.attempt,
            cause: input.cause.clone(),
        };
        input.memos.clear();
        let message = input.message.clone();
        Self::of(input, vec![Outgoing { to, message }])
    }

    /// The message comes again after a delay, and that is no attempt.
    pub fn put_off(mut input: Delivery, after: Rung, cause: Cause) -> Self {
        let to = Destination::Retry {
            queue: input.queue().clone(),
            after,
            attempt: input.attempt,
            cause: Some(cause),
        };
        input.memos.clear();
        let message = input.message.clone();
        Self::of(input, vec![Outgoing { to, message }])
    }

    /// A parked message goes back to its queue, under its id, as a first attempt.
    ///
    /// Not for a queue that keeps order: it would come behind what follows it. [`replay_key`] keeps it.
    pub fn replay(input: Delivery) -> Self {
        let to = Destination::Queue {
            queue: input.queue().clone(),
            attempt: 1,
            cause: None,
        };
        let message = input.message.clone();
        Self::of(input, vec![Outgoing { to, message }])
    }

    /// The message waits for a person, with its cause.
    pub fn park(mut input: Delivery, cause: Cause) -> Self {
        let to = Destination::Parked {
            queue: input.queue().clone(),
            attempt: input.attempt,
            order: input.order,
            cause,
        };
        input.memos.clear();
        let message = input.message.clone();
        Self::of(input, vec![Outgoing { to, message }])
    }
}

/// A message with its destination.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Where it goes.
    pub to: Destination,
    /// What goes there.
    pub message: Message,
}

/// Where a message goes.
#[derive(Debug, Clone, PartialEq)]
pub enum Destination {
    /// To every queue that is bound to a channel. It is a fault if there is none.
    Channel(ChannelName),
    /// To one queue, past its channel: a replay, or a move from another bus.
    Queue {
        /// The queue.
        queue: QueueName,
        /// Which attempt it is.
        attempt: u32,
        /// Why the one before failed.
        cause: Option<Cause>,
    },
    /// Back to one queue, after a delay.
    Retry {
        /// The queue it came from.
        queue: QueueName,
        /// The delay.
        after: Rung,
        /// Which attempt the next one is.
        attempt: u32,
        /// Why; `None`: nothing has failed, it was too early.
        cause: Option<Cause>,
    },
    /// To whoever waits for the answer to a request. It may get lost on its way; if it is known that nobody waits at
    /// the address any more, that is a fault of its hop.
    Reply(ReturnAddress),
    /// To the parked messages of one queue.
    Parked {
        /// The queue it came from.
        queue: QueueName,
        /// How many attempts were made.
        attempt: u32,
        /// Its place among those parked there, where order is kept.
        order: Option<u64>,
        /// Why.
        cause: Cause,
    },
}

/// Why a message is tried again or parked. Holds no value from a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// What went wrong.
    pub what: String,
    /// How to mend it.
    pub hint: Option<String>,
    /// In which flow.
    pub flow: FlowName,
    /// At which step: `translate`, `route`, the system it was written to.
    pub step: String,
    /// When.
    pub at: Timestamp,
}

/// A parked message.
#[derive(Debug, Clone)]
pub struct Parked {
    /// The message, its content as it came.
    pub message: Message,
    /// How many attempts were made.
    pub attempt: u32,
    /// Why it is here; `None` if it was put here by somebody else.
    pub cause: Option<Cause>,
    /// Its place among those parked there, see [`ParkedMark`].
    pub order: Option<u64>,
}

/// What a flow that keeps order must know of a parked message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedMark {
    /// Its id.
    pub id: MessageId,
    /// Its key.
    pub key: Option<Arc<str>>,
    /// Its place: messages of one key are worked on in this order, not in that of the queue, which a broker may
    /// change. `None`, if it was put there by somebody else: before all that have one.
    pub order: Option<u64>,
}

/// A hop that was not completed.
#[derive(Debug)]
pub struct Refused {
    /// The hop, its inputs unsettled.
    pub hop: Hop,
    /// Why.
    pub fault: Fault,
}

/// How many messages a queue holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// Waiting for a subscription.
    pub ready: u64,
    /// Given out, parked ones too, and not settled.
    pub unsettled: u64,
    /// Waiting for their next attempt. RabbitMQ counts these per delay for all queues together: 0 there.
    pub delayed: u64,
    /// Parked, and not given out.
    pub parked: u64,
}

impl Depth {
    /// Whether nothing waits and nothing is under way; what is parked does not count.
    pub fn is_drained(&self) -> bool {
        self.ready + self.unsettled + self.delayed == 0
    }
}

/// What a piece of state belongs to: the position of one source, how good its records were, the suspects of one
/// process.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StateKey(String);

impl StateKey {
    /// The position of the source that feeds this flow.
    pub fn position(system: &SystemName, flow: &FlowName) -> Self {
        Self(format!("position/{system}/{flow}"))
    }

    /// What a process of this name may have died of.
    pub(crate) fn suspects(process: &ProcessName) -> Self {
        Self(format!("suspects/{process}"))
    }

    /// How good the records are that this flow reads.
    pub fn quality(system: &SystemName, flow: &FlowName) -> Self {
        Self(format!("quality/{system}/{flow}"))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
