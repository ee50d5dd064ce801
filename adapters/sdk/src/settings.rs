//! A piece of configuration with the place where it stands, so that every problem can point at it.

use std::{fmt, sync::Arc};

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
    Scalar { text: String, from_variable: bool },
    List(Vec<Settings>),
    Map(Vec<Entry>),
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
            },
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
