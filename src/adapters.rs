//! The adapters of this build: one line each.

use std::fmt;

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

/// The adapters that a landscape may name: those of the registry, and what whoever embeds Trunkline adds.
#[derive(Clone)]
pub struct Adapters(Vec<&'static dyn Adapter>);

impl Default for Adapters {
    fn default() -> Self {
        Self(ADAPTERS.to_vec())
    }
}

impl Adapters {
    /// Adds one. Of two with one name the first counts.
    pub fn add(&mut self, adapter: &'static dyn Adapter) {
        self.0.push(adapter);
    }

    /// The adapter of this name.
    pub(crate) fn find(&self, name: &str) -> Option<&'static dyn Adapter> {
        let mut adapters = self.0.iter().copied();
        adapters.find(|adapter| adapter.describe().name == name)
    }

    /// Their names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> + Clone {
        self.0.iter().map(|adapter| adapter.describe().name)
    }
}

impl fmt::Debug for Adapters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}
