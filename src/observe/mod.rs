//! What can be seen of what happens.

mod board;
mod duration;
mod health;
mod log;
mod metrics;
mod quality;
mod standing;
mod tally;

pub use board::Board;
pub use health::Health;
pub use log::init as init_log;
pub use quality::{Quality, Run};
pub use standing::Standing;
pub use tally::{Counts, Tally};
