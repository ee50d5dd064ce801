//! What is parked under some keys, taken up again in its order.
//!
//! Promises: of a key one message at a time is given out, in the order in which they were parked; what has failed
//! stays parked, and what stands behind it too. A crash at any point repeats, for nothing is settled but what was
//! worked on.
//!
//! Not promised: a bound of memory where the queue's order is another than that of the places: what comes before its
//! turn is held with its body until then. Nor that messages which somebody else takes away meanwhile are waited for.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::select_all;
use tokio::time::{Instant, sleep_until};
use trunkline_sdk::{Body, Fault};

use crate::{
    bus::{Bus, Delivery, ParkedMark, Subscription},
    message::Content,
    names::{MessageId, QueueName},
};

/// Parked messages in our hands for each subscription at most.
const PREFETCH: u16 = 256;
/// If nothing has come for so long, it is looked whether anything will.
const LOOK: Duration = Duration::from_millis(100);

/// A replay under way.
pub(super) struct Replay {
    pub(super) request: Delivery,
    queue: QueueName,
    /// What is parked under each key, in order.
    keys: HashMap<Arc<str>, VecDeque<MessageId>>,
    key_of: HashMap<MessageId, Arc<str>>,
    /// The keys of which a message is given out.
    out: HashSet<Arc<str>>,
    /// What has come before its turn.
    held: HashMap<MessageId, Vec<Delivery>>,
    /// What is not to be replayed, without its body: it goes back when we are through.
    strangers: Vec<Delivery>,
    subscriptions: Vec<Source>,
    /// When something has come last.
    last: Instant,
}

struct Source {
    subscription: Subscription,
    session: Option<u64>,
}

/// What a replay hears of the bus.
pub(super) enum Heard {
    /// These have come.
    Came(Vec<Delivery>),
    /// Nothing comes.
    Silence,
    /// What was given out has gone back, or is about to: it is to begin anew.
    Lost,
}

impl Replay {
    /// Begins to take up what these marks tell, of one key or (empty) of all.
    pub(super) fn new(request: Delivery, wanted: &str, mut marks: Vec<ParkedMark>) -> Self {
        // Stable: those without a place keep that of the queue.
        marks.sort_by_key(|mark| mark.order);
        let mut keys: HashMap<Arc<str>, VecDeque<MessageId>> = HashMap::new();
        let mut key_of = HashMap::new();
        for ParkedMark { id, key, .. } in marks {
            // Those without a key go one after the other as well.
            let key = key.unwrap_or_default();
            if wanted.is_empty() || *key == *wanted {
                keys.entry(key.clone()).or_default().push_back(id.clone());
                key_of.insert(id, key);
            }
        }
        Self {
            queue: request.queue().clone(),
            request,
            keys,
            key_of,
            out: HashSet::new(),
            held: HashMap::new(),
            strangers: Vec::new(),
            subscriptions: Vec::new(),
            last: Instant::now(),
        }
    }

