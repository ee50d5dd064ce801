//! A stream of records of fixed width.

use std::io::{self, BufRead, Seek, SeekFrom};

use trunkline_sdk::Value;

use super::layout::{Columns, Layout};
use crate::{Encoding, Framed, Malformed, Mark, Unframed, encoding::Decoded, lines::Lines, malformed::BOM};

/// What ends a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// The end of its line. It has so many columns where they are given, else at least the declared ones.
    Lines {
        /// In columns.
        length: Option<usize>,
        /// Whether a line that is shorter stands for one with blanks at its end.
        may_be_short: bool,
    },
    /// Nothing: the next one begins behind so many columns.
    Nothing {
        /// In columns, from 1.
        length: usize,
    },
}

/// Cuts what it reads into records, and reads them. A record that is not as its layout says is one bad record, and
/// reading goes on behind it. Blank lines are none. Where records are not lines, their number stands for the line.
#[derive(Debug)]
pub struct Records<R> {
    input: Input<R>,
    encoding: Encoding,
    layout: Layout,
    ends: Ends,
}

#[derive(Debug)]
enum Input<R> {
    Lines(Lines<R>),
    Columns(Decoded<R>, usize, Mark),
}

impl<R: BufRead> Records<R> {
    /// Reads from the beginning; of lines none may have more than `limit` bytes as UTF-8.
    pub fn new(input: R, encoding: Encoding, layout: Layout, ends: Ends, limit: usize) -> Self {
        let input = match ends {
            Ends::Lines { .. } => Input::Lines(Lines::encoded(input, encoding, limit)),
            Ends::Nothing { length } => {
                Input::Columns(Decoded::new(input, encoding), length.max(1), Mark::default())
            }
        };
        Self {
            input,
            encoding,
            layout: layout.of(encoding),
            ends,
        }
    }

    /// The next record; `None` at the end.
    ///
    /// Errors: only those of the input. What is no record is part of what is returned.
    pub fn read(&mut self) -> io::Result<Option<Framed<Value<'static>>>> {
        let framed = match &mut self.input {
            Input::Lines(lines) => lines.read()?,
            Input::Columns(input, length, next) => read_columns(input, self.layout.columns(), *length, next)?,
        };
        Ok(framed.map(|framed| {
            let Framed {
                number,
                line,
                begins,
                next,
                content,
            } = framed;
            let content = content.and_then(|bytes| {
                self.record(&bytes).map_err(|mut why| {
                    why.line = line;
                    Unframed {
                        bytes: self.encoding.restore(bytes),
                        is_cut: false,
                        why,
                    }
                })
            });
            Framed {
                number,
                line,
                begins,
                next,
                content,
            }
        }))
    }

    fn record(&self, bytes: &[u8]) -> Result<Value<'static>, Malformed> {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| Malformed::at(bytes, error.valid_up_to(), self.encoding.expected()))?;
        let (expected, may_be_short) = match self.ends {
            Ends::Lines { length, may_be_short } => (length, may_be_short),
            Ends::Nothing { length } => (Some(length), false),
        };
        let found = self.layout.columns().measure(text);
        if let Some(expected) = expected
            && (found > expected || found < expected && !may_be_short)
        {
            return Err(Malformed {
                line: 1,
                column: found.min(expected) as u64 + 1,
                what: format!("expected {expected} columns, found {found}").into(),
            });
        }
        self.layout.read(text, may_be_short).map(Value::into_owned)
    }
}

/// So many columns; `None` at the end, and where only the end of a line or a blank is left before it.
fn read_columns<R: BufRead>(
    input: &mut Decoded<R>,
    columns: Columns,
    length: usize,
    next: &mut Mark,
) -> io::Result<Option<Framed<Vec<u8>>>> {
    let mut bytes = Vec::new();
    loop {
        take(input, columns, length, &mut bytes)?;
        if next.offset == 0 && bytes.starts_with(BOM) {
            next.offset = input.encoding.width(BOM);
            bytes.drain(..BOM.len());
            continue;
        }
        break;
    }
    if bytes
        .iter()
        .all(|byte| byte.is_ascii_whitespace() || *byte == END_OF_FILE)
        && input.fill_buf()?.is_empty()
        && (bytes.is_empty() || bytes.iter().any(|byte| *byte != b' '))
    {
        return Ok(None);
    }
    let begins = next.offset;
    next.offset += input.encoding.width(&bytes);
    next.records += 1;
    next.lines += 1;
    Ok(Some(Framed {
        number: next.records,
        line: next.records,
        begins,
        next: *next,
        content: Ok(bytes),
    }))
}

/// With which some old systems end a file.
const END_OF_FILE: u8 = 0x1A;

/// Appends columns until there are `length`, or the input ends.
fn take<R: BufRead>(
    input: &mut Decoded<R>,
    columns: Columns,
    length: usize,
    bytes: &mut Vec<u8>,
) -> io::Result<()> {
    // A continuation byte (10xxxxxx) begins no character.
    let begins = |byte: u8| columns == Columns::Bytes || byte & 0xC0 != 0x80;
    let mut left = length - bytes.iter().filter(|byte| begins(**byte)).count().min(length);
    loop {
        let available = match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            available => available?,
        };
        // Up to the beginning of the column behind.
        let behind = available.iter().position(|byte| {
            let is_behind = begins(*byte) && left == 0;
            left -= usize::from(begins(*byte) && left > 0);
            is_behind
        });
        let used = behind.unwrap_or(available.len());
        bytes.extend_from_slice(&available[..used]);
        input.consume(used);
        if used == 0 || behind.is_some() {
            return Ok(());
        }
    }
}

impl<R: BufRead + Seek> Records<R> {
    /// Goes on at a mark that an earlier reader of the same bytes gave.
    pub fn resume_at(&mut self, mark: Mark) -> io::Result<()> {
        match &mut self.input {
            Input::Lines(lines) => lines.resume_at(mark),
            Input::Columns(input, _, next) => {
                input.seek(SeekFrom::Start(mark.offset))?;
                *next = mark;
                Ok(())
            }
        }
    }
}
