//! Functions of lists and maps.

use super::{Function, Gives, Number, Takes, strings::text, unfit};
use crate::mapping::{
    failure::{Budget, Failure},
    operators::{arithmetic, equal},
    parts::{items, size_of},
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
        reverse,
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

fn reverse<'a>(args: &mut [Val<'a>], budget: &mut Budget) -> Ran<'a> {
    let mut all = items(&args[0], budget)?;
    all.reverse();
    Ok(Val::list(all))
}
