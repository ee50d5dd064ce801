//! Conversions, always written out: nothing is converted behind the back of who wrote the mapping.

use super::{Function, Gives, Number, Takes, digits_to_integer, unfit};
use crate::{
    canonical::time::{Instant, Span},
    mapping::{
        failure::{Budget, Failure},
        value::{Blob, Text, Val},
    },
};

pub(super) const FUNCTIONS: &[Function] = &[
    convert(
        "string",
        &[Takes::OneOf(&[
            Takes::Text,
            Takes::Number,
            Takes::Bool,
            Takes::Bytes,
            Takes::Timestamp,
            Takes::Duration,
        ])],
        Gives::Text,
        "as text; a record's number keeps its digits, an enum gives its word",
        to_text,
    ),
    convert(
        "int",
        &[Takes::OneOf(&[Takes::Number, Takes::Text, Takes::Timestamp])],
        Gives::Int,
        "as int: of a number its whole part, of a decimal text, of a timestamp its seconds, of an enum its number",
        to_int,
    ),
    convert(
        "uint",
        NUMBER_OR_TEXT,
        Gives::Uint,
        "as uint: of a number its whole part, of a decimal text",
        to_uint,
    ),
    convert(
        "double",
        NUMBER_OR_TEXT,
        Gives::Double,
        "as double, of a number or a decimal text",
        to_double,
    ),
    convert(
        "bool",
        &[Takes::OneOf(&[Takes::Bool, Takes::Text])],
        Gives::Bool,
        "as bool: of `true`, `false` and their texts",
        to_bool,
    ),
    convert(
        "bytes",
        &[Takes::OneOf(&[Takes::Text, Takes::Bytes])],
        Gives::Bytes,
        "the text's UTF-8 bytes",
        to_bytes,
    ),
];

const NUMBER_OR_TEXT: &[Takes] = &[Takes::OneOf(&[Takes::Number, Takes::Text])];

const fn convert(
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

pub(super) fn to_text<'a>(args: &mut [Val<'a>], budget: &mut Budget) -> Result<Val<'a>, Box<Failure>> {
    Ok(match &args[0] {
        Val::Text(_) => args[0].clone(),
        Val::Number(digits) => Val::Text(digits.clone()),
        Val::Bool(true) => Val::Text(Text::Borrowed("true")),
        Val::Bool(false) => Val::Text(Text::Borrowed("false")),
        Val::Int(number) => Val::text(number.to_string()),
        Val::Uint(number) => Val::text(number.to_string()),
        Val::Double(number) => Val::text(super::format::double(*number)),
        Val::Type(name) => Val::text(name.as_str().to_owned()),
        Val::Timestamp(instant) => Val::text(
            instant
                .to_text()
                .ok_or_else(|| Failure::new("the timestamp lies outside the years 1 to 9999"))?,
        ),
        // As CEL has it, without the zeros that protobuf's JSON fills up with.
        Val::Duration(span) => {
            let text = span.to_text();
            match text.strip_suffix('s') {
                Some(seconds) if seconds.contains('.') => Val::text(format!(
                    "{}s",
                    seconds.trim_end_matches('0').trim_end_matches('.')
                )),
                _ => Val::text(text),
            }
        }
        Val::Bytes(bytes) => {
            budget.bytes(bytes.as_slice().len())?;
            let text =
                std::str::from_utf8(bytes.as_slice()).map_err(|_| Failure::new("the bytes are not utf-8"))?;
            Val::text(text.to_owned())
        }
        other => return Err(unfit("single value", other)),
    })
}

/// An integer of a value that should be one: int, uint, or a record's whole number.
pub(super) fn integer(value: &Val<'_>) -> Result<i64, Box<Failure>> {
    let wide = match value {
        Val::Int(number) => Some(i128::from(*number)),
        Val::Uint(number) => Some(i128::from(*number)),
        Val::Number(digits) => match digits_to_integer(digits.as_str()) {
            Some((number, false)) => Some(number),
            _ => None,
        },
        _ => None,
    };
    wide.and_then(|number| i64::try_from(number).ok())
        .ok_or_else(|| unfit("int", value))
}

/// A whole number of a record as the int or uint that its schema declares.
pub(crate) fn whole_number<'a>(args: &mut [Val<'a>], _: &mut Budget) -> Result<Val<'a>, Box<Failure>> {
    let Val::Number(digits) = &args[0] else {
        return Ok(args[0].clone());
    };
    let whole = match digits_to_integer(digits.as_str()) {
        Some((number, false)) => Some(number),
        _ => None,
    };
    whole
        .and_then(|number| {
            i64::try_from(number)
                .map(Val::Int)
                .or_else(|_| u64::try_from(number).map(Val::Uint))
                .ok()
        })
        .ok_or_else(|| unfit("int", &args[0]))
}

