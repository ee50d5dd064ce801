//! Lines: one record each, as in JSON lines (`.jsonl`, `.ndjson`).
//!
//! Promises: memory is bounded by the longest line allowed; a longer line is one bad record, and reading goes on
//! behind it; reading can resume at any record. A byte order mark in front and the `\r` of `\r\n` belong to no
//! record; blank lines are none; a last line need not be ended.
//! Not promised: that a line is JSON, or in its encoding. Its decoder tells.

use std::io::{self, BufRead, Seek, SeekFrom};

use trunkline_sdk::Value;

use crate::{
    Encoding, Framed, Malformed, Mark, Unframed,
    encoding::Decoded,
    json,
    malformed::{BOM, readable_size},
};

/// The longest line, and the largest record, unless said otherwise: 1 MiB.
pub const DEFAULT_LIMIT: usize = 1 << 20;

/// Cuts what it reads into lines of at most `limit` bytes.
#[derive(Debug)]
pub struct Lines<R> {
    input: Decoded<R>,
    limit: usize,
    next: Mark,
}

/// A line without its end.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) number: u64,
    /// Its first byte.
    pub(crate) begins: u64,
    /// The offset of the next line.
    pub(crate) next: u64,
    pub(crate) bytes: Vec<u8>,
    /// What ended it: `\r\n`, `\n`, or nothing.
    pub(crate) end: &'static [u8],
    /// Whether the line had more bytes than allowed, and the rest was skipped.
    pub(crate) is_cut: bool,
}

impl Line {
    /// In bytes, with its end.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len() + self.end.len()
    }
}

impl<R: BufRead> Lines<R> {
    /// Reads UTF-8 from the beginning.
    pub fn new(input: R, limit: usize) -> Self {
        Self::encoded(input, Encoding::Utf8, limit)
    }

    /// Reads what is in some encoding from the beginning. Records are UTF-8, and the limit is theirs; what is no
    /// character there is not UTF-8 here.
    pub fn encoded(input: R, encoding: Encoding, limit: usize) -> Self {
        Self {
            input: Decoded::new(input, encoding),
            limit,
            next: Mark::default(),
        }
    }

    /// The next record; `None` at the end.
    ///
    /// Errors: only those of the input. What is no record is part of what is returned.
    pub fn read(&mut self) -> io::Result<Option<Framed<Vec<u8>>>> {
        while let Some(line) = self.read_line()? {
            if line.bytes.trim_ascii().is_empty() && !line.is_cut {
                continue;
            }
            self.next.records += 1;
            return Ok(Some(Framed {
                number: self.next.records,
                line: line.number,
                begins: line.begins,
                next: self.next,
                content: match line.is_cut {
                    false => Ok(line.bytes),
                    true => Err(too_long(line, self.limit, self.encoding())),
                },
            }));
        }
        Ok(None)
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn encoding(&self) -> Encoding {
        self.input.encoding
    }

    /// The next line, blank or not.
    pub(crate) fn read_line(&mut self) -> io::Result<Option<Line>> {
        let mut begins = self.next.offset;
        // With room for `\r\n`, so that a line of exactly `limit` bytes is seen whole.
        let room = self.limit.saturating_add(2);
        let mut bytes = Vec::new();
        let mut length = 0;
        let mut width = 0;
        let encoding = self.encoding();
        loop {
            let available = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                available => available?,
            };
            if available.is_empty() {
                break;
            }
            let end = memchr::memchr(b'\n', available);
            let used = end.map_or(available.len(), |at| at + 1);
            let kept = used.min(room - bytes.len());
            bytes.extend_from_slice(&available[..kept]);
            length += used;
            width += encoding.width(&available[..used]);
            self.input.consume(used);
            if end.is_some() {
                break;
            }
        }
        if length == 0 {
            return Ok(None);
        }
        self.next.offset += width;
        self.next.lines += 1;
        let is_whole = bytes.len() == length;
        let end: &[u8] = match bytes.as_slice() {
            _ if !is_whole => b"",
            [.., b'\r', b'\n'] => b"\r\n",
            [.., b'\n'] => b"\n",
            _ => b"",
        };
        bytes.truncate(bytes.len() - end.len());
        if begins == 0 && bytes.starts_with(BOM) {
            bytes.drain(..BOM.len());
            begins += encoding.width(BOM);
        }
        let is_cut = !is_whole || bytes.len() > self.limit;
        bytes.truncate(self.limit);
        Ok(Some(Line {
            number: self.next.lines,
            begins,
            next: self.next.offset,
            bytes,
            end,
            is_cut,
        }))
    }
}

