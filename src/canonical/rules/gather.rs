//! What one field of a message holds in all, where it comes in several places.

use std::collections::{HashMap, HashSet};

use super::plan::{Element, Field, Seen};
use crate::canonical::wire::{Broken, Reader, Wire};

/// The pieces of a submessage, one behind the other.
pub(super) fn pieces(field: &Field, message: &[u8]) -> Result<Vec<u8>, Broken> {
    let mut whole = Vec::new();
    let mut reader = Reader::new(message);
    while let Some((number, wire)) = reader.field()? {
        if let (true, Wire::Bytes(bytes)) = (number == field.number, wire) {
            whole.extend_from_slice(bytes);
        }
    }
    Ok(whole)
}

/// Whether no item of a list comes twice.
pub(super) fn is_unique(field: &Field, message: &[u8]) -> Result<bool, Broken> {
    let kind = field.element.kind;
    let mut known: HashSet<(u8, &[u8], i128)> = HashSet::new();
    let mut is_new = |seen: Option<Seen<'_>>, bytes| match seen {
        // NaN is not even like itself.
        Some(Seen::Double(number)) if number.is_nan() => true,
        Some(Seen::Double(number)) => known.insert((0, &[], i128::from((number + 0.0).to_bits()))),
        Some(Seen::Whole(number)) => known.insert((1, &[], number)),
        Some(Seen::Bool(flag)) => known.insert((2, &[], i128::from(flag))),
        Some(_) => known.insert((3, bytes, 0)),
        None => true,
    };
    let mut reader = Reader::new(message);
    while let Some((number, wire)) = reader.field()? {
        if number != field.number {
            continue;
        }
        match (wire, kind.packed()) {
            (Wire::Bytes(bytes), Some(packed)) => {
                let mut reader = Reader::new(bytes);
                while !reader.is_empty() {
                    let wire = match packed {
                        0 => Wire::Varint(reader.varint()?),
                        1 => Wire::Fixed64(reader.fixed64()?),
                        _ => Wire::Fixed32(reader.fixed32()?),
                    };
                    if !is_new(kind.read(wire), &[]) {
                        return Ok(false);
                    }
                }
            }
            (Wire::Bytes(bytes), None) => {
                if !is_new(kind.read(wire), bytes) {
                    return Ok(false);
                }
            }
            _ => {
                if !is_new(kind.read(wire), &[]) {
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}

/// The key and the value of an entry.
pub(super) type Pair<'b> = (Option<Wire<'b>>, Option<Wire<'b>>);

/// The entries of a map, each key once, the last value of a key counting.
pub(super) fn entries<'b>(field: &Field, key: &Element, message: &'b [u8]) -> Result<Vec<Pair<'b>>, Broken> {
    let mut places: HashMap<(i128, &[u8]), usize> = HashMap::new();
    let mut entries: Vec<Pair<'b>> = Vec::new();
    let mut reader = Reader::new(message);
    while let Some((number, wire)) = reader.field()? {
        let (true, Wire::Bytes(bytes)) = (number == field.number, wire) else {
            continue;
        };
        let (mut name, mut value) = (None, None);
        let mut reader = Reader::new(bytes);
        while let Some((number, wire)) = reader.field()? {
            match number {
                1 => name = Some(wire),
                2 => value = Some(wire),
                _ => {}
            }
        }
        let known = match name
            .and_then(|wire| key.kind.read(wire))
            .unwrap_or_else(|| key.kind.zero())
        {
            Seen::Whole(number) => (number, &[][..]),
            Seen::Bool(flag) => (i128::from(flag), &[][..]),
            _ => match name {
                Some(Wire::Bytes(text)) => (0, text),
                _ => (0, &[][..]),
            },
        };
        match places.get(&known) {
            Some(place) => entries[*place] = (name, value),
            None => {
                places.insert(known, entries.len());
                entries.push((name, value));
            }
        }
    }
    Ok(entries)
}
