//! The mapping language: what its checker finds, what it does with messages and records, and that it agrees with
//! the `cel` crate where both have an answer.

mod check;
mod declared;
mod functions;
mod hostile;
mod numbers;
mod oracle;
mod predicate;
mod shape;
mod translate;
mod tree;
mod xref;
mod zone;

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, prost::Message};
use trunkline::mapping::{
    Environment, Input, Mapping, NoFacts, Predicate, Source, Table, Tables, This, Translated,
};
use trunkline_sdk::{Fault, Problem, Value};

/// The types of the tests: the canonical model and the zoo.
static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mapping");
    let zoo = protox::compile(["zoo.proto"], [folder]).expect("the zoo's schema is right");
    let mut pool = trunkline_proto::descriptor_pool().clone();
    for file in zoo.file {
        if pool.get_file_by_name(file.name()).is_none() {
            pool.add_file_descriptor_proto(file)
                .expect("the zoo fits beside the canonical model");
        }
    }
    pool
});

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let mut tables = Tables::default();
    tables.insert(
        "order-status",
        Table::of([("paid", "PAID"), ("open", "PENDING"), ("42", "CANCELLED")]),
    );
    tables.insert("bad-status", Table::of([("paid", "PAYD")]));
    tables.know_systems(["shop", "erp"]);
    tables
});

fn kind(name: &str) -> MessageDescriptor {
    POOL.get_message_by_name(name)
        .expect("the tests name types that exist")
}

fn environment(this: This) -> Environment<'static> {
    Environment {
        pool: &POOL,
        this,
        tables: &TABLES,
        zone: None,
    }
}

fn on(name: &str) -> This {
    This::Message(kind(name))
}

fn predicate(this: This, text: &str) -> Result<Predicate, Vec<Problem>> {
    Predicate::compile(&Source::file("flow.yaml", text), &environment(this))
}

fn mapping(this: This, text: &str) -> Result<Mapping, Vec<Problem>> {
    Mapping::compile(&Source::file("order.cel", text), &environment(this), None)
}

/// The problems as a person reads them.
fn told(problems: &[Problem]) -> String {
    let mut text = String::new();
    for problem in problems {
        text += &format!("{} {}\n", problem.place, problem.what);
        if let Some(hint) = &problem.hint {
            text += &format!("  = {hint}\n");
        }
    }
    text
}

fn json(text: &str) -> Value<'_> {
    trunkline_formats::json::read(text.as_bytes()).expect("the tests' records are JSON")
}

fn run(mapping: &Mapping, record: &str) -> Result<Translated, Fault> {
    mapping.run(Input::Record(&json(record)), &NoFacts)
}

/// What a mapping from a record gives, decoded by another implementation.
fn message(mapping: &Mapping, record: &str) -> DynamicMessage {
    let trunkline::mapping::Produces::Message(kind) = mapping.produces() else {
        panic!("the mapping gives no message");
    };
    match run(mapping, record).expect("the record can be mapped") {
        Translated::Message(bytes) => {
            DynamicMessage::decode(kind.clone(), bytes.as_slice()).expect("what was written is a message")
        }
        Translated::Record(_) => panic!("the mapping gave a record"),
    }
}

/// A message from JSON, encoded by another implementation.
fn encoded(name: &str, text: &str) -> Vec<u8> {
    let mut reader = serde_json::Deserializer::from_str(text);
    DynamicMessage::deserialize(kind(name), &mut reader)
        .expect("the tests' messages fit their types")
        .encode_to_vec()
}

#[test]
fn what_is_compiled_is_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Predicate>();
    shared::<Mapping>();
    shared::<trunkline::mapping::Split>();
    shared::<trunkline::canonical::Tree>();
}

#[test]
fn every_function_has_a_doc_and_a_signature() {
    for function in trunkline::mapping::functions::all() {
        assert!(
            !function.doc.is_empty() && !function.doc.ends_with('.'),
            "{}",
            function.name
        );
        assert!(function.signature().contains(function.name));
        assert!(
            function.takes.len() <= 4,
            "the evaluator makes room for four arguments"
        );
    }
}
