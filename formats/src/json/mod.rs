//! JSON (RFC 8259): one text to one tree and back.
//!
//! Promises: strict, nothing outside the RFC is read; numbers keep their digits; texts without escapes are
//! borrowed; a name that stands twice in an object, a lone surrogate, invalid UTF-8 and nesting beyond
//! [`MAX_DEPTH`] are refused; time is linear in the size of the text. A byte order mark in front is skipped.
//! Not promised: that a number fits any type of any language. Who needs one converts it.

mod read;
mod write;

pub use read::{MAX_DEPTH, read};
pub use write::write;
