//! A message type as values carry it, so that what is read of a message need not be known before it runs: a field by
//! its name, what an `Any` holds. What is needed is compiled when it is first asked for, and kept.

use std::{borrow::Cow, collections::HashMap, fmt, sync::OnceLock};

use prost_reflect::MessageDescriptor;

use super::{
    field::Field,
    scalar::Scalar,
    value::{Blob, Val},
};
use crate::canonical::wire::{Broken, MAX_DEPTH, Reader, Wire};

/// A message type.
pub(crate) struct Kind {
    pub(crate) descriptor: MessageDescriptor,
    pub(crate) scalar: Scalar,
    fields: OnceLock<HashMap<Box<str>, Field>>,
    packed: Packed,
}

/// The types that were found in messages `Any` of one field: a list that only grows, at most by the types there are.
#[derive(Debug, Default)]
struct Packed {
    first: OnceLock<Box<(Kind, Packed)>>,
}

impl Kind {
    pub(crate) fn new(descriptor: &MessageDescriptor) -> Self {
        Self {
            scalar: Scalar::of_message(descriptor),
            descriptor: descriptor.clone(),
            fields: OnceLock::new(),
            packed: Packed::default(),
        }
    }

    /// The field or, by its full name, the extension of this name.
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        let fields = self.fields.get_or_init(|| {
            let own = self.descriptor.fields();
            let own = own.map(|field| (field.name().into(), Field::new(&field)));
            let further = self.descriptor.extensions();
            let further = further.map(|field| (field.full_name().into(), Field::extension(&field)));
            own.chain(further).collect()
        });
        fields.get(name)
    }

    /// What a message of this type stands for.
    pub(crate) fn open<'a>(&'a self, message: &Blob<'a>) -> Result<Val<'a>, Broken> {
        self.scalar.open(message, Some(self))
    }

    /// What a message `Any` holds: the value that its type stands for. An empty one holds nothing.
    pub(super) fn unpack<'a>(&'a self, message: &Blob<'a>) -> Result<Val<'a>, Broken> {
        let (mut kind, mut message) = (self, message.clone());
        // An `Any` may hold an `Any`, and so on.
        for _ in 0..MAX_DEPTH {
            let (mut name, mut value) = (Cow::Borrowed(""), Blob::Borrowed(&[][..]));
            let mut reader = Reader::new(message.as_slice());
            while let Some(field) = reader.field()? {
                match field {
                    (1, Wire::Bytes(bytes)) => name = Cow::Owned(String::from_utf8_lossy(bytes).into_owned()),
                    (2, Wire::Bytes(bytes)) => value = message.part(bytes),
                    _ => {}
                }
            }
            let name = name.rsplit('/').next().unwrap_or_default();
            if name.is_empty() && value.as_slice().is_empty() {
                return Ok(Val::Null);
            }
            let Some(inner) = self.packed.kind(name, &self.descriptor) else {
                // What it holds nobody here can read: it is compared by its bytes.
                return Ok(Val::Message(message, Some(kind)));
            };
            if inner.scalar != Scalar::Any {
                return inner.scalar.open(&value, Some(inner));
            }
            (kind, message) = (inner, value);
        }
        Err(Broken::Group)
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kind").field(&self.descriptor.full_name()).finish()
    }
}

impl Packed {
    fn kind(&self, name: &str, any: &MessageDescriptor) -> Option<&Kind> {
        let mut packed = self;
        loop {
            if let Some(found) = packed.first.get() {
                if found.0.descriptor.full_name() == name {
                    return Some(&found.0);
                }
                packed = &found.1;
                continue;
            }
            let descriptor = any.parent_pool().get_message_by_name(name)?;
            // Where another thread was quicker, look at what it found.
            let _ = packed
                .first
                .set(Box::new((Kind::new(&descriptor), Packed::default())));
        }
    }
}
