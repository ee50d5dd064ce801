//! One message each of several keys, worked on and completed together.
//!
//! Promises: of what it was given each message ends in one way, told when all are durable, but for those that went back
//! to their queue. A fault that may pass gives the message back, to be tried again in place; any other parks it, with
//! its place among the parked.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use trunkline_sdk::{Fault, Remedy};

use super::{
    Failed, Rule, Verdict,
    lanes::{LaneKey, Taken},
    partition::Reader,
    run::{Outcomes, PUT_OFF, cause},
};
use crate::{
    bus::{Cause, Delivery, Destination, Hop, Outgoing},
    names::{MessageId, QueueName},
};

/// A message that has arrived, and what is to be done about it.
pub(super) struct Arrival {
    pub(super) delivery: Delivery,
    pub(super) work: Work,
}

/// What is to be done about a message.
pub(super) enum Work {
    /// The flow's steps.
    Do,
    /// It belongs to another partition.
    Forward(QueueName),
    /// It cannot be accepted.
    Refuse(Fault),
    /// It is parked already: a crash came between its parking and its settling.
    Parked,
    /// It was a request, which is carried out.
    Answered,
}

/// How a message has ended.
pub(super) enum Ended {
    /// What came of it is durable.
    Done(LaneKey),
    /// It is tried again after this delay.
    Again(Arc<str>, Box<Delivery>, Duration),
    /// It is parked.
    Parked(LaneKey, MessageId),
    /// Some have gone back to their queue, or are about to: nothing that follows them may be worked on.
    WentBack,
}

/// A delivery among those of a process: its session and the engine's number for it.
type Ticket = (u64, u64);

/// Messages under way together.
pub(super) struct Wave<'r> {
    reader: &'r Reader<'r>,
    hops: Vec<Hop>,
    lanes: HashMap<Ticket, LaneKey>,
    ended: HashMap<Ticket, Ended>,
}

impl<'r> Wave<'r> {
    /// Works on these messages until each has ended or gone back, as all do when the flow is stopping.
    pub(super) async fn run(reader: &'r Reader<'r>, taken: Vec<Taken<Arrival>>) -> Vec<Ended> {
        let flow = reader.flow;
        let mut wave = Self {
            reader,
            hops: Vec::with_capacity(taken.len()),
            lanes: HashMap::with_capacity(taken.len()),
            ended: HashMap::with_capacity(taken.len()),
        };
        let mut units = Vec::new();
        for Taken {
            lane,
            delivery: Arrival { mut delivery, work },
            behind,
        } in taken
        {
            wave.lanes.insert(ticket(&delivery), lane);
            match (work, behind) {
                (Work::Forward(queue), _) => wave.forward(delivery, queue),
                (Work::Answered, _) => wave.settle(delivery),
                (Work::Parked, _) => {
                    flow.tally.received(true);
                    flow.tally.filtered(Rule("parked before".into()));
                    wave.settle(delivery);
                }
                (_, Some(first)) => wave.park_behind(delivery, &first),
                (Work::Refuse(fault), None) => {
                    flow.tally.received(delivery.redelivered);
                    wave.failed(delivery, "receive", &fault);
                }
                (Work::Do, None) => match flow.step(&mut delivery).await {
                    Ok(Verdict::Emitted(emitted)) if reader.sink.is_some() => units.push((delivery, emitted)),
                    Ok(Verdict::Emitted(emitted)) => match flow.outputs(&delivery, emitted) {
                        Ok(outputs) => wave.end(Hop::of(delivery, outputs)),
                        Err(Failed { step, fault }) => wave.failed(delivery, step, &fault),
                    },
                    // `check` refuses it where order is kept: what follows would overtake it.
                    Ok(Verdict::Delayed(_)) => {
                        let fault = Fault::dead_letter("a message cannot wait where its channel keeps order");
                        wave.failed(delivery, "delay", &fault);
                    }
                    Ok(Verdict::Filtered(rule)) => {
                        let hop = flow.filtered(delivery, rule);
                        wave.end(hop);
                    }
                    Err(Failed { step, fault }) => wave.failed(delivery, step, &fault),
                },
            }
        }
        if let Some(sink) = reader.sink {
            sink.write(flow, units, &mut wave).await;
        }
        wave.complete().await;
        let went_back = wave.ended.len() < wave.lanes.len();
        let ended = wave.ended.into_values();
        ended.chain(went_back.then_some(Ended::WentBack)).collect()
    }

