//! The language held against CEL's public conformance cases (google/cel-spec, `tests/simple`).
//!
//! The cases are not kept here: the npm package `@bufbuild/cel-spec` carries them as JSON together with the descriptors
//! they use; `tests/run` fetches it by its hash and names its folder in `TRUNKLINE_TEST_CEL_SPEC`. A case passes when
//! its expression gives the value it says, or is refused (before it runs or when it does) where it says an error.
//! What does not is listed with its reason in `docs/cel-deviations.md`, and what is listed there must not pass.

mod expected;
mod spec;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use prost_reflect::DescriptorPool;
use serde_json::Value as Json;

use super::{
    Environment, Input, NoFacts, Source, Tables, This, check::Checker, evaluate::Run, syntax, types::Type,
    value::Val,
};
use expected::{binding, is_same, type_of};
use spec::Spec;

/// Where the deviations are listed.
const DEVIATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cel-deviations.md");

#[test]
fn the_conformance_cases_pass_but_for_the_documented_deviations() {
    // given
    let spec = Spec::open();
    let listed = listed();
    // when
    let (mut passed, mut failed) = (BTreeSet::new(), BTreeMap::new());
    for case in spec.cases() {
        match run(&spec, &case.test) {
            Ok(()) => drop(passed.insert(case.name)),
            Err(why) => drop(failed.insert(case.name, why)),
        }
    }
    // then
    let mut report = String::new();
    for (name, why) in failed.iter().filter(|(name, _)| !listed.contains(*name)) {
        let _ = writeln!(report, "fails: {name}: {why}");
    }
    for name in listed.iter().filter(|name| passed.contains(*name)) {
        let _ = writeln!(report, "listed as a deviation, but passes: {name}");
    }
    for name in listed
        .iter()
        .filter(|name| !passed.contains(*name) && !failed.contains_key(*name))
    {
        let _ = writeln!(report, "listed as a deviation, but there is no such case: {name}");
    }
    let figures = format!(
        "{} cases, {} pass, {} deviate as documented",
        passed.len() + failed.len(),
        passed.len(),
        failed.keys().filter(|name| listed.contains(*name)).count(),
    );
    assert!(report.is_empty(), "{report}{figures}");
    assert!(passed.len() > 1_900, "{figures}");
}

/// The cases named in the list of deviations: the lines of its code blocks.
fn listed() -> BTreeSet<String> {
    let text = std::fs::read_to_string(DEVIATIONS).unwrap_or_default();
    let mut inside = false;
    let mut names = BTreeSet::new();
    for line in text.lines() {
        if line.starts_with("```") {
            inside = !inside;
        } else if inside && !line.trim().is_empty() {
            names.insert(line.trim().to_owned());
        }
    }
    names
}

/// Runs one case.
fn run(spec: &Spec, test: &Json) -> Result<(), String> {
    let text = test["expr"].as_str().unwrap_or_default();
    let container = test["container"].as_str().unwrap_or_default();
    let pool = spec.pool(container, text);
    // Names are found by their end; where both packages are at hand they are written in full.
    let full = text.replace("TestAllTypes{", &format!("{container}.TestAllTypes{{"));
    let ambiguous = std::ptr::eq(pool, spec.pool("", "")) && !container.is_empty();
    let text = if ambiguous { &full } else { text };
    let found = evaluate(pool, test, text);
    let wants_error = test.get("evalError").is_some();
    match found {
        Err(_) if wants_error => Ok(()),
        Err(why) => Err(format!("`{text}`: {why}")),
        Ok(Found { ty, .. }) if test["checkOnly"] == Json::Bool(true) => {
            // An empty list's items are dyn once nothing more is said of them.
            let wanted = type_of(pool, &test["typedResult"]["deducedType"]);
            if ty.to_string() == wanted.to_string() {
                Ok(())
            } else {
                Err(format!("`{text}` is {ty}, not {wanted}"))
            }
        }
        Ok(found) if wants_error => Err(format!("`{text}` gives {}", found.shown)),
        Ok(found) => {
            if found.same {
                Ok(())
            } else {
                Err(format!("`{text}` gives {}", found.shown))
            }
        }
    }
}

struct Found {
    ty: Type,
    shown: String,
    same: bool,
}

fn evaluate(pool: &DescriptorPool, test: &Json, text: &str) -> Result<Found, String> {
    let tables = Tables::default();
    let environment = Environment {
        pool,
        this: This::Record,
        tables: &tables,
        zone: None,
    };
    let source = Source::file("case.cel", text);
    let told = |problems: Vec<trunkline_sdk::Problem>| {
        let all: Vec<_> = problems.into_iter().map(|problem| problem.what).collect();
        format!("refused: {}", all.join("; "))
    };
    let expr = syntax::parse(&source).map_err(told)?;
    let mut checker = Checker::new(&environment, &source);
    let mut values = Vec::new();
    let bindings = test["bindings"].as_object();
    let mut names: BTreeMap<String, Type> = BTreeMap::new();
    for (name, value) in bindings.into_iter().flatten() {
        let (value, ty) = binding(pool, &value["value"]);
        values.push((name.clone(), value));
        names.insert(name.clone(), ty);
    }
    for declared in test["typeEnv"].as_array().into_iter().flatten() {
        if let Some(ty) = declared.get("ident").map(|ident| type_of(pool, &ident["type"])) {
            names.insert(declared["name"].as_str().unwrap_or_default().to_owned(), ty);
        }
    }
    let mut slots = Vec::new();
    for (name, ty) in &names {
        slots.push((name.clone(), checker.declare(name, ty.clone())));
    }
    let typed = checker.expression(&expr);
    let (ty, count) = (typed.ty.clone(), checker.slots());
    let node = checker.finish(typed.node).map_err(told)?;
    // The plan lives as long as what it gives; a test may leak the few it makes.
    let node = &*Box::leak(Box::new(node));
    let record = trunkline_sdk::Value::Null;
    let record = &*Box::leak(Box::new(record));
    let mut run = Run::new(Input::Record(record), None, &NoFacts, count);
    for (name, slot) in slots {
        if let Some(at) = values.iter().position(|(bound, _)| *bound == name) {
            run.set(slot, values.swap_remove(at).1);
        }
    }
    if test["checkOnly"] == Json::Bool(true) {
        return Ok(Found {
            ty,
            shown: String::new(),
            same: true,
        });
    }
    let value: Val<'static> = run
        .evaluate(node)
        .map_err(|failure| format!("fault: {}", failure.what))?;
    let wanted = test
        .get("value")
        .or_else(|| test.get("typedResult").map(|typed| &typed["result"]))
        .cloned()
        .unwrap_or_else(|| serde_json::json!({ "boolValue": true }));
    Ok(Found {
        same: is_same(pool, &value, &wanted),
        ty,
        shown: format!("{value:?}, not {wanted}"),
    })
}
