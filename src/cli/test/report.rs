//! How tests ended, as a person reads it, and as JSON.

use std::{fmt::Write, time::Duration};

use serde_json::json;

use super::Ended;
use crate::cli::count;

/// Nobody reads more differences of one test at once.
const MOST: usize = 40;

/// A line for each test, and below one that failed its differences.
pub(super) fn text(ended: &[Ended<'_>]) -> String {
    let mut out = String::new();
    for Ended {
        test,
        flow,
        differences,
    } in ended
    {
        let told = match differences.is_empty() {
            true => writeln!(out, "ok    {flow}: {}", test.name),
            false => writeln!(out, "FAIL  {flow}: {}  ({})", test.name, test.place),
        };
        told.expect("a String takes all that is written to it");
        for difference in differences.iter().take(MOST) {
            let path = match difference.path.as_str() {
                "" => String::new(),
                path => format!("{path}\n        "),
            };
            let told = write!(
                out,
                "      {path}expected  {}\n{}got       {}\n",
                difference.expected,
                if path.is_empty() { "      " } else { "        " },
                difference.got
            );
            told.expect("a String takes all that is written to it");
        }
        if let Some(more) = differences.len().checked_sub(MOST).filter(|more| *more > 0) {
            out.push_str(&format!("      and {} more\n", count(more, "difference")));
        }
    }
    out
}

/// One line of JSON.
pub(super) fn json(ended: &[Ended<'_>]) -> String {
    let rows = ended.iter().map(|ended| {
        let differences = ended.differences.iter().map(|difference| {
            json!({ "path": difference.path, "expected": difference.expected, "got": difference.got })
        });
        json!({
            "test": ended.test.name,
            "flow": ended.flow,
            "file": &*ended.test.place.file,
            "line": ended.test.place.line,
            "passed": ended.differences.is_empty(),
            "differences": differences.collect::<Vec<_>>(),
        })
    });
    format!("{}\n", serde_json::Value::from_iter(rows))
}

/// How many, and how long it took.
pub(super) fn sum(ended: &[Ended<'_>], took: Duration) -> String {
    let failed = ended.iter().filter(|ended| !ended.differences.is_empty()).count();
    let all = count(ended.len(), "test");
    let took = format!("{} ms", took.as_millis());
    match failed {
        0 => format!("{all}: all as expected ({took})"),
        failed => format!(
            "{all}: {failed} failed, {} as expected ({took})",
            ended.len() - failed
        ),
    }
}
