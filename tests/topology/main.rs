//! `trunkline topology` against a real broker, in the words its user sees.

#![allow(clippy::unwrap_used, reason = "what fails to unwrap here fails its test")]

#[path = "../support/mod.rs"]
mod support;

mod doctor;
mod moving;
mod plan;
mod scene;
mod users;
