//! Looking into queues without taking anything out.

use std::time::Duration;

use lapin::{
    Channel,
    options::{BasicGetOptions, QueueDeclareOptions},
    types::FieldTable,
};
use tokio::time::timeout;
use trunkline_sdk::Fault;

use super::{
    faults::{self, NOT_FOUND},
    link::Link,
    wire,
};
use crate::{bus::Parked, names::QueueName};

pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How many messages wait in a queue; `None`: there is no such queue.
pub(super) async fn ready(link: &Link, queue: &str) -> Result<Option<u64>, Fault> {
    let doing = format!("looking at queue `{queue}`");
    let channel = link.channel().await?;
    let options = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let asking = channel.queue_declare(queue.into(), options, FieldTable::default());
    let answer = timeout(PATIENCE, Box::pin(asking))
        .await
        .map_err(|_| faults::silent(&doing))?;
    match answer {
        Ok(queue) => {
            close(&channel).await;
            Ok(Some(u64::from(queue.message_count())))
        }
        Err(error) if faults::refusal(&error).is_some_and(|(code, _)| code == NOT_FOUND) => Ok(None),
        Err(error) => Err(faults::refused(error, &doing, link.address())),
    }
}

/// The first messages parked for a queue, oldest first. They are taken without an ack, and go back in their
/// order when the channel is closed; the broker marks them as redelivered, and counts it as a delivery.
pub(super) async fn parked(link: &Link, queue: &QueueName, limit: usize) -> Result<Vec<Parked>, Fault> {
    let name = queue.parked();
    let doing = format!("reading queue `{name}`");
    let channel = link.channel().await?;
    let mut parked = Vec::new();
    while parked.len() < limit {
        let getting = channel.basic_get(name.as_str().into(), BasicGetOptions::default());
        let got = timeout(PATIENCE, getting)
            .await
            .map_err(|_| faults::silent(&doing))?
            .map_err(|error| faults::refused(error, &doing, link.address()))?;
        let Some(mut got) = got else {
            break;
        };
        let opened = wire::open(&mut got.delivery).0.open();
        parked.push(Parked {
            message: opened.message,
            attempt: opened.attempt,
            cause: opened.cause,
            order: opened.order,
        });
    }
    close(&channel).await;
    Ok(parked)
}

async fn close(channel: &Channel) {
    let _ = timeout(PATIENCE, channel.close(200, "seen".into())).await;
}
