//! A row as bytes, and where its quotes open and close.

use std::borrow::Cow;

use crate::{
    Encoding, Malformed, Unframed,
    lines::{Line, too_long},
};

/// The bytes of a row.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) line: u64,
    pub(super) last_line: u64,
    pub(super) begins: u64,
    pub(super) next: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) end: &'static [u8],
    pub(super) is_cut: bool,
    pub(super) fault: Option<Malformed>,
}

impl Row {
    pub(super) fn of(line: Line) -> Self {
        Self {
            line: line.number,
            last_line: line.number,
            begins: line.begins,
            next: line.next,
            bytes: line.bytes,
            end: line.end,
            is_cut: false,
            fault: None,
        }
    }

    pub(super) fn too_long(line: Line, limit: usize) -> Self {
        let (number, begins, next) = (line.number, line.begins, line.next);
        // Restored when the row is told.
        let bad = too_long(line, limit, Encoding::Utf8);
        Self {
            line: number,
            last_line: number,
            begins,
            next,
            bytes: bad.bytes,
            end: b"",
            is_cut: bad.is_cut,
            fault: Some(bad.why),
        }
    }

    pub(super) fn append(&mut self, line: Line) {
        self.bytes.extend_from_slice(self.end);
        self.bytes.extend_from_slice(&line.bytes);
        self.last_line = line.number;
        self.next = line.next;
        self.end = line.end;
    }

    /// A problem at this byte of the row.
    pub(super) fn malformed(&self, at: usize, what: impl Into<Cow<'static, str>>) -> Malformed {
        let mut malformed = Malformed::at(&self.bytes, at, what);
        malformed.line += self.line - 1;
        malformed
    }

    pub(super) fn unframed(self, why: Malformed, encoding: Encoding) -> Unframed {
        Unframed {
            bytes: encoding.restore(self.bytes),
            is_cut: self.is_cut,
            why,
        }
    }

    /// Its fields, unquoted; mostly they are as many as `usual`.
    pub(super) fn fields(
        &self,
        delimiter: u8,
        encoding: Encoding,
        usual: usize,
    ) -> Result<Vec<String>, Malformed> {
        let text = std::str::from_utf8(&self.bytes)
            .map_err(|error| self.malformed(error.valid_up_to(), encoding.expected()))?;
        let mut fields = Vec::with_capacity(usual);
        let mut at = 0;
        loop {
            let rest = &self.bytes[at..];
            let end = if rest.first() == Some(&b'"') {
                let end = past_closing_quote(&self.bytes, at + 1)
                    .ok_or_else(|| self.malformed(at, "expected a closing quote"))?;
                let quoted = &text[at + 1..end - 1];
                fields.push(match memchr::memchr(b'"', quoted.as_bytes()) {
                    Some(_) => quoted.replace("\"\"", "\""),
                    None => quoted.to_owned(),
                });
                end
            } else {
                let end = at + memchr::memchr(delimiter, rest).unwrap_or(rest.len());
                fields.push(text[at..end].to_owned());
                end
            };
            match self.bytes.get(end) {
                None => return Ok(fields),
                Some(byte) if *byte == delimiter => at = end + 1,
                Some(_) => {
                    let what = "expected the delimiter or the end of the row after the closing quote";
                    return Err(self.malformed(end, what));
                }
            }
        }
    }
}

/// Whether a quote is open behind this line, given whether one is before it.
pub(super) fn is_open(line: &[u8], was_open: bool, delimiter: u8) -> bool {
    let mut at = match was_open {
        true => match past_closing_quote(line, 0) {
            Some(at) => at,
            None => return true,
        },
        false => 0,
    };
    // Without quotes nothing can be open: the usual line.
    if memchr::memchr(b'"', &line[at..]).is_none() {
        return false;
    }
    let mut is_field_start = !was_open;
    while let Some(byte) = line.get(at) {
        if is_field_start && *byte == b'"' {
            match past_closing_quote(line, at + 1) {
                Some(past) => at = past,
                None => return true,
            }
            is_field_start = false;
            continue;
        }
        is_field_start = *byte == delimiter;
        at += 1;
    }
    false
}

/// The place behind the quote that closes the field whose content begins here; a doubled quote does not.
fn past_closing_quote(bytes: &[u8], content: usize) -> Option<usize> {
    let mut at = content;
    loop {
        at += memchr::memchr(b'"', &bytes[at..])?;
        if bytes.get(at + 1) != Some(&b'"') {
            return Some(at + 1);
        }
        at += 2;
    }
}
