//! A piece of configuration with the place where it stands, so that every problem can point at it.

use std::{fmt, ops::Range, sync::Arc};

/// A place in a file of the landscape. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, relative to the landscape's folder.
    pub file: Arc<str>,
    /// The line.
    pub line: u32,
    /// The first character.
    pub column: u32,
    /// How many characters to underline, at least 1.
    pub width: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Something that is wrong in the files: what, where, how to mend it. One voice: lower-case, no full stop,
/// literals in backticks, never a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem at this place.
    pub fn new(place: &Place, what: impl Into<String>) -> Self {
        Self {
            place: place.clone(),
            what: what.into(),
            hint: None,
        }
    }

    /// Says how to mend it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A tree of settings, as read from YAML. Scalars are kept as text: what kind a value is, its option says,
/// not its spelling (`no`, `0123` and `1e3` are texts until somebody asks for a number).
#[derive(Clone)]
pub struct Settings {
    /// Where it stands.
    pub place: Place,
    shape: Shape,
}

#[derive(Clone)]
enum Shape {
    Scalar {
        text: String,
        from_variable: bool,
        is_quoted: bool,
        stretches: Vec<Stretch>,
        file: Option<Arc<str>>,
    },
    List(Vec<Settings>),
    Map(Vec<Entry>),
}

/// A stretch of a scalar's text that stands in its file as it is. Between two of them are line breaks and escapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Where it begins in the text, in bytes.
    pub offset: usize,
    /// Its line in the file.
    pub line: u32,
    /// Its first character there.
    pub column: u32,
}

/// Where a [`Kind::Secret`] or [`Kind::Url`] is read from when its system is opened. What `open`, `source` and `sink`
/// get has been read; `check` sees the reference.
///
/// [`Kind::Secret`]: crate::Kind::Secret
/// [`Kind::Url`]: crate::Kind::Url
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference<'a> {
    /// `env:NAME`: the variable of this name.
    Variable(&'a str),
    /// `file:path`: the file at this path, relative to the landscape's folder.
    File(&'a str),
}

/// A key with its value.
#[derive(Clone)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub place: Place,
    /// The value.
    pub value: Settings,
}

impl Settings {
    /// A scalar; `from_variable`: it came, at least in part, from an environment variable.
    pub fn scalar(place: Place, text: impl Into<String>, from_variable: bool) -> Self {
        Self {
            place,
            shape: Shape::Scalar {
                text: text.into(),
                from_variable,
                is_quoted: false,
                stretches: Vec::new(),
                file: None,
            },
        }
    }

    /// A scalar that says of the parts of its text where they stand: stretches in the order of the text. Without
    /// them all of it follows its place.
    #[must_use]
    pub fn in_stretches(mut self, told: Vec<Stretch>) -> Self {
        if let Shape::Scalar { stretches, .. } = &mut self.shape {
            *stretches = told;
        }
        self
    }

    /// The same scalar, written between quotes or as a block: surely a text, whatever it looks like.
    #[must_use]
    pub fn quoted(mut self) -> Self {
        if let Shape::Scalar { is_quoted, .. } = &mut self.shape {
            *is_quoted = true;
        }
        self
    }

    /// The same scalar, which names a file that holds this text.
    #[must_use]
    pub fn naming(mut self, text: Arc<str>) -> Self {
        if let Shape::Scalar { file, .. } = &mut self.shape {
            *file = Some(text);
        }
        self
    }

    /// The text of the file that a scalar names, if its option is a [`Kind::File`] and the landscape has that file: so
    /// `check` knows it and stays pure. A place in it has the scalar's text as its file.
    ///
    /// [`Kind::File`]: crate::Kind::File
    pub fn file(&self) -> Option<&Arc<str>> {
        match &self.shape {
            Shape::Scalar { file, .. } => file.as_ref(),
            _ => None,
        }
    }

    /// Whether it was written as a text.
    pub fn is_quoted(&self) -> bool {
        matches!(&self.shape, Shape::Scalar { is_quoted: true, .. })
    }

    /// Where a part (in bytes) of a scalar's text stands; of one that goes over several lines, its first.
    pub fn within(&self, part: Range<usize>) -> Place {
        let Shape::Scalar { text, stretches, .. } = &self.shape else {
            return self.place.clone();
        };
        let whole = [Stretch {
            offset: 0,
            line: self.place.line,
            column: self.place.column,
        }];
        let stretches = if stretches.is_empty() {
            &whole
        } else {
            stretches.as_slice()
        };
        let at = |offset: usize| {
            let before = stretches.iter().rev().find(|stretch| stretch.offset <= offset);
            let stretch = before.unwrap_or(&stretches[0]);
            let characters = text
                .get(stretch.offset..offset)
                .map_or(0, |text| text.chars().count());
            (
                stretch.line,
                stretch.column + u32::try_from(characters).unwrap_or(0),
            )
        };
        let start = boundary(text, part.start);
        let (line, column) = at(start);
        let ends = |character: char| character == '\n';
        let part = text.get(start..boundary(text, part.end)).unwrap_or_default();
        let part = part.split(ends).next().unwrap_or_default().trim_end();
        // The last character of the part that still stands on its line.
        let last = part
            .char_indices()
            .map(|(offset, _)| at(start + offset))
            .take_while(|(other, _)| *other == line)
            .last();
        Place {
            line,
            column,
            width: last.map_or(1, |(_, last)| last.saturating_sub(column) + 1),
            ..self.place.clone()
        }
    }

