//! The reader: one element to a tree that borrows from its text.

use std::{borrow::Cow, collections::HashMap};

use quick_xml::{
    Error, Reader,
    errors::{IllFormedError, SyntaxError},
    events::{
        Event,
        attributes::{AttrError, Attributes},
    },
};
use trunkline_sdk::Value;

use super::{
    name::{is_character, local_of, not_a_character},
    plain::plain,
};
use crate::Malformed;

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

/// Reads the one element in this text, with or without what may stand around it: a declaration, comments. The name
/// of the element itself is not part of the tree. Elements of the names in `lists` are lists even when single.
pub fn read<'a>(text: &'a str, lists: &[String]) -> Result<Value<'a>, Malformed> {
    read_as(text, lists, |text| text)
}

/// The same, owning all it holds.
pub(super) fn read_owned(text: &str, lists: &[String]) -> Result<Value<'static>, Malformed> {
    read_as(text, lists, |text| Cow::Owned(text.into_owned()))
}

/// How a tree holds a name or a text: borrowed, or its own.
pub(super) trait Hold<'a, 'v>: Fn(Cow<'a, str>) -> Cow<'v, str> + Copy {}

impl<'a, 'v, H: Fn(Cow<'a, str>) -> Cow<'v, str> + Copy> Hold<'a, 'v> for H {}

fn read_as<'a, 'v>(text: &'a str, lists: &[String], hold: impl Hold<'a, 'v>) -> Result<Value<'v>, Malformed> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let refuse = |at, what: Cow<'static, str>| Malformed::at(text.as_bytes(), at, what);
    if text.starts_with('\u{feff}') {
        return Err(refuse(0, "a second byte order mark".into()));
    }
    if let Some(at) = not_a_character(text) {
        return Err(refuse(at, "a character that XML does not have".into()));
    }
    match by_plain_markup(text, Tree::new(text, lists, hold)) {
        Some(value) => Ok(value),
        None => by_events(text, Tree::new(text, lists, hold)),
    }
}

fn by_plain_markup<'a, 'v>(
    text: &'a str,
    mut tree: Tree<'a, 'v, '_, impl Hold<'a, 'v>>,
) -> Option<Value<'v>> {
    plain(text, &mut tree)?;
    tree.root.filter(|_| tree.open.is_empty())
}

/// Reads what is not plain, and says what is wrong.
fn by_events<'a, 'v>(
    text: &'a str,
    mut tree: Tree<'a, 'v, '_, impl Hold<'a, 'v>>,
) -> Result<Value<'v>, Malformed> {
    let refuse = |at, what: Cow<'static, str>| Malformed::at(text.as_bytes(), at, what);
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    loop {
        let at = place(reader.buffer_position());
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(error) => return Err(refuse(place(reader.error_position()), tree.told(said(&error)))),
        };
        let raw = &text[at..place(reader.buffer_position())];
        let taken = match event {
            Event::Start(_) => tree.start(&raw[1..raw.len() - 1], false),
            Event::Empty(_) => tree.start(&raw[1..raw.len() - 2], true),
            Event::End(_) => {
                tree.end();
                Ok(())
            }
            Event::Text(piece) => tree.text(piece.into_inner()),
            Event::CData(piece) => tree.cdata(piece.into_inner()),
            Event::GeneralRef(_) => match referenced(&raw[1..raw.len() - 1]) {
                Some(character) => tree.character(character),
                None => Err(NO_ENTITY),
            },
            Event::Comment(_) | Event::PI(_) => Ok(()),
            Event::Decl(_) if at == 0 => Ok(()),
            Event::Decl(_) => Err("a declaration may only stand at the beginning"),
            Event::DocType(_) => Err(NO_DOCTYPE),
            Event::Eof => break,
        };
        if let Err(what) = taken {
            return Err(refuse(at, tree.told(what)));
        }
    }
    let what = match tree.open.is_empty() {
        true => "expected an element",
        false => "expected the end of this element",
    };
    let told = tree.told(what);
    tree.root.ok_or_else(|| refuse(text.len(), told))
}

