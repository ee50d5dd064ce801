//! Native formats: how a file or a stream is cut into records, and how a record is decoded.
//!
//! Promises: what cannot be read is refused with its place and what was expected there, and never with a value
//! from the record; memory, depth and time are bounded whatever comes in; digits are kept as written.
//! Not promised: mapping, schemas, repair of what is broken.

pub mod csv;
mod encoding;
pub mod fixed;
mod framed;
pub mod json;
pub mod lines;
mod malformed;
pub mod media_type;
mod unwritable;
pub mod xml;

pub use encoding::Encoding;
pub use framed::{Framed, Mark, Unframed};
pub use malformed::Malformed;
pub use unwritable::Unwritable;
