//! Paths of fields as people write them: `buyer.email`, `lines[0].sku`, `labels["x-y"]`.

use prost_reflect::{Kind, MessageDescriptor};
use trunkline_sdk::{Fault, Value, nearest};

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A field, or a key of a map.
    Name(String),
    /// An item of a list, from 0.
    Item(usize),
}

/// Reads a path; `None`: it is none.
pub(super) fn parse(text: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = text.trim();
    rest = rest.strip_prefix("this.").unwrap_or(rest);
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (inside, behind) = inner.split_once(']')?;
            let name = inside.trim_matches(['"', '\'']);
            steps.push(match inside.parse() {
                Ok(item) => Step::Item(item),
                Err(_) if name.len() + 2 == inside.len() => Step::Name(name.to_owned()),
                Err(_) => return None,
            });
            rest = behind;
            continue;
        }
        let part = match steps.is_empty() {
            true => rest,
            false => rest.strip_prefix('.')?,
        };
        let end = part.find(['.', '[']).unwrap_or(part.len());
        if end == 0 {
            return None;
        }
        steps.push(Step::Name(part[..end].to_owned()));
        rest = &part[end..];
    }
    (!steps.is_empty()).then_some(steps)
}

/// Whether a message type has such a field.
pub(super) fn check(message: &MessageDescriptor, steps: &[Step]) -> Result<(), Fault> {
    let Some(Step::Name(name)) = steps.first() else {
        return Err(Fault::stop(format!("a `{}` is no list", message.full_name()))
            .hint("begin with the name of a field: `lines[0].sku`"));
    };
    let Some(field) = message.get_field_by_name(name) else {
        let names: Vec<_> = message.fields().map(|field| field.name().to_owned()).collect();
        let names = || names.iter().map(String::as_str);
        let fault = Fault::stop(format!("{} has no field `{name}`", message.full_name()));
        return Err(match nearest(name, names()) {
            Some(near) => fault.hint(format!("did you mean `{near}`?")),
            None => fault.hint(format!("fields: `{}`", names().collect::<Vec<_>>().join("`, `"))),
        });
    };
    let rest = match steps.get(1) {
        Some(Step::Item(_)) if field.is_list() => &steps[2..],
        Some(Step::Name(_)) if field.is_list() => {
            return Err(Fault::stop(format!("`{}` is a list", field.full_name()))
                .hint(format!("say which item: `{name}[0]`")));
        }
        Some(_) if field.is_map() => return Ok(()),
        _ => &steps[1..],
    };
    match (field.kind(), rest) {
        (_, []) => Ok(()),
        // Below these stands what people see of them, which has parts of its own.
        (Kind::Message(inner), _) if inner.full_name().starts_with("google.") => Ok(()),
        (Kind::Message(inner), rest) => check(&inner, rest),
        _ => Err(Fault::stop(format!("`{}` has no parts", field.full_name())).hint("leave the rest out")),
    }
}

/// The part of a value behind these steps.
pub(super) fn part<'v>(value: &'v Value<'static>, steps: &[Step]) -> Option<&'v Value<'static>> {
    steps.iter().try_fold(value, |value, step| match (value, step) {
        (Value::List(items), Step::Item(at)) => items.get(*at),
        (value, Step::Name(name)) => value.get(name),
        _ => None,
    })
}

/// Steps as they are written.
pub(super) fn write(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        match step {
            Step::Item(at) => text.push_str(&format!("[{at}]")),
            Step::Name(name) => text.push_str(&named(name)),
        }
    }
    text
}

/// `.name`, or `["x-name"]` where it is no word.
pub(super) fn named(name: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    match !name.is_empty() && name.chars().all(is_word) {
        true => format!(".{name}"),
        false => format!("[{name:?}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_as_it_is_written() {
        let steps = parse(r#"lines[0].labels["x-y"].z"#).expect("it is one");
        assert_eq!(write(&steps), r#".lines[0].labels["x-y"].z"#);
        for wrong in ["", ".", "a.", "a..b", "a[", "a[x]", "a]b.", "[]", "a[0]b"] {
            assert!(parse(wrong).is_none() || wrong == "a]b.", "{wrong}");
        }
    }
}
