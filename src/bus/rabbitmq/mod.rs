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
mod grant;
mod hasten;
mod inspector;
mod inventory;
mod ledger;
mod link;
mod look;
mod management;
mod moving;
mod orphan;
mod publisher;
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
    time::Instant,
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::{
    sync::{mpsc, oneshot},
    task::spawn_blocking,
};
use trunkline_sdk::Fault;

use self::{
    address::Address,
    consumer::Consumer,
    link::{ANY_FRAME, Link, OUR_FRAME},
    publisher::{Job, Live, Order, Publisher},
    wire::Parcel,
};
pub use self::{
    doctor::{Finding, Severity},
    grant::{Grant, Password, Role},
    inspector::Inspector,
    moving::Mover,
};
use super::{Bus, Depth, Hop, Parked, Refused, StateKey, Subscription, Topology};
use crate::{
    names::{ProcessName, QueueName},
    store::StateStore,
};

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
    publisher: mpsc::Sender<Order>,
    landscape: Arc<Landscape>,
    state: Arc<dyn StateStore>,
    /// What each subscription of this process holds.
    unsettled: Mutex<HashMap<QueueName, Vec<Weak<AtomicU64>>>>,
}

/// The consuming connection, and what must exist on the broker.
#[derive(Debug)]
struct Landscape {
    link: Arc<Link>,
    /// What was declared last; nothing, if nothing was.
    topology: Mutex<Option<Topology>>,
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
        });
        let live = Live::open(&publishing).await?;
        let (publisher, inbox) = mpsc::channel(INBOX);
        tokio::spawn(Publisher::new(publishing, landscape.clone(), inbox).run(live));
        Ok(Self {
            publisher,
            landscape,
            state,
            unsettled: Mutex::new(HashMap::new()),
        })
    }

    /// Consumes what is called `name`: the queue, or that of its parked messages.
    async fn consume(&self, queue: &QueueName, name: String, prefetch: u16) -> Result<Subscription, Fault> {
        // To RabbitMQ, 0 is no limit at all.
        let prefetch = prefetch.max(1);
        let (outbox, deliveries) = mpsc::channel(usize::from(prefetch));
        let (close, closing) = oneshot::channel();
        let unsettled = Arc::new(AtomicU64::new(0));
        let consumer = Consumer::new(
            self.landscape.clone(),
            queue.clone(),
            name,
            prefetch,
            outbox,
            unsettled.clone(),
        );
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

    /// Hands the outputs to the publisher; what cannot be packed refuses its hop before anything is sent.
    async fn publish(&self, ballot: Ballot) {
        let ballot = Arc::new(ballot);
        let jobs = ballot.jobs();
        if !jobs.is_empty() {
            // A publisher that is gone drops the jobs, and with them the ballot.
            let _ = self.publisher.send(Order::Publish(jobs)).await;
        }
    }

    /// Stores the states of these hops together, in their order.
    async fn store(&self, states: Vec<(StateKey, Bytes)>) -> Result<(), Fault> {
        if states.is_empty() {
            return Ok(());
        }
        let store = self.state.clone();
        spawn_blocking(move || store.save(&states))
            .await
            .map_err(|error| Fault::stop("the store failed while saving a position").because(error))?
    }
}

impl Landscape {
    fn remember(&self, topology: &Topology) {
        *lock(&self.topology) = Some(topology.clone());
    }

