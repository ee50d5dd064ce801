//! The JSON reader against serde_json: both read the same texts to the same values, and refuse the same texts.

use std::borrow::Cow;

use proptest::prelude::*;
use trunkline_formats::{
    json::{read, write},
    lines::{self, Lines},
};
use trunkline_sdk::Value;

const BOM: &[u8] = "\u{feff}".as_bytes();

/// The value as serde_json would have it; `None` where a name stands twice or a number fits no f64.
fn as_serde(value: &Value<'_>) -> Option<serde_json::Value> {
    Some(match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Number(text) => serde_json::from_str(text).ok()?,
        Value::Text(text) => text.as_ref().into(),
        Value::Bytes(_) => return None,
        Value::List(items) => items.iter().map(as_serde).collect::<Option<Vec<_>>>()?.into(),
        Value::Object(fields) => serde_json::Value::Object(
            fields
                .iter()
                .map(|(name, value)| Some((name.to_string(), as_serde(value)?)))
                .collect::<Option<_>>()?,
        ),
    })
}

/// Both readers must agree, but for what is ours by intent: names that stand twice, numbers that fit no
/// f64, a byte order mark, and the last level of nesting.
fn agrees_with_serde_json(text: &[u8]) -> Result<(), TestCaseError> {
    match (read(text), serde_json::from_slice::<serde_json::Value>(text)) {
        (Ok(ours), Ok(theirs)) => prop_assert_eq!(as_serde(&ours), Some(theirs)),
        (Err(_), Err(_)) => {}
        (Err(ours), Ok(_)) => prop_assert!(ours.what.contains("twice"), "{}", ours),
        (Ok(ours), Err(theirs)) => prop_assert!(
            theirs.to_string().contains("out of range") && as_serde(&ours).is_none() || text.starts_with(BOM),
            "{}",
            theirs
        ),
    }
    Ok(())
}

fn trees() -> impl Strategy<Value = Value<'static>> {
    let text = prop_oneof![any::<String>(), "[ -~]{0,20}", "[\\x00-\\x40\"\\\\é€😀]{0,12}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        "-?(0|[1-9][0-9]{0,25})([.][0-9]{1,9})?([eE][+-]?[0-9]{1,2})?"
            .prop_map(|digits| Value::Number(Cow::Owned(digits))),
        text.clone().prop_map(|text| Value::Text(Cow::Owned(text))),
    ];
    leaf.prop_recursive(6, 64, 24, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..24).prop_map(Value::List),
            prop::collection::btree_map(text.clone(), inner, 0..24).prop_map(|fields| {
                Value::Object(
                    fields
                        .into_iter()
                        .map(|(name, value)| (Cow::Owned(name), value))
                        .collect(),
                )
            }),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_by_both(value in trees()) {
        let text = write(&value);
        prop_assert_eq!(read(text.as_bytes()), Ok(value));
        agrees_with_serde_json(text.as_bytes())?;
    }

    #[test]
    fn lines_are_read_back_as_they_were_written(values in prop::collection::vec(trees(), 0..6)) {
        let text: String = values.iter().map(lines::write).collect();
        let mut lines = Lines::new(text.as_bytes(), 1 << 20);
        let lines = std::iter::from_fn(|| lines.read().expect("memory")).map(|line| line.content.expect("it fits"));
        for (line, value) in lines.collect::<Vec<_>>().iter().zip(&values) {
            let again = read(line);
            prop_assert_eq!(again.as_ref(), Ok(value));
        }
        prop_assert_eq!(text.lines().count(), values.len());
    }

    #[test]
    fn damaged_texts_are_read_or_refused_alike(
        value in trees(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>(),
    ) {
        let mut text = write(&value).into_bytes();
        let at = at.index(text.len());
        if cut { text.truncate(at) } else { text[at] = byte }
        agrees_with_serde_json(&text)?;
    }

    #[test]
    fn crumbs_of_json_are_read_or_refused_alike(
        crumbs in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "[", "]", ":", ",", "\"", "\"a\"", "\"b\":", "\\", "\\u", "\\ud83d", "\\ude00", "\\n", "0", "1", "-",
            ".", "e", "E", "+", "true", "false", "null", "nul", " ", "\n", "\t", "\u{b}", "\u{0}", "é", "\u{feff}",
        ]), 0..12),
    ) {
        agrees_with_serde_json(crumbs.concat().as_bytes())?;
    }

    #[test]
    fn any_bytes_are_read_or_refused_alike(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        agrees_with_serde_json(&bytes)?;
    }
}
