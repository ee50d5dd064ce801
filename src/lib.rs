//! Trunkline: a message bus that makes the separate systems of an organisation work as if they were one.

pub mod bus;
pub mod message;
pub mod names;
pub mod recovery;
