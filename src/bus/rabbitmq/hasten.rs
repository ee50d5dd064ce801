//! Puts back into their queues what waits in the retry rungs.
//!
//! One message at a time: taken, published under the name of its queue, confirmed, acked. A crash in between
//! leaves it twice, under one id; never not at all.

use lapin::{
    BasicProperties, Channel, Confirmation,
    message::BasicGetMessage,
    options::{BasicAckOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions},
};
use tokio::time::timeout;
use trunkline_sdk::Fault;

use super::{
    faults,
    link::Link,
    look::PATIENCE,
    topology::{REDELIVER, rung},
};
use crate::recovery::Rung;

/// Empties all rungs; gives how many messages were in them.
pub(super) async fn hasten(link: &Link) -> Result<u64, Fault> {
    let channel = link.channel().await?;
    let mut hastened = 0;
    for delay in Rung::ALL {
        let name = rung(delay);
        let doing = format!("emptying queue `{name}`");
        let emptying = empty(&channel, &name, &mut hastened);
        emptying.await.map_err(|error| {
            error.map_or_else(
                || faults::silent(&doing),
                |error| faults::refused(error, &doing, link.address()),
            )
        })?;
    }
    // Closing also waits for the acks.
    let _ = timeout(PATIENCE, channel.close(200, "done".into())).await;
    Ok(hastened)
}

/// `Err(None)`: the broker does not answer.
async fn empty(channel: &Channel, name: &str, hastened: &mut u64) -> Result<(), Option<lapin::Error>> {
    within(channel.confirm_select(ConfirmSelectOptions::default())).await?;
    while let Some(got) = within(channel.basic_get(name.into(), BasicGetOptions::default())).await? {
        if !put_back(channel, &got).await? {
            // Its queue is full, or gone: it stays where it is, and goes the usual way.
            break;
        }
        within(got.delivery.acker.ack(BasicAckOptions::default())).await?;
        *hastened += 1;
    }
    Ok(())
}

async fn put_back(channel: &Channel, got: &BasicGetMessage) -> Result<bool, Option<lapin::Error>> {
    let properties: BasicProperties = got.delivery.properties.clone();
    let options = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let publishing = channel.basic_publish(
        REDELIVER.into(),
        got.delivery.routing_key.clone(),
        options,
        &got.delivery.data,
        properties,
    );
    let confirm = within(Box::pin(publishing)).await?;
    Ok(matches!(within(confirm).await?, Confirmation::Ack(None)))
}

async fn within<T>(asking: impl Future<Output = lapin::Result<T>>) -> Result<T, Option<lapin::Error>> {
    timeout(PATIENCE, asking).await.map_err(|_| None)?.map_err(Some)
}
