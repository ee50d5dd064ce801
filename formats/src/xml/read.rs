//! The reader: one element to a tree that borrows from its text.

use std::borrow::Cow;

use quick_xml::{
    Error, Reader,
    errors::{IllFormedError, SyntaxError},
    events::Event,
};
use trunkline_sdk::Value;

use super::{
    name::not_a_character,
    plain::plain,
    tree::{Hold, NO_DOCTYPE, NO_ENTITY, Tree, referenced, said_of},
};
use crate::Malformed;

/// Reads the one element in this text, with or without what may stand around it: a declaration, comments. The name
/// of the element itself is not part of the tree. Elements of the names in `lists` are lists even when single.
pub fn read<'a>(text: &'a str, lists: &[String]) -> Result<Value<'a>, Malformed> {
    read_as(text, lists, |text| text)
}

/// The same, owning all it holds.
pub(super) fn read_owned(text: &str, lists: &[String]) -> Result<Value<'static>, Malformed> {
    read_as(text, lists, |text| Cow::Owned(text.into_owned()))
}

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

fn place(position: u64) -> usize {
    usize::try_from(position).expect("it is within a text in memory")
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        json,
        xml::{MAX_ATTRIBUTES, MAX_DEPTH},
    };

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
