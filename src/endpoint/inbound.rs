//! From a source onto the bus: records are taken through the steps, and their senders hear when they are safe.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Instant, SystemTime},
};

use bytes::Bytes;
use jiff::Timestamp;
use prost_reflect::DescriptorPool;
use tokio::sync::{mpsc, oneshot, watch};
use trunkline_sdk::{Fault, Outlet, Position, Receipt, Record, Source};

use super::asking::{Answers, Desk, Request};

use crate::{
    bus::{Bus, Destination, Hop, Outgoing, StateKey},
    canonical::rules::Rules,
    config::{Feed, FlowPlan, Target},
    flow::{Failed, Keys, Steps, Verdict, cause, onward, outputs, tell_refused, valid},
    message::{Content, Message, Trace},
    names::{FlowName, MessageId, QueueName, SystemName, TypeName},
    observe::{Standing, Tally},
    recovery::Patience,
};

/// Records that wait to be taken through the steps, and that are published together.
const BATCH: usize = 256;

/// The intake of one flow that reads a system.
pub(crate) struct Inbound {
    flow: FlowName,
    system: SystemName,
    uri: Arc<str>,
    queue: QueueName,
    steps: Steps,
    target: Target,
    keys: Keys,
    makes: Arc<BTreeMap<TypeName, Arc<Rules>>>,
    types: DescriptorPool,
    bus: Arc<dyn Bus>,
    tally: Arc<Tally>,
    stopping: watch::Receiver<bool>,
}

/// A record on its way, and who waits for its receipt.
pub(super) struct Offered {
    pub(super) record: Record,
    pub(super) answer: oneshot::Sender<Heard>,
    /// Set where an answer is waited for.
    pub(super) request: Option<Request>,
}

/// A receipt, and why the record was parked if it was.
pub(super) type Heard = (Receipt, Option<String>);

/// A hop, and who waits for it.
struct Pending {
    hop: Hop,
    answers: Vec<(oneshot::Sender<Heard>, Heard)>,
}

impl Inbound {
    /// The intake of this flow; `None` if the flow reads a channel. `types`: those that answers may have.
    pub(crate) fn new(
        plan: &FlowPlan,
        types: &DescriptorPool,
        bus: Arc<dyn Bus>,
        tally: Arc<Tally>,
        stopping: watch::Receiver<bool>,
    ) -> Option<Self> {
        let Feed::System { system, .. } = &plan.feed else {
            return None;
        };
        Some(Self {
            flow: plan.name.clone(),
            system: system.clone(),
            uri: format!("/{system}/{}", plan.name).into(),
            queue: QueueName::of_source(system, &plan.name),
            steps: plan.steps.clone(),
            target: plan.target.clone(),
            keys: plan.keys.clone(),
            makes: plan.makes.clone(),
            types: types.clone(),
            bus,
            tally,
            stopping,
        })
    }

    /// Runs the source until it ends or is told to stop. What it sent is safe when this returns. `starting` is
    /// dropped when the source is at work.
    ///
    /// Faults: the source's own, and those of reading the stored position.
    pub(crate) async fn run(
        &self,
        source: &mut dyn Source,
        starting: Option<oneshot::Sender<()>>,
    ) -> Result<(), Fault> {
        let key = StateKey::position(&self.system, &self.flow);
        let resume = self.bus.state(&key).await?.map(Position);
        let (sender, offered) = mpsc::channel(BATCH);
        let outlet = Outlet::new(Arc::new(Desk {
            sender,
            stopping: self.stopping.clone(),
            system: self.system.clone(),
            flow: self.flow.clone(),
            bus: self.bus.clone(),
            tally: self.tally.clone(),
            answers: Answers::new(self.types.clone()),
        }));
        // When the source returns it drops its outlet, and that ends the intake.
        let work = source.run(outlet, resume);
        let (ended, (), ()) = tokio::join!(work, self.take_in(offered, &key), async {
            self.tally.stands(Standing::AtWork);
            drop(starting);
        });
        ended
    }

    async fn take_in(&self, mut offered: mpsc::Receiver<Offered>, key: &StateKey) {
        let mut batch = Vec::with_capacity(BATCH);
        // Where a step holds messages up, none waits for those behind it.
        let limit = if self.steps.pace().is_some() { 1 } else { BATCH };
        while offered.recv_many(&mut batch, limit).await > 0 {
            let mut pending: Vec<Pending> = Vec::with_capacity(batch.len());
            for Offered {
                record,
                answer,
                request,
            } in batch.drain(..)
            {
                // Nobody waits: its sender was told that it is not safe, and sends it again. Not so with a position,
                // which the next record's would pass over.
                if answer.is_closed() && record.position.is_none() {
                    continue;
                }
                let position = record
                    .position
                    .as_ref()
                    .map(|position| (key.clone(), position.0.clone()));
                let mut stopping = self.stopping.clone();
                let (outputs, receipt) = tokio::select! {
                    biased;
                    made = self.steps(record, request) => made,
                    // A step that holds it up; who sent it hears that it is not safe.
                    _ = stopping.wait_for(|stopping| *stopping), if limit == 1 => return,
                };
                match pending.last_mut() {
                    // Records with a position go as one hop, so that the position never gets ahead of a record.
                    Some(last) if position.is_some() && last.hop.state.is_some() => {
                        last.hop.outputs.extend(outputs);
                        last.hop.state = position;
                        last.answers.push((answer, receipt));
                    }
                    _ => pending.push(Pending::new(outputs, position, (answer, receipt))),
                }
            }
            if !self.publish(pending).await {
                // Nothing more is taken: a position behind what was refused would pass over it.
                return;
            }
        }
    }

