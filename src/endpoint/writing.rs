//! Units on their way into a sink, until each is settled.
//!
//! Promises: while the system is down, which its circuit tells, they wait in place and in order, and that is no attempt;
//! one of them is tried at a time, and those on which the system fails take turns, so that a bad one holds up no other.

use std::time::Duration;

use trunkline_sdk::{Fault, Remedy};

use super::outbound::{Opened, Outbound, Settled, Unit, Written};
use crate::{
    flow::{Failed, Flow, Outcomes},
    recovery::{Change, Pass, Patience, Sign},
};

/// How long a flow pauses when its system refuses everything and a person must act.
const PAUSE: Duration = Duration::from_secs(30);
/// How long messages on which the system fails are held while it is down. Then, once each was tried, they make way for
/// those behind them: perhaps it is not down, and it is these that are bad.
const HOLD: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 120 });

/// Units that are being written.
pub(super) struct Writing<'w> {
    to: &'w Outbound,
    flow: &'w Flow,
    /// What is not settled, in order.
    pub(super) waiting: Vec<Unit>,
    /// While the system is down: which of them is tried next, and how many tries in a row have failed on their message.
    turn: usize,
    failed: usize,
    /// Why they wait.
    fault: Option<Fault>,
    /// What must be opened again first.
    lost: Option<Opened>,
    /// The adapter has panicked, now or before.
    panicked: bool,
    one_by_one: bool,
    patience: Patience,
    delay: Option<Duration>,
}

impl<'w> Writing<'w> {
    pub(super) fn new(to: &'w Outbound, flow: &'w Flow, waiting: Vec<Unit>) -> Self {
        Self {
            to,
            flow,
            waiting,
            turn: 0,
            failed: 0,
            fault: None,
            lost: None,
            panicked: false,
            one_by_one: false,
            patience: Patience::new(),
            delay: None,
        }
    }

