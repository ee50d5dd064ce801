//! What the quick look decides by itself.

use super::{compile, encode, nanos, now};
use crate::canonical::rules::quick::Glance;

/// Whether the quick look passes these messages.
fn passes(lines: &str, json: &str) -> bool {
    let (pool, rules) = compile(lines).unwrap_or_else(|wrong| panic!("{wrong:?}\n{lines}"));
    let rules = rules.unwrap_or_else(|| panic!("there are no rules in {lines}"));
    let glance = Glance {
        messages: &rules.messages,
        now: nanos(now()),
    };
    glance.obeys(0, &encode(&pool, json))
}

#[test]
fn messages_of_the_common_sort_need_no_walk() {
    for (lines, json) in [
        (
            "string v = 1 [(buf.validate.field).string.max_len = 2];",
            "{\"v\": \"éé\"}",
        ),
        ("string v = 1 [(buf.validate.field).string.max_len = 2];", "{}"),
        (
            "string v = 1 [(buf.validate.field).string.pattern = \"^[A-Z]{2}$\"];",
            "{\"v\": \"DK\"}",
        ),
        ("uint32 v = 1 [(buf.validate.field).uint32.gt = 0];", "{\"v\": 1}"),
        (
            "optional uint32 v = 1 [(buf.validate.field).uint32.gt = 0];",
            "{}",
        ),
        (
            "double v = 1 [(buf.validate.field).double.gte = 0];",
            "{\"v\": 0.5}",
        ),
        (
            "E v = 1 [(buf.validate.field).required = true];",
            "{\"v\": \"E_ONE\"}",
        ),
        (
            "Inner v = 1 [(buf.validate.field).required = true];",
            "{\"v\": {\"a\": \"ab\", \"deeper\": {\"a\": \"ab\"}}}",
        ),
        (
            "repeated Inner v = 1 [(buf.validate.field).repeated.max_items = 2];",
            "{\"v\": [{\"a\": \"ab\"}, {\"a\": \"ab\"}]}",
        ),
        (
            "repeated fixed32 v = 1 [(buf.validate.field).repeated.min_items = 2];",
            "{\"v\": [1, 2]}",
        ),
        (
            "repeated int64 v = 1 [(buf.validate.field).repeated.items.int64.lt = 3];",
            "{\"v\": [1, -2]}",
        ),
        (
            "google.protobuf.Timestamp v = 1 [(buf.validate.field).timestamp.lt_now = true];",
            "{\"v\": \"2020-01-01T00:00:00Z\"}",
        ),
        (
            "oneof o { option (buf.validate.oneof).required = true; string v = 1; string w = 2; }",
            "{\"w\": \"\"}",
        ),
        (
            "option (buf.validate.message).oneof = {fields: [\"v\", \"w\"]}; string v = 1; string w = 2;",
            "{\"w\": \"a\"}",
        ),
    ] {
        assert!(passes(lines, json), "{lines} {json}");
    }
}

#[test]
fn what_may_be_wrong_is_left_to_the_walk() {
    for (lines, json) in [
        (
            "string v = 1 [(buf.validate.field).string.max_len = 2];",
            "{\"v\": \"ééé\"}",
        ),
        ("string v = 1 [(buf.validate.field).required = true];", "{}"),
        (
            "repeated Inner v = 1 [(buf.validate.field).repeated.max_items = 1];",
            "{\"v\": [{\"a\": \"ab\"}, {\"a\": \"ab\"}]}",
        ),
        (
            "repeated fixed32 v = 1 [(buf.validate.field).repeated.min_items = 2];",
            "{\"v\": [1]}",
        ),
        (
            "repeated int64 v = 1 [(buf.validate.field).repeated.unique = true];",
            "{\"v\": [1, 2]}",
        ),
        (
            "map<string, string> v = 1 [(buf.validate.field).map.min_pairs = 1];",
            "{\"v\": {\"a\": \"b\"}}",
        ),
        (
            "oneof o { option (buf.validate.oneof).required = true; string v = 1; string w = 2; }",
            "{}",
        ),
    ] {
        assert!(!passes(lines, json), "{lines} {json}");
    }
}
