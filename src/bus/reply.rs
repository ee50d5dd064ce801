//! Answers to requests: where they arrive in this process, and who waits for which (EIP Return Address, Correlation
//! Identifier).
//!
//! Promises: an answer reaches everybody who waits for its request; one for which nobody waits any more is dropped and
//! counted. Not promised: that an answer arrives. It is the one thing a bus may lose, for it is of use to one process
//! only, and for a moment: it lies in memory, and on RabbitMQ in a queue that goes with its connection.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::oneshot;

use crate::{
    message::Message,
    names::{MessageId, ReturnAddress},
};

/// The answers that arrive in this process. One for all its flows.
#[derive(Debug, Default)]
pub struct Replies {
    /// `None`: nothing can arrive now.
    address: Mutex<Option<ReturnAddress>>,
    waiting: Mutex<HashMap<Arc<str>, Vec<Waiting>>>,
    numbers: AtomicU64,
    late: AtomicU64,
}

/// Somebody who waits, with a number of its own.
type Waiting = (u64, oneshot::Sender<Message>);

impl Replies {
    /// Answers that arrive at this address.
    pub(super) fn at(address: ReturnAddress) -> Self {
        Self {
            address: Mutex::new(Some(address)),
            ..Self::default()
        }
    }

    /// Where answers arrive now; `None`: the way to the bus is interrupted.
    pub fn address(&self) -> Option<ReturnAddress> {
        lock(&self.address).clone()
    }

    /// From now on they arrive there.
    pub(super) fn move_to(&self, address: Option<ReturnAddress>) {
        *lock(&self.address) = address;
    }

    /// Whether they arrive there.
    pub(super) fn is_at(&self, address: &ReturnAddress) -> bool {
        lock(&self.address).as_ref() == Some(address)
    }

    /// How many answers came when nobody waited for them any more.
    pub fn late(&self) -> u64 {
        self.late.load(Ordering::Relaxed)
    }

    /// Begins to wait for the answer to a request, before that is published. To a request that is asked twice at once,
    /// one answer is enough.
    pub(crate) fn expect(self: &Arc<Self>, request: &MessageId) -> Expected {
        let request: Arc<str> = request.as_str().into();
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let (sender, reply) = oneshot::channel();
        let mut waiting = lock(&self.waiting);
        waiting.entry(request.clone()).or_default().push((number, sender));
        drop(waiting);
        Expected {
            replies: self.clone(),
            request,
            number,
            reply,
        }
    }

    /// An answer has arrived.
    pub(super) fn give(&self, reply: Message) {
        let request = reply.correlation_id.as_deref().unwrap_or_default();
        let waiting = lock(&self.waiting).remove(request).unwrap_or_default();
        let mut is_wanted = false;
        for (_, sender) in waiting {
            // Those who have just given up are as good as gone.
            is_wanted |= sender.send(reply.clone()).is_ok();
        }
        if !is_wanted {
            self.late.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(request, "an answer came when nobody waited for it any more");
        }
    }
}

/// An answer that is waited for, until this is dropped.
pub(crate) struct Expected {
    replies: Arc<Replies>,
    request: Arc<str>,
    number: u64,
    reply: oneshot::Receiver<Message>,
}

impl Expected {
    /// Waits for it, without end.
    pub(crate) async fn reply(&mut self) -> Message {
        match (&mut self.reply).await {
            Ok(reply) => reply,
            // Only we remove ourselves; and we are here.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        let mut waiting = lock(&self.replies.waiting);
        if let Some(of_request) = waiting.get_mut(&self.request) {
            of_request.retain(|(number, _)| *number != self.number);
            if of_request.is_empty() {
                waiting.remove(&self.request);
            }
        }
    }
}

/// An address that nobody has had before: `trunkline.reply.<process>.<random>`.
pub(super) fn fresh_address(process: &str) -> ReturnAddress {
    // Each is seeded by the system's random numbers.
    let [one, two] = [0, 1].map(|part| RandomState::new().hash_one(part));
    ReturnAddress::new(&format!("{}{process}.{one:016x}{two:016x}", ReturnAddress::OURS))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic of another task leaves no half-made change behind.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use jiff::Timestamp;
    use trunkline_sdk::Body;

    use super::*;
    use crate::message::Content;

    fn id(text: &str) -> MessageId {
        MessageId::foreign(text).unwrap()
    }

    fn reply(to: &str) -> Message {
        let content = Content::Native(Body::Bytes {
            content_type: "application/json".to_owned(),
            bytes: "1".into(),
        });
        let mut reply = Message::new(id("r"), "/test", Timestamp::UNIX_EPOCH, content);
        reply.correlation_id = Some(to.into());
        reply
    }

    #[test]
    fn an_answer_reaches_all_who_wait_for_it_and_a_late_one_is_counted() {
        // given
        let replies = Arc::new(Replies::at(fresh_address("all")));
        let (mut one, mut two) = (replies.expect(&id("a")), replies.expect(&id("a")));
        let mut other = replies.expect(&id("b"));
        // when
        replies.give(reply("a"));
        // then
        assert_eq!(one.reply().now_or_never(), Some(reply("a")));
        assert_eq!(two.reply().now_or_never(), Some(reply("a")));
        assert_eq!(other.reply().now_or_never(), None);
        // when
        drop(other);
        replies.give(reply("b"));
        // then
        assert_eq!(replies.late(), 1);
        assert!(lock(&replies.waiting).is_empty(), "memory is for those who wait");
    }
}
