//! The canonical model: what a message on the bus says, whichever system it came from.
//!
//! - the generated types by domain, such as [`commerce::v1::Order`], and `google::r#type::Money`;
//! - [`DESCRIPTOR_SET`] and [`descriptor_pool`]: the same model for those who read it at run time;
//! - [`privacy()`]: how private a field is;
//! - [`compatibility`]: what a new model breaks of an old one.
//!
//! The `.proto` files beside this crate's manifest are the source, and the interface to other languages. What is in
//! `src/gen` is written from them by `cargo run -p trunkline-proto --example generate`; a test refuses it when stale.
//! Not promised: that a value obeys the rules its field states (`buf.validate`); the types carry what they are given.

use std::sync::LazyLock;

use prost_reflect::DescriptorPool;

pub mod compatibility;
mod privacy;

#[path = "gen/mod.rs"]
mod generated;

pub use generated::google;
pub use generated::trunkline::{
    bus, commerce, finance, logistics, marketing, options, party, sales, service,
};
pub use privacy::privacy;

/// The model as an encoded `google.protobuf.FileDescriptorSet`: all files with their imports and options, without
/// comments and positions.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!("gen/descriptors.binpb");

/// The model for reading at run time: decoded from [`DESCRIPTOR_SET`] at the first call, shared afterwards.
/// A clone of the pool is cheap; files may be added to the clone without touching this one.
pub fn descriptor_pool() -> &'static DescriptorPool {
    static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
        DescriptorPool::decode(DESCRIPTOR_SET)
            .expect("the embedded descriptor set was written by the generator")
    });
    &POOL
}
