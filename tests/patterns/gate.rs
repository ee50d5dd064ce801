//! A bus with a gate before it: the real one, which confirms only when the sentence lets it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};
use trunkline::{
    bus::{Bus, Depth, Hop, Parked, ParkedMark, Refused, Replies, StateKey, Subscription, Topology},
    names::QueueName,
};
use trunkline_sdk::Fault;

use crate::on_bus::PATIENCE;

/// What the gate does with hops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Open,
    /// They wait.
    Shut,
    /// Those of the next call come back, as from a bus that has no room; then it is open.
    RefusingOnce,
}

/// A bus behind a gate.
pub(crate) struct Gate {
    behind: Arc<dyn Bus>,
    way: watch::Sender<Way>,
    /// How many more calls pass before it shuts; `None`: it does not shut by itself.
    passes: watch::Sender<Option<usize>>,
    /// How many calls have come to a gate that was not open.
    held: watch::Sender<usize>,
    ends_subscription: AtomicBool,
    panics: AtomicBool,
}

impl Gate {
    /// A gate before this bus.
    pub(crate) fn before(behind: &Arc<dyn Bus>, way: Way) -> Arc<Self> {
        Arc::new(Self {
            behind: behind.clone(),
            way: watch::Sender::new(way),
            passes: watch::Sender::new(None),
            held: watch::Sender::new(0),
            ends_subscription: AtomicBool::new(false),
            panics: AtomicBool::new(false),
        })
    }

    /// Lets so many calls pass, then shuts.
    pub(crate) fn shut_after(&self, calls: usize) {
        self.passes.send_replace(Some(calls));
    }

    /// The next subscription ends as soon as it has begun.
    pub(crate) fn end_next_subscription(&self) {
        self.ends_subscription.store(true, Ordering::Relaxed);
    }

    /// The next call panics.
    pub(crate) fn panic_once(&self) {
        self.panics.store(true, Ordering::Relaxed);
    }

    pub(crate) fn turn(&self, way: Way) {
        self.way.send_replace(way);
    }

    /// Waits until somebody stands before the gate.
    pub(crate) async fn somebody_waits(&self) {
        let mut held = self.held.subscribe();
        let waited = timeout(PATIENCE, held.wait_for(|held| *held > 0)).await;
        waited.expect("somebody comes").expect("the gate is here");
    }

    /// The way once it is not shut; counts who had to wait for it.
    async fn pass(&self) -> Way {
        self.passes.send_if_modified(|passes| {
            match passes {
                Some(0) => {
                    *passes = None;
                    self.way.send_replace(Way::Shut);
                }
                Some(left) => *left -= 1,
                None => {}
            }
            false
        });
        if *self.way.borrow() != Way::Open {
            self.held.send_modify(|held| *held += 1);
        }
        let mut way = self.way.subscribe();
        let found = way.wait_for(|way| *way != Way::Shut).await;
        let found = *found.expect("the gate is here");
        self.way.send_if_modified(|way| {
            let once = *way == Way::RefusingOnce;
            if once {
                *way = Way::Open;
            }
            once
        });
        found
    }
}

#[async_trait]
impl Bus for Gate {
    async fn declare(&self, topology: &Topology) -> Result<(), Fault> {
        self.behind.declare(topology).await
    }

    async fn subscribe(&self, queue: &QueueName, prefetch: u16) -> Result<Subscription, Fault> {
        if self.ends_subscription.swap(false, Ordering::Relaxed) {
            return Ok(Subscription::new(mpsc::channel(1).1, async {}));
        }
        self.behind.subscribe(queue, prefetch).await
    }

    async fn subscribe_parked(&self, queue: &QueueName, prefetch: u16) -> Result<Subscription, Fault> {
        self.behind.subscribe_parked(queue, prefetch).await
    }

    async fn hasten(&self) -> Result<u64, Fault> {
        self.behind.hasten().await
    }

    async fn complete(&self, hops: Vec<Hop>) -> Vec<Result<(), Refused>> {
        assert!(
            !self.panics.swap(false, Ordering::Relaxed),
            "as the sentence wants it"
        );
        if self.pass().await == Way::Open {
            return self.behind.complete(hops).await;
        }
        let mut results = Vec::with_capacity(hops.len());
        for hop in hops {
            let fault = Fault::wait("no room", Duration::from_millis(1));
            results.push(Err(Refused { hop, fault }));
        }
        results
    }

    async fn state(&self, key: &StateKey) -> Result<Option<Bytes>, Fault> {
        self.behind.state(key).await
    }

    async fn replies(&self) -> Result<Arc<Replies>, Fault> {
        self.behind.replies().await
    }

    async fn exists(&self, queue: &QueueName) -> Result<bool, Fault> {
        self.behind.exists(queue).await
    }

    async fn depth(&self, queue: &QueueName) -> Result<Depth, Fault> {
        self.behind.depth(queue).await
    }

    async fn parked(&self, queue: &QueueName, limit: usize) -> Result<Vec<Parked>, Fault> {
        self.behind.parked(queue, limit).await
    }

    async fn parked_marks(&self, queue: &QueueName) -> Result<Vec<ParkedMark>, Fault> {
        self.behind.parked_marks(queue).await
    }

    async fn close(&self) {
        self.behind.close().await;
    }
}
