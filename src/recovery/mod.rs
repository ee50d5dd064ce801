//! What is done about a fault: when to try again, when to give up.

mod schedule;

pub use schedule::{Patience, Rung, Schedule};
