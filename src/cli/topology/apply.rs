//! `trunkline topology apply`: makes what is missing; unbinds, moves and makes anew what it is told to.

use serde_json::{Value, json};
use trunkline_sdk::Fault;

use super::{Failure, Scene, json_of, plan, say};
use crate::{
    bus::{Difference, DifferenceKind, rabbitmq::Mover},
    config::Plan,
    names::ProcessName,
    runtime::open_bus,
};

#[derive(clap::Args)]
pub(in crate::cli) struct Apply {
    #[command(flatten)]
    scene: Scene,
    /// What was made, and what still differs, as one JSON object on stdout
    #[arg(long)]
    json: bool,
    /// Take this orphaned queue off its channel, so that it fills no more; what it holds stays
    #[arg(long, value_name = "QUEUE", conflicts_with_all = ["drain", "recreate", "json"])]
    unbind: Option<String>,
    /// Move all messages of this queue to another, with their ids, attempts and causes
    #[arg(long, value_name = "QUEUE", requires = "to", conflicts_with_all = ["recreate", "json"])]
    drain: Option<String>,
    /// Where `--drain` moves them
    #[arg(long, value_name = "QUEUE", requires = "drain")]
    to: Option<String>,
    /// Make this queue anew with the arguments it should have: its messages are moved aside and back
    #[arg(long, value_name = "QUEUE", conflicts_with = "json")]
    recreate: Option<String>,
}

impl Apply {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let landscape = self.scene.plan()?;
        if self.unbind.is_some() || self.drain.is_some() || self.recreate.is_some() {
            return self.change(&landscape).await;
        }
        let before = self.scene.differences(&landscape).await?;
        let missing = |difference: &&_| is_missing(difference);
        let mut refused = None;
        if before.iter().any(is_missing) {
            let bus = open_bus(&landscape, &ProcessName::new("topology").map_err(Fault::stop)?).await?;
            // What is otherwise is refused, and the rest is made all the same; the plan tells it better.
            refused = bus.declare(&landscape.topology).await.err();
            bus.close().await;
        }
        let after = self.scene.differences(&landscape).await?;
        let made: Vec<_> = before
            .iter()
            .filter(missing)
            .filter(|difference| !after.contains(difference))
            .collect();
        if self.json {
            say::data(format_args!(
                "{}\n",
                json!({
                    "made": Value::from_iter(made.iter().map(|difference| json_of(difference))),
                    "left": Value::from_iter(after.iter().map(json_of)),
                })
            ))?;
        } else {
            for difference in &made {
                say::data(format_args!("{difference}\n"))?;
            }
            say::data(format_args!("{}", plan::text(&after)))?;
        }
        say::talk(format_args!(
            "{:?}: {} made; {}",
            landscape.bus,
            made.len(),
            plan::summary(&after)
        ));
        if let (true, Some(fault)) = (after.iter().any(is_missing), refused) {
            return Err(fault.into());
        }
        if after
            .iter()
            .any(|difference| difference.kind != DifferenceKind::Orphan)
        {
            return Err(Failure::Told);
        }
        Ok(())
    }
}

impl Apply {
    /// What is only done when it is asked for. Each step is told before it is taken.
    async fn change(&self, landscape: &Plan) -> Result<(), Failure> {
        let broker = self.scene.broker(landscape, "queues of its own kind to change")?;
        let process = ProcessName::new("topology").map_err(Fault::stop)?;
        let mover = Mover::new(&broker, &process, |step| say::talk(format_args!("{step}")));
        let topology = &landscape.topology;
        let changed = match (&self.unbind, &self.drain, &self.to, &self.recreate) {
            (Some(queue), ..) => mover.unbind(queue, topology).await.map(|()| None),
            (_, Some(from), Some(to), _) => mover.drain(from, to).await.map(Some),
            (.., Some(queue)) => mover.recreate(queue, topology).await.map(Some),
            _ => Ok(None),
        };
        mover.close().await;
        if let Some(moved) = changed? {
            let plural = if moved == 1 { "" } else { "s" };
            say::talk(format_args!("{moved} message{plural} moved"));
        }
        Ok(())
    }
}

fn is_missing(difference: &Difference) -> bool {
    difference.kind == DifferenceKind::Missing
}
