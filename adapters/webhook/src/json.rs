//! What must be known of a JSON body before a flow reads it: the items of a list, some members of an object.
//!
//! Promises: no tree is built and nothing is copied but what is asked for, so that a body takes no more memory than
//! its bytes however it is made; nesting has no limit. Items and members are the bytes of the body, as they came.

use std::ops::ControlFlow;

use serde::de::IgnoredAny;
use serde_json::Deserializer;

/// An object of which more members are wanted is none that a sender makes; and comparing names takes their square.
const MOST_MEMBERS: usize = 64;

/// The items of a list, at most `most` and one more; `None`: it is no JSON list.
pub(crate) fn items(json: &[u8], most: usize) -> Option<Vec<&[u8]>> {
    let mut items = Vec::new();
    let mut rest = json.trim_ascii().strip_prefix(b"[")?;
    rest = rest.trim_ascii_start();
    if rest == b"]" {
        return Some(items);
    }
    while items.len() <= most {
        let (item, behind) = value(rest)?;
        items.push(item);
        match separator(behind, b']')? {
            ControlFlow::Continue(behind) => rest = behind,
            ControlFlow::Break(()) => return Some(items),
        }
    }
    Some(items)
}

/// The members of an object, in their order, each with its value's bytes, as long as `take` wants them; `None`: it is
/// no JSON object, or a name stands in it twice that is wanted, or more than 64 are.
pub(crate) fn members(json: &[u8], take: impl Fn(&str) -> bool) -> Option<Vec<(String, &[u8])>> {
    let mut members: Vec<(String, &[u8])> = Vec::new();
    let mut rest = json.trim_ascii().strip_prefix(b"{")?.trim_ascii_start();
    if rest == b"}" {
        return Some(members);
    }
    loop {
        let mut name = Deserializer::from_slice(rest).into_iter::<String>();
        let text = name.next()?.ok()?;
        let behind = rest.get(name.byte_offset()..)?.trim_ascii_start();
        let (value, behind) = value(behind.strip_prefix(b":")?)?;
        if take(&text) {
            if members.len() == MOST_MEMBERS || members.iter().any(|(known, _)| *known == text) {
                return None;
            }
            members.push((text, value));
        }
        match separator(behind, b'}')? {
            ControlFlow::Continue(behind) => rest = behind,
            ControlFlow::Break(()) => return Some(members),
        }
    }
}

/// The text of a value that is no list and no object; a number or `true` as it is written.
pub(crate) fn text(json: &[u8]) -> Option<String> {
    match json.first()? {
        b'"' => serde_json::from_slice(json).ok(),
        b'{' | b'[' | b'n' => None,
        _ => String::from_utf8(json.to_vec()).ok(),
    }
}

/// The value at the start of these bytes, and what is behind it.
fn value(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let bytes = bytes.trim_ascii_start();
    let mut deserializer = Deserializer::from_slice(bytes).into_iter::<IgnoredAny>();
    deserializer.next()?.ok()?;
    Some(bytes.split_at(deserializer.byte_offset()))
}

