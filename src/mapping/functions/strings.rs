//! Functions of texts. Positions count characters, from 0.

use super::{Function, Gives, Takes, unfit};
use crate::mapping::{
    failure::{Budget, Failure},
    value::{Text, Val},
};

type Ran<'a> = Result<Val<'a>, Box<Failure>>;

const TEXT: &[Takes] = &[Takes::Text];
const TEXT_TEXT: &[Takes] = &[Takes::Text, Takes::Text];

pub(super) const FUNCTIONS: &[Function] = &[
    method(
        "contains",
        TEXT_TEXT,
        Gives::Bool,
        "whether the part is found in the text",
        contains,
    ),
    method(
        "startsWith",
        TEXT_TEXT,
        Gives::Bool,
        "whether the text begins with the part",
        starts_with,
    ),
    method(
        "endsWith",
        TEXT_TEXT,
        Gives::Bool,
        "whether the text ends with the part",
        ends_with,
    ),
    method("lowerAscii", TEXT, Gives::Text, "A to Z as a to z", lower),
    method("upperAscii", TEXT, Gives::Text, "a to z as A to Z", upper),
    method(
        "trim",
        TEXT,
        Gives::Text,
        "without white space at both ends",
        trim,
    ),
    method(
        "replace",
        &[Takes::Text, Takes::Text, Takes::Text],
        Gives::Text,
        "every occurrence of the first part as the second",
        replace,
    ),
    method(
        "split",
        TEXT_TEXT,
        Gives::Texts,
        "the parts between the separators",
        split,
    ),
    method(
        "substring",
        &[Takes::Text, Takes::Int],
        Gives::Text,
        "from this position on",
        substring,
    ),
    method(
        "substring",
        &[Takes::Text, Takes::Int, Takes::Int],
        Gives::Text,
        "from the first position up to before the second",
        substring,
    ),
    method(
        "charAt",
        &[Takes::Text, Takes::Int],
        Gives::Text,
        "the character at this position; empty at the end",
        char_at,
    ),
    method(
        "indexOf",
        TEXT_TEXT,
        Gives::Int,
        "the position of the part's first occurrence, or -1",
        index_of,
    ),
];

const fn method(
    name: &'static str,
    takes: &'static [Takes],
    gives: Gives,
    doc: &'static str,
    run: super::Implementation,
) -> Function {
    Function {
        name,
        method: true,
        takes,
        gives,
        doc,
        run,
    }
}

pub(super) fn text<'v, 'a>(value: &'v Val<'a>) -> Result<&'v Text<'a>, Box<Failure>> {
    match value {
        Val::Text(text) => Ok(text),
        other => Err(unfit("text", other).hint("string(..) makes a text of a number")),
    }
}

fn two<'v>(args: &'v [Val<'_>]) -> Result<(&'v str, &'v str), Box<Failure>> {
    Ok((text(&args[0])?.as_str(), text(&args[1])?.as_str()))
}

fn contains<'a>(args: &mut [Val<'a>], budget: &mut Budget) -> Ran<'a> {
    let (text, part) = two(args)?;
    budget.bytes(text.len())?;
    Ok(Val::Bool(text.contains(part)))
}

fn starts_with<'a>(args: &mut [Val<'a>], _: &mut Budget) -> Ran<'a> {
    let (text, part) = two(args)?;
    Ok(Val::Bool(text.starts_with(part)))
}

fn ends_with<'a>(args: &mut [Val<'a>], _: &mut Budget) -> Ran<'a> {
    let (text, part) = two(args)?;
    Ok(Val::Bool(text.ends_with(part)))
}

fn lower<'a>(args: &mut [Val<'a>], budget: &mut Budget) -> Ran<'a> {
    let text = text(&args[0])?.as_str();
    budget.bytes(text.len())?;
    Ok(if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Val::text(text.to_ascii_lowercase())
    } else {
        args[0].clone()
    })
}

fn upper<'a>(args: &mut [Val<'a>], budget: &mut Budget) -> Ran<'a> {
    let text = text(&args[0])?.as_str();
    budget.bytes(text.len())?;
    Ok(if text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        Val::text(text.to_ascii_uppercase())
    } else {
        args[0].clone()
    })
}

fn trim<'a>(args: &mut [Val<'a>], budget: &mut Budget) -> Ran<'a> {
    let text = text(&args[0])?;
    let whole = text.as_str();
    budget.bytes(whole.len())?;
    let start = whole.len() - whole.trim_start().len();
    let end = start + whole.trim().len();
    Ok(Val::Text(text.part(start..end)))
}

fn replace<'a>(args: &mut [Val<'a>], budget: &mut Budget) -> Ran<'a> {
    let (whole, from) = two(args)?;
    let to = text(&args[2])?.as_str();
    // What it will be long: an empty part is found between all characters.
    let found = if to.len() > from.len() {
        whole.matches(from).count()
    } else {
        0
    };
    budget.bytes(whole.len().saturating_add(found.saturating_mul(to.len())))?;
    Ok(if whole.contains(from) {
        Val::text(whole.replace(from, to))
    } else {
        args[0].clone()
    })
}

fn split<'a>(args: &mut [Val<'a>], budget: &mut Budget) -> Ran<'a> {
    let (whole, separator) = two(args)?;
    let text = text(&args[0])?;
    budget.bytes(whole.len())?;
    let mut parts = Vec::new();
    if separator.is_empty() {
        budget.steps(whole.len())?;
        for (start, letter) in whole.char_indices() {
            parts.push(Val::Text(text.part(start..start + letter.len_utf8())));
        }
    } else {
        let mut start = 0;
        for (at, found) in whole.match_indices(separator) {
            budget.steps(1)?;
            parts.push(Val::Text(text.part(start..at)));
            start = at + found.len();
        }
        parts.push(Val::Text(text.part(start..whole.len())));
    }
    Ok(Val::list(parts))
}

/// The byte at which the character of this position begins; the end is a position too.
fn byte_of(text: &str, position: &Val<'_>) -> Result<usize, Box<Failure>> {
    let position = super::convert::integer(position)?;
    let wanted = usize::try_from(position).ok();
    text.char_indices()
        .map(|(at, _)| at)
        .chain([text.len()])
        .nth(wanted.unwrap_or(usize::MAX))
        .ok_or_else(|| Failure::new("the position lies outside the text"))
}

fn substring<'a>(args: &mut [Val<'a>], budget: &mut Budget) -> Ran<'a> {
    let text = text(&args[0])?;
    let whole = text.as_str();
    budget.bytes(whole.len())?;
    let start = byte_of(whole, &args[1])?;
    let end = match args.get(2) {
        Some(end) => byte_of(whole, end)?,
        None => whole.len(),
    };
    if start > end {
        return Err(Failure::new("the end of the part lies before its start"));
    }
    Ok(Val::Text(text.part(start..end)))
}

fn char_at<'a>(args: &mut [Val<'a>], budget: &mut Budget) -> Ran<'a> {
    let text = text(&args[0])?;
    let whole = text.as_str();
    budget.bytes(whole.len())?;
    let start = byte_of(whole, &args[1])?;
    let length = whole[start..].chars().next().map_or(0, char::len_utf8);
    Ok(Val::Text(text.part(start..start + length)))
}

fn index_of<'a>(args: &mut [Val<'a>], budget: &mut Budget) -> Ran<'a> {
    let (whole, part) = two(args)?;
    budget.bytes(whole.len())?;
    Ok(Val::Int(match whole.find(part) {
        Some(at) => i64::try_from(whole[..at].chars().count()).unwrap_or(i64::MAX),
        None => -1,
    }))
}
