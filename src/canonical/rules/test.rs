//! Whether a rule holds of a value.

use std::cmp::Ordering;

use super::plan::{Fixed, Seen, Test};
use crate::canonical::wire::{Broken, Reader, Wire, text};

impl Test {
    /// Whether it surely holds, as the commonest rules are told at a glance.
    #[inline(always)]
    pub(super) fn is_plain(&self, value: Seen<'_>) -> bool {
        match (self, value) {
            // A character has one byte to four.
            (Self::Characters(least, most), Seen::Text(bytes)) => {
                let length = bytes.len() as u64;
                length <= *most && length.div_ceil(4) >= *least
            }
            (Self::Within(least, most), Seen::Whole(number)) => *least <= number && number <= *most,
            _ => false,
        }
    }

    /// `now` in nanoseconds since 1970.
    ///
    /// Errors: a text is no text.
    pub(super) fn holds(&self, value: Seen<'_>, now: i128) -> Result<bool, Broken> {
        Ok(match self {
            Self::Range { lower, upper, inside } => {
                let above = |bound: &Option<(Fixed, bool)>, wanted| {
                    bound
                        .as_ref()
                        .is_none_or(|(bound, equal)| match order(value, bound) {
                            Some(Ordering::Equal) => *equal,
                            found => found == Some(wanted),
                        })
                };
                let (above, below) = (above(lower, Ordering::Greater), above(upper, Ordering::Less));
                if *inside { above && below } else { above || below }
            }
            Self::Within(least, most) => {
                matches!(value, Seen::Whole(number) if *least <= number && number <= *most)
            }
            Self::Equals(wanted) => equal(value, wanted),
            Self::In(all) => all.iter().any(|wanted| equal(value, wanted)),
            Self::NotIn(all) => !all.iter().any(|refused| equal(value, refused)),
            Self::Finite => !matches!(value, Seen::Double(number) if !number.is_finite()),
            Self::Defined(numbers) => {
                matches!(value, Seen::Whole(number) if numbers.binary_search(&number).is_ok())
            }
            Self::Characters(..) if self.is_plain(value) => true,
            Self::Characters(least, most) => {
                let bytes = bytes_of(value);
                let count = if bytes.is_ascii() {
                    bytes.len()
                } else {
                    text(bytes)?.chars().count()
                } as u64;
                (*least..=*most).contains(&count)
            }
            Self::Length(least, most) => (*least..=*most).contains(&(bytes_of(value).len() as u64)),
            Self::Lengths(all) => all.contains(&bytes_of(value).len()),
            Self::Pattern(pattern) => {
                let bytes = bytes_of(value);
                (matches!(value, Seen::Text(_)) || std::str::from_utf8(bytes).is_ok())
                    && pattern.matches(bytes)
            }
            Self::Starts(with) => bytes_of(value).starts_with(with),
            Self::Ends(with) => bytes_of(value).ends_with(with),
            Self::Contains(part) => part.is_match(bytes_of(value)),
            Self::Lacks(part) => !part.is_match(bytes_of(value)),
            Self::Format(is_so) => is_so(text(bytes_of(value))?),
            Self::Past => matches!(value, Seen::Nanos(at) if at <= now),
            Self::Future => matches!(value, Seen::Nanos(at) if at >= now),
            Self::Near(span) => matches!(value, Seen::Nanos(at) if (at - now).abs() <= *span),
            Self::Paths(all, wanted) => {
                let mut reader = Reader::new(bytes_of(value));
                while let Some(field) = reader.field()? {
                    if let (1, Wire::Bytes(path)) = field {
                        let is_below = |known: &[u8]| {
                            path.strip_prefix(known)
                                .is_some_and(|rest| rest.is_empty() || rest[0] == b'.')
                        };
                        if all.iter().any(|known| is_below(known)) != *wanted {
                            return Ok(false);
                        }
                    }
                }
                true
            }
            Self::SamePaths(all) => {
                let (mut reader, mut known) = (Reader::new(bytes_of(value)), all.iter());
                while let Some(field) = reader.field()? {
                    if let (1, Wire::Bytes(path)) = field
                        && known.next().is_none_or(|known| **known != *path)
                    {
                        return Ok(false);
                    }
                }
                known.next().is_none()
            }
        })
    }
}

fn bytes_of(value: Seen<'_>) -> &[u8] {
    match value {
        Seen::Text(bytes) | Seen::Bytes(bytes) | Seen::Type(bytes) | Seen::Message(bytes) => bytes,
        _ => &[],
    }
}

/// NaN has no order.
fn order(value: Seen<'_>, bound: &Fixed) -> Option<Ordering> {
    match (value, bound) {
        (Seen::Whole(value), Fixed::Whole(bound)) | (Seen::Nanos(value), Fixed::Nanos(bound)) => {
            Some(value.cmp(bound))
        }
        (Seen::Double(value), Fixed::Double(bound)) => value.partial_cmp(bound),
        _ => None,
    }
}

fn equal(value: Seen<'_>, fixed: &Fixed) -> bool {
    match (value, fixed) {
        (Seen::Whole(value), Fixed::Whole(fixed)) | (Seen::Nanos(value), Fixed::Nanos(fixed)) => {
            value == *fixed
        }
        (Seen::Double(value), Fixed::Double(fixed)) => value == *fixed,
        (Seen::Bool(value), Fixed::Bool(fixed)) => value == *fixed,
        (Seen::Text(value) | Seen::Bytes(value) | Seen::Type(value), Fixed::Bytes(fixed)) => {
            *value == **fixed
        }
        _ => false,
    }
}
