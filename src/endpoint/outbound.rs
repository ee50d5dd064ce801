//! From a flow into a sink: messages are written until the system has said what became of each.
//!
//! Promises: what has gone back to its queue meanwhile is not written any more. An adapter that panics does not fell
//! its flow again and again: its system is opened anew, the messages are written one by one, and the one on which it
//! panics by itself is parked.
//!
//! While the system is down the flow is paused by its [`Circuit`]: what is in its hands waits in place and in order,
//! one message at a time is tried, and nothing of it counts as an attempt.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use futures_util::FutureExt;
use trunkline_sdk::{Body, Context, Delivered, Fault, Outcome, Record, Remedy, Reply, Sink, System};

use super::writing::Writing;
use crate::{
    bus::{Delivery, Outgoing},
    canonical::Tree,
    config::InDoubt,
    flow::{Emitted, Failed, Flow, FollowUp, Outcomes},
    message::{Content, Message},
    names::SystemName,
    recovery::Circuit,
};

/// The way to a sink, through its system.
#[async_trait]
pub(crate) trait Door: Send + Sync {
    /// The sink; where `lost` is told, of a system that was opened after that one.
    async fn open(&self, lost: Option<&Arc<dyn System>>) -> Result<Opened, Fault>;
}

/// A sink, and the system that must stay open for it.
#[derive(Clone)]
pub(crate) struct Opened {
    pub(crate) system: Arc<dyn System>,
    pub(crate) sink: Arc<dyn Sink>,
}

/// A sink with the system it belongs to.
pub(crate) struct Outbound {
    pub(super) system: SystemName,
    door: Box<dyn Door>,
    opened: Mutex<Opened>,
    /// The form of the canonical messages that arrive; `None`: they are native.
    arrives: Option<Tree>,
    in_doubt: InDoubt,
    /// What is made of its answers.
    then: Option<FollowUp>,
    pub(super) circuit: Circuit,
}

/// A delivery and what its steps made of it: written together, settled together.
pub(super) struct Unit {
    pub(super) delivery: Delivery,
    parts: Vec<Delivered>,
    /// The parts as messages, where another is made of the answer to each.
    messages: Vec<Message>,
}

/// What became of units that were written together.
pub(super) struct Written {
    pub(super) units: Vec<(Unit, Settled)>,
    /// The adapter panicked.
    pub(super) panicked: bool,
}

/// What became of a unit.
pub(super) enum Settled {
    /// With what follows from the system's answer, or why nothing could be made of it.
    Written(Result<Vec<Outgoing>, Failed>),
    /// This message failed.
    Failed(Fault),
    /// It is parked, because the system did not say.
    InDoubt(Fault),
    /// Not now.
    Again(Fault),
}

impl Outbound {
    /// Opens the sink.
    pub(crate) async fn open(
        system: SystemName,
        door: Box<dyn Door>,
        arrives: Option<Tree>,
        in_doubt: InDoubt,
        then: Option<FollowUp>,
    ) -> Result<Self, Fault> {
        let opened = door.open(None).await?;
        Ok(Self {
            system,
            door,
            opened: Mutex::new(opened),
            arrives,
            in_doubt,
            then,
            circuit: Circuit::default(),
        })
    }

    /// Whether the flow is paused, because its system is down.
    pub(crate) fn is_paused(&self) -> bool {
        self.circuit.open_for().is_some()
    }

    /// Writes units until each is written or has failed, which `outcomes` hears. What the system could not take now is
    /// written again in place, without counting as an attempt; if it is gone, it is opened again before. When the flow
    /// is stopping, what is not settled goes back to its queue.
    pub(crate) async fn write(
        &self,
        flow: &Flow,
        units: Vec<(Delivery, Vec<Emitted>)>,
        outcomes: &mut dyn Outcomes,
    ) {
        let mut waiting = Vec::with_capacity(units.len());
        for (delivery, emitted) in units {
            let messages = match self.then {
                Some(_) => emitted.iter().map(|emitted| emitted.message.clone()).collect(),
                None => Vec::new(),
            };
            match self.parts(&delivery, emitted) {
                Ok(parts) => waiting.push(Unit {
                    delivery,
                    parts,
                    messages,
                }),
                Err(fault) => outcomes.failed(delivery, self.system.as_str(), &fault),
            }
        }
        let mut writing = Writing::new(self, flow, waiting);
        while !writing.waiting.is_empty() {
            let pass = tokio::select! {
                biased;
                pass = writing.ready() => pass,
                () = flow.stopping() => return,
            };
            if writing.waiting.is_empty() {
                return;
            }
            let taken = writing.take(&pass);
            let opened = self.opened();
            let written = self.write_once(flow, &*opened.sink, taken).await;
            writing.settle(&pass, opened, written, outcomes);
            if flow.is_stopping() {
                return;
            }
            if !writing.waiting.is_empty() {
                // What is settled must not wait for what is not.
                outcomes.complete().await;
            }
        }
    }

    /// What follows from the answers to a unit.
    async fn follow(
        &self,
        flow: &Flow,
        delivery: &Delivery,
        messages: Vec<Message>,
        replies: Vec<Option<Reply>>,
    ) -> Result<Vec<Outgoing>, Failed> {
        let Some(then) = &self.then else {
            return Ok(Vec::new());
        };
        let answered = messages.into_iter().zip(replies).collect();
        let emitted = then.make(flow.name(), answered).await?;
        flow.outputs(delivery, emitted)
    }