impl<R: BufRead + Seek> Lines<R> {
    /// Goes on at a mark that an earlier reader of the same bytes gave.
    pub fn resume_at(&mut self, mark: Mark) -> io::Result<()> {
        self.input.seek(SeekFrom::Start(mark.offset))?;
        self.next = mark;
        Ok(())
    }
}

/// A tree as a line of JSON, with its end: what [`Lines`] and then [`json::read`](crate::json::read) read.
pub fn write(value: &Value<'_>) -> String {
    let mut line = json::write(value);
    line.push('\n');
    line
}

/// The bad record that a line is which is longer than allowed.
pub(crate) fn too_long(line: Line, limit: usize, encoding: Encoding) -> Unframed {
    Unframed {
        why: Malformed {
            line: line.number,
            column: 1,
            what: format!("the line is longer than {}", readable_size(limit)).into(),
        },
        bytes: encoding.restore(line.bytes),
        is_cut: true,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Cursor};

    use proptest::prelude::*;

    use super::*;

    /// Reads all, through a buffer so small that every line crosses its end.
    fn read_all(text: &[u8], limit: usize) -> Vec<Framed<Vec<u8>>> {
        let mut lines = Lines::new(BufReader::with_capacity(3, text), limit);
        std::iter::from_fn(|| lines.read().expect("bytes in memory can be read")).collect()
    }

    #[test]
    fn each_line_that_is_not_blank_is_a_record_with_its_place() {
        let framed = read_all("\u{feff}{\"a\":1}\r\n\n  \nzwei\nlast".as_bytes(), 100);
        let places: Vec<_> = framed
            .iter()
            .map(|each| (each.number, each.line, each.next.offset))
            .collect();
        assert_eq!(places, [(1, 1, 12), (2, 4, 21), (3, 5, 25)]);
        let records: Vec<_> = framed
            .into_iter()
            .map(|each| each.content.expect("they fit"))
            .collect();
        assert_eq!(records, [&b"{\"a\":1}"[..], &b"zwei"[..], &b"last"[..]]);
    }

    #[test]
    fn a_line_beyond_the_limit_is_one_bad_record_and_reading_goes_on_behind_it() {
        let framed = read_all(b"12345\r\n123456\n1234567890\n12345", 5);
        let is_good: Vec<_> = framed.iter().map(|each| each.content.is_ok()).collect();
        assert_eq!(is_good, [true, false, false, true]);
        let bad = framed[1].content.as_ref().expect_err("it is too long");
        assert_eq!((bad.bytes.as_slice(), bad.is_cut), (&b"12345"[..], true));
        assert_eq!(
            bad.why.to_string(),
            "line 2, column 1: the line is longer than 5 B"
        );
    }

    proptest! {
        #[test]
        fn reading_resumes_at_any_record(text in "([a-c]{0,6}\r?\n?){0,12}", limit in 1_usize..8) {
            let all = read_all(text.as_bytes(), limit);
            for (index, record) in all.iter().enumerate() {
                let mut lines = Lines::new(Cursor::new(text.as_bytes()), limit);
                lines.resume_at(record.next).expect("it is within the bytes");
                let rest: Vec<_> = std::iter::from_fn(|| lines.read().expect("memory")).collect();
                prop_assert_eq!(&rest[..], &all[index + 1..]);
            }
        }
    }
}
