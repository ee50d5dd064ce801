//! The bus as a source sees it, in a test's hand: it notes what it accepted, and can be away.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::{Fault, Intake, Outlet, Position, Receipt, Record};

/// Accepts records as the bus would and keeps them, in order. Cheap to clone: all clones are one desk.
#[derive(Clone)]
pub struct Desk(Arc<Inner>);

/// Tells which records cannot be mapped.
pub type Judge = fn(&Record) -> bool;

struct Inner {
    book: Mutex<Book>,
    count: watch::Sender<usize>,
    waiting: watch::Sender<usize>,
    open: watch::Sender<bool>,
    stopping: watch::Sender<bool>,
}

#[derive(Default)]
struct Book {
    accepted: Vec<Record>,
    /// In the order in which the source sent: where each record is, and whether it is safe.
    sent: Vec<(Option<Position>, bool)>,
    park: Option<Judge>,
    /// Closes when so many records were accepted.
    closes_at: Option<usize>,
    /// How many confirms get lost on their way back.
    lost_confirms: usize,
}

impl Default for Desk {
    fn default() -> Self {
        Self(Arc::new(Inner {
            book: Mutex::default(),
            count: watch::Sender::new(0),
            waiting: watch::Sender::new(0),
            open: watch::Sender::new(true),
            stopping: watch::Sender::new(false),
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
        self.book().accepted.clone()
    }

    /// Where a source goes on after a crash: the position of the last record before which, in the order of
    /// sending, all are safe.
    pub fn safe_position(&self) -> Option<Position> {
        let book = self.book();
        let safe = book.sent.iter().take_while(|(_, is_safe)| *is_safe);
        safe.last().and_then(|(position, _)| position.clone())
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

    /// How many records sources sent that are neither accepted nor refused yet; a receiver, so that a test can
    /// wait for a change.
    pub fn waiting(&self) -> watch::Receiver<usize> {
        self.0.waiting.subscribe()
    }

    /// From now on the bus is away: nothing is accepted or confirmed until [`Desk::open`].
    pub fn close(&self) {
        self.0.open.send_replace(false);
    }

    /// The bus goes away by itself when it has accepted this many records more.
    pub fn close_after(&self, records: usize) {
        let mut book = self.book();
        book.closes_at = Some(book.accepted.len() + records);
    }

    /// The bus is back.
    pub fn open(&self) {
        self.0.open.send_replace(true);
    }

    /// Answers [`Receipt::Parked`] to the records of which this is true.
    pub fn park(&self, which: Judge) {
        self.book().park = Some(which);
    }

    /// The next records which a source *offers* reach the bus, but their confirms get lost, so that the
    /// source is told to have them sent again.
    pub fn lose_confirms(&self, records: usize) {
        self.book().lost_confirms = records;
    }

    /// Asks the sources to stop.
    pub fn stop(&self) {
        self.0.stopping.send_replace(true);
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0
            .book
            .lock()
            .expect("no test panics while it holds the lock")
    }

    /// Accepts the record if the desk is open at this moment.
    fn accept_now(&self, record: &Record, number: usize, is_offer: bool) -> Option<Result<Receipt, Fault>> {
        let mut book = self.book();
        if !*self.0.open.borrow() {
            return None;
        }
        let is_parked = book.park.is_some_and(|which| which(record));
        book.accepted.push(record.clone());
        if book.closes_at == Some(book.accepted.len()) {
            book.closes_at = None;
            self.close();
        }
        self.0.count.send_replace(book.accepted.len());
        if is_offer && book.lost_confirms > 0 {
            book.lost_confirms -= 1;
            return Some(Err(away()));
        }
        book.sent[number].1 = true;
        Some(Ok(if is_parked {
            Receipt::Parked
        } else {
            Receipt::Published
        }))
    }
}

#[async_trait]
impl Intake for Desk {
    async fn accept(&self, record: Record, patience: Option<Duration>) -> Result<Receipt, Fault> {
        let _waiting = Waiting::new(&self.0.waiting);
        let number = {
            let mut book = self.book();
            book.sent.push((record.position.clone(), false));
            book.sent.len() - 1
        };
        let mut open = self.0.open.subscribe();
        let accepted = async {
            loop {
                if let Some(answer) = self.accept_now(&record, number, patience.is_some()) {
                    return answer;
                }
                // An error means the sender is gone, and that cannot be: it lives in `self`.
                let _ = open.wait_for(|open| *open).await;
            }
        };
        match patience {
            Some(patience) => tokio::time::timeout(patience, accepted)
                .await
                .unwrap_or_else(|_| Err(away())),
            None => tokio::select! {
                biased;
                answer = accepted => answer,
                () = self.stopping() => Err(away()),
            },
        }
    }

    async fn stopping(&self) {
        // As above: the sender lives in `self`.
        let _ = self.0.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }
}

fn away() -> Fault {
    Fault::wait("the bus does not answer", Duration::from_secs(1))
}

/// Counts a record as waiting for as long as it lives.
struct Waiting<'a>(&'a watch::Sender<usize>);

impl<'a> Waiting<'a> {
    fn new(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
