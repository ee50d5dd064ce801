//! The source's side of its intake: where it hands in its records, and asks.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use prost_reflect::DescriptorPool;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, timeout_at},
};
use trunkline_formats::{json, media_type};
use trunkline_sdk::{Body, Fault, Intake, Receipt, Record, Remedy, Reply};

use super::inbound::Offered;
use crate::{
    bus::Bus,
    canonical::Tree,
    message::{Content, Message},
    names::{FlowName, MessageId, ReturnAddress, SystemName, TypeName},
    observe::Tally,
};

/// After this a caller may come again.
const AGAIN: Duration = Duration::from_secs(5);

/// The source's side of the intake of one flow.
pub(super) struct Desk {
    pub(super) sender: mpsc::Sender<Offered>,
    pub(super) stopping: watch::Receiver<bool>,
    pub(super) system: SystemName,
    pub(super) flow: FlowName,
    pub(super) bus: Arc<dyn Bus>,
    pub(super) tally: Arc<Tally>,
    pub(super) answers: Answers,
}

/// What makes a record a request.
pub(super) struct Request {
    /// Where the answer is waited for.
    pub(super) address: ReturnAddress,
    /// Until when.
    pub(super) expires_at: Timestamp,
}

impl Desk {
    async fn hand_in(
        &self,
        record: Record,
        until: Option<Instant>,
        request: Option<Request>,
    ) -> Result<Receipt, Fault> {
        let (answer, answered) = oneshot::channel();
        // Unconstrained: a source keeps many of these in one set of futures, polled in its order. One that used up
        // its turn would be polled behind its successors, and their positions pass over it.
        let accepted = tokio::task::unconstrained(async {
            let offered = Offered {
                record,
                answer,
                request,
            };
            self.sender.send(offered).await.ok()?;
            answered.await.ok()
        });
        let receipt = match until {
            Some(until) => timeout_at(until, accepted).await.unwrap_or(None),
            None => accepted.await,
        };
        receipt.ok_or_else(|| {
            let what = if *self.stopping.borrow() {
                "Trunkline is stopping"
            } else {
                "the bus has not confirmed the record"
            };
            Fault::wait(what, AGAIN)
        })
    }

    async fn ask_until(
        &self,
        record: Record,
        deadline: Duration,
        until: Instant,
    ) -> Result<Option<Message>, Fault> {
        let Ok(replies) = timeout_at(until, self.bus.replies()).await else {
            return Ok(None);
        };
        // A caller waits: what is away now is to be told at once.
        let away = |what: String| Fault::wait(what, AGAIN);
        let replies = replies.map_err(|fault| match fault.remedy {
            Remedy::Stop => fault,
            _ => away(fault.what),
        })?;
        let address = replies.address();
        let address = address.ok_or_else(|| away("the way of answers to here is interrupted".to_owned()))?;
        let mut expected = replies.expect(&MessageId::of_event(&self.system, &self.flow, &record.id));
        let request = Request {
            address,
            expires_at: Timestamp::now()
                .saturating_add(deadline)
                .unwrap_or(Timestamp::MAX),
        };
        match self.hand_in(record, Some(until), Some(request)).await? {
            Receipt::Published => Ok(timeout_at(until, expected.reply()).await.ok()),
            Receipt::Filtered(rule) => Err(Fault::dead_letter(format!(
                "nobody answers: the request ends by the rule `{rule}`"
            ))),
            Receipt::Parked => Err(Fault::dead_letter(
                "nobody answers: the request cannot be mapped, and is parked",
            )
            .hint("see what is parked for the flow")),
        }
    }
}

#[async_trait]
impl Intake for Desk {
    async fn accept(&self, record: Record, patience: Option<Duration>) -> Result<Receipt, Fault> {
        let until = patience.map(|patience| Instant::now() + patience);
        self.hand_in(record, until, None).await
    }

    async fn ask(&self, record: Record, deadline: Duration) -> Result<Reply, Fault> {
        let until = Instant::now() + deadline;
        match self.ask_until(record, deadline, until).await? {
            Some(reply) => self.answers.read(reply).map(|body| Reply { body }),
            None => {
                self.tally.unanswered();
                Err(Fault::wait("no answer came within the deadline", AGAIN)
                    .hint("see that the flow which answers runs, and how long it takes"))
            }
        }
    }

    async fn stopping(&self) {
        // An error means that the runtime is gone, which is a stop as well.
        let _ = self.stopping.clone().wait_for(|stopping| *stopping).await;
    }
}

/// Answers as whoever asked sees them.
pub(super) struct Answers {
    types: DescriptorPool,
    /// The forms of the types that have come.
    trees: Mutex<HashMap<TypeName, Arc<Tree>>>,
}

impl Answers {
    pub(super) fn new(types: DescriptorPool) -> Self {
        Self {
            types,
            trees: Mutex::default(),
        }
    }

    fn read(&self, reply: Message) -> Result<Body, Fault> {
        let text = match reply.content {
            Content::Native(body @ Body::Bytes { .. }) => return Ok(body),
            Content::Native(Body::Value(value)) => json::write(&value),
            Content::Canonical { type_name, bytes } => {
                let tree = self.tree(&type_name).ok_or_else(|| {
                    Fault::dead_letter(format!(
                        "the answer is a `{type_name}`, which the landscape does not know"
                    ))
                    .hint("have it answered with a type of the landscape, or with a record")
                })?;
                let value = tree.read(&bytes).map_err(|broken| {
                    Fault::dead_letter(format!("the answer cannot be read: {broken}"))
                        .hint("whoever answers has encoded it otherwise than its `type` says")
                })?;
                json::write(&value)
            }
        };
        Ok(Body::Bytes {
            content_type: media_type::JSON.to_owned(),
            bytes: text.into(),
        })
    }

    fn tree(&self, type_name: &TypeName) -> Option<Arc<Tree>> {
        // A panic in between leaves the map as it was.
        let mut trees = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tree) = trees.get(type_name) {
            return Some(tree.clone());
        }
        let descriptor = self.types.get_message_by_name(type_name.as_str())?;
        let tree = Arc::new(Tree::new(&descriptor));
        trees.insert(type_name.clone(), tree.clone());
        Some(tree)
    }
}
