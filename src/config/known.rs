//! The names that a landscape declares: those that are right, those that are wrong and were told, and whether there
//! may be more than could be read. So one mistake is told once, and not by everybody who names it.

use std::collections::{BTreeMap, BTreeSet};

/// Names of one kind, with what they stand for.
#[derive(Debug)]
pub(crate) struct Known<N, T> {
    right: BTreeMap<String, (N, T)>,
    wrong: BTreeSet<String>,
    told: BTreeSet<String>,
    is_whole: bool,
}

impl<N, T> Known<N, T> {
    /// None yet. `is_whole`: all of the text that declares them could be read.
    pub(crate) fn new(is_whole: bool) -> Self {
        Self {
            right: BTreeMap::new(),
            wrong: BTreeSet::new(),
            told: BTreeSet::new(),
            is_whole,
        }
    }

    /// A name that can be used.
    pub(crate) fn insert(&mut self, text: &str, name: N, stands_for: T) {
        self.right.insert(text.to_owned(), (name, stands_for));
    }

    /// A name whose declaration is wrong, which was told.
    pub(crate) fn insert_wrong(&mut self, text: &str) {
        self.wrong.insert(text.to_owned());
    }

    /// A word that is no name, or one that was meant by such a word; which was told.
    pub(crate) fn insert_told(&mut self, text: String) {
        self.told.insert(text);
    }

    /// What a name stands for.
    pub(crate) fn get(&self, text: &str) -> Option<&(N, T)> {
        self.right.get(text)
    }

    /// Whether the cause for a name that cannot be used was told already.
    pub(crate) fn is_told(&self, text: &str) -> bool {
        !self.is_whole || self.wrong.contains(text) || self.told.contains(text)
    }

    /// Whether these are all there are: everything that declares them could be read, and was right.
    pub(crate) fn are_all(&self) -> bool {
        self.is_whole && self.told.is_empty()
    }

    /// All names, whether what they stand for is right or wrong, in order.
    pub(crate) fn names(&self) -> Vec<&str> {
        let all: BTreeSet<_> = self.right.keys().chain(&self.wrong).map(String::as_str).collect();
        all.into_iter().collect()
    }

    /// The names that can be used, with what they stand for, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &(N, T)> {
        self.right.values()
    }
}
