//! Looking into queues without taking anything out.

use std::time::Duration;

use lapin::{Channel, options::QueueDeclareOptions, types::FieldTable};
use tokio::time::timeout;
use trunkline_sdk::Fault;

use super::{
    faults::{self, NOT_FOUND},
    link::Link,
    reading::Reading,
    wire,
};
use crate::{
    bus::{Parked, ParkedMark},
    names::QueueName,
};

pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// What is in others' hands may be back after this.
const BUSY: Duration = Duration::from_secs(1);

/// What a queue says of itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    /// Messages that nobody holds.
    pub(super) ready: u32,
    /// Consumers, also those that are gone but for what they hold.
    pub(super) consumers: u32,
}

/// How a queue stands. Faults: `Stop` when it is not there, which ends the channel.
pub(super) async fn standing(channel: &Channel, queue: &str, link: &Link) -> Result<Standing, Fault> {
    let doing = format!("looking at queue `{queue}`");
    timeout(PATIENCE, Box::pin(asking(channel, queue)))
        .await
        .map_err(|_| faults::silent(&doing))?
        .map_err(|error| faults::refused(error, &doing, link.address()))
}

async fn asking(channel: &Channel, queue: &str) -> lapin::Result<Standing> {
    let options = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let found = channel
        .queue_declare(queue.into(), options, FieldTable::default())
        .await?;
    Ok(Standing {
        ready: found.message_count(),
        consumers: found.consumer_count(),
    })
}

/// How many messages wait in a queue; `None`: there is no such queue.
pub(super) async fn ready(link: &Link, queue: &str) -> Result<Option<u64>, Fault> {
    let doing = format!("looking at queue `{queue}`");
    let channel = link.channel().await?;
    let answer = timeout(PATIENCE, Box::pin(asking(&channel, queue)))
        .await
        .map_err(|_| faults::silent(&doing))?;
    match answer {
        Ok(found) => {
            close(&channel).await;
            Ok(Some(u64::from(found.ready)))
        }
        Err(error) if faults::refusal(&error).is_some_and(|(code, _)| code == NOT_FOUND) => Ok(None),
        Err(error) => Err(faults::refused(error, &doing, link.address())),
    }
}

/// The first messages parked for a queue, oldest first. They are taken without an ack, and go back in their
/// order; the broker marks them as redelivered, and counts it as a delivery.
pub(super) async fn parked(link: &Link, queue: &QueueName, limit: usize) -> Result<Vec<Parked>, Fault> {
    let name = queue.parked();
    let channel = link.channel().await?;
    let ready = standing(&channel, &name, link).await?.ready;
    let wanted = limit.min(usize::try_from(ready).unwrap_or(usize::MAX));
    let mut parked = Vec::new();
    if wanted > 0 {
        let mut reading = Reading::begin(&channel, &name, wanted, link).await?;
        while parked.len() < wanted
            && let Some(mut delivery) = reading.next().await?
        {
            let opened = wire::open(&mut delivery).0.open();
            parked.push(Parked {
                message: opened.message,
                attempt: opened.attempt,
                cause: opened.cause,
                order: opened.order,
            });
        }
        reading.put_back().await?;
    }
    close(&channel).await;
    Ok(parked)
}

/// The marks of all that is parked for a queue; the bodies are dropped as they come.
///
/// Faults: `Wait` when somebody else reads there too, and may hold some of it.
pub(super) async fn parked_marks(link: &Link, queue: &QueueName) -> Result<Vec<ParkedMark>, Fault> {
    let name = queue.parked();
    let channel = link.channel().await?;
    let before = standing(&channel, &name, link).await?;
    let mut marks = Vec::new();
    let mut alone = before.consumers == 0;
    if alone && before.ready > 0 {
        let all = usize::try_from(before.ready).unwrap_or(usize::MAX);
        let mut reading = Reading::begin(&channel, &name, all, link).await?;
        while let Some(mut delivery) = reading.next().await? {
            if delivery.properties.message_id().is_some() {
                // Without it the message is damaged, but for its attributes.
                delivery.data = Vec::new();
            }
            let opened = wire::open(&mut delivery).0.open();
            marks.push(ParkedMark {
                id: opened.message.id,
                key: opened.message.key,
                order: opened.order,
            });
        }
        // Whoever came meanwhile may have got some.
        let after = standing(&channel, &name, link).await?;
        alone = after.ready == 0 && after.consumers == reading.consumers();
        reading.put_back().await?;
    }
    close(&channel).await;
    if alone {
        return Ok(marks);
    }
    Err(Fault::wait(
        format!("what is parked for queue `{queue}` is in somebody else's hands"),
        BUSY,
    )
    .hint("wait until it is looked through, or stop `trunkline dead-letters`"))
}

async fn close(channel: &Channel) {
    let _ = timeout(PATIENCE, channel.close(200, "seen".into())).await;
}
