//! The quick look at an encoded message: whether it surely obeys its rules.
//!
//! Promised: `true` only where the [walk](super::walk) finds nothing; a message that comes as our encoders write it
//! is decided here, without a list of what was seen. Not promised: anything by `false`. What is broken is told by the
//! walk, and what is rare (maps, `cel` rules, a field that comes twice) is looked at by nobody else.

use super::plan::{Element, Field, Kind, Message, Seen, Shape};
use crate::canonical::{
    scalar::Scalar,
    wire::{MAX_DEPTH, Reader, Wire},
};

/// What the quick look knows of a message type before it sees a message: a bit for each place in its fields.
#[derive(Debug, Default)]
pub(super) struct Outline {
    /// Whether there are more fields than bits.
    is_wide: bool,
    /// Without which something is broken.
    needed: u64,
    /// Fields, of which one must be set, at most one may be set.
    groups: Box<[(u64, bool, bool)]>,
    looks: Box<[Look]>,
}

/// How the value of a field is looked at.
#[derive(Debug)]
struct Look {
    /// The fields of which none may have come before; 0: a list.
    once: u64,
    form: Form,
    zero: Zero,
    /// Of a list: how many are asked about.
    is_counted: bool,
    /// A zero that comes is set.
    presence: bool,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    /// By the walk.
    Closely,
    /// Text, bytes or a message of which nothing is asked but that it comes.
    Blank,
    Text,
    Bytes,
    /// Of this wire type, but in a packed list.
    Number(u8),
    Message(usize),
    /// One of Google's messages.
    Known,
}

/// What a zero means.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Zero {
    Asked,
    Ignored,
    Refused,
}

impl Outline {
    /// Of the fields and groups of a message type.
    pub(super) fn of(message: &Message) -> Self {
        let mut outline = Self {
            is_wide: message.fields.len() > 64,
            ..Self::default()
        };
        if outline.is_wide {
            return outline;
        }
        for (at, field) in message.fields.iter().enumerate() {
            outline.needed |= u64::from(!may_lack(field)) << at;
        }
        let bits = |members: &[usize]| members.iter().fold(0, |bits, at| bits | 1 << at);
        let groups = message.groups.iter();
        outline.groups = groups
            .map(|group| (bits(&group.members), group.required, group.exclusive))
            .collect();
        let looks = message.fields.iter().enumerate();
        outline.looks = looks
            .map(|(at, field)| Look::of(field, 1 << at | bits(&field.siblings)))
            .collect();
        outline
    }
}

impl Look {
    fn of(field: &Field, with_siblings: u64) -> Self {
        let (once, presence, is_counted) = match field.shape {
            Shape::One { presence } => (with_siblings, presence, false),
            Shape::List { least, most, unique } => (0, true, least > 1 || most < u64::MAX || unique),
            Shape::Map { .. } => (0, true, false),
        };
        let element = &field.element;
        let zero = match field.shape {
            Shape::One { .. } if field.ignores_zero => Zero::Ignored,
            Shape::One { .. } => Zero::Asked,
            _ if element.required => Zero::Refused,
            _ if element.ignores_zero => Zero::Ignored,
            _ => Zero::Asked,
        };
        let form = match element.kind {
            _ if matches!(field.shape, Shape::Map { .. }) || !field.expressions.is_empty() => Form::Closely,
            Kind::Message(Some(place)) => Form::Message(place),
            kind => match kind.packed() {
                Some(wire_type) => Form::Number(wire_type),
                None if element.rules.is_empty() => Form::Blank,
                None if kind == Kind::Of(Scalar::Text) => Form::Text,
                None if kind == Kind::Of(Scalar::Bytes) => Form::Bytes,
                None => Form::Known,
            },
        };
        Self {
            once,
            form,
            zero,
            is_counted,
            presence,
        }
    }
}

/// Whether nothing is broken where a field does not come.
fn may_lack(field: &Field) -> bool {
    let element = &field.element;
    let holds = |zero| {
        element
            .rules
            .iter()
            .all(|rule| matches!(rule.test.holds(zero, 0), Ok(true)))
    };
    !field.required
        && match &field.shape {
            Shape::One { presence: true } => true,
            _ if field.ignores_zero => true,
            Shape::One { .. } => field.expressions.is_empty() && holds(element.kind.zero()),
            Shape::List { least, .. } | Shape::Map { least, .. } => {
                field.expressions.is_empty() && *least == 0
            }
        }
}

/// One look over a message and its parts.
#[derive(Clone, Copy)]
pub(super) struct Glance<'p> {
    pub(super) messages: &'p [Message],
    pub(super) now: i128,
}

