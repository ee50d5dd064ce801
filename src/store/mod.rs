//! What a process remembers between two runs.

mod references;
mod sqlite;
mod sqlite_references;

use bytes::Bytes;
use trunkline_sdk::Fault;

pub use references::{CrossReference, CrossReferences, DeferredStore, GivenStore, Imported, Selection};
pub use sqlite::SqliteStore;

use crate::bus::{Memo, MemoKey, StateKey};

/// Where the positions of sources are kept when the bus cannot keep them in its own transaction.
///
/// Both calls block until the disk has answered, so they are made off the async threads.
pub trait StateStore: Send + Sync {
    /// What was saved last under this key.
    fn load(&self, key: &StateKey) -> Result<Option<Bytes>, Fault>;

    /// Saves all of these or none, durably: they outlive a power cut right after. A key that stands here
    /// twice has its last value.
    fn save(&self, states: &[(StateKey, Bytes)]) -> Result<(), Fault>;

    /// What is remembered about this; `None`: nothing, or not any more.
    fn recall(&self, key: &MemoKey) -> Result<Option<Bytes>, Fault>;

    /// Remembers all of these or none, durably, each until its time.
    fn remember(&self, memos: &[Memo]) -> Result<(), Fault>;
}
