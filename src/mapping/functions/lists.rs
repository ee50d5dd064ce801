//! Functions of lists and maps.

use super::{Function, Gives, Number, Takes, strings::text, unfit};
use crate::mapping::{
    failure::{Budget, Failure},
    operators::{arithmetic, equal, is_list, sort},
    parts::{contains, items, size_of},
    syntax::BinaryOp,
    value::Val,
};

type Ran<'a> = Result<Val<'a>, Box<Failure>>;

pub(super) const FUNCTIONS: &[Function] = &[
    size(false, &[Takes::Text]),
    size(false, &[Takes::Bytes]),
    size(false, &[Takes::Container]),
    size(true, &[Takes::Text]),
    size(true, &[Takes::Bytes]),
    size(true, &[Takes::Container]),
    method(
        "sum",
        &[Takes::List],
        Gives::Element,
        "all items added; 0 of none",
        sum,
    ),
    method(
        "join",
        &[Takes::List],
        Gives::Text,
        "the texts one behind the other",
        join,
    ),
    method(
        "join",
        &[Takes::List, Takes::Text],
        Gives::Text,
        "the texts with the separator between",
        join,
    ),
    method(
        "distinct",
        &[Takes::List],
        Gives::First,
        "each item once, where it comes first",
        distinct,
    ),
    method(
        "reverse",
        &[Takes::List],
        Gives::First,
        "the items from last to first",
        |args, budget| reverse(&args[0], budget),
    ),
    method(
        "sort",
        &[Takes::List],
        Gives::First,
        "the items in their order: numbers, texts, timestamps, durations",
        sorted,
    ),
    method(
        "slice",
        &[Takes::List, Takes::Int, Takes::Int],
        Gives::First,
        "the items from the first place up to before the second",
        slice,
    ),
    method(
        "flatten",
        &[Takes::List],
        Gives::Inner,
        "the items of its items, one behind the other",
        flatten,
    ),
    method(
        "flatten",
        &[Takes::List, Takes::Int],
        Gives::Any,
        "the same, so many levels deep",
        flatten,
    ),
    method(
        "first",
        &[Takes::List],
        Gives::OptionalElement,
        "an optional: the first item, if there is one",
        |args, budget| Ok(items(&args[0], budget)?.into_iter().next().unwrap_or(Val::Absent)),
    ),
    method(
        "last",
        &[Takes::List],
        Gives::OptionalElement,
        "an optional: the last item, if there is one",
        |args, budget| Ok(items(&args[0], budget)?.pop().unwrap_or(Val::Absent)),
    ),
    function(
        "lists.range",
        &[Takes::Int],
        Gives::Ints,
        "the whole numbers from 0 up to before this one",
        range,
    ),
    function(
        "sets.contains",
        &[Takes::List, Takes::List],
        Gives::Bool,
        "whether the first list has every item of the second",
        |args, budget| contains_all(&args[0], &args[1], budget).map(Val::Bool),
    ),
    function(
        "sets.equivalent",
        &[Takes::List, Takes::List],
        Gives::Bool,
        "whether both lists have the same items, however often and in whatever order",
        |args, budget| {
            let there = contains_all(&args[0], &args[1], budget)?;
            Ok(Val::Bool(there && contains_all(&args[1], &args[0], budget)?))
        },
    ),
    function(
        "sets.intersects",
        &[Takes::List, Takes::List],
        Gives::Bool,
        "whether the lists have an item in common",
        |args, budget| {
            for item in items(&args[0], budget)? {
                if contains(&item, &args[1], budget)? {
                    return Ok(Val::Bool(true));
                }
            }
            Ok(Val::Bool(false))
        },
    ),
];

const fn size(method: bool, takes: &'static [Takes]) -> Function {
    Function {
        name: "size",
        method,
        takes,
        gives: Gives::Int,
        doc: "how many characters, bytes, items or entries",
        run: |args, budget| size_of(&args[0], budget).map(Val::Int),
    }
}

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

const fn function(
    name: &'static str,
    takes: &'static [Takes],
    gives: Gives,
    doc: &'static str,
    run: super::Implementation,
) -> Function {
    Function {
        method: false,
        ..method(name, takes, gives, doc, run)
    }
}

