//! The work through a whole flow, written as its user writes it.

use std::sync::Arc;

use trunkline::{
    bus::rabbitmq::RabbitBus,
    config::{self, Files, Landscape, Plan, Variables},
    names::ProcessName,
    runtime::Runtime,
    store::SqliteStore,
};

use super::{
    LOOK, Outcome,
    stage::{Stage, TYPE},
};

pub(crate) async fn forward(stage: &Stage, count: usize) -> Outcome<()> {
    let plan = plan(&stage.url)?;
    let folder = tempfile::tempdir()?;
    let store = Arc::new(SqliteStore::open(folder.path())?);
    let bus = Arc::new(RabbitBus::connect(&stage.url, &ProcessName::new("flow")?, store).await?);
    let runtime = Runtime::start_on(bus, &plan, None).await?;
    // Counted when confirmed; asking the broker would be work that the others have not.
    let published = || {
        runtime
            .tallies()
            .values()
            .map(|tally| tally.read().published)
            .sum::<u64>()
    };
    while published() < count as u64 {
        tokio::time::sleep(LOOK).await;
    }
    if runtime.stop().await {
        Ok(())
    } else {
        Err("the flow did not end in time".into())
    }
}

/// A router.
fn plan(url: &str) -> Outcome<Plan> {
    let landscape = format!(
        "bus: ${{BUS}}\nchannels:\n  bench-in: {{ type: {TYPE}, external: true }}\n  bench-out: {{ type: {TYPE}, external: true }}\n  \
         others: {{ type: {TYPE}, external: true }}\n"
    );
    let flow = "flow: forward\nfrom: bench-in\nsteps:\n  - filter: this.status == \"PAID\"\n  - route:\n      \
                - { when: 'this.ship_to.country_code == \"DK\"', to: bench-out }\n      - { otherwise: others }\n";
    let files = Files::of([
        ("trunkline.yaml", landscape.as_str()),
        ("flows/forward.yaml", flow),
    ]);
    let variables = |name: &str| (name == "BUS").then(|| url.to_owned());
    let landscape = Landscape::of("/".into(), files, &Variables::new(&variables), Vec::new());
    config::check(&landscape, trunkline_proto::descriptor_pool())
        .map_err(|problems| format!("{problems:?}").into())
}
