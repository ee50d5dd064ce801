//! What mappings make of records and messages.

use prost_reflect::DynamicMessage;
use trunkline::mapping::{Input, Mapping, NoFacts, Source, Split, This, Translated};
use trunkline_sdk::Remedy;

use crate::{TABLES, encoded, environment, json, kind, mapping, message, on, run, told};

const ORDER: &str = r#"
// The order of a web shop.
Order{
  order_id:  string(this.id),
  placed_at: timestamp(this.created_at),
  status:    lookup("order-status", this.financial_status),
  buyer:     Customer{ customer_id: "c" + string(this.customer.id), ?email: this.customer.?email },
  lines:     this.line_items.map(line, OrderLine{
               sku: line.sku,
               quantity: uint(line.quantity),
               unit_price: money(line.price, this.currency) }),
  total:     money(this.total_price, this.currency),
  note:      this.?note.orValue(""),
}"#;

const RECORD: &str = r#"{
  "id": 12345678901234567890, "created_at": "2026-03-01T12:30:00+01:00", "financial_status": "paid",
  "customer": {"id": 7, "email": null}, "currency": "EUR", "total_price": "10.10", "tags": ["a", "b"],
  "line_items": [{"sku": "A", "quantity": 2, "price": "1.05"}, {"sku": "B", "quantity": 1, "price": 8.00}]
}"#;

#[test]
fn a_record_becomes_a_canonical_message() {
    // given
    let mapping = mapping(This::Record, ORDER).unwrap_or_else(|problems| panic!("{}", told(&problems)));
    // when
    let order = message(&mapping, RECORD);
    // then
    let text = serde_json::to_value(&order).expect("a message has a JSON form");
    assert_eq!(
        text,
        serde_json::json!({
            "orderId": "12345678901234567890", "placedAt": "2026-03-01T11:30:00Z", "status": "ORDER_STATUS_PAID",
            "buyer": {"customerId": "c7"},
            "lines": [
                {"sku": "A", "quantity": 2, "unitPrice": {"currencyCode": "EUR", "units": "1", "nanos": 50_000_000}},
                {"sku": "B", "quantity": 1, "unitPrice": {"currencyCode": "EUR", "units": "8"}}
            ],
            "total": {"currencyCode": "EUR", "units": "10", "nanos": 100_000_000}
        })
    );
}

#[test]
fn every_field_that_fails_is_told_with_path_and_place_and_without_its_value() {
    // given
    let mapping = mapping(This::Record, ORDER).expect("the mapping is right");
    // when
    let fault = run(
        &mapping,
        r#"{"id": 1, "created_at": "yesterday", "financial_status": "secret", "customer": {"id": 7},
            "currency": "EUR", "total_price": "12,400.50",
            "line_items": [{"sku": 5, "quantity": 2, "price": "1"}, {"quantity": -2, "price": 8e-20}]}"#,
    )
    .expect_err("much is wrong with this record");
    // then
    assert_eq!(fault.remedy, Remedy::DeadLetter);
    for told in [
        "placed_at: a text of 9 characters is no time of RFC 3339 with its offset (order.cel:5:14)",
        "status: the lookup table has no entry for a text of 6 characters (order.cel:6:14)",
        "lines[0].sku: a whole number of 1 digits does not fit string (order.cel:9:21)",
        "lines[1].sku: the record has no `line.sku` (order.cel:9:21)",
        "lines[1].quantity: a negative number does not fit uint (order.cel:10:26)",
        "lines[1].unit_price: a number with a fraction or exponent is no decimal amount",
        "total: a text of 9 characters is no decimal amount with at most 9 decimals",
    ] {
        assert!(fault.what.contains(told), "{told}\nis not in\n{}", fault.what);
    }
    for value in ["yesterday", "secret", "12,400", "8e-20"] {
        assert!(!fault.to_string().contains(value), "{fault}");
    }
}

