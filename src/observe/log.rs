//! Logs, on stderr: for operators, fields rather than prose.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

/// Begins to log. `TRUNKLINE_LOG` chooses what (`info` by default; `debug`, `trunkline::flow=debug` …), and
/// `TRUNKLINE_LOG_FORMAT=json` gives one JSON object per line. What is not understood is told, and left aside.
pub fn init(default: &str) {
    let chosen = std::env::var("TRUNKLINE_LOG")
        .ok()
        .filter(|chosen| !chosen.is_empty());
    // The libraries' own chatter is ours to translate.
    let filter = |chosen: &str| EnvFilter::try_new(format!("lapin=off,{chosen}")).ok();
    let understood = chosen.as_deref().map(filter);
    let is_understood = !matches!(understood, Some(None));
    let filter = understood
        .flatten()
        .or_else(|| filter(default))
        .unwrap_or_default();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        // A collector that has died is no reason to die with it.
        .log_internal_errors(false);
    let colour = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    // An error means that a test has set up a log already.
    let format = std::env::var("TRUNKLINE_LOG_FORMAT").unwrap_or_default();
    let _ = if format == "json" {
        builder.json().flatten_event(true).try_init()
    } else {
        builder.with_ansi(colour).with_target(false).try_init()
    };
    if !is_understood {
        tracing::warn!("`TRUNKLINE_LOG` is not understood; hint: such as `debug` or `trunkline::flow=debug`");
    }
    if !["", "text", "json"].contains(&format.as_str()) {
        tracing::warn!("`TRUNKLINE_LOG_FORMAT` is not understood; hint: `text` or `json`");
    }
}
