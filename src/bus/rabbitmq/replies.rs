//! The queue on which the answers to a process's requests arrive.
//!
//! It is exclusive to its connection and goes with it, and what lies in it is given out without an ack: an answer is of
//! use to one process only, and for a moment. After a lost connection it is made anew, under another name: the broker
//! may hold the old one for a while. What was asked before is not answered then.
//!
//! A queue of its own, and not the broker's direct reply-to: that answers by the default exchange, which reaches every
//! queue, and only on the channel that has asked.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::StreamExt;
use lapin::{
    Channel, Consumer,
    options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::{task::AbortHandle, time::sleep, time::timeout};
use tracing::{info, warn};
use trunkline_sdk::{Fault, Remedy};

use super::{Landscape, RETRY, faults, lock, topology::REPLY, wire};
use crate::{
    bus::{Replies, reply::fresh_address},
    names::{ProcessName, ReturnAddress},
    recovery::Patience,
};

/// How long the broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// What waits for a process that does not take it; then the oldest is dropped.
const MAX_BYTES: i64 = 64 << 20;

/// The queue, made when it is first needed.
pub(super) struct ReplyQueue {
    landscape: Arc<Landscape>,
    process: ProcessName,
    opened: tokio::sync::Mutex<Option<Arc<Replies>>>,
    task: Mutex<Option<AbortHandle>>,
}

impl ReplyQueue {
    pub(super) fn new(landscape: Arc<Landscape>, process: &ProcessName) -> Self {
        Self {
            landscape,
            process: process.clone(),
            opened: tokio::sync::Mutex::default(),
            task: Mutex::default(),
        }
    }

    /// The answers; begins to receive them, if that is not so yet.
    pub(super) async fn open(&self) -> Result<Arc<Replies>, Fault> {
        let mut opened = self.opened.lock().await;
        if let Some(replies) = &*opened {
            return Ok(replies.clone());
        }
        let Way {
            address,
            channel,
            answers,
        } = receive(&self.landscape, &self.process).await?;
        let replies = Arc::new(Replies::at(address));
        let task = tokio::spawn(run(
            self.landscape.clone(),
            self.process.clone(),
            replies.clone(),
            (channel, answers),
        ));
        *lock(&self.task) = Some(task.abort_handle());
        Ok(opened.insert(replies).clone())
    }

    /// Nothing more is received.
    pub(super) fn close(&self) {
        if let Some(task) = lock(&self.task).take() {
            task.abort();
        }
    }
}

impl Drop for ReplyQueue {
    fn drop(&mut self) {
        self.close();
    }
}

/// Receives answers, again and again after a lost connection.
async fn run(
    landscape: Arc<Landscape>,
    process: ProcessName,
    replies: Arc<Replies>,
    (mut channel, mut answers): (Channel, Consumer),
) {
    loop {
        while let Some(Ok(mut delivery)) = answers.next().await {
            let (envelope, too_much) = wire::open(&mut delivery);
            let opened = envelope.open();
            match opened.unreadable.or(too_much) {
                None => replies.give(opened.message),
                Some(fault) => warn!(error = %fault, "an answer cannot be read"),
            }
        }
        replies.move_to(None);
        drop(channel);
        let mut patience = Patience::up_to(RETRY);
        let lost = std::time::Instant::now();
        (channel, answers) = loop {
            sleep(patience.delay()).await;
            let attempt = async {
                landscape.assert_again(lost).await?;
                receive(&landscape, &process).await
            };
            match attempt.await {
                Ok(way) => {
                    replies.move_to(Some(way.address));
                    break (way.channel, way.answers);
                }
                Err(fault) => warn!(error = %fault, "answers cannot arrive for now"),
            }
        };
        info!("answers arrive again");
    }
}

/// A queue for answers, being read.
struct Way {
    address: ReturnAddress,
    channel: Channel,
    answers: Consumer,
}

/// Makes a queue, and begins to receive from it.
async fn receive(landscape: &Landscape, process: &ProcessName) -> Result<Way, Fault> {
    const DOING: &str = "making the queue for answers";
    let link = &landscape.link;
    let channel = link.channel().await?;
    let address = fresh_address(process.as_str());
    let name = address.as_str();
    let mut arguments = FieldTable::default();
    // Spelled out: where quorum is a broker's default, an exclusive queue cannot be.
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("classic".into()));
    arguments.insert("x-max-length-bytes".into(), MAX_BYTES.into());
    let making = async {
        let options = QueueDeclareOptions {
            exclusive: true,
            auto_delete: true,
            ..QueueDeclareOptions::default()
        };
        channel.queue_declare(name.into(), options, arguments).await?;
        let options = QueueBindOptions::default();
        channel
            .queue_bind(
                name.into(),
                REPLY.into(),
                name.into(),
                options,
                FieldTable::default(),
            )
            .await?;
        let options = BasicConsumeOptions {
            no_ack: true,
            exclusive: true,
            ..BasicConsumeOptions::default()
        };
        channel
            .basic_consume(name.into(), "".into(), options, FieldTable::default())
            .await
    };
    let answers = timeout(PATIENCE, Box::pin(making))
        .await
        .map_err(|_| faults::silent(DOING))?
        .map_err(|error| {
            let fault = faults::refused(error, DOING, link.address());
            if fault.remedy != Remedy::Stop {
                return fault;
            }
            fault.hint("`trunkline topology users` gives a process that asks the rights to its queue")
        })?;
    Ok(Way {
        address,
        channel,
        answers,
    })
}
