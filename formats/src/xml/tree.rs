//! The tree of an element while it is read: what is open, what it holds so far, and what may stand in it.

use std::{borrow::Cow, collections::HashMap};

use quick_xml::events::attributes::{AttrError, Attributes};
use trunkline_sdk::Value;

use super::name::{is_character, local_of};

/// How deep elements may be nested.
pub const MAX_DEPTH: usize = 64;

/// How many attributes an element may have.
pub const MAX_ATTRIBUTES: usize = 256;

/// Up to this many names of an element are compared one by one, which beats hashing them.
const FEW: usize = 16;

/// How many levels and fields there is room for without growing.
const USUAL_DEPTH: usize = 8;
const USUAL_FIELDS: usize = 32;

/// How much of the path a refusal tells, in bytes.
const MOST_OF_PATH: usize = 120;

/// How a tree holds a name or a text: borrowed, or its own.
pub(super) trait Hold<'a, 'v>: Fn(Cow<'a, str>) -> Cow<'v, str> + Copy {}

impl<'a, 'v, H: Fn(Cow<'a, str>) -> Cow<'v, str> + Copy> Hold<'a, 'v> for H {}

pub(super) const NO_DOCTYPE: &str = "document types are not read: what they declare could be anything";
pub(super) const NO_ENTITY: &str = "this `&` begins no entity that is known: `&lt;`, `&gt;`, `&amp;`, `&apos;`, `&quot;`, or a number \
     as in `&#233;`; a `&` by itself is written `&amp;`";

/// The elements that are open, and what is known of them so far.
pub(super) struct Tree<'a, 'v, 'l, H> {
    lists: &'l [String],
    hold: H,
    /// Whether any line may end with `\r`.
    has_returns: bool,
    pub(super) open: Vec<Open<'a, 'v>>,
    /// Fields of the elements that are open, outer ones below inner ones: each gets its vector when it closes and
    /// its size is known.
    fields: Vec<(Cow<'v, str>, Value<'v>)>,
    pub(super) root: Option<Value<'v>>,
}

pub(super) struct Open<'a, 'v> {
    name: &'a str,
    /// Its name with its prefix.
    full: &'a str,
    /// Where its fields begin.
    base: usize,
    /// How many of them are attributes.
    attributes: usize,
    text: Cow<'a, str>,
    /// Blanks behind an element: layout, unless more text follows before the next one.
    layout: Cow<'a, str>,
    is_nil: bool,
    /// The fields by name, once they are many.
    index: Option<HashMap<Cow<'v, str>, usize>>,
}

impl<'a> Open<'a, '_> {
    /// Adds text that is more than layout, and so what stands before it.
    fn append(&mut self, piece: Cow<'a, str>) {
        self.keep_layout();
        append(&mut self.text, piece);
    }

    fn keep_layout(&mut self) {
        if !self.layout.is_empty() {
            let layout = std::mem::take(&mut self.layout);
            append(&mut self.text, layout);
        }
    }
}

type Taken = Result<(), &'static str>;

impl<'a, 'v, 'l, H: Hold<'a, 'v>> Tree<'a, 'v, 'l, H> {
    pub(super) fn new(text: &str, lists: &'l [String], hold: H) -> Self {
        Self {
            lists,
            hold,
            has_returns: memchr::memchr(b'\r', text.as_bytes()).is_some(),
            open: Vec::with_capacity(USUAL_DEPTH),
            fields: Vec::with_capacity(USUAL_FIELDS),
            root: None,
        }
    }

