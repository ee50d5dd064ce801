//! Trunkline: a message bus that makes the separate systems of an organisation work as if they were one.
//!
//! The way of a message, which is also the map of this crate:
//!
//! 1. A [`config`]ured landscape (systems, channels, flows, mappings) is read, checked, and becomes a plan.
//! 2. [`runtime`] opens the bus and the systems, through the [`adapters`], and starts the flows.
//! 3. A source hands a native record to its [`endpoint`], which takes it through the steps of its [`flow`]:
//!    a [`mapping`] makes it a [`canonical`] [`message`], and the [`bus`] confirms that it has it.
//! 4. Flows that read the channel filter, route, split and translate it, each step one file in [`flow`].
//! 5. The last flow's endpoint writes it into a system's sink, and settles it when that has it.
//! 6. What fails goes by its remedy: [`recovery`] says when it is tried again, and when it is parked.
//! 7. [`observe`] shows what happened; [`store`] keeps what must be remembered; [`cli`] is for people.
//! 8. [`lineage`] tells which data goes where, from the plan alone.
//!
//! [`names`] gives every kind of name a type of its own, so that swapped arguments do not compile.

pub mod adapters;
pub mod bus;
pub mod canonical;
pub mod cli;
pub mod config;
mod endpoint;
pub mod flow;
pub mod lineage;
pub mod mapping;
pub mod message;
pub mod names;
pub mod observe;
pub mod recovery;
pub mod runtime;
pub mod store;
