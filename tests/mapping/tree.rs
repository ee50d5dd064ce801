//! An encoded message as the tree that sinks and people see.

use trunkline::canonical::Tree;

use crate::{encoded, kind};

fn shown(tree: &Tree, bytes: &[u8]) -> String {
    trunkline_formats::json::write(&tree.read(bytes).expect("it is a message"))
}

#[test]
fn every_field_is_there_in_the_order_of_the_schema() {
    // given
    let tree = Tree::new(&kind("trunkline.commerce.v1.OrderLine"));
    // when
    let line = encoded(
        "trunkline.commerce.v1.OrderLine",
        r#"{"sku": "A", "quantity": 2, "unitPrice": {"currencyCode": "EUR", "units": "-1", "nanos": -50000000}}"#,
    );
    // then
    assert_eq!(
        shown(&tree, &line),
        r#"{"line_id":"","sku":"A","name":"","quantity":2,"unit_price":{"currency_code":"EUR","amount":-1.05},"discounts":[],"taxes":[],"total":null,"unit_code":"","product_id":""}"#
    );
}

#[test]
fn values_of_every_kind_have_one_form() {
    let tree = Tree::new(&kind("zoo.v1.Animal"));
    let bytes = encoded(
        "zoo.v1.Animal",
        r#"{"int64": "-9007199254740993", "uint64": "18446744073709551615", "sint32": -3, "fixed32": 4, "sfixed64": "-5",
            "float": 0.1, "double": 2.5, "bool": true, "diet": "DIET_MEAT", "maybe": 0, "packed": [1, -2],
            "counts": {"a": 1}, "pens": {"-7": {"string": "x"}}, "free": false, "born": "2026-01-01T00:00:00.5Z",
            "nap": "1.500s", "diets": ["DIET_LEAVES"], "weights": [0.25]}"#,
    );
    let text = shown(&tree, &bytes);
    for part in [
        r#""int32":0,"int64":-9007199254740993,"#,
        r#""uint64":18446744073709551615,"sint32":-3,"#,
        r#""fixed32":4,"#,
        r#""sfixed64":-5,"float":0.1,"double":2.5,"bool":true,"#,
        r#""diet":"MEAT","maybe":0,"mother":null,"cubs":[],"packed":[1,-2],"#,
        r#""counts":{"a":1},"pens":{"-7":{"int32":0,"#,
        r#""cage":null,"host":null,"free":false,"born":"2026-01-01T00:00:00.500Z","nap":"1.500s","#,
        r#""diets":["LEAVES"],"weights":[0.25],"twin":null}"#,
    ] {
        assert!(text.contains(part), "{part}\nis not in\n{text}");
    }
}

#[test]
fn pieces_merge_the_last_counts_and_depth_is_bounded() {
    // given
    let tree = Tree::new(&kind("zoo.v1.Animal"));
    let mut bytes = encoded(
        "zoo.v1.Animal",
        r#"{"mother": {"int32": 1, "string": "a"}, "cage": "c"}"#,
    );
    bytes.extend(encoded(
        "zoo.v1.Animal",
        r#"{"mother": {"string": "b"}, "free": true, "counts": {"a": 1}}"#,
    ));
    bytes.extend(encoded("zoo.v1.Animal", r#"{"counts": {"a": 2}}"#));
    bytes.extend([0x80, 0x01, 0x63]); // diet (16): 99, which the schema does not know
    // then
    let text = shown(&tree, &bytes);
    assert!(
        text.contains(r#""mother":{"int32":1,"#) && text.contains(r#""string":"b""#),
        "{text}"
    );
    assert!(
        text.contains(r#""cage":null"#) && text.contains(r#""free":true"#),
        "{text}"
    );
    assert!(
        text.contains(r#""diet":99"#) && text.contains(r#""counts":{"a":2}"#),
        "{text}"
    );
    let mut deep = Vec::new();
    for _ in 0..200 {
        let mut outer = Vec::new();
        trunkline::canonical::wire::put_bytes(&mut outer, 18, &deep);
        deep = outer;
    }
    assert!(tree.read(&deep).is_err());
}
