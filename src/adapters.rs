//! The adapters of this build: one line each.

use trunkline_sdk::Adapter;

static SMTP: trunkline_smtp::Smtp = trunkline_smtp::Smtp::new();
static TIMER: trunkline_timer::Timer = trunkline_timer::Timer::new();
static WEBHOOK: trunkline_webhook::Webhook = trunkline_webhook::Webhook::new();

/// All adapters, by the word under which a landscape uses them.
pub static ADAPTERS: &[&dyn Adapter] = &[
    &trunkline_file::File,
    &trunkline_http::Http,
    &SMTP,
    &trunkline_sql::Sql,
    &TIMER,
    &WEBHOOK,
];

/// The adapter with this name.
pub fn find(name: &str) -> Option<&'static dyn Adapter> {
    ADAPTERS
        .iter()
        .copied()
        .find(|adapter| adapter.describe().name == name)
}
