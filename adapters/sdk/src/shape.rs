//! The fields a record has, where they are known before it runs.

use crate::Place;

/// The fields of the records that reach a sink: from the canonical type, or from the mapping's result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// What it is the shape of: a full message name (`trunkline.commerce.v1.StockMove`) or a mapping's file.
    pub name: String,
    /// Its fields.
    pub fields: Vec<Field>,
}

/// One field of a [`Shape`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The field's name.
    pub name: String,
    /// True for one value (number, text, time …); false for an object or a list.
    pub scalar: bool,
}

/// A field of a message that a sink uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// Its path: `buyer.email`.
    pub path: String,
    /// What it is to the system, in the system's words: `:email`, `contacts.email`.
    pub name: String,
    /// Where the settings say so.
    pub place: Place,
}
