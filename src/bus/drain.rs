//! Moves everything from one bus to another: `trunkline bus drain`.
//!
//! - The delivery rule holds: a message is settled here when the other bus has confirmed it. Interrupted, it is
//!   run again; a message that was confirmed and not settled is then there twice, under one id.
//! - Ids, attempts and causes are kept, and so is the order of each queue. Positions of sources come last: a
//!   source that starts too early repeats, and leaves nothing out.
//! - A message that cannot be read as what it says it is becomes a parked one, as its flow would have done.
//!
//! Not promised: that a delay is waited for, what waited for its next attempt is ready on the other side. That
//! nothing is left if others still publish here.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{sleep, timeout};
use tracing::warn;
use trunkline_sdk::{Fault, Remedy};

use super::{
    Bus, Cause, Delivery, Depth, Destination, Hop, Outgoing, Queue, StateKey, Subscription, Topology,
};
use crate::{message::Message, names::QueueName, recovery::Patience};

/// Messages in our hands at most, and at once on their way.
const PREFETCH: u16 = 512;
const BATCH: usize = 128;
/// A broker does not tell when a queue is empty: so often it is asked.
const LOOK: Duration = Duration::from_millis(100);

/// What was moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Drained {
    /// Messages for flows to work on.
    pub messages: u64,
    /// Of them, those that waited for their next attempt.
    pub delayed: u64,
    /// Messages that wait for a person.
    pub parked: u64,
    /// Positions of sources.
    pub positions: u64,
}

/// Moves all that the queues of this landscape hold, and these positions. `moved` hears of each message.
///
/// Faults: of either bus, where waiting would not help. What was moved until then is moved.
pub async fn drain(
    from: &dyn Bus,
    to: &dyn Bus,
    topology: &Topology,
    positions: &[StateKey],
    mut moved: impl FnMut(u64) + Send,
) -> Result<Drained, Fault> {
    from.declare(topology).await?;
    to.declare(topology).await?;
    let mut drained = Drained {
        delayed: from.hasten().await?,
        ..Drained::default()
    };
    for Queue { name, channel, .. } in &topology.queues {
        if channel.is_some() {
            let work = Source::begin(from, name, false).await?;
            drained.messages += work.move_all(to, &mut moved).await?;
        }
        let parked = Source::begin(from, name, true).await?;
        drained.parked += parked.move_all(to, &mut moved).await?;
    }
    for key in positions {
        if let Some(position) = from.state(key).await? {
            let hop = Hop {
                inputs: Vec::new(),
                outputs: Vec::new(),
                state: Some((key.clone(), position)),
            };
            confirmed(to, vec![hop]).await?;
            drained.positions += 1;
        }
    }
    Ok(drained)
}

/// How much the queues of a landscape hold.
pub async fn holds(bus: &dyn Bus, topology: &Topology) -> Result<u64, Fault> {
    let mut all = 0;
    for queue in &topology.queues {
        let depth = bus.depth(&queue.name).await?;
        all += depth.ready + depth.unsettled + depth.delayed + depth.parked;
    }
    Ok(all)
}

/// A queue, or its parked messages, of the bus that is drained.
struct Source<'b> {
    bus: &'b dyn Bus,
    queue: &'b QueueName,
    parked: bool,
    subscription: Subscription,
}

impl<'b> Source<'b> {
    async fn begin(bus: &'b dyn Bus, queue: &'b QueueName, parked: bool) -> Result<Self, Fault> {
        let subscription = if parked {
            bus.subscribe_parked(queue, PREFETCH).await?
        } else {
            bus.subscribe(queue, PREFETCH).await?
        };
        Ok(Self {
            bus,
            queue,
            parked,
            subscription,
        })
    }