#[test]
fn a_required_field_that_turns_out_empty_is_a_fault() {
    // given
    let mapping = mapping(
        This::Record,
        "OrderLine{ sku: string(this.sku), quantity: this.n, unit_price: money(1, \"EUR\") }",
    )
    .expect("the mapping is right");
    // when
    let fault = run(&mapping, r#"{"sku": "", "n": 0}"#).expect_err("both are empty");
    // then
    assert!(fault.what.contains("sku: the field is required"), "{fault}");
    assert!(fault.what.contains("quantity: the field is required"), "{fault}");
}

#[test]
fn every_kind_of_field_is_written_as_other_encoders_write_it() {
    // given
    let mapping = mapping(
        This::Record,
        r#"Animal{
            int32: this.n, int64: this.n, uint32: 7u, uint64: this.big, sint32: -3, sint64: this.n, fixed32: 1,
            fixed64: this.big, sfixed32: -1, sfixed64: this.n, float: 1.5, double: this.d, bool: this.yes,
            string: this.text, bytes: bytes(this.text), diet: "MEAT", maybe: 0,
            mother: Animal{ string: "mother" }, cubs: [Animal{}, Animal{ int32: 1 }],
            packed: [1, this.n, 300], unpacked: this.list.map(x, int(x)), names: ["a", this.text],
            counts: {"a": 1, "b": 2}, pens: {1: Animal{ bool: true }}, cage: "", born: timestamp("2026-01-01T00:00:00.25Z"),
            nap: duration("90m"), diets: ["LEAVES", "DIET_MEAT"], weights: [0.5], twin: Animal.Twin{ name: "t" },
        }"#,
    )
    .unwrap_or_else(|problems| panic!("{}", told(&problems)));
    // when
    let Translated::Message(bytes) = run(
        &mapping,
        r#"{"n": -5, "big": 18446744073709551615, "d": 2.25, "yes": true, "text": "é", "list": [1, "2"]}"#,
    )
    .expect("the record can be mapped") else {
        panic!("the mapping gives a message");
    };
    // then
    let other = encoded(
        "zoo.v1.Animal",
        r#"{"int32": -5, "int64": "-5", "uint32": 7, "uint64": "18446744073709551615", "sint32": -3, "sint64": "-5",
            "fixed32": 1, "fixed64": "18446744073709551615", "sfixed32": -1, "sfixed64": "-5", "float": 1.5,
            "double": 2.25, "bool": true, "string": "é", "bytes": "w6k=", "diet": "DIET_MEAT", "maybe": 0,
            "mother": {"string": "mother"}, "cubs": [{}, {"int32": 1}], "packed": [1, -5, 300], "unpacked": [1, 2],
            "names": ["a", "é"], "counts": {"a": 1, "b": 2}, "pens": {"1": {"bool": true}}, "cage": "",
            "born": "2026-01-01T00:00:00.250Z", "nap": "5400s", "diets": ["DIET_LEAVES", "DIET_MEAT"],
            "weights": [0.5], "twin": {"name": "t"}}"#,
    );
    let decode = |bytes: &[u8]| {
        prost_reflect::DynamicMessage::decode(kind("zoo.v1.Animal"), bytes).expect("both are messages")
    };
    assert_eq!(decode(&bytes), decode(&other));
    assert_eq!(
        bytes.len(),
        other.len(),
        "nothing is written that others leave out"
    );
}

