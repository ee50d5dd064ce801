//! Records on their way to the bus.
//!
//! Promises: few at a time, in the order of the source, and they go on while something else is waited for.

use std::{future::Future, pin::pin};

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use trunkline_sdk::{Outlet, Record};

/// How many records may be without a receipt.
const MOST: usize = 256;

/// How many bytes they may have; a larger record is sent alone.
const MOST_BYTES: usize = 16 << 20;

/// What was sent and has no receipt yet.
pub(crate) struct InFlight {
    outlet: Outlet,
    // Polled in the order in which they were pushed, so sent in that order.
    sends: FuturesUnordered<BoxFuture<'static, (bool, usize)>>,
    bytes: usize,
    is_stopping: bool,
}

impl InFlight {
    pub(crate) fn new(outlet: Outlet) -> Self {
        Self {
            outlet,
            sends: FuturesUnordered::new(),
            bytes: 0,
            is_stopping: false,
        }
    }

    /// Sends a record, once there is room for it.
    pub(crate) async fn send(&mut self, record: Record, length: usize) {
        while self.is_stopping
            || self.sends.len() >= MOST
            || self.bytes > 0 && self.bytes + length > MOST_BYTES
        {
            self.one().await;
        }
        self.bytes += length;
        let outlet = self.outlet.clone();
        self.sends
            .push(async move { (outlet.send(record).await.is_ok(), length) }.boxed());
    }

    /// Waits for something else, while the records go on.
    pub(crate) async fn beside<T>(&mut self, other: impl Future<Output = T>) -> T {
        let mut other = pin!(other);
        loop {
            tokio::select! {
                done = other.as_mut() => return done,
                () = self.one(), if !self.sends.is_empty() => {}
            }
        }
    }

    /// Waits until all have their receipts.
    pub(crate) async fn land(&mut self) {
        while !self.sends.is_empty() {
            self.one().await;
        }
    }

    /// Waits for one receipt. When Trunkline is stopping there is none, and nothing more is sent.
    async fn one(&mut self) {
        match self.sends.next().await {
            Some((is_safe, length)) => {
                self.bytes -= length;
                self.is_stopping |= !is_safe;
            }
            None => std::future::pending().await,
        }
    }
}