/// Whether more comes, or this is the end of the whole text.
fn separator(bytes: &[u8], end: u8) -> Option<ControlFlow<(), &[u8]>> {
    match bytes.trim_ascii_start().split_first()? {
        (b',', behind) => Some(ControlFlow::Continue(behind.trim_ascii_start())),
        (byte, []) if *byte == end => Some(ControlFlow::Break(())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection, prelude::*};
    use serde_json::Value;

    use super::*;

    fn list(json: &str) -> Option<Vec<String>> {
        let items = items(json.as_bytes(), 100)?;
        Some(
            items
                .iter()
                .map(|item| String::from_utf8_lossy(item).into_owned())
                .collect(),
        )
    }

    #[test]
    fn items_are_the_bytes_of_the_list() {
        let told = list(" [ {\"a\": [1, \"]\"]} ,\n2,-1.5e3 ,\"x,\\\"\", null,[ ] ] ").expect("a list");
        assert_eq!(
            told,
            ["{\"a\": [1, \"]\"]}", "2", "-1.5e3", "\"x,\\\"\"", "null", "[ ]"]
        );
        assert_eq!(list("[]"), Some(Vec::new()));
        assert_eq!(list("[ ]"), Some(Vec::new()));
        for wrong in [
            "", "{}", "[", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1]]", "[1] x", "[{]", "[tru]",
        ] {
            assert_eq!(list(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn no_more_items_are_looked_for_than_are_taken() {
        let many = format!("[{}0]", "0,".repeat(1_000_000));
        assert_eq!(items(many.as_bytes(), 10).expect("a list so far").len(), 11);
    }

    #[test]
    fn wanted_members_are_found_whatever_lies_between() {
        // given: nested deeper than a stack would bear
        let deep = format!(
            "{{\"deep\":{}{},\"id\":\"evt_1\"}}",
            "[".repeat(200_000),
            "]".repeat(200_000)
        );
        // then
        let told = members(deep.as_bytes(), |name| name == "id").expect("an object");
        assert_eq!(told, [("id".to_owned(), &b"\"evt_1\""[..])]);
        let told = members(br#"{ "\u0069d" : 17 , "b":{"id":1}}"#, |name| name == "id").expect("an object");
        assert_eq!(told, [("id".to_owned(), &b"17"[..])]);
        for wrong in [
            "",
            "[]",
            "{",
            "{\"id\"}",
            "{\"id\":}",
            "{\"id\":1,}",
            "{id:1}",
            "{\"id\":1}x",
            "{\"id\":1,\"id\":2}",
            "{\"id\":1 \"x\":2}",
        ] {
            assert_eq!(members(wrong.as_bytes(), |name| name == "id"), None, "{wrong}");
        }
    }

    #[test]
    fn only_single_values_are_texts() {
        assert_eq!(text(br#""a\u00e9""#).as_deref(), Some("aé"));
        assert_eq!(
            text(b"12345678901234567890.10").as_deref(),
            Some("12345678901234567890.10")
        );
        assert_eq!(text(b"true").as_deref(), Some("true"));
        for none in [&b"null"[..], b"{}", b"[]", b"", b"\"\xff\""] {
            assert_eq!(text(none), None);
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<i32>().prop_map(|number| Value::from(f64::from(number) / 4.0)),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                collection::btree_map(".{0,4}", inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Another reader of JSON finds the same.
        #[test]
        fn items_and_members_are_those_that_another_reader_finds(json in any_json(), pretty: bool) {
            let written = if pretty { serde_json::to_vec_pretty(&json) } else { serde_json::to_vec(&json) };
            let written = written.expect("it is JSON");
            let read = |json: &[u8]| serde_json::from_slice::<Value>(json).expect("a part of it is JSON too");
            let found = items(&written, 100).map(|items| items.into_iter().map(read).collect::<Vec<_>>());
            prop_assert_eq!(found.as_ref(), json.as_array());
            let found = members(&written, |_| true);
            let found = found.map(|members| members.into_iter().map(|(name, value)| (name, read(value))).collect());
            prop_assert_eq!(found.as_ref(), json.as_object());
        }

        /// Whatever comes is read or is not, and what is read is no less than JSON.
        #[test]
        fn no_bytes_whatever_are_taken_for_what_they_are_not(
            json in any_json(),
            cuts in collection::vec((any::<usize>(), prop_oneof![any::<u8>(), Just(b','), Just(b'"'), Just(b']')]), 0..4),
        ) {
            let mut bytes = serde_json::to_vec(&json).expect("it is JSON");
            for (at, byte) in cuts {
                let at = at % bytes.len();
                bytes[at] = byte;
            }
            let is_json = serde_json::from_slice::<IgnoredAny>(&bytes).is_ok();
            let is_list = items(&bytes, 100).is_some();
            let is_object = members(&bytes, |_| false).is_some();
            let is_one = matches!(bytes.trim_ascii().first(), Some(b'[' | b'{'));
            prop_assert!(is_json || !(is_list || is_object));
            // Texts that are passed over are not looked at, names are.
            if is_json && std::str::from_utf8(&bytes).is_ok() {
                prop_assert_eq!(is_list || is_object, is_one);
            }
        }
    }
}
