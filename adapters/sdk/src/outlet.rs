//! The way from a source onto the bus.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{Fault, Record};

/// What became of a record that a source sent: in every case it is safe, and the source may let go of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    /// On the bus, confirmed.
    Published,
    /// Dropped by a rule of the flow, named here.
    Filtered(String),
    /// It could not be mapped: kept as it came, for a person to mend, in the parked queue.
    Parked,
}

/// Where a source puts its records. Cheap to clone; may be used by many tasks at once.
#[derive(Clone)]
pub struct Outlet(Arc<dyn Intake>);

impl Outlet {
    /// An outlet into this intake; made by Trunkline, and by tests.
    pub fn new(intake: Arc<dyn Intake>) -> Self {
        Self(intake)
    }

    /// Puts a record on the bus, and waits as long as that takes: for sources that can wait (files, tables).
    /// Calls that overlap are confirmed together, so keep some hundreds in flight; records with a position
    /// must be sent in the source's order, which is the order in which the calls are first polled.
    ///
    /// Faults: only when Trunkline is stopping; the record then is not safe.
    pub async fn send(&self, record: Record) -> Result<Receipt, Fault> {
        self.0.accept(record, None).await
    }

    /// As [`Outlet::send`], and says why a record was parked, where that is known: for sources that put what was
    /// refused beside their input.
    pub async fn send_and_hear(&self, record: Record) -> Result<(Receipt, Option<String>), Fault> {
        self.0.accept_and_tell(record).await
    }

    /// As [`Outlet::send`], for sources with a caller at the other end who will not wait (webhooks).
    ///
    /// Faults: [`crate::Remedy::Wait`] when the bus did not confirm within `patience`: the record may or may not
    /// be on the bus, so have the caller send it again, under the same id. So it is when the call is dropped
    /// because the caller has hung up.
    pub async fn offer(&self, record: Record, patience: Duration) -> Result<Receipt, Fault> {
        self.0.accept(record, Some(patience)).await
    }

    /// Resolves when the source must stop: take nothing new, finish what was sent, return.
    pub async fn stopping(&self) {
        self.0.stopping().await;
    }
}

/// The other side of an [`Outlet`].
#[async_trait]
pub trait Intake: Send + Sync {
    /// See [`Outlet::send`] (no patience given: without end) and [`Outlet::offer`].
    async fn accept(&self, record: Record, patience: Option<Duration>) -> Result<Receipt, Fault>;

    /// See [`Outlet::stopping`].
    async fn stopping(&self);

    /// See [`Outlet::send_and_hear`].
    async fn accept_and_tell(&self, record: Record) -> Result<(Receipt, Option<String>), Fault> {
        Ok((self.accept(record, None).await?, None))
    }
}
