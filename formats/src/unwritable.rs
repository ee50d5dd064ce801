//! Why a record cannot be written in a format: which field, and what is wrong with it.

use std::{error::Error, fmt};

/// A record that a format has no way to say, or for which its layout has no place. Nothing was cut or left out to
/// make it fit. Quotes nothing of the record but names of fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwritable {
    /// The field: `lines[2].note`; empty for the record itself.
    pub field: String,
    /// What is wrong with it; lower-case, no full stop.
    pub what: String,
}

impl Unwritable {
    pub(crate) fn new(field: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            what: what.into(),
        }
    }

    /// The same, seen from the object or list around it.
    pub(crate) fn within(mut self, outer: &str) -> Self {
        let is_item = self.field.is_empty() || self.field.starts_with('[');
        let dot = if is_item { "" } else { "." };
        self.field = format!("{outer}{dot}{}", self.field);
        self
    }
}

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => write!(f, "the record {}", self.what),
            field => write!(f, "`{field}` {}", self.what),
        }
    }
}

impl Error for Unwritable {}
