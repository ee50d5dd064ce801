//! The layout of a record: its fields, or those of each of its types.

use std::{borrow::Cow, collections::HashSet, ops::Range};

use trunkline_sdk::Value;

use super::field::Field;
use crate::{Encoding, Malformed, Unwritable, malformed::BOM};

/// The fields of a record, in the order in which it gets them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    columns: Columns,
    kind: LayoutKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum LayoutKind {
    One(Vec<Field>),
    /// The first column of the word that tells the type, from 1, its length, and the types by their words.
    ByType(usize, usize, Vec<(String, Vec<Field>)>),
}

/// What a column is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Columns {
    /// A character.
    #[default]
    Characters,
    /// A byte of UTF-8. In other encodings a column is a character all the same.
    Bytes,
}

/// What is wrong with a layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The type of the record, by its place among those that were given.
    pub record_type: usize,
    /// The field, by its place among those that were given; `None`: the type as a whole.
    pub field: Option<usize>,
    /// What is wrong; lower-case, no full stop.
    pub what: String,
}

impl Layout {
    /// Records of one type. Errors: everything that is wrong with the fields.
    pub fn new(fields: Vec<Field>, columns: Columns) -> Result<Self, Vec<Flaw>> {
        let flaws = flaws(0, &fields);
        match flaws.is_empty() {
            true => Ok(Self {
                columns,
                kind: LayoutKind::One(fields),
            }),
            false => Err(flaws),
        }
    }

    /// Records of several types: the word in these columns, from 1, tells which one it is. Each has a field in just
    /// these columns, so that the record tells its type too.
    pub fn by_type(
        start: usize,
        length: usize,
        types: Vec<(String, Vec<Field>)>,
        columns: Columns,
    ) -> Result<Self, Vec<Flaw>> {
        let mut all = Vec::new();
        if start == 0 || length == 0 {
            all.push(Flaw {
                record_type: 0,
                field: None,
                what: "the word of a type must have columns, which count from 1".to_owned(),
            });
            return Err(all);
        }
        for (index, (word, fields)) in types.iter().enumerate() {
            let mut flaw = |what: String| {
                all.push(Flaw {
                    record_type: index,
                    field: None,
                    what,
                });
            };
            if columns.measure(word) > length {
                flaw(format!(
                    "the word `{word}` of a type has more than {length} columns"
                ));
            }
            if types[..index].iter().any(|(other, _)| other == word) {
                flaw(format!("there are two types `{word}`"));
            }
            let is_type = |field: &Field| (field.start, field.length) == (start, length);
            if !fields.iter().any(is_type) {
                flaw(format!(
                    "type `{word}` has no field in the columns {start} to {}, which tell the type",
                    start + length - 1
                ));
            }
            all.extend(flaws(index, fields));
        }
        match all.is_empty() {
            true => Ok(Self {
                columns,
                kind: LayoutKind::ByType(start, length, types),
            }),
            false => Err(all),
        }
    }

    /// The last column that is declared.
    pub fn width(&self) -> usize {
        let fields = match &self.kind {
            LayoutKind::One(fields) => fields.iter().map(Field::end).max(),
            LayoutKind::ByType(start, length, types) => {
                let fields = types.iter().flat_map(|(_, fields)| fields);
                fields.map(Field::end).max().max(Some(start + length - 1))
            }
        };
        fields.unwrap_or(0)
    }

    pub(super) fn columns(&self) -> Columns {
        self.columns
    }

    /// The same for records of an encoding, which are UTF-8 here whatever they were.
    pub(super) fn of(mut self, encoding: Encoding) -> Self {
        self.columns = self.columns.of(encoding);
        self
    }

