//! `math`: numbers to numbers. Bits are those of int and uint; what does not fit is a fault.

use std::cmp::Ordering;

use super::{Function, Gives, Number, Takes, compare_numbers, unfit};
use crate::mapping::{
    failure::{Budget, Failure},
    parts::items,
    value::Val,
};

type Ran<'a> = Result<Val<'a>, Box<Failure>>;

const NUMBER: &[Takes] = &[Takes::Number];
const DOUBLE: &[Takes] = &[Takes::Double];
const INT: &[Takes] = &[Takes::Int];
const INT_INT: &[Takes] = &[Takes::Int, Takes::Int];

pub(super) const FUNCTIONS: &[Function] = &[
    function(
        "math.greatest",
        &[Takes::List],
        Gives::Element,
        "the greatest of a list of numbers, or of its arguments",
        greatest,
    ),
    function(
        "math.least",
        &[Takes::List],
        Gives::Element,
        "the least of a list of numbers, or of its arguments",
        least,
    ),
    function("math.abs", NUMBER, Gives::First, "without its sign", abs),
    function(
        "math.sign",
        NUMBER,
        Gives::First,
        "-1, 0 or 1, as its sign is",
        sign,
    ),
    function(
        "math.ceil",
        NUMBER,
        Gives::Double,
        "the next whole number above, as double",
        |args, _| rounded(args, f64::ceil),
    ),
    function(
        "math.floor",
        NUMBER,
        Gives::Double,
        "the next whole number below, as double",
        |args, _| rounded(args, f64::floor),
    ),
    function(
        "math.round",
        NUMBER,
        Gives::Double,
        "the nearest whole number as double, halves away from 0",
        |args, _| rounded(args, f64::round),
    ),
    function(
        "math.trunc",
        NUMBER,
        Gives::Double,
        "the number without what stands behind its point, as double",
        |args, _| rounded(args, f64::trunc),
    ),
    function(
        "math.sqrt",
        NUMBER,
        Gives::Double,
        "the square root; NaN of a negative number",
        |args, _| Ok(Val::Double(number(&args[0])?.as_double().sqrt())),
    ),
    function(
        "math.isNaN",
        DOUBLE,
        Gives::Bool,
        "whether a double is no number",
        |args, _| double(&args[0]).map(|number| Val::Bool(number.is_nan())),
    ),
    function(
        "math.isInf",
        DOUBLE,
        Gives::Bool,
        "whether a double is infinite",
        |args, _| double(&args[0]).map(|number| Val::Bool(number.is_infinite())),
    ),
    function(
        "math.isFinite",
        DOUBLE,
        Gives::Bool,
        "whether a double is neither infinite nor NaN",
        |args, _| double(&args[0]).map(|number| Val::Bool(number.is_finite())),
    ),
    function(
        "math.bitAnd",
        INT_INT,
        Gives::First,
        "the bits that both have",
        |args, _| bits(args, |one, two| one & two),
    ),
    function(
        "math.bitOr",
        INT_INT,
        Gives::First,
        "the bits that one of the two has",
        |args, _| bits(args, |one, two| one | two),
    ),
    function(
        "math.bitXor",
        INT_INT,
        Gives::First,
        "the bits that just one of the two has",
        |args, _| bits(args, |one, two| one ^ two),
    ),
    function(
        "math.bitNot",
        INT,
        Gives::First,
        "every bit turned",
        |args, _| match whole(&args[0])? {
            Number::Uint(number) => Ok(Val::Uint(!number)),
            other => Ok(Val::Int(!(other.bits() as i64))),
        },
    ),
    function(
        "math.bitShiftLeft",
        INT_INT,
        Gives::First,
        "the bits moved up; 0 from 64 on",
        |args, _| shifted(args, u64::checked_shl),
    ),
    function(
        "math.bitShiftRight",
        INT_INT,
        Gives::First,
        "the bits moved down, filled with 0; 0 from 64 on",
        |args, _| shifted(args, u64::checked_shr),
    ),
];

const fn function(
    name: &'static str,
    takes: &'static [Takes],
    gives: Gives,
    doc: &'static str,
    run: super::Implementation,
) -> Function {
    Function {
        name,
        method: false,
        takes,
        gives,
        doc,
        run,
    }
}

