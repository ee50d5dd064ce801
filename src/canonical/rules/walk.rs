//! One walk over the encoded bytes of a message and its parts.
//!
//! As protobuf wants it: the last of repeated scalars counts, pieces of a submessage are one message, the last member
//! of a oneof counts, lists come packed and unpacked, a field of a foreign wire type is an unknown field.

use std::fmt::Write;

use super::{
    TOLD, Violation, Violations,
    gather::{entries, is_unique, pieces},
    plan::{Element, Field, Kind, Message, Seen, Shape},
};
use crate::canonical::wire::{Broken, MAX_DEPTH, Reader, Wire};

/// All that the message of the first type breaks; `now` in nanoseconds since 1970.
pub(super) fn check(messages: &[Message], bytes: &[u8], now: i128) -> Result<Violations, Broken> {
    let mut walk = Walk {
        messages,
        now,
        found: Violations::default(),
    };
    let mut slots = Vec::with_capacity(64);
    walk.message(0, bytes, &Path::Root, 0, &mut slots)?;
    Ok(walk.found)
}

struct Walk<'p> {
    messages: &'p [Message],
    now: i128,
    found: Violations,
}

/// What was seen of a field.
#[derive(Clone, Copy, Default)]
struct Slot<'b> {
    last: Option<Wire<'b>>,
    count: u32,
    /// A submessage that comes in pieces.
    again: bool,
}

/// Where the walk is: written out only where something is wrong.
enum Path<'a> {
    Root,
    Field(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, u32),
    Entry(&'a Path<'a>, usize),
}

impl Path<'_> {
    fn write(&self, out: &mut String) {
        // Writing to a text cannot fail.
        let _ = match self {
            Self::Root => Ok(()),
            Self::Field(outer, name) => {
                outer.write(out);
                write!(out, "{}{name}", if out.is_empty() { "" } else { "." })
            }
            Self::Item(outer, at) => {
                outer.write(out);
                write!(out, "[{at}]")
            }
            Self::Entry(outer, at) => {
                outer.write(out);
                write!(out, "[#{}]", at + 1)
            }
        };
    }
}

