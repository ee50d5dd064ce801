//! The embedded bus: one SQLite file in a folder, one process, nothing to install.
//!
//! One thread writes ([`writer`]): all that is pending goes into one transaction, is flushed to the disk, and
//! only then answered; so a hop is whole or not there, and many hops share one flush. Another thread reads
//! ([`reader`]) what the subscriptions have room for. Between them lies the [`desk`], which knows in memory who
//! holds what; what a crash makes of it is in the store: a message is taken off only by its hop.
//!
//! - Memory is bounded by the prefetch of the subscriptions and the hops under way, whatever waits on disk.
//! - Delays are counted by the monotonic clock while the process runs; across a restart by the wall clock, and
//!   then no delay is longer than the longest rung.
//! - After a restart a message counts as redelivered if it may have been given out before: a mark in the store
//!   is never behind what is given out, and at most 1,024 messages per queue before it.
//! - Below a mark of free space, and on a full disk, it accepts nothing new, but acks, retries, parking and
//!   forwarding go on ([`disk`]); it accepts again by itself. Space is given back after a drain.
//! - A message that may have killed five processes is given out alone, and parked if it kills a sixth
//!   ([`suspects`]).
//! - After an error of the disk or a damaged file the bus stops, it never tries again on its own: what a failed
//!   flush wrote is unknown until the file is opened afresh.
//!
//! Not promised: a second process on the same folder (it is refused), a folder on a network file system.

mod commit;
mod declare;
mod desk;
mod difference;
mod disk;
mod door;
mod lines;
mod lock;
mod reader;
mod row;
mod store;
mod suspects;
#[cfg(test)]
mod tests;
mod upkeep;
mod writer;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use async_trait::async_trait;
use bytes::Bytes;
use rusqlite::Connection;
use tokio::{
    sync::{mpsc, oneshot},
    task::spawn_blocking,
};
use tracing::{info, warn};
use trunkline_sdk::{Fault, Remedy};

pub use self::difference::differences;
use self::{
    desk::Desk,
    disk::Disk,
    door::{Door, Prepared, Request},
    lock::Lock,
    row::Sealed,
    store::Store,
    writer::{Clock, Place, Writer},
};
use super::{
    Bus, Depth, Hop, Parked, ParkedMark, Refused, Replies, StateKey, Subscription, Topology,
    envelope::Envelope,
};
use crate::{names::QueueName, recovery::Rung};