#[test]
fn a_message_becomes_a_native_record() {
    // given
    let mapping = Mapping::compile(
        &Source::file("erp.cel", r#"{
            "sku": this.string, "kind": this.diet, "since": this.born, "cubs": this.cubs.map(c, {"n": c.int64}),
            "whole": this.mother, ?"home": this.?cage, "subject": attributes.subject, "left": this.?maybe.orValue(3)
        }"#),
        &environment(on("zoo.v1.Animal")),
        None,
    )
    .unwrap_or_else(|problems| panic!("{}", told(&problems)));
    // when
    let animal = encoded(
        "zoo.v1.Animal",
        r#"{"string": "s", "diet": "DIET_LEAVES", "born": "2026-01-01T00:00:00Z", "cubs": [{"int64": "9007199254740993"}],
            "mother": {"bool": true}}"#,
    );
    let Translated::Record(record) = mapping
        .run(Input::Message(&animal), &[("subject", "orders/create")])
        .expect("the message can be mapped")
    else {
        panic!("the mapping gives a record");
    };
    // then
    let text = trunkline_formats::json::write(&record);
    assert!(
        text.starts_with(
            r#"{"sku":"s","kind":"LEAVES","since":"2026-01-01T00:00:00Z","cubs":[{"n":9007199254740993}],"whole":{"int32":0"#
        ),
        "{text}"
    );
    assert!(text.ends_with(r#""subject":"orders/create","left":3}"#), "{text}");
}

#[test]
fn wrappers_json_and_any_are_written_from_values_and_read_as_values() {
    // given
    let text = "Passport{
        marks: [1u, 300u], shifts: [-1, 2], age: int(this.age), ?nick: this.?nick, chipped: false,
        extra: {'a': [1, true, null], 'b': this.nested}, note: this.nested, badge: zoo.v1.Twin{ name: 'x' },
    }";
    let into = mapping(This::Record, text).unwrap_or_else(|problems| panic!("{}", told(&problems)));
    // when
    let record = json(r#"{"age": 7, "nested": {"c": [{"d": 1.5}]}}"#);
    let Ok(Translated::Message(bytes)) = into.run(Input::Record(&record), &NoFacts) else {
        panic!("the record can be mapped");
    };
    // then another implementation reads what was meant
    let expected = encoded(
        "zoo.v1.Passport",
        r#"{"marks": [1, 300], "shifts": ["-1", "2"], "age": 7, "chipped": false, "note": {"c": [{"d": 1.5}]},
            "extra": {"a": [1, true, null], "b": {"c": [{"d": 1.5}]}},
            "badge": {"@type": "type.googleapis.com/zoo.v1.Twin", "name": "x"}}"#,
    );
    let decoded = |bytes: &[u8]| DynamicMessage::decode(kind("zoo.v1.Passport"), bytes).expect("it is one");
    assert_eq!(decoded(&bytes), decoded(&expected));
    // and so does the language, the other way
    let back = "{
        'age': this.age + 1, 'nick': this.nick == null, 'set': has(this.nick), 'chipped': this.chipped,
        'd': this.extra.b.c[0].d, 'note': this.note, 'badge': this.badge.name, 'mark': this.marks[1],
        'shifts': this.shifts, 'kind': type(this.badge) == zoo.v1.Twin,
    }";
    let back = mapping(on("zoo.v1.Passport"), back).unwrap_or_else(|problems| panic!("{}", told(&problems)));
    let Ok(Translated::Record(made)) = back.run(Input::Message(&bytes), &NoFacts) else {
        panic!("the message can be mapped");
    };
    assert_eq!(
        trunkline_formats::json::write(&made),
        r#"{"age":8,"nick":true,"set":false,"chipped":false,"d":1.5,"note":{"c":[{"d":1.5}]},"badge":"x","mark":300,"shifts":[-1,2],"kind":true}"#
    );
    // and whoever is shown the message
    let tree = trunkline::canonical::Tree::new(&kind("zoo.v1.Passport"));
    assert_eq!(
        trunkline_formats::json::write(&tree.read(&bytes).expect("it is a message")),
        r#"{"marks":[1,300],"shifts":[-1,2],"age":7,"nick":null,"extra":{"a":[1,true,null],"b":{"c":[{"d":1.5}]}},"note":{"c":[{"d":1.5}]},"badge":{"type_url":"type.googleapis.com/zoo.v1.Twin","value":"CgF4"},"chipped":false}"#
    );
}

