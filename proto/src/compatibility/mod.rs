//! What a new model breaks of an old one.
//!
//! A change breaks when something that kept to the old model stops working with the new one: a message in flight, a
//! mapping or predicate, a JSON view, an import, or a sender that is refused what was accepted before. All such
//! changes are found in one pass, each once: a removed message does not list its fields.
//!
//! Harmless are additions (files, messages, optional fields, enum values), comments, a lifted `required`, and a field
//! removed whose number and name are reserved. Not compared: services, and rules of `buf.validate` other than what
//! makes a value required; a pattern that got narrower is for people to see. `google.protobuf` and `buf.validate`
//! themselves are not compared either: no channel carries them.

mod comparison;
mod required;
mod reserved;

use std::fmt;

use prost_reflect::DescriptorPool;

use comparison::Comparison;

/// One thing in the new model that breaks what kept to the old one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BreakingChange {
    /// The file of the old model that declares the element, as imports write it.
    pub file: String,
    /// Full name of the element: a message, field, enum, enum value or oneof.
    pub element: String,
    /// What kind of change it is.
    pub kind: ChangeKind,
    /// What changed, as a clause that follows the name of the element.
    pub what: String,
}

/// What kind of change breaks. Each has one way to mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// The element is gone.
    Removed,
    /// The number goes by another name.
    Renamed,
    /// The name goes by another number.
    Renumbered,
    /// The type of the value is another.
    Type,
    /// One value became a list or a map, or the reverse.
    Cardinality,
    /// Whether an unset value differs from a zero one.
    Presence,
    /// The field entered, left or changed its oneof.
    Oneof,
    /// The name in JSON is another.
    JsonName,
    /// What might be left out is now required.
    Required,
    /// A number or name that was reserved may be used again.
    Unreserved,
    /// The element is declared in another file.
    Moved,
}

impl ChangeKind {
    /// How to mend it, for the person who made the change.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Removed => {
                "keep it and mark it `deprecated = true`; an optional field may go once its number and name are reserved"
            }
            Self::Renamed | Self::JsonName => "keep the name; say in a comment what it means now",
            Self::Renumbered => "give it back its number; new elements take unused ones",
            Self::Type | Self::Cardinality | Self::Presence | Self::Oneof => {
                "keep the field as it was and add one with a new name and number"
            }
            Self::Required => "leave it optional, or make a new version of the package",
            Self::Unreserved => "put the `reserved` statement back",
            Self::Moved => "leave it in its file: imports name the file",
        }
    }
}

impl fmt::Display for BreakingChange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}: `{}` {}; hint: {}",
            self.file,
            self.element,
            self.what,
            self.kind.hint()
        )
    }
}

/// All changes from `old` to `new` that break what kept to `old`, sorted by file and element; empty: none.
/// Each pool must hold the imports of its files. Rules count where the pool knows `buf/validate/validate.proto`.
pub fn breaking_changes(old: &DescriptorPool, new: &DescriptorPool) -> Vec<BreakingChange> {
    Comparison::of(old, new)
}
