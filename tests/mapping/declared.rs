//! Records whose structure is declared: what a mapping reads of them is checked before one comes.

use trunkline::mapping::{RecordKind, RecordObject, RecordSchema, RecordType, This};

use super::{mapping, predicate, run, told};

pub(super) fn order() -> This {
    let text = || RecordType::of(RecordKind::Text);
    let customer = RecordType::object([
        ("id", RecordType::of(RecordKind::Int)),
        ("email", text().or_null()),
    ]);
    let line = RecordType::object([
        ("sku", text()),
        ("quantity", RecordType::of(RecordKind::Int)),
        ("price", RecordType::of(RecordKind::Number)),
    ]);
    let words = RecordKind::Words(["paid".to_owned(), "open".to_owned()].into());
    let rest = RecordObject {
        fields: Vec::new(),
        rest: Some(text()),
    };
    This::Declared(RecordSchema {
        name: "schemas/order.json".into(),
        root: RecordType::object([
            ("id", RecordType::of(RecordKind::Int)),
            ("status", RecordType::of(words)),
            ("customer", customer),
            ("lines", RecordType::list(line)),
            ("total", RecordType::of(RecordKind::Number)),
            ("note", text().or_null()),
            ("labels", RecordType::of(RecordKind::Object(rest.into()))),
            ("extra", RecordType::of(RecordKind::Any)),
        ]),
    })
}

fn problem(text: &str) -> String {
    let problems = mapping(order(), text).err().unwrap_or_default();
    told(&problems)
}

#[test]
fn a_field_that_the_schema_does_not_have_is_refused_wherever_it_is_read() {
    for (text, what, hint) in [
        (
            "{\"a\": this.custmer.id}",
            "`schemas/order.json` declares no `custmer` here",
            "did you mean `customer`?",
        ),
        (
            "{\"a\": this.customer.mail}",
            "declares no `mail` here",
            "did you mean `email`?",
        ),
        (
            "{\"a\": this.lines.map(line, line.skuu)}",
            "declares no `skuu` here",
            "did you mean `sku`?",
        ),
        (
            "{\"a\": this[\"custmer\"]}",
            "declares no `custmer` here",
            "did you mean `customer`?",
        ),
        (
            "{\"a\": has(this.customer.emial)}",
            "declares no `emial` here",
            "did you mean `email`?",
        ),
        (
            "{\"a\": this.?customr.orValue(1)}",
            "declares no `customr` here",
            "did you mean `customer`?",
        ),
        (
            "{\"a\": this.xyzzy}",
            "declares no `xyzzy` here",
            "declared: `id`, `status`",
        ),
        ("{\"a\": total}", "`total` is not known here", "`this.total`"),
        (
            "{\"a\": this.lines.sku}",
            "list of object has no field `sku`",
            ".map(item, item.sku)",
        ),
        ("{\"a\": this.id.x}", "int has no field `x`", ""),
    ] {
        let told = problem(text);
        assert!(told.contains(what) && told.contains(hint), "{text}: {told}");
        assert_eq!(
            told.lines().filter(|line| !line.starts_with("  =")).count(),
            1,
            "{told}"
        );
    }
}

#[test]
fn a_part_of_another_kind_is_refused_where_it_is_set_compared_or_given_to_a_function() {
    for (text, what) in [
        (
            "trunkline.commerce.v1.OrderLine{sku: this.id, quantity: 1u}",
            "is int, but",
        ),
        (
            "trunkline.commerce.v1.OrderLine{sku: \"a\", quantity: this.note}",
            "is string, but",
        ),
        (
            "{\"a\": this.customer == 1}",
            "`==` cannot compare object with int",
        ),
        (
            "{\"a\": this.id.startsWith(\"a\")}",
            "is int, but `startsWith` takes string here",
        ),
        (
            "{\"a\": this.note + this.id}",
            "`+` does not go between string and int",
        ),
        (
            "{\"a\": this.status == \"payed\"}",
            "the record never has `payed` here",
        ),
        ("{\"a\": this.id == null}", "`==` cannot compare int with null"),
        (
            "{\"a\": this.customer.map(key, key + 1)}",
            "`+` does not go between string and int",
        ),
    ] {
        let told = problem(text);
        assert!(told.contains(what), "{text}: {told}");
    }
}

#[test]
fn what_fits_the_schema_is_accepted_and_runs() {
    // given
    let text = "{
        \"id\": string(this.id), \"mail\": this.customer.?email.orValue(\"none\"),
        \"sum\": this.lines.map(line, line.price * line.quantity).sum(),
        \"label\": this.labels.colour, \"extra\": this.extra.a.b, \"none\": this.note == null,
        \"paid\": this.status == \"paid\", \"amount\": money(this.total, \"EUR\"), \"keys\": size(this.customer),
    }";
    let record = r#"{"id": 12345678901234567, "status": "paid", "customer": {"id": 1, "email": null}, "note": null,
        "lines": [{"sku": "a", "quantity": 2, "price": 1.5}], "total": 10.50, "labels": {"colour": "red"},
        "extra": {"a": {"b": true}}}"#;
    // when
    let mapping = mapping(order(), text).unwrap_or_else(|problems| panic!("{}", told(&problems)));
    let made = run(&mapping, record).expect("the record keeps to its schema");
    // then
    let trunkline::mapping::Translated::Record(made) = made else {
        panic!("it makes a record");
    };
    assert_eq!(
        trunkline_formats::json::write(&made),
        r#"{"id":"12345678901234567","mail":"none","sum":3,"label":"red","extra":true,"none":true,"paid":true,"amount":{"currency_code":"EUR","amount":10.50},"keys":2}"#
    );
}

#[test]
fn a_record_that_breaks_its_schema_is_a_fault_with_its_path() {
    // given
    let mapping = mapping(order(), "{\"sku\": this.lines[0].sku + \"-1\"}");
    let mapping = mapping.unwrap_or_else(|problems| panic!("{}", told(&problems)));
    // when
    let fault = run(&mapping, r#"{"lines": [{"sku": 17}]}"#).expect_err("the sku is a number");
    // then
    assert!(
        fault
            .what
            .starts_with("sku: `+` does not go between a whole number of 2 digits"),
        "{fault}"
    );
    assert!(predicate(order(), "this.total > 10 && this.id in [1, 2]").is_ok());
}
