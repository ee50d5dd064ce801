//! What reads from strangers, against chance: expressions, YAML, envelopes, encoded messages. `tests/support/fuzz.rs`
//! says how; the decoders of native records have theirs in `formats/tests/fuzz`.
//! `FUZZ_SECONDS=300 cargo test --test fuzz` runs longer.

#[path = "../support/fuzz.rs"]
mod fuzz;

use std::{fs, path::Path};

use bytes::Bytes;
use fuzz::{Outcome, Target};
use prost::Message as _;
use trunkline::{
    bus::envelope::Envelope,
    canonical::{
        Tree,
        wire::{Reader, Wire},
    },
    config::{self, Files, Landscape, Variables},
    mapping::{Environment, Input, Mapping, NoFacts, Predicate, Source, Table, Tables, This, Translated},
    message::Content,
};
use trunkline_formats::json;
use trunkline_proto::commerce::v1::Order;
use trunkline_sdk::{Problem, Value};

const ORDER: &str = "trunkline.commerce.v1.Order";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The seeds of a target are its own and these files.
fn target<'t>(name: &str, files: &[&str], words: &'t [&'t str]) -> Target<'t> {
    Target {
        folder: root().join("tests/fuzz").join(name),
        seeds: files
            .iter()
            .map(|file| fs::read(root().join(file)).expect("the file is there"))
            .collect(),
        words,
    }
}

fn tables() -> Tables {
    let mut tables = Tables::default();
    tables.insert("t", Table::of([("paid", "PAID")]));
    tables
}

/// Problems are told at places that are there.
fn told(problems: &[Problem]) -> Outcome {
    assert!(!problems.is_empty());
    for problem in problems {
        assert!(problem.place.line > 0 && problem.place.column > 0 && problem.place.width > 0);
    }
    Outcome::of(&problems[0].what)
}

/// A mapping or a predicate of any text is refused, or runs; that what runs ends, its limits see to.
#[test]
fn an_expression_is_refused_or_runs() {
    let words = [
        "this.",
        "this[\"a\"]",
        "attributes.id",
        "Order{ order_id: ",
        "string(",
        ".map(x, ",
        ".filter(x, x",
        ".exists(x, ",
        "has(",
        "==",
        "&&",
        "||",
        "? 1 : 2",
        "[",
        "]",
        "{",
        "}",
        "(",
        ")",
        "\"",
        "r'",
        "b\"",
        "\\u00e9",
        "'''",
        "//",
        "in ",
        "!",
        "-",
        "1u",
        "0x",
        "1e9",
        "null",
        "true",
        "timestamp(",
        "duration(\"1s\")",
        "money(",
        "lookup(\"t\", ",
        "orValue(",
        ".?",
        "matches(\"(a+)+$\")",
        ".size()",
        "Money{",
        "é",
    ];
    let pool = trunkline_proto::descriptor_pool();
    let order = pool.get_message_by_name(ORDER).expect("the model has it");
    let tables = tables();
    let record =
        json::read(br#"{"a":[1,2.50,{"b":"x"}],"id":"7","lines":[{"sku":"A","n":2},{"sku":"B"}],"t":null}"#)
            .expect("it is JSON");
    let message = sample().encode_to_vec();
    let files = ["benches/benches/order.cel", "examples/shop/maps/shop-order.cel"];
    target("expression", &files, &words).run(|input| {
        let text = String::from_utf8_lossy(input);
        let source = Source::file("a.cel", &*text);
        let environment = |this| Environment {
            pool,
            this,
            tables: &tables,
            zone: None,
        };
        let native = environment(This::Record);
        let canonical = environment(This::Message(order.clone()));
        let mut outcome = String::new();
        for produced in [Some(&order), None] {
            match Mapping::compile(&source, &native, produced) {
                Ok(mapping) => match mapping.run(Input::Record(&record), &NoFacts) {
                    Ok(Translated::Message(bytes)) => {
                        assert!(Order::decode(bytes.as_slice()).is_ok(), "it is no order");
                        outcome.push_str("order ");
                    }
                    Ok(_) => outcome.push_str("tree "),
                    Err(fault) => outcome.push_str(&fault.what),
                },
                Err(problems) if produced.is_some() => drop(told(&problems)),
                Err(problems) => outcome.push_str(&problems[0].what),
            }
        }
        match Predicate::compile(&source, &canonical) {
            Ok(predicate) => match predicate.test(Input::Message(&message), &NoFacts) {
                Ok(_) => outcome.push_str("told"),
                Err(fault) => outcome.push_str(&fault.what),
            },
            Err(problems) => outcome.push_str(&problems[0].what),
        }
        Outcome::of(outcome)
    });
}

/// The files of a landscape may be anything: all that is wrong is told at its place.
#[test]
fn a_landscape_of_any_yaml_is_read_or_told_what_is_wrong() {
    let words = [
        "&a ",
        "*a",
        "<<: *a",
        "- ",
        ": ",
        "? ",
        "| \n",
        ">-\n",
        "{",
        "}",
        "[",
        "]",
        "!!str ",
        "---\n",
        "...\n",
        "#",
        "\"\\x00\"",
        "${X}",
        "${X:-",
        "\t",
        "\u{feff}",
        "bus: ",
        "systems:\n",
        "channels:\n",
        "flow: ",
        "from: ",
        "steps:\n",
        "to: ",
        "é",
        "%YAML 1.2\n",
        "a: &a [*a]",
        "when: ",
        "route:\n",
    ];
    let files = [
        "tests/check/base/trunkline.yaml",
        "tests/check/base/flows/route-orders.yaml",
        "examples/shop/flows/stock.yaml",
    ];
    let base = fs::read_to_string(root().join("tests/check/base/trunkline.yaml")).expect("it is there");
    target("yaml", &files, &words).run(|input| {
        let text = String::from_utf8_lossy(input);
        let mut outcome = String::new();
        for files in [
            vec![("trunkline.yaml", &*text)],
            vec![("trunkline.yaml", base.as_str()), ("flows/a.yaml", &*text)],
        ] {
            let files = Files::of(files);
            let landscape = Landscape::of(".".into(), files, &Variables::new(&|_| None), Vec::new());
            if let Err(problems) = config::check(&landscape, trunkline_proto::descriptor_pool()) {
                told(&problems);
                config::report(&landscape, &problems);
                outcome.push_str(&problems[0].what);
            }
        }
        Outcome::of(outcome)
    });
}

/// An envelope of anything opens; what it holds is sealed and opened to the same.
#[test]
fn an_envelope_of_anything_opens() {
    let words = [
        "cloudEvents_source",
        "cloudEvents_time",
        "cloudEvents_expirytime",
        "cloudEvents_partitionkey",
        "traceparent",
        "trunkline_record_attributes",
        "trunkline_body_hash",
        "trunkline_attempt",
        "trunkline_fault",
        "trunkline_fault_time",
        "trunkline_fault_flow",
        "trunkline_fault_step",
        "2026-01-01T00:00:00Z",
        "application/protobuf",
        "[[\"",
        "\"]",
        "null",
        "{\\\"a\\\":\\\"b\\\"}",
        "sha256:",
    ];
    target("envelope", &[], &words).run(|input| {
        // The body stands behind a NUL.
        let (head, body) = match input.iter().position(|byte| *byte == 0) {
            Some(at) => (&input[..at], &input[at + 1..]),
            None => (input, &[][..]),
        };
        let Ok(mut envelope) = serde_json::from_slice::<Envelope>(head) else {
            return Outcome::of("no envelope");
        };
        envelope.body = Bytes::copy_from_slice(body);
        let opened = envelope.open();
        let sealed = Envelope::seal(
            &opened.message,
            opened.attempt,
            opened.cause.as_ref(),
            opened.order,
        );
        let again = sealed.open();
        if opened.unreadable.is_none() {
            assert!(again.unreadable.is_none(), "{:?}", again.unreadable);
            assert_eq!(again.message, opened.message);
            assert_eq!(
                (again.attempt, again.cause, again.order),
                (opened.attempt, opened.cause, opened.order)
            );
        }
        Outcome::of(match (opened.unreadable, opened.message.content) {
            (Some(fault), _) => fault.what,
            (None, Content::Canonical { .. }) => "canonical".to_owned(),
            (None, Content::Native(_)) => "native".to_owned(),
        })
    });
}

fn sample() -> Order {
    let text = fs::read(root().join("tests/fuzz/wire/order")).expect("it is a seed");
    Order::decode(text.as_slice()).expect("it is an order")
}

/// Goes through all that looks like fields, and into what looks like messages.
fn walk(bytes: &[u8], depth: usize) -> usize {
    let mut reader = Reader::new(bytes);
    let mut fields = 0;
    while let Ok(Some((_, wire))) = reader.field() {
        fields += 1;
        if let Wire::Bytes(inner) = wire
            && depth < 20
        {
            fields += walk(inner, depth + 1);
        }
    }
    fields
}

/// Bytes that claim to be a message are read as prost reads them, or refused.
#[test]
fn an_encoded_message_is_read_or_refused() {
    let pool = trunkline_proto::descriptor_pool();
    let order = pool.get_message_by_name(ORDER).expect("the model has it");
    let tree = Tree::new(&order);
    let tables = tables();
    let environment = Environment {
        pool,
        this: This::Message(order),
        tables: &tables,
        zone: None,
    };
    let predicates = [
        "this.status == \"PAID\" && this.ship_to.country_code == \"DK\"",
        "this.lines.exists(line, line.quantity > 2u || line.unit_price.units < 0)",
        "has(this.total) && this.placed_at > timestamp(\"2026-01-01T00:00:00Z\")",
    ];
    let predicates = predicates.map(|text| {
        Predicate::compile(&Source::file("a.yaml", text), &environment)
            .unwrap_or_else(|all| panic!("{all:#?}"))
    });
    target(
        "wire",
        &[],
        &["\u{1}", "\u{7f}", "\n", "\u{12}\0", "\u{1a}\u{2}\u{8}\u{1}"],
    )
    .run(|input| {
        walk(input, 0);
        let read = tree.read(input);
        for predicate in &predicates {
            let _ = predicate.test(Input::Message(input), &NoFacts);
        }
        match (Order::decode(input), &read) {
            (Ok(order), read) => {
                // In its canonical form at least.
                let encoded = order.encode_to_vec();
                let again = tree.read(&encoded);
                if let (Ok(Value::Object(fields)), Ok(again)) = (read, &again) {
                    assert_eq!(Value::Object(fields.clone()), *again);
                }
                Outcome::of(format!("{:?}", read.as_ref().map(Value::kind)))
            }
            (Err(_), read) => Outcome::of(format!("not to prost, {:?}", read.as_ref().map(Value::kind))),
        }
    });
}
