//! The fields a record has, where they are known before it runs.

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
