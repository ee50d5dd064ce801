//! Logs, on stderr: for operators, fields rather than prose.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

/// Begins to log. `TRUNKLINE_LOG` chooses what (`info` by default; `debug`, `trunkline::flow=debug` …), and
/// `TRUNKLINE_LOG_FORMAT=json` gives one JSON object per line.
pub fn init(default: &str) {
    let chosen = std::env::var("TRUNKLINE_LOG").unwrap_or_else(|_| default.to_owned());
    // The libraries' own chatter is ours to translate.
    let filter = EnvFilter::new(format!("lapin=off,{chosen}"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        // A collector that has died is no reason to die with it.
        .log_internal_errors(false);
    let colour = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    // An error means that a test has set up a log already.
    let _ = if std::env::var("TRUNKLINE_LOG_FORMAT").as_deref() == Ok("json") {
        builder.json().flatten_event(true).try_init()
    } else {
        builder.with_ansi(colour).with_target(false).try_init()
    };
}
