//! A text of the language with the place where it stands, so that every problem points into the file the
//! person wrote: a `.cel` file, or a scalar inside a flow's YAML.

use std::sync::Arc;

use trunkline_sdk::{Place, Settings};

/// A text with its place. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Source {
    file: Arc<str>,
    text: Arc<str>,
    line: u32,
    column: u32,
    indent: u32,
    /// The scalar it is, where that knows the places of its parts.
    scalar: Option<Settings>,
}

/// A stretch of a source, in bytes: start and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    pub(crate) fn to(self, other: Span) -> Span {
        Span {
            start: self.start,
            end: other.end.max(self.start),
        }
    }
}

impl Source {
    /// A whole file; `file` is shown as it is given, so relative to the landscape's folder.
    pub fn file(file: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        Self {
            file: file.into(),
            text: text.into(),
            line: 1,
            column: 1,
            indent: 0,
            scalar: None,
        }
    }

    /// A scalar inside another file: `place` is its first character (behind an opening quote).
    pub fn inline(place: &Place, text: impl Into<Arc<str>>) -> Self {
        Self {
            file: place.file.clone(),
            text: text.into(),
            line: place.line,
            column: place.column,
            indent: 0,
            scalar: None,
        }
    }

    /// A block scalar (`|`): `place` is the first character of its first line; all its lines are indented alike.
    pub fn block(place: &Place, text: impl Into<Arc<str>>) -> Self {
        Self {
            indent: place.column.saturating_sub(1),
            ..Self::inline(place, text)
        }
    }

    /// A scalar of a YAML file, however it is written there.
    pub fn scalar(settings: &Settings) -> Self {
        Self {
            scalar: Some(settings.clone()),
            ..Self::inline(&settings.place, settings.text().unwrap_or_default())
        }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The file it stands in.
    pub fn name(&self) -> &str {
        &self.file
    }

    /// Where a stretch of the text stands.
    pub(crate) fn place(&self, span: Span) -> Place {
        let start = self.boundary(span.start);
        let end = self.boundary(span.end).max(start);
        if let Some(scalar) = &self.scalar {
            return scalar.within(start..end);
        }
        let before = &self.text[..start];
        let newlines = before.bytes().filter(|byte| *byte == b'\n').count();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = self.text[line_start..start].chars().count();
        let stretch = &self.text[start..end];
        let first_line = stretch.split('\n').next().unwrap_or_default().trim_end();
        let shift = if newlines == 0 {
            self.column.saturating_sub(1)
        } else {
            self.indent
        };
        Place {
            file: self.file.clone(),
            line: self.line + count(newlines),
            column: shift + count(column) + 1,
            width: count(first_line.chars().count()).max(1),
        }
    }

    fn boundary(&self, offset: u32) -> usize {
        let mut at = (offset as usize).min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_characters_and_starts_where_the_text_stands_in_its_file() {
        // given
        let outer = Place {
            file: "flows/a.yaml".into(),
            line: 7,
            column: 12,
            width: 1,
        };
        // when
        let inline = Source::inline(&outer, "'é' == this.a");
        let block = Source::block(&outer, "a &&\nthis.é.b");
        // then
        let place = inline.place(Span { start: 8, end: 14 });
        assert_eq!((place.line, place.column, place.width), (7, 19, 6));
        let place = block.place(Span { start: 5, end: 14 });
        assert_eq!((place.line, place.column, place.width), (8, 12, 8));
    }
}
