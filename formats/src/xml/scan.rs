//! The scanner: a stream of bytes to tags, in bounded memory whatever is between them.

use std::io::{self, BufRead, Seek, SeekFrom};

use crate::{Encoding, Mark, encoding::Decoded, malformed::BOM};

/// How much of a tag is looked at for its name, in bytes.
const MOST_OF_TAG: usize = 1 << 10;

/// What stands behind a `<`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    Start,
    /// An element that ends where it starts.
    Empty,
    End,
    /// A comment, CDATA, a processing instruction, the declaration.
    Aside,
    /// `<!` and something else.
    Doctype,
    /// A `<` stands where the tag should have ended. It begins the next token.
    Broken,
    /// The input ends within it.
    Unfinished,
}

/// Reads text and tags by turns.
#[derive(Debug)]
pub(super) struct Scanner<R> {
    input: Decoded<R>,
    limit: usize,
    /// What was read since it was cleared, at most `limit` bytes.
    pub(super) kept: Vec<u8>,
    /// Whether there was more.
    pub(super) is_cut: bool,
    /// Where it began.
    pub(super) kept_from: u64,
    /// The beginning of the tag.
    tag: Vec<u8>,
    /// The last bytes of the tag before its `>`.
    last: [u8; 2],
    /// Where reading has come to.
    pub(super) lines: u64,
    pub(super) offset: u64,
    /// Characters before it on its line.
    pub(super) column: u64,
    /// Whether the `<` of the next tag was read already.
    is_open: bool,
}

impl<R: BufRead> Scanner<R> {
    pub(super) fn new(input: R, encoding: Encoding, limit: usize) -> Self {
        Self {
            input: Decoded::new(input, encoding),
            limit,
            kept: Vec::new(),
            is_cut: false,
            kept_from: 0,
            tag: Vec::new(),
            last: [0; 2],
            lines: 0,
            offset: 0,
            column: 0,
            is_open: false,
        }
    }

    pub(super) fn encoding(&self) -> Encoding {
        self.input.encoding
    }

    /// Forgets what was kept, but for the `<` that was just read.
    pub(super) fn keep_from_tag(&mut self) {
        self.kept.clear();
        self.kept.push(b'<');
        self.is_cut = false;
    }

    /// The byte with the `<` that was just read.
    pub(super) fn tag_begins(&self) -> u64 {
        self.offset.saturating_sub(self.encoding().width(b"<"))
    }

    /// Forgets what was kept.
    pub(super) fn keep_from_here(&mut self) {
        self.kept.clear();
        self.is_cut = false;
        self.kept_from = self.offset;
    }

    /// Reads up to the next `<`, and it; false at the end.
    pub(super) fn text(&mut self) -> io::Result<bool> {
        if self.is_open {
            self.is_open = false;
            return Ok(true);
        }
        Ok(self.advance(|chunk| memchr::memchr(b'<', chunk))?.is_some())
    }

    /// Whether nothing but layout, and a byte order mark in front, was kept.
    pub(super) fn is_blank(&self) -> bool {
        let kept = self.kept.strip_suffix(b"<").unwrap_or(&self.kept);
        let kept = match self.kept_from {
            0 => kept.strip_prefix(BOM).unwrap_or(kept),
            _ => kept,
        };
        kept.iter()
            .all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
    }

