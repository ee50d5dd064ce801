//! Beside a finished file: the records of it that were rejected, as they came, and why.
//!
//! `orders.csv.rejected` is a file as `orders.csv` is, with its header, or what stands around its elements, and only
//! those records, byte for byte: mended, it can be dropped. `orders.csv.reasons.csv` has a row for each of them, in the
//! same order.

use std::{
    fs::File,
    io::{self, BufReader, Read, Write},
    path::{Path, PathBuf},
};

use trunkline_formats::{
    csv::{Dialect, HeaderError, Rows, Writer},
    xml,
};
use trunkline_sdk::Value;

use crate::{
    claim::Claim,
    disk::{self, Draft},
    format::Format,
    options::Reading,
    reader::encoding_of,
    unpack::{Input, is_packed},
    verdicts::Verdicts,
};

/// What is added to the name of a file.
pub(crate) const REJECTED: &str = ".rejected";

/// What is added to it for the reasons.
pub(crate) const REASONS: &str = ".reasons.csv";

/// The names beside that of a finished file.
pub(crate) fn beside(target: &Path, added: &str) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(added);
    target.with_file_name(name)
}

/// Writes both files beside `target`, each whole or not at all; of a file of which nothing else was accepted only the
/// reasons.
pub(crate) fn write(
    claim: &Claim,
    verdicts: &Verdicts,
    target: &Path,
    reading: &Reading,
    has_accepted: bool,
) -> io::Result<()> {
    let folder = target.parent().unwrap_or(Path::new(""));
    // Of a process that was killed here.
    disk::sweep(folder)?;
    if has_accepted {
        let mut rejected = Draft::new(folder)?;
        let mut input = Cut::new(claim)?;
        let (head, tail) = frame(claim, reading)?;
        input.copy((0, head), &mut rejected)?;
        verdicts.rejects(|reject| input.copy(reject.range, &mut rejected))?;
        if tail {
            input.copy((verdicts.tally.upto.offset, u64::MAX), &mut rejected)?;
        }
        rejected.finish(&beside(target, REJECTED), true)?;
    }
    let columns = ["record", "line", "reason"].map(str::to_owned).into();
    let writer = Writer::new(columns, Dialect::default()).map_err(io::Error::other)?;
    let mut reasons = Draft::new(folder)?;
    reasons.write_all(writer.head().as_bytes())?;
    verdicts.rejects(|reject| {
        let number = |number: u64| Value::Number(number.to_string().into());
        let row = Value::Object(vec![
            ("record".into(), number(reject.record)),
            ("line".into(), number(reject.line)),
            ("reason".into(), Value::Text(reject.reason.into())),
        ]);
        let row = writer.record(&row).map_err(io::Error::other)?;
        reasons.write_all(row.as_bytes())
    })?;
    reasons.finish(&beside(target, REASONS), true)
}

/// How many bytes stand before the first record of a file and belong to all of them, and whether others stand behind
/// the last.
fn frame(claim: &Claim, reading: &Reading) -> io::Result<(u64, bool)> {
    let mut input = Input::new(File::open(&claim.path)?, is_packed(&claim.name));
    let limit = reading.max_record;
    let formats = &reading.formats;
    let (begins, has_tail) = match claim.format {
        Format::Csv => {
            let encoding = formats.encoding.unwrap_or_default();
            match Rows::encoded(BufReader::new(input), encoding, formats.delimiter, limit) {
                Ok(mut rows) => (rows.read()?.map(|first| first.begins), false),
                Err(HeaderError::Io(error)) => return Err(error),
                Err(HeaderError::NoHeader(_)) => (None, false),
            }
        }
        Format::Xml => match (formats.record.clone(), encoding_of(&mut input, formats.encoding)?) {
            (Some(path), Ok(encoding)) => {
                let lists = formats.lists.clone();
                let mut records = xml::Records::new(BufReader::new(input), encoding, path, lists, limit);
                (records.read()?.map(|first| first.begins), true)
            }
            _ => (None, false),
        },
        Format::Json | Format::JsonLines | Format::Fixed => (None, false),
    };
    Ok((begins.unwrap_or(0), has_tail))
}

/// Pieces of a file, read from its beginning to its end.
struct Cut {
    input: BufReader<Input>,
    at: u64,
}

impl Cut {
    fn new(claim: &Claim) -> io::Result<Self> {
        let input = Input::new(File::open(&claim.path)?, is_packed(&claim.name));
        Ok(Self {
            input: BufReader::with_capacity(64 << 10, input),
            at: 0,
        })
    }

    /// Copies what stands there, as far as the file goes. Nothing that was passed over is copied.
    fn copy(&mut self, (from, to): (u64, u64), into: &mut impl Write) -> io::Result<()> {
        let from = from.max(self.at);
        if to <= from {
            return Ok(());
        }
        self.input
            .seek_relative(i64::try_from(from - self.at).unwrap_or(i64::MAX))?;
        let copied = io::copy(&mut self.input.by_ref().take(to - from), into)?;
        self.at = from.saturating_add(copied);
        Ok(())
    }
}
