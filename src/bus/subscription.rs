//! The receiving end: deliveries, and the receipts by which they are settled.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Instant};

use tokio::sync::mpsc;
use trunkline_sdk::Fault;

use super::{Cause, Memo};
use crate::{message::Message, names::QueueName};

/// A stream of deliveries from one queue. Dropping it abandons what was not settled.
pub struct Subscription {
    deliveries: mpsc::Receiver<Delivery>,
    close: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Subscription {
    /// A subscription whose engine sends into the other end of `deliveries` (its capacity is the prefetch),
    /// and for which `close` stops the flow of deliveries and carries out the settlements still under way.
    pub fn new(
        deliveries: mpsc::Receiver<Delivery>,
        close: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        Self {
            deliveries,
            close: Some(Box::pin(close)),
        }
    }

    /// Waits for deliveries, at most `limit` of them, and appends them to `batch`, in the queue's order.
    /// False: the engine has ended the subscription, there will be no more. Cancel-safe.
    pub async fn receive(&mut self, batch: &mut Vec<Delivery>, limit: usize) -> bool {
        self.deliveries.recv_many(batch, limit).await > 0
    }

    /// Ends it: nothing more is taken from the queue, settlements under way are carried out, what was
    /// received and not settled goes back.
    pub async fn close(mut self) {
        self.deliveries.close();
        while self.deliveries.recv().await.is_some() {}
        if let Some(close) = self.close.take() {
            close.await;
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

/// A message in our hands. It is settled by completing a [`super::Hop`]; dropped, it goes back to its queue.
#[derive(Debug)]
pub struct Delivery {
    /// The message.
    pub message: Message,
    /// Which attempt this is, from 1. A redelivery after a crash is no new attempt.
    pub attempt: u32,
    /// Why the attempt before failed, or why it was parked.
    pub cause: Option<Cause>,
    /// Whether it was given out before, and may have been worked on.
    pub redelivered: bool,
    /// A number that changes whenever the engine began to receive anew, after a lost connection too. In between
    /// another subscription may have been given the queue: what was known of it by then is to be looked up again.
    pub session: u64,
    /// Of a parked message: its place among those parked for its queue, see [`super::ParkedMark`].
    pub order: Option<u64>,
    /// Why the message cannot be accepted as it stands (no id, unknown form, damaged body): it must be parked.
    pub unreadable: Option<Fault>,
    /// What is to be remembered of it when it is settled; nothing is of one that comes again.
    pub memos: Vec<Memo>,
    /// By which it is settled.
    pub receipt: Receipt,
}

impl Delivery {
    /// The queue it came from.
    pub fn queue(&self) -> &QueueName {
        self.receipt.line.queue()
    }
}

/// The engine's side of one delivery: beside the message, never in it. Dropped unsettled, it abandons.
pub struct Receipt {
    tag: u64,
    line: Arc<dyn Settle>,
    given: Instant,
    settled: bool,
}

impl Receipt {
    /// A receipt with the engine's own number for the delivery.
    pub fn new(tag: u64, line: Arc<dyn Settle>) -> Self {
        Self {
            tag,
            line,
            given: Instant::now(),
            settled: false,
        }
    }

    /// The engine's number for the delivery.
    pub fn tag(&self) -> u64 {
        self.tag
    }

    /// When the engine gave it out.
    pub(crate) fn given(&self) -> Instant {
        self.given
    }

    /// Whether its subscription was closed: then the message has gone back, and this settles nothing.
    pub(super) fn is_closed(&self) -> bool {
        self.line.is_closed()
    }

    /// Whether the message has gone back by itself, and comes again, here or to somebody else: whoever has not begun
    /// with it should not.
    pub(crate) fn is_lost(&self) -> bool {
        self.line.is_lost()
    }

    /// Takes the message off its queue. Only [`super::Bus::complete`] does so, after the confirm.
    pub(super) fn settle(mut self) {
        self.settled = true;
        self.line.settle(self.tag);
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if !self.settled {
            self.line.abandon(self.tag);
        }
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receipt({} of {})", self.tag, self.line.queue())
    }
}

/// What an engine does about a receipt; both return at once, and the engine carries them out.
pub trait Settle: Send + Sync {
    /// The queue the deliveries come from.
    fn queue(&self) -> &QueueName;
    /// The delivery is done with.
    fn settle(&self, tag: u64);
    /// The delivery goes back to its queue, as it was.
    fn abandon(&self, tag: u64);
    /// Whether the subscription was closed, and what it had given out went back.
    fn is_closed(&self) -> bool {
        false
    }
    /// Whether the engine has lost what it had given out here.
    fn is_lost(&self) -> bool {
        false
    }
}