#[test]
fn a_split_gives_a_message_for_each_item_or_names_the_part_that_fails() {
    // given
    let environment = environment(This::Record);
    let split = |emit: &str| {
        Split::compile(
            &Source::file("flow.yaml", "this.lines"),
            "line",
            &Source::file("flow.yaml", emit),
            &environment,
            Some(&kind("zoo.v1.Animal")),
        )
    };
    let right = split("Animal{ string: line.sku, uint32: uint(line.n), int64: size(this.lines) }")
        .expect("it is right");
    // when
    let record = json(r#"{"lines": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}]}"#);
    let parts = right
        .run(Input::Record(&record), &NoFacts)
        .expect("both can be made");
    // then
    assert_eq!(
        parts[1],
        encoded("zoo.v1.Animal", r#"{"string": "b", "uint32": 2, "int64": "2"}"#)
    );
    let record = json(r#"{"lines": [{"sku": "a", "n": 1}, {"sku": "b", "n": -2}]}"#);
    let fault = right
        .run(Input::Record(&record), &NoFacts)
        .expect_err("one cannot");
    assert!(
        fault
            .what
            .starts_with("[1].uint32: a negative number does not fit uint"),
        "{fault}"
    );
    let problems = split("Animal{ string: lin.sku, uint: 1 }").expect_err("two things are wrong");
    assert_eq!(problems.len(), 2, "{}", told(&problems));
    assert!(TABLES.names().count() > 0);
}

/// One field's value as the other implementation shows it.
fn shown(expression: &str, record: &str) -> String {
    let text = format!("Animal{{ string: {expression} }}");
    let mapping = mapping(This::Record, &text).unwrap_or_else(|problems| panic!("{}", told(&problems)));
    let animal = message(&mapping, record);
    let value = animal.get_field_by_name("string").expect("the field exists");
    value.as_str().expect("it is a text").to_owned()
}

#[test]
fn functions_do_what_their_docs_say() {
    let record = r#"{"s": "Ærlig Talt", "n": 10.10, "list": [3, 1, 2], "t": "2026-03-01T12:30:00+01:00", "o": {"a": 1}}"#;
    for (expression, result) in [
        ("this.s.lowerAscii()", "Ærlig talt"),
        ("this.s.substring(1, 3)", "rl"),
        ("this.s.charAt(0) + string(this.s.indexOf('T'))", "Æ6"),
        ("this.s.replace('Talt', '').trim()", "Ærlig"),
        ("this.s.split(' ').map(x, string(x.size())).join('+')", "5+4"),
        ("string(this.n)", "10.10"),
        ("string(int(this.n))", "10"),
        ("string(double(this.n) * 2.0)", "20.2"),
        ("string(this.list.sum())", "6"),
        ("this.list.sortBy(x, x).map(x, string(x)).join()", "123"),
        ("this.list.filter(x, x > 1).map(x, string(x)).join(',')", "3,2"),
        ("this.list.reverse().map(x, string(x)).join()", "213"),
        ("string(timestamp(this.t))", "2026-03-01T11:30:00Z"),
        (
            "string(timestamp(this.t) + duration('36h'))",
            "2026-03-02T23:30:00Z",
        ),
        (
            "string(timestamp(this.t).getFullYear()) + string(timestamp(this.t).getDate())",
            "20261",
        ),
        ("string(duration('1h30m'))", "5400s"),
        (
            "string(duration('1.5s')) + string(duration('-250ms'))",
            "1.5s-0.25s",
        ),
        ("this.?missing.orValue('none')", "none"),
        ("has(this.o.b.c) ? 'there' : 'missing'", "missing"),
        ("cel.bind(x, this.s, x + x).substring(0, 2)", "Ær"),
        ("string(math.greatest(this.list[0], 2))", "3"),
        ("'a' in this.o ? 'key' : 'no key'", "key"),
        ("lookup('order-status', 42)", "CANCELLED"),
        ("lookup('order-status', this.s, 'other')", "other"),
        ("[1, 1, 2].distinct().map(x, string(x)).join()", "12"),
        ("this.s.matches('^Æ.*t$') ? 'yes' : 'no'", "yes"),
        ("string(OrderStatus.PAID)", "PAID"),
        ("string(1.0 / 4.0)", "0.25"),
        ("string(7 % 4) + string(-7 / 2)", "3-3"),
    ] {
        assert_eq!(shown(expression, record), result, "{expression}");
    }
}

#[test]
fn what_is_missing_under_an_index_is_named_where_the_mapping_names_it() {
    let record = r#"{"lines": [{"sku": "A"}], "key": "secret"}"#;
    for (expression, told) in [
        (
            r#"this["lines"][0].skuu"#,
            "the record has no `this[\"lines\"][0].skuu`",
        ),
        (r#"this["lines"][0]["skuu"]"#, "an object has no `skuu`"),
        (r#"this["lines"][3].sku"#, "a list has no item [3]"),
        (r#"this[string(this.key)]"#, "an object has no such key"),
    ] {
        let text = format!("{{ \"sku\": {expression} }}");
        let mapping =
            mapping(This::Record, &text).unwrap_or_else(|problems| panic!("{}", crate::told(&problems)));
        let fault = run(&mapping, record).expect_err("it is not there");
        assert!(fault.what.contains(told), "{expression}: {fault}");
        assert!(
            fault
                .hint
                .is_some_and(|hint| hint.starts_with("where it may be missing: ")),
            "{expression}"
        );
    }
}
