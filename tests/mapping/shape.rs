//! What is told of the records of a sink before they come is what comes.

use trunkline::{
    canonical::Tree,
    mapping::{Input, Mapping, NoFacts, Produces, Source, This, Translated},
};
use trunkline_sdk::{Shape, Value, Within};

use super::{POOL, declared, encoded, environment, kind, on, told};

/// Fails where a value is not what the shape says of its place.
fn agrees(shape: &Shape, within: &Within, value: &Value<'_>, path: &str) {
    match (within, value) {
        (Within::Unknown, _) | (_, Value::Null) | (Within::List, Value::List(_)) => {}
        (Within::Object(_), Value::Object(entries)) => {
            for (name, value) in entries {
                let field = shape.fields(within).iter().find(|field| field.name == *name);
                let field = field.unwrap_or_else(|| panic!("{path}.{name} comes and was not told"));
                agrees(shape, &field.within, value, &format!("{path}.{name}"));
            }
        }
        (Within::Map(each), Value::Object(entries)) => {
            for (name, value) in entries {
                agrees(shape, each, value, &format!("{path}.{name}"));
            }
        }
        (Within::Value, Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Bytes(_)) => {}
        _ => panic!("{path} was told to be {within:?}, and is {}", value.kind()),
    }
}

/// The same, and every field that was told is there.
fn agrees_with_all(shape: &Shape, value: &Value<'_>) {
    agrees(shape, &shape.whole, value, "");
    if let (Within::Object(_), Value::Object(entries)) = (&shape.whole, value) {
        let names: Vec<_> = entries.iter().map(|(name, _)| &**name).collect();
        let told: Vec<_> = shape
            .fields(&shape.whole)
            .iter()
            .map(|field| &*field.name)
            .collect();
        assert_eq!(names, told, "{}", shape.name);
    }
}

