//! What failed in one run, field by field, as the one fault of its record.

use std::fmt::Write;

use trunkline_sdk::Fault;

use super::{
    failure::Failure,
    source::{Source, Span},
};

/// How many faults of one record are told; the rest are counted.
const TOLD: usize = 8;

/// What failed in one run, each with the path of the field it was for.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    list: Vec<(String, Box<Failure>)>,
    more: usize,
}

impl Faults {
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn is_exhausted(&self) -> bool {
        self.list.last().is_some_and(|(_, failure)| failure.exhausted)
    }

    pub(crate) fn push(&mut self, failure: Box<Failure>) {
        if self.list.len() < TOLD || failure.exhausted {
            self.list.push((String::new(), failure));
        } else {
            self.more += 1;
        }
    }

    /// Puts a step in front of the paths of the faults since `since`.
    pub(crate) fn prefix(&mut self, since: usize, step: &str) {
        for (path, _) in &mut self.list[since..] {
            if !path.is_empty() && !path.starts_with('[') {
                path.insert(0, '.');
            }
            path.insert_str(0, step);
        }
    }

    /// Says where those since `since` come from that do not know it themselves.
    pub(crate) fn place(&mut self, since: usize, at: Span) {
        for (_, failure) in &mut self.list[since..] {
            failure.at.get_or_insert(at);
        }
    }

    pub(crate) fn first(mut self) -> Option<Box<Failure>> {
        (!self.list.is_empty()).then(|| self.list.swap_remove(0).1)
    }

    /// All of them as the one fault of this record.
    #[cold]
    pub(crate) fn into_fault(self, source: &Source, whole: Span) -> Fault {
        let mut what = String::new();
        let mut is_told = false;
        for (at, (path, failure)) in self.list.iter().enumerate() {
            // Whatever comes behind it fails for the same reason.
            if failure.exhausted && std::mem::replace(&mut is_told, true) {
                continue;
            }
            if at > 0 {
                what.push_str("; ");
            }
            if !path.is_empty() {
                // Writing to a text cannot fail.
                let _ = write!(what, "{path}: ");
            }
            let place = source.place(failure.at.unwrap_or(whole));
            let _ = write!(what, "{} ({place})", failure.what);
        }
        if self.more > 0 {
            let _ = write!(what, "; and {} more", self.more);
        }
        let fault = Fault::dead_letter(what);
        match self.list.into_iter().find_map(|(_, failure)| failure.hint) {
            Some(hint) => fault.hint(hint),
            None => fault,
        }
    }
}

/// Where a whole expression stands, for faults without a place of their own.
pub(crate) fn fault(failure: Box<Failure>, whole: Span, source: &Source) -> Fault {
    let mut faults = Faults::default();
    faults.push(failure);
    faults.into_fault(source, whole)
}
