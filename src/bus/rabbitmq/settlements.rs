//! What the receipts of one channel ask for, gathered until it is worth a frame.
//!
//! Promises: at most the prefetch is gathered. What is handed in is taken at the latest after [`PATIENCE`], at once
//! when as many wait as the taker wants, or when something goes back. An ack of its own for each message would cost
//! more than all else: a task switch, a write to the socket, and the broker's work on it.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use super::lock;

/// How long a settlement may wait for others.
const PATIENCE: Duration = Duration::from_millis(1);

/// What is to be done about a delivery.
pub(super) enum Settlement {
    Settle(u64),
    PutBack(u64),
}

/// What was asked for, and not carried out yet.
#[derive(Default)]
pub(super) struct Settlements {
    gathered: Mutex<Gathered>,
    /// Nobody will ask for anything any more.
    ended: AtomicBool,
    news: Notify,
}

#[derive(Default)]
struct Gathered {
    settlements: Vec<Settlement>,
    /// With how many of them the taker is woken.
    wanted: usize,
    /// When the first must be taken.
    due: Option<Instant>,
}

impl Settlements {
    /// Hands one in.
    pub(super) fn add(&self, settlement: Settlement) {
        let urgent = matches!(settlement, Settlement::PutBack(_));
        let mut gathered = lock(&self.gathered);
        gathered.settlements.push(settlement);
        if urgent {
            gathered.due = Some(Instant::now());
        }
        let count = gathered.settlements.len();
        let news = urgent || count == 1 || count == gathered.wanted;
        drop(gathered);
        if news {
            self.news.notify_one();
        }
    }

    /// Nothing more is handed in.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.news.notify_one();
    }

    /// Waits until `wanted` are there, or the first of them has waited long enough, and appends all to `into`. False:
    /// there are none, and none will come. Cancel-safe; for one taker.
    pub(super) async fn take(&self, wanted: usize, into: &mut Vec<Settlement>) -> bool {
        loop {
            let ended = self.ended.load(Ordering::Acquire);
            let due = {
                let mut gathered = lock(&self.gathered);
                let count = gathered.settlements.len();
                let now = Instant::now();
                let due = (count > 0).then(|| *gathered.due.get_or_insert(now + PATIENCE));
                if count > 0 && (ended || count >= wanted || due.is_some_and(|due| due <= now)) {
                    into.append(&mut gathered.settlements);
                    gathered.due = None;
                    return true;
                }
                gathered.wanted = wanted;
                due
            };
            match due {
                None if ended => return false,
                None => self.news.notified().await,
                // Late or not, it is looked at again.
                Some(due) => drop(timeout_at(due, self.news.notified()).await),
            }
        }
    }

    /// All that is there, now.
    pub(super) fn take_all(&self, into: &mut Vec<Settlement>) {
        let mut gathered = lock(&self.gathered);
        into.append(&mut gathered.settlements);
        gathered.due = None;
    }
}
