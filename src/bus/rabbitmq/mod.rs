//! The bus on RabbitMQ: quorum queues, confirms, one connection for publishing and one for consuming.
//!
//! Its promises are those of [`Bus`]. Where it is weaker than the embedded bus: a hop is not atomic. Its
//! outputs are published and confirmed, then its state is stored, then its inputs are acked, and a crash in
//! between repeats it under the same ids. And a delivery is "unsettled" in [`Depth`] only if this process
//! holds it: the broker tells others' only through its management plugin.
//!
//! Needs RabbitMQ 3.10 or later. The exchanges and queues are in `topology.rs`.

mod address;
mod compare;
mod consumer;
mod declare;
mod doctor;
mod faults;
mod flood;
mod generation;
mod grant;
mod hasten;
mod hops;
mod inspector;
mod inventory;
mod ledger;
mod link;
mod look;
mod management;
mod moving;
mod orphan;
mod partition;
mod publisher;
mod reading;
mod replies;
mod settlements;
mod suspects;
mod tls;
mod topology;
mod window;
mod wire;

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use trunkline_sdk::Fault;

use self::{
    address::Address,
    consumer::Consumer,
    hops::Hops,
    link::{ANY_FRAME, Link, OUR_FRAME},
    publisher::{Live, Publisher},
    replies::ReplyQueue,
    suspects::Suspects,
};
pub use self::{
    doctor::{Finding, Severity},
    grant::{Grant, Password, Role},
    inspector::Inspector,
    moving::Mover,
};
use super::{Bus, Depth, Hop, Parked, ParkedMark, Refused, Replies, StateKey, Subscription, Topology};
use crate::{
    names::{ProcessName, QueueName},
    store::StateStore,
};

/// So long at most between two attempts to reach a broker that is away: it is found again soon after it is back.
const RETRY: Duration = Duration::from_secs(1);
/// Batches on their way to the publisher; more wait in their callers.
const INBOX: usize = 64;

/// Whether a URL names a broker; nothing is connected. The fault shows no password.
pub(crate) fn check_address(url: &str) -> Result<(), Fault> {
    Address::parse(url).map(drop)
}

/// The URL with its certificates' paths, which are relative to `home`, made whole.
pub(crate) fn at_home(url: &str, home: &Path) -> String {
    address::at_home(url, home)
}

/// A broker's URL as people write it, without the password.
pub(crate) fn shown(url: &str) -> String {
    Address::parse(url).map_or_else(|_| "no URL of a broker".to_owned(), |address| address.to_string())
}

/// A connection to RabbitMQ.
pub struct RabbitBus {
    hops: Hops,
    landscape: Arc<Landscape>,
    suspects: Arc<Suspects>,
    /// What each subscription of this process holds.
    unsettled: Mutex<HashMap<QueueName, Vec<Weak<AtomicU64>>>>,
    replies: ReplyQueue,
}

/// The consuming connection, and what must exist on the broker.
#[derive(Debug)]
struct Landscape {
    link: Arc<Link>,
    /// What was declared last; nothing, if nothing was.
    topology: Mutex<Option<Topology>>,
    /// When the last assertion of it that succeeded was begun.
    asserted: tokio::sync::Mutex<Option<Instant>>,
}

impl RabbitBus {
    /// Connects: `amqp://user:password@host-1:5672,host-2:5672/vhost`, or `amqps://…`. The broker's console
    /// shows the connections as `trunkline <process> publisher` and `… consumer`.
    ///
    /// Faults: [`trunkline_sdk::Remedy::Stop`] when the URL is wrong, the credentials are refused or the vhost
    /// is missing; [`trunkline_sdk::Remedy::Reopen`] when the broker cannot be reached. None shows the password.
    pub async fn connect(
        url: &str,
        process: &ProcessName,
        state: Arc<dyn StateStore>,
    ) -> Result<Self, Fault> {
        let address = Address::parse(url)?;
        let publishing = Arc::new(Link::new(address.clone(), process, "publisher", OUR_FRAME));
        let landscape = Arc::new(Landscape {
            link: Arc::new(Link::new(address, process, "consumer", ANY_FRAME)),
            topology: Mutex::new(None),
            asserted: tokio::sync::Mutex::default(),
        });
        let suspects = Suspects::begin(state.clone(), process).await?;
        let live = Live::open(&publishing).await?;
        let (publisher, inbox) = mpsc::channel(INBOX);
        tokio::spawn(Publisher::new(publishing, landscape.clone(), inbox).run(live));
        Ok(Self {
            hops: Hops::new(publisher, state),
            replies: ReplyQueue::new(landscape.clone(), process),
            landscape,
            suspects,
            unsettled: Mutex::new(HashMap::new()),
        })
    }

