//! Predicates over encoded messages.

use trunkline::mapping::{Input, NoFacts, This};

use crate::{encoded, on, predicate, told};

const ANIMAL: &str = r#"{"int32": -5, "uint32": 7, "sint64": "-3", "double": 2.5, "string": "cat", "diet": "DIET_MEAT",
    "maybe": 0, "mother": {"string": "mother", "cubs": [{"int32": 1}, {"int32": 2}]}, "cubs": [{"int32": 1}, {"int32": 3}],
    "packed": [1, 2, 300], "unpacked": [4, 5], "names": ["a", "b"], "counts": {"x": 1, "y": 2},
    "pens": {"-1": {"string": "pen"}}, "cage": "c", "born": "2026-01-01T00:00:00Z", "nap": "90s",
    "diets": ["DIET_LEAVES", "DIET_MEAT"]}"#;

fn test(text: &str, bytes: &[u8]) -> bool {
    predicate(on("zoo.v1.Animal"), text)
        .unwrap_or_else(|problems| panic!("{text}\n{}", told(&problems)))
        .test(Input::Message(bytes), &[("source", "zoo"), ("key", "k")])
        .unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

#[test]
fn fields_of_every_kind_are_read_from_the_bytes() {
    let animal = encoded("zoo.v1.Animal", ANIMAL);
    for text in [
        "this.int32 == -5 && this.uint32 > 3 && this.sint64 < 0",
        "this.double > 2 && this.double < 2.75",
        "this.string == 'cat' && this.string.startsWith('c')",
        "this.diet == 'MEAT' && this.diet != 'DIET_LEAVES' && this.diet in ['MEAT', 'LEAVES']",
        "'MEAT' == this.diet && 'LEAVES' in this.diets && this.diet == Diet.DIET_MEAT",
        "has(this.maybe) && this.maybe == 0 && !has(this.mother.maybe)",
        "has(this.mother) && !has(this.mother.mother) && this.mother.mother.mother.string == ''",
        "this.mother.cubs.exists(c, c.int32 == 2) && this.cubs.all(c, c.int32 > 0)",
        "this.packed.exists(n, n == 300) && this.packed.size() == 3 && this.packed[1] == 2",
        "this.unpacked == [4, 5] && 5 in this.unpacked && this.packed + this.unpacked == [1, 2, 300, 4, 5]",
        "this.names.join('-') == 'a-b' && this.cubs.filter(c, c.int32 > 1).size() == 1",
        "this.counts['x'] == 1 && this.counts.y == 2 && 'x' in this.counts && !('z' in this.counts)",
        "this.pens[-1].string == 'pen' && this.counts.exists(k, k == 'y') && size(this.counts) == 2",
        "has(this.cage) && !has(this.host) && !has(this.free) && this.?cage.hasValue()",
        "this.born < timestamp('2026-06-01T00:00:00Z') && this.nap == duration('1m30s')",
        "this.born - this.nap < this.born",
        "attributes.source == 'zoo' && has(attributes.key) && !has(attributes.subject) && attributes['source'] == 'zoo'",
        "!has(this.int64) && this.int64 == 0 && !has(this.weights) && has(this.packed) && has(this.counts)",
        "this.cubs.map(c, c.int32).sum() == 4 && this.cubs.exists_one(c, c.int32 == 3)",
        "this.mother == this.mother && this.mother != this.host",
    ] {
        assert!(test(text, &animal), "{text}");
        assert!(!test(&format!("!({text})"), &animal), "not {text}");
    }
}

#[test]
fn an_empty_message_is_all_defaults() {
    for text in [
        "this.int32 == 0 && this.string == '' && !this.bool && this.diet == 'UNSPECIFIED'",
        "this.cubs.size() == 0 && this.cubs.all(c, false) && !this.packed.exists(n, true)",
        "!has(this.mother) && this.mother.string == '' && this.born == timestamp('1970-01-01T00:00:00Z')",
    ] {
        assert!(test(text, &[]), "{text}");
    }
}

#[test]
fn the_wire_is_read_as_protobuf_wants_it() {
    // given: a scalar twice, a submessage in two pieces, a oneof twice, a packed field in pieces and unpacked,
    // an unknown field, a known field with a foreign wire type
    let mut bytes = encoded(
        "zoo.v1.Animal",
        r#"{"int32": 1, "mother": {"int32": 1, "string": "a"}, "cage": "c", "packed": [1]}"#,
    );
    bytes.extend(encoded(
        "zoo.v1.Animal",
        r#"{"int32": 2, "mother": {"string": "b"}, "free": false, "packed": [2, 3]}"#,
    ));
    bytes.extend([0xa0, 0x01, 0x04]); // packed (20), as a single varint
    bytes.extend([0xf8, 0x3f, 0x01]); // field 1023
    bytes.extend([0x0a, 0x01, 0x00]); // int32 (1), as bytes
    // then
    for text in [
        "this.int32 == 2",
        "this.mother.int32 == 1 && this.mother.string == 'b'",
        "!has(this.cage) && this.cage == '' && has(this.free)",
        "this.packed == [1, 2, 3, 4]",
    ] {
        assert!(test(text, &bytes), "{text}");
    }
}

#[test]
fn errors_are_commutative() {
    let record = crate::json(r#"{"a": 1, "list": [1, 2, "x"]}"#);
    let ask = |text: &str| {
        predicate(This::Record, text)
            .expect("the predicate is right")
            .test(Input::Record(&record), &NoFacts)
            .ok()
    };
    assert_eq!(ask("this.b == 1 || this.a == 1"), Some(true));
    assert_eq!(ask("this.a == 1 || this.b == 1"), Some(true));
    assert_eq!(ask("this.b == 1 && this.a == 2"), Some(false));
    assert_eq!(ask("this.b == 1 && this.a == 1"), None);
    assert_eq!(ask("this.list.exists(x, x > 1)"), Some(true));
    assert_eq!(ask("this.list.all(x, x > 5)"), Some(false));
    assert_eq!(ask("this.list.exists(x, x > 5)"), None);
    assert_eq!(ask("this.list"), None);
}
