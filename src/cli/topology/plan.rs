//! `trunkline topology plan`: the differences, one a line, with how to mend them.

use serde_json::Value;

use super::{Failure, Scene, json_of, say};
use crate::{
    bus::{Difference, DifferenceKind},
    cli::count,
};

#[derive(clap::Args)]
pub(in crate::cli) struct Show {
    #[command(flatten)]
    scene: Scene,
    /// One JSON array on stdout
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let plan = self.scene.plan()?;
        let differences = self.scene.differences(&plan).await?;
        if self.json {
            say::data(format_args!(
                "{}\n",
                Value::from_iter(differences.iter().map(json_of))
            ))?;
        } else {
            say::data(format_args!("{}", text(&differences)))?;
        }
        say::talk(format_args!("{:?}: {}", plan.bus, summary(&differences)));
        if differences.is_empty() {
            Ok(())
        } else {
            Err(Failure::Told)
        }
    }
}

/// Each difference on its line, and below it how to mend it.
pub(super) fn text(differences: &[Difference]) -> String {
    let mut text = String::new();
    for difference in differences {
        text.push_str(&format!("{difference}\n"));
        if let Some(mend) = &difference.mend {
            text.push_str(&format!("    = mend: {mend}\n"));
        }
    }
    text
}

/// `3 missing (apply makes them), 1 otherwise, 2 orphans`.
pub(super) fn summary(differences: &[Difference]) -> String {
    let of = |kind| {
        differences
            .iter()
            .filter(|difference| difference.kind == kind)
            .count()
    };
    let mut parts = Vec::new();
    match of(DifferenceKind::Missing) {
        0 => {}
        missing => parts.push(format!(
            "{missing} missing: `trunkline topology apply` makes them"
        )),
    }
    match of(DifferenceKind::Otherwise) {
        0 => {}
        otherwise => parts.push(format!("{otherwise} otherwise")),
    }
    match of(DifferenceKind::Orphan) {
        0 => {}
        orphans => parts.push(count(orphans, "orphan")),
    }
    if parts.is_empty() {
        return "has all that the landscape needs".to_owned();
    }
    parts.join(", ")
}
