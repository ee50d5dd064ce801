//! What `trunkline check` tells about mistakes.
//!
//! `base/` is a landscape without any. Each file in `cases/` makes one mistake in it, the way a person would, and
//! holds the report that person reads: above `---` the change, below it the transcript. A file of the landscape
//! with `- ` and `+ ` lines is changed as a diff says; with `+ ` lines alone it is that text from its first line to
//! its last. `set NAME=value` sets a variable, `unset NAME` takes one away, `remove FILE` a file.
//!
//! After a change of words: `TRUNKLINE_BLESS=1 cargo test --test check`, and read the diff.

#[path = "../support/process.rs"]
mod process;

mod against;
mod case;
mod files;
mod graph;
mod large;
mod program;
mod readmes;
mod schema;
mod watch;

use std::{fs, path::Path};

use case::Case;

/// Stands in the environment and, in the clear, in cases; no report may show it.
const SECRET: &str = "s3cret";

fn folder(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/check")
        .join(name)
}

#[test]
fn every_mistake_is_told_with_its_place_and_how_to_mend_it() {
    let bless = std::env::var_os("TRUNKLINE_BLESS").is_some();
    let mut wrong = Vec::new();
    let mut cases = 0;
    for entry in fs::read_dir(folder("cases")).expect("it is there") {
        // given
        let path = entry.expect("it can be listed").path();
        let text = fs::read_to_string(&path).expect("a case is text");
        let case = Case::read(&text);
        cases += 1;
        // when
        let report = case.report();
        // then
        assert!(!report.contains(SECRET), "{}:\n{report}", path.display());
        assert!(!report.is_empty(), "{} is no mistake", path.display());
        if report != case.expected && bless {
            fs::write(&path, format!("{}---\n{report}", case.change)).expect("it can be written");
        } else if report != case.expected {
            wrong.push(format!(
                "{}\n--- expected\n{}--- told\n{report}",
                path.display(),
                case.expected
            ));
        }
    }
    assert!(cases >= 40, "only {cases} cases were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_problem_points_at_a_character_that_is_there_and_says_something() {
    for entry in fs::read_dir(folder("cases")).expect("it is there") {
        let path = entry.expect("it can be listed").path();
        let text = fs::read_to_string(&path).expect("a case is text");
        let case = Case::read(&text);
        let (landscape, problems) = case.check();
        for problem in problems {
            let place = &problem.place;
            let line = landscape.files.text(&place.file).and_then(|text| {
                let line = text.lines().nth(place.line as usize - 1)?;
                Some(line.chars().count() as u32)
            });
            // Behind the last character a missing one can be shown; an empty file has no line.
            let length = line.unwrap_or(0);
            assert!(place.column <= length + 1, "{}: {problem:?}", path.display());
            assert!(
                place.column + place.width <= length.max(1) + 2,
                "{}: {problem:?}",
                path.display()
            );
            assert!(!problem.what.ends_with('.'), "{}: {problem:?}", path.display());
        }
    }
}

#[test]
fn the_base_is_without_mistakes() {
    assert_eq!(Case::read("---\n").report(), "");
}

#[test]
fn a_secret_that_stands_elsewhere_is_no_mistake_nor_is_a_default_to_try_things_out() {
    for secret in [
        "${SHOP_SECRET}",
        "${SHOP_SECRET:-try-me}",
        "v1-${SHOP_SECRET}",
        "env:SHOP_SECRET",
        "file:/run/secrets/shop",
    ] {
        let change = format!(
            "trunkline.yaml\n\
             -   shop: {{ webhook: {{ listen: \"127.0.0.1:8080\", verify: {{ shopify: \"${{SHOP_SECRET}}\" }} }} }}\n\
             +   shop: {{ webhook: {{ verify: {{ shopify: \"{secret}\" }} }} }}\n---\n"
        );
        assert_eq!(Case::read(&change).report(), "", "{secret}");
    }
    for url in [
        "postgres://erp:${ERP_PASSWORD:-x}@db/erp",
        "postgres://erp@db/erp",
        "file:/run/secrets/erp-url",
        "env:ERP_URL",
    ] {
        let change = format!(
            "trunkline.yaml\n-       url: ${{ERP_URL:-sqlite:./data/erp.db}}\n+       url: {url}\n---\n"
        );
        assert_eq!(Case::read(&change).report(), "", "{url}");
    }
}

#[test]
fn a_ring_with_an_exit_is_no_mistake() {
    let change = "flows/picks.yaml\n- to:\n-   system: erp\n-   statement: INSERT INTO picks (order_id) VALUES (:order_id)\n\
                  + to: orders\n---\n";
    assert_eq!(Case::read(change).report(), "");
}
