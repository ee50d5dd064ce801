//! Lookup tables: what one system's code means in another's. Loaded before the mappings, so that `lookup` can be
//! checked against them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use super::Hidden;

/// One table: from code to word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    entries: HashMap<String, String>,
}

/// The tables of a landscape, by name, and the names of its systems; and which names cannot be known, for what declares
/// them is wrong.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    tables: BTreeMap<String, Arc<Table>>,
    systems: BTreeSet<String>,
    hides_systems: bool,
    hidden: Hidden,
}

impl Table {
    /// A table of these pairs; of a code that comes twice the last counts.
    pub fn of<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        Self {
            entries: pairs
                .into_iter()
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
        }
    }

    /// The word for a code.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries.get(key).map(String::as_str)
    }

    /// All codes with their words.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries
            .iter()
            .map(|(code, word)| (code.as_str(), word.as_str()))
    }
}

impl Tables {
    /// Adds a table; one of the same name is replaced.
    pub fn insert(&mut self, name: impl Into<String>, table: Table) {
        self.tables.insert(name.into(), Arc::new(table));
    }

    /// Says which systems there are: `xref` names one of them.
    pub fn know_systems<N: Into<String>>(&mut self, names: impl IntoIterator<Item = N>) {
        self.systems.extend(names.into_iter().map(Into::into));
    }

    /// The systems that were named, sorted.
    pub fn systems(&self) -> impl Iterator<Item = &str> + Clone {
        self.systems.iter().map(String::as_str)
    }

    /// Says that there may be more systems than were named.
    pub fn hide_systems(&mut self) {
        self.hides_systems = true;
    }

    /// Says which message types there may be, beside those there are.
    pub fn hide_types(&mut self, hidden: Hidden) {
        self.hidden = hidden;
    }

    /// Whether there is such a system, as far as it can be known.
    pub(crate) fn has_system(&self, name: &str) -> bool {
        self.hides_systems || self.systems.contains(name)
    }

    /// Whether a message type of this name may be there that could not be read.
    pub(crate) fn hides_type(&self, name: &str) -> bool {
        self.hidden.has(name)
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tables.keys().map(String::as_str)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Table>> {
        self.tables.get(name)
    }
}