/// The embedded bus in a folder.
pub struct EmbeddedBus {
    folder: PathBuf,
    desk: Arc<Desk>,
    door: Door,
    /// Reads what people and starting sources ask for. `None`: closed.
    inspection: Arc<Mutex<Option<Connection>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl EmbeddedBus {
    /// Opens the bus in this folder; makes both if they are not there. Blocks for some milliseconds.
    ///
    /// Faults, most of them [`trunkline_sdk::Remedy::Stop`]: another process holds it (named), no permission, a
    /// file of another program or of a newer version, a damaged file. [`trunkline_sdk::Remedy::Wait`]: disk full.
    pub fn open(folder: &Path) -> Result<EmbeddedBus, Fault> {
        Self::open_above(folder, None)
    }

    /// Whether there is one in this folder.
    pub fn is_in(folder: &Path) -> bool {
        Store::path(folder).exists()
    }

    /// As [`EmbeddedBus::open`]; accepts nothing new while less than `mark` bytes of the disk are free.
    fn open_above(folder: &Path, mark: Option<u64>) -> Result<EmbeddedBus, Fault> {
        let lock = Lock::take(folder)?;
        let mut disk = Disk::under(folder, mark);
        let clock = Clock::new();
        let latest = clock.after(Rung::Hour1.delay());
        let open = || {
            let store = Store::open(folder)?;
            let suspects = store.begin(latest)?;
            Ok::<_, Fault>((store, suspects))
        };
        let (store, suspects) = match open() {
            // What waits for room now needs the reserve.
            Err(fault) if fault.remedy == Remedy::Wait && disk.release() => open()?,
            opened => opened?,
        };
        disk.prepare();
        Self::start(folder, Place { store, disk, lock }, clock, &suspects)
    }

    fn start(folder: &Path, place: Place, clock: Clock, suspects: &[i64]) -> Result<EmbeddedBus, Fault> {
        let reading = place.store.reading()?;
        let inspection = place.store.reading()?;
        let queues = place.store.queues()?;
        let waiting: i64 = queues.iter().map(|queue| queue.counts.waiting).sum();
        info!(folder = %folder.display(), queues = queues.len(), waiting, "the embedded bus is open");
        if !suspects.is_empty() {
            warn!(
                messages = suspects.len(),
                "processes died again and again while they may have worked on these messages: they are given out one by one"
            );
        }
        let desk = Arc::new(Desk::new(&queues, suspects));
        let (door, requests) = Door::new();
        let writer = Writer::new(place, clock, Arc::clone(&desk), &door, requests)?;
        let reader = {
            let (desk, door) = (Arc::clone(&desk), door.clone());
            begin("bus-reader", move || reader::run(&reading, &desk, &door))?
        };
        let writer = begin("bus-writer", move || writer.run()).inspect_err(|fault| desk.end(fault))?;
        Ok(Self {
            folder: folder.to_owned(),
            desk,
            door,
            inspection: Arc::new(Mutex::new(Some(inspection))),
            threads: Mutex::new(vec![reader, writer]),
        })
    }

    /// Reads from the store, beside all else.
    async fn inspect<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Fault> {
        let inspection = Arc::clone(&self.inspection);
        let path = Store::path(&self.folder);
        let result = spawn_blocking(move || {
            let connection = inspection.lock().unwrap_or_else(PoisonError::into_inner);
            connection
                .as_ref()
                .map(|connection| read(connection).map_err(|error| store::fault(&path, error)))
        })
        .await;
        match result {
            Ok(Some(result)) => result,
            // Closed, or the runtime is going down.
            Ok(None) | Err(_) => Err(self.desk.ended()),
        }
    }

    fn begin_receiving(&self, queue: &QueueName, parked: bool, prefetch: u16) -> Result<Subscription, Fault> {
        let prefetch = prefetch.max(1);
        let (sender, deliveries) = mpsc::channel(prefetch.into());
        let subscriber = self.desk.subscribe(queue, parked, prefetch, sender)?;
        let (desk, door) = (Arc::clone(&self.desk), self.door.clone());
        Ok(Subscription::new(deliveries, async move {
            // Hops that were handed over before are carried out, then the rest goes back.
            let (answer, answered) = oneshot::channel();
            if door.send(Request::Barrier(answer)).await.is_ok() {
                // Not answered: the bus was closed, and all hops with it.
                let _closed = answered.await;
            }
            desk.unsubscribe(subscriber);
        }))
    }

    fn threads(&self) -> Vec<JoinHandle<()>> {
        std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Bus for EmbeddedBus {
    async fn declare(&self, topology: &Topology) -> Result<(), Fault> {
        let (answer, answered) = oneshot::channel();
        let request = Request::Declare {
            topology: topology.clone(),
            answer,
        };
        if self.door.send(request).await.is_err() {
            return Err(self.desk.ended());
        }
        answered.await.unwrap_or_else(|_| Err(self.desk.ended()))
    }

    async fn subscribe(&self, queue: &QueueName, prefetch: u16) -> Result<Subscription, Fault> {
        self.begin_receiving(queue, false, prefetch)
    }

    async fn subscribe_parked(&self, queue: &QueueName, prefetch: u16) -> Result<Subscription, Fault> {
        self.begin_receiving(queue, true, prefetch)
    }

    async fn hasten(&self) -> Result<u64, Fault> {
        let (answer, answered) = oneshot::channel();
        if self.door.send(Request::Hasten(answer)).await.is_err() {
            return Err(self.desk.ended());
        }
        answered.await.unwrap_or_else(|_| Err(self.desk.ended()))
    }

    async fn complete(&self, hops: Vec<Hop>) -> Vec<Result<(), Refused>> {
        if hops.is_empty() {
            return Vec::new();
        }
        let hops = hops.into_iter().map(prepare).collect();
        let (answer, answered) = oneshot::channel();
        match self.door.send(Request::Complete { hops, answer }).await {
            Ok(()) => answered
                .await
                .expect("the writer answers whatever it took, also when it closes"),
            Err(request) => match *request {
                Request::Complete { hops, .. } => door::refuse(hops, &self.desk),
                _ => unreachable!("the door gives back what it was given"),
            },
        }
    }

    async fn state(&self, key: &StateKey) -> Result<Option<Bytes>, Fault> {
        let key = key.clone();
        self.inspect(move |connection| store::state(connection, key.as_str()))
            .await
    }

    async fn replies(&self) -> Result<Arc<Replies>, Fault> {
        Ok(Arc::clone(&self.desk.replies))
    }

    async fn exists(&self, queue: &QueueName) -> Result<bool, Fault> {
        self.desk.exists(queue)
    }

    async fn depth(&self, queue: &QueueName) -> Result<Depth, Fault> {
        self.desk.depth(queue)
    }

    async fn parked(&self, queue: &QueueName, limit: usize) -> Result<Vec<Parked>, Fault> {
        let number = self.desk.number(queue)?;
        self.inspect(move |connection| store::parked(connection, number, limit))
            .await
    }

    async fn parked_marks(&self, queue: &QueueName) -> Result<Vec<ParkedMark>, Fault> {
        let number = self.desk.number(queue)?;
        self.inspect(move |connection| store::parked_marks(connection, number))
            .await
    }

    /// When it returns the folder is free.
    async fn close(&self) {
        drop(
            self.inspection
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let (answer, answered) = oneshot::channel();
        if self.door.send(Request::Close(answer)).await.is_ok() {
            // Not answered: somebody else closes it.
            let _closed = answered.await;
        }
        let threads = self.threads();
        // A thread that panicked has said so; a runtime going down need not wait.
        let _joined = spawn_blocking(move || join(threads)).await;
    }
}

impl Drop for EmbeddedBus {
    fn drop(&mut self) {
        let threads = self.threads();
        if !threads.is_empty() {
            let (answer, _) = oneshot::channel();
            self.door.push(Request::Close(answer));
            join(threads);
        }
    }
}

impl fmt::Debug for EmbeddedBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EmbeddedBus({})", self.folder.display())
    }
}

/// Puts the outputs into their stored form, in the caller's task: the writer has other things to do.
fn prepare(hop: Hop) -> Prepared {
    let outputs = hop.outputs.iter();
    let sealed = outputs
        .map(|output| Envelope::of(output).map(Sealed::seal))
        .collect();
    Prepared { hop, sealed }
}

fn begin(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Fault> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|error| {
            Fault::stop(format!("cannot start the thread `{name}`: {error}"))
                .hint("raise the limit of processes of this user")
                .because(error)
        })
}

fn join(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        // A thread that panicked has said so itself.
        let _panicked = thread.join();
    }
}
