//! A field of a message, compiled from its descriptor, and how it is read out of encoded bytes: one walk over the
//! message, which skips what it does not want.
//!
//! As protobuf wants it: the last of repeated scalars counts, repeated submessages merge, the last member of a
//! oneof counts, lists come packed and unpacked, a field with a foreign wire type is an unknown field.

use prost_reflect::{Cardinality, ExtensionDescriptor, FieldDescriptor, Kind as ProtoKind, Syntax, Value};

use super::{
    kind::Kind,
    scalar::Scalar,
    value::{Blob, Text, Val},
};
use crate::canonical::wire::{Broken, Reader, Wire};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One value; `presence`: unset differs from its default.
    One { presence: bool },
    /// `packed`: its values are written behind one tag; they are read either way.
    List { packed: bool },
    /// Its entries are messages of a key and a value.
    Map,
}

/// A field as the plan needs it.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) number: u32,
    pub(crate) scalar: Scalar,
    pub(crate) shape: Shape,
    /// The other members of its oneof.
    pub(crate) siblings: Box<[u32]>,
    /// The message that it, or each of its items or values, is.
    pub(crate) kind: Option<Box<Kind>>,
    /// What reads where it is not set.
    default: Option<Val<'static>>,
    /// The key and the value of a map's entry.
    entry: Option<Box<[Field; 2]>>,
}

impl Field {
    pub(crate) fn new(field: &FieldDescriptor) -> Self {
        let proto = field.kind();
        if let (ProtoKind::Message(entry), true) = (&proto, field.is_map()) {
            let parts = [entry.map_entry_key_field(), entry.map_entry_value_field()];
            let parts = parts.map(|part| Self::new(&part));
            return Self {
                number: field.number(),
                scalar: parts[1].scalar,
                shape: Shape::Map,
                siblings: Box::default(),
                kind: None,
                default: None,
                entry: Some(Box::new(parts)),
            };
        }
        let shape = if field.is_list() {
            Shape::List {
                packed: field.is_packed(),
            }
        } else {
            Shape::One {
                presence: field.supports_presence(),
            }
        };
        let siblings = field.containing_oneof().into_iter();
        let siblings =
            siblings.flat_map(|oneof| oneof.fields().map(|member| member.number()).collect::<Vec<_>>());
        // Only proto2 lets a schema say what an unset field is.
        let own = field.parent_file().syntax() == Syntax::Proto2 && !field.is_list();
        Self {
            siblings: siblings.filter(|number| *number != field.number()).collect(),
            default: own.then(|| default(&field.default_value())).flatten(),
            ..Self::of(field.number(), &proto, shape)
        }
    }

    pub(crate) fn extension(field: &ExtensionDescriptor) -> Self {
        let shape = if field.cardinality() == Cardinality::Repeated {
            Shape::List {
                packed: field.is_packed(),
            }
        } else {
            Shape::One { presence: true }
        };
        Self {
            default: default(&field.default_value()),
            ..Self::of(field.number(), &field.kind(), shape)
        }
    }

    fn of(number: u32, proto: &ProtoKind, shape: Shape) -> Self {
        Self {
            number,
            scalar: Scalar::of(proto),
            shape,
            siblings: Box::default(),
            kind: match proto {
                ProtoKind::Message(message) => Some(Box::new(Kind::new(message))),
                _ => None,
            },
            default: None,
            entry: None,
        }
    }

    pub(crate) fn kind(&self) -> Option<&Kind> {
        self.kind.as_deref()
    }

    /// The key and the value of an entry; none where the field is no map.
    pub(crate) fn entry(&self) -> Option<&[Field; 2]> {
        self.entry.as_deref()
    }

    /// Whether null may be set into it: it leaves the field unset, or is the null of JSON.
    pub(crate) fn takes_null(&self) -> bool {
        self.scalar.is_message()
            && !matches!(self.scalar, Scalar::JsonObject | Scalar::JsonList)
            && matches!(self.shape, Shape::One { .. })
    }

