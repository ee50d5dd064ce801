//! Why bytes are not in their format: where, and what was expected there.

use std::{borrow::Cow, error::Error, fmt};

/// Bytes that are not in their format. Says the place and what was expected, and quotes nothing of the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// The line, from 1, within the bytes that were read.
    pub line: u64,
    /// The column, from 1, in characters.
    pub column: u64,
    /// What was expected, or what is wrong; lower-case, no full stop.
    pub what: Cow<'static, str>,
}

impl Malformed {
    /// A problem at this byte of the text. A byte order mark is no character.
    pub(crate) fn at(bytes: &[u8], offset: usize, what: impl Into<Cow<'static, str>>) -> Self {
        let before = &bytes[..offset.min(bytes.len())];
        let before = before.strip_prefix(BOM).unwrap_or(before);
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
        let lines = memchr::memchr_iter(b'\n', before).count();
        // Continuation bytes (10xxxxxx) do not begin a character.
        let characters = before[line_start..]
            .iter()
            .filter(|byte| **byte & 0xC0 != 0x80)
            .count();
        Self {
            line: lines as u64 + 1,
            column: characters as u64 + 1,
            what: what.into(),
        }
    }
}

/// UTF-8's byte order mark.
pub(crate) const BOM: &[u8] = "\u{feff}".as_bytes();

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.what)
    }
}

impl Error for Malformed {}

/// A size in the largest unit that divides it.
pub(crate) fn readable_size(bytes: usize) -> String {
    match bytes {
        0 => "0 B".to_owned(),
        _ if bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} B"),
    }
}
