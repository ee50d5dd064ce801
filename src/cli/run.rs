//! `trunkline run`: a landscape at work, until it is told to stop.

use std::time::Instant;

use tokio::signal::unix::{SignalKind, signal};
use trunkline_sdk::Fault;

use super::{Failure, Place, check_process, count, load};
use crate::{
    names::ProcessName,
    observe::{self, Health},
    runtime::Runtime,
};

#[derive(clap::Args)]
pub(super) struct Run {
    #[command(flatten)]
    place: Place,
    /// Run only the flows of this process, a name under `processes:`
    #[arg(long, value_name = "NAME")]
    process: Option<String>,
}

impl Run {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let started = Instant::now();
        let plan = load(&self.place.landscape)?;
        let process = self
            .process
            .as_deref()
            .map(|name| check_process(&plan, name))
            .transpose()?;
        observe::init_log("info");
        let cannot = |error| Fault::stop("the system refuses signal handlers").because(error);
        let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
        let flows: Vec<_> = plan
            .flows_of(process.as_ref())
            .map(|flow| flow.name.as_str())
            .collect();
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            landscape = %self.place.landscape.display(),
            process = process.as_ref().map(ProcessName::as_str),
            flows = flows.join(" "),
            bus = %plan.bus,
            "starting"
        );
        let health = match plan.health {
            Some(address) => Some(Health::open(address).await?),
            None => None,
        };
        let mut runtime = tokio::select! {
            started = Runtime::start(&plan, process.as_ref()) => started?,
            _ = terminate.recv() => return stopped_early(),
            _ = interrupt.recv() => return stopped_early(),
        };
        if let Some(health) = &health {
            health.show(runtime.board(&plan));
        }
        let after = format_args!("{} ms", started.elapsed().as_millis());
        tracing::info!(%after, "ready: {} at work", count(flows.len(), "flow"));
        let told = "what is under way is finished first; a second signal stops at once";
        tokio::select! {
            () = runtime.ended() => tracing::info!("stopping: every source has come to its end"),
            _ = terminate.recv() => tracing::info!("stopping: {told}"),
            _ = interrupt.recv() => tracing::info!("stopping: {told}"),
        }
        if let Some(health) = &health {
            health.stopping();
        }
        tokio::select! {
            finished = runtime.stop() => {
                if finished {
                    tracing::info!("stopped");
                } else {
                    tracing::warn!("stopped; what was not finished in time comes again at the next start");
                }
            }
            _ = terminate.recv() => tracing::warn!("stopped at once; what was under way comes again at the next start"),
            _ = interrupt.recv() => tracing::warn!("stopped at once; what was under way comes again at the next start"),
        }
        Ok(())
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is how the command ends")]
fn stopped_early() -> Result<(), Failure> {
    tracing::info!("stopped before it was ready");
    Ok(())
}
