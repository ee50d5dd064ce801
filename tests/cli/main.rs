//! The program as its users meet it: what it says, where it says it, and how it ends.

#[path = "../support/mod.rs"]
mod support;

mod demo;
mod drain;
mod map;
mod pipes;
mod scene;
mod secrets;
mod start;
mod stop;
mod test;
mod words;
mod xref;
