//! `text.format(list)` and `strings.quote(text)`: values as text, by CEL's clauses.

use std::fmt::Write;

use trunkline_sdk::Value;

use super::{Decimal, Number, decimal::Rounding, unfit};
use crate::mapping::{
    failure::{Budget, Failure},
    parts::{entries, items},
    value::Val,
};

/// How many digits may be asked for behind the point.
const MOST_DIGITS: usize = 300;

/// Fills the clauses of a text (`%s`, `%d`, `%.2f`, `%e`, `%x`, `%X`, `%o`, `%b`, `%%`) with the items of a list.
pub(super) fn format<'a>(args: &mut [Val<'a>], budget: &mut Budget) -> Result<Val<'a>, Box<Failure>> {
    let pattern = super::strings::text(&args[0])?.as_str();
    let values = items(&args[1], budget)?;
    let mut values = values.iter();
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix('%') {
            out.push('%');
            rest = behind;
            continue;
        }
        let digits = match rest.strip_prefix('.') {
            Some(behind) => {
                let end = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
                rest = &behind[end..];
                let digits = behind[..end]
                    .parse::<usize>()
                    .ok()
                    .filter(|digits| *digits <= MOST_DIGITS);
                Some(digits.ok_or_else(|| Failure::new("the digits of a clause are no number up to 300"))?)
            }
            None => None,
        };
        let clause = rest.chars().next().unwrap_or(' ');
        if !matches!(clause, 's' | 'd' | 'f' | 'e' | 'x' | 'X' | 'o' | 'b') {
            return Err(Failure::new("a clause of the format is not known")
                .hint("%s %d %f %e %x %X %o %b, and %% for the sign itself"));
        }
        rest = &rest[1..];
        let value = values
            .next()
            .ok_or_else(|| Failure::new("the format has more clauses than values"))?;
        let before = out.len();
        put(clause, digits.unwrap_or(6), value, budget, &mut out)?;
        budget.bytes(out.len() - before)?;
    }
    out.push_str(rest);
    budget.bytes(out.len())?;
    Ok(Val::text(out))
}

fn put(
    clause: char,
    digits: usize,
    value: &Val<'_>,
    budget: &mut Budget,
    out: &mut String,
) -> Result<(), Box<Failure>> {
    let number = Number::of(value);
    // Writing to a text cannot fail.
    let _ = match (clause, number) {
        ('s', _) => return shown(value, budget, out),
        ('d', Some(Number::Int(number))) => write!(out, "{number}"),
        ('d', Some(Number::Uint(number))) => write!(out, "{number}"),
        ('d' | 'f' | 'e', Some(Number::Double(number))) if !number.is_finite() => {
            write!(out, "{}", double(number))
        }
        ('d', Some(number @ Number::Decimal(_))) => match number.as_integer() {
            Some(number) => write!(out, "{number}"),
            None => return Err(unfit("whole number of at most 38 digits, as %d wants it", value)),
        },
        ('f' | 'e', Some(number @ Number::Decimal(_))) => {
            let text = Decimal::of(number).and_then(|number| match clause {
                'f' => {
                    let places = i32::try_from(digits).ok()?;
                    Some(number.rounded(places, Rounding::Even)?.fixed(digits))
                }
                _ => number.scientific(digits),
            });
            out.push_str(&text.ok_or_else(|| Failure::new("the number has more than 38 digits"))?);
            Ok(())
        }
        ('f', Some(number)) => write!(out, "{:.digits$}", number.as_double().unwrap_or(f64::NAN)),
        ('e', Some(number)) => {
            let text = format!("{:.digits$e}", number.as_double().unwrap_or(f64::NAN));
            let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            let (sign, exponent) = match exponent.strip_prefix('-') {
                Some(exponent) => ('-', exponent),
                None => ('+', exponent),
            };
            write!(out, "{mantissa}e{sign}{exponent:0>2}")
        }
        ('b', _) if matches!(value, Val::Bool(_)) => {
            write!(out, "{}", u8::from(matches!(value, Val::Bool(true))))
        }
        ('b' | 'o' | 'x' | 'X', Some(Number::Int(number))) => {
            if number < 0 {
                out.push('-');
            }
            radix(clause, number.unsigned_abs(), out)
        }
        ('b' | 'o' | 'x' | 'X', Some(Number::Uint(number))) => radix(clause, number, out),
        ('b' | 'o' | 'x' | 'X', Some(number @ Number::Decimal(_))) => {
            let whole = number.as_integer().map(|whole| (whole < 0, whole.unsigned_abs()));
            match whole.and_then(|(negative, size)| Some((negative, u64::try_from(size).ok()?))) {
                Some((negative, size)) => {
                    out.push_str(if negative { "-" } else { "" });
                    radix(clause, size, out)
                }
                None => return Err(unfit(&format!("value for %{clause}"), value)),
            }
        }
        ('x' | 'X', None) => {
            let bytes = match value {
                Val::Text(text) => text.as_str().as_bytes(),
                Val::Bytes(bytes) => bytes.as_slice(),
                other => return Err(unfit("number, text or bytes, as %x wants it", other)),
            };
            budget.bytes(2 * bytes.len())?;
            for byte in bytes {
                let _ = match clause {
                    'x' => write!(out, "{byte:02x}"),
                    _ => write!(out, "{byte:02X}"),
                };
            }
            Ok(())
        }
        _ => return Err(unfit(&format!("value for %{clause}"), value)),
    };
    Ok(())
}

