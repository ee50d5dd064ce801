//! One partition of a channel that keeps order, or its intake, as a flow reads it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use jiff::Timestamp;

use super::{key::Keyed, lanes::LaneKey, run::Flow, wave::Work};
use crate::{
    bus::{Delivery, Partition},
    canonical::{MAX_KEY, NoKey},
    endpoint::Outbound,
    message::Content,
    names::{ChannelName, QueueName},
};

/// The reader of one partition, or (`partition` is none) of the intake.
pub(super) struct Reader<'f> {
    pub(super) flow: &'f Flow,
    pub(super) sink: Option<&'f Outbound>,
    pub(super) channel: &'f ChannelName,
    pub(super) keyed: &'f Keyed,
    pub(super) partition: Option<Partition>,
    pub(super) queue: QueueName,
    /// The last place given to a parked message.
    pub(super) last_order: AtomicU64,
}

impl Reader<'_> {
    /// The next place among the parked: microseconds since 1970, and always rising.
    pub(super) fn next_order(&self) -> u64 {
        let now = u64::try_from(Timestamp::now().as_microsecond()).unwrap_or_default();
        let next = |last: u64| now.max(last.saturating_add(1));
        let last = self
            .last_order
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
        next(last.unwrap_or_default())
    }

    /// The lane of a message, and what is to be done about it. Its key is set to that of its body.
    pub(super) fn sort(&self, delivery: &mut Delivery) -> (LaneKey, Work) {
        let message = &mut delivery.message;
        let work = match &message.content {
            // Damaged: only its header tells.
            _ if delivery.unreadable.is_some() => Work::Do,
            Content::Canonical { type_name, bytes } if *type_name == self.flow.type_name => {
                match self.keyed.path.read(bytes) {
                    Ok(key) => {
                        let at_home = self.keyed.partition(&key);
                        message.key = Some(key.clone());
                        let work = if self.partition == Some(at_home) {
                            Work::Do
                        } else {
                            let queue = QueueName::of_partition(self.channel, &self.flow.name, at_home.index);
                            Work::Forward(queue)
                        };
                        return (Some(key), work);
                    }
                    Err(no_key) => {
                        if !matches!(no_key, NoKey::Broken(_)) {
                            message.key = None;
                        }
                        Work::Refuse(self.keyed.fault(no_key))
                    }
                }
            }
            // Of another type: it follows nothing, and nothing follows it.
            _ => {
                message.key = None;
                Work::Do
            }
        };
        let is_ours = |key: &Arc<str>| {
            (1..=MAX_KEY).contains(&key.len()) && self.partition == Some(self.keyed.partition(key))
        };
        message.key = message.key.take().filter(is_ours);
        (message.key.clone(), work)
    }
}
