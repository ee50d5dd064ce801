//! Sends a request for each message.
//!
//! Promises: messages of one key, and parts of one message, are sent one after the other, each when the one before was
//! answered; when the system takes none, the rest of a batch is not tried.
//! Not promised: order among messages without a common key; that parts of one message take effect together.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};
use trunkline_sdk::{Delivered, Fault, Outcome, Remedy, Sink};

use crate::{
    client::{Client, held},
    job::Job,
    verdict,
};

/// So many requests without an answer, and the rest of a batch waits.
const MOST_LOST: usize = 3;

/// One flow's way into the system.
pub(crate) struct HttpSink {
    client: Arc<Client>,
    job: Job,
}

/// What a batch has learnt so far.
#[derive(Default)]
struct Course {
    /// Why the rest is not tried.
    ended: Option<Fault>,
    lost: usize,
    /// Units of which a part was not taken.
    broken: HashSet<String>,
}

impl HttpSink {
    pub(crate) fn new(client: Arc<Client>, job: Job) -> Self {
        Self { client, job }
    }

    /// Sends messages one after the other.
    async fn send(
        &self,
        batch: &[Delivered],
        lane: Vec<usize>,
        course: &Mutex<Course>,
    ) -> Vec<(usize, Outcome)> {
        let mut outcomes = Vec::with_capacity(lane.len());
        for at in lane {
            let message = &batch[at];
            let unit = &message.context.unit;
            let refusal = locked(course).refusal(unit);
            let outcome = match refusal {
                Some(fault) => Outcome::NotTried(fault),
                None => self.send_one(message).await,
            };
            locked(course).learn(unit, &outcome);
            outcomes.push((at, outcome));
        }
        outcomes
    }

    async fn send_one(&self, message: &Delivered) -> Outcome {
        if let Some(patience) = self.client.pace.held() {
            return Outcome::NotTried(held(patience));
        }
        let call = match self.job.call(&self.client.site.base, message) {
            Ok(call) => call,
            Err(fault) => return Outcome::Rejected(fault),
        };
        match self.client.ask(call).await {
            Ok(answer) => verdict::judge(&self.job, &self.client.pace, &answer),
            Err(trouble) => verdict::unanswered(&self.job, trouble),
        }
    }
}

impl Course {
    /// Why a part of this unit is not sent.
    fn refusal(&self, unit: &str) -> Option<Fault> {
        if self.broken.contains(unit) {
            return Some(Fault::retry("another part of its message was not taken"));
        }
        self.ended.as_ref().map(copy)
    }

    fn learn(&mut self, unit: &str, outcome: &Outcome) {
        let (fault, is_answered) = match outcome {
            Outcome::Applied(_) | Outcome::AlreadyThere(_) => {
                self.lost = 0;
                return;
            }
            Outcome::Rejected(fault) => (fault, true),
            Outcome::InDoubt(fault) | Outcome::NotTried(fault) => (fault, false),
        };
        self.broken.insert(unit.to_owned());
        self.lost = if is_answered { 0 } else { self.lost + 1 };
        if self.ended.is_none()
            && (matches!(fault.remedy, Remedy::Stop | Remedy::Wait) || self.lost >= MOST_LOST)
        {
            self.ended = Some(copy(fault));
        }
    }
}

#[async_trait]
impl Sink for HttpSink {
    async fn write(&self, batch: &[Delivered]) -> Vec<Outcome> {
        let course = Mutex::new(Course::default());
        let mut lanes: Vec<Vec<usize>> = Vec::new();
        let mut known = HashMap::new();
        for (at, message) in batch.iter().enumerate() {
            let name = message.record.key.as_ref().unwrap_or(&message.context.unit);
            let lane = *known.entry(name).or_insert_with(|| {
                lanes.push(Vec::new());
                lanes.len() - 1
            });
            lanes[lane].push(at);
        }
        let lanes: Vec<BoxFuture<'_, _>> = lanes
            .into_iter()
            .map(|lane| self.send(batch, lane, &course).boxed())
            .collect();
        let mut sent: Vec<(usize, Outcome)> = stream::iter(lanes)
            .buffer_unordered(self.client.site.concurrency)
            .flat_map(stream::iter)
            .collect()
            .await;
        sent.sort_by_key(|(at, _)| *at);
        sent.into_iter().map(|(_, outcome)| outcome).collect()
    }
}

fn locked(course: &Mutex<Course>) -> std::sync::MutexGuard<'_, Course> {
    course.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The fault of another message.
fn copy(fault: &Fault) -> Fault {
    Fault {
        remedy: fault.remedy,
        what: fault.what.clone(),
        hint: fault.hint.clone(),
        retry_after: fault.retry_after,
        source: None,
    }
}
