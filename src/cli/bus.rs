//! `trunkline bus`: the bus itself.

use std::io::{IsTerminal, stderr};

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use trunkline_sdk::Fault;

use super::{Failure, Place, count, load, say};
use crate::{
    bus::{Bus, StateKey, drain, embedded::EmbeddedBus, holds},
    config::{BusAddress, Feed, Plan},
    names::ProcessName,
    observe,
    runtime::open_bus_at,
};

#[derive(Subcommand)]
pub(super) enum BusCommand {
    /// Move everything from one bus to another: messages, parked ones, positions
    Drain(Drain),
}

#[derive(clap::Args)]
pub(super) struct Drain {
    /// The bus that is emptied: `embedded:./data`, `amqp://…`, as in `trunkline.yaml`
    from: String,
    /// The bus that is filled
    to: String,
    #[command(flatten)]
    place: Place,
}

impl BusCommand {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let BusCommand::Drain(drain) = self;
        drain.run().await
    }
}

impl Drain {
    async fn run(self) -> Result<(), Failure> {
        let plan = load(&self.place.landscape)?;
        observe::init_log("warn");
        let from = BusAddress::parse(&self.from, &plan.home)?;
        let to = BusAddress::parse(&self.to, &plan.home)?;
        if from == to {
            return Err(Fault::stop("both are the same bus")
                .hint("name the bus that is emptied, then the one that is filled")
                .into());
        }
        if let BusAddress::Embedded(folder) = &from
            && !EmbeddedBus::is_in(folder)
        {
            return Err(
                Fault::stop(format!("there is no embedded bus in `{}`", folder.display()))
                    .hint("name its folder as `trunkline.yaml` does: relative to the landscape")
                    .into(),
            );
        }
        let process = ProcessName::new("bus-drain").map_err(Fault::stop)?;
        let source = open_bus_at(&from, &plan.store, &process).await?;
        let target = open_bus_at(&to, &plan.store, &process).await?;
        let moving = self.drain(&plan, &*source, &*target).await;
        target.close().await;
        source.close().await;
        moving
    }

    async fn drain(&self, plan: &Plan, from: &dyn Bus, to: &dyn Bus) -> Result<(), Failure> {
        from.declare(&plan.topology).await?;
        let bar = progress(holds(from, &plan.topology).await?);
        let drained = drain(from, to, &plan.topology, &positions(plan), |moved| bar.inc(moved)).await;
        bar.finish_and_clear();
        let drained = drained?;
        say::talk(format_args!(
            "{} moved ({} of them waited for another attempt), {} parked, {}",
            count(usize::try_from(drained.messages).unwrap_or(usize::MAX), "message"),
            drained.delayed,
            drained.parked,
            count(
                usize::try_from(drained.positions).unwrap_or(usize::MAX),
                "position"
            ),
        ));
        Ok(())
    }
}

/// Where the sources of a landscape are.
fn positions(plan: &Plan) -> Vec<StateKey> {
    plan.flows
        .iter()
        .filter_map(|flow| match &flow.feed {
            Feed::System { system, .. } => Some(StateKey::position(system, &flow.name)),
            Feed::Channel { .. } => None,
        })
        .collect()
}

fn progress(length: u64) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("  {bar:40} {pos}/{len} messages, {eta} left");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