    fn opened(&self) -> Opened {
        // Only ever replaced as a whole.
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Opens the system and the sink again, unless another batch has done so.
    pub(super) async fn open_again(&self, lost: &Opened) -> Result<(), Fault> {
        if !Arc::ptr_eq(&self.opened().system, &lost.system) {
            return Ok(());
        }
        let opened = self.door.open(Some(&lost.system)).await?;
        *self.opened.lock().unwrap_or_else(PoisonError::into_inner) = opened;
        Ok(())
    }

    async fn write_once(&self, flow: &Flow, sink: &dyn Sink, mut units: Vec<Unit>) -> Written {
        let batch: Vec<_> = units.iter().flat_map(|unit| unit.parts.iter().cloned()).collect();
        let written = AssertUnwindSafe(sink.write(&batch)).catch_unwind().await;
        let panicked = written.is_err();
        if panicked
            && units.len() == 1
            && let Some(unit) = units.pop()
        {
            let fault = Fault::dead_letter(format!(
                "the adapter of `{}` panicked on this message; it is in doubt whether it was applied",
                self.system
            ))
            .hint("this is a mistake of the adapter: please report it with what the log says of it");
            let units = vec![(unit, Settled::Failed(fault))];
            return Written { units, panicked };
        }
        let mut outcomes = written.unwrap_or_else(|_| {
            let fault = || Fault::reopen(format!("the adapter of `{}` panicked", self.system));
            batch.iter().map(|_| Outcome::InDoubt(fault())).collect()
        });
        if outcomes.len() != batch.len() {
            // An adapter that breaks its contract must not settle messages it may have lost.
            let (told, asked) = (outcomes.len(), batch.len());
            let what = format!(
                "the adapter of `{}` answered {told} outcomes to {asked} messages",
                self.system
            );
            outcomes = batch
                .iter()
                .map(|_| Outcome::InDoubt(Fault::stop(what.clone())))
                .collect();
        }
        let mut outcomes = outcomes.into_iter();
        let mut written = Vec::with_capacity(units.len());
        for mut unit in units {
            let settled = match settle(outcomes.by_ref().take(unit.parts.len()), self.in_doubt) {
                Ok(replies) => {
                    let messages = std::mem::take(&mut unit.messages);
                    Settled::Written(self.follow(flow, &unit.delivery, messages, replies).await)
                }
                Err(settled) => settled,
            };
            written.push((unit, settled));
        }
        Written {
            units: written,
            panicked,
        }
    }

    fn parts(&self, delivery: &Delivery, emitted: Vec<Emitted>) -> Result<Vec<Delivered>, Fault> {
        let part = |Emitted { message, .. }: Emitted| {
            let context = Context {
                message_id: message.id.as_str().to_owned(),
                unit: delivery.message.id.as_str().to_owned(),
                attempt: delivery.attempt,
            };
            Ok(Delivered {
                record: self.record(message)?,
                context,
            })
        };
        emitted.into_iter().map(part).collect()
    }

    fn record(&self, message: Message) -> Result<Record, Fault> {
        let body = match (message.content, &self.arrives) {
            (Content::Canonical { bytes, .. }, Some(tree)) => {
                let value = tree.read(&bytes).map_err(|broken| {
                    Fault::dead_letter(format!("the message cannot be read: {broken}"))
                        .hint("its publisher has encoded it otherwise than its `type` says")
                })?;
                Body::Value(value.into_owned())
            }
            (Content::Canonical { type_name, .. }, None) => {
                return Err(Fault::dead_letter(format!(
                    "a `{type_name}` arrived where a native record was planned"
                )));
            }
            (Content::Native(body), _) => body,
        };
        let mut record = Record::new(message.id.as_str(), body);
        record.key = message.key.as_deref().map(str::to_owned);
        record.subject = message.subject.as_deref().map(str::to_owned);
        record.time = message.time.try_into().ok();
        Ok(record)
    }
}

/// A unit is written when all its parts are; a part that never will be, or not now, decides for all.
fn settle(outcomes: impl Iterator<Item = Outcome>, in_doubt: InDoubt) -> Result<Vec<Option<Reply>>, Settled> {
    let mut failed = None;
    let mut again = None;
    let mut replies = Vec::new();
    for outcome in outcomes {
        match outcome {
            Outcome::Applied(reply) | Outcome::AlreadyThere(reply) => replies.push(reply),
            Outcome::Rejected(fault) if matches!(fault.remedy, Remedy::DeadLetter | Remedy::Retry) => {
                failed.get_or_insert(Settled::Failed(fault));
            }
            Outcome::InDoubt(fault) if in_doubt == InDoubt::Park => {
                failed.get_or_insert(Settled::InDoubt(Fault {
                    remedy: Remedy::DeadLetter,
                    what: format!("in doubt whether it was applied: {}", fault.what),
                    ..fault
                }));
            }
            Outcome::Rejected(fault) | Outcome::InDoubt(fault) | Outcome::NotTried(fault) => {
                again.get_or_insert(fault);
            }
        }
    }
    match (failed, again) {
        (Some(failed), _) => Err(failed),
        (None, Some(fault)) => Err(Settled::Again(fault)),
        (None, None) => Ok(replies),
    }
}
