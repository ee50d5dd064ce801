//! What a landscape needs against what its bus has.

use std::fmt;

/// One thing in which a bus differs from what its landscape needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// How it differs.
    pub kind: DifferenceKind,
    /// What it is: `queue`, `exchange`, `binding`, `channel`.
    pub thing: &'static str,
    /// Its name; of a binding `trunkline.orders -> orders.stock`.
    pub name: String,
    /// What is so, in words.
    pub what: String,
    /// How to mend it; `None`: `topology apply` does.
    pub mend: Option<String>,
}

/// How a thing differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DifferenceKind {
    /// It is not there.
    Missing,
    /// It is there, otherwise than it should be.
    Otherwise,
    /// It is there, is ours by its name, and nothing in the landscape wants it.
    Orphan,
}

impl DifferenceKind {
    /// The word for programs: `missing`, `otherwise`, `orphan`.
    pub fn word(self) -> &'static str {
        match self {
            DifferenceKind::Missing => "missing",
            DifferenceKind::Otherwise => "otherwise",
            DifferenceKind::Orphan => "orphan",
        }
    }

    /// The mark for people: `+`, `~`, `?`.
    pub fn mark(self) -> char {
        match self {
            DifferenceKind::Missing => '+',
            DifferenceKind::Otherwise => '~',
            DifferenceKind::Orphan => '?',
        }
    }
}

/// One line: `~ queue orders.stock: x-delivery-limit is 20, should be 1000`.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.kind.mark(), self.thing, self.name)?;
        match self.kind {
            _ if self.what.is_empty() => Ok(()),
            DifferenceKind::Missing => write!(f, " ({})", self.what),
            DifferenceKind::Otherwise | DifferenceKind::Orphan => write!(f, ": {}", self.what),
        }
    }
}
