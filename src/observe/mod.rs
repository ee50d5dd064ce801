//! What can be seen of what happens.

mod duration;
mod log;
mod quality;
mod standing;
mod tally;

pub use log::init as init_log;
pub use quality::{Quality, Run};
pub use standing::Standing;
pub use tally::{Counts, Tally};
