//! From a flow into a sink: messages are written until the system has said what became of each.

use std::time::Duration;

use trunkline_sdk::{Body, Context, Delivered, Fault, Outcome, Record, Remedy, Sink};

use crate::{
    bus::Delivery,
    canonical::Tree,
    config::InDoubt,
    flow::{Emitted, Flow, Outcomes},
    message::{Content, Message},
    names::SystemName,
    recovery::Patience,
};

/// How long a flow pauses when its system refuses everything and a person must act.
const PAUSE: Duration = Duration::from_secs(30);

/// A sink with the system it belongs to.
pub(crate) struct Outbound {
    system: SystemName,
    sink: Box<dyn Sink>,
    /// The form of the canonical messages that arrive; `None`: they are native.
    arrives: Option<Tree>,
    in_doubt: InDoubt,
}

/// A delivery and what its steps made of it: written together, settled together.
struct Unit {
    delivery: Delivery,
    parts: Vec<Delivered>,
}

/// What became of a unit.
enum Settled {
    Written,
    Failed(Fault),
    Again(Fault),
}

impl Outbound {
    pub(crate) fn new(
        system: SystemName,
        sink: Box<dyn Sink>,
        arrives: Option<Tree>,
        in_doubt: InDoubt,
    ) -> Self {
        Self {
            system,
            sink,
            arrives,
            in_doubt,
        }
    }

    /// Writes units until each is written or has failed, which `outcomes` hears. What the system could not take now is
    /// written again in place, without counting as an attempt. When the flow is stopping, what is not settled goes
    /// back to its queue.
    pub(crate) async fn write(
        &self,
        flow: &Flow,
        units: Vec<(Delivery, Vec<Emitted>)>,
        outcomes: &mut dyn Outcomes,
    ) {
        let mut waiting = Vec::with_capacity(units.len());
        for (delivery, emitted) in units {
            match self.parts(&delivery, emitted) {
                Ok(parts) => waiting.push(Unit { delivery, parts }),
                Err(fault) => outcomes.failed(delivery, self.system.as_str(), &fault),
            }
        }
        let mut patience = Patience::new();
        let mut told = false;
        while !waiting.is_empty() {
            let mut again = Vec::new();
            let mut delay = Duration::ZERO;
            for (unit, settled) in self.write_once(waiting).await {
                match settled {
                    Settled::Written => outcomes.delivered(unit.delivery),
                    Settled::Failed(fault) => {
                        outcomes.failed(unit.delivery, self.system.as_str(), &fault);
                    }
                    Settled::Again(fault) => {
                        if !told {
                            self.tell(flow, &fault);
                            told = true;
                        }
                        delay = delay.max(match fault.remedy {
                            Remedy::Stop => PAUSE,
                            _ => fault.retry_after.unwrap_or_else(|| patience.delay()),
                        });
                        again.push(unit);
                    }
                }
            }
            waiting = again;
            if waiting.is_empty() || flow.is_stopping() {
                break;
            }
            // What is settled must not wait for what is not.
            outcomes.complete().await;
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = flow.stopping() => {}
            }
        }
        if told && waiting.is_empty() {
            tracing::info!(flow = %flow.name(), system = %self.system, "the system takes messages again");
        }
    }

    async fn write_once(&self, units: Vec<Unit>) -> Vec<(Unit, Settled)> {
        let batch: Vec<_> = units.iter().flat_map(|unit| unit.parts.iter().cloned()).collect();
        let mut outcomes = self.sink.write(&batch).await;
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
        let settled = |unit: Unit| {
            let settled = settle(outcomes.by_ref().take(unit.parts.len()), self.in_doubt);
            (unit, settled)
        };
        units.into_iter().map(settled).collect()
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

    fn tell(&self, flow: &Flow, fault: &Fault) {
        let (flow, system) = (flow.name(), &self.system);
        if fault.remedy == Remedy::Stop {
            tracing::error!(%flow, %system, error = %fault, "the flow is paused; it tries again every 30 s");
        } else {
            tracing::warn!(%flow, %system, error = %fault, "the system does not take messages; trying again");
        }
    }
}

/// A unit is written when all its parts are; a part that never will be, or not now, decides for all.
fn settle(outcomes: impl Iterator<Item = Outcome>, in_doubt: InDoubt) -> Settled {
    let mut failed = None;
    let mut again = None;
    for outcome in outcomes {
        match outcome {
            Outcome::Applied(_) | Outcome::AlreadyThere(_) => {}
            Outcome::Rejected(fault) if matches!(fault.remedy, Remedy::DeadLetter | Remedy::Retry) => {
                failed.get_or_insert(fault);
            }
            Outcome::InDoubt(fault) if in_doubt == InDoubt::Park => {
                failed.get_or_insert(Fault {
                    remedy: Remedy::DeadLetter,
                    what: format!("in doubt whether it was applied: {}", fault.what),
                    ..fault
                });
            }
            Outcome::Rejected(fault) | Outcome::InDoubt(fault) | Outcome::NotTried(fault) => {
                again.get_or_insert(fault);
            }
        }
    }
    match (failed, again) {
        (Some(fault), _) => Settled::Failed(fault),
        (None, Some(fault)) => Settled::Again(fault),
        (None, None) => Settled::Written,
    }
}
