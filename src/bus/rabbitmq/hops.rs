//! The delivery rule on RabbitMQ: the outputs of a hop are published and confirmed, then its state is stored, then
//! its inputs are settled.
//!
//! Promises: the hops of a batch are independent; one is settled when it is done, not with the whole batch. Not
//! promised: that a hop is atomic. A crash in between repeats it, under the same ids.

use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

use bytes::Bytes;
use tokio::{
    sync::{mpsc, oneshot},
    task::spawn_blocking,
};
use trunkline_sdk::Fault;

use super::{
    faults, lock,
    publisher::{Job, Order},
    wire::{self, Parcel},
};
use crate::{
    bus::{Hop, Memo, MemoKey, Refused, StateKey},
    store::StateStore,
};

/// Completes hops, for whoever has some.
#[derive(Clone)]
pub(super) struct Hops {
    publisher: mpsc::Sender<Order>,
    state: Arc<dyn StateStore>,
}

impl Hops {
    /// Publishes by this publisher, and remembers in this store.
    pub(super) fn new(publisher: mpsc::Sender<Order>, state: Arc<dyn StateStore>) -> Self {
        Self { publisher, state }
    }

    /// As [`crate::bus::Bus::complete`].
    pub(super) async fn complete(&self, hops: Vec<Hop>) -> Vec<Result<(), Refused>> {
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
        let stored = match self.store(batch.states()).await {
            Ok(()) => self.keep(batch.memos()).await,
            failed => failed,
        };
        batch.finish(&stored)
    }

    /// What was stored last under this key.
    pub(super) async fn state(&self, key: &StateKey) -> Result<Option<Bytes>, Fault> {
        let (store, key) = (self.state.clone(), key.clone());
        spawn_blocking(move || store.load(&key))
            .await
            .map_err(|error| Fault::stop("the store failed while reading a position").because(error))?
    }

    /// What is remembered about this.
    pub(super) async fn recall(&self, key: &MemoKey) -> Result<Option<Bytes>, Fault> {
        let (store, key) = (self.state.clone(), key.clone());
        spawn_blocking(move || store.recall(&key))
            .await
            .map_err(|error| Fault::stop("the store failed while it was asked").because(error))?
    }

    /// Remembers these together.
    async fn keep(&self, memos: Vec<Memo>) -> Result<(), Fault> {
        if memos.is_empty() {
            return Ok(());
        }
        let store = self.state.clone();
        spawn_blocking(move || store.remember(&memos))
            .await
            .map_err(|error| Fault::stop("the store failed while remembering").because(error))?
    }

    /// Waits for what is under way, and publishes nothing more.
    pub(super) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.publisher.send(Order::Close(done)).await.is_ok() {
            let _ = closed.await;
        }
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

/// Where the jobs of one `complete` are answered; it lives as long as one of them.
#[derive(Debug)]
pub(super) struct Ballot {
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

    pub(super) fn answer(&self, hop: usize, result: Result<(), Fault>) {
        lock(&self.batch).answer(hop, result);
    }
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

    /// What is to be remembered, of inputs whose outputs are published.
    fn memos(&self) -> Vec<Memo> {
        let published = self.entries.iter().filter(|entry| entry.fault.is_none());
        published
            .flat_map(|entry| entry.hop.memos())
            .map(Memo::written)
            .collect()
    }

    fn finish(self, stored: &Result<(), Fault>) -> Vec<Result<(), Refused>> {
        let mut results = Vec::with_capacity(self.entries.len());
        for mut entry in self.entries {
            if let (true, Err(fault)) = (entry.hop.remembers(), stored) {
                entry.fault.get_or_insert_with(|| faults::again(fault));
            }
            results.push(match entry.fault.take() {
                Some(fault) => Err(Refused {
                    hop: entry.hop,
                    fault,
                }),
                None => {
                    entry.hop.state = None;
                    entry.hop.inputs.iter_mut().for_each(|input| input.memos.clear());
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
        if self.open == 0 && self.fault.is_none() && !self.hop.remembers() {
            for delivery in self.hop.inputs.drain(..) {
                delivery.receipt.settle();
            }
        }
    }
}
