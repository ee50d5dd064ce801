//! An explanation as a person reads it, and as JSON.

use std::fmt::Write;

use serde_json::{Value as Json, json};
use trunkline_formats::json;
use trunkline_sdk::Value;

use crate::mapping::Explanation;

/// What is known, from the value back to where it comes from.
pub(super) fn text(explained: &Explanation) -> String {
    let mut out = String::new();
    let told = write(&mut out, explained);
    told.expect("a String takes all that is written to it");
    out
}

fn write(out: &mut String, explained: &Explanation) -> std::fmt::Result {
    match (&explained.value, &explained.unset) {
        (Some(value), _) => writeln!(out, "{} = {}", explained.path, json::write(value))?,
        (None, Some(why)) => writeln!(out, "{} is not set: {why}", explained.path)?,
        (None, None) => writeln!(out, "{} is not set", explained.path)?,
    }
    writeln!(out, "  by       {}", explained.expression)?;
    writeln!(out, "  at       {}", explained.place)?;
    for reason in &explained.reasons {
        writeln!(
            out,
            "  because  {} was {} ({})",
            reason.condition, reason.was, reason.place
        )?;
    }
    for origin in &explained.origins {
        match &origin.value {
            Some(value) => writeln!(out, "  from     {} = {}", origin.path, json::write(value))?,
            None => writeln!(out, "  from     {}, where nothing is", origin.path)?,
        }
    }
    if explained.more > 0 {
        writeln!(out, "  from     {} more", explained.more)?;
    }
    Ok(())
}

/// The same as one line of JSON.
pub(super) fn json(explained: &Explanation) -> String {
    let place = |place: &trunkline_sdk::Place| json!({ "file": &*place.file, "line": place.line, "column": place.column });
    let reasons = explained.reasons.iter().map(
        |reason| json!({ "condition": reason.condition, "was": reason.was, "at": place(&reason.place) }),
    );
    let origins = explained
        .origins
        .iter()
        .map(|origin| json!({ "path": origin.path, "value": raw(origin.value.as_ref()) }));
    let whole = json!({
        "field": explained.path,
        "value": raw(explained.value.as_ref()),
        "unset": explained.unset,
        "expression": explained.expression,
        "at": place(&explained.place),
        "because": reasons.collect::<Vec<_>>(),
        "from": origins.collect::<Vec<_>>(),
    });
    format!("{whole}\n")
}

/// A native value among others; numbers beyond those of JSON's readers lose digits there, as everywhere.
fn raw(value: Option<&Value<'static>>) -> Json {
    let text = value.map_or_else(|| "null".to_owned(), json::write);
    serde_json::from_str(&text).unwrap_or(Json::Null)
}