    /// Consumes what is called `name`: the queue, or that of its parked messages.
    async fn consume(
        &self,
        queue: &QueueName,
        name: String,
        prefetch: u16,
        suspects: Option<Arc<Suspects>>,
    ) -> Result<Subscription, Fault> {
        // To RabbitMQ, 0 is no limit at all.
        let prefetch = prefetch.max(1);
        let (outbox, deliveries) = mpsc::channel(usize::from(prefetch));
        let (close, closing) = oneshot::channel();
        let unsettled = Arc::new(AtomicU64::new(0));
        let consumer = Consumer {
            landscape: self.landscape.clone(),
            hops: self.hops.clone(),
            suspects,
            queue: queue.clone(),
            name,
            prefetch,
            outbox,
            unsettled: unsettled.clone(),
        };
        let generation = consumer.open().await?;
        lock(&self.unsettled)
            .entry(queue.clone())
            .or_default()
            .push(Arc::downgrade(&unsettled));
        tokio::spawn(consumer.run(generation, closing));
        Ok(Subscription::new(deliveries, async move {
            let (done, closed) = oneshot::channel();
            if close.send(done).is_ok() {
                // Ends in any case: with the answer, or with the task.
                let _ = closed.await;
            }
        }))
    }

    fn held(&self, queue: &QueueName) -> u64 {
        let mut unsettled = lock(&self.unsettled);
        let counts = unsettled.entry(queue.clone()).or_default();
        counts.retain(|count| count.strong_count() > 0);
        counts
            .iter()
            .filter_map(Weak::upgrade)
            .map(|count| count.load(Ordering::Relaxed))
            .sum()
    }
}

impl Landscape {
    fn remember(&self, topology: &Topology) {
        *lock(&self.topology) = Some(topology.clone());
    }

    /// Whether this queue is given to one subscription at a time.
    fn is_ordered(&self, name: &QueueName) -> bool {
        let topology = lock(&self.topology);
        let mut queues = topology.iter().flat_map(|topology| &topology.queues);
        queues.any(|queue| queue.name == *name && queue.takes.is_ordered())
    }

    /// Declares once more what was declared, if anything was: the broker may have lost it. One of those who lost the
    /// broker does it for all.
    async fn assert_again(&self, lost: Instant) -> Result<(), Fault> {
        let mut asserted = self.asserted.lock().await;
        if asserted.is_some_and(|began| began > lost) {
            return Ok(());
        }
        let began = Instant::now();
        let topology = lock(&self.topology).clone();
        if let Some(topology) = topology {
            declare::assert_again(&self.link, &topology).await?;
        }
        *asserted = Some(began);
        Ok(())
    }
}

#[async_trait]
impl Bus for RabbitBus {
    async fn declare(&self, topology: &Topology) -> Result<(), Fault> {
        declare::assert_no_rivals(&self.landscape.link, topology).await?;
        declare::assert(&self.landscape.link, topology).await?;
        self.landscape.remember(topology);
        Ok(())
    }

    async fn subscribe(&self, queue: &QueueName, prefetch: u16) -> Result<Subscription, Fault> {
        let suspects = Some(self.suspects.clone());
        self.consume(queue, queue.to_string(), prefetch, suspects).await
    }

    async fn subscribe_parked(&self, queue: &QueueName, prefetch: u16) -> Result<Subscription, Fault> {
        // Looking at what is parked is no work on it: nobody dies of that.
        self.consume(queue, queue.parked(), prefetch, None).await
    }

    async fn hasten(&self) -> Result<u64, Fault> {
        hasten::hasten(&self.landscape.link).await
    }

    async fn complete(&self, hops: Vec<Hop>) -> Vec<Result<(), Refused>> {
        self.hops.complete(hops).await
    }

    async fn state(&self, key: &StateKey) -> Result<Option<Bytes>, Fault> {
        self.hops.state(key).await
    }

    async fn replies(&self) -> Result<Arc<Replies>, Fault> {
        self.replies.open().await
    }

    async fn exists(&self, queue: &QueueName) -> Result<bool, Fault> {
        // Every queue has one for what is parked, and some have nothing else.
        let parked = look::ready(&self.landscape.link, &queue.parked()).await?;
        Ok(parked.is_some())
    }

    async fn depth(&self, queue: &QueueName) -> Result<Depth, Fault> {
        let link = &self.landscape.link;
        let parked = look::ready(link, &queue.parked()).await?;
        let ready = look::ready(link, queue.as_str()).await?;
        if ready.is_none() && parked.is_none() {
            return Err(Fault::stop(format!("there is no queue `{queue}`"))
                .hint("run `trunkline topology apply`: it makes what is missing"));
        }
        Ok(Depth {
            ready: ready.unwrap_or_default(),
            unsettled: self.held(queue),
            delayed: 0,
            parked: parked.unwrap_or_default(),
        })
    }

    async fn parked(&self, queue: &QueueName, limit: usize) -> Result<Vec<Parked>, Fault> {
        look::parked(&self.landscape.link, queue, limit).await
    }

    async fn parked_marks(&self, queue: &QueueName) -> Result<Vec<ParkedMark>, Fault> {
        look::parked_marks(&self.landscape.link, queue).await
    }

    async fn close(&self) {
        self.replies.close();
        self.hops.close().await;
        self.suspects.end().await;
        self.landscape.link.close().await;
    }
}

/// A panic of another task leaves no half-made change behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
