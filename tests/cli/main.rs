//! The program as its users meet it: what it says, where it says it, and how it ends.

#[path = "../support/mod.rs"]
mod support;

mod catalogue;
mod demo;
mod drain;
mod health;
mod health_text;
mod infer;
mod lineage;
mod map;
mod pipes;
mod quality;
mod scene;
mod secrets;
mod start;
mod stop;
mod test;
mod words;
mod xref;
