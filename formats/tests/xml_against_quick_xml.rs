//! The XML reader and writer against quick-xml's events, and against themselves.

use std::{
    borrow::Cow,
    io::{BufReader, Cursor},
};

use proptest::prelude::*;
use quick_xml::{Reader, events::Event};
use trunkline_formats::{
    Encoding, Framed, json,
    xml::{Path, Records, Writer, read},
};
use trunkline_sdk::Value;

fn texts() -> impl Strategy<Value = String> + Clone {
    prop_oneof!["[a-z]{1,8}", "[ -~]{0,20}", "[\\t\\n\\r<>&\"'é€😀\\]]{0,12}"]
}

/// Trees as XML has them: attributes, then elements, then text that is not only layout.
fn trees() -> impl Strategy<Value = Value<'static>> {
    let text = texts().prop_map(|text| Value::Text(Cow::Owned(text)));
    let leaf = prop_oneof![3 => text.clone(), 1 => Just(Value::Null)];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        let attributes = prop::collection::btree_map("@[a-c]", text.clone(), 0..3);
        let several = prop_oneof![
            3 => inner.clone(),
            1 => prop::collection::vec(inner, 2..4).prop_map(Value::List),
        ];
        let elements = prop::collection::btree_map("[a-fé][a-z0-9.-]{0,3}", several, 0..6);
        (attributes, elements, prop::option::of("[!-~]{1,9}")).prop_map(|(attributes, elements, text)| {
            let fields = attributes.into_iter().chain(elements);
            let fields = fields.chain(text.map(|text| ("#text".to_owned(), Value::Text(Cow::Owned(text)))));
            let fields: Vec<_> = fields.map(|(name, value)| (Cow::Owned(name), value)).collect();
            match fields.as_slice() {
                [] => Value::Text("".into()),
                [(name, Value::Text(text))] if name == "#text" => Value::Text(text.clone()),
                _ => Value::Object(fields),
            }
        })
    })
}

/// All text of an element, and how many elements it has, by quick-xml's events alone.
fn by_quick_xml(text: &str) -> Option<(String, usize)> {
    let (mut all, mut elements) = (String::new(), 0);
    let mut reader = Reader::from_str(text);
    loop {
        match reader.read_event().ok()? {
            Event::Text(piece) => all.push_str(&piece.xml10_content()),
            Event::CData(piece) => all.push_str(&piece.xml10_content()),
            Event::GeneralRef(name) => match name.resolve_char_ref().ok()? {
                Some(character) => all.push(character),
                None => all.push_str(quick_xml::escape::resolve_predefined_entity(&name)?),
            },
            Event::Start(_) | Event::Empty(_) => elements += 1,
            Event::Eof => return Some((all, elements)),
            _ => {}
        }
    }
}

fn text_and_elements(value: &Value<'_>, all: &mut Vec<String>) -> usize {
    match value {
        Value::Text(text) => all.push(text.to_string()),
        Value::Object(fields) => {
            let elements = fields.iter().filter(|(name, _)| !name.starts_with('@'));
            return 1 + elements
                .map(|(name, value)| match value {
                    Value::Text(text) if name == "#text" => {
                        all.push(text.to_string());
                        0
                    }
                    _ => text_and_elements(value, all),
                })
                .sum::<usize>();
        }
        Value::List(items) => return items.iter().map(|item| text_and_elements(item, all)).sum(),
        _ => {}
    }
    1
}

fn sorted(mut characters: Vec<char>) -> Vec<char> {
    characters.sort_unstable();
    characters
}

fn read_all(text: &[u8], path: &Path, limit: usize) -> Vec<Framed<Value<'static>>> {
    let input = BufReader::with_capacity(3, text);
    let mut records = Records::new(input, Encoding::Utf8, path.clone(), Vec::new(), limit);
    std::iter::from_fn(|| records.read().expect("bytes in memory can be read")).collect()
}