    /// A list.
    pub fn list(place: Place, items: Vec<Settings>) -> Self {
        Self {
            place,
            shape: Shape::List(items),
        }
    }

    /// A map; keys are unique.
    pub fn map(place: Place, entries: Vec<Entry>) -> Self {
        Self {
            place,
            shape: Shape::Map(entries),
        }
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.shape {
            Shape::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether a variable supplied it: a secret that no variable supplied stands in the clear.
    pub fn is_from_variable(&self) -> bool {
        matches!(
            &self.shape,
            Shape::Scalar {
                from_variable: true,
                ..
            }
        )
    }

    /// Where the value is read from, if it stands elsewhere. What a variable supplied is the value itself.
    pub fn reference(&self) -> Option<Reference<'_>> {
        let text = self.text().filter(|_| !self.is_from_variable())?;
        match text.split_once(':')? {
            ("env", name) => Some(Reference::Variable(name)),
            ("file", path) => Some(Reference::File(path)),
            _ => None,
        }
    }

    /// The items of a list.
    pub fn items(&self) -> Option<&[Settings]> {
        match &self.shape {
            Shape::List(items) => Some(items),
            _ => None,
        }
    }

    /// The entries of a map, in the order of the file.
    pub fn entries(&self) -> Option<&[Entry]> {
        match &self.shape {
            Shape::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value under a key of a map.
    pub fn get(&self, key: &str) -> Option<&Settings> {
        self.entries()?
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.value)
    }

    /// A map without this key: an endpoint's settings without `system`.
    #[must_use]
    pub fn without(&self, key: &str) -> Settings {
        let entries = self.entries().unwrap_or_default();
        Self::map(
            self.place.clone(),
            entries.iter().filter(|entry| entry.key != key).cloned().collect(),
        )
    }

    /// What kind of thing stands here, in a word, for errors.
    pub fn kind(&self) -> &'static str {
        match &self.shape {
            Shape::Scalar { text, .. } if text.is_empty() => "nothing",
            Shape::Scalar { .. } => "a single value",
            Shape::List(_) => "a list",
            Shape::Map(_) => "a map",
        }
    }

    /// Settings for tests and for adapters used without a landscape: a map of single values, all at the
    /// place `settings:1:1`. Values count as supplied by a variable.
    pub fn of<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let place = Place {
            file: "settings".into(),
            line: 1,
            column: 1,
            width: 1,
        };
        let entry = |(key, text): (&str, &str)| Entry {
            key: key.to_owned(),
            place: place.clone(),
            value: Settings::scalar(place.clone(), text, true),
        };
        let entries = pairs.into_iter().map(entry).collect();
        Self::map(place.clone(), entries)
    }
}

/// The last beginning of a character that is not behind the offset.
fn boundary(text: &str, offset: usize) -> usize {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Shows the structure and no value: settings hold secrets.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.shape {
            Shape::Scalar { .. } => f.write_str("…"),
            Shape::List(items) => f.debug_list().entries(items).finish(),
            Shape::Map(entries) => f
                .debug_map()
                .entries(entries.iter().map(|e| (&e.key, &e.value)))
                .finish(),
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.key, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_text_stands_where_its_stretch_does() {
        // given `a\"é` on line 7 at column 3, and ` b` on line 8 at column 5
        let place = Place {
            file: "a.yaml".into(),
            line: 7,
            column: 3,
            width: 4,
        };
        let stretch = |offset, line, column| Stretch { offset, line, column };
        let text = "a\"é b";
        let scalar = Settings::scalar(place.clone(), text, false).in_stretches(vec![
            stretch(0, 7, 3),
            stretch(2, 7, 6),
            stretch(5, 8, 5),
        ]);
        // when
        let told = |part| {
            let place = scalar.within(part);
            (place.line, place.column, place.width)
        };
        // then
        assert_eq!(told(2..4), (7, 6, 1));
        assert_eq!(told(0..4), (7, 3, 4));
        assert_eq!(told(5..6), (8, 5, 1));
        assert_eq!(told(3..99), (7, 6, 2));
        assert_eq!(told(99..99), (8, 6, 1));
        assert_eq!(Settings::scalar(place, text, false).within(4..6).column, 6);
    }
}