impl Number {
    fn bits(self) -> u64 {
        match self {
            Self::Int(number) => number as u64,
            Self::Uint(number) => number,
            Self::Double(number) => number as u64,
        }
    }
}

fn number(value: &Val<'_>) -> Result<Number, Box<Failure>> {
    Number::of(value).ok_or_else(|| unfit("number", value))
}

/// A double: one of the language, or a record's number, of which nobody knows.
fn double(value: &Val<'_>) -> Result<f64, Box<Failure>> {
    match value {
        Val::Double(number) => Ok(*number),
        Val::Number(_) => number(value).map(Number::as_double),
        other => Err(unfit("double", other).hint("double(..) makes one of a whole number")),
    }
}

fn whole(value: &Val<'_>) -> Result<Number, Box<Failure>> {
    match number(value)? {
        Number::Double(_) => Err(unfit("whole number", value)),
        whole => Ok(whole),
    }
}

fn value<'a>(number: Number) -> Val<'a> {
    match number {
        Number::Int(number) => Val::Int(number),
        Number::Uint(number) => Val::Uint(number),
        Number::Double(number) => Val::Double(number),
    }
}

fn extreme<'a>(args: &mut [Val<'a>], budget: &mut Budget, wanted: Ordering) -> Ran<'a> {
    let mut found: Option<(Number, Val<'a>)> = None;
    for item in items(&args[0], budget)? {
        let next = number(&item)?;
        let better = match &found {
            None => true,
            Some((best, _)) => compare_numbers(next, *best) == Some(wanted),
        };
        if better {
            found = Some((next, item));
        }
    }
    match found {
        Some((_, item)) => Ok(item),
        None => Err(Failure::new("there is no number in an empty list")),
    }
}

fn greatest<'a>(args: &mut [Val<'a>], budget: &mut Budget) -> Ran<'a> {
    extreme(args, budget, Ordering::Greater)
}

fn least<'a>(args: &mut [Val<'a>], budget: &mut Budget) -> Ran<'a> {
    extreme(args, budget, Ordering::Less)
}

fn abs<'a>(args: &mut [Val<'a>], _: &mut Budget) -> Ran<'a> {
    Ok(value(match number(&args[0])? {
        Number::Int(number) => Number::Int(
            number
                .checked_abs()
                .ok_or_else(|| Failure::new("the number does not fit int without its sign"))?,
        ),
        Number::Double(number) => Number::Double(number.abs()),
        unsigned => unsigned,
    }))
}

fn sign<'a>(args: &mut [Val<'a>], _: &mut Budget) -> Ran<'a> {
    Ok(value(match number(&args[0])? {
        Number::Int(number) => Number::Int(number.signum()),
        Number::Uint(number) => Number::Uint(u64::from(number > 0)),
        Number::Double(number) if number == 0.0 || number.is_nan() => Number::Double(number),
        Number::Double(number) => Number::Double(number.signum()),
    }))
}

fn rounded<'a>(args: &[Val<'a>], round: fn(f64) -> f64) -> Ran<'a> {
    double(&args[0]).map(|number| Val::Double(round(number)))
}

fn bits<'a>(args: &[Val<'a>], combine: fn(u64, u64) -> u64) -> Ran<'a> {
    let (one, two) = (whole(&args[0])?, whole(&args[1])?);
    let bits = combine(one.bits(), two.bits());
    Ok(match (one, two) {
        (Number::Uint(_), Number::Uint(_)) => Val::Uint(bits),
        (Number::Int(_), Number::Int(_)) => Val::Int(bits as i64),
        _ => return Err(Failure::new("the bits of int and uint do not mix").hint("int(..) or uint(..)")),
    })
}

fn shifted<'a>(args: &[Val<'a>], shift: fn(u64, u32) -> Option<u64>) -> Ran<'a> {
    let by = super::convert::integer(&args[1])?;
    if by < 0 {
        return Err(Failure::new("bits cannot be moved by a negative number"));
    }
    let by = u32::try_from(by).unwrap_or(u32::MAX);
    let number = whole(&args[0])?;
    let bits = shift(number.bits(), by).unwrap_or(0);
    Ok(match number {
        Number::Uint(_) => Val::Uint(bits),
        _ => Val::Int(bits as i64),
    })
}
