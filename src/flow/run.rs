//! The one loop: receive, do the steps, complete the hop.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::{StreamExt, stream::FuturesUnordered};
use jiff::Timestamp;
use tokio::sync::watch;
use trunkline_sdk::{Fault, Remedy};

use super::{
    Emitted, Failed, Keys, Rule, Steps, Verdict,
    memory::Memory,
    ordered,
    outputs::{obeys, outputs, valid},
};
use crate::{
    bus::{Bus, Cause, Delivery, Hop, Outgoing, Subscription, Turns},
    canonical::rules::Rules,
    config::{Feed, FlowPlan, Target},
    endpoint::Outbound,
    message::Content,
    names::{FlowName, QueueName, TypeName},
    observe::{Standing, Tally},
    recovery::{Rung, Schedule},
};

/// Messages a flow has in its hands at most.
const PREFETCH: u16 = 512;
/// Messages it takes at once.
pub(super) const BATCH: usize = 128;
/// Messages that are on their way to channels at once: enough to keep the bus busy while the next are worked on,
/// however few come at a time.
pub(super) const UNDER_WAY: usize = 512;
/// After this a message comes again that has made way for others while its system is down.
pub(super) const PUT_OFF: Rung = Rung::Second30;

/// One running flow that reads a channel.
pub(crate) struct Flow {
    pub(super) name: FlowName,
    pub(super) type_name: TypeName,
    steps: Steps,
    target: Target,
    keys: Keys,
    makes: Arc<BTreeMap<TypeName, Arc<Rules>>>,
    reads: Option<Arc<Rules>>,
    pub(super) retry: Schedule,
    pub(super) bus: Arc<dyn Bus>,
    pub(crate) tally: Arc<Tally>,
    turns: Arc<Turns>,
    stopping: watch::Receiver<bool>,
}

/// Runs a flow that reads a channel, until it is told to stop; then what is under way is finished.
///
/// Faults: the queue cannot be read, or no longer.
pub(crate) async fn run(
    plan: &FlowPlan,
    bus: Arc<dyn Bus>,
    sink: Option<&Outbound>,
    tally: Arc<Tally>,
    stopping: watch::Receiver<bool>,
) -> Result<(), Fault> {
    let Feed::Channel {
        channel,
        type_name,
        order,
    } = &plan.feed
    else {
        return Err(Fault::stop(format!("flow `{}` reads no channel", plan.name)));
    };
    let flow = Flow {
        name: plan.name.clone(),
        type_name: type_name.clone(),
        steps: plan.steps.clone(),
        target: plan.target.clone(),
        keys: plan.keys.clone(),
        makes: plan.makes.clone(),
        reads: plan.reads.clone(),
        retry: plan.retry.clone(),
        bus,
        tally,
        turns: Arc::default(),
        stopping,
    };
    flow.tally.is_paused(sink.is_some_and(Outbound::is_paused));
    if let Some(keyed) = order {
        return ordered::run(&flow, channel, keyed, sink).await;
    }
    let queue = QueueName::of_subscriber(channel, &flow.name);
    let prefetch = flow.steps.pace().map_or(PREFETCH, in_hand);
    let mut subscription = flow.bus.subscribe(&queue, prefetch).await?;
    flow.tally.stands(Standing::AtWork);
    match sink {
        Some(sink) => flow.to_system(sink, &mut subscription).await,
        None => flow.to_channels(&mut subscription).await,
    }
    subscription.close().await;
    if flow.is_stopping() {
        return Ok(());
    }
    Err(ended(&queue))
}

/// How many messages are taken in advance where a step holds them up: what it lets pass in a minute. A broker takes
/// back what is held for long.
fn in_hand(pace: Duration) -> u16 {
    let a_minute = Duration::from_secs(60).as_nanos() / pace.as_nanos().max(1);
    u16::try_from(a_minute).unwrap_or(u16::MAX).clamp(1, PREFETCH)
}

/// The bus has ended a subscription.
pub(super) fn ended(queue: &QueueName) -> Fault {
    Fault::reopen(format!("the bus has ended the reading of queue `{queue}`"))
}

/// Where it is written down what became of messages that went into a system.
#[async_trait]
pub(crate) trait Outcomes: Send {
    /// It has reached its system, and these follow from it.
    fn delivered(&mut self, delivery: Delivery, follow: Vec<Outgoing>);

    /// A fault of this one message.
    fn failed(&mut self, delivery: Delivery, step: &str, fault: &Fault);

