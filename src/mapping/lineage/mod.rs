//! Which parts of what comes in each part of what goes out is made of: read off the expressions, without running them.
//!
//! Promises: every part of the input that an expression can read is told, whatever the input; nothing that it cannot.
//! Not promised: which of several branches is taken, and which items of a list: an item is an item, `lines[].sku`.

mod reader;

use std::collections::BTreeSet;

use trunkline_sdk::Place;

use self::reader::made;
use super::{Mapping, Predicate, Split, source::Span};

/// What a value is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Made {
    /// Of nothing that comes in: what stands in the expression itself.
    Constant,
    /// It is the part of the input at this path: ``, `buyer.email`, `lines[].sku`, `@subject` (an attribute).
    Copy(String),
    /// It is reckoned from these.
    Of(BTreeSet<Read>),
    /// An object or message of parts.
    Parts(Vec<Part>),
    /// A list of such items.
    List(Box<Made>),
    /// One of these.
    Either(Vec<Made>),
    /// This, if at all, as the parts of the input at these paths say.
    Decided(Box<Made>, BTreeSet<String>),
}

/// A part of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Its name; `*`: names that show only at run time.
    pub name: String,
    /// What it is made of.
    pub made: Made,
    /// Where the expression stands that it is set to.
    pub place: Place,
}

/// Something that is read, and what for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Read {
    /// Where in the input.
    pub path: String,
    /// What for.
    pub how: How,
}

/// What something is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// It is passed on as it is.
    Copied,
    /// Something is reckoned from it.
    Computed,
    /// It decides what becomes of something else.
    Decided,
}

/// A part that has no parts of its own, as far as is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    /// Where in what is made.
    pub path: String,
    /// What was read for it; none: it is constant.
    pub reads: BTreeSet<Read>,
    /// Where its expression stands; `None`: all of what comes in is passed on.
    pub place: Option<Place>,
}

impl Mapping {
    /// What the parts of its result are made of.
    pub fn made(&self) -> Made {
        made(self.source(), &[])
    }
}

impl Split {
    /// What the parts of each of its messages are made of.
    pub fn made(&self) -> Made {
        let (each, emit, variable) = self.texts();
        let item = made(each, &[]).item();
        made(emit, &[(variable.to_owned(), item)])
    }
}

impl Predicate {
    /// What it reads.
    pub fn reads(&self) -> BTreeSet<String> {
        made(self.source(), &[]).paths()
    }

    /// Where it stands.
    pub fn place(&self) -> Place {
        let whole = Span {
            start: 0,
            end: u32::try_from(self.text().len()).unwrap_or(u32::MAX),
        };
        self.source().place(whole)
    }
}

impl Made {
    /// All that is read for it.
    pub fn reads(&self) -> BTreeSet<Read> {
        match self {
            Made::Constant => BTreeSet::new(),
            Made::Copy(path) => BTreeSet::from([Read {
                path: path.clone(),
                how: How::Copied,
            }]),
            Made::Of(reads) => reads.clone(),
            Made::Parts(parts) => parts.iter().flat_map(|part| part.made.reads()).collect(),
            Made::List(item) => item.reads(),
            Made::Either(all) => all.iter().flat_map(Made::reads).collect(),
            Made::Decided(made, by) => made.reads().into_iter().chain(decided(by)).collect(),
        }
    }

    /// The paths of all that is read for it.
    pub fn paths(&self) -> BTreeSet<String> {
        self.reads().into_iter().map(|read| read.path).collect()
    }

    /// Its parts, down to those that have none.
    pub fn leaves(&self) -> Vec<Leaf> {
        let mut leaves = Vec::new();
        self.collect("", None, &BTreeSet::new(), &mut leaves);
        let mut merged: Vec<Leaf> = Vec::with_capacity(leaves.len());
        for leaf in leaves {
            match merged
                .iter_mut()
                .find(|known| known.path == leaf.path && known.place == leaf.place)
            {
                Some(known) => known.reads.extend(leaf.reads),
                None => merged.push(leaf),
            }
        }
        merged
    }

    fn collect(&self, path: &str, place: Option<&Place>, by: &BTreeSet<String>, leaves: &mut Vec<Leaf>) {
        match self {
            Made::Parts(parts) if !parts.is_empty() => {
                for part in parts {
                    part.made
                        .collect(&join(path, &part.name), Some(&part.place), by, leaves);
                }
            }
            Made::List(item) => item.collect(&format!("{path}[]"), place, by, leaves),
            Made::Either(all) if !all.is_empty() => {
                all.iter().for_each(|made| made.collect(path, place, by, leaves));
            }
            Made::Decided(made, more) => {
                let by = by.union(more).cloned().collect();
                made.collect(path, place, &by, leaves);
            }
            simple => leaves.push(Leaf {
                path: path.to_owned(),
                reads: simple.reads().into_iter().chain(decided(by)).collect(),
                place: place.cloned(),
            }),
        }
    }

    fn member(&self, name: &str) -> Made {
        match self {
            Made::Constant | Made::List(_) => Made::Constant,
            Made::Copy(path) => Made::Copy(join(path, name)),
            Made::Of(reads) => Made::Of(reads.clone()),
            Made::Parts(parts) => match parts.iter().find(|part| part.name == name) {
                Some(part) => part.made.clone(),
                None => {
                    let any = parts.iter().filter(|part| part.name == "*");
                    Made::Either(any.map(|part| part.made.clone()).collect())
                }
            },
            Made::Either(all) => Made::Either(all.iter().map(|made| made.member(name)).collect()),
            Made::Decided(made, by) => Made::Decided(Box::new(made.member(name)), by.clone()),
        }
    }

    fn item(&self) -> Made {
        match self {
            Made::Constant => Made::Constant,
            Made::Copy(path) => Made::Copy(format!("{path}[]")),
            Made::Of(reads) => Made::Of(reads.clone()),
            Made::Parts(parts) => Made::Either(parts.iter().map(|part| part.made.clone()).collect()),
            Made::List(item) => (**item).clone(),
            Made::Either(all) => Made::Either(all.iter().map(Made::item).collect()),
            Made::Decided(made, by) => Made::Decided(Box::new(made.item()), by.clone()),
        }
    }

    fn decided_by(self, by: BTreeSet<String>) -> Made {
        match by.is_empty() {
            true => self,
            false => Made::Decided(Box::new(self), by),
        }
    }

    /// Reckoned from all that this reads.
    fn computed(&self) -> Made {
        computed([self])
    }
}

fn computed<'m>(all: impl IntoIterator<Item = &'m Made>) -> Made {
    let reads = all.into_iter().flat_map(Made::reads).map(|read| Read {
        how: read.how.max(How::Computed),
        ..read
    });
    let reads: BTreeSet<_> = reads.collect();
    match reads.is_empty() {
        true => Made::Constant,
        false => Made::Of(reads),
    }
}

fn decided(by: &BTreeSet<String>) -> impl Iterator<Item = Read> {
    by.iter().map(|path| Read {
        path: path.clone(),
        how: How::Decided,
    })
}

/// A path with one more name.
pub(crate) fn join(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    }
}
