//! `trunkline topology doctor`: what on this broker would lose messages, repeat them, or leave them lying.

use serde_json::{Value, json};

use super::{Failure, Scene, say, users::process_role};
use crate::{
    bus::rabbitmq::{Finding, Severity},
    cli::{check_process, count},
};

#[derive(clap::Args)]
pub(in crate::cli) struct Doctor {
    #[command(flatten)]
    scene: Scene,
    /// Examine the rights of the bus's user for this process only, a name under `processes:`
    #[arg(long, value_name = "NAME")]
    process: Option<String>,
    /// One JSON array on stdout
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let plan = self.scene.plan()?;
        let process = self
            .process
            .as_deref()
            .map(|name| check_process(&plan, name))
            .transpose()?;
        let broker = self.scene.broker(&plan, "broker that could be set up wrongly")?;
        let role = process_role(&plan, process.as_ref());
        let findings = broker.findings(&plan.topology, &role).await?;
        if self.json {
            say::data(format_args!(
                "{}\n",
                Value::from_iter(findings.iter().map(json_of))
            ))?;
        } else {
            for finding in &findings {
                let Finding {
                    severity,
                    what,
                    why,
                    mend,
                } = finding;
                say::data(format_args!(
                    "{}: {what}\n    why: {why}\n    = mend: {mend}\n",
                    severity.word()
                ))?;
            }
        }
        let losing = findings
            .iter()
            .filter(|finding| finding.severity == Severity::Loses)
            .count();
        say::talk(format_args!(
            "{:?}: {}, {losing} of them would lose messages",
            plan.bus,
            count(findings.len(), "finding")
        ));
        if losing > 0 {
            return Err(Failure::Told);
        }
        Ok(())
    }
}

fn json_of(finding: &Finding) -> Value {
    json!({
        "severity": finding.severity.word(),
        "what": finding.what,
        "why": finding.why,
        "mend": finding.mend,
    })
}
