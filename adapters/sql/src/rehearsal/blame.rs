//! What SQLite refuses, and where in the text: at the place that it tells, or at the word that it names.

use std::ops::Range;

use rusqlite::{Error, ErrorCode};
use trunkline_sdk::Place;

use crate::statement::Statement;

/// So many characters of SQLite's words are shown: a name in them may be of any length.
const LONGEST: usize = 200;

/// An error of compiling a statement.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Blame {
    /// SQLite's words, safe to be shown.
    pub(super) words: String,
    /// Where, in bytes from the start of the text, as far as SQLite tells.
    at: Option<usize>,
    /// Where the statement begins.
    from: usize,
}

impl Blame {
    /// What SQLite says of a statement that begins at `from` in the text; `None`: it is no flaw of the text, as when it
    /// asks for more than is given to it.
    pub(super) fn of(error: &Error, text: &str, from: usize) -> Option<Self> {
        match error {
            Error::SqlInputError { msg, offset, sql, .. } => {
                let before = text.len().checked_sub(sql.len())?;
                let at = usize::try_from(*offset).ok().map(|offset| before + offset);
                Some(Self {
                    words: safe(msg),
                    at,
                    from: before,
                })
            }
            Error::SqliteFailure(failure, Some(words)) if failure.code == ErrorCode::Unknown => Some(Self {
                words: safe(words),
                at: None,
                from,
            }),
            _ => None,
        }
    }

    /// The same of a statement as it is written, where it was found in its text for SQLite.
    pub(super) fn written(self, written: &str, statement: &Statement) -> Self {
        Self {
            at: self.at.map(|at| origin(written, statement, at)),
            ..self
        }
    }

    /// The table that SQLite does not find.
    pub(super) fn table(&self) -> Option<&str> {
        self.words.strip_prefix("no such table: ").map(last_name)
    }

    /// The column that it does not find.
    pub(super) fn column(&self) -> Option<&str> {
        let name = self.words.strip_prefix("no such column: ");
        let name = name.or_else(|| Some(self.words.split_once(" has no column named ")?.1));
        // It may go on: `"a" - should this be …`.
        name.map(|name| last_name(name.split(' ').next().unwrap_or(name)).trim_matches('"'))
    }

    /// Whether it helps to know which tables and columns there are.
    pub(super) fn is_of_names(&self) -> bool {
        let of_grammar = ["near ", "unrecognized token", "incomplete input"];
        !of_grammar.iter().any(|words| self.words.starts_with(words)) && !self.words.contains("function")
    }

    /// What is to be marked in the text.
    pub(super) fn range(&self, text: &str) -> Range<usize> {
        if let Some(at) = self.at {
            return at..word_end(text, at);
        }
        let behind = text.get(self.from..).unwrap_or_default();
        let begin = self.from + behind.len() - behind.trim_start().len();
        let named = self.table().or(self.column()).map(str::to_owned);
        let named = named.or_else(|| {
            let words = &self.words;
            if let Some((_, name)) = words.rsplit_once(": ") {
                return Some(last_name(name).trim_end_matches("()").to_owned());
            }
            let counts = words.contains(" values ");
            (counts && words.chars().any(|c| c.is_ascii_digit())).then(|| "values".to_owned())
        });
        match named.and_then(|name| word(behind, &name)) {
            Some(found) => self.from + found.start..self.from + found.end,
            None => begin..word_end(text, begin),
        }
    }

    /// The same as a place in a file.
    pub(super) fn place(&self, file: &str, text: &str) -> Place {
        let range = self.range(text);
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let before = text.get(..range.start).unwrap_or_default();
        let line = before.rfind('\n').map_or(0, |at| at + 1);
        let count = |range: Range<usize>| text.get(range).map_or(0, |text| text.chars().count());
        Place {
            file: file.into(),
            line: number(before.matches('\n').count() + 1),
            column: number(count(line..range.start) + 1),
            width: number(count(range).max(1)),
        }
    }
}

/// Without what a terminal would obey, and cut where it is too long.
pub(super) fn safe(words: &str) -> String {
    let mut safe: String = words
        .chars()
        .take(LONGEST)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if words.chars().nth(LONGEST).is_some() {
        safe.push('…');
    }
    safe
}

/// Of `main.stock` the last part.
fn last_name(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Where a word first stands in a text that is no parameter.
pub(super) fn word(text: &str, wanted: &str) -> Option<Range<usize>> {
    let mut at = 0;
    while let Some(found) = text.get(at..)?.find(is_word) {
        let start = at + found;
        let end = start + text[start..].find(|c| !is_word(c)).unwrap_or(text.len() - start);
        if text[start..end].eq_ignore_ascii_case(wanted) && !text[..start].ends_with([':', '?']) {
            return Some(start..end);
        }
        at = end;
    }
    None
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// Where the word, quoted name or sign ends that begins here.
fn word_end(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let Some(first) = rest.chars().next() else {
        return at;
    };
    let length = match first {
        '"' | '`' | '\'' => rest[1..].find(first).map_or(1, |end| end + 2),
        ':' => {
            1 + rest[1..]
                .find(|c| !is_word(c) && c != '.')
                .unwrap_or(rest.len() - 1)
        }
        // A column may say its table.
        c if is_word(c) => rest.find(|c| !is_word(c) && c != '.').unwrap_or(rest.len()),
        c => c.len_utf8(),
    };
    at + length
}

/// Where in a statement as it is written stands what is at this place of its text for SQLite: the two differ in the
/// white space before it and in the parameters.
fn origin(written: &str, statement: &Statement, at: usize) -> usize {
    let (made, old) = (statement.text.as_bytes(), written.as_bytes());
    let mut here = written.len() - written.trim_start().len();
    let mut there = 0;
    while there < at && here < old.len() {
        if made[there] != b'?' || old[here] != b':' {
            (there, here) = (there + 1, here + 1);
            continue;
        }
        let digits = made[there + 1..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let number: usize = statement.text[there + 1..there + 1 + digits].parse().unwrap_or(0);
        let path = statement.parameters.get(number.wrapping_sub(1));
        there += 1 + digits;
        // Within a parameter is at its colon.
        if there > at {
            break;
        }
        here += 1 + path.map_or(0, |parameter| parameter.path.len());
    }
    here
}
