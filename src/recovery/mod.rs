//! What is done about a fault: when to try again, when to give up.

mod circuit;
mod schedule;

pub(crate) use circuit::{Change, Circuit, Pass, Sign};
pub use schedule::{Patience, Rung, Schedule};
