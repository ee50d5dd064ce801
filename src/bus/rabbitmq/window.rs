//! What was published on one channel and is not settled yet.
//!
//! Promises: each job is told truthfully what became of *its* message: confirmed, refused by a full queue,
//! or returned because no queue takes it.
//!
//! This is more than awaiting lapin's confirms, because lapin 4.12 mixes returns up when confirms are
//! pipelined. The broker sends `basic.return` of an unroutable message and then a positive ack for it; lapin
//! keeps the returns in a line, and hands the first of them to whichever confirm it resolves next. So a
//! confirm that carries nothing may belong to an unroutable message, and settling on it would lose it.
//!
//! What holds, and why this mends it: the broker sends a return before the ack of its owner, and acks
//! unroutable messages in the order in which they were published (it confirms them itself, no queue is
//! asked). Each resolved confirm takes one return off lapin's line. So when lapin has worked through a whole
//! ack frame, the returns of all messages that this frame acked have been handed out: to their owners, or to
//! confirms resolved by this frame or an earlier one. *Within* a frame nothing holds: a `multiple` ack
//! resolves its confirms in the order of a hash map, and we may look in between. Hence three steps:
//!
//! 1. poll every unsettled confirm; remember the returns they carry, by message, not by carrier;
//! 2. wait for the end of the frame that lapin is working on: it holds the lock of its pending confirms all
//!    through it, and `wait_for_confirms` takes that lock;
//! 3. poll every unsettled confirm again, for carriers that were resolved meanwhile; now settle what step 1
//!    found resolved. What step 3 found resolved waits for its own step 3.
//!
//! A confirm is never dropped while its channel lives: lapin would let it swallow a return.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant,
};

use futures_util::{FutureExt, future::BoxFuture};
use lapin::{
    Channel, Confirmation, PublisherConfirm, message::BasicReturnMessage, options::BasicPublishOptions,
    types::ShortString,
};
use tracing::error;

use super::{topology::route, wire::Parcel};
use crate::{bus::Outgoing, message::Content};

/// How many messages are under way at a time: reaches the broker's own limit; more would add memory and
/// repeats after a crash.
pub(super) const WINDOW: usize = 256;

/// Published and not settled.
pub(super) struct Window<J> {
    channel: Arc<Channel>,
    entries: VecDeque<Entry<J>>,
    round: u64,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Every queue that is bound has it, durably.
    Confirmed,
    /// A queue would not take it: it is full, or lost its leader.
    Refused,
    /// No queue is bound.
    Unroutable,
}

/// A job holds the message it publishes.
pub(super) trait Publish {
    /// The message with its destination.
    fn outgoing(&self) -> &Outgoing;
}

struct Entry<J> {
    /// `None`: settled, and waiting for those before it.
    job: Option<J>,
    sent: Instant,
    returned: bool,
    state: State,
}

enum State {
    Sending(BoxFuture<'static, lapin::Result<PublisherConfirm>>),
    Confirming(PublisherConfirm),
    Resolved { acked: bool, round: u64 },
}

impl<J: Publish> Window<J> {
    /// A window on a channel in confirm mode.
    pub(super) fn new(channel: Channel) -> Self {
        Self {
            channel: Arc::new(channel),
            entries: VecDeque::with_capacity(WINDOW),
            round: 0,
        }
    }

    /// The channel it publishes on.
    pub(super) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Whether another message may be published.
    pub(super) fn has_room(&self) -> bool {
        self.entries.len() < WINDOW
    }

    /// Whether nothing is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// When the oldest unsettled message was published.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.entries.front().map(|entry| entry.sent)
    }

    /// Publishes: queues the frames with lapin, and does not wait for them to be written.
    pub(super) fn publish(&mut self, job: J, parcel: Box<Parcel>) {
        let channel = self.channel.clone();
        let options = BasicPublishOptions {
            mandatory: true,
            immediate: false,
        };
        let sending = async move {
            let Parcel {
                exchange,
                routing_key,
                properties,
                body,
            } = *parcel;
            channel
                .basic_publish(exchange, routing_key, options, &body, properties)
                .await
        };
        let mut entry = Entry {
            job: Some(job),
            sent: Instant::now(),
            returned: false,
            state: State::Sending(sending.boxed()),
        };
        // The first poll queues the frames; a failure shows at the next one, with all others.
        if let State::Sending(sending) = &mut entry.state
            && let Poll::Ready(Ok(confirm)) = sending.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        {
            entry.state = State::Confirming(confirm);
        }
        self.entries.push_back(entry);
    }

