//! The contract between Trunkline and an adapter: all that an adapter author must read.
//!
//! An [`Adapter`] is the kind (`sql`, `webhook`, `file`); a [`System`] is one configured instance of it,
//! opened once per process and shared by every flow that uses it; a [`Source`] reads native records out of
//! the system, a [`Sink`] applies messages to it.
//!
//! What Trunkline does, so an adapter need not: mapping, retries and their delays, dead letters, order,
//! checkpoints, metrics. What an adapter does: speak the system's protocol, say *truthfully* what became of
//! each record, and never answer a sender before [`Outlet`] said that the bus has it.
//!
//! This crate knows no bus, no codec and no runtime beyond tokio's channels.

mod fault;
mod options;
mod outlet;
mod record;
mod settings;
mod shape;
mod value;

#[cfg(feature = "contract")]
pub mod contract;
#[cfg(feature = "tls")]
pub mod tls;

use std::path::Path;

use async_trait::async_trait;

pub use fault::{Fault, Remedy};
pub use options::{Kind, Need, Opt, Options, nearest, parse_duration, parse_size};
pub use outlet::{Intake, Outlet, Receipt};
pub use record::{Body, Context, Delivered, Outcome, Position, Record, Reply};
pub use settings::{Entry, Place, Problem, Reference, Settings, Stretch};
pub use shape::{Astray, Field, Shape, Used, Within};
pub use value::Value;

/// A kind of system: stateless, one per process, listed in Trunkline's registry under its name.
#[async_trait]
pub trait Adapter: Send + Sync {
    /// The adapter's name, options and promises: what `check`, the docs and the schema are made from.
    fn describe(&self) -> &'static Description;

    /// Everything wrong with the settings of one system and of the endpoints that use it, all at once.
    ///
    /// Options that the [`Description`] declares are checked before this is called (unknown words, missing
    /// ones, kinds); here is only what a table cannot say. Pure: no files, no network, no secrets; of a file that an
    /// option of the system names, its text is at hand as [`Settings::file`].
    fn check(&self, _system: &Settings, _endpoints: &[Endpoint<'_>]) -> Vec<Problem> {
        Vec::new()
    }

    /// What of each message a sink with these settings uses, as far as the settings say; `None`: all of it. For those
    /// who ask which data goes where. Pure, as [`Adapter::check`] is.
    fn uses(&self, _system: &Settings, _sink: &Settings) -> Option<Vec<Used>> {
        None
    }

    /// How a sink with these settings keeps a repeat from acting twice, where that depends on them. Pure, and asked
    /// of settings that may be wrong.
    fn effect(&self, _system: &Settings, _sink: &Settings) -> Effect {
        self.describe().effect
    }

    /// Whether a source with these settings asks ([`Outlet::ask`]) where others send: then some flow must answer, and its
    /// process needs a way for answers. Pure, as [`Adapter::check`] is.
    fn asks(&self, _source: &Settings) -> bool {
        false
    }

    /// Whether a sink with these settings passes on what its system answers ([`Outcome::Applied`] with a [`Reply`]), so
    /// that a flow may make a message of it. Pure, as [`Adapter::check`] is.
    fn replies(&self, _sink: &Settings) -> bool {
        false
    }

    /// Opens the system: its pool, listener or token. `home` is the landscape's folder, to which relative
    /// paths refer.
    ///
    /// Faults: [`Remedy::Stop`] for what only a person can mend (credentials refused, path missing);
    /// [`Remedy::Reopen`] when the system is not there yet: Trunkline tries again.
    async fn open(&self, system: &Settings, home: &Path) -> Result<Box<dyn System>, Fault>;
}

/// What an adapter is, as data.
#[derive(Debug)]
pub struct Description {
    /// The word in the landscape: `systems: { erp: { sql: … } }`.
    pub name: &'static str,
    /// One line: what it connects.
    pub summary: &'static str,
    /// The options of a system.
    pub system: &'static [Opt],
    /// The options of a `from:` that reads from it; `None`: it has no source.
    pub source: Option<&'static [Opt]>,
    /// The options of a `to:` that writes to it; `None`: it has no sink.
    pub sink: Option<&'static [Opt]>,
    /// How its sink keeps a repeated message from acting twice; see [`Adapter::effect`].
    pub effect: Effect,
}

/// How a sink earns "not twice".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// E1: the message id is written in the target's own transaction.
    Transactional,
    /// E2: a repeat is harmless at the target (upsert, idempotency key, atomic rename).
    Idempotent,
    /// E3: the intent is logged, and looked up at the target before it is repeated.
    Verified,
    /// E4: an ambiguous call may have acted; the flow says `in_doubt: park` or `repeat`.
    Plain,
}

/// One use of a system by a flow, as `check` sees it.
#[derive(Debug, Clone, Copy)]
pub enum Endpoint<'a> {
    /// `from: { system: …, <settings> }`.
    Source {
        /// What stands beside `system:`.
        settings: &'a Settings,
    },
    /// `to: { system: …, <settings> }`.
    Sink {
        /// What stands beside `system:`.
        settings: &'a Settings,
        /// What the records that will arrive hold, where that is known.
        shape: Option<&'a Shape>,
    },
}

/// One configured system, opened.
#[async_trait]
pub trait System: Send + Sync {
    /// A source of native records. Called once per flow that reads from the system.
    async fn source(&self, endpoint: &Settings) -> Result<Box<dyn Source>, Fault>;

    /// A sink for messages. Called once per flow that writes to the system. `flow` names the flow: the first
    /// half of the deduplication key (flow, message id).
    async fn sink(&self, flow: &str, endpoint: &Settings) -> Result<Box<dyn Sink>, Fault>;

    /// Is it reachable, are we allowed in? Touches nothing. One line of what was found.
    async fn test(&self) -> Result<String, Fault>;

    /// Gives back what [`Adapter::open`] took. Sources were stopped and sinks finished before.
    async fn close(&self) {}
}

/// Reads native records out of a system; push (webhook) and poll (file, table) alike.
#[async_trait]
pub trait Source: Send {
    /// Runs until the source is exhausted (a batch: `Ok`), or [`Outlet::stopping`] resolves.
    ///
    /// `resume` is the position of the last record that is safe on the bus: go on *behind* it. A crash may
    /// repeat records, and then under the same [`Record::id`]; it must never skip one.
    /// Only a [`Receipt`] allows to answer 2xx, rename the file or advance the cursor.
    ///
    /// Faults: [`Remedy::Reopen`] when the connection is lost, [`Remedy::Stop`] when a person is needed.
    async fn run(&mut self, outlet: Outlet, resume: Option<Position>) -> Result<(), Fault>;
}

/// Applies messages to a system.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Applies a batch, in order; answers one [`Outcome`] per message, in the same order.
    ///
    /// Neighbours with the same [`Context::unit`] came from one message that was split: they take effect
    /// together or not at all where the system can do that. One bad message must not keep the others from
    /// being applied. The same message may come again, also at the same time: see [`Effect`].
    async fn write(&self, batch: &[Delivered]) -> Vec<Outcome>;
}