    /// The element that begins with the next tag, if that has this local name, and all of it up to the first end tag
    /// of its name has been buffered: how much stands before it, and the element. Nothing is read yet.
    pub(super) fn buffered(&mut self, name: &[u8]) -> io::Result<Option<(usize, &[u8])>> {
        let limit = self.limit;
        if self.is_open {
            return Ok(None);
        }
        let available = self.input.fill_buf()?;
        let Some(from) = memchr::memchr(b'<', available) else {
            return Ok(None);
        };
        let tag = &available[from + 1..];
        let is_end = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'/' | b'>');
        let Some(length) = tag.iter().take(MOST_OF_TAG).position(is_end) else {
            return Ok(None);
        };
        let full = &tag[..length];
        let prefix = length.saturating_sub(name.len());
        let is_it = full.ends_with(name) && (prefix == 0 || full[prefix - 1] == b':');
        if !is_it {
            return Ok(None);
        }
        // A name of at most 1 KiB: the needle is small.
        let needle = [b"</", full, b">"].concat();
        let Some(end) = memchr::memmem::find(tag, &needle) else {
            return Ok(None);
        };
        let to = from + 1 + end + needle.len();
        Ok((to - from <= limit).then(|| (from, &available[from..to])))
    }

    /// Reads on behind so many bytes that are buffered.
    pub(super) fn skip(&mut self, bytes: usize) -> io::Result<()> {
        let encoding = self.encoding();
        let available = self.input.fill_buf()?;
        let read = &available[..bytes.min(available.len())];
        let width = encoding.width(read);
        self.lines += memchr::memchr_iter(b'\n', read).count() as u64;
        let line_start = memchr::memrchr(b'\n', read).map(|at| at + 1);
        let characters = read[line_start.unwrap_or(0)..]
            .iter()
            .filter(|byte| **byte & 0xC0 != 0x80)
            .count() as u64;
        self.column = characters + if line_start.is_some() { 0 } else { self.column };
        self.offset += width;
        let used = read.len();
        self.input.consume(used);
        Ok(())
    }

    /// Reads on behind a `<`.
    pub(super) fn token(&mut self) -> io::Result<Token> {
        self.tag.clear();
        self.last = [0; 2];
        match self.one()? {
            None => Ok(Token::Unfinished),
            Some(b'?') => self.aside(b"?"),
            Some(b'!') => {
                for (opening, closing) in [(&b"--"[..], &b"--"[..]), (b"[CDATA[", b"]]")] {
                    let mut is_it = true;
                    for (at, expected) in opening.iter().enumerate() {
                        // The first byte was read for the one before already.
                        let byte = match self.tag.get(at + 1) {
                            Some(byte) => Some(*byte),
                            None => self.one()?,
                        };
                        if byte.is_none() {
                            return Ok(Token::Unfinished);
                        }
                        if byte != Some(*expected) {
                            is_it = false;
                            break;
                        }
                    }
                    if is_it {
                        return self.aside(closing);
                    }
                }
                Ok(Token::Doctype)
            }
            Some(b'<') => Ok(self.broken()),
            Some(b'>') => Ok(Token::Start),
            Some(first) => self.tag_from(first),
        }
    }

    /// The name in the tag that was read, without its prefix; none where it is too long to be one.
    pub(super) fn name(&self) -> Option<&[u8]> {
        let from = usize::from(self.tag.first() == Some(&b'/'));
        let is_end = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'/' | b'>');
        let length = self.tag[from..].iter().position(is_end)?;
        let name = &self.tag[from..from + length];
        Some(match memchr::memchr(b':', name) {
            Some(colon) => &name[colon + 1..],
            None => name,
        })
    }

    fn tag_from(&mut self, first: u8) -> io::Result<Token> {
        loop {
            let is_mark = |byte: &u8| matches!(byte, b'>' | b'"' | b'\'' | b'<');
            match self.advance(|chunk| chunk.iter().position(is_mark))? {
                None => return Ok(Token::Unfinished),
                Some(b'<') => return Ok(self.broken()),
                Some(b'>') => {
                    return Ok(match self.last {
                        _ if first == b'/' => Token::End,
                        [_, b'/'] => Token::Empty,
                        _ => Token::Start,
                    });
                }
                Some(quote) => match self.advance(|chunk| memchr::memchr2(quote, b'<', chunk))? {
                    None => return Ok(Token::Unfinished),
                    // No value has one: a quote is missing.
                    Some(b'<') => return Ok(self.broken()),
                    // A slash before it is part of the value.
                    Some(quote) => self.last = [0, quote],
                },
            }
        }
    }

    /// Reads up to `closing` and `>` behind it. What opened the token is not one of the last bytes.
    fn aside(&mut self, closing: &[u8]) -> io::Result<Token> {
        loop {
            if self.advance(|chunk| memchr::memchr(b'>', chunk))?.is_none() {
                return Ok(Token::Unfinished);
            }
            if self.last.ends_with(closing) {
                return Ok(Token::Aside);
            }
            self.last = [self.last[1], b'>'];
        }
    }

    fn broken(&mut self) -> Token {
        self.is_open = true;
        Token::Broken
    }

    fn one(&mut self) -> io::Result<Option<u8>> {
        self.advance(|_| Some(0))
    }

    /// Reads up to the byte that `stop` finds, and it; none at the end.
    fn advance(&mut self, stop: impl Fn(&[u8]) -> Option<usize>) -> io::Result<Option<u8>> {
        let encoding = self.encoding();
        loop {
            let available = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                available => available?,
            };
            if available.is_empty() {
                return Ok(None);
            }
            let found = stop(available);
            let used = found.map_or(available.len(), |at| at + 1);
            let read = &available[..used];
            let end = found.map(|at| available[at]);
            let room = self.limit.saturating_sub(self.kept.len());
            self.is_cut |= used > room;
            self.kept.extend_from_slice(&read[..used.min(room)]);
            let room = MOST_OF_TAG.saturating_sub(self.tag.len());
            self.tag.extend_from_slice(&read[..used.min(room)]);
            // The one that stopped is not one of the last.
            match &read[..used - usize::from(end.is_some())] {
                [.., first, second] => self.last = [*first, *second],
                [only] => self.last = [self.last[1], *only],
                [] => {}
            }
            let line_start = match memchr::memrchr(b'\n', read) {
                Some(at) => {
                    self.lines += memchr::memchr_iter(b'\n', read).count() as u64;
                    self.column = 0;
                    at + 1
                }
                None => 0,
            };
            // Continuation bytes (10xxxxxx) do not begin a character.
            let characters = read[line_start..].iter().filter(|byte| **byte & 0xC0 != 0x80);
            self.column += characters.count() as u64;
            self.offset += encoding.width(read);
            self.input.consume(used);
            if end.is_some() {
                return Ok(end);
            }
        }
    }
}

impl<R: BufRead + Seek> Scanner<R> {
    pub(super) fn resume_at(&mut self, mark: Mark) -> io::Result<()> {
        self.input.seek(SeekFrom::Start(mark.offset))?;
        (self.offset, self.lines, self.column) = (mark.offset, mark.lines, mark.column);
        self.is_open = false;
        self.keep_from_here();
        Ok(())
    }
}