    fn settle(&mut self, delivery: Delivery) {
        self.end(Hop::of(delivery, Vec::new()));
    }

    fn forward(&mut self, delivery: Delivery, queue: QueueName) {
        let to = Destination::Queue {
            queue,
            attempt: delivery.attempt,
            cause: None,
        };
        let message = delivery.message.clone();
        self.end(Hop::of(delivery, vec![Outgoing { to, message }]));
    }

    /// Its key is parked.
    fn park_behind(&mut self, delivery: Delivery, first: &MessageId) {
        let flow = self.reader.flow;
        flow.tally.received(delivery.redelivered);
        let mut cause = Cause {
            what: "behind another message of its key".to_owned(),
            hint: Some("mend that one and replay the key: this one follows it".to_owned()),
            flow: flow.name().clone(),
            step: "order".to_owned(),
            at: Timestamp::now(),
        };
        flow.tally.parked(&cause);
        cause.what = format!("behind {first}");
        let hop = self.park(delivery, cause);
        self.hops.push(hop);
    }

    /// The hop that parks a message.
    fn park(&mut self, mut delivery: Delivery, cause: Cause) -> Hop {
        delivery.order.get_or_insert_with(|| self.reader.next_order());
        let ended = Ended::Parked(self.lane(&delivery), delivery.message.id.clone());
        self.ended.insert(ticket(&delivery), ended);
        Hop::park(delivery, cause)
    }

    fn refuse(&mut self, delivery: Delivery, step: &str, fault: &Fault) -> Hop {
        let flow = self.reader.flow;
        let cause = cause(flow.name(), step, fault);
        let (id, attempt) = (&delivery.message.id, delivery.attempt);
        tracing::debug!(flow = %flow.name(), message_id = %id, attempt, error = %fault, "parked");
        flow.tally.parked(&cause);
        self.park(delivery, cause)
    }

    /// This hop ends its message.
    fn end(&mut self, hop: Hop) {
        for input in &hop.inputs {
            let ended = Ended::Done(self.lane(input));
            self.ended.insert(ticket(input), ended);
        }
        self.hops.push(hop);
    }

    fn lane(&self, delivery: &Delivery) -> LaneKey {
        self.lanes.get(&ticket(delivery)).cloned().flatten()
    }
}

#[async_trait]
impl Outcomes for Wave<'_> {
    fn delivered(&mut self, delivery: Delivery, follow: Vec<Outgoing>) {
        self.reader.flow.tally.delivered();
        self.end(Hop::of(delivery, follow));
    }

    fn failed(&mut self, mut delivery: Delivery, step: &str, fault: &Fault) {
        let flow = self.reader.flow;
        let lane = self.lane(&delivery);
        let again = match fault.remedy {
            Remedy::DeadLetter => None,
            Remedy::Retry | Remedy::Wait | Remedy::Reopen | Remedy::Stop => {
                flow.retry.after(delivery.attempt)
            }
        };
        let Some((key, rung)) = lane.zip(again) else {
            let hop = self.refuse(delivery, step, fault);
            return self.hops.push(hop);
        };
        let (id, attempt) = (&delivery.message.id, delivery.attempt);
        tracing::debug!(flow = %flow.name(), message_id = %id, attempt, error = %fault, "tried again in its place");
        flow.tally.retried();
        delivery.cause = Some(cause(flow.name(), step, fault));
        delivery.attempt += 1;
        let ticket = ticket(&delivery);
        self.ended
            .insert(ticket, Ended::Again(key, Box::new(delivery), rung.spread()));
    }

    fn put_off(&mut self, delivery: Delivery, step: &str, fault: &Fault) {
        match self.lane(&delivery) {
            Some(key) => {
                let ticket = ticket(&delivery);
                let again = Ended::Again(key, Box::new(delivery), PUT_OFF.spread());
                self.ended.insert(ticket, again);
            }
            None => {
                let cause = cause(self.reader.flow.name(), step, fault);
                self.end(Hop::put_off(delivery, PUT_OFF, cause));
            }
        }
    }

    async fn complete(&mut self) {
        let flow = self.reader.flow;
        let hops = std::mem::take(&mut self.hops);
        let given_up = flow.complete_or(hops, |input, fault| self.refuse(input, "to", fault));
        for input in given_up.await.iter().flat_map(|hop| &hop.inputs) {
            self.ended.remove(&ticket(input));
        }
    }
}

fn ticket(delivery: &Delivery) -> Ticket {
    (delivery.session, delivery.receipt.tag())
}