    async fn move_all(mut self, to: &dyn Bus, moved: &mut (impl FnMut(u64) + Send)) -> Result<u64, Fault> {
        let mut all = 0;
        let mut batch = Vec::with_capacity(BATCH);
        while !self.is_empty(&self.bus.depth(self.queue).await?) {
            loop {
                let Ok(open) = timeout(LOOK, self.subscription.receive(&mut batch, BATCH)).await else {
                    break;
                };
                if !open {
                    return Err(
                        Fault::reopen(format!("queue `{}` gives no more messages", self.queue))
                            .hint("see what has ended the bus, and run it again: nothing is lost"),
                    );
                }
                let count = batch.len() as u64;
                self.move_batch(std::mem::take(&mut batch), to).await?;
                all += count;
                moved(count);
            }
        }
        self.subscription.close().await;
        Ok(all)
    }

    async fn move_batch(&self, batch: Vec<Delivery>, to: &dyn Bus) -> Result<(), Fault> {
        let copies = batch.iter().map(|delivery| {
            let outgoing = self.outgoing(delivery);
            Hop {
                inputs: Vec::new(),
                outputs: vec![outgoing],
                state: None,
            }
        });
        confirmed(to, copies.collect()).await?;
        let settled = batch
            .into_iter()
            .map(|delivery| Hop::of(delivery, Vec::new()))
            .collect();
        for refused in self
            .bus
            .complete(settled)
            .await
            .into_iter()
            .filter_map(Result::err)
        {
            // It comes again, and goes again under the same id.
            if refused.fault.remedy != Remedy::Reopen {
                return Err(refused.fault);
            }
        }
        Ok(())
    }

    fn outgoing(&self, delivery: &Delivery) -> Outgoing {
        let queue = self.queue.clone();
        let attempt = delivery.attempt;
        let message: Message = delivery.message.clone();
        let to = match (&delivery.unreadable, delivery.cause.clone()) {
            (None, cause) if !self.parked => Destination::Queue {
                queue,
                attempt,
                cause,
            },
            (Some(fault), cause) if !self.parked || cause.is_none() => Destination::Parked {
                cause: self.cause(&fault.what, fault.hint.clone()),
                queue,
                attempt,
                order: delivery.order,
            },
            (_, cause) => Destination::Parked {
                cause: cause.unwrap_or_else(|| self.cause("put here by another program", None)),
                queue,
                attempt,
                order: delivery.order,
            },
        };
        let outgoing = Outgoing { to, message };
        match outgoing.too_large() {
            // An older bus took it; where it goes none does, but for those that are parked.
            Some(fault) if !matches!(outgoing.to, Destination::Parked { .. }) => Outgoing {
                to: Destination::Parked {
                    queue: self.queue.clone(),
                    attempt,
                    order: delivery.order,
                    cause: self.cause(&fault.what, fault.hint),
                },
                ..outgoing
            },
            _ => outgoing,
        }
    }

    fn cause(&self, what: &str, hint: Option<String>) -> Cause {
        Cause {
            what: what.to_owned(),
            hint,
            flow: self.queue.flow(),
            step: "drain".to_owned(),
            at: Timestamp::now(),
        }
    }

    fn is_empty(&self, depth: &Depth) -> bool {
        if self.parked {
            depth.parked == 0 && depth.unsettled == 0
        } else {
            depth.is_drained()
        }
    }
}

/// Completes these hops, again and again while their bus has no room or is away.
async fn confirmed(bus: &dyn Bus, mut hops: Vec<Hop>) -> Result<(), Fault> {
    let mut patience = Patience::new();
    let mut told = false;
    loop {
        let mut wait = None;
        let mut again = Vec::new();
        for refused in bus.complete(hops).await.into_iter().filter_map(Result::err) {
            if matches!(refused.fault.remedy, Remedy::Stop | Remedy::DeadLetter) {
                return Err(refused.fault);
            }
            if !std::mem::replace(&mut told, true) {
                warn!(error = %refused.fault, "not taken for now; trying again");
            }
            wait = wait.max(refused.fault.retry_after);
            again.push(refused.hop);
        }
        if again.is_empty() {
            return Ok(());
        }
        hops = again;
        sleep(wait.unwrap_or_else(|| patience.delay())).await;
    }
}