    /// Takes a record through the steps: what it becomes on the bus, and what its sender hears then.
    async fn steps(&self, record: Record, request: Option<Request>) -> (Vec<Outgoing>, Heard) {
        self.tally.received(false);
        let unreadable = record.unreadable.clone();
        let mut message = self.message(record);
        if let Some(Request { address, expires_at }) = request {
            message.reply_to = Some(address.as_str().into());
            message.expires_at = Some(expires_at);
        }
        let original = message.clone();
        let applied = match unreadable {
            None => self.steps.apply(message).await,
            Some(what) => {
                let fault =
                    Fault::dead_letter(what).hint("mend it where it comes from, and have it sent again");
                Err(Failed { step: "read", fault })
            }
        };
        let outcome = match applied {
            Ok(Verdict::Emitted(emitted)) => valid(&self.makes, emitted.iter(), &self.tally)
                .and_then(|()| outputs(&self.flow, emitted, &self.target, &self.keys)),
            // Whoever delays is refused where nothing can wait.
            Ok(Verdict::Delayed(_)) => Err(Failed {
                step: "delay",
                fault: Fault::stop("a record cannot wait here"),
            }),
            Ok(Verdict::Filtered(rule)) => {
                let receipt = Receipt::Filtered(rule.to_string());
                self.tally.filtered(rule);
                return (Vec::new(), (receipt, None));
            }
            Err(failed) => Err(failed),
        };
        match outcome.and_then(carried) {
            Ok(outputs) => (outputs, (Receipt::Published, None)),
            Err(failed) => {
                tracing::debug!(flow = %self.flow, message_id = %original.id, error = %failed.fault, "parked");
                let cause = cause(&self.flow, failed.step, &failed.fault);
                self.tally.parked(&cause);
                let why = Some(cause.what.clone());
                let to = Destination::Parked {
                    queue: self.queue.clone(),
                    attempt: 1,
                    order: None,
                    cause,
                };
                (
                    vec![Outgoing {
                        to,
                        message: original,
                    }],
                    (Receipt::Parked, why),
                )
            }
        }
    }

    /// Publishes until the bus has taken all, or nobody waits for the rest any more. False: the flow is stopping, and
    /// the bus has not taken all.
    async fn publish(&self, mut pending: Vec<Pending>) -> bool {
        let mut patience = Patience::new();
        let mut told = false;
        let began = Instant::now();
        loop {
            let (hops, answers): (Vec<_>, Vec<_>) = pending
                .into_iter()
                .map(|pending| (pending.hop, pending.answers))
                .unzip();
            pending = Vec::new();
            let onward: Vec<_> = hops.iter().map(onward).collect();
            let results = self.bus.complete(hops).await.into_iter().zip(onward);
            for ((result, onward), answers) in results.zip(answers) {
                match result {
                    Ok(()) => {
                        self.tally.published(onward);
                        self.tally.done(began.elapsed(), answers.len());
                        for (answer, receipt) in answers {
                            // Closed: its sender gave up in the meantime, and will send it again.
                            let _ = answer.send(receipt);
                        }
                    }
                    Err(refused) => {
                        if !told {
                            tell_refused(&self.flow, 1, &refused.fault);
                            told = true;
                        }
                        if refused.hop.state.is_some()
                            || answers.iter().any(|(answer, _)| !answer.is_closed())
                        {
                            pending.push(Pending {
                                hop: refused.hop,
                                answers,
                            });
                        }
                    }
                }
            }
            if pending.is_empty() {
                return true;
            }
            // The senders of what is left hear by their dropped answers that it is not safe.
            if *self.stopping.borrow() {
                return false;
            }
            let mut stopping = self.stopping.clone();
            tokio::select! {
                () = tokio::time::sleep(patience.delay()) => {}
                _ = stopping.wait_for(|stopping| *stopping) => {}
            }
        }
    }

    fn message(&self, record: Record) -> Message {
        let id = MessageId::of_event(&self.system, &self.flow, &record.id);
        let time = Timestamp::try_from(record.time.unwrap_or_else(SystemTime::now));
        let attribute = |name: &str| {
            let found = record.attributes.iter().find(|(attribute, _)| attribute == name);
            found.map(|(_, value)| Arc::<str>::from(value.as_str()))
        };
        let trace = attribute("traceparent").map(|parent| Trace {
            parent,
            state: attribute("tracestate"),
        });
        let mut message = Message::new(
            id,
            self.uri.clone(),
            time.unwrap_or(Timestamp::UNIX_EPOCH),
            Content::Native(record.body),
        );
        message.correlation_id = Some(message.id.as_str().into());
        message.subject = record.subject.map(Arc::from);
        message.key = record.key.map(Arc::from);
        message.trace = trace;
        message.facts = record.attributes.into();
        message
    }
}

/// Refuses what no bus carries, before it is put together with others, whose records it would hold up.
fn carried(outputs: Vec<Outgoing>) -> Result<Vec<Outgoing>, Failed> {
    match outputs.iter().find_map(Outgoing::too_large) {
        None => Ok(outputs),
        Some(fault) => Err(Failed { step: "to", fault }),
    }
}

impl Pending {
    fn new(
        outputs: Vec<Outgoing>,
        state: Option<(StateKey, Bytes)>,
        answer: (oneshot::Sender<Heard>, Heard),
    ) -> Self {
        Self {
            hop: Hop {
                inputs: Vec::new(),
                outputs,
                state,
            },
            answers: vec![answer],
        }
    }
}
