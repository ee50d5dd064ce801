//! A source that runs against a desk, and what a test may wait for.

use std::{collections::BTreeSet, time::Duration};

use tokio::task::JoinHandle;

use super::{
    Desk,
    source::{GRACE, SourcePeer},
};
use crate::{Fault, Position, Record};

/// How long a peer may take to see what it was told.
const PATIENCE: Duration = Duration::from_secs(30);

/// Nothing more comes when nothing came for so long.
const QUIET: Duration = Duration::from_millis(400);

/// A source that runs against a desk.
pub(super) struct Running {
    desk: Desk,
    task: JoinHandle<Result<(), Fault>>,
}

impl Running {
    pub(super) async fn start(peer: &mut impl SourcePeer, desk: &Desk, resume: Option<Position>) -> Self {
        let mut source = peer.open().await;
        let outlet = desk.outlet();
        Self {
            desk: desk.clone(),
            task: tokio::spawn(async move { source.run(outlet, resume).await }),
        }
    }

    /// Waits for as many accepted records. Fails at once when the source has ended before.
    pub(super) async fn wait_for(&mut self, records: usize) -> Vec<Record> {
        tokio::select! {
            biased;
            accepted = self.desk.wait_for(records) => accepted,
            ended = &mut self.task => {
                let accepted = self.desk.accepted();
                assert!(
                    accepted.len() >= records,
                    "the source ended after {} of {records} records: {ended:?}",
                    accepted.len()
                );
                accepted
            }
        }
    }

    /// Waits for as many different ids, where senders may send a record again.
    pub(super) async fn wait_for_ids(&mut self, records: usize) {
        let mut expected = records;
        loop {
            let accepted = self.wait_for(expected).await;
            let missing = records.saturating_sub(ids(&accepted).len());
            if missing == 0 {
                return;
            }
            expected = accepted.len() + missing;
        }
    }

    /// Waits until the source holds a record that the bus does not take.
    pub(super) async fn wait_for_waiting(&self) {
        let mut waiting = self.desk.waiting();
        let waits = tokio::time::timeout(PATIENCE, waiting.wait_for(|waiting| *waiting > 0)).await;
        assert!(waits.is_ok(), "the source sent nothing within {PATIENCE:?}");
    }

    /// Waits until the peer knows that as many records are safe, if it is ever told.
    pub(super) async fn wait_until_told(&self, peer: &mut impl SourcePeer, records: usize) {
        let started = tokio::time::Instant::now();
        while peer.told().await.is_some_and(|told| told < records) {
            let told = peer.told().await;
            assert!(
                started.elapsed() < PATIENCE,
                "the peer was told {told:?} of {records} records"
            );
            // Nobody tells us when a foreign system has changed.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        if let Some(told) = peer.told().await {
            assert_eq!(told, records, "the peer was told of more than was offered");
        }
    }

    pub(super) async fn stop(self) {
        self.desk.stop();
        let ended = tokio::time::timeout(GRACE, self.task)
            .await
            .unwrap_or_else(|_| panic!("the source did not stop within {GRACE:?}"));
        ended
            .expect("a source must not panic")
            .expect("a source that is asked to stop returns `Ok`");
    }

    /// As a process that is killed: nothing more is done.
    pub(super) async fn crash(self) {
        self.task.abort();
        let ended = self.task.await;
        assert!(
            ended.is_err_and(|error| error.is_cancelled()),
            "the source had ended"
        );
    }

    pub(super) async fn fault(self) -> Fault {
        let ended = tokio::time::timeout(PATIENCE, self.task).await;
        ended
            .expect("a source whose peer is spoilt returns")
            .expect("a source must not panic")
            .expect_err("a source whose peer is spoilt faults")
    }
}

/// The different ids of these records.
pub(super) fn ids(records: &[Record]) -> BTreeSet<String> {
    records.iter().map(|record| record.id.clone()).collect()
}

/// Waits until the number of waiting records has not changed for a while: that nothing more comes can only be
/// shown by time.
pub(super) async fn quiet(desk: &Desk) -> usize {
    let mut waiting = desk.waiting();
    while tokio::time::timeout(QUIET, waiting.changed()).await.is_ok() {}
    *waiting.borrow()
}
