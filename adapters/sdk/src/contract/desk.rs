//! The bus as a source sees it, in a test's hand: it notes what it accepted, and can be away.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::{Fault, Intake, Outlet, Receipt, Record};

/// Accepts records as the bus would and keeps them, in order. Cheap to clone: all clones are one desk.
#[derive(Clone)]
pub struct Desk(Arc<Inner>);

/// Tells which records cannot be mapped.
pub type Judge = fn(&Record) -> bool;

struct Inner {
    accepted: Mutex<Vec<Record>>,
    count: watch::Sender<usize>,
    open: watch::Sender<bool>,
    stopping: watch::Sender<bool>,
    park: Mutex<Option<Judge>>,
}

impl Default for Desk {
    fn default() -> Self {
        Self(Arc::new(Inner {
            accepted: Mutex::default(),
            count: watch::Sender::new(0),
            open: watch::Sender::new(true),
            stopping: watch::Sender::new(false),
            park: Mutex::default(),
        }))
    }
}

impl Desk {
    /// The outlet to give to a source.
    pub fn outlet(&self) -> Outlet {
        Outlet::new(Arc::new(self.clone()))
    }

    /// All that was accepted so far.
    pub fn accepted(&self) -> Vec<Record> {
        self.0
            .accepted
            .lock()
            .expect("no test panics while it holds the lock")
            .clone()
    }

    /// Waits until this many records were accepted, at most 30 s, and returns them.
    pub async fn wait_for(&self, records: usize) -> Vec<Record> {
        let mut count = self.0.count.subscribe();
        let reached =
            tokio::time::timeout(Duration::from_secs(30), count.wait_for(|count| *count >= records));
        assert!(
            reached.await.is_ok(),
            "{} of {records} records within 30 s",
            self.accepted().len()
        );
        self.accepted()
    }

    /// From now on the bus is away: nothing is accepted or confirmed until [`Desk::open`].
    pub fn close(&self) {
        self.0.open.send_replace(false);
    }

    /// The bus is back.
    pub fn open(&self) {
        self.0.open.send_replace(true);
    }

    /// Answers [`Receipt::Parked`] to the records of which this is true.
    pub fn park(&self, which: Judge) {
        *self
            .0
            .park
            .lock()
            .expect("no test panics while it holds the lock") = Some(which);
    }

    /// Asks the sources to stop.
    pub fn stop(&self) {
        self.0.stopping.send_replace(true);
    }
}

#[async_trait]
impl Intake for Desk {
    async fn accept(&self, record: Record, patience: Option<Duration>) -> Result<Receipt, Fault> {
        let mut open = self.0.open.subscribe();
        let opened = async { open.wait_for(|open| *open).await.is_ok() };
        let is_open = match patience {
            Some(patience) => tokio::time::timeout(patience, opened).await.unwrap_or(false),
            None => tokio::select! { opened = opened => opened, () = self.stopping() => false },
        };
        if !is_open {
            return Err(Fault::wait("the bus does not answer", Duration::from_secs(1)));
        }
        let park = *self
            .0
            .park
            .lock()
            .expect("no test panics while it holds the lock");
        let receipt = if park.is_some_and(|which| which(&record)) {
            Receipt::Parked
        } else {
            Receipt::Published
        };
        let mut accepted = self
            .0
            .accepted
            .lock()
            .expect("no test panics while it holds the lock");
        accepted.push(record);
        self.0.count.send_replace(accepted.len());
        Ok(receipt)
    }

    async fn stopping(&self) {
        // An error means the sender is gone, and that cannot be: it lives in `self`.
        let _ = self.0.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }
}
