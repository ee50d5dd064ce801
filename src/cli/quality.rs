//! `trunkline quality`: how good the records of each source were, and which rules they broke.

use serde_json::json;
use trunkline_sdk::Fault;

use super::{Failure, Place, count, load, say};
use crate::{
    config::{self, Feed},
    names::ProcessName,
    observe::{self, Quality},
    runtime::open_bus,
};

/// Rules that are told of one flow.
const MOST: usize = 20;

#[derive(clap::Args)]
pub(super) struct QualityReport {
    #[command(flatten)]
    place: Place,
    /// Only this source, the name of a system
    #[arg(long, value_name = "SYSTEM")]
    source: Option<String>,
    /// One JSON array on stdout, with each of the last runs
    #[arg(long)]
    json: bool,
}

impl QualityReport {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let plan = load(&self.place.landscape)?;
        observe::init_log("warn");
        let sources: Vec<_> = plan
            .flows
            .iter()
            .filter_map(|flow| match &flow.feed {
                Feed::System { system, .. } => Some((system, &flow.name)),
                Feed::Channel { .. } => None,
            })
            .collect();
        let wanted = |system: &str| self.source.as_deref().is_none_or(|wanted| wanted == system);
        if let Some(source) = &self.source
            && !sources.iter().any(|(system, _)| wanted(system.as_str()))
        {
            let known = sources.iter().map(|(system, _)| system.as_str());
            return Err(Fault::stop(format!("no flow reads from a system `{source}`"))
                .hint(config::unknown_hint(source, known, "sources"))
                .into());
        }
        let bus = open_bus(&plan, &ProcessName::new("quality").map_err(Fault::stop)?).await?;
        let mut rows = Vec::new();
        for (system, flow) in sources.into_iter().filter(|(system, _)| wanted(system.as_str())) {
            let quality = Quality::of(&*bus, system, flow).await?;
            if self.json {
                rows.push(json!({ "source": system.as_str(), "flow": flow.as_str(), "runs": quality.runs }));
            } else {
                say::data(told(system.as_str(), flow.as_str(), &quality))?;
            }
        }
        bus.close().await;
        if self.json {
            say::data(format_args!("{}\n", json!(rows)))?;
        }
        Ok(())
    }
}

/// One flow, and below it the rules.
fn told(system: &str, flow: &str, quality: &Quality) -> String {
    let total = quality.total();
    if quality.runs.is_empty() {
        return format!("{system} ({flow}): no run has ended yet\n");
    }
    let mut text = format!(
        "{system} ({flow}): {} in {} since {}: {} published, {} filtered, {} parked\n",
        count(usize::try_from(total.received).unwrap_or(usize::MAX), "record"),
        count(quality.runs.len(), "run"),
        total
            .from
            .split('.')
            .next()
            .unwrap_or_default()
            .trim_end_matches('Z'),
        total.published,
        total.filtered,
        total.parked,
    );
    for (rule, times) in total.rules().into_iter().take(MOST) {
        text.push_str(&format!("{times:>8}  {rule}\n"));
    }
    text
}