    /// Its system is down; it makes way for others, and comes again without having made an attempt.
    fn put_off(&mut self, delivery: Delivery, step: &str, fault: &Fault);

    /// Completes what was written down so far: it need not wait for what is not settled yet.
    async fn complete(&mut self);
}

/// The outcomes of a batch: each is a hop.
struct Batch<'f> {
    flow: &'f Flow,
    hops: Vec<Hop>,
}

#[async_trait]
impl Outcomes for Batch<'_> {
    fn delivered(&mut self, delivery: Delivery, follow: Vec<Outgoing>) {
        self.flow.tally.delivered();
        self.hops.push(Hop::of(delivery, follow));
    }

    fn failed(&mut self, delivery: Delivery, step: &str, fault: &Fault) {
        self.hops.push(self.flow.failed(delivery, step, fault));
    }

    fn put_off(&mut self, delivery: Delivery, step: &str, fault: &Fault) {
        let cause = cause(&self.flow.name, step, fault);
        self.hops.push(Hop::put_off(delivery, PUT_OFF, cause));
    }

    async fn complete(&mut self) {
        self.flow.complete(std::mem::take(&mut self.hops)).await;
    }
}

impl Flow {
    /// Towards channels: several batches are on their way at once.
    async fn to_channels(&self, subscription: &mut Subscription) {
        let mut under_way = FuturesUnordered::new();
        let mut messages = 0;
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                biased;
                () = self.stopping() => break,
                Some(done) = under_way.next() => messages -= done,
                more = subscription.receive(&mut batch, self.at_once()), if messages < UNDER_WAY => {
                    if !more {
                        // What is under way went back when the subscription ended.
                        return;
                    }
                    let mut hops = Vec::with_capacity(batch.len());
                    for delivery in batch.drain(..) {
                        hops.extend(self.unless_stopping(self.hop(delivery)).await);
                    }
                    let taken = hops.len();
                    messages += taken;
                    under_way.push(async move {
                        self.complete(hops).await;
                        taken
                    });
                }
            }
        }
        while under_way.next().await.is_some() {}
    }

    /// Into a system: one batch after the other, so that the system sees the queue's order.
    async fn to_system(&self, sink: &Outbound, subscription: &mut Subscription) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                biased;
                () = self.stopping() => break,
                more = subscription.receive(&mut batch, self.at_once()) => {
                    if !more {
                        break;
                    }
                }
            }
            let mut outcomes = Batch {
                flow: self,
                hops: Vec::with_capacity(batch.len()),
            };
            let mut units = Vec::with_capacity(batch.len());
            for mut delivery in batch.drain(..) {
                let Some(verdict) = self.unless_stopping(self.step(&mut delivery)).await else {
                    continue;
                };
                match verdict {
                    Ok(Verdict::Emitted(emitted)) => units.push((delivery, emitted)),
                    Ok(Verdict::Filtered(rule)) => outcomes.hops.push(self.filtered(delivery, rule)),
                    Ok(Verdict::Delayed(until)) => outcomes.hops.push(self.delayed(delivery, until)),
                    Err(failed) => outcomes.failed(delivery, failed.step, &failed.fault),
                }
            }
            sink.write(self, units, &mut outcomes).await;
            outcomes.complete().await;
        }
    }

    /// How many messages are worked on together: where a step holds them up, none waits for those behind it.
    pub(super) fn at_once(&self) -> usize {
        if self.steps.pace().is_some() { 1 } else { BATCH }
    }

    /// Where a step holds a message up, a stop does not wait for it: the message goes back.
    async fn unless_stopping<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        if self.steps.pace().is_none() {
            return Some(work.await);
        }
        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.stopping() => None,
        }
    }

    /// The message waits on the bus, on the longest rung that is not too long.
    pub(super) fn delayed(&self, delivery: Delivery, until: Timestamp) -> Hop {
        self.tally.delayed();
        let left = until.duration_since(Timestamp::now());
        let left = Duration::try_from(left).unwrap_or_default();
        Hop::delay(delivery, Rung::at_most(left))
    }

    /// What becomes of a delivery that goes towards channels.
    async fn hop(&self, mut delivery: Delivery) -> Hop {
        let outcome = match self.step(&mut delivery).await {
            Ok(Verdict::Emitted(emitted)) => self.outputs(&delivery, emitted),
            Ok(Verdict::Filtered(rule)) => return self.filtered(delivery, rule),
            Ok(Verdict::Delayed(until)) => return self.delayed(delivery, until),
            Err(failed) => Err(failed),
        };
        match outcome {
            Ok(outputs) => Hop::of(delivery, outputs),
            Err(failed) => self.failed(delivery, failed.step, &failed.fault),
        }
    }

    /// Gives what came out of the steps its destination, if it obeys the rules of its type.
    pub(crate) fn outputs(&self, of: &Delivery, emitted: Vec<Emitted>) -> Result<Vec<Outgoing>, Failed> {
        // What passes as it came was checked where it came in.
        let made = emitted
            .iter()
            .filter(|emitted| emitted.message.id != of.message.id);
        valid(&self.makes, made, &self.tally)?;
        outputs(&self.name, emitted, &self.target, &self.keys)
    }

    /// Takes a message through the steps; what they remember of it goes with it until it is settled.
    pub(super) async fn step(&self, delivery: &mut Delivery) -> Result<Verdict, Failed> {
        self.tally.received(delivery.redelivered || delivery.attempt > 1);
        self.acceptable(delivery).map_err(|fault| Failed {
            step: "receive",
            fault,
        })?;
        if delivery
            .message
            .expires_at
            .is_some_and(|at| at < Timestamp::now())
        {
            return Ok(Verdict::Filtered(Rule("expired".into())));
        }
        if matches!(self.target, Target::Reply { .. }) && delivery.message.reply_to.is_none() {
            return Ok(Verdict::Filtered(Rule("no return address".into())));
        }
        let mut memory = Memory {
            bus: &*self.bus,
            turns: &self.turns,
            memos: Vec::new(),
        };
        let verdict = self.steps.work(delivery.message.clone(), Some(&mut memory)).await;
        delivery.memos = memory.memos;
        verdict
    }

    /// Anyone may publish to a channel: is this what it carries?
    fn acceptable(&self, delivery: &Delivery) -> Result<(), Fault> {
        if let Some(fault) = &delivery.unreadable {
            return Err(Fault {
                hint: fault.hint.clone(),
                ..Fault::dead_letter(fault.what.clone())
            });
        }
        match &delivery.message.content {
            Content::Canonical { type_name, bytes } if *type_name == self.type_name => {
                obeys(self.reads.as_deref(), bytes, &self.tally)
            }
            Content::Canonical { type_name, .. } => Err(Fault::dead_letter(format!(
                "the message is a `{type_name}`, but the channel carries `{}`",
                self.type_name
            ))
            .hint("publish it to the channel of its type")),
            Content::Native(_) => Err(Fault::dead_letter(
                "the message is not encoded as `application/protobuf`",
            )
            .hint(format!(
                "publish a `{}`, with its full name in the property `type`",
                self.type_name
            ))),
        }
    }

    pub(super) fn filtered(&self, delivery: Delivery, rule: Rule) -> Hop {
        self.tally.filtered(rule);
        Hop::of(delivery, Vec::new())
    }

    /// A fault of one message: tried again later as long as its schedule allows, else parked.
    pub(super) fn failed(&self, delivery: Delivery, step: &str, fault: &Fault) -> Hop {
        let again = match fault.remedy {
            Remedy::DeadLetter => None,
            Remedy::Retry | Remedy::Wait | Remedy::Reopen | Remedy::Stop => {
                self.retry.after(delivery.attempt)
            }
        };
        let cause = cause(&self.name, step, fault);
        let (id, attempt) = (&delivery.message.id, delivery.attempt);
        match again {
            Some(after) => {
                tracing::debug!(flow = %self.name, message_id = %id, attempt, error = %fault, "tried again later");
                self.tally.retried();
                Hop::retry(delivery, after, cause)
            }
            None => {
                tracing::debug!(flow = %self.name, message_id = %id, attempt, error = %fault, "parked");
                self.tally.parked(&cause);
                Hop::park(delivery, cause)
            }
        }
    }

    /// The flow's name.
    pub(crate) fn name(&self) -> &FlowName {
        &self.name
    }

    /// Whether it was told to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Resolves when it is told to stop.
    pub(crate) async fn stopping(&self) {
        // An error means that the runtime is gone, which is a stop as well.
        let _ = self.stopping.clone().wait_for(|stopping| *stopping).await;
    }
}

/// The cause that goes with a message which is tried again or parked.
pub(crate) fn cause(flow: &FlowName, step: &str, fault: &Fault) -> Cause {
    Cause {
        what: fault.what.clone(),
        hint: fault.hint.clone(),
        flow: flow.clone(),
        step: step.to_owned(),
        at: Timestamp::now(),
    }
}