proptest! {
    /// What is written is read back, alone and in a document, and so does quick-xml see it.
    #[test]
    fn what_is_written_is_read_back(values in prop::collection::vec(trees(), 0..4)) {
        let path = Path::parse("all/each").expect("a right path");
        let writer = Writer::new(path.clone());
        let mut document = writer.head();
        for value in &values {
            let element = writer.record(value).expect("it can be written");
            let again = read(&element, &[]);
            prop_assert_eq!(again.as_ref(), Ok(value), "{}", element);
            let (text, elements) = by_quick_xml(element.trim_end()).expect("quick-xml reads it");
            let mut ours = Vec::new();
            prop_assert_eq!(text_and_elements(value, &mut ours), elements);
            prop_assert_eq!(sorted(ours.concat().chars().collect()), sorted(text.chars().collect()));
            document.push_str(&element);
        }
        document.push_str(&writer.tail());
        let framed = read_all(document.as_bytes(), &path, 1 << 20);
        let again: Vec<_> = framed.into_iter().map(|each| each.content.expect("it was written")).collect();
        prop_assert_eq!(again, values);
    }

    /// What quick-xml refuses we refuse too; where we read, the number of elements is the same.
    #[test]
    fn damaged_elements_are_refused_where_quick_xml_refuses_them(
        value in trees(), at in any::<prop::sample::Index>(), byte in 0_u8..0x7F, cut in any::<bool>(),
    ) {
        let writer = Writer::new(Path::parse("each").expect("a right path"));
        let mut text = writer.record(&value).expect("it can be written").into_bytes();
        let at = at.index(text.len());
        if cut { text.truncate(at) } else { text[at] = byte }
        if let Ok(text) = std::str::from_utf8(&text)
            && let Ok(value) = read(text, &[])
        {
            let theirs = by_quick_xml(text);
            prop_assert!(theirs.is_some(), "{}", text);
            prop_assert_eq!(theirs.map(|(_, elements)| elements), Some(text_and_elements(&value, &mut Vec::new())));
        }
    }

    #[test]
    fn reading_resumes_at_any_record(
        crumbs in prop::collection::vec(prop::sample::select(vec![
            "<o>", "</o>", "<o/>", "<b>", "</b>", "x", "\n", "<!-- <o> -->", "<o a='1'>2</o>\n", "<![CDATA[>]]>", "<", "&lt;",
            "</os>", "'", "é",
        ]), 0..16),
        limit in 4_usize..40,
    ) {
        let text = format!("<os>{}</os>", crumbs.concat());
        let path = Path::parse("os/o").expect("a right path");
        let all = read_all(text.as_bytes(), &path, limit);
        for (index, record) in all.iter().enumerate() {
            let input = Cursor::new(text.as_bytes());
            let mut records = Records::new(input, Encoding::Utf8, path.clone(), Vec::new(), limit);
            records.resume_at(record.next).expect("it is within the bytes");
            let rest: Vec<_> = std::iter::from_fn(|| records.read().expect("memory")).collect();
            prop_assert_eq!(&rest[..], &all[index + 1..]);
        }
    }
}

#[test]
fn what_xml_cannot_say_is_a_fault_that_names_the_field() {
    let writer = Writer::new(Path::parse("os/o").expect("a right path"));
    for (tree, told) in [
        (r#"{"a b":1}"#, "`a b` is not the name of an element or attribute"),
        (r#"{"n:a":1}"#, "`n:a` is not the name of an element or attribute"),
        (r#"{"@xmlns":"x"}"#, "`@xmlns` would be read as a namespace"),
        (
            r#"{"a":[1,[2]]}"#,
            "`a[1]` is a list in a list, which XML has not",
        ),
        (
            r#"{"a":{"b":[{"@c":{}}]}}"#,
            "`a.b[0].@c` is an object, but must be a text here",
        ),
        (
            "{\"a\":\"\\u0000\"}",
            "`a` has a character that XML does not have",
        ),
        ("[1]", "the record is a list, but must be a text here"),
    ] {
        let value = json::read(tree.as_bytes()).expect("it is JSON");
        let error = writer.record(&value).expect_err("XML cannot say it");
        assert_eq!(error.to_string(), told, "{tree}");
    }
    let deep = format!("{}1{}", "{\"a\":".repeat(64), "}".repeat(64));
    let value = json::read(deep.as_bytes()).expect("it is JSON");
    let error = writer.record(&value).expect_err("it is too deep");
    assert!(error.what.contains("nested deeper than 64"), "{error}");
}
