//! What became of the records of one file, noted beside it in `processing` as the receipts come.
//!
//! Promises: what was noted is there after a crash of the process; a line that was cut is none.
//! Not promised: that a verdict was noted of which the process heard in the moment it was killed. Such records are
//! counted as `unknown`.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use trunkline_formats::{Mark, json};
use trunkline_sdk::{Receipt, Value};

use crate::{
    claim::Claim,
    folder::Stamp,
    tally::{Tally, rule_of},
};

/// The longest reason that is noted, in bytes.
const MOST_OF_REASON: usize = 1 << 10;

/// The notes of one file.
#[derive(Debug)]
pub(crate) struct Verdicts {
    pub(crate) tally: Tally,
    file: File,
    path: PathBuf,
    /// Where the file goes in the end, if that was noted: a path below the drop folder.
    target: Option<PathBuf>,
    /// Only who holds the file may write about it.
    _claim: Arc<Claim>,
}

/// A record about which something was heard.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) spot: Spot,
    pub(crate) receipt: Receipt,
    /// Why it was parked.
    pub(crate) reason: Option<String>,
}

/// Where a record stands in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) record: u64,
    pub(crate) line: u64,
    /// Its first byte.
    pub(crate) begins: u64,
    /// Where reading goes on.
    pub(crate) next: Mark,
}

/// A record that was rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reject {
    pub(crate) record: u64,
    pub(crate) line: u64,
    /// Its bytes in the file, the second of these not included.
    pub(crate) range: (u64, u64),
    pub(crate) reason: String,
}

/// What stands around the name of a file, and its number, in the name of its notes. With the number the notes of a file
/// that has just been moved away are not those of the next one of its name.
const NAME: (&str, &str) = (".", ".verdicts");

fn name_of(name: &str, stamp: &Stamp) -> String {
    format!("{}{name}.{:x}{}", NAME.0, stamp.identity.1, NAME.1)
}

/// The file whose notes have this name, and its number.
pub(crate) fn file_of(name: &str) -> Option<(&str, u64)> {
    let (name, number) = name
        .strip_prefix(NAME.0)?
        .strip_suffix(NAME.1)?
        .rsplit_once('.')?;
    Some((name, u64::from_str_radix(number, 16).ok()?))
}

impl Verdicts {
    /// Goes on with the notes of a file with this hash, of which so much was read: `None`: as far as they go. What they
    /// say of records behind is forgotten, for these come again.
    pub(crate) fn open(claim: &Arc<Claim>, hash: &str, start: Option<Mark>) -> io::Result<Self> {
        let path = claim.path.with_file_name(name_of(&claim.name, &claim.stamp));
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)?;
        let mut verdicts = Self {
            tally: Tally::default(),
            file,
            path,
            target: None,
            _claim: Arc::clone(claim),
        };
        let mut length = 0;
        let mut is_of_it = false;
        let mut lines = verdicts.lines()?;
        while let Some((line, size)) = lines.next()? {
            match line {
                Line::Of(other) => is_of_it = other == hash,
                _ if !is_of_it => {}
                Line::Group(group, _) if start.is_none_or(|start| group.upto.records <= start.records) => {
                    verdicts.tally.add(group);
                }
                Line::Target(target) if start.is_none_or(|start| start == verdicts.tally.upto) => {
                    verdicts.target = Some(target);
                }
                _ => break,
            }
            if !is_of_it {
                break;
            }
            length += size;
        }
        if let Some(start) = start {
            let tally = &mut verdicts.tally;
            tally.unknown += start.records.saturating_sub(tally.upto.records);
            tally.upto = start;
        }
        verdicts.file.set_len(length)?;
        verdicts.file.seek(SeekFrom::End(0))?;
        if length == 0 {
            verdicts.tally = Tally {
                upto: start.unwrap_or_default(),
                unknown: start.map_or(0, |start| start.records),
                ..Tally::default()
            };
            verdicts.write(&[("hash", Value::Text(hash.into()))])?;
        }
        Ok(verdicts)
    }

    /// Notes what was heard, in the order of the file.
    pub(crate) fn note(&mut self, heard: Vec<Heard>) -> io::Result<()> {
        let Some(last) = heard.last() else {
            return Ok(());
        };
        let mut group = Tally {
            upto: last.spot.next,
            ..Tally::default()
        };
        let mut rejects = Vec::new();
        for Heard {
            spot,
            receipt,
            reason,
        } in heard
        {
            match receipt {
                Receipt::Published => group.accepted += 1,
                Receipt::Filtered(rule) => group.filtered.count(&rule, 1),
                Receipt::Parked => {
                    let mut reason = reason.unwrap_or_else(|| "parked; the dead letters say why".to_owned());
                    if let Some((at, _)) = reason.char_indices().find(|(at, _)| *at >= MOST_OF_REASON) {
                        reason.truncate(at);
                    }
                    group.rejected.count(rule_of(&reason), 1);
                    rejects.push(Reject {
                        record: spot.record,
                        line: spot.line,
                        range: (spot.begins, spot.next.offset),
                        reason,
                    });
                }
            }
        }
        let fields = fields(&group, &rejects);
        self.tally.add(group);
        self.write(&fields)
    }

    /// Where the file goes in the end, if that was noted before a crash.
    pub(crate) fn target(&self) -> Option<&Path> {
        self.target.as_deref()
    }

    /// Notes where the file goes.
    pub(crate) fn note_target(&mut self, target: &Path) -> io::Result<()> {
        let Some(text) = target.to_str() else {
            return Ok(());
        };
        self.write(&[("target", Value::Text(text.into()))])?;
        self.target = Some(target.to_owned());
        Ok(())
    }

    /// Tells each record that was rejected, in the order of the file.
    pub(crate) fn rejects(&self, mut each: impl FnMut(Reject) -> io::Result<()>) -> io::Result<()> {
        let mut lines = self.lines()?;
        while let Some((line, _)) = lines.next()? {
            if let Line::Group(_, rejects) = line {
                rejects.into_iter().try_for_each(&mut each)?;
            }
        }
        Ok(())
    }

    /// Where they are.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the notes away.
    pub(crate) fn remove(self) -> io::Result<()> {
        match std::fs::remove_file(&self.path) {
            // Another has seen that they are of no more use.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    fn lines(&self) -> io::Result<Lines> {
        let mut file = File::open(&self.path)?;
        file.rewind()?;
        Ok(Lines(BufReader::new(file)))
    }

    fn write(&mut self, fields: &[(&'static str, Value<'_>)]) -> io::Result<()> {
        let fields = fields.iter().map(|(name, value)| ((*name).into(), value.clone()));
        let line = json::write(&Value::Object(fields.collect())) + "\n";
        self.file.write_all(line.as_bytes())
    }
}

