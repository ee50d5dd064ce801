//! Whether a path leads to a value in the messages that arrive.
//!
//! Promises: what is refused here would fail with every message. Not promised: that a message has what it may leave out.

use trunkline_sdk::{Astray, Field, Shape, Within, nearest};

/// The most names that a hint tells.
const MOST_NAMES: usize = 40;

/// What is wrong with where a path leads, and how to mend it; `show` writes a path as its option has it.
pub(crate) fn flaw(path: &str, shape: &Shape, show: fn(&str) -> String) -> Option<(String, String)> {
    let shown = show(path);
    Some(match shape.find(path) {
        Ok(Within::Value | Within::Unknown) => return None,
        Ok(Within::List) => (
            format!("`{shown}` is a list, not a single value"),
            "let a step `split` make a message of each item, or a step `translate` one value of them"
                .to_owned(),
        ),
        Ok(object) => {
            let mut fields = shape.fields(object).iter();
            let value = fields.find(|field| field.within == Within::Value);
            let hint = match value {
                Some(field) => format!(
                    "name a field of it, as `{}`",
                    show(&format!("{path}.{}", field.name))
                ),
                None => "let a step `translate` make one value of it".to_owned(),
            };
            (format!("`{shown}` is an object, not a single value"), hint)
        }
        Err(Astray { known, at }) => match at {
            Within::Value if known > 0 => (
                format!(
                    "`{}` is a single value and has no fields within it",
                    show(&path[..known])
                ),
                format!("write `{}`", show(&path[..known])),
            ),
            Within::List => (
                format!("`{shown}` leads into a list, whose items have no names"),
                "let a step `split` make a message of each item".to_owned(),
            ),
            object => (
                format!("`{shown}` is no field of `{}`", shape.name),
                near(path, known, shape.fields(object), show),
            ),
        },
    })
}

/// The fields that there are where a path goes astray behind what is known.
fn near(path: &str, known: usize, fields: &[Field], show: fn(&str) -> String) -> String {
    let rest = path[known..].trim_start_matches('.');
    let begins = path.len() - rest.len();
    let name = rest.split('.').next().unwrap_or_default();
    let near = nearest(name, fields.iter().map(|field| field.name.as_str()));
    let near = near.map_or(String::new(), |near| {
        let meant = format!("{}{near}{}", &path[..begins], &rest[name.len()..]);
        format!("did you mean `{}`? ", show(&meant))
    });
    let mut names: Vec<_> = fields
        .iter()
        .take(MOST_NAMES)
        .map(|field| format!("`{}`", field.name))
        .collect();
    if fields.len() > MOST_NAMES {
        names.push("…".to_owned());
    }
    match names.is_empty() {
        true => "it has no fields".to_owned(),
        false => format!("{near}fields: {}", names.join(", ")),
    }
}