    /// The keys that are not through.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Arc<str>> {
        self.keys.keys()
    }

    /// Whether this key is being replayed.
    pub(super) fn has(&self, key: &Arc<str>) -> bool {
        self.keys.contains_key(key)
    }

    /// Whether all is through.
    pub(super) fn is_through(&self) -> bool {
        self.keys.is_empty()
    }

    /// Begins to receive, or to receive more.
    pub(super) async fn widen(&mut self, bus: &dyn Bus) -> Result<(), Fault> {
        let subscription = bus.subscribe_parked(&self.queue, PREFETCH).await?;
        self.subscriptions.push(Source {
            subscription,
            session: None,
        });
        self.last = Instant::now();
        Ok(())
    }

    /// Waits for the bus. Cancel-safe.
    pub(super) async fn hear(&mut self) -> Heard {
        if self.subscriptions.is_empty() {
            return Heard::Lost;
        }
        let receive = self.subscriptions.iter_mut().map(|source| {
            Box::pin(async move {
                let mut batch = Vec::new();
                source
                    .subscription
                    .receive(&mut batch, usize::from(PREFETCH))
                    .await;
                (batch, &mut source.session)
            })
        });
        let receive = select_all(receive);
        let (batch, session) = tokio::select! {
            biased;
            (received, _, _) = receive => received,
            () = sleep_until(self.last + LOOK) => return Heard::Silence,
        };
        let Some(first) = batch.first() else {
            return Heard::Lost;
        };
        let is_new = |delivery: &Delivery| delivery.session != *session.get_or_insert(first.session);
        if batch.iter().any(is_new) {
            return Heard::Lost;
        }
        self.last = Instant::now();
        Heard::Came(batch)
    }

    /// Takes in what has come; gives the keys whose turn may be one of them.
    pub(super) fn take_in(&mut self, batch: Vec<Delivery>) -> Vec<Arc<str>> {
        let mut keys = Vec::new();
        for delivery in batch {
            match self.key_of.get(&delivery.message.id) {
                Some(key) => {
                    keys.push(key.clone());
                    self.held
                        .entry(delivery.message.id.clone())
                        .or_default()
                        .push(delivery);
                }
                None => self.strangers.push(stripped(delivery)),
            }
        }
        keys
    }

    /// The message of a key whose turn it is, if it has come.
    pub(super) fn next(&mut self, key: &Arc<str>) -> Option<Delivery> {
        if self.out.contains(key) {
            return None;
        }
        let id = self.keys.get(key)?.front()?;
        let copies = self.held.get_mut(id)?;
        let mut delivery = copies.pop()?;
        if copies.is_empty() {
            self.held.remove(id);
        }
        self.out.insert(key.clone());
        delivery.attempt = 1;
        delivery.cause = None;
        // Of somebody who knew of no places: before all that have one, also when it is parked again.
        delivery.order.get_or_insert(0);
        Some(delivery)
    }

    /// The message of this key is done; whether it was the last one.
    pub(super) fn done(&mut self, key: &Arc<str>) -> bool {
        self.out.remove(key);
        let Some(ids) = self.keys.get_mut(key) else {
            return false;
        };
        if let Some(id) = ids.pop_front()
            && !ids.contains(&id)
        {
            self.key_of.remove(&id);
        }
        if !ids.is_empty() {
            return false;
        }
        self.keys.remove(key);
        true
    }

    /// The message of this key has failed: it is parked again, and what stands behind it stays so.
    pub(super) fn failed(&mut self, key: &Arc<str>) {
        self.out.remove(key);
        for id in self.keys.remove(key).into_iter().flatten() {
            self.key_of.remove(&id);
            let held = self.held.remove(&id).into_iter().flatten();
            self.strangers.extend(held.map(stripped));
        }
    }

    /// Nothing comes although something is missing: receives more if there is more. False: it has to begin anew,
    /// for what is missing is not there any more.
    pub(super) async fn look(&mut self, bus: &dyn Bus) -> Result<bool, Fault> {
        self.last = Instant::now();
        if !self.out.is_empty() {
            return Ok(true);
        }
        if bus.depth(&self.queue).await?.parked == 0 {
            return Ok(false);
        }
        let in_hand = self.strangers.len() + self.held.values().map(Vec::len).sum::<usize>();
        if in_hand >= usize::from(PREFETCH) * self.subscriptions.len() {
            self.widen(bus).await?;
        }
        Ok(true)
    }

    /// Gives back what it has in its hands; what is left is the request.
    pub(super) async fn close(self) -> Delivery {
        drop((self.held, self.strangers));
        for source in self.subscriptions {
            source.subscription.close().await;
        }
        self.request
    }
}

/// Without its body, which may be large, and is not needed to give it back.
fn stripped(mut delivery: Delivery) -> Delivery {
    delivery.message.content = Content::Native(Body::Bytes {
        content_type: String::new(),
        bytes: Bytes::new(),
    });
    delivery
}
