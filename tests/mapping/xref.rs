//! Cross-references: which ones a mapping needs, and what it does with the answers.

use trunkline::mapping::{
    Attempt, Direction, Found, Input, NoFacts, Reference, References, This, Translated,
};

use super::{json, mapping, predicate, told};

const ORDER: &str = "{
    'customer': xref('shop', 'customer', string(this.customer)),
    'lines': this.lines.map(line, {'product': xref('shop', 'product', line)}),
    'client': xref.findTo('erp', 'customer', xref('shop', 'customer', string(this.customer))).orValue('new'),
}";

fn identity(kind: &str, id: &str) -> Reference {
    Reference {
        direction: Direction::Identity,
        system: "shop".into(),
        kind: kind.into(),
        id: id.into(),
    }
}

#[test]
fn a_mapping_says_all_references_that_it_needs_and_runs_when_they_are_there() {
    // given
    let mapping = mapping(This::Record, ORDER).unwrap_or_else(|problems| panic!("{}", told(&problems)));
    assert_eq!(mapping.references().len(), 3);
    let record = json(r#"{"customer": 17, "lines": ["a", "b", "a"]}"#);
    let mut known = References::default();
    let attempt = |known: &References| mapping.attempt(Input::Record(&record), &NoFacts, known).unwrap();
    // when
    let first = attempt(&known);
    // then each is asked for once
    let wanted = vec![
        identity("customer", "17"),
        identity("product", "a"),
        identity("product", "b"),
    ];
    assert_eq!(first, Attempt::Needs(wanted.clone()));
    // when they are there, the one that was made of another is asked for
    for (reference, found) in wanted.into_iter().zip(["c-1", "p-1", "p-2"]) {
        known.insert(reference, Found::One(found.into()));
    }
    let second = attempt(&known);
    let further = Reference {
        direction: Direction::Local,
        system: "erp".into(),
        kind: "customer".into(),
        id: "c-1".into(),
    };
    assert_eq!(second, Attempt::Needs(vec![further.clone()]));
    known.insert(further, Found::None);
    // then it runs
    let Attempt::Done(Translated::Record(made)) = attempt(&known) else {
        panic!("all are known");
    };
    assert_eq!(
        trunkline_formats::json::write(&made),
        r#"{"customer":"c-1","lines":[{"product":"p-1"},{"product":"p-2"},{"product":"p-1"}],"client":"new"}"#
    );
}

#[test]
fn a_reference_that_is_not_there_is_a_fault_with_its_path_and_what_mends_it() {
    // given
    let mapping = mapping(This::Record, ORDER).unwrap_or_else(|problems| panic!("{}", told(&problems)));
    let record = json(r#"{"customer": 4711, "lines": ["a"]}"#);
    let mut known = References::default();
    known.insert(identity("customer", "4711"), Found::Several);
    known.insert(identity("product", "a"), Found::None);
    // when
    let fault = mapping
        .attempt(Input::Record(&record), &NoFacts, &known)
        .expect_err("one is missing");
    // then
    assert!(fault.what.contains("customer: `shop` has several ids"), "{fault}");
    assert!(
        fault
            .what
            .contains("lines[0].product: no cross-reference for this product of `shop`"),
        "{fault}"
    );
    assert!(!fault.what.contains("4711"), "no value of the record: {fault}");
    assert!(fault.hint.is_some_and(|hint| hint.contains("trunkline xref")));
}

#[test]
fn a_system_that_is_not_there_and_a_place_without_a_store_are_refused() {
    for (text, problem) in [
        (
            "{'x': xref('shopp', 'customer', this.id)}",
            "there is no system `shopp`\n  = did you mean `shop`?",
        ),
        ("{'x': xref('shop', this.kind, this.id)}", "must be text literals"),
        (
            "{'x': xref('shop', 'customer', 17)}",
            "is int, but an id is string\n  = string(..) makes a text of it",
        ),
        (
            "{'x': xref('shop', 'customer')}",
            "`xref` takes a system, a kind and an id",
        ),
        (
            "{'x': xref('shop', 'customer', this.?id)}",
            "is optional of unknown type",
        ),
    ] {
        let problems = mapping(This::Record, text).err().unwrap_or_default();
        assert!(told(&problems).contains(problem), "{text}: {}", told(&problems));
    }
    let problems =
        predicate(This::Record, "xref('shop', 'customer', this.id) == 'c-1'").expect_err("nobody fetches it");
    assert!(
        told(&problems).contains("`xref` works only in a mapping"),
        "{}",
        told(&problems)
    );
}