    /// Waits until something may be written.
    pub(super) async fn ready(&mut self) -> Pass<'w> {
        if let Some(delay) = self.delay.take() {
            tokio::time::sleep(delay).await;
        }
        let to = self.to;
        let pass = to.circuit.pass().await;
        while let Some(lost) = &self.lost
            && let Err(fault) = self.to.open_again(lost).await
        {
            tracing::debug!(flow = %self.flow.name(), system = %self.to.system, error = %fault, "not there yet");
            if !self.panicked {
                // It is written to the old one once more: that may have come back by itself.
                break;
            }
            tokio::time::sleep(self.patience.delay()).await;
        }
        (self.lost, self.panicked) = (None, false);
        // What went back meanwhile comes again, perhaps to another process: it is not written beside that one.
        self.waiting.retain(|unit| !unit.delivery.receipt.is_lost());
        pass
    }

    /// What is written next.
    pub(super) fn take(&mut self, pass: &Pass<'_>) -> Vec<Unit> {
        let count = match pass.is_one() || self.one_by_one {
            true => self.waiting.len().min(1),
            false => self.waiting.len(),
        };
        if !pass.is_one() || self.turn + count > self.waiting.len() {
            self.turn = 0;
        }
        self.waiting.drain(self.turn..self.turn + count).collect()
    }

    /// Hears what became of what was written.
    pub(super) fn settle(
        &mut self,
        pass: &Pass<'_>,
        opened: Opened,
        written: Written,
        outcomes: &mut dyn Outcomes,
    ) {
        let system = self.to.system.as_str();
        let mut sign = Sign::default();
        // With why it is not settled, and whether that is its own failure.
        let mut back = Vec::new();
        for (unit, settled) in written.units {
            let Unit { delivery, .. } = &unit;
            match settled {
                Settled::Written(follow) => {
                    sign.is_alive = true;
                    match follow {
                        Ok(follow) => outcomes.delivered(unit.delivery, follow),
                        Err(Failed { step, fault }) => outcomes.failed(unit.delivery, step, &fault),
                    }
                }
                Settled::Failed(fault) if fault.remedy == Remedy::Retry => {
                    sign.failed.push(delivery.message.id.clone());
                    back.push((unit, fault, true));
                }
                Settled::Failed(fault) => {
                    sign.is_alive = true;
                    outcomes.failed(unit.delivery, system, &fault);
                }
                Settled::InDoubt(fault) => {
                    sign.failed.push(delivery.message.id.clone());
                    outcomes.failed(unit.delivery, system, &fault);
                    self.fault = Some(fault);
                }
                Settled::Again(fault) => {
                    sign.is_away = true;
                    sign.needs_person |= fault.remedy == Remedy::Stop;
                    sign.wait = sign.wait.max(match fault.remedy {
                        Remedy::Stop => Some(PAUSE),
                        _ => fault.retry_after,
                    });
                    if fault.remedy == Remedy::Reopen {
                        self.lost = Some(opened.clone());
                    }
                    back.push((unit, fault, false));
                }
            }
        }
        if written.panicked {
            tracing::error!(flow = %self.flow.name(), %system, "the adapter panicked; its system is opened anew");
            (self.panicked, self.one_by_one) = (true, true);
            self.lost = Some(opened);
        }
        self.delay = back.iter().any(|(_, _, own)| !own).then(|| {
            let wait = sign.wait;
            wait.unwrap_or_else(|| self.patience.delay())
        });
        let (has_failed, was_one) = (!sign.failed.is_empty(), pass.is_one());
        let change = self.to.circuit.hear(pass, sign);
        self.tell(&change, back.first().map(|(_, fault, _)| fault));
        let open_for = self.to.circuit.open_for();
        let mut held = Vec::with_capacity(back.len());
        for (unit, fault, own) in back {
            if own && open_for.is_none() {
                outcomes.failed(unit.delivery, system, &fault);
            } else {
                held.push(unit);
                self.fault = Some(fault);
            }
        }
        let turn = self.turn;
        if open_for.is_some() {
            // The circuit says when.
            self.delay = None;
        }
        self.failed = if was_one && has_failed { self.failed + 1 } else { 0 };
        if self.failed > 0 {
            self.turn += held.len();
        }
        self.waiting.splice(turn..turn, held);
        if let Some(fault) = &self.fault
            && self.failed >= self.waiting.len()
            && open_for.is_some_and(|open_for| open_for >= HOLD)
        {
            for unit in self.waiting.drain(..) {
                outcomes.put_off(unit.delivery, system, fault);
            }
        }
    }

    fn tell(&self, change: &Change, fault: Option<&Fault>) {
        let (flow, system) = (self.flow.name(), &self.to.system);
        self.flow.tally.is_paused(self.to.is_paused());
        match (change, fault.or(self.fault.as_ref())) {
            (Change::Opened, Some(fault)) if fault.remedy == Remedy::Stop => {
                tracing::error!(%flow, %system, error = %fault, "the flow is paused; it tries again every 30 s");
            }
            (Change::Opened, Some(fault)) => {
                tracing::warn!(%flow, %system, error = %fault, "the flow is paused: its system does not take messages; it tries one of them again and again");
            }
            (Change::Closed, _) => {
                tracing::info!(%flow, %system, "the system takes messages again; the flow goes on");
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Arc};

    use async_trait::async_trait;
    use tokio::sync::mpsc;
    use trunkline_sdk::{Adapter, Delivered, Description, Effect, Outcome, Settings, Sink, Source, System};

    use super::*;
    use crate::{
        bus::{Bus, Destination, Hop, Outgoing, embedded::EmbeddedBus},
        config::{Files, Landscape, Plan, Variables, check},
        message::{Content, Message},
        names::{ChannelName, FlowName, MessageId, TypeName},
        runtime::Runtime,
    };

    /// A system that fails in passing on each message whose id begins with `bad`, and says which it was given.
    #[derive(Clone)]
    struct Picky(mpsc::UnboundedSender<String>);

    #[async_trait]
    impl Adapter for Picky {
        fn describe(&self) -> &'static Description {
            &Description {
                name: "picky",
                summary: "for this test",
                system: &[],
                source: None,
                sink: Some(&[]),
                effect: Effect::Plain,
            }
        }

        async fn open(&self, _system: &Settings, _home: &Path) -> Result<Box<dyn System>, Fault> {
            Ok(Box::new(self.clone()))
        }
    }

    #[async_trait]
    impl System for Picky {
        async fn source(&self, _endpoint: &Settings) -> Result<Box<dyn Source>, Fault> {
            Err(Fault::stop("there is no source"))
        }

        async fn sink(&self, _flow: &str, _endpoint: &Settings) -> Result<Box<dyn Sink>, Fault> {
            Ok(Box::new(self.clone()))
        }

        async fn test(&self) -> Result<String, Fault> {
            Ok(String::new())
        }
    }

    #[async_trait]
    impl Sink for Picky {
        async fn write(&self, batch: &[Delivered]) -> Vec<Outcome> {
            let outcome = |delivered: &Delivered| {
                let id = delivered.record.id.clone();
                let is_bad = id.starts_with("bad");
                let _ = self.0.send(id);
                match is_bad {
                    true => Outcome::Rejected(Fault::retry("not now")),
                    false => Outcome::Applied(None),
                }
            };
            batch.iter().map(outcome).collect()
        }
    }

    fn plan(home: &Path, adapter: &'static dyn Adapter) -> Plan {
        let files = Files::of([
            (
                "trunkline.yaml",
                "systems: { db: { sql: { url: \"sqlite:./db\" } } }\nchannels: { moves: { type: trunkline.commerce.v1.StockMove, external: true } }\n",
            ),
            (
                "flows/book.yaml",
                "flow: book\nfrom: moves\nto: { system: db, statement: \"INSERT INTO t (id) VALUES (:sku)\" }\n",
            ),
        ]);
        let landscape = Landscape::of(home.to_owned(), files, &Variables::new(&|_| None), Vec::new());
        let mut plan = check(&landscape, trunkline_proto::descriptor_pool()).expect("it is right");
        plan.systems
            .values_mut()
            .for_each(|system| system.adapter = adapter);
        plan
    }

    #[tokio::test]
    async fn bad_messages_that_come_together_hold_up_those_behind_them_for_a_while_only() {
        // given three on which the system fails, and more behind them than are taken at once
        let folder = tempfile::TempDir::new().expect("there is a place for temporary files");
        let (told, mut heard) = mpsc::unbounded_channel();
        let plan = plan(folder.path(), Box::leak(Box::new(Picky(told))));
        let bus = EmbeddedBus::open(&folder.path().join("data")).expect("the test may write there");
        let bus: Arc<dyn Bus> = Arc::new(bus);
        bus.declare(&plan.topology).await.expect("the place is fresh");
        let runtime = Runtime::start_on(bus.clone(), &plan, None)
            .await
            .expect("it starts");
        let message = |id: &str| Outgoing {
            to: Destination::Channel(ChannelName::new("moves").expect("it is a word")),
            message: Message::new(
                MessageId::foreign(id).expect("it is short"),
                "/test",
                jiff::Timestamp::UNIX_EPOCH,
                Content::Canonical {
                    type_name: TypeName::new("trunkline.commerce.v1.StockMove"),
                    bytes: Default::default(),
                },
            ),
        };
        let publish = async |ids: &[&str]| {
            let outputs = ids.iter().map(|id| message(id)).collect();
            let (inputs, state) = (Vec::new(), None);
            let hop = Hop {
                inputs,
                outputs,
                state,
            };
            bus.complete(vec![hop]).await.remove(0).expect("it is confirmed");
        };
        let tally = runtime.tallies()[&FlowName::new("book").expect("it is a word")].clone();
        publish(&["bad-1", "bad-2", "bad-3"]).await;
        for _ in 0..3 {
            heard.recv().await.expect("somebody tells");
        }
        // when
        publish(&["good"]).await;
        // then each that is held is tried once more before the other has its turn
        let mut tries = 0;
        while heard.recv().await.expect("somebody tells") != "good" {
            tries += 1;
        }
        assert!((2..10).contains(&tries), "{tries}");
        // then none is parked, and what was taken has closed the circuit
        assert!(runtime.stop().await);
        let counts = tally.read();
        assert!(counts.parked.is_empty() && counts.delivered == 1, "{counts:?}");
        assert!(!counts.is_paused);
    }
}