fn radix(clause: char, number: u64, out: &mut String) -> std::fmt::Result {
    match clause {
        'b' => write!(out, "{number:b}"),
        'o' => write!(out, "{number:o}"),
        'x' => write!(out, "{number:x}"),
        _ => write!(out, "{number:X}"),
    }
}

/// A double as CEL writes it.
pub(super) fn double(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    // The shortest digits; with an exponent where they would be many zeros.
    let exponent = if number == 0.0 {
        0.0
    } else {
        number.abs().log10().floor()
    };
    if (-5.0..21.0).contains(&exponent) {
        return number.to_string();
    }
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) => match exponent.strip_prefix('-') {
            Some(exponent) => format!("{mantissa}e-{exponent:0>2}"),
            None => format!("{mantissa}e+{exponent:0>2}"),
        },
        None => text,
    }
}

/// What `%s` makes of a value; maps in the order of their keys' texts.
fn shown(value: &Val<'_>, budget: &mut Budget, out: &mut String) -> Result<(), Box<Failure>> {
    budget.steps(1)?;
    match value {
        Val::Null => out.push_str("null"),
        Val::Type(name) => out.push_str(name.as_str()),
        Val::Double(number) => out.push_str(&double(*number)),
        Val::List(_) | Val::Items(_) | Val::Repeated(..) | Val::Record(Value::List(_)) => {
            out.push('[');
            for (at, item) in items(value, budget)?.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                shown(item, budget, out)?;
            }
            out.push(']');
        }
        Val::Map(_) | Val::Entries(..) | Val::Record(_) => {
            let mut fields = Vec::new();
            for (key, value) in entries(value, budget)? {
                let (mut name, mut text) = (String::new(), String::new());
                shown(&key, budget, &mut name)?;
                shown(&value, budget, &mut text)?;
                budget.bytes(name.len() + text.len())?;
                fields.push((name, text));
            }
            fields.sort();
            let fields: Vec<_> = fields
                .into_iter()
                .map(|(name, text)| format!("{name}: {text}"))
                .collect();
            let _ = write!(out, "{{{}}}", fields.join(", "));
        }
        Val::Message(..) | Val::Absent => return Err(unfit("value for %s", value)),
        single => match super::convert::to_text(&mut [single.clone()], budget)? {
            Val::Text(text) => {
                budget.bytes(text.as_str().len())?;
                out.push_str(text.as_str());
            }
            other => return Err(unfit("text", &other)),
        },
    }
    Ok(())
}

/// A text between quotes, what is special in it escaped.
pub(super) fn quote<'a>(args: &mut [Val<'a>], budget: &mut Budget) -> Result<Val<'a>, Box<Failure>> {
    let text = super::strings::text(&args[0])?.as_str();
    budget.bytes(2 * text.len())?;
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars() {
        let escape = match letter {
            '\u{7}' => "\\a",
            '\u{8}' => "\\b",
            '\u{c}' => "\\f",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\u{b}' => "\\v",
            '\\' => "\\\\",
            '"' => "\\\"",
            plain => {
                out.push(plain);
                continue;
            }
        };
        out.push_str(escape);
    }
    out.push('"');
    Ok(Val::text(out))
}
