//! `trunkline topology`: what a landscape needs on its bus, and what the bus has.
//!
//! Promises: nothing is deleted, unbound or moved unasked, and what is asked for is told before it is done.

mod apply;
mod doctor;
mod plan;
mod users;

use clap::Subcommand;
use serde_json::{Value, json};
use trunkline_sdk::Fault;

use super::{Failure, Place, load, say};
use crate::{
    bus::{self, Difference, rabbitmq::Inspector},
    config::{BusAddress, Plan},
};

#[derive(Subcommand)]
pub(super) enum Topology {
    /// Show what the bus lacks, has otherwise, or has too much. Exit code 1 if there is anything
    Plan(plan::Show),
    /// Make what is missing; what is there is changed only where an option says so
    Apply(apply::Apply),
    /// Tell what on this broker would lose messages, repeat them, or leave them lying. Exit code 1 if any would be
    /// lost
    Doctor(doctor::Doctor),
    /// One broker user per role, with no more rights than it needs, as commands for an administrator
    Users(users::Users),
}

impl Topology {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Topology::Plan(command) => command.run().await,
            Topology::Apply(command) => command.run().await,
            Topology::Doctor(command) => command.run().await,
            Topology::Users(command) => command.run().await,
        }
    }
}

/// A landscape, and where its broker's management API is.
#[derive(clap::Args)]
struct Scene {
    #[command(flatten)]
    place: Place,
    /// RabbitMQ's management API, if it is not on port 15672 of the bus's first host, or has a user of its own.
    /// TRUNKLINE_MANAGEMENT sets it as well, and keeps a password out of the list of processes
    #[arg(long, value_name = "URL")]
    management: Option<String>,
}

impl Scene {
    fn plan(&self) -> Result<Plan, Failure> {
        load(&self.place.landscape)
    }

    /// The broker of this bus; `None`: it is the embedded one.
    fn inspector(&self, plan: &Plan) -> Result<Option<Inspector>, Fault> {
        let BusAddress::RabbitMq(url) = &plan.bus else {
            return Ok(None);
        };
        let variable = std::env::var("TRUNKLINE_MANAGEMENT").ok();
        let management = self
            .management
            .as_deref()
            .or(variable.as_deref())
            .filter(|url| !url.is_empty());
        Inspector::new(url, management).map(Some)
    }

    /// As [`Scene::inspector`], where only a broker will do. `what` the embedded bus does not have.
    fn broker(&self, plan: &Plan, what: &str) -> Result<Inspector, Fault> {
        self.inspector(plan)?.ok_or_else(|| {
            Fault::stop(format!("the embedded bus has no {what}"))
                .hint("this is for a landscape whose `bus:` is RabbitMQ")
        })
    }

    async fn differences(&self, plan: &Plan) -> Result<Vec<Difference>, Fault> {
        match (self.inspector(plan)?, &plan.bus) {
            (Some(inspector), _) => inspector.differences(&plan.topology).await,
            (None, BusAddress::Embedded(folder)) => bus::embedded::differences(folder, &plan.topology),
            (None, BusAddress::RabbitMq(_)) => Ok(Vec::new()),
        }
    }
}

fn json_of(difference: &Difference) -> Value {
    json!({
        "kind": difference.kind.word(),
        "thing": difference.thing,
        "name": difference.name,
        "what": difference.what,
        "mend": difference.mend,
    })
}
