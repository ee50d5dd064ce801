//! Identity cross-references: which id of which system means which identity. What one system calls customer 17 another
//! calls K-0042; the identity is the name that both have in common, and that canonical messages carry.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use trunkline_sdk::Fault;

use super::SqliteStore;
use crate::mapping::{Direction, Found, Reference};

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CrossReference {
    /// The system.
    pub system: String,
    /// What is identified: `customer`, `product`.
    pub kind: String,
    /// What the system calls it; of one kind in one system an id means one identity.
    pub id: String,
    /// The identity that it means.
    pub identity: String,
}

/// What an import did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// Entries that were not there.
    pub added: usize,
    /// Entries that meant another identity.
    pub changed: usize,
    /// Entries that were there just so.
    pub same: usize,
}

/// Which entries are meant; what is `None` may be anything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Selection<'s> {
    /// The system.
    pub system: Option<&'s str>,
    /// The kind.
    pub kind: Option<&'s str>,
    /// The id in the system.
    pub id: Option<&'s str>,
    /// The identity.
    pub identity: Option<&'s str>,
}

/// A store of cross-references.
///
/// All calls block until the disk has answered, so they are made off the async threads.
pub trait CrossReferences: Send + Sync {
    /// The answers to these questions, in their order.
    fn find(&self, references: &[Reference]) -> Result<Vec<Found>, Fault>;

    /// Sets all of these or none, durably. What an id meant before is replaced.
    fn set(&self, entries: &[CrossReference]) -> Result<Imported, Fault>;

    /// The entries of a selection, sorted, at most so many.
    fn list(&self, selection: Selection<'_>, most: usize) -> Result<Vec<CrossReference>, Fault>;

    /// Removes an entry; false: it was not there.
    fn remove(&self, system: &str, kind: &str, id: &str) -> Result<bool, Fault>;
}

/// The references that are given for one trial of a flow, in memory: what is tried out reads no store of a landscape.
#[derive(Debug, Default)]
pub struct GivenStore {
    given: Mutex<Vec<CrossReference>>,
}

impl GivenStore {
    /// Gives these, and no others.
    pub fn give(&self, references: Vec<CrossReference>) {
        *self.given() = references;
    }

    fn given(&self) -> MutexGuard<'_, Vec<CrossReference>> {
        // Nothing is half done where somebody panicked.
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CrossReferences for GivenStore {
    fn find(&self, references: &[Reference]) -> Result<Vec<Found>, Fault> {
        let given = self.given();
        let find = |reference: &Reference| {
            let of_kind = given
                .iter()
                .filter(|entry| entry.system == *reference.system && entry.kind == *reference.kind);
            let mut found = of_kind.filter_map(|entry| {
                let (asked, answer) = match reference.direction {
                    Direction::Identity => (&entry.id, &entry.identity),
                    Direction::Local => (&entry.identity, &entry.id),
                };
                (*asked == *reference.id).then_some(answer)
            });
            match (found.next(), found.next()) {
                (None, _) => Found::None,
                (Some(one), None) => Found::One(one.as_str().into()),
                (Some(_), Some(_)) => Found::Several,
            }
        };
        Ok(references.iter().map(find).collect())
    }

    fn set(&self, _: &[CrossReference]) -> Result<Imported, Fault> {
        Err(Fault::stop("what is only tried out keeps no cross-references"))
    }

    fn list(&self, selection: Selection<'_>, most: usize) -> Result<Vec<CrossReference>, Fault> {
        let is_meant = |wanted: Option<&str>, part: &str| wanted.is_none_or(|wanted| wanted == part);
        let mut meant: Vec<_> = self
            .given()
            .iter()
            .filter(|entry| {
                is_meant(selection.system, &entry.system)
                    && is_meant(selection.kind, &entry.kind)
                    && is_meant(selection.id, &entry.id)
                    && is_meant(selection.identity, &entry.identity)
            })
            .cloned()
            .collect();
        meant.sort();
        meant.truncate(most);
        Ok(meant)
    }

    fn remove(&self, _: &str, _: &str, _: &str) -> Result<bool, Fault> {
        Ok(false)
    }
}

/// A store in a folder, opened when it is first asked: a landscape without cross-references makes none.
pub struct DeferredStore {
    folder: PathBuf,
    makes: bool,
    opened: Mutex<Option<Arc<SqliteStore>>>,
}

impl DeferredStore {
    /// The store of this folder.
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            makes: true,
            opened: Mutex::new(None),
        }
    }

    /// The store of this folder, to be looked at: where there is none it holds nothing, and none is made.
    pub fn to_look_at(folder: PathBuf) -> Self {
        Self {
            makes: false,
            ..Self::new(folder)
        }
    }

    fn is_away(&self) -> bool {
        !self.makes && !SqliteStore::is_in(&self.folder)
    }

    fn store(&self) -> Result<Arc<SqliteStore>, Fault> {
        // Nothing is half done where somebody panicked: the store is there or not.
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        match &*opened {
            Some(store) => Ok(store.clone()),
            None => Ok(opened.insert(Arc::new(SqliteStore::open(&self.folder)?)).clone()),
        }
    }
}

impl CrossReferences for DeferredStore {
    fn find(&self, references: &[Reference]) -> Result<Vec<Found>, Fault> {
        if self.is_away() {
            return Ok(vec![Found::None; references.len()]);
        }
        self.store()?.find(references)
    }

    fn set(&self, entries: &[CrossReference]) -> Result<Imported, Fault> {
        self.store()?.set(entries)
    }

    fn list(&self, selection: Selection<'_>, most: usize) -> Result<Vec<CrossReference>, Fault> {
        if self.is_away() {
            return Ok(Vec::new());
        }
        self.store()?.list(selection, most)
    }

    fn remove(&self, system: &str, kind: &str, id: &str) -> Result<bool, Fault> {
        if self.is_away() {
            return Ok(false);
        }
        self.store()?.remove(system, kind, id)
    }
}
