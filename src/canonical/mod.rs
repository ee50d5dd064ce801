//! Canonical messages where no generated type is at hand: their bytes, their words, their tree.
//!
//! [`wire`] reads and writes encoded protobuf within bounds; [`rules`] says what must be set; [`KeyPath`] reads the
//! key of a message;
//! [`time`] turns instants into text and back;
//! [`words`] knows the short words of enums; [`Tree`] shows an encoded message as a native
//! [`Value`](trunkline_sdk::Value) to sinks and views; [`parse()`] makes a message of what a person wrote.

mod key;
mod parse;
pub mod rules;
pub(crate) mod scalar;
pub mod time;
mod tree;
pub mod wire;
pub mod words;

pub use key::{KeyPath, MAX_KEY, NoKey};
pub use parse::{Flaw, field, parse};
pub use tree::Tree;
pub(crate) use tree::amount;
