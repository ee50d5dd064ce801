//! What the writer is asked to do, and the way its requests take: bounded, and without blocking a task.

use std::sync::{Arc, mpsc as threads};

use tokio::sync::{Semaphore, oneshot};
use trunkline_sdk::Fault;

use super::{desk::Desk, row::Sealed};
use crate::bus::{Hop, Refused, Topology};

/// How many requests wait for the writer at most; callers beyond that wait for room.
pub(super) const PENDING: usize = 1024;
/// Places for what comes without a permit: the reader's requests and the last one.
const SPARE: usize = 64;

/// What the writer is asked to do.
#[derive(Debug)]
pub(super) enum Request {
    Complete {
        hops: Vec<Prepared>,
        answer: oneshot::Sender<Vec<Result<(), Refused>>>,
    },
    Declare {
        topology: Topology,
        answer: oneshot::Sender<Result<(), Fault>>,
    },
    /// The mark of this queue is to be raised.
    Raise(u16),
    /// The message with this id, or none, is given out alone from now on.
    Alone(Option<i64>),
    /// What waits for its next attempt is due now.
    Hasten(oneshot::Sender<Result<u64, Fault>>),
    /// Answered when all that was asked before is done.
    Barrier(oneshot::Sender<()>),
    Close(oneshot::Sender<()>),
}

/// A hop with its outputs in their stored form.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) hop: Hop,
    /// The outputs in their stored form; the fault: no bus carries one of them.
    pub(super) sealed: Result<Vec<Sealed>, Fault>,
}

/// The way to the writer, for many.
#[derive(Clone)]
pub(super) struct Door {
    requests: threads::SyncSender<Request>,
    /// One permit per place in `requests`, so that sending never blocks.
    pub(super) room: Arc<Semaphore>,
}

impl Door {
    /// A door, and what the writer finds behind it.
    pub(super) fn new() -> (Self, threads::Receiver<Request>) {
        let (requests, pending) = threads::sync_channel(PENDING + SPARE);
        let room = Arc::new(Semaphore::new(PENDING));
        (Self { requests, room }, pending)
    }

    /// Hands a request to the writer when there is room for it; gives it back if the bus is closed.
    pub(super) async fn send(&self, request: Request) -> Result<(), Box<Request>> {
        let Ok(permit) = self.room.acquire().await else {
            return Err(Box::new(request));
        };
        // The writer gives it back when it has taken the request.
        permit.forget();
        self.requests.send(request).map_err(|refused| Box::new(refused.0))
    }

    /// Hands over a request without waiting for room; false if the bus is closed.
    pub(super) fn push(&self, request: Request) -> bool {
        self.requests.send(request).is_ok()
    }
}

/// Answers hops that come too late.
pub(super) fn refuse(hops: Vec<Prepared>, desk: &Desk) -> Vec<Result<(), Refused>> {
    let mut refused = Vec::with_capacity(hops.len());
    for Prepared { hop, .. } in hops {
        let fault = desk.ended();
        refused.push(Err(Refused { hop, fault }));
    }
    refused
}
