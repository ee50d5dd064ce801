//! Messages that came back again and again: one of them may kill the process that works on it.
//!
//! The broker counts how often each came back: after a kill, a lost connection, a closed subscription. That is no
//! proof, for a kill takes everything with it that was given out. After [`RETURNS`] of them a message is a suspect. It
//! is given out alone: nothing else of its queue and no other suspect of this process is under way, and the store says
//! so before. If the process dies then as well, the message is parked when it comes to this process again.
//!
//! A lost connection is no death, nor is a bus that is closed in good order. Not promised: the same for several
//! processes of one name that share a store; there a suspect may run alone once more than it should.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use jiff::Timestamp;
use lapin::types::AMQPValue;
use serde::{Deserialize, Serialize};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
    time::sleep,
};
use tracing::{error, warn};
use trunkline_sdk::Fault;

use super::{hops::Hops, lock};
use crate::{
    bus::{Cause, Delivery, Hop, StateKey},
    names::{ProcessName, QueueName},
    recovery::Patience,
    store::StateStore,
};

/// After how many returns a message is given out alone.
const RETURNS: u64 = 5;
/// How many are remembered of which a process died. More do not come again soon, or were settled elsewhere.
const REMEMBERED: usize = 100;

/// The suspects of a process.
pub(super) struct Suspects {
    store: Arc<dyn StateStore>,
    key: StateKey,
    marks: Mutex<Marks>,
    /// Held while the marks are written, so that what is written last is what is so.
    writing: Mutex<()>,
    turns: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Marks {
    /// A process of this name died while it had them alone; the oldest first.
    killers: Vec<Mark>,
    /// What this process has alone.
    alone: Option<Mark>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    queue: String,
    id: String,
}

/// A delivery that may kill.
#[derive(Debug)]
pub(super) struct Suspect {
    pub(super) delivery: Delivery,
    /// How often it came back.
    pub(super) returns: u64,
}

/// How often a delivery came back, if that makes it a suspect.
pub(super) fn returns(delivery: &lapin::message::Delivery) -> Option<u64> {
    // The broker says so itself: a publisher's header of this name counts for nothing.
    if !delivery.redelivered {
        return None;
    }
    let headers = delivery.properties.headers().as_ref()?;
    let count = match headers.inner().get("x-delivery-count")? {
        AMQPValue::LongLongInt(count) => u64::try_from(*count).ok(),
        AMQPValue::LongInt(count) => u64::try_from(*count).ok(),
        AMQPValue::ShortInt(count) => u64::try_from(*count).ok(),
        AMQPValue::ShortShortInt(count) => u64::try_from(*count).ok(),
        AMQPValue::LongUInt(count) => Some(u64::from(*count)),
        AMQPValue::ShortUInt(count) => Some(u64::from(*count)),
        AMQPValue::ShortShortUInt(count) => Some(u64::from(*count)),
        _ => None,
    };
    count.filter(|count| *count >= RETURNS)
}

impl Suspects {
    /// A process of this name begins: what it had alone when it ended was its death.
    pub(super) async fn begin(store: Arc<dyn StateStore>, process: &ProcessName) -> Result<Arc<Self>, Fault> {
        let key = StateKey::suspects(process);
        let (reader, of) = (store.clone(), key.clone());
        let stored = spawn_blocking(move || reader.load(&of))
            .await
            .map_err(|error| Fault::stop("the store failed while reading the suspects").because(error))??;
        // Written by us; if it is damaged, a suspect runs alone once more.
        let killers = stored.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Ok(Arc::new(Self {
            store,
            key,
            marks: Mutex::new(Marks {
                killers: killers.unwrap_or_default(),
                alone: None,
            }),
            writing: Mutex::default(),
            turns: Arc::new(Semaphore::new(1)),
        }))
    }

