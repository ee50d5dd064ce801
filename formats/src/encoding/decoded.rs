//! A stream of any encoding, read as UTF-8.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use super::Encoding;

/// How many bytes are decoded at once.
const CHUNK: usize = 16 << 10;

/// Reads as UTF-8 what is in some encoding. UTF-8 passes as it is; what is no character elsewhere becomes a mark
/// that is not UTF-8, and of which [`Encoding::restore`] knows what it was.
#[derive(Debug)]
pub(crate) struct Decoded<R> {
    input: R,
    pub(crate) encoding: Encoding,
    /// Decoded, and handed out up to `at`.
    out: Vec<u8>,
    at: usize,
    /// The beginning of a character of which the rest has not come yet.
    begun: Vec<u8>,
}

impl<R> Decoded<R> {
    pub(crate) fn new(input: R, encoding: Encoding) -> Self {
        Self {
            input,
            encoding,
            out: Vec::new(),
            at: 0,
            begun: Vec::new(),
        }
    }
}

impl<R: BufRead> Decoded<R> {
    /// Decodes some more; nothing only at the end.
    fn decode_more(&mut self) -> io::Result<()> {
        self.out.clear();
        self.at = 0;
        while self.out.is_empty() {
            let available = self.input.fill_buf()?;
            if available.is_empty() {
                self.encoding.decode_end(&self.begun, &mut self.out);
                self.begun.clear();
                return Ok(());
            }
            let taken = &available[..available.len().min(CHUNK)];
            let rest = match self.begun.is_empty() {
                true => self.encoding.decode_onto(taken, &mut self.out).to_vec(),
                false => {
                    self.begun.extend_from_slice(taken);
                    self.encoding.decode_onto(&self.begun, &mut self.out).to_vec()
                }
            };
            let used = taken.len();
            self.begun = rest;
            self.input.consume(used);
        }
        Ok(())
    }
}

impl<R: BufRead> BufRead for Decoded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.encoding == Encoding::Utf8 {
            return self.input.fill_buf();
        }
        if self.at == self.out.len() {
            self.decode_more()?;
        }
        Ok(&self.out[self.at..])
    }

    fn consume(&mut self, amount: usize) {
        match self.encoding {
            Encoding::Utf8 => self.input.consume(amount),
            _ => self.at += amount,
        }
    }
}

impl<R: BufRead> Read for Decoded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut available = self.fill_buf()?;
        let read = available.read(into)?;
        self.consume(read);
        Ok(read)
    }
}

/// Places are those of the bytes as they came.
impl<R: BufRead + Seek> Seek for Decoded<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.out.clear();
        self.at = 0;
        self.begun.clear();
        self.input.seek(to)
    }
}