#[test]
fn every_message_is_what_was_told_of_its_type() {
    for (name, text) in [
        (
            "zoo.v1.Animal",
            r#"{"bytes": "AA==", "maybe": 0, "mother": {"mother": {"string": "a"}}, "cubs": [{}], "packed": [1],
                "counts": {"a": 1}, "pens": {"-7": {"string": "x"}}, "host": {"bool": true}, "diet": "DIET_MEAT",
                "born": "2026-01-01T00:00:00Z", "nap": "1.500s", "double": "NaN", "twin": {"name": "t"}}"#,
        ),
        (
            "zoo.v1.Passport",
            r#"{"marks": [1], "age": 7, "nick": "n", "extra": {"a": [1], "b": {"c": 1}}, "note": {"c": [1]},
                "badge": {"@type": "type.googleapis.com/zoo.v1.Twin", "name": "x"}, "chipped": true}"#,
        ),
        (
            "trunkline.commerce.v1.OrderLine",
            r#"{"sku": "A", "unitPrice": {"currencyCode": "EUR", "units": "-1", "nanos": -50000000}}"#,
        ),
        ("google.protobuf.Timestamp", r#""2026-01-01T00:00:00Z""#),
        ("google.protobuf.Struct", r#"{"a": [1]}"#),
        ("google.protobuf.ListValue", "[1]"),
        ("google.type.Money", r#"{"currencyCode": "EUR", "units": "3"}"#),
    ] {
        // given
        let tree = Tree::new(&kind(name));
        let bytes = encoded(name, text);
        // then
        agrees_with_all(&tree.shape(), &tree.read(&bytes).expect("it is a message"));
    }
    for message in POOL.all_messages() {
        let tree = Tree::new(&message);
        agrees_with_all(&tree.shape(), &tree.read(&[]).expect("nothing is a message, too"));
    }
}

#[test]
fn what_a_sink_sees_of_a_message_is_told_in_its_own_words() {
    let order = Tree::new(&kind("trunkline.commerce.v1.Order")).shape();
    for (path, within) in [
        ("order_id", Within::Value),
        ("placed_at", Within::Value),
        ("status", Within::Value),
        ("total.amount", Within::Value),
        ("buyer.email", Within::Value),
        ("lines", Within::List),
    ] {
        assert_eq!(order.find(path), Ok(&within), "{path}");
    }
    for path in [
        "total.units",
        "placed_at.seconds",
        "buyer.nope",
        "lines.sku",
        "nope",
    ] {
        assert!(order.find(path).is_err(), "{path}");
    }
    let passport = Tree::new(&kind("zoo.v1.Passport")).shape();
    for (path, within) in [
        ("age", Within::Value),
        ("extra.whatever.it.is", Within::Unknown),
        ("note.whatever", Within::Unknown),
        ("badge.type_url", Within::Value),
    ] {
        assert_eq!(passport.find(path), Ok(&within), "{path}");
    }
    assert!(passport.find("age.value").is_err());
    assert!(passport.find("badge.name").is_err(), "a sink sees it packed");
    let animal = Tree::new(&kind("zoo.v1.Animal")).shape();
    assert_eq!(animal.find("mother.mother.mother.counts.a"), Ok(&Within::Value));
    assert_eq!(animal.find("pens.north.cubs"), Ok(&Within::List));
    assert!(animal.find("pens.north.nope").is_err());
}

/// The shape of the record that a mapping makes, and the mapping.
fn made(this: This, text: &str) -> (Mapping, Shape) {
    let mapping = Mapping::compile(&Source::file("erp.cel", text), &environment(this), None)
        .unwrap_or_else(|problems| panic!("{}", told(&problems)));
    let Produces::Record(shape) = mapping.produces().clone() else {
        panic!("the mapping gives a record");
    };
    (mapping, shape)
}

#[test]
fn the_record_of_a_map_literal_is_told_as_deep_as_it_is_written() {
    // given
    let (mapping, shape) = made(
        on("zoo.v1.Animal"),
        r#"{
            "name": this.string, "kind": this.diet, "since": this.born,
            "home": {"cage": this.cage, "keeper": {"id": this.int64}},
            "cubs": this.cubs.map(c, {"n": c.int64}), "two": [1, 2],
            "mother": this.mother, "counts": this.counts, "pens": this.pens,
            ?"nick": this.?cage, "place": this.bool ? {"a": 1, "b": {"x": 1}} : {"a": 2, "b": {"y": 2}},
            "perhaps": this.bool ? {"a": 1} : null, "either": this.bool ? dyn(1) : dyn({"a": 1}),
            "bound": cel.bind(x, this.string, {"x": x})
        }"#,
    );
    // then
    for (path, within) in [
        ("name", Within::Value),
        ("kind", Within::Value),
        ("since", Within::Value),
        ("home.cage", Within::Value),
        ("home.keeper.id", Within::Value),
        ("cubs", Within::List),
        ("two", Within::List),
        ("mother.mother.born", Within::Value),
        ("counts.a", Within::Value),
        ("pens.north.string", Within::Value),
        ("nick", Within::Value),
        ("place.a", Within::Value),
        ("place.b.x", Within::Value),
        ("place.b.y", Within::Value),
        ("perhaps.a", Within::Value),
        ("either", Within::Unknown),
        ("either.a", Within::Unknown),
        ("bound.x", Within::Value),
    ] {
        assert_eq!(shape.find(path), Ok(&within), "{path}");
    }
    for path in [
        "nme",
        "home.cge",
        "home.keeper.id.x",
        "cubs.n",
        "mother.nope",
        "counts.a.b",
        "pens.north.nope",
        "place.b.z",
        "perhaps.b",
        "bound.y",
        "since.seconds",
    ] {
        assert!(shape.find(path).is_err(), "{path}");
    }
    for animal in [
        r#"{"string": "s", "cage": "c", "bool": true, "cubs": [{}], "mother": {"mother": {}}, "counts": {"a": 1}}"#,
        r#"{"pens": {"-7": {"string": "x"}}}"#,
    ] {
        let animal = encoded("zoo.v1.Animal", animal);
        let Ok(Translated::Record(record)) = mapping.run(Input::Message(&animal), &NoFacts) else {
            panic!("the message can be mapped");
        };
        agrees(&shape, &shape.whole, &record, "");
    }
}

#[test]
fn of_a_record_without_a_schema_and_of_names_of_the_data_nothing_is_claimed() {
    let (_, shape) = made(This::Record, r#"{"customer": this.customer, "n": int(this.n)}"#);
    assert_eq!(shape.find("customer.email"), Ok(&Within::Unknown));
    assert_eq!(shape.find("n"), Ok(&Within::Value));
    assert!(shape.find("custmer").is_err());
    let (_, shape) = made(This::Record, r#"{"a": 1, string(this.name): 2}"#);
    assert_eq!(shape.find("whatever"), Ok(&Within::Unknown));
    let (_, shape) = made(This::Record, r#"this.yes ? {"a": 1} : {"b": 2}"#);
    assert_eq!(shape.find("b"), Ok(&Within::Value));
    assert!(shape.find("c").is_err());
    // A declared record is known as far as its schema says.
    let (_, shape) = made(
        declared::order(),
        r#"{"who": this.customer, "labels": this.labels, "all": this.extra}"#,
    );
    assert_eq!(shape.find("who.email"), Ok(&Within::Value));
    assert!(shape.find("who.mail").is_err());
    assert_eq!(shape.find("labels.red"), Ok(&Within::Value));
    assert_eq!(shape.find("all.of.it"), Ok(&Within::Unknown));
}
