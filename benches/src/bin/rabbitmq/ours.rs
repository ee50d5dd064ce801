//! The work through Trunkline's bus.

use std::sync::Arc;

use tokio::task::{JoinError, JoinSet};
use trunkline::{
    bus::{Bus, Delivery, Destination, Hop, Outgoing, rabbitmq::RabbitBus},
    names::FlowName,
};

use super::{
    Outcome, PREFETCH,
    stage::{Stage, channel, input},
};

/// Hops in one `complete`, and how many of these are under way: more than the window, so that it is full.
const BATCH: usize = 64;
const AT_ONCE: usize = 8;

pub(crate) async fn publish(stage: &Stage, count: usize) -> Outcome<()> {
    let to = channel("bench-out")?;
    let mut completing = Completing::on(&stage.bus);
    let mut sent = 0;
    while sent < count {
        let until = (sent + BATCH).min(count);
        let hops = (sent..until)
            .map(|number| stage.hop(number, &to))
            .collect::<Outcome<Vec<_>>>()?;
        completing.add(hops).await?;
        sent = until;
    }
    completing.end().await
}

pub(crate) async fn consume(stage: &Stage, count: usize) -> Outcome<()> {
    through(stage, count, |delivery| Hop::of(delivery, Vec::new())).await
}

pub(crate) async fn forward(stage: &Stage, count: usize) -> Outcome<()> {
    let (flow, to) = (FlowName::new("forward")?, channel("bench-out")?);
    through(stage, count, |delivery| {
        let message = delivery.message.derive(
            delivery.message.id.derived(&flow, 0),
            delivery.message.content.clone(),
        );
        let to = Destination::Channel(to.clone());
        Hop::of(delivery, vec![Outgoing { to, message }])
    })
    .await
}

async fn through(stage: &Stage, count: usize, hop: impl Fn(Delivery) -> Hop) -> Outcome<()> {
    let mut subscription = stage.bus.subscribe(&input()?, PREFETCH).await?;
    let mut completing = Completing::on(&stage.bus);
    let mut batch = Vec::with_capacity(BATCH);
    let mut taken = 0;
    while taken < count {
        if !subscription.receive(&mut batch, BATCH).await {
            return Err("the subscription ended".into());
        }
        taken += batch.len();
        completing.add(batch.drain(..).map(&hop).collect()).await?;
    }
    completing.end().await?;
    subscription.close().await;
    Ok(())
}

/// Batches of hops under way.
struct Completing {
    bus: Arc<RabbitBus>,
    under_way: JoinSet<usize>,
}

impl Completing {
    fn on(bus: &Arc<RabbitBus>) -> Self {
        Self {
            bus: Arc::clone(bus),
            under_way: JoinSet::new(),
        }
    }

    async fn add(&mut self, hops: Vec<Hop>) -> Outcome<()> {
        if self.under_way.len() == AT_ONCE {
            done(self.under_way.join_next().await)?;
        }
        let bus = Arc::clone(&self.bus);
        self.under_way
            .spawn(async move { bus.complete(hops).await.iter().filter(|hop| hop.is_err()).count() });
        Ok(())
    }

    async fn end(&mut self) -> Outcome<()> {
        while let Some(refused) = self.under_way.join_next().await {
            done(Some(refused))?;
        }
        Ok(())
    }
}

fn done(refused: Option<Result<usize, JoinError>>) -> Outcome<()> {
    match refused {
        Some(Ok(0)) | None => Ok(()),
        Some(Ok(refused)) => Err(format!("{refused} hops were refused").into()),
        Some(Err(error)) => Err(error.into()),
    }
}
