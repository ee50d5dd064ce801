//! The work on bare lapin, as fast as it goes: one connection for each direction, as the bus has; frames are queued
//! by one poll of each publishing, and only the oldest is awaited; acks cover [`ACK_EVERY`] at a time.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use futures_util::{FutureExt, StreamExt};
use lapin::{
    BasicProperties, Connection, ConnectionProperties, Consumer, PublisherConfirm,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    },
    types::{AMQPValue, FieldTable},
};

use super::{
    Outcome, PREFETCH, WINDOW,
    stage::{Stage, TYPE, input},
};

const ACK_EVERY: usize = 50;

type Publishing = Pin<Box<dyn Future<Output = lapin::Result<PublisherConfirm>> + Send>>;

pub(crate) async fn publish(stage: &Stage, count: usize) -> Outcome<()> {
    let mut publisher = Publisher::open(&stage.url).await?;
    let (mut sent, mut settled) = (0, 0);
    while settled < count {
        while publisher.has_room() && sent < count {
            publisher.publish(sent as u64, &stage.body, properties(sent));
            sent += 1;
        }
        publisher.settle().await?;
        settled += 1;
    }
    publisher.close().await
}

pub(crate) async fn consume(stage: &Stage, count: usize) -> Outcome<()> {
    let mut reader = Reader::open(&stage.url).await?;
    for taken in 1..=count {
        let delivery = reader.deliveries.next().await.ok_or("the consumer ended")??;
        if taken % ACK_EVERY == 0 || taken == count {
            reader.ack(delivery.delivery_tag).await?;
        }
    }
    reader.close().await
}

pub(crate) async fn forward(stage: &Stage, count: usize) -> Outcome<()> {
    let mut reader = Reader::open(&stage.url).await?;
    let mut publisher = Publisher::open(&stage.url).await?;
    let (mut taken, mut settled) = (0, 0);
    while settled < count {
        while publisher.has_room() && taken < count {
            // Waits for a delivery only with nothing under way.
            let next = if publisher.window.is_empty() {
                reader.deliveries.next().await
            } else {
                match reader.deliveries.next().now_or_never() {
                    Some(next) => next,
                    None => break,
                }
            };
            let delivery = next.ok_or("the consumer ended")??;
            taken += 1;
            publisher.publish(delivery.delivery_tag, &delivery.data.into(), delivery.properties);
        }
        let tag = publisher.settle().await?;
        settled += 1;
        if settled % ACK_EVERY == 0 || settled == count {
            reader.ack(tag).await?;
        }
    }
    reader.close().await?;
    publisher.close().await
}

struct Reader {
    connection: Connection,
    channel: lapin::Channel,
    deliveries: Consumer,
}

impl Reader {
    async fn open(url: &str) -> Outcome<Self> {
        let connection = Connection::connect(url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
        let queue = input()?.as_str().into();
        let deliveries = channel
            .basic_consume(
                queue,
                "".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await?;
        Ok(Self {
            connection,
            channel,
            deliveries,
        })
    }

    /// This one and all before it.
    async fn ack(&self, tag: u64) -> Outcome<()> {
        Ok(self
            .channel
            .basic_ack(tag, BasicAckOptions { multiple: true })
            .await?)
    }

    async fn close(self) -> Outcome<()> {
        Ok(self.connection.close(200, "done".into()).await?)
    }
}

struct Publisher {
    connection: Connection,
    channel: Arc<lapin::Channel>,
    window: VecDeque<(u64, Publishing)>,
}

impl Publisher {
    async fn open(url: &str) -> Outcome<Self> {
        let connection = Connection::connect(url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Self {
            connection,
            channel: Arc::new(channel),
            window: VecDeque::with_capacity(WINDOW),
        })
    }

    fn has_room(&self) -> bool {
        self.window.len() < WINDOW
    }

    fn publish(&mut self, tag: u64, body: &bytes::Bytes, properties: BasicProperties) {
        let (channel, body) = (Arc::clone(&self.channel), body.clone());
        let mut sending: Publishing = Box::pin(async move {
            let options = BasicPublishOptions {
                mandatory: true,
                immediate: false,
            };
            let key = "any.trunkline.commerce.v1.Order".into();
            channel
                .basic_publish("trunkline.bench-out".into(), key, options, &body, properties)
                .await
        });
        if let Poll::Ready(confirm) = sending.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            sending = Box::pin(async move { confirm });
        }
        self.window.push_back((tag, sending));
    }

    /// Waits for the oldest confirm.
    async fn settle(&mut self) -> Outcome<u64> {
        let (tag, sending) = self.window.pop_front().ok_or("nothing is under way")?;
        let confirmation = sending.await?.await?;
        if confirmation.is_ack() && confirmation.take_message().is_none() {
            Ok(tag)
        } else {
            Err("not confirmed".into())
        }
    }

    async fn close(self) -> Outcome<()> {
        Ok(self.connection.close(200, "done".into()).await?)
    }
}

/// What the bus publishes with the same message; its hash is not computed, but as long.
fn properties(number: usize) -> BasicProperties {
    let mut headers = FieldTable::default();
    for (name, value) in [
        ("cloudEvents_source", "/bench/fill"),
        ("cloudEvents_time", "2026-11-25T13:00:00Z"),
        (
            "trunkline_body_hash",
            "sha256:0000000000000000000000000000000000000000000000000000000000000000",
        ),
    ] {
        headers.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    BasicProperties::default()
        .with_delivery_mode(2)
        .with_headers(headers)
        .with_content_type("application/protobuf".into())
        .with_type(TYPE.into())
        .with_message_id(format!("{number:036}").as_str().into())
        .with_app_id("trunkline".into())
        .with_timestamp(1_764_075_600)
}
