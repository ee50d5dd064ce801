//! Where the text of a YAML scalar stands in its file: YAML folds lines, and writes quotes and other characters as
//! escapes, so that a text and what was written for it differ.
//!
//! Promises: a character of the text that was written as itself is found, in every style. Where text and file cannot
//! be matched, what follows counts on from the last place that was found.

use std::sync::Arc;

use saphyr_parser::{ScalarStyle, Span};
use trunkline_sdk::{Place, Stretch};

/// The lines of a file.
pub(super) struct Lines<'t> {
    file: &'t Arc<str>,
    lines: Vec<&'t str>,
    /// The line that was looked at last, for it may hold many scalars.
    line: Line,
}

/// A line in characters.
#[derive(Default)]
struct Line {
    number: usize,
    characters: Vec<char>,
    /// How many of them stand before the white space at its end.
    trimmed: usize,
}

/// How a scalar stands in its file: what is underlined for all of it, and where its parts are.
pub(super) struct Written {
    pub(super) place: Place,
    pub(super) stretches: Vec<Stretch>,
}

impl<'t> Lines<'t> {
    pub(super) fn of(file: &'t Arc<str>, text: &'t str) -> Self {
        Self {
            file,
            lines: text.lines().collect(),
            line: Line::default(),
        }
    }

    /// A line, from 1; nothing where there is none.
    pub(super) fn get(&self, line: usize) -> &'t str {
        self.lines.get(line.wrapping_sub(1)).copied().unwrap_or_default()
    }

    /// Lines count from 1, columns from 0.
    pub(super) fn place(&self, line: usize, column: usize, width: usize) -> Place {
        Place {
            file: self.file.clone(),
            line: number(line.max(1)),
            column: number(column + 1),
            width: number(width.max(1)),
        }
    }

    /// Finds a scalar's text where the parser says that it was written.
    pub(super) fn written(&mut self, text: &str, style: ScalarStyle, span: Span) -> Written {
        match style {
            ScalarStyle::Literal | ScalarStyle::Folded => self.block(text, span),
            _ => self.flow(text, style, span),
        }
    }

    /// `|` and `>`: each line of the file is a part of the text, without its indent.
    fn block(&self, text: &str, span: Span) -> Written {
        let mut stretches = Vec::new();
        let mut offset = text.len() - text.trim_start_matches('\n').len();
        let first_of_text = text[offset..].lines().next().unwrap_or_default();
        let content = (span.start.line()..=span.end.line().max(span.start.line()))
            .filter(|line| !self.get(*line).trim().is_empty());
        let mut indent = None;
        let mut place = self.place(span.start.line(), span.start.col(), 1);
        for line in content {
            let written = self.get(line);
            // A folded text begins with its first line; what is before that is indent.
            let indent = *indent.get_or_insert_with(|| {
                let indents = 0..=written.len() - written.trim_start_matches(' ').len();
                let fits = |indent: &usize| {
                    let line = written[*indent..].trim_end();
                    !line.is_empty() && first_of_text.starts_with(line)
                };
                indents.rev().find(fits).unwrap_or(span.start.col())
            });
            let Some(written) = written.get(indent..).map(str::trim_end) else {
                break;
            };
            let mut rest = &text[offset..];
            while !rest.starts_with(written) && rest.starts_with([' ', '\n']) {
                rest = &rest[1..];
            }
            if !rest.starts_with(written) {
                break;
            }
            offset = text.len() - rest.len();
            if stretches.is_empty() {
                place = self.place(line, indent, written.chars().count());
            }
            stretches.push(stretch(offset, line, indent));
            offset += written.len();
        }
        Written { place, stretches }
    }

    fn characters(&mut self, number: usize) -> &Line {
        if self.line.number != number {
            let text = self.get(number);
            self.line = Line {
                number,
                characters: text.chars().collect(),
                trimmed: text.trim_end().chars().count(),
            };
        }
        &self.line
    }

    /// Plain and quoted: lines are folded, and quoted ones have escapes.
    fn flow(&mut self, text: &str, style: ScalarStyle, span: Span) -> Written {
        let is_quoted = style != ScalarStyle::Plain;
        let (mut line, mut column) = (span.start.line(), span.start.col() + usize::from(is_quoted));
        let (start, last) = ((line, column), span.end.line());
        let mut stretches = vec![stretch(0, line, column)];
        let mut characters = text.char_indices().peekable();
        while let Some((_, character)) = characters.peek().copied() {
            let written = self.characters(line);
            let rest = written.characters.get(column..).unwrap_or_default();
            let is_folded = line < last && column >= written.trimmed;
            let is_continued = line < last && style == ScalarStyle::DoubleQuoted && rest == ['\\'];
            if is_folded || is_continued {
                let before = line;
                line += 1;
                while line < last && self.get(line).trim().is_empty() {
                    line += 1;
                }
                // One break is a space, each further one a line of the text.
                let breaks = (line - before - 1).max(usize::from(is_folded));
                for _ in 0..breaks {
                    characters.next_if(|(_, c)| *c == ' ' || *c == '\n');
                }
                let indent = self.get(line).chars().take_while(|c| c.is_whitespace());
                column = indent.count();
            } else {
                let length = match (style, rest) {
                    (ScalarStyle::SingleQuoted, ['\'', '\'', ..]) => 2,
                    (ScalarStyle::DoubleQuoted, ['\\', 'x', ..]) => 4,
                    (ScalarStyle::DoubleQuoted, ['\\', 'u', ..]) => 6,
                    (ScalarStyle::DoubleQuoted, ['\\', 'U', ..]) => 10,
                    (ScalarStyle::DoubleQuoted, ['\\', ..]) => 2,
                    (_, [same, ..]) if *same == character => 1,
                    _ => break,
                };
                characters.next();
                column += length;
                if length == 1 {
                    continue;
                }
            }
            let offset = characters.peek().map_or(text.len(), |(at, _)| *at);
            stretches.push(stretch(offset, line, column));
        }
        let width = if line == start.0 {
            // Where text and file could not be matched, the text is the best guess.
            let rest = characters.count();
            column + rest - start.1
        } else {
            self.characters(start.0).trimmed.saturating_sub(start.1)
        };
        let place = self.place(start.0, start.1, width);
        Written { place, stretches }
    }
}

fn stretch(offset: usize, line: usize, column: usize) -> Stretch {
    Stretch {
        offset,
        line: number(line),
        column: number(column + 1),
    }
}

fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