    /// What is done about a suspect when all else of its queue is settled: it gets its turn to be given out alone, or
    /// is parked (`None`). Takes as long as the store and the bus are away.
    pub(super) async fn judge(self: Arc<Self>, suspect: Suspect, hops: Hops) -> Option<(Delivery, Turn)> {
        let Suspect { delivery, returns } = suspect;
        let mark = Mark {
            queue: delivery.queue().as_str().to_owned(),
            id: delivery.message.id.as_str().to_owned(),
        };
        if lock(&self.marks).killers.contains(&mark) {
            error!(queue = %mark.queue, message_id = %mark.id, "a message that killed its process is parked");
            let cause = cause(delivery.queue(), returns);
            if park(&hops, Hop::park(delivery, cause)).await {
                lock(&self.marks).killers.retain(|killer| *killer != mark);
                self.write_soon(None);
            }
            return None;
        }
        warn!(queue = %mark.queue, message_id = %mark.id, returns, "a message that came back often runs alone");
        let turn = self.turn(mark).await;
        Some((delivery, turn))
    }

    /// The process ends in good order: of what it had alone it did not die.
    pub(super) async fn end(self: &Arc<Self>) {
        if lock(&self.marks).alone.take().is_some()
            && let Err(fault) = self.write().await
        {
            warn!(error = %fault, "that a message runs alone no more was not stored");
        }
    }

    async fn turn(self: &Arc<Self>, mark: Mark) -> Turn {
        let permit = self.turns.clone().acquire_owned().await;
        lock(&self.marks).alone = Some(mark);
        // From here on, whoever drops it takes the mark back.
        let turn = Turn {
            suspects: self.clone(),
            permit: permit.ok(),
        };
        let mut patience = Patience::new();
        while let Err(fault) = self.write().await {
            warn!(error = %fault, "a message that may kill its process waits for the store");
            sleep(patience.delay()).await;
        }
        turn
    }

    async fn write(self: &Arc<Self>) -> Result<(), Fault> {
        let suspects = self.clone();
        spawn_blocking(move || suspects.write_now())
            .await
            .map_err(|error| Fault::stop("the store failed while saving the suspects").because(error))?
    }

    /// Writes without being waited for; the permit is given back afterwards.
    fn write_soon(self: &Arc<Self>, permit: Option<OwnedSemaphorePermit>) {
        // At the end of the program nobody runs any more who could: then the bus was closed before.
        if let Ok(runtime) = Handle::try_current() {
            let suspects = self.clone();
            runtime.spawn_blocking(move || {
                if let Err(fault) = suspects.write_now() {
                    warn!(error = %fault, "that a message runs alone no more is not stored yet");
                }
                drop(permit);
            });
        }
    }

    fn write_now(&self) -> Result<(), Fault> {
        let _writing = lock(&self.writing);
        let all = {
            let marks = lock(&self.marks);
            let all: Vec<_> = marks.killers.iter().chain(&marks.alone).cloned().collect();
            all
        };
        let kept = &all[all.len().saturating_sub(REMEMBERED)..];
        let bytes = serde_json::to_vec(kept)
            .map_err(|error| Fault::stop("the suspects cannot be written").because(error))?;
        self.store.save(&[(self.key.clone(), Bytes::from(bytes))])
    }
}

/// One message is out alone. When it is dropped, that is over, and the next suspect has its turn.
pub(super) struct Turn {
    suspects: Arc<Suspects>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        lock(&self.suspects.marks).alone = None;
        self.suspects.write_soon(self.permit.take());
    }
}

/// Tries until it is parked; false: its subscription was closed before.
async fn park(hops: &Hops, mut hop: Hop) -> bool {
    let mut patience = Patience::new();
    loop {
        let refused = match hops.complete(vec![hop]).await.pop() {
            None | Some(Ok(())) => return true,
            Some(Err(refused)) => refused,
        };
        if refused.hop.inputs.iter().any(|input| input.receipt.is_closed()) {
            return false;
        }
        warn!(error = %refused.fault, "a message that killed its process is not parked yet");
        hop = refused.hop;
        sleep(patience.delay()).await;
    }
}

fn cause(queue: &QueueName, returns: u64) -> Cause {
    Cause {
        what: format!(
            "the process died while it worked on this message alone, after it was given out {returns} times without \
             an end"
        ),
        hint: Some(
            "look for the end of the process in its log and the system's; replay the message when that is mended"
                .to_owned(),
        ),
        flow: queue.flow(),
        step: "process".to_owned(),
        at: Timestamp::now(),
    }
}