/// A group of verdicts, as it is noted.
fn fields(tally: &Tally, rejects: &[Reject]) -> Vec<(&'static str, Value<'static>)> {
    let mark = tally.upto;
    let upto = [mark.records, mark.lines, mark.column, mark.offset];
    let mut fields = vec![
        ("upto", Value::List(upto.map(number).into())),
        ("accepted", number(tally.accepted)),
    ];
    if tally.filtered.total > 0 {
        let rules = tally.filtered.iter();
        let rules = rules.map(|(rule, count)| (rule.clone().into(), number(count)));
        fields.push(("filtered", Value::Object(rules.collect())));
    }
    if !rejects.is_empty() {
        let rejects = rejects.iter().map(|reject| {
            let numbers = [reject.record, reject.line, reject.range.0, reject.range.1];
            let mut items = Vec::from(numbers.map(number));
            items.push(Value::Text(reject.reason.clone().into()));
            Value::List(items)
        });
        fields.push(("rejected", Value::List(rejects.collect())));
    }
    fields
}

/// A line of the notes.
enum Line {
    /// Of which file they are.
    Of(String),
    Group(Tally, Vec<Reject>),
    Target(PathBuf),
    Broken,
}

struct Lines(BufReader<File>);

impl Lines {
    /// The next line, and its size; `None` at the end. One that was cut is broken.
    fn next(&mut self) -> io::Result<Option<(Line, u64)>> {
        let mut bytes = Vec::new();
        // Much more than a group of rejects has: a line is not read without end.
        self.0.by_ref().take(4 << 20).read_until(b'\n', &mut bytes)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let line = match bytes.strip_suffix(b"\n").map(json::read) {
            Some(Ok(tree)) => Line::read(&tree).unwrap_or(Line::Broken),
            _ => Line::Broken,
        };
        Ok(Some((line, bytes.len() as u64)))
    }
}

impl Line {
    fn read(tree: &Value<'_>) -> Option<Self> {
        if let Some(Value::Text(hash)) = tree.get("hash") {
            return Some(Self::Of(hash.to_string()));
        }
        if let Some(Value::Text(target)) = tree.get("target") {
            return Some(Self::Target(PathBuf::from(target.as_ref())));
        }
        let [records, lines, column, offset] = list(tree.get("upto")?)?[..4] else {
            return None;
        };
        let mut tally = Tally {
            upto: Mark {
                records,
                lines,
                column,
                offset,
            },
            accepted: digits(tree.get("accepted")?)?,
            ..Tally::default()
        };
        if let Some(Value::Object(rules)) = tree.get("filtered") {
            for (rule, count) in rules {
                tally.filtered.count(rule, digits(count)?);
            }
        }
        let mut rejects = Vec::new();
        if let Some(Value::List(items)) = tree.get("rejected") {
            for item in items {
                let Value::List(parts) = item else { return None };
                let (Value::Text(reason), numbers) = parts.split_last()? else {
                    return None;
                };
                let [record, line, from, to] = numbers.iter().map(digits).collect::<Option<Vec<_>>>()?[..]
                else {
                    return None;
                };
                tally.rejected.count(rule_of(reason), 1);
                rejects.push(Reject {
                    record,
                    line,
                    range: (from, to),
                    reason: reason.to_string(),
                });
            }
        }
        Some(Self::Group(tally, rejects))
    }
}

fn number(number: u64) -> Value<'static> {
    Value::Number(number.to_string().into())
}

fn digits(value: &Value<'_>) -> Option<u64> {
    match value {
        Value::Number(digits) => digits.parse().ok(),
        _ => None,
    }
}

fn list(value: &Value<'_>) -> Option<Vec<u64>> {
    match value {
        Value::List(items) => items.iter().map(digits).collect(),
        _ => None,
    }
}
