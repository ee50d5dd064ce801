//! What every adapter must prove, as suites that its `tests/contract.rs` runs against a real peer.
//!
//! [`source`] and [`sink`] hold the sentences; [`Desk`] stands where the bus would, and a [`Cable`]
//! lies between an adapter and its peer, to be cut.

mod cable;
mod desk;
mod running;
pub mod sink;
pub mod source;

pub use cable::Cable;
pub use desk::{Desk, Judge};