impl<'p> Walk<'p> {
    fn message<'b>(
        &mut self,
        place: usize,
        bytes: &'b [u8],
        path: &Path<'_>,
        depth: u8,
        slots: &mut Vec<Slot<'b>>,
    ) -> Result<(), Broken> {
        if depth >= MAX_DEPTH {
            self.broken(path, "depth", "nests more than 100 deep");
            return Ok(());
        }
        let plan: &'p Message = &self.messages[place];
        let base = slots.len();
        slots.resize(base + plan.fields.len(), Slot::default());
        let mut reader = Reader::new(bytes);
        while let Some((number, wire)) = reader.field()? {
            let Some(at) = plan.place(number) else { continue };
            let field = &plan.fields[at];
            match field.shape {
                Shape::List { .. } => {
                    let count = self.items(field, wire, slots[base + at].count, path, depth, slots)?;
                    slots[base + at].count = count;
                }
                Shape::Map { .. } => slots[base + at].count += 1,
                Shape::One { .. } => {
                    if field.element.kind.read(wire).is_none() {
                        continue;
                    }
                    for sibling in &field.siblings {
                        slots[base + sibling] = Slot::default();
                    }
                    let slot = &mut slots[base + at];
                    slot.again |= slot.last.is_some() && field.element.kind.is_message();
                    slot.last = Some(wire);
                }
            }
        }
        for (at, field) in plan.fields.iter().enumerate() {
            let slot = slots[base + at];
            self.field(field, slot, bytes, path, depth, slots)?;
        }
        for group in &plan.groups {
            let is_set = |member: &&usize| is_set(&plan.fields[**member], slots[base + **member]);
            let set = group.members.iter().filter(is_set).count();
            let what = match set {
                0 if group.required => format!("one of {} must be set", group.listed),
                0 | 1 => continue,
                _ if group.exclusive => format!("only one of {} may be set", group.listed),
                _ => continue,
            };
            match &*group.name {
                "" => self.broken(path, group.rule, &what),
                name => self.broken(&Path::Field(path, name), group.rule, &what),
            }
        }
        for expression in &plan.expressions {
            if !expression.rule.broken(bytes).is_empty() {
                self.broken(path, &expression.id, &expression.what);
            }
        }
        slots.truncate(base);
        Ok(())
    }

    /// A field, once the whole message was seen.
    fn field<'b>(
        &mut self,
        field: &'p Field,
        slot: Slot<'b>,
        message: &'b [u8],
        outer: &Path<'_>,
        depth: u8,
        slots: &mut Vec<Slot<'b>>,
    ) -> Result<(), Broken> {
        let path = &Path::Field(outer, &field.name);
        if field.required && !is_set(field, slot) {
            self.broken(path, "required", "is required, but not set");
            return Ok(());
        }
        match &field.shape {
            Shape::One { presence } => {
                if *presence && slot.last.is_none() {
                    return Ok(());
                }
                let kind = field.element.kind;
                let seen = slot
                    .last
                    .and_then(|wire| kind.read(wire))
                    .unwrap_or_else(|| kind.zero());
                if field.ignores_zero && seen.is_zero() {
                    return Ok(());
                }
                if slot.again {
                    let whole = pieces(field, message)?;
                    let mut fresh = Vec::new();
                    self.element(&field.element, Seen::Message(&whole), path, depth, &mut fresh)?;
                } else {
                    self.element(&field.element, seen, path, depth, slots)?;
                }
            }
            Shape::List { least, most, unique } => {
                let count = u64::from(slot.count);
                if field.ignores_zero && count == 0 {
                    return Ok(());
                }
                if count < *least {
                    self.broken(path, "repeated.min_items", &at_least(*least, "item", "items"));
                }
                if count > *most {
                    self.broken(path, "repeated.max_items", &at_most(*most, "item", "items"));
                }
                if *unique && !is_unique(field, message)? {
                    self.broken(path, "repeated.unique", "must not hold the same item twice");
                }
            }
            Shape::Map { least, most, key } => {
                if slot.count == 0 && field.ignores_zero {
                    return Ok(());
                }
                let mut fresh = Vec::new();
                let entries = entries(field, key, message)?;
                let count = entries.len() as u64;
                if count < *least {
                    self.broken(path, "map.min_pairs", &at_least(*least, "entry", "entries"));
                }
                if count > *most {
                    self.broken(path, "map.max_pairs", &at_most(*most, "entry", "entries"));
                }
                for (at, (name, value)) in entries.into_iter().enumerate() {
                    let path = &Path::Entry(path, at);
                    let name = name
                        .and_then(|wire| key.kind.read(wire))
                        .unwrap_or_else(|| key.kind.zero());
                    let kind = field.element.kind;
                    let value = value
                        .and_then(|wire| kind.read(wire))
                        .unwrap_or_else(|| kind.zero());
                    self.item(key, name, &Path::Field(path, "key"), depth, &mut fresh)?;
                    self.item(&field.element, value, path, depth, &mut fresh)?;
                }
            }
        }
        for expression in &field.expressions {
            for at in expression.rule.broken(message) {
                match field.shape {
                    Shape::One { .. } => self.broken(path, &expression.id, &expression.what),
                    _ if expression.rule.is_of_elements() => {
                        let at = u32::try_from(at).unwrap_or(u32::MAX);
                        self.broken(&Path::Item(path, at), &expression.id, &expression.what);
                    }
                    _ => self.broken(path, &expression.id, &expression.what),
                }
            }
        }
        Ok(())
    }

    /// One or, packed, several items of a list; how many there are with them.
    fn items<'b>(
        &mut self,
        field: &'p Field,
        wire: Wire<'b>,
        mut count: u32,
        outer: &Path<'_>,
        depth: u8,
        slots: &mut Vec<Slot<'b>>,
    ) -> Result<u32, Broken> {
        let list = &Path::Field(outer, &field.name);
        let element = &field.element;
        if let Some(seen) = element.kind.read(wire) {
            self.item(element, seen, &Path::Item(list, count), depth, slots)?;
            return Ok(count.saturating_add(1));
        }
        let (Some(packed), Wire::Bytes(bytes)) = (element.kind.packed(), wire) else {
            return Ok(count);
        };
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            let wire = match packed {
                0 => Wire::Varint(reader.varint()?),
                1 => Wire::Fixed64(reader.fixed64()?),
                _ => Wire::Fixed32(reader.fixed32()?),
            };
            if let Some(seen) = element.kind.read(wire) {
                self.item(element, seen, &Path::Item(list, count), depth, slots)?;
            }
            count = count.saturating_add(1);
        }
        Ok(count)
    }

    /// An item of a list, a key or a value of a map.
    fn item<'b>(
        &mut self,
        element: &'p Element,
        seen: Seen<'b>,
        path: &Path<'_>,
        depth: u8,
        slots: &mut Vec<Slot<'b>>,
    ) -> Result<(), Broken> {
        if seen.is_zero() {
            if element.required {
                self.broken(path, "required", "is required, but empty");
                return Ok(());
            }
            if element.ignores_zero {
                return Ok(());
            }
        }
        self.element(element, seen, path, depth, slots)
    }

    fn element<'b>(
        &mut self,
        element: &'p Element,
        seen: Seen<'b>,
        path: &Path<'_>,
        depth: u8,
        slots: &mut Vec<Slot<'b>>,
    ) -> Result<(), Broken> {
        if let (Kind::Message(Some(place)), Seen::Message(bytes)) = (element.kind, seen) {
            return self.message(place, bytes, path, depth + 1, slots);
        }
        if element.rules.is_empty() {
            return Ok(());
        }
        let seen = element.kind.inner(seen)?;
        for rule in &element.rules {
            if !rule.test.holds(seen, self.now)? {
                self.broken(path, &rule.id, &rule.what);
            }
        }
        Ok(())
    }

    #[cold]
    fn broken(&mut self, path: &Path<'_>, rule: &str, what: &str) {
        if self.found.told.len() >= TOLD {
            self.found.more += 1;
            return;
        }
        let mut written = String::new();
        path.write(&mut written);
        self.found.told.push(Violation {
            path: clipped(&written),
            rule: clipped(rule),
            what: clipped(what),
        });
    }
}

/// As much of a text as a person reads: what is told of a message travels with it.
fn clipped(text: &str) -> String {
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn is_set(field: &Field, slot: Slot<'_>) -> bool {
    match field.shape {
        Shape::One { presence } => slot.last.is_some_and(|wire| {
            presence || field.element.kind.read(wire).is_some_and(|seen| !seen.is_zero())
        }),
        _ => slot.count > 0,
    }
}

fn at_least(number: u64, one: &str, several: &str) -> String {
    format!(
        "must have at least {number} {}",
        if number == 1 { one } else { several }
    )
}

fn at_most(number: u64, one: &str, several: &str) -> String {
    format!(
        "must have at most {number} {}",
        if number == 1 { one } else { several }
    )
}
