//! The source suite judged: a right source passes it, and each kind of wrong one is caught.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Notify;
use trunkline_sdk::{
    Body, Fault, Outlet, Position, Record, Source,
    contract::source::{self, SourcePeer},
};

/// A table that only grows; `told` is its cursor.
#[derive(Default)]
struct Table {
    rows: Mutex<(usize, usize)>,
    grown: Notify,
}

/// What a source may do wrong.
#[derive(Clone, Copy, PartialEq)]
enum Sabotage {
    None,
    TellsBeforeTheReceipt,
    ForgetsItsPosition,
    SkipsOneAfterResuming,
    NumbersRecordsAnewInEachRun,
    StopsAtAParkedRecord,
    IgnoresStopping,
    ReadsAllAtOnce,
}

struct TablePeer(Arc<Table>, Sabotage);

impl TablePeer {
    fn new(sabotage: Sabotage) -> Self {
        Self(Arc::default(), sabotage)
    }
}

#[async_trait]
impl SourcePeer for TablePeer {
    async fn offer(&mut self, records: usize) {
        self.0.rows.lock().unwrap().0 += records;
        self.0.grown.notify_one();
    }

    async fn open(&mut self) -> Box<dyn Source> {
        Box::new(TableSource(Arc::clone(&self.0), self.1))
    }

    async fn told(&mut self) -> Option<usize> {
        Some(self.0.rows.lock().unwrap().1)
    }

    fn most_in_flight(&self) -> usize {
        1
    }
}

struct TableSource(Arc<Table>, Sabotage);

#[async_trait]
impl Source for TableSource {
    async fn run(&mut self, outlet: Outlet, resume: Option<Position>) -> Result<(), Fault> {
        let parse = |position: Position| String::from_utf8_lossy(&position.0).parse::<usize>();
        let mut at = resume.map_or(0, |position| parse(position).expect("it is a number"));
        match self.1 {
            Sabotage::ForgetsItsPosition => at = 0,
            Sabotage::SkipsOneAfterResuming if at > 0 => at += 1,
            _ => {}
        }
        let first = at;
        loop {
            let rows = self.0.rows.lock().unwrap().0;
            if self.1 == Sabotage::ReadsAllAtOnce && rows > at {
                for row in at..rows {
                    let outlet = outlet.clone();
                    tokio::spawn(async move { outlet.send(record(row, row)).await.is_ok() });
                }
                at = rows;
            }
            if at >= rows {
                let is_deaf = self.1 == Sabotage::IgnoresStopping;
                tokio::select! {
                    () = self.0.grown.notified() => continue,
                    () = outlet.stopping(), if !is_deaf => return Ok(()),
                }
            }
            let named = match self.1 {
                Sabotage::NumbersRecordsAnewInEachRun => at - first,
                _ => at,
            };
            if self.1 == Sabotage::TellsBeforeTheReceipt {
                self.0.rows.lock().unwrap().1 = at + 1;
            }
            let Ok(receipt) = outlet.send(record(named, at)).await else {
                return Ok(());
            };
            if self.1 == Sabotage::StopsAtAParkedRecord && receipt == trunkline_sdk::Receipt::Parked {
                return Err(Fault::stop("a record was parked"));
            }
            at += 1;
            self.0.rows.lock().unwrap().1 = at;
        }
    }
}

fn record(name: usize, at: usize) -> Record {
    let body = Body::Bytes {
        content_type: "text/plain".to_owned(),
        bytes: Bytes::new(),
    };
    let mut record = Record::new(format!("row {name}"), body);
    record.position = Some(Position(Bytes::from((at + 1).to_string())));
    record
}

trunkline_sdk::source_contract!(TablePeer::new(Sabotage::None));

/// A wrong source must be caught by the sentence that names its fault.
macro_rules! caught {
    ($($sabotage:ident by $sentence:ident as $test:ident saying $what:literal;)*) => {$(
        #[tokio::test(start_paused = true)]
        #[should_panic(expected = $what)]
        async fn $test() {
            source::$sentence(TablePeer::new(Sabotage::$sabotage)).await;
        }
    )*};
}

caught! {
    TellsBeforeTheReceipt by tells_the_peer_only_after_the_receipt
        as telling_too_early_is_caught saying "too early";
    ForgetsItsPosition by resumes_behind_its_position_and_repeats_nothing
        as repeating_is_caught saying "left: 40";
    SkipsOneAfterResuming by skips_nothing_when_it_crashes_between_two_records
        as skipping_is_caught saying "26 of 27";
    NumbersRecordsAnewInEachRun by repeats_under_the_same_ids_when_no_position_was_stored
        as new_ids_are_caught saying "under another id";
    StopsAtAParkedRecord by goes_on_behind_a_parked_record
        as stopping_at_a_parked_record_is_caught saying "the source ended after";
    IgnoresStopping by stops_within_its_grace
        as not_stopping_is_caught saying "did not stop within";
    ReadsAllAtOnce by holds_few_records_while_the_bus_is_away
        as holding_too_much_is_caught saying "holds 3 records, more than 1";
}