    fn unset(&self) -> Val<'_> {
        match &self.default {
            Some(Val::Text(text)) => Val::Text(Text::Borrowed(text.as_str())),
            Some(Val::Bytes(bytes)) => Val::Bytes(Blob::Borrowed(bytes.as_slice())),
            Some(other) => other.clone(),
            None => self.scalar.default(self.kind()),
        }
    }

    /// The field's value in this message; its default where it is not set.
    #[inline]
    pub(crate) fn read<'a>(&'a self, message: &Blob<'a>) -> Result<Val<'a>, Broken> {
        match self.shape {
            Shape::One { .. } => Ok(match self.find(message)? {
                Some(value) => value,
                None => self.unset(),
            }),
            Shape::List { .. } => Ok(Val::Repeated(message.clone(), self)),
            Shape::Map => Ok(Val::Entries(message.clone(), self)),
        }
    }

    /// `has()`: whether it is set; without presence: whether it differs from its default.
    pub(crate) fn is_set<'a>(&'a self, message: &Blob<'a>) -> Result<bool, Broken> {
        let Shape::One { presence } = self.shape else {
            let mut reader = Reader::new(message.as_slice());
            while let Some(wire) = reader.seek(self.number, |_| {})? {
                let empty = matches!(wire, Wire::Bytes([]))
                    && matches!(self.shape, Shape::List { .. })
                    && self.scalar.packs();
                if !empty {
                    return Ok(true);
                }
            }
            return Ok(false);
        };
        Ok(match self.find(message)? {
            None => false,
            Some(_) if presence => true,
            Some(Val::Int(0) | Val::Uint(0) | Val::Bool(false)) => false,
            // Only +0.0 is the default: -0.0 is written.
            Some(Val::Double(number)) => number.to_bits() != 0,
            Some(Val::Text(text)) => !text.as_str().is_empty(),
            Some(Val::Bytes(bytes)) => !bytes.as_slice().is_empty(),
            Some(_) => true,
        })
    }

    fn find<'a>(&'a self, message: &Blob<'a>) -> Result<Option<Val<'a>>, Broken> {
        let mut found: Option<Wire<'_>> = None;
        let mut merged: Vec<u8> = Vec::new();
        let mut reader = Reader::new(message.as_slice());
        loop {
            let mut replaced = false;
            let next = reader.seek(self.number, |other| {
                replaced = replaced || (!self.siblings.is_empty() && self.siblings.contains(&other));
            })?;
            if replaced {
                found = None;
                merged.clear();
            }
            let Some(wire) = next else { break };
            if !self.scalar.fits(&wire) {
                continue;
            }
            if let (Some(Wire::Bytes(first)), Wire::Bytes(next)) = (&found, &wire)
                && self.scalar.is_message()
            {
                // Submessages that come in pieces merge: one behind the other is the merged message.
                if merged.is_empty() {
                    merged.extend_from_slice(first);
                }
                merged.extend_from_slice(next);
            }
            found = Some(wire);
        }
        match found {
            None => Ok(None),
            Some(_) if !merged.is_empty() => {
                let whole = Blob::Shared(merged.into());
                self.scalar
                    .value(Wire::Bytes(whole.as_slice()), &whole, self.kind())
                    .map(Some)
            }
            Some(wire) => self.scalar.value(wire, message, self.kind()).map(Some),
        }
    }

    /// Calls `each` with every value of the list, until it says stop (false).
    pub(crate) fn each<'a>(
        &'a self,
        message: &Blob<'a>,
        mut each: impl FnMut(Val<'a>) -> bool,
    ) -> Result<(), Broken> {
        let mut reader = Reader::new(message.as_slice());
        while let Some(wire) = reader.seek(self.number, |_| {})? {
            if self.scalar.fits(&wire) {
                if !each(self.scalar.value(wire, message, self.kind())?) {
                    return Ok(());
                }
            } else if let Wire::Bytes(bytes) = wire
                && self.scalar.packs()
            {
                let mut packed = Reader::new(bytes);
                while !packed.is_empty() {
                    let wire = match self.scalar.wire_type() {
                        0 => Wire::Varint(packed.varint()?),
                        1 => Wire::Fixed64(packed.fixed64()?),
                        _ => Wire::Fixed32(packed.fixed32()?),
                    };
                    if !each(self.scalar.value(wire, message, self.kind())?) {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// The entries of the map, each key once, the last value of a key counting.
    pub(crate) fn entries<'a>(&'a self, message: &Blob<'a>) -> Result<Vec<(Val<'a>, Val<'a>)>, Broken> {
        let Some([key, value]) = self.entry() else {
            return Ok(Vec::new());
        };
        let mut raw = Vec::new();
        let mut reader = Reader::new(message.as_slice());
        while let Some(wire) = reader.seek(self.number, |_| {})? {
            if let Wire::Bytes(bytes) = wire {
                raw.push(message.part(bytes));
            }
        }
        let mut places = std::collections::HashMap::with_capacity(raw.len());
        let mut entries: Vec<(Val<'a>, Val<'a>)> = Vec::with_capacity(raw.len());
        for entry in raw {
            let name = key.find(&entry)?.unwrap_or_else(|| key.unset());
            let value = value.find(&entry)?.unwrap_or_else(|| value.unset());
            let place = *places.entry(key_text(&name)).or_insert(entries.len());
            match entries.get_mut(place) {
                Some(earlier) => earlier.1 = value,
                None => entries.push((name, value)),
            }
        }
        Ok(entries)
    }
}

/// A map's key as text: keys of one map are of one kind.
fn key_text(key: &Val<'_>) -> String {
    match key {
        Val::Int(number) => number.to_string(),
        Val::Uint(number) => number.to_string(),
        Val::Bool(flag) => flag.to_string(),
        Val::Text(text) => text.as_str().to_owned(),
        _ => String::new(),
    }
}

/// A default that a schema gives, where it differs from the kind's own.
fn default(value: &Value) -> Option<Val<'static>> {
    Some(match value {
        Value::Bool(true) => Val::Bool(true),
        Value::I32(number) if *number != 0 => Val::Int(i64::from(*number)),
        Value::I64(number) if *number != 0 => Val::Int(*number),
        Value::EnumNumber(number) if *number != 0 => Val::Int(i64::from(*number)),
        Value::U32(number) if *number != 0 => Val::Uint(u64::from(*number)),
        Value::U64(number) if *number != 0 => Val::Uint(*number),
        Value::F32(number) if *number != 0.0 => Val::Double(f64::from(*number)),
        Value::F64(number) if *number != 0.0 => Val::Double(*number),
        Value::String(text) if !text.is_empty() => Val::text(text.clone()),
        Value::Bytes(bytes) if !bytes.is_empty() => Val::Bytes(Blob::Shared((**bytes).into())),
        _ => return None,
    })
}
