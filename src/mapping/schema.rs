//! What a source declares of its native records: their structure, against which `this` is checked.
//!
//! Whoever reads a JSON Schema, the columns of a table or a file of samples makes one of these. What it says is what
//! a mapping may read: a name that it does not have is refused before anything runs. Whether a record keeps to it
//! shows when the record comes: a part of another kind is then a fault with its path, as it is without a schema.

use std::{fmt, sync::Arc};

/// The declared structure of a source's records.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordSchema {
    /// What problems call it: the file it stands in, or the table.
    pub name: Arc<str>,
    /// What a whole record is.
    pub root: RecordType,
}

/// What a part of a record is.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordType {
    /// Its kind, where it is not null.
    pub kind: RecordKind,
    /// Whether it may be null: then it may be compared with null.
    pub nullable: bool,
}

/// The kinds of parts.
#[derive(Debug, Clone, PartialEq)]
pub enum RecordKind {
    /// Anything: nothing is known of it, or it may be of several kinds.
    Any,
    /// True or false.
    Bool,
    /// A number without a fraction.
    Int,
    /// A decimal number.
    Number,
    /// A text.
    Text,
    /// One of these texts: a comparison with another is refused.
    Words(Arc<[String]>),
    /// Bytes that are no text.
    Bytes,
    /// A list of such items.
    List(Arc<RecordType>),
    /// An object.
    Object(Arc<RecordObject>),
}

/// An object: its fields by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RecordObject {
    /// The declared fields, no name twice.
    pub fields: Vec<RecordField>,
    /// What fields of other names are; `None`: they may come, but reading one is refused. A schema that merely does
    /// not forbid them (JSON Schema without `additionalProperties`) leaves this `None`, so that slips are found.
    pub rest: Option<RecordType>,
}

/// A field of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordField {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub ty: RecordType,
    /// Whether it is always there.
    pub required: bool,
}

impl RecordType {
    /// A part of this kind that is never null.
    pub fn of(kind: RecordKind) -> Self {
        Self {
            kind,
            nullable: false,
        }
    }

    /// The same part, which may be null too.
    #[must_use]
    pub fn or_null(self) -> Self {
        Self {
            nullable: true,
            ..self
        }
    }

    /// A list of such items.
    pub fn list(items: RecordType) -> Self {
        Self::of(RecordKind::List(Arc::new(items)))
    }

    /// An object with these fields, all of them always there, and no others.
    pub fn object<N: Into<String>>(fields: impl IntoIterator<Item = (N, RecordType)>) -> Self {
        let fields = fields.into_iter().map(|(name, ty)| RecordField {
            name: name.into(),
            ty,
            required: true,
        });
        Self::of(RecordKind::Object(Arc::new(RecordObject {
            fields: fields.collect(),
            rest: None,
        })))
    }
}

impl RecordObject {
    /// The declared field of this name.
    pub fn field(&self, name: &str) -> Option<&RecordField> {
        self.fields.iter().find(|field| field.name == name)
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            RecordKind::Any => f.write_str("anything")?,
            RecordKind::Bool => f.write_str("bool")?,
            RecordKind::Int => f.write_str("int")?,
            RecordKind::Number => f.write_str("number")?,
            RecordKind::Text | RecordKind::Words(_) => f.write_str("string")?,
            RecordKind::Bytes => f.write_str("bytes")?,
            RecordKind::List(item) => write!(f, "list of {item}")?,
            RecordKind::Object(_) => f.write_str("object")?,
        }
        if self.nullable && self.kind != RecordKind::Any {
            f.write_str(" or null")?;
        }
        Ok(())
    }
}