    /// The name of the innermost element that is open, with its prefix.
    pub(super) fn innermost(&self) -> Option<&'a str> {
        self.open.last().map(|open| open.full)
    }

    /// `tag`: what stands between `<` and `>` or `/>`.
    pub(super) fn start(&mut self, tag: &'a str, is_empty: bool) -> Taken {
        let length = tag
            .bytes()
            .position(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
            .unwrap_or(tag.len());
        let full = &tag[..length];
        let mut open = Open {
            name: self.begin(full)?,
            full,
            base: self.fields.len(),
            attributes: 0,
            text: Cow::Borrowed(""),
            layout: Cow::Borrowed(""),
            is_nil: false,
            index: None,
        };
        if length < tag.len() {
            self.attributes(&mut open, tag, length)?;
        }
        self.open.push(open);
        if is_empty {
            self.end();
        }
        Ok(())
    }

    /// An element that has only this text.
    pub(super) fn leaf(&mut self, name: &'a str, text: &'a str) -> Taken {
        let name = self.begin(name)?;
        let text = self.one_line_end(Cow::Borrowed(text));
        self.add(name, Value::Text((self.hold)(text)));
        Ok(())
    }

    /// What any element does to the one around it. Returns its name without a prefix.
    fn begin(&mut self, full: &'a str) -> Result<&'a str, &'static str> {
        let name = local_of(full).ok_or("expected the name of an element")?;
        if self.open.is_empty() && self.root.is_some() {
            return Err("expected the end after the root element");
        }
        // What stood before it was layout. Asked of text only once, for time stays linear in it.
        if let Some(outer) = self.open.last_mut() {
            outer.layout = Cow::Borrowed("");
            if self.fields.len() == outer.base + outer.attributes && is_blank(&outer.text) {
                outer.text = Cow::Borrowed("");
            }
        }
        if self.open.len() == MAX_DEPTH {
            return Err("elements are nested deeper than 64");
        }
        Ok(name)
    }

    fn attributes(&mut self, open: &mut Open<'a, 'v>, tag: &'a str, mut at: usize) -> Taken {
        let mut count = 0;
        while let Some((key, name, value, behind)) = plain_attribute(tag, at) {
            count += 1;
            self.attribute(open, count, (key, name), Cow::Borrowed(value))?;
            at = behind;
        }
        let mut attributes = Attributes::new(tag, at);
        // Ours is by local name.
        attributes.with_checks(false);
        for attribute in attributes {
            let attribute = attribute.map_err(|error| said_of(&error))?;
            let key = attribute.key.0;
            let name = local_of(key).ok_or("expected the name of an attribute")?;
            count += 1;
            self.attribute(open, count, (key, name), attribute.value)?;
        }
        open.attributes = self.fields.len() - open.base;
        Ok(())
    }

    /// `key`: its name with its prefix, and without.
    fn attribute(
        &mut self,
        open: &mut Open<'a, 'v>,
        count: usize,
        (key, name): (&str, &str),
        raw: Cow<'a, str>,
    ) -> Taken {
        if count > MAX_ATTRIBUTES {
            return Err("more than 256 attributes");
        }
        let value = attribute_value(raw)?;
        if key == "xmlns" || key.starts_with("xmlns:") {
            return Ok(());
        }
        if name == "nil" && name.len() < key.len() && matches!(value.as_ref(), "true" | "1") {
            open.is_nil = true;
        }
        let is_taken = self.fields[open.base..]
            .iter()
            .any(|(taken, _)| taken[1..] == *name);
        if is_taken {
            return Err("two attributes have the same local name");
        }
        let name = ["@", name].concat();
        let value = Value::Text((self.hold)(value));
        self.fields.push((Cow::Owned(name), value));
        Ok(())
    }

    pub(super) fn text(&mut self, piece: Cow<'a, str>) -> Taken {
        let piece = self.one_line_end(piece);
        let is_layout = is_blank(&piece);
        let Some(open) = self.open.last_mut() else {
            return match is_layout {
                true => Ok(()),
                false if self.root.is_some() => Err("expected the end after the root element"),
                false => Err("expected an element"),
            };
        };
        let has_elements = self.fields.len() > open.base + open.attributes;
        match is_layout && has_elements && open.text.is_empty() {
            true => append(&mut open.layout, piece),
            false => open.append(piece),
        }
        Ok(())
    }

    /// Whether blanks here would be forgotten as layout, by the start tag that follows or the end tag.
    pub(super) fn forgets_layout(&self, is_before_start: bool) -> bool {
        self.open.last().is_some_and(|open| {
            open.text.is_empty() && (is_before_start || self.fields.len() > open.base + open.attributes)
        })
    }

    pub(super) fn cdata(&mut self, piece: Cow<'a, str>) -> Taken {
        let piece = self.one_line_end(piece);
        match self.open.last_mut() {
            Some(open) => open.append(piece),
            None => return Err("expected an element"),
        }
        Ok(())
    }

    pub(super) fn character(&mut self, character: char) -> Taken {
        match self.open.last_mut() {
            Some(open) => {
                open.keep_layout();
                open.text.to_mut().push(character);
            }
            None => return Err("expected an element"),
        }
        Ok(())
    }

    /// Closes the innermost element. That its end tag has its name, quick-xml has seen to.
    pub(super) fn end(&mut self) {
        let Some(open) = self.open.pop() else {
            return;
        };
        let has_fields = self.fields.len() > open.base;
        let has_elements = self.fields.len() > open.base + open.attributes;
        if has_fields && !open.text.is_empty() && !(has_elements && is_blank(&open.text)) {
            let text = Value::Text((self.hold)(open.text));
            self.fields.push((Cow::Borrowed("#text"), text));
        } else if !has_fields {
            return self.add(open.name, Value::Text((self.hold)(open.text)));
        }
        let value = match self.fields.len() - open.base {
            1 if open.is_nil => {
                self.fields.truncate(open.base);
                Value::Null
            }
            _ => Value::Object(self.fields.drain(open.base..).collect()),
        };
        self.add(open.name, value);
    }

    /// Adds an element that was closed to the one around it.
    fn add(&mut self, name: &'a str, value: Value<'v>) {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(value);
            return;
        };
        let fields = &mut self.fields[open.base..];
        // Equal names mostly stand side by side.
        let known = match fields.last() {
            Some((last, _)) if last == name => Some(fields.len() - 1),
            _ if fields.len() < FEW => fields.iter().position(|(known, _)| known == name),
            _ => {
                let index = open.index.get_or_insert_with(HashMap::new);
                for (at, (name, _)) in fields.iter().enumerate().skip(index.len()) {
                    index.insert(name.clone(), at);
                }
                index.get(name).copied()
            }
        };
        match known {
            Some(at) => match &mut fields[at].1 {
                Value::List(items) => items.push(value),
                single => {
                    let first = std::mem::replace(single, Value::Null);
                    *single = Value::List(vec![first, value]);
                }
            },
            None => {
                let value = match self.lists.iter().any(|list| list == name) {
                    true => Value::List(vec![value]),
                    false => value,
                };
                self.fields.push(((self.hold)(Cow::Borrowed(name)), value));
            }
        }
    }

    fn one_line_end(&self, text: Cow<'a, str>) -> Cow<'a, str> {
        match self.has_returns {
            true => with_one_line_end(text),
            false => text,
        }
    }

    /// What is wrong, and in which element.
    pub(super) fn told(&self, what: &'static str) -> Cow<'static, str> {
        if self.open.is_empty() {
            return what.into();
        }
        let names: Vec<_> = self.open.iter().map(|open| open.name).collect();
        let mut path = names.join("/");
        if path.len() > MOST_OF_PATH {
            let mut from = path.len() - MOST_OF_PATH;
            while !path.is_char_boundary(from) {
                from += 1;
            }
            path.replace_range(..from, "…");
        }
        format!("{what}, in `{path}`").into()
    }
}

pub(super) fn is_blank(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
}

fn append<'a>(text: &mut Cow<'a, str>, piece: Cow<'a, str>) {
    match text.is_empty() {
        true => *text = piece,
        false => text.to_mut().push_str(&piece),
    }
}