fn sum<'a>(args: &mut [Val<'a>], budget: &mut Budget) -> Ran<'a> {
    let mut total: Option<Val<'a>> = None;
    for item in items(&args[0], budget)? {
        if Number::of(&item).is_none() && !matches!(item, Val::Duration(_)) {
            return Err(unfit("number", &item));
        }
        total = Some(match total {
            None => item,
            Some(total) => arithmetic(BinaryOp::Add, total, item, budget)?,
        });
    }
    Ok(total.unwrap_or(Val::Int(0)))
}

fn join<'a>(args: &mut [Val<'a>], budget: &mut Budget) -> Ran<'a> {
    let separator = match args.get(1) {
        Some(separator) => text(separator)?.as_str().to_owned(),
        None => String::new(),
    };
    let mut joined = String::new();
    for (at, item) in items(&args[0], budget)?.iter().enumerate() {
        if at > 0 {
            joined.push_str(&separator);
        }
        let part = text(item)?.as_str();
        budget.bytes(part.len() + separator.len())?;
        joined.push_str(part);
    }
    Ok(Val::text(joined))
}

fn distinct<'a>(args: &mut [Val<'a>], budget: &mut Budget) -> Ran<'a> {
    let mut kept: Vec<Val<'a>> = Vec::new();
    for item in items(&args[0], budget)? {
        budget.steps(kept.len())?;
        let mut known = false;
        for earlier in &kept {
            known = known || equal(earlier, &item, budget)?;
        }
        if !known {
            kept.push(item);
        }
    }
    Ok(Val::list(kept))
}

pub(super) fn reverse<'a>(list: &Val<'a>, budget: &mut Budget) -> Ran<'a> {
    let mut all = items(list, budget)?;
    all.reverse();
    Ok(Val::list(all))
}

fn slice<'a>(args: &mut [Val<'a>], budget: &mut Budget) -> Ran<'a> {
    let all = items(&args[0], budget)?;
    let (start, end) = (place(&args[1], all.len())?, place(&args[2], all.len())?);
    if start > end {
        return Err(Failure::new("the end of the part lies before its start"));
    }
    Ok(Val::list(all[start..end].to_vec()))
}

/// A place in a list; its end is one too.
fn place(given: &Val<'_>, length: usize) -> Result<usize, Box<Failure>> {
    usize::try_from(super::convert::integer(given)?)
        .ok()
        .filter(|place| *place <= length)
        .ok_or_else(|| Failure::new("the place lies outside the list"))
}

fn flatten<'a>(args: &mut [Val<'a>], budget: &mut Budget) -> Ran<'a> {
    let depth = match args.get(1) {
        Some(depth) => super::convert::integer(depth)?,
        None => 1,
    };
    let depth =
        usize::try_from(depth).map_err(|_| Failure::new("a list is flattened by 0 levels or more"))?;
    let mut flat = items(&args[0], budget)?;
    for _ in 0..depth.min(100) {
        let (mut next, mut deeper) = (Vec::with_capacity(flat.len()), false);
        for item in flat {
            if is_list(&item) {
                deeper = true;
                next.extend(items(&item, budget)?);
            } else {
                next.push(item);
            }
        }
        flat = next;
        if !deeper {
            break;
        }
    }
    Ok(Val::list(flat))
}

fn sorted<'a>(args: &mut [Val<'a>], budget: &mut Budget) -> Ran<'a> {
    let all = items(&args[0], budget)?;
    sort(all.clone(), all, budget)
}

/// The numbers from 0 up to before this one.
fn range<'a>(args: &mut [Val<'a>], budget: &mut Budget) -> Ran<'a> {
    let end = super::convert::integer(&args[0])?;
    budget.steps(usize::try_from(end).unwrap_or(0))?;
    Ok(Val::list((0..end).map(Val::Int).collect()))
}

fn contains_all<'a>(whole: &Val<'a>, part: &Val<'a>, budget: &mut Budget) -> Result<bool, Box<Failure>> {
    for item in items(part, budget)? {
        if !contains(&item, whole, budget)? {
            return Ok(false);
        }
    }
    Ok(true)
}
