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
        "replace",
        &[Takes::Text, Takes::Text, Takes::Text, Takes::Int],
        Gives::Text,
        "the first so many occurrences of the first part as the second; all of a negative number",
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
        "split",
        &[Takes::Text, Takes::Text, Takes::Int],
        Gives::Texts,
        "at most so many parts, the last with what is left; all of a negative number",
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
    method(
        "indexOf",
        &[Takes::Text, Takes::Text, Takes::Int],
        Gives::Int,
        "the same, from a position on",
        index_of,
    ),
    method(
        "lastIndexOf",
        TEXT_TEXT,
        Gives::Int,
        "the position of the part's last occurrence, or -1",
        last_index_of,
    ),
    method(
        "lastIndexOf",
        &[Takes::Text, Takes::Text, Takes::Int],
        Gives::Int,
        "the same, at a position or before it",
        last_index_of,
    ),
    method(
        "reverse",
        TEXT,
        Gives::Text,
        "the characters from last to first",
        reverse,
    ),
    method(
        "format",
        &[Takes::Text, Takes::List],
        Gives::Text,
        "the text with its clauses (%s, %d, %.2f, %e, %x, %o, %b) filled from the list",
        super::format::format,
    ),
    Function {
        name: "strings.quote",
        method: false,
        takes: TEXT,
        gives: Gives::Text,
        doc: "the text between quotes, what is special in it escaped",
        run: super::format::quote,
    },
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
    let most = limit(args.get(3))?;
    // What it will be long: an empty part is found between all characters.
    let found = if to.len() > from.len() {
        whole.matches(from).take(most).count()
    } else {
        0
    };
    budget.bytes(whole.len().saturating_add(found.saturating_mul(to.len())))?;
    Ok(if most > 0 && whole.contains(from) {
        Val::text(whole.replacen(from, to, most))
    } else {
        args[0].clone()
    })
}

/// How many times at most; a negative number or none: as often as there is something.
fn limit(given: Option<&Val<'_>>) -> Result<usize, Box<Failure>> {
    Ok(match given {
        Some(given) => usize::try_from(super::convert::integer(given)?).unwrap_or(usize::MAX),
        None => usize::MAX,
    })
}

fn split<'a>(args: &mut [Val<'a>], budget: &mut Budget) -> Ran<'a> {
    let (whole, separator) = two(args)?;
    let text = text(&args[0])?;
    budget.bytes(whole.len())?;
    let most = limit(args.get(2))?;
    let mut parts = Vec::new();
    if most == 0 {
        return Ok(Val::list(parts));
    }
    if separator.is_empty() {
        budget.steps(whole.len())?;
        for (start, letter) in whole.char_indices() {
            if parts.len() + 1 == most {
                parts.push(Val::Text(text.part(start..whole.len())));
                break;
            }
            parts.push(Val::Text(text.part(start..start + letter.len_utf8())));
        }
    } else {
        let mut start = 0;
        for (at, found) in whole.match_indices(separator) {
            if parts.len() + 1 == most {
                break;
            }
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

fn position(text: &str, byte: usize) -> i64 {
    i64::try_from(text[..byte].chars().count()).unwrap_or(i64::MAX)
}

fn index_of<'a>(args: &mut [Val<'a>], budget: &mut Budget) -> Ran<'a> {
    let (whole, part) = two(args)?;
    budget.bytes(whole.len())?;
    let from = match args.get(2) {
        Some(from) => byte_of(whole, from)?,
        None => 0,
    };
    Ok(Val::Int(match whole[from..].find(part) {
        Some(at) => position(whole, from + at),
        None => -1,
    }))
}

fn last_index_of<'a>(args: &mut [Val<'a>], budget: &mut Budget) -> Ran<'a> {
    let (whole, part) = two(args)?;
    budget.bytes(whole.len())?;
    let end = match args.get(2) {
        Some(last) => byte_of(whole, last)?.saturating_add(part.len()),
        None => whole.len(),
    };
    // A part that begins at the position may reach behind it.
    let mut end = end.min(whole.len());
    while !whole.is_char_boundary(end) {
        end -= 1;
    }
    Ok(Val::Int(match whole[..end].rfind(part) {
        Some(at) => position(whole, at),
        None => -1,
    }))
}

fn reverse<'a>(args: &mut [Val<'a>], budget: &mut Budget) -> Ran<'a> {
    match &args[0] {
        Val::Text(text) => {
            budget.bytes(text.as_str().len())?;
            Ok(Val::text(text.as_str().chars().rev().collect()))
        }
        list => super::lists::reverse(list, budget),
    }
}
