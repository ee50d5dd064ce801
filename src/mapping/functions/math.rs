//! `math`: numbers to numbers. Bits are those of int and uint; what does not fit is a fault.

use std::cmp::Ordering;

use super::{
    Decimal, Function, Gives, Number, Takes, compare_numbers, convert::double_of, decimal::Rounding, unfit,
};
use crate::mapping::{
    failure::{Budget, Failure},
    operators::negate,
    parts::items,
    value::{Text, Val},
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
        DOUBLE,
        Gives::First,
        "the next whole number above, as double; of a record's number exactly",
        |args, _| rounded(args, f64::ceil, Rounding::Up),
    ),
    function(
        "math.floor",
        DOUBLE,
        Gives::First,
        "the next whole number below, as double; of a record's number exactly",
        |args, _| rounded(args, f64::floor, Rounding::Down),
    ),
    function(
        "math.round",
        DOUBLE,
        Gives::First,
        "the nearest whole number as double, halves away from 0; of a record's number exactly",
        |args, _| rounded(args, f64::round, Rounding::Half),
    ),
    function(
        "math.trunc",
        DOUBLE,
        Gives::First,
        "the number without what stands behind its point, as double; of a record's number exactly",
        |args, _| rounded(args, f64::trunc, Rounding::Cut),
    ),
    function(
        "math.sqrt",
        NUMBER,
        Gives::Double,
        "the square root; NaN of a negative number",
        |args, _| double_of(&args[0]).map(|number| Val::Double(number.sqrt())),
    ),
    function(
        "math.isNaN",
        DOUBLE,
        Gives::Bool,
        "whether a double is no number",
        |args, _| asked(&args[0], f64::is_nan, false),
    ),
    function(
        "math.isInf",
        DOUBLE,
        Gives::Bool,
        "whether a double is infinite",
        |args, _| asked(&args[0], f64::is_infinite, false),
    ),
    function(
        "math.isFinite",
        DOUBLE,
        Gives::Bool,
        "whether a double is neither infinite nor NaN",
        |args, _| asked(&args[0], f64::is_finite, true),
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
    function("math.bitNot", INT, Gives::First, "every bit turned", |args, _| {
        Ok(match whole(&args[0])? {
            Bits::Uint(number) => Val::Uint(!number),
            Bits::Int(number) => Val::Int(!number),
        })
    }),
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

/// A whole number of 64 bits.
#[derive(Clone, Copy)]
enum Bits {
    Int(i64),
    Uint(u64),
}

impl Bits {
    fn bits(self) -> u64 {
        match self {
            Self::Int(number) => number as u64,
            Self::Uint(number) => number,
        }
    }
}

fn number<'v>(value: &'v Val<'_>) -> Result<Number<'v>, Box<Failure>> {
    Number::of(value).ok_or_else(|| unfit("number", value))
}

fn no_double(value: &Val<'_>) -> Box<Failure> {
    unfit("double", value).hint("double(..) makes one of a whole number")
}

/// A number of a record is finite, however large.
fn asked<'a>(value: &Val<'a>, ask: fn(f64) -> bool, of_records: bool) -> Ran<'a> {
    match value {
        Val::Double(number) => Ok(Val::Bool(ask(*number))),
        Val::Number(_) => number(value).map(|_| Val::Bool(of_records)),
        other => Err(no_double(other)),
    }
}

fn whole(value: &Val<'_>) -> Result<Bits, Box<Failure>> {
    match value {
        Val::Double(_) => None,
        value => number(value)?.as_integer(),
    }
    .and_then(|whole| match (i64::try_from(whole), value) {
        (_, Val::Uint(number)) => Some(Bits::Uint(*number)),
        (Ok(number), _) => Some(Bits::Int(number)),
        (Err(_), _) => u64::try_from(whole).ok().map(Bits::Uint),
    })
    .ok_or_else(|| unfit("whole number", value))
}

fn extreme<'a>(args: &mut [Val<'a>], budget: &mut Budget, wanted: Ordering) -> Ran<'a> {
    let mut found: Option<Val<'a>> = None;
    for item in items(&args[0], budget)? {
        let better = match &found {
            None => number(&item).map(|_| true)?,
            Some(best) => compare_numbers(number(&item)?, number(best)?) == Some(wanted),
        };
        if better {
            found = Some(item);
        }
    }
    found.ok_or_else(|| Failure::new("there is no number in an empty list"))
}

fn greatest<'a>(args: &mut [Val<'a>], budget: &mut Budget) -> Ran<'a> {
    extreme(args, budget, Ordering::Greater)
}

fn least<'a>(args: &mut [Val<'a>], budget: &mut Budget) -> Ran<'a> {
    extreme(args, budget, Ordering::Less)
}

fn abs<'a>(args: &mut [Val<'a>], _: &mut Budget) -> Ran<'a> {
    Ok(match &args[0] {
        Val::Int(number) => Val::Int(
            number
                .checked_abs()
                .ok_or_else(|| Failure::new("the number does not fit int without its sign"))?,
        ),
        Val::Uint(number) => Val::Uint(*number),
        Val::Double(number) => Val::Double(number.abs()),
        value => match number(value)? {
            Number::Decimal(digits) if digits.is_negative() => negate(value)?,
            _ => value.clone(),
        },
    })
}

fn sign<'a>(args: &mut [Val<'a>], _: &mut Budget) -> Ran<'a> {
    Ok(match number(&args[0])? {
        Number::Int(number) => Val::Int(number.signum()),
        Number::Uint(number) => Val::Uint(u64::from(number > 0)),
        Number::Double(number) if number == 0.0 || number.is_nan() => Val::Double(number),
        Number::Double(number) => Val::Double(number.signum()),
        Number::Decimal(digits) => {
            Val::Number(Text::Borrowed(match (digits.is_zero(), digits.is_negative()) {
                (true, _) => "0",
                (false, true) => "-1",
                (false, false) => "1",
            }))
        }
    })
}

fn rounded<'a>(args: &[Val<'a>], round: fn(f64) -> f64, how: Rounding) -> Ran<'a> {
    match &args[0] {
        Val::Double(number) => Ok(Val::Double(round(*number))),
        value @ Val::Number(_) => Decimal::of(number(value)?)
            .and_then(|number| number.rounded(0, how))
            .map(|number| Val::number(number.to_text()))
            .ok_or_else(|| Failure::new("the number has more than 38 digits")),
        other => Err(no_double(other)),
    }
}

fn bits<'a>(args: &[Val<'a>], combine: fn(u64, u64) -> u64) -> Ran<'a> {
    let (one, two) = (whole(&args[0])?, whole(&args[1])?);
    let bits = combine(one.bits(), two.bits());
    Ok(match (one, two) {
        (Bits::Uint(_), Bits::Uint(_)) => Val::Uint(bits),
        (Bits::Int(_), Bits::Int(_)) => Val::Int(bits as i64),
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
        Bits::Uint(_) => Val::Uint(bits),
        Bits::Int(_) => Val::Int(bits as i64),
    })
}
