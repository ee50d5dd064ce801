//! `trunkline run`: a landscape at work, until it is told to stop.

use std::time::Instant;

use tokio::signal::unix::{SignalKind, signal};
use trunkline_sdk::Fault;

use super::{Failure, Place, check_process, count, load};
use crate::{observe, runtime::Runtime};

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
        let starting = Runtime::start(&plan, process.as_ref());
        let mut runtime = tokio::select! {
            started = starting => started?,
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        };
        let flows = count(plan.flows_of(process.as_ref()).count(), "flow");
        tracing::info!(bus = ?plan.bus, after = ?started.elapsed(), "ready: {flows}");
        tokio::select! {
            () = runtime.ended() => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: what is under way is finished first; a second signal stops at once");
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
