//! `trunkline dead-letters`: what waits for a person, and why.

use clap::Subcommand;
use serde_json::json;
use trunkline_sdk::Fault;

use super::{Failure, Place, count, load, say};
use crate::{
    bus::{Bus, Parked},
    config::Plan,
    names::{ProcessName, QueueName},
    runtime::open_bus,
};

/// Most messages that are read of one queue.
const MOST: usize = 1000;

#[derive(Subcommand)]
pub(super) enum DeadLetters {
    /// What is parked, by flow and cause, oldest first
    List(List),
}

#[derive(clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    place: Place,
    /// One JSON array on stdout
    #[arg(long)]
    json: bool,
}

impl DeadLetters {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let DeadLetters::List(list) = self;
        list.run().await
    }
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let plan = load(&self.place.landscape)?;
        let bus = open_bus(&plan, &ProcessName::new("dead-letters").map_err(Fault::stop)?).await?;
        let parked = all(&*bus, &plan).await?;
        bus.close().await;
        let Some(parked) = parked else {
            if self.json {
                say::data(format_args!("[]\n"))?;
            }
            say::talk(format_args!(
                "nothing is parked: no queue of the landscape is there yet; `trunkline run` makes them"
            ));
            return Ok(());
        };
        if self.json {
            let rows: Vec<_> = parked.iter().map(|(queue, parked)| row(queue, parked)).collect();
            say::data(format_args!("{}\n", json!(rows)))?;
        } else {
            for (queue, parked) in &parked {
                say::data(format_args!("{}\n", line(queue, parked)))?;
            }
        }
        say::talk(format_args!("{} parked", count(parked.len(), "message")));
        Ok(())
    }
}

/// What is parked in a landscape; `None`: it has no queue on the bus. Nothing is made here.
async fn all(bus: &dyn Bus, plan: &Plan) -> Result<Option<Vec<(QueueName, Parked)>>, Failure> {
    let mut all = Vec::new();
    let mut found = false;
    for flow in &plan.flows {
        for queue in flow.queues() {
            if !bus.exists(&queue.name).await? {
                continue;
            }
            found = true;
            let parked = bus.parked(&queue.name, MOST).await?;
            all.extend(parked.into_iter().map(|parked| (queue.name.clone(), parked)));
        }
    }
    Ok(found.then_some(all))
}

fn row(queue: &QueueName, parked: &Parked) -> serde_json::Value {
    let cause = parked.cause.as_ref();
    json!({
        "queue": queue.parked(),
        "message_id": parked.message.id.as_str(),
        "subject": parked.message.subject.as_deref(),
        "attempts": parked.attempt,
        "flow": cause.map(|cause| cause.flow.as_str()),
        "step": cause.map(|cause| cause.step.as_str()),
        "what": cause.map(|cause| cause.what.as_str()),
        "hint": cause.and_then(|cause| cause.hint.as_deref()),
        "at": cause.map(|cause| cause.at.to_string()),
    })
}

fn line(queue: &QueueName, parked: &Parked) -> String {
    let what = parked.cause.as_ref().map_or_else(
        || "put here by another program".to_owned(),
        |cause| format!("{}: {}", cause.step, cause.what),
    );
    format!("{}  {}  {what}", queue.parked(), parked.message.id)
}