    /// Reads a record. Columns that it does not have are blank where it may be short.
    pub(super) fn read<'a>(&'a self, text: &'a str, may_be_short: bool) -> Result<Value<'a>, Malformed> {
        let refuse = |column: usize, what: Cow<'static, str>| Malformed {
            line: 1,
            column: column as u64,
            what,
        };
        if text.as_bytes().starts_with(BOM) {
            let what = "a byte order mark in the middle of the file: were two files joined?";
            return Err(refuse(1, what.into()));
        }
        let ruler = Ruler::new(text, self.columns);
        let fields = match &self.kind {
            LayoutKind::One(fields) => fields,
            LayoutKind::ByType(start, length, types) => {
                let word = ruler.cut(*start, *length).map(|word| word.trim_matches(' '));
                let known = types
                    .iter()
                    .find(|(known, _)| Ok(known.trim_matches(' ')) == word);
                match known {
                    Some((_, fields)) => fields,
                    None => return Err(refuse(*start, "expected the word of a record type".into())),
                }
            }
        };
        let mut record = Vec::with_capacity(fields.len());
        for field in fields {
            let wrong = |what: &str| refuse(field.start, format!("`{}` {what}", field.name).into());
            if !may_be_short && ruler.length < field.end() {
                return Err(refuse(
                    ruler.length + 1,
                    format!(
                        "the record ends in column {}, but `{}` ends in column {}",
                        ruler.length,
                        field.name,
                        field.end()
                    )
                    .into(),
                ));
            }
            let columns = ruler
                .cut(field.start, field.length)
                .map_err(|()| wrong("begins or ends within a character"))?;
            let value = field.read(columns).map_err(wrong)?;
            record.push((Cow::Borrowed(field.name.as_str()), value));
        }
        Ok(Value::Object(record))
    }

    /// Writes a record, of `length` columns where they are given, without the end of a line.
    ///
    /// Errors: a value that does not fit its columns or the encoding, or is none for its field; a name that is no
    /// field, since its value would be lost; a type that is not declared. Fields that the record does not have are
    /// blank.
    pub fn write(
        &self,
        value: &Value<'_>,
        length: Option<usize>,
        encoding: Encoding,
    ) -> Result<Vec<u8>, Unwritable> {
        let Value::Object(given) = value else {
            return Err(Unwritable::new(
                "",
                format!("is {}, but must be an object", value.kind()),
            ));
        };
        let fields = self.fields_of(value)?;
        if let Some((name, _)) = given
            .iter()
            .find(|(name, _)| fields.iter().all(|field| field.name != *name))
        {
            return Err(Unwritable::new(name.as_ref(), "has no columns in this layout"));
        }
        let columns = self.columns.of(encoding);
        let mut in_order: Vec<_> = fields.iter().collect();
        in_order.sort_unstable_by_key(|field| field.start);
        let mut text = String::new();
        let mut column = 1;
        let mut parts: Vec<(Range<usize>, &Field)> = Vec::new();
        for field in in_order {
            text.extend(std::iter::repeat_n(' ', field.start - column));
            let from = text.len();
            let value = value.get(&field.name).unwrap_or(&Value::Null);
            text.push_str(&field.write(value, |text| columns.measure(text))?);
            parts.push((from..text.len(), field));
            column = field.end() + 1;
        }
        if let Some(length) = length {
            let missing = (length + 1).saturating_sub(column);
            text.extend(std::iter::repeat_n(' ', missing));
        }
        match encoding.encode(&text) {
            Ok(bytes) => Ok(bytes.into_owned()),
            Err(at) => {
                let part = parts.iter().find(|(part, _)| part.contains(&at));
                let name = part.map_or("", |(_, field)| &field.name);
                let what = format!("has a character that {} does not have", encoding.name());
                Err(Unwritable::new(name, what))
            }
        }
    }

    /// The fields of the type that a record says it has.
    fn fields_of(&self, value: &Value<'_>) -> Result<&[Field], Unwritable> {
        match &self.kind {
            LayoutKind::One(fields) => Ok(fields),
            LayoutKind::ByType(start, length, types) => {
                let is_type = |field: &&Field| (field.start, field.length) == (*start, *length);
                let known = types.iter().find(|(word, fields)| {
                    let field = fields.iter().find(is_type);
                    let told = field.and_then(|field| value.get(&field.name));
                    matches!(told, Some(Value::Text(told) | Value::Number(told)) if told == word)
                });
                known
                    .map(|(_, fields)| fields.as_slice())
                    .ok_or_else(|| Unwritable::new("", "has no type of this layout"))
            }
        }
    }
}

fn flaws(record_type: usize, fields: &[Field]) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    let mut flaw = |field: Option<usize>, what: String| {
        flaws.push(Flaw {
            record_type,
            field,
            what,
        });
    };
    if fields.is_empty() {
        flaw(None, "there are no fields".to_owned());
    }
    let mut names = HashSet::new();
    for (index, field) in fields.iter().enumerate() {
        if field.name.is_empty() {
            flaw(Some(index), "a field has no name".to_owned());
        }
        if !names.insert(&field.name) {
            flaw(Some(index), format!("there are two fields `{}`", field.name));
        }
        if field.start == 0 || field.length == 0 {
            flaw(
                Some(index),
                format!("`{}` must have columns, which count from 1", field.name),
            );
            continue;
        }
        let others = fields[..index]
            .iter()
            .filter(|other| other.start > 0 && other.length > 0);
        let mut others = others.filter(|other| other.start <= field.end() && field.start <= other.end());
        if let Some(other) = others.next() {
            flaw(
                Some(index),
                format!(
                    "`{}` (columns {} to {}) overlaps `{}` ({} to {})",
                    field.name,
                    field.start,
                    field.end(),
                    other.name,
                    other.start,
                    other.end()
                ),
            );
        }
    }
    flaws
}

impl Columns {
    fn of(self, encoding: Encoding) -> Self {
        match encoding {
            Encoding::Utf8 => self,
            _ => Self::Characters,
        }
    }

    /// How many columns a text has.
    pub(super) fn measure(self, text: &str) -> usize {
        match self {
            Self::Characters => text.chars().count(),
            Self::Bytes => text.len(),
        }
    }
}

/// Finds columns in a text.
struct Ruler<'a> {
    text: &'a str,
    /// Where each character begins, where columns are not bytes.
    places: Vec<usize>,
    length: usize,
}

impl<'a> Ruler<'a> {
    fn new(text: &'a str, columns: Columns) -> Self {
        let places: Vec<_> = match columns {
            Columns::Characters if !text.is_ascii() => text.char_indices().map(|(at, _)| at).collect(),
            _ => Vec::new(),
        };
        let length = match places.len() {
            0 => text.len(),
            length => length,
        };
        Self { text, places, length }
    }

    /// What stands in these columns, from 1, as far as the text goes.
    fn cut(&self, start: usize, length: usize) -> Result<&'a str, ()> {
        let from = (start - 1).min(self.length);
        let to = (start - 1).saturating_add(length).min(self.length);
        let place = |column: usize| match self.places.is_empty() {
            true => column,
            false => self.places.get(column).copied().unwrap_or(self.text.len()),
        };
        self.text.get(place(from)..place(to)).ok_or(())
    }
}