fn whole(value: &Val<'_>, kind: &str) -> Result<i128, Box<Failure>> {
    let number = match value {
        Val::Int(number) => Some(i128::from(*number)),
        Val::Uint(number) => Some(i128::from(*number)),
        // The ends of int are no doubles: what rounds to them may lie outside.
        Val::Double(number) if kind == "int" && number.abs() >= 9_223_372_036_854_775_808.0 => None,
        Val::Double(number) if number.abs() < 1e20 => Some(number.trunc() as i128),
        Val::Number(digits) => digits_to_integer(digits.as_str()).map(|(number, _)| number),
        Val::Text(text) => {
            let text = text.as_str();
            text.parse::<i128>().ok().filter(|_| !text.starts_with('+'))
        }
        Val::Timestamp(instant) => Some(i128::from(instant.seconds)),
        _ => None,
    };
    number.ok_or_else(|| match value {
        Val::Text(_) => Failure::new(format!("{} is no whole number", value.kind())),
        Val::Double(_) | Val::Number(_) => Failure::new(format!("the number does not fit {kind}")),
        other => unfit(kind, other),
    })
}

fn to_int<'a>(args: &mut [Val<'a>], _: &mut Budget) -> Result<Val<'a>, Box<Failure>> {
    let number = whole(&args[0], "int")?;
    i64::try_from(number)
        .map(Val::Int)
        .map_err(|_| Failure::new("the number does not fit int"))
}

fn to_uint<'a>(args: &mut [Val<'a>], _: &mut Budget) -> Result<Val<'a>, Box<Failure>> {
    let number = whole(&args[0], "uint")?;
    u64::try_from(number).map(Val::Uint).map_err(|_| {
        Failure::new(if number < 0 {
            "a negative number does not fit uint"
        } else {
            "the number does not fit uint"
        })
    })
}

fn to_double<'a>(args: &mut [Val<'a>], _: &mut Budget) -> Result<Val<'a>, Box<Failure>> {
    if let Val::Text(text) = &args[0] {
        let text = text.as_str();
        let decimal = text.bytes().any(|byte| byte.is_ascii_digit());
        return text
            .parse::<f64>()
            .ok()
            .filter(|number| {
                // Only what says so is infinite: digits beyond all doubles are no double.
                (decimal && number.is_finite())
                    || matches!(
                        text,
                        "NaN" | "Infinity" | "+Infinity" | "-Infinity" | "Inf" | "+Inf" | "-Inf"
                    )
            })
            .map(Val::Double)
            .ok_or_else(|| Failure::new(format!("{} is no decimal number", args[0].kind())));
    }
    double_of(&args[0]).map(Val::Double)
}

/// The double nearest to a number.
pub(super) fn double_of(value: &Val<'_>) -> Result<f64, Box<Failure>> {
    let number = Number::of(value).ok_or_else(|| unfit("number", value))?;
    number
        .as_double()
        .ok_or_else(|| Failure::new("the number does not fit double"))
}

fn to_bool<'a>(args: &mut [Val<'a>], _: &mut Budget) -> Result<Val<'a>, Box<Failure>> {
    match &args[0] {
        Val::Bool(flag) => Ok(Val::Bool(*flag)),
        Val::Text(text) => match text.as_str() {
            "true" | "True" | "TRUE" | "t" | "1" => Ok(Val::Bool(true)),
            "false" | "False" | "FALSE" | "f" | "0" => Ok(Val::Bool(false)),
            _ => Err(Failure::new(format!(
                "{} is neither true nor false",
                args[0].kind()
            ))),
        },
        other => Err(unfit("boolean", other)),
    }
}

fn to_bytes<'a>(args: &mut [Val<'a>], budget: &mut Budget) -> Result<Val<'a>, Box<Failure>> {
    match &args[0] {
        Val::Bytes(_) => Ok(args[0].clone()),
        Val::Text(Text::Borrowed(text)) => Ok(Val::Bytes(Blob::Borrowed(text.as_bytes()))),
        Val::Text(Text::Shared(text)) => {
            budget.bytes(text.len())?;
            Ok(Val::Bytes(Blob::Shared(text.as_bytes().into())))
        }
        other => Err(unfit("text", other)),
    }
}

/// An instant of a value: RFC 3339 text, or whole seconds since 1970.
pub(super) fn instant(value: &Val<'_>) -> Result<Instant, Box<Failure>> {
    match value {
        Val::Timestamp(instant) => Ok(*instant),
        Val::Text(text) => Instant::parse(text.as_str()).ok_or_else(|| {
            Failure::new(format!("{} is no time of RFC 3339 with its offset", value.kind()))
                .hint("it must look like `2026-03-01T12:30:00+01:00`")
        }),
        Val::Int(_) | Val::Uint(_) | Val::Number(_) => {
            let seconds = integer(value)?;
            if !crate::canonical::time::RANGE.contains(&seconds) {
                return Err(Failure::new("the seconds lie outside the years 1 to 9999"));
            }
            Ok(Instant { seconds, nanos: 0 })
        }
        other => Err(unfit("time", other)),
    }
}

/// A span of a value: CEL's text (`1h30m`).
pub(super) fn span(value: &Val<'_>) -> Result<Span, Box<Failure>> {
    match value {
        Val::Duration(span) => Ok(*span),
        Val::Text(text) => Span::parse(text.as_str()).ok_or_else(|| {
            Failure::new(format!("{} is no duration", value.kind()))
                .hint("it must look like `1h30m` or `250ms`")
        }),
        other => Err(unfit("duration", other)),
    }
}
