//! Identity cross-references as a mapping reads them: the shop's customer 17 is the ERP's client K-0042, and both are
//! one identity.
//!
//! A mapping is synchronous and reads no store. It says which references it needs for a message
//! ([`Attempt::Needs`]); they are fetched, and it is tried again with what was found. So it runs once where it needs
//! none, and twice where it does; a reference whose key is itself one takes one turn more.

use std::{collections::HashMap, sync::Arc};

use super::Translated;

/// A question to the store.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// From which side it is asked.
    pub direction: Direction,
    /// The system.
    pub system: Arc<str>,
    /// What is identified: `customer`, `product`.
    pub kind: Arc<str>,
    /// The id in the system, or the identity.
    pub id: Arc<str>,
}

/// From which side a reference is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// `xref`: the id that the system uses is given, the identity is sought.
    Identity,
    /// `xref.to`: the identity is given, the id that the system uses is sought.
    Local,
}

/// An answer of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// This one.
    One(Arc<str>),
    /// The store has no entry.
    None,
    /// The system knows the identity under several ids.
    Several,
}

/// The references that were fetched for one message.
#[derive(Debug, Clone, Default)]
pub struct References {
    known: HashMap<Reference, Found>,
}

/// What one run of a mapping came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Attempt {
    /// It has translated the message.
    Done(Translated),
    /// It needs these references first, each once; none of them was known.
    Needs(Vec<Reference>),
}

impl References {
    /// Adds an answer.
    pub fn insert(&mut self, reference: Reference, found: Found) {
        self.known.insert(reference, found);
    }

    pub(super) fn get(&self, reference: &Reference) -> Option<&Found> {
        self.known.get(reference)
    }
}

/// References that one mapping reads: what lineage and checks ask for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReferenceUse {
    /// From which side.
    pub direction: Direction,
    /// The system.
    pub system: Arc<str>,
    /// What is identified.
    pub kind: Arc<str>,
}
