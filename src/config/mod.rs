//! A landscape: read from its files, checked, and turned into a plan that can be run.
//!
//! [`Landscape::read`] finds what stands in the files, and where; [`check()`] is pure and tells everything that
//! can be known before it runs, all at once; what passes is a [`Plan`].

mod check;
mod compatibility;
mod files;
mod findings;
mod flow;
mod known;
mod landscape;
mod named;
mod plan;
mod proto;
mod references;
mod report;
mod scalar;
pub(crate) mod schema;
mod schemas;
mod secrets;
mod tables;
mod tests;
mod variables;
mod yaml;

pub(crate) use check::unknown_hint;
pub use check::{check, plan as plan_of};
pub use compatibility::Before;
pub use files::Files;
pub(crate) use files::first_place;
pub use flow::FlowFile;
pub(crate) use flow::REPLY;
pub(crate) use known::Known;
pub use landscape::{ChannelEntry, Landscape, SystemEntry};
pub use plan::{BusAddress, Feed, FlowPlan, InDoubt, Plan, SystemPlan, Target};
pub(crate) use references::read_in;
pub use report::report;
pub use tests::{Arrival, Arrivals, Expected, FaultWanted, Test, tests};
pub use variables::Variables;