pub(super) const NO_DOCTYPE: &str = "document types are not read: what they declare could be anything";
const NO_ENTITY: &str = "this `&` begins no entity that is known: `&lt;`, `&gt;`, `&amp;`, `&apos;`, `&quot;`, or a number \
                         as in `&#233;`; a `&` by itself is written `&amp;`";

/// The elements that are open, and what is known of them so far.
pub(super) struct Tree<'a, 'v, 'l, H> {
    lists: &'l [String],
    hold: H,
    /// Whether any line may end with `\r`.
    has_returns: bool,
    open: Vec<Open<'a, 'v>>,
    /// Fields of the elements that are open, outer ones below inner ones: each gets its vector when it closes and
    /// its size is known.
    fields: Vec<(Cow<'v, str>, Value<'v>)>,
    root: Option<Value<'v>>,
}

struct Open<'a, 'v> {
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
    fn new(text: &str, lists: &'l [String], hold: H) -> Self {
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
    fn told(&self, what: &'static str) -> Cow<'static, str> {
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

fn place(position: u64) -> usize {
    usize::try_from(position).expect("it is within a text in memory")
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

/// An error of quick-xml in our words, which quote no name or value.
fn said(error: &Error) -> &'static str {
    match error {
        Error::Syntax(SyntaxError::UnclosedComment) => "expected `-->` behind the comment",
        Error::Syntax(SyntaxError::UnclosedCData) => "expected `]]>` behind the text",
        Error::Syntax(SyntaxError::UnclosedPI | SyntaxError::UnclosedXmlDecl) => "expected `?>`",
        Error::Syntax(SyntaxError::UnclosedDoctype) => NO_DOCTYPE,
        Error::Syntax(SyntaxError::InvalidBangMarkup) => "expected a comment or CDATA behind `<!`",
        Error::Syntax(_) => "expected `>` at the end of the tag",
        Error::IllFormed(IllFormedError::MismatchedEndTag { .. }) => "expected the end tag of this element",
        Error::IllFormed(IllFormedError::UnmatchedEndTag(_)) => "an end tag without its start tag",
        Error::IllFormed(IllFormedError::DoubleHyphenInComment) => "`--` within a comment",
        Error::IllFormed(IllFormedError::UnclosedReference) => {
            "expected `&amp;`, or a name and `;` behind `&`"
        }
        Error::IllFormed(IllFormedError::MissingDoctypeName) => NO_DOCTYPE,
        Error::InvalidAttr(error) => said_of(error),
        _ => "expected XML",
    }
}

fn said_of(error: &AttrError) -> &'static str {
    match error {
        AttrError::ExpectedEq(_) => "expected `=` behind the name of an attribute",
        AttrError::ExpectedValue(_) | AttrError::UnquotedValue(_) => "expected a value in quotes behind `=`",
        AttrError::ExpectedQuote(..) => "expected a closing quote behind the value of an attribute",
        AttrError::Duplicated(..) => "two attributes have the same name",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json;

    fn told(text: &str) -> String {
        match read(text, &["Line".to_owned()]) {
            Ok(value) => json::write(&value),
            Err(malformed) => malformed.to_string(),
        }
    }

    #[test]
    fn an_element_is_a_tree_of_its_attributes_elements_and_text() {
        for (text, tree) in [
            ("<a>x</a>", r#""x""#),
            ("<a/>", r#""""#),
            ("<a></a>", r#""""#),
            ("<a>  </a>", r#""  ""#),
            ("<a b='1'/>", r#"{"@b":"1"}"#),
            ("<a b='1'>x</a>", r##"{"@b":"1","#text":"x"}"##),
            ("<a>\n <b>1</b>\n <c/>\n</a>", r#"{"b":"1","c":""}"#),
            ("<a><b>1</b><c>x</c><b>2</b></a>", r#"{"b":["1","2"],"c":"x"}"#),
            ("<a><Line><n>1</n></Line></a>", r#"{"Line":[{"n":"1"}]}"#),
            ("<a>Hello <b>x</b> you</a>", r##"{"b":"x","#text":"Hello  you"}"##),
            ("<a><b/> &gt; x</a>", r##"{"b":"","#text":" > x"}"##),
            ("<a><b/> <c/> </a>", r#"{"b":"","c":""}"#),
            ("<a>0012.50</a>", r#""0012.50""#),
            (
                "<n:a xmlns:n='urn:x' xmlns='urn:y' n:b='1'><m:c>2</m:c></n:a>",
                r#"{"@b":"1","c":"2"}"#,
            ),
            (
                "<a><b xsi:nil='true'/><c xsi:nil='false'/></a>",
                r#"{"b":null,"c":{"@nil":"false"}}"#,
            ),
            ("<a>&lt;&#233;&#x20AC;&amp;&quot;</a>", r#""<é€&\"""#),
            ("<a b='&lt;\r\n&#10;'/>", "{\"@b\":\"< \\n\"}"),
            ("<a>1<!-- 2 -->3<![CDATA[<4>]]><?five?>6</a>", r#""13<4>6""#),
            ("<a>1\r\n2\r3&#13;</a>", "\"1\\n2\\n3\\r\""),
            (
                "\u{feff}<?xml version='1.0'?><!-- x --><a>1</a>\n<!-- y -->",
                r#""1""#,
            ),
        ] {
            assert_eq!(told(text), tree, "{text}");
        }
    }

    /// Crumbs of which an element may be, and some that are broken.
    fn crumbs() -> impl Strategy<Value = String> {
        let right = [
            "<b/>",
            "<b>x</b>",
            "<c> </c>",
            "<c></c>",
            "<n:c>\n</n:c>",
            "<a b='1'>x</a>",
            "<b c = \"'>\" d='é'/>",
            "<c> <b/> </c>",
            "<b a='1' b='&lt;\t' />",
            "<b n:nil='true'/>",
            "<b x:c='' xmlns:x='y'/>",
            "<c>x<b/> <b/></c>",
            "<!-- x -->",
            "<![CDATA[<]]>",
            "<![CDATA[]]>",
            "&lt;",
            "&#13;",
            "]]>",
            "x",
            "é",
            " ",
            "\n  ",
            "\r\n",
            ">",
            "'",
        ];
        let broken = [
            "<a>",
            "</a>",
            "<n:a>",
            "</n:a>",
            "</a >",
            "<b a='1'b='2'/>",
            "<b a='<'/>",
            "<b\"/>",
            "<b/c>",
            "<!-->",
            "<!-- -- -->",
            "<!-- --->",
            "<![CDATA[",
            "<?x?>",
            "<!DOCTYPE a>",
            "&x;",
            "& ",
            "<",
        ];
        let crumb = prop_oneof![
            20 => prop::sample::select(right.to_vec()),
            1 => prop::sample::select(broken.to_vec()),
        ];
        prop::collection::vec(crumb, 0..7).prop_map(|crumbs| crumbs.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn the_short_way_reads_what_the_events_give_or_nothing(
            before in crumbs(), within in crumbs(), is_alone in prop::bool::weighted(0.9),
        ) {
            let before = if is_alone { String::new() } else { before };
            let text = format!("{before}<a>{within}</a>");
            let lists = ["b".to_owned()];
            if let Some(value) = by_plain_markup(&text, Tree::new(&text, &lists, |text| text)) {
                prop_assert_eq!(Ok(value), by_events(&text, Tree::new(&text, &lists, |text| text)));
            }
        }
    }

    #[test]
    fn a_text_is_borrowed_unless_it_has_a_reference() {
        let value = read("<a><b>plain</b><c>a &amp; b</c></a>", &[]).expect("it is XML");
        assert!(matches!(
            value.get("b"),
            Some(Value::Text(Cow::Borrowed("plain")))
        ));
        assert!(matches!(value.get("c"), Some(Value::Text(Cow::Owned(text))) if text == "a & b"));
    }

    #[test]
    fn a_refusal_says_where_in_which_element_and_what_was_expected() {
        for (text, told_) in [
            ("", "line 1, column 1: expected an element"),
            ("x<a/>", "line 1, column 1: expected an element"),
            (
                "<a/>x",
                "line 1, column 5: expected the end after the root element",
            ),
            (
                "<a/><b/>",
                "line 1, column 5: expected the end after the root element",
            ),
            (
                "<a>\n <b>1</c>\n</a>",
                "line 2, column 6: expected the end tag of this element, in `a/b`",
            ),
            (
                "<a><b>",
                "line 1, column 7: expected the end of this element, in `a/b`",
            ),
            ("<a", "line 1, column 1: expected `>` at the end of the tag"),
            (
                "<a></a></b>",
                "line 1, column 8: an end tag without its start tag",
            ),
            ("<a>\n &nbsp;</a>", "line 2, column 2: this `&` begins no entity"),
            ("<a>&#0;</a>", "line 1, column 4: this `&` begins no entity"),
            ("<a>&#+65;</a>", "line 1, column 4: this `&` begins no entity"),
            ("<a>&#xD800;</a>", "line 1, column 4: this `&` begins no entity"),
            ("<a b='&x;'/>", "line 1, column 1: this `&` begins no entity"),
            ("<a>R & D</a>", "line 1, column 6: expected `&amp;`"),
            (
                "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
                "line 1, column 1: document types are not read",
            ),
            (
                "<a><!DOCTYPE a></a>",
                "line 1, column 4: document types are not read",
            ),
            (
                "<a>é\u{1}</a>",
                "line 1, column 5: a character that XML does not have",
            ),
            (
                "<a>\0</a>",
                "line 1, column 4: a character that XML does not have",
            ),
            (
                "<a>\u{ffff}</a>",
                "line 1, column 4: a character that XML does not have",
            ),
            ("<a b=1/>", "line 1, column 1: expected a value in quotes"),
            ("<a b/>", "line 1, column 1: expected `=`"),
            (
                "<a b='1' b='2'/>",
                "line 1, column 1: two attributes have the same local name",
            ),
            (
                "<a x:b='1' y:b='2'/>",
                "line 1, column 1: two attributes have the same local name",
            ),
            ("<a b='<'/>", "line 1, column 1: `<` in the value"),
            ("<1a/>", "line 1, column 1: expected the name of an element"),
            ("<a <b/>", "line 1, column 1: expected"),
            ("<a><!-- -- --></a>", "`--` within a comment, in `a`"),
            ("<a><!-- </a>", "expected `-->` behind the comment, in `a`"),
            (
                "<a><?xml version='1.0'?></a>",
                "line 1, column 4: a declaration may only stand",
            ),
            (
                "\u{feff}\u{feff}<a/>",
                "line 1, column 1: a second byte order mark",
            ),
        ] {
            assert!(told(text).contains(told_), "{text}: {}", told(text));
        }
    }

    #[test]
    fn levels_and_attributes_are_read_to_their_limit_and_refused_beyond() {
        let nested = |depth: usize| "<a>".repeat(depth) + &"</a>".repeat(depth);
        assert!(read(&nested(MAX_DEPTH), &[]).is_ok());
        assert!(told(&nested(MAX_DEPTH + 1)).contains("nested deeper than 64"));
        assert!(told(&"<a>".repeat(1_000_000)).contains("nested deeper than 64"));
        let with = |count: usize| {
            let attributes = (0..count).map(|n| format!(" a{n}=''"));
            format!("<a{}/>", attributes.collect::<String>())
        };
        assert!(read(&with(MAX_ATTRIBUTES), &[]).is_ok());
        assert!(told(&with(MAX_ATTRIBUTES + 1)).contains("more than 256 attributes"));
    }

    #[test]
    fn equal_names_among_many_different_ones_are_found() {
        let element = |n: usize| format!("<n{n}>{n}</n{n}>");
        let many: String = (0..5_000).chain(0..5_000).map(element).collect();
        let value = read(&format!("<a>{many}</a>"), &[]).map(Value::into_owned);
        let Ok(Value::Object(fields)) = value else {
            panic!("it is an object")
        };
        assert_eq!(fields.len(), 5_000);
        assert!(
            fields
                .iter()
                .all(|(_, value)| matches!(value, Value::List(items) if items.len() == 2))
        );
    }
}
