//! What can be seen of what happens.

mod log;
mod tally;

pub use log::init as init_log;
pub use tally::{Counts, Tally};