impl Glance<'_> {
    /// Whether the message of the type in this place surely obeys.
    pub(super) fn obeys(self, place: usize, bytes: &[u8]) -> bool {
        self.message(place, bytes, 0).is_some()
    }

    /// `None`, here and below: something may be wrong.
    fn message(self, place: usize, bytes: &[u8], depth: u8) -> Option<()> {
        let plan = &self.messages[place];
        let outline = &plan.outline;
        if depth >= MAX_DEPTH || outline.is_wide || !plan.expressions.is_empty() {
            return None;
        }
        let mut seen = 0;
        // The list whose items come just now, and how many have come.
        let mut list: Option<(usize, u64)> = None;
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            let (number, wire_type) = reader.tag().ok()?;
            let Some(at) = plan.place(number) else {
                reader.skip(number, wire_type).ok()?;
                continue;
            };
            let look = &outline.looks[at];
            if seen & look.once != 0 {
                return None;
            }
            let element = &plan.fields[at].element;
            let mut count = 1;
            let is_zero = match (look.form, wire_type) {
                (Form::Text, 2) => self.value(element, look.zero, Seen::Text(reader.chunk().ok()?))?,
                (Form::Bytes, 2) => self.value(element, look.zero, Seen::Bytes(reader.chunk().ok()?))?,
                (Form::Blank, 2) => {
                    let is_zero = reader.chunk().ok()?.is_empty();
                    if is_zero && look.zero == Zero::Refused {
                        return None;
                    }
                    is_zero
                }
                (Form::Message(place), 2) => {
                    let inner = reader.chunk().ok()?;
                    match look.zero {
                        Zero::Ignored if inner.is_empty() => {}
                        Zero::Refused if inner.is_empty() => return None,
                        _ => self.message(place, inner, depth + 1)?,
                    }
                    inner.is_empty()
                }
                (Form::Known, 2) => self.known(element, look.zero, reader.chunk().ok()?)?,
                (Form::Number(kind), _) if kind == wire_type => {
                    let wire = reader.value(number, wire_type).ok()?;
                    self.value(element, look.zero, element.kind.read(wire)?)?
                }
                (Form::Number(kind), 2) if look.once == 0 => {
                    count = self.packed(element, look.zero, kind, reader.chunk().ok()?)?;
                    count == 0
                }
                _ => return None,
            };
            if look.is_counted {
                list = match list {
                    Some((before, known)) if before == at => Some((at, known + count)),
                    // A list that comes in two places is rare.
                    _ if seen & 1 << at != 0 || !closes(plan, list) => return None,
                    _ => Some((at, count)),
                };
            }
            seen |= u64::from(!is_zero || look.presence && count > 0) << at;
        }
        let is_kept = |(members, required, exclusive): &(u64, bool, bool)| {
            let set = (seen & members).count_ones();
            !(*required && set == 0 || *exclusive && set > 1)
        };
        let is_whole = seen & outline.needed == outline.needed;
        (is_whole && closes(plan, list) && outline.groups.iter().all(is_kept)).then_some(())
    }

    /// Whether a value is zero.
    #[inline(always)]
    fn value(self, element: &Element, zero: Zero, seen: Seen<'_>) -> Option<bool> {
        match zero {
            Zero::Ignored if seen.is_zero() => return Some(true),
            Zero::Refused if seen.is_zero() => return None,
            _ => {}
        }
        for rule in &element.rules {
            if !rule.test.is_plain(seen) && rule.test.holds(seen, self.now) != Ok(true) {
                return None;
            }
        }
        Some(seen.is_zero())
    }

    fn known(self, element: &Element, zero: Zero, bytes: &[u8]) -> Option<bool> {
        match zero {
            Zero::Ignored if bytes.is_empty() => return Some(true),
            Zero::Refused if bytes.is_empty() => return None,
            _ => {}
        }
        let seen = element.kind.inner(Seen::Message(bytes)).ok()?;
        self.value(element, Zero::Asked, seen)?;
        Some(bytes.is_empty())
    }

    /// How many items a packed list has.
    fn packed(self, element: &Element, zero: Zero, wire_type: u8, bytes: &[u8]) -> Option<u64> {
        let mut reader = Reader::new(bytes);
        let mut count = 0;
        while !reader.is_empty() {
            let wire = match wire_type {
                0 => Wire::Varint(reader.varint().ok()?),
                1 => Wire::Fixed64(reader.fixed64().ok()?),
                _ => Wire::Fixed32(reader.fixed32().ok()?),
            };
            self.value(element, zero, element.kind.read(wire)?)?;
            count += 1;
        }
        Some(count)
    }
}

/// Whether the items that came are as many as the list may have.
fn closes(plan: &Message, list: Option<(usize, u64)>) -> bool {
    list.is_none_or(|(at, count)| match plan.fields[at].shape {
        Shape::List { least, most, unique } => (least..=most).contains(&count) && (!unique || count < 2),
        _ => false,
    })
}
