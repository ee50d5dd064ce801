//! The way from a source onto the bus.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{Fault, Record, Reply};

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

    /// As [`Outlet::send`], for sources with a caller at the other end who will not wait (webhooks).
    ///
    /// Faults: [`crate::Remedy::Wait`] when the bus did not confirm within `patience`: the record may or may not
    /// be on the bus, so have the caller send it again, under the same id. So it is when the call is dropped
    /// because the caller has hung up.
    pub async fn offer(&self, record: Record, patience: Duration) -> Result<Receipt, Fault> {
        self.0.accept(record, Some(patience)).await
    }

    /// Puts a record on the bus as a request, and waits at most `deadline` for the answer that some flow gives to it
    /// (EIP Request-Reply): for sources whose caller wants to know something, not only that it was heard. Many may
    /// wait at once; each gets its own answer.
    ///
    /// The answer is `application/json`: a record as a flow made it, or a canonical message in the form in which sinks
    /// see it. It is the one thing that Trunkline may lose: a crash of this process or of the bus loses it, and so does
    /// the deadline. The request is not lost by that, and it may be answered by a flow that acts; so a record that is
    /// asked again needs the same id. After the deadline a request that no flow has taken up yet is not worked on any
    /// more.
    ///
    /// Faults: [`crate::Remedy::Wait`] when there is no answer within `deadline`, or when Trunkline is stopping: answer
    /// the caller with what is declared for that case. [`crate::Remedy::DeadLetter`] when there will be none: a
    /// rule has dropped the record, or it could not be mapped and is parked. [`crate::Remedy::Stop`] when this
    /// flow asks nobody.
    pub async fn ask(&self, record: Record, deadline: Duration) -> Result<Reply, Fault> {
        self.0.ask(record, deadline).await
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

    /// See [`Outlet::ask`].
    async fn ask(&self, _record: Record, _deadline: Duration) -> Result<Reply, Fault> {
        Err(Fault::stop("nobody answers requests here"))
    }

    /// See [`Outlet::stopping`].
    async fn stopping(&self);
}
