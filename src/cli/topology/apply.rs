//! `trunkline topology apply`: makes what is missing.

use serde_json::{Value, json};
use trunkline_sdk::Fault;

use super::{Failure, Scene, json_of, plan};
use crate::{
    bus::{Difference, DifferenceKind},
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
}

impl Apply {
    #[expect(
        clippy::print_stdout,
        clippy::print_stderr,
        reason = "stdout is for data, stderr for talk"
    )]
    pub(super) async fn run(self) -> Result<(), Failure> {
        let landscape = self.scene.plan()?;
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
            println!(
                "{}",
                json!({
                    "made": Value::from_iter(made.iter().map(|difference| json_of(difference))),
                    "left": Value::from_iter(after.iter().map(json_of)),
                })
            );
        } else {
            for difference in &made {
                println!("{difference}");
            }
            print!("{}", plan::text(&after));
        }
        eprintln!(
            "{:?}: {} made; {}",
            landscape.bus,
            made.len(),
            plan::summary(&after)
        );
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

fn is_missing(difference: &Difference) -> bool {
    difference.kind == DifferenceKind::Missing
}
