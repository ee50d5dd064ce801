//! What can be seen of what happens.

mod log;
mod quality;
mod tally;

pub use log::init as init_log;
pub use quality::{Quality, Run};
pub use tally::{Counts, Tally};
