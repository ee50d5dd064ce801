//! Whether a place of a template leads to a value in the records that arrive.
//!
//! Promises: what is refused here would fail with every record that is not null there. Not promised: that a record has
//! what it may leave out.

use trunkline_sdk::{Astray, Place, Problem, Shape, Within, nearest};

use crate::template::Slot;

/// The most names that a hint tells.
const MOST_NAMES: usize = 40;

/// What is wrong with where it leads; it stands at `place`.
pub(crate) fn check(slot: &Slot, shape: &Shape, place: &Place) -> Option<Problem> {
    let path = &slot.path;
    let names = |within: &Within| {
        let fields = shape.fields(within);
        let mut names: Vec<_> = fields
            .iter()
            .take(MOST_NAMES)
            .map(|field| format!("`{}`", field.name))
            .collect();
        if fields.len() > MOST_NAMES {
            names.push("…".to_owned());
        }
        names.join(", ")
    };
    let split = "let a step `translate` make one text of it, or a step `split` a message of each item";
    let (what, hint) = match shape.find(path) {
        Ok(Within::Value | Within::Unknown) => return None,
        Ok(Within::List) => (
            format!("`{{{{{path}}}}}` is a list, not a single value"),
            split.to_owned(),
        ),
        Ok(object) => (
            format!("`{{{{{path}}}}}` is an object, not a single value"),
            match names(object) {
                names if names.is_empty() => "name a field of it".to_owned(),
                names => format!("name a field of it: {names}"),
            },
        ),
        Err(Astray { known, at }) => {
            let (known, rest) = path.split_at(known);
            match at {
                Within::List => (
                    format!("`{{{{{path}}}}}` leads into the list `{known}`, whose items have no names"),
                    split.to_owned(),
                ),
                Within::Value => (
                    format!("`{{{{{path}}}}}` leads into `{known}`, which is a single value"),
                    format!("write `{{{{{known}}}}}`"),
                ),
                object => {
                    let rest = rest.trim_start_matches('.');
                    let (name, behind) = rest.split_at(rest.find('.').unwrap_or(rest.len()));
                    let dot = if known.is_empty() { "" } else { "." };
                    let fields = shape.fields(object).iter();
                    let near = nearest(name, fields.map(|field| field.name.as_str()))
                        .map(|near| format!("did you mean `{{{{{known}{dot}{near}{behind}}}}}`? "))
                        .unwrap_or_default();
                    let of = match known {
                        "" => "fields".to_owned(),
                        known => format!("fields of `{known}`"),
                    };
                    (
                        format!("`{{{{{path}}}}}` is no field of `{}`", shape.name),
                        format!("{near}{of}: {}", names(object)),
                    )
                }
            }
        }
    };
    Some(Problem::new(place, what).hint(hint))
}
