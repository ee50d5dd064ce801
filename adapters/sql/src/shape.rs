//! Whether a parameter leads to a value in the records that arrive.
//!
//! Promises: what is refused here would fail with every record that is not null there. Not promised: that a record has
//! what it may leave out.

use trunkline_sdk::{Astray, Field, Place, Problem, Shape, Within, nearest};

use crate::statement::Parameter;

/// The most names that a hint tells.
const MOST_NAMES: usize = 40;

/// What is wrong with where a parameter leads; it stands at `place`.
pub(crate) fn check(parameter: &Parameter, shape: &Shape, place: &Place) -> Option<Problem> {
    let path = &parameter.path;
    let (what, hint) = match shape.find(path) {
        Ok(Within::Value | Within::Unknown) => return None,
        Ok(_) if parameter.json => return None,
        Ok(Within::List) => (
            format!("`:{path}` is a list, not a single value"),
            format!(
                "let a step `split` make a message of each item, or {}",
                as_json(path)
            ),
        ),
        Ok(object) => {
            let values = shape.fields(object).iter();
            let values = values.filter(|field| field.within == Within::Value);
            let names: Vec<_> = values
                .take(2)
                .map(|field| format!("`:{path}.{}`", field.name))
                .collect();
            let as_field = match names.as_slice() {
                [] => String::new(),
                names => format!("bind a field of it, as {}, or ", names.join(" or ")),
            };
            (
                format!("`:{path}` is an object, not a single value"),
                format!("{as_field}{}", as_json(path)),
            )
        }
        Err(Astray { known, at }) => {
            let known = &path[..known];
            match at {
                Within::List => (
                    format!("`:{path}` leads into the list `:{known}`, whose items have no names"),
                    format!(
                        "let a step `split` make a message of each item, or {}",
                        as_json(known)
                    ),
                ),
                Within::Value if known.is_empty() => (
                    format!(
                        "`:{path}` is no field of `{}`, which is a single value",
                        shape.name
                    ),
                    "let a step `translate` give it a name".to_owned(),
                ),
                Within::Value => (
                    format!("`:{known}` is a single value and has no fields within it"),
                    format!("write `:{known}`"),
                ),
                object => (
                    format!("`:{path}` is no field of `{}`", shape.name),
                    near_fields(path, known, shape.fields(object)),
                ),
            }
        }
    };
    Some(Problem::new(place, what).hint(hint))
}

fn as_json(path: &str) -> String {
    format!("bind it as JSON: `:{path}::jsonb` in PostgreSQL, `json(:{path})` in SQLite")
}

/// The fields that there are where a path goes astray behind `known`.
fn near_fields(path: &str, known: &str, fields: &[Field]) -> String {
    let rest = path[known.len()..].trim_start_matches('.');
    let (name, behind) = rest
        .split_once('.')
        .map_or((rest, ""), |(name, behind)| (name, behind));
    let dot = if known.is_empty() { "" } else { "." };
    let near = nearest(name, fields.iter().map(|field| field.name.as_str()))
        .map(|near| match behind {
            "" => format!("did you mean `:{known}{dot}{near}`? "),
            _ => format!("did you mean `:{known}{dot}{near}.{behind}`? "),
        })
        .unwrap_or_default();
    let mut names: Vec<_> = fields
        .iter()
        .take(MOST_NAMES)
        .map(|field| format!("`{}`", field.name))
        .collect();
    if fields.len() > MOST_NAMES {
        names.push("…".to_owned());
    }
    match (fields, known) {
        ([], "") => "it has no fields".to_owned(),
        ([], _) => format!("`:{known}` has no fields"),
        (_, "") => format!("{near}fields: {}", names.join(", ")),
        _ => format!("{near}fields of `:{known}`: {}", names.join(", ")),
    }
}
