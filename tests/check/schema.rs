//! The JSON Schemas in `schemas/`: current, right, and what the examples are edited with.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{case::base, folder, process::output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn schema(name: &str) -> Value {
    let path = root().join("schemas").join(format!("{name}.schema.json"));
    serde_json::from_str(&fs::read_to_string(path).expect("it is there")).expect("it is JSON")
}

/// What a validator that is not ours says of each text.
fn judge(texts: &[(&Value, &str)]) -> Vec<Vec<String>> {
    let python = std::env::var("TRUNKLINE_TEST_PYTHON").expect("`tests/run` has set it");
    let mut judge = Command::new(python)
        .arg(folder("schema.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python is there");
    let asked = Value::from_iter(texts.iter().map(|(schema, text)| json!([schema, text])));
    let mut stdin = judge.stdin.take().expect("it is piped");
    stdin
        .write_all(asked.to_string().as_bytes())
        .expect("the judge listens");
    drop(stdin);
    let output = judge.wait_with_output().expect("it ends");
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).expect("it answers in JSON")
}

/// Every YAML file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("it is there") {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|ending| ending == "yaml") {
            found.push(path);
        }
    }
    found
}

#[tokio::test]
async fn the_schemas_in_the_repository_are_those_of_the_program() {
    for name in ["landscape", "flow", "test"] {
        let (code, made, _) = output(&["schema", name], &[]).await;
        assert_eq!(code, Some(0));
        let path = root().join("schemas").join(format!("{name}.schema.json"));
        if std::env::var_os("TRUNKLINE_BLESS").is_some() {
            fs::write(&path, &made).expect("it can be written");
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            made == kept,
            "{} is old: trunkline schema {name} > schemas/{name}.schema.json",
            path.display()
        );
    }
}

#[test]
fn the_examples_name_their_schema_and_are_right_by_it() {
    let mut texts = Vec::new();
    for path in files(&root().join("examples")) {
        let text = fs::read_to_string(&path).expect("it is text");
        let named = text
            .lines()
            .find_map(|line| line.strip_prefix("# yaml-language-server: $schema="));
        let named = named.unwrap_or_else(|| panic!("{} names no schema", path.display()));
        let schema = path.parent().expect("it has one").join(named);
        let schema = fs::read_to_string(&schema).unwrap_or_else(|_| panic!("{} is away", schema.display()));
        let schema: Value = serde_json::from_str(&schema).expect("it is JSON");
        texts.push((path, schema, text));
    }
    let asked: Vec<_> = texts.iter().map(|(_, schema, text)| (schema, &**text)).collect();
    for ((path, ..), complaints) in texts.iter().zip(judge(&asked)) {
        assert!(complaints.is_empty(), "{}: {complaints:#?}", path.display());
    }
}

#[test]
fn what_check_takes_the_schema_takes() {
    let (landscape, flow) = (schema("landscape"), schema("flow"));
    let base = base();
    let mut asked = Vec::new();
    for (name, text) in &base {
        match name.split_once('/') {
            None => asked.push((&landscape, &**text)),
            Some(("flows", _)) => asked.push((&flow, &**text)),
            Some(_) => {}
        }
    }
    for text in [
        "systems: { a: { webhook: { verify: { none: true } } } }",
        "systems: { a: { webhook: { verify: { none: '${OPEN:-true}' } } } }",
        "systems: { a: { webhook: { verify: { github: [env:A, file:/run/b, '${C:-d}'] } } } }",
        "systems: { a: { sql: { url: sqlite:a.db, timeout: 1500ms } }, b: { sql: { url: file:/run/b, password: env:B } } }",
        "systems: { a: { file: { folder: a }, time_zone: Europe/Copenhagen } }",
        "channels: { a: { type: a.B, external: '${OTHERS}' } }\nprocesses: { one: [a, b], two: c }",
    ] {
        asked.push((&landscape, text));
    }
    for text in [
        "{ flow: a, from: b, to: c }",
        "{ flow: a, from: { system: b, delimiter: tab, once: 'true', poll: 10ms, max_record: 1MiB }, to: c }",
        "{ flow: a, from: b, to: { system: c, statement: x, expect_rows: 0, in_doubt: park } }",
        "{ flow: a, from: b, steps: [{ route: [{ otherwise: c }] }], retry: { attempts: '${MANY}', factor: '3' } }",
    ] {
        asked.push((&flow, text));
    }
    for ((_, text), complaints) in asked.iter().zip(judge(&asked)) {
        assert!(complaints.is_empty(), "{text}: {complaints:#?}");
    }
}

#[test]
fn a_wrong_word_or_kind_is_underlined_where_it_stands() {
    let (landscape, flow) = (schema("landscape"), schema("flow"));
    let wrong = [
        (&landscape, "chanels: {}", ": Additional properties"),
        (&landscape, "channels: { a: { typ: a.B } }", "channels/a: "),
        (
            &landscape,
            "channels: { a: { type: a.B, external: perhaps } }",
            "channels/a/external: ",
        ),
        (
            &landscape,
            "channels: { Orders: { type: a.B } }",
            "channels: 'Orders' does not match",
        ),
        (&landscape, "systems: { a: { webhok: {} } }", "systems/a: "),
        (
            &landscape,
            "systems: { a: { sql: { url: sqlite:a, timeout: 5 } } }",
            "systems/a/sql/timeout: ",
        ),
        (
            &landscape,
            "systems: { a: { sql: {} } }",
            "'url' is a required property",
        ),
        (
            &landscape,
            "systems: { a: { sql: { url: 'sqlite:a' }, file: { folder: b } } }",
            "systems/a: ",
        ),
        (
            &landscape,
            "systems: { a: { webhook: { verify: { github: hush } } } }",
            "systems/a/webhook/verify/github: ",
        ),
        (
            &landscape,
            "systems: { a: { webhook: { verify: { none: true }, max_body: 1M } } }",
            "systems/a/webhook/max_body: ",
        ),
        (&flow, "{ flow: a, to: c }", "'from' is a required property"),
        (
            &flow,
            "{ flow: a, from: b, to: c, step: [] }",
            ": Additional properties",
        ),
        (
            &flow,
            "{ flow: a, from: b, steps: [{ filtr: x }], to: c }",
            "steps/0",
        ),
        (
            &flow,
            "{ flow: a, from: b, steps: [{ split: { each: x } }], to: c }",
            "steps/0",
        ),
        (&flow, "{ flow: a, from: { path: /x }, to: c }", "from: "),
        (
            &flow,
            "{ flow: a, from: b, to: { system: c, statement: x, in_doubt: pray } }",
            "to: ",
        ),
        (
            &flow,
            "{ flow: a, from: b, to: c, retry: { attempts: 0 } }",
            "retry/attempts: ",
        ),
        (
            &flow,
            "{ flow: a, from: b, to: c, retry: { max: never } }",
            "retry/max: ",
        ),
    ];
    let asked: Vec<_> = wrong.iter().map(|(schema, text, _)| (*schema, *text)).collect();
    for ((_, text, told), complaints) in wrong.iter().zip(judge(&asked)) {
        assert!(
            complaints.iter().any(|complaint| complaint.contains(told)),
            "{text}: {complaints:#?}"
        );
    }
}