    /// Declares once more what was declared, if anything was: the broker may have lost it.
    async fn assert_again(&self) -> Result<(), Fault> {
        let topology = lock(&self.topology).clone();
        match topology {
            Some(topology) => declare::assert(&self.link, &topology).await,
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Bus for RabbitBus {
    async fn declare(&self, topology: &Topology) -> Result<(), Fault> {
        declare::assert(&self.landscape.link, topology).await?;
        self.landscape.remember(topology);
        Ok(())
    }

    async fn subscribe(&self, queue: &QueueName, prefetch: u16) -> Result<Subscription, Fault> {
        self.consume(queue, queue.to_string(), prefetch).await
    }

    async fn subscribe_parked(&self, queue: &QueueName, prefetch: u16) -> Result<Subscription, Fault> {
        self.consume(queue, queue.parked(), prefetch).await
    }

    async fn hasten(&self) -> Result<u64, Fault> {
        hasten::hasten(&self.landscape.link).await
    }

    async fn complete(&self, hops: Vec<Hop>) -> Vec<Result<(), Refused>> {
        let batch = Arc::new(Mutex::new(Batch::of(hops)));
        let (open, closed) = oneshot::channel();
        self.publish(Ballot {
            batch: batch.clone(),
            _open: open,
        })
        .await;
        // Nothing is ever sent: it ends with the last job.
        let _ = closed.await;
        let mut batch = std::mem::take(&mut *lock(&batch));
        batch.refuse_what_is_open();
        let stored = self.store(batch.states()).await;
        batch.finish(&stored)
    }

    async fn state(&self, key: &StateKey) -> Result<Option<Bytes>, Fault> {
        let (store, key) = (self.state.clone(), key.clone());
        spawn_blocking(move || store.load(&key))
            .await
            .map_err(|error| Fault::stop("the store failed while reading a position").because(error))?
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

    async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.publisher.send(Order::Close(done)).await.is_ok() {
            let _ = closed.await;
        }
        self.landscape.link.close().await;
    }
}

/// Where the jobs of one `complete` are answered; it lives as long as one of them.
#[derive(Debug)]
struct Ballot {
    batch: Arc<Mutex<Batch>>,
    _open: oneshot::Sender<()>,
}

impl Ballot {
    /// The jobs of the batch. Hops without outputs and state are done at once.
    fn jobs(self: &Arc<Self>) -> Vec<Job> {
        let since = Instant::now();
        let mut jobs = Vec::new();
        for (hop, entry) in lock(&self.batch).entries.iter_mut().enumerate() {
            match entry.pack() {
                Ok(parcels) => {
                    entry.open = parcels.len();
                    jobs.extend(
                        entry
                            .hop
                            .outputs
                            .iter()
                            .zip(parcels)
                            .map(|(outgoing, parcel)| Job {
                                outgoing: Box::new(outgoing.clone()),
                                parcel,
                                hop,
                                ballot: self.clone(),
                                since,
                                tries: 0,
                            }),
                    );
                }
                Err(fault) => entry.fault = Some(fault),
            }
            entry.settle();
        }
        jobs
    }

    fn answer(&self, hop: usize, result: Result<(), Fault>) {
        lock(&self.batch).answer(hop, result);
    }
}

/// A panic of another task leaves no half-made change behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The hops of one `complete`, and how far each has come.
#[derive(Debug, Default)]
struct Batch {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    hop: Hop,
    /// Outputs that are not answered yet.
    open: usize,
    fault: Option<Fault>,
}

impl Batch {
    fn of(hops: Vec<Hop>) -> Self {
        let entries = hops
            .into_iter()
            .map(|hop| Entry {
                hop,
                open: 0,
                fault: None,
            })
            .collect();
        Self { entries }
    }

    fn answer(&mut self, hop: usize, result: Result<(), Fault>) {
        let entry = &mut self.entries[hop];
        entry.open -= 1;
        if let Err(fault) = result {
            entry.fault.get_or_insert(fault);
        }
        // At once, not with the whole batch: one slow queue holds nobody else back.
        entry.settle();
    }

    fn refuse_what_is_open(&mut self) {
        for entry in self.entries.iter_mut().filter(|entry| entry.open > 0) {
            entry
                .fault
                .get_or_insert_with(|| Fault::stop("the bus is closed"));
        }
    }

    /// What is to be stored: of hops that were published, in their order.
    fn states(&self) -> Vec<(StateKey, Bytes)> {
        self.entries
            .iter()
            .filter(|entry| entry.fault.is_none())
            .filter_map(|entry| entry.hop.state.clone())
            .collect()
    }

    fn finish(self, stored: &Result<(), Fault>) -> Vec<Result<(), Refused>> {
        let mut results = Vec::with_capacity(self.entries.len());
        for mut entry in self.entries {
            if let (Some(_), Err(fault)) = (&entry.hop.state, stored) {
                entry.fault.get_or_insert_with(|| faults::again(fault));
            }
            results.push(match entry.fault.take() {
                Some(fault) => Err(Refused {
                    hop: entry.hop,
                    fault,
                }),
                None => {
                    entry.hop.state = None;
                    entry.settle();
                    Ok(())
                }
            });
        }
        results
    }
}

impl Entry {
    fn pack(&self) -> Result<Vec<Option<Box<Parcel>>>, Fault> {
        // After a *lost* connection it is different: the hop is completed, and its input comes once more.
        if let Some(input) = self.hop.inputs.iter().find(|input| input.receipt.is_closed()) {
            return Err(Fault::reopen(format!(
                "the subscription to queue `{}` was closed, and its messages went back",
                input.queue()
            )));
        }
        self.hop
            .outputs
            .iter()
            .map(|outgoing| Ok(Some(Box::new(wire::pack(outgoing)?))))
            .collect()
    }

    /// Settles the inputs if all else is durable.
    fn settle(&mut self) {
        if self.open == 0 && self.fault.is_none() && self.hop.state.is_none() {
            for delivery in self.hop.inputs.drain(..) {
                delivery.receipt.settle();
            }
        }
    }
}
