//! What framing yields: a record with its place, or the bytes that could not be framed and why.

use crate::Malformed;

/// A record cut from a file or a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Framed<T> {
    /// The record's number, from 1. What cannot be framed counts; blank lines and a header do not.
    pub number: u64,
    /// The line it begins on, from 1.
    pub line: u64,
    /// The byte it begins with: behind what is before it and no part of it (a header, blank lines, outer elements).
    pub begins: u64,
    /// Where reading goes on behind it.
    pub next: Mark,
    /// The record, or the bytes that are none: then framing goes on behind them.
    pub content: Result<T, Unframed>,
}

/// How far a reader has come: where the next record begins. `Mark::default()` is the beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mark {
    /// Records before it.
    pub records: u64,
    /// Lines before it.
    pub lines: u64,
    /// Characters before it on its line.
    pub column: u64,
    /// Bytes before it.
    pub offset: u64,
}

/// Bytes that are no record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unframed {
    /// The bytes as they came, without the end of the line; no more than a record may have.
    pub bytes: Vec<u8>,
    /// Whether there were more bytes than a record may have, and the rest was skipped.
    pub is_cut: bool,
    /// Why they are no record; its line is that of the file.
    pub why: Malformed,
}