    /// Resolves when the oldest message was settled, and appends it to `settled`, with all the others that are
    /// by then. Error: the channel is dead; see [`Window::into_jobs`].
    ///
    /// To be woken for each single confirm would cost more than the publishing. So one that stays out holds
    /// up the news of those behind it, until somebody calls [`Window::sweep`].
    pub(super) fn poll_settled(
        &mut self,
        cx: &mut Context<'_>,
        settled: &mut Vec<(J, Verdict)>,
    ) -> Poll<lapin::Result<()>> {
        self.round += 1;
        let mut returns = Vec::new();
        let resolved = match self.entries.front_mut() {
            Some(oldest) => oldest.poll(cx, self.round, &mut returns),
            None => return Poll::Pending,
        };
        self.mark_returned(&returns);
        match resolved {
            Ok(false) => Poll::Pending,
            Ok(true) => Poll::Ready(self.sweep(settled)),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Settles all that can be settled now, and appends it to `settled`.
    pub(super) fn sweep(&mut self, settled: &mut Vec<(J, Verdict)>) -> lapin::Result<()> {
        self.poll_all()?;
        while self.entries.iter().any(Entry::is_resolved) {
            let round = self.round;
            self.end_of_frame();
            self.poll_all()?;
            self.settle(round, settled);
        }
        while self.entries.front().is_some_and(|entry| entry.job.is_none()) {
            self.entries.pop_front();
        }
        Ok(())
    }

    /// The jobs that are not settled, in the order of their publishing.
    pub(super) fn into_jobs(self) -> impl Iterator<Item = J> {
        self.entries.into_iter().filter_map(|entry| entry.job)
    }

    /// Polls what is not resolved, as a new round, without being woken by it.
    fn poll_all(&mut self) -> lapin::Result<()> {
        self.round += 1;
        let mut returns = Vec::new();
        let mut quiet = Context::from_waker(Waker::noop());
        for entry in &mut self.entries {
            entry.poll(&mut quiet, self.round, &mut returns)?;
        }
        self.mark_returned(&returns);
        Ok(())
    }

    /// Returns when lapin is not in the midst of an ack frame; see above.
    fn end_of_frame(&mut self) {
        // It takes the lock, and then waits for the youngest confirm, which we do not.
        let returns = self.channel.wait_for_confirms().now_or_never();
        if let Some(Ok(returns)) = returns {
            self.mark_returned(&returns);
        }
    }

    fn mark_returned(&mut self, returns: &[BasicReturnMessage]) {
        for returned in returns {
            let mut found = false;
            for entry in &mut self.entries {
                // The same message twice to the same place: both are taken for returned, for that loses nothing.
                if let Some(job) = &entry.job
                    && is(returned, job.outgoing())
                {
                    entry.returned = true;
                    found = true;
                }
            }
            if !found {
                error!(
                    exchange = %returned.exchange,
                    "the broker returned a message that is not under way: it may be lost"
                );
            }
        }
    }

    fn settle(&mut self, up_to: u64, settled: &mut Vec<(J, Verdict)>) {
        for entry in &mut self.entries {
            let State::Resolved { acked, round } = entry.state else {
                continue;
            };
            if round > up_to {
                continue;
            }
            let verdict = match (entry.returned, acked) {
                (true, _) => Verdict::Unroutable,
                (false, true) => Verdict::Confirmed,
                (false, false) => Verdict::Refused,
            };
            settled.extend(entry.job.take().map(|job| (job, verdict)));
        }
    }
}

impl<J> Entry<J> {
    /// True: it was resolved just now; notes the return that its confirm carried, whosever that is.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        round: u64,
        returns: &mut Vec<BasicReturnMessage>,
    ) -> lapin::Result<bool> {
        if let State::Sending(sending) = &mut self.state {
            match sending.as_mut().poll(cx) {
                Poll::Ready(confirm) => self.state = State::Confirming(confirm?),
                Poll::Pending => return Ok(false),
            }
        }
        let State::Confirming(confirm) = &mut self.state else {
            return Ok(false);
        };
        let Poll::Ready(confirmation) = Pin::new(confirm).poll(cx) else {
            return Ok(false);
        };
        let (acked, carried) = match confirmation? {
            Confirmation::Ack(carried) => (true, carried),
            Confirmation::Nack(carried) => (false, carried),
            Confirmation::NotRequested => (true, None),
        };
        returns.extend(carried);
        self.state = State::Resolved { acked, round };
        Ok(true)
    }

    /// Whether it is resolved, and not settled.
    fn is_resolved(&self) -> bool {
        self.job.is_some() && matches!(self.state, State::Resolved { .. })
    }
}

fn is(returned: &BasicReturnMessage, outgoing: &Outgoing) -> bool {
    let message = &outgoing.message;
    let id = returned.properties.message_id();
    if id.as_ref().map(ShortString::as_str) != Some(message.id.as_str()) {
        return false;
    }
    let type_name = match &message.content {
        Content::Canonical { type_name, .. } => Some(type_name),
        Content::Native(_) => None,
    };
    let (exchange, routing_key) = route(&outgoing.to, type_name, message.key.as_deref());
    (returned.exchange.as_str(), returned.routing_key.as_str()) == (&*exchange, &*routing_key)
}