/// `\r\n` and `\r` are `\n` (XML 1.0, 2.11).
fn with_one_line_end(text: Cow<'_, str>) -> Cow<'_, str> {
    match memchr::memchr(b'\r', text.as_bytes()) {
        Some(_) => Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")),
        None => text,
    }
}

/// The attribute that begins at this place of a tag with one blank, and has none around its `=`: its name, that without its prefix, what
/// stands between its quotes, and the place behind it.
fn plain_attribute(tag: &str, at: usize) -> Option<(&str, &str, &str, usize)> {
    let inner = tag.get(at..)?.strip_prefix([' ', '\t', '\n', '\r'])?;
    let name = memchr::memchr(b'=', inner.as_bytes())?;
    let key = &inner[..name];
    let quoted = &inner[name + 1..];
    let quote = *quoted
        .as_bytes()
        .first()
        .filter(|byte| matches!(byte, b'"' | b'\''))?;
    let length = memchr::memchr(quote, &quoted.as_bytes()[1..])?;
    let behind = at + 1 + name + 1 + length + 2;
    let is_apart = matches!(
        tag.as_bytes().get(behind),
        None | Some(b' ' | b'\t' | b'\n' | b'\r')
    );
    let name = local_of(key).filter(|_| is_apart)?;
    Some((key, name, &quoted[1..=length], behind))
}

/// What stands between the quotes (XML 1.0, 3.3.3).
fn attribute_value(raw: Cow<'_, str>) -> Result<Cow<'_, str>, &'static str> {
    let is_plain = |byte: u8| !matches!(byte, b'&' | b'<' | b'\t' | b'\n' | b'\r');
    if raw.bytes().all(is_plain) {
        return Ok(raw);
    }
    let mut value = String::with_capacity(raw.len());
    let mut rest = raw.as_ref();
    while let Some(at) = rest.bytes().position(|byte| !is_plain(byte)) {
        value.push_str(&rest[..at]);
        let behind = &rest[at + 1..];
        rest = match rest.as_bytes()[at] {
            b'<' => return Err("`<` in the value of an attribute"),
            b'&' => {
                let (name, behind) = behind.split_once(';').ok_or(NO_ENTITY)?;
                value.push(referenced(name).ok_or(NO_ENTITY)?);
                behind
            }
            b'\r' => {
                value.push(' ');
                behind.strip_prefix('\n').unwrap_or(behind)
            }
            _ => {
                value.push(' ');
                behind
            }
        };
    }
    value.push_str(rest);
    Ok(Cow::Owned(value))
}

/// The character that stands between `&` and `;`.
pub(super) fn referenced(name: &str) -> Option<char> {
    let (digits, radix) = match name {
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "amp" => return Some('&'),
        "apos" => return Some('\''),
        "quot" => return Some('"'),
        _ => match name.strip_prefix("#x") {
            Some(digits) => (digits, 16),
            None => (name.strip_prefix('#')?, 10),
        },
    };
    // A sign is no digit.
    let is_number = digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let code = u32::from_str_radix(digits, radix).ok().filter(|_| is_number)?;
    char::from_u32(code).filter(|character| is_character(*character))
}

/// An error of an attribute in our words.
pub(super) fn said_of(error: &AttrError) -> &'static str {
    match error {
        AttrError::ExpectedEq(_) => "expected `=` behind the name of an attribute",
        AttrError::ExpectedValue(_) | AttrError::UnquotedValue(_) => "expected a value in quotes behind `=`",
        AttrError::ExpectedQuote(..) => "expected a closing quote behind the value of an attribute",
        AttrError::Duplicated(..) => "two attributes have the same name",
    }
}
