//! A flow: messages come from a channel or a system, go through steps, and leave for a channel or a system.
//!
//! One file per pattern, named as its word in the flow file. `run.rs` is the one loop.

mod filter;
mod processor;
mod reading;
mod route;
mod run;
mod scope;
mod split;
mod steps;
mod translate;

use trunkline_sdk::Settings;

pub use processor::{Processor, Rule, Step};
pub(crate) use run::{Flow, cause, onward, outputs, run, tell_refused, valid};
pub(crate) use scope::{Carries, Scope};
pub use steps::{Emitted, Failed, Steps, Verdict};

/// The words of the steps.
pub(crate) const WORDS: [&str; 4] = ["filter", "translate", "route", "split"];

/// Plans one step: its word, and what stands behind it. `None`: what is wrong was told.
pub(crate) fn plan(word: &str, settings: &Settings, scope: &mut Scope<'_>) -> Option<Box<dyn Processor>> {
    match word {
        "filter" => filter::plan(settings, scope),
        "translate" => translate::plan(settings, scope),
        "route" => route::plan(settings, scope),
        "split" => split::plan(settings, scope),
        _ => None,
    }
}
