//! Equality, order and arithmetic on values.

use std::{cmp::Ordering, sync::Arc};

use prost_reflect::{DynamicMessage, ReflectMessage, Value as Dynamic};
use trunkline_sdk::Value;

use super::{
    failure::{Budget, Failure},
    functions::{Decimal, Number, Undivided, compare_numbers},
    kind::Kind,
    parts::{entries, items},
    plan::Evaluated,
    syntax::BinaryOp,
    value::{Blob, Text, Val},
};
use crate::canonical::time::{Instant, RANGE, Span};

/// `==` to `>=`.
#[inline]
pub(crate) fn compare<'a>(
    op: BinaryOp,
    one: &Val<'a>,
    two: &Val<'a>,
    budget: &mut Budget,
) -> Result<bool, Box<Failure>> {
    match op {
        BinaryOp::Equal => return equal(one, two, budget),
        BinaryOp::NotEqual => return equal(one, two, budget).map(|equal| !equal),
        _ => {}
    }
    // Not a number stands in no order: every comparison with it is false.
    let Some(order) = order(one, two)? else {
        return Ok(false);
    };
    Ok(match op {
        BinaryOp::Less => order.is_lt(),
        BinaryOp::LessEqual => order.is_le(),
        BinaryOp::Greater => order.is_gt(),
        _ => order.is_ge(),
    })
}

/// Equality: of numbers by their value, of lists and maps by their parts; unlike kinds are unequal.
pub(crate) fn equal<'a>(one: &Val<'a>, two: &Val<'a>, budget: &mut Budget) -> Result<bool, Box<Failure>> {
    Ok(match (one, two) {
        (Val::Text(one), Val::Text(two)) => one.as_str() == two.as_str(),
        (Val::Int(one), Val::Int(two)) => one == two,
        (Val::Bool(one), Val::Bool(two)) => one == two,
        (Val::Null, Val::Null) | (Val::Absent, Val::Absent) => true,
        (Val::Bytes(one), Val::Bytes(two)) => one.as_slice() == two.as_slice(),
        (Val::Timestamp(one), Val::Timestamp(two)) => one == two,
        (Val::Duration(one), Val::Duration(two)) => one == two,
        (Val::Type(one), Val::Type(two)) => one.as_str() == two.as_str(),
        (Val::Message(one, kind), Val::Message(two, other)) => match (kind, other) {
            (Some(kind), Some(other)) if kind.descriptor == other.descriptor => {
                budget.bytes(8 * (one.as_slice().len() + two.as_slice().len()))?;
                same_message(kind, one.as_slice(), two.as_slice())?
            }
            (Some(_), Some(_)) => false,
            _ => one.as_slice() == two.as_slice(),
        },
        (Val::Number(one), Val::Number(two)) if one.as_str() == two.as_str() => true,
        _ if is_number(one) => is_number(two) && compare_any(one, two)? == Some(Ordering::Equal),
        (one, two) if is_list(one) && is_list(two) => {
            let (one, two) = (items(one, budget)?, items(two, budget)?);
            if one.len() != two.len() {
                return Ok(false);
            }
            for (one, two) in one.iter().zip(&two) {
                if !equal(one, two, budget)? {
                    return Ok(false);
                }
            }
            true
        }
        (one, two) if is_map(one) && is_map(two) => {
            let (one, two) = (entries(one, budget)?, entries(two, budget)?);
            if one.len() != two.len() {
                return Ok(false);
            }
            budget.steps(one.len().saturating_mul(two.len()) / 4)?;
            for (key, value) in &one {
                let mut found = false;
                for (other, other_value) in &two {
                    if equal(key, other, budget)? {
                        found = equal(value, other_value, budget)?;
                        break;
                    }
                }
                if !found {
                    return Ok(false);
                }
            }
            true
        }
        _ => false,
    })
}

/// Equality of messages: field by field, whatever the order on the wire.
fn same_message(kind: &Kind, one: &[u8], two: &[u8]) -> Result<bool, Box<Failure>> {
    let decode = |bytes: &[u8]| {
        DynamicMessage::decode(kind.descriptor.clone(), bytes)
            .map_err(|_| Failure::new("a message cannot be decoded"))
    };
    Ok(same(&decode(one)?, &decode(two)?))
}

/// Field by field; what `Any` holds is compared as the message it is, where its type is known.
fn same(one: &DynamicMessage, two: &DynamicMessage) -> bool {
    if one.descriptor().full_name() == "google.protobuf.Any"
        && let (Some(one), Some(two)) = (unpacked(one), unpacked(two))
    {
        return one.descriptor() == two.descriptor() && same(&one, &two);
    }
    let kind = one.descriptor();
    kind.fields().all(|field| match field.supports_presence() {
        true if !one.has_field(&field) => !two.has_field(&field),
        true if !two.has_field(&field) => false,
        _ => same_value(&one.get_field(&field), &two.get_field(&field)),
    }) && kind.extensions().all(|extension| {
        let set = (one.has_extension(&extension), two.has_extension(&extension));
        match set {
            (false, false) => true,
            (true, true) => same_value(&one.get_extension(&extension), &two.get_extension(&extension)),
            _ => false,
        }
    }) && one.unknown_fields().eq(two.unknown_fields())
}

fn same_value(one: &Dynamic, two: &Dynamic) -> bool {
    match (one, two) {
        (Dynamic::Message(one), Dynamic::Message(two)) => same(one, two),
        (Dynamic::List(one), Dynamic::List(two)) => {
            one.len() == two.len() && one.iter().zip(two).all(|(one, two)| same_value(one, two))
        }
        (Dynamic::Map(one), Dynamic::Map(two)) => {
            one.len() == two.len()
                && one
                    .iter()
                    .all(|(key, one)| two.get(key).is_some_and(|two| same_value(one, two)))
        }
        (one, two) => one == two,
    }
}

fn unpacked(any: &DynamicMessage) -> Option<DynamicMessage> {
    let text = any.get_field_by_name("type_url")?;
    let name = text.as_str()?.rsplit('/').next()?;
    let kind = any.descriptor().parent_pool().get_message_by_name(name)?;
    let bytes = any.get_field_by_name("value")?;
    DynamicMessage::decode(kind, bytes.as_bytes()?.clone()).ok()
}

/// What most numbers of records are: a whole number of some digits.
#[inline]
fn small(value: &Val<'_>) -> Option<i64> {
    match value {
        Val::Int(number) => Some(*number),
        Val::Number(digits) if digits.as_str().len() < 19 => digits.as_str().parse().ok(),
        _ => None,
    }
}

fn is_number(value: &Val<'_>) -> bool {
    matches!(
        value,
        Val::Int(_) | Val::Uint(_) | Val::Double(_) | Val::Number(_)
    )
}

/// Two numbers; a record's may be written in a way that nobody knows.
fn compare_any(one: &Val<'_>, two: &Val<'_>) -> Result<Option<Ordering>, Box<Failure>> {
    if let (Some(one), Some(two)) = (small(one), small(two)) {
        return Ok(Some(one.cmp(&two)));
    }
    let number = |value| Number::of(value).ok_or_else(|| unknown_number(value));
    Ok(compare_numbers(number(one)?, number(two)?))
}

#[cold]
fn unknown_number(value: &Val<'_>) -> Box<Failure> {
    Failure::new(format!(
        "{} is no decimal number that could be compared",
        value.kind()
    ))
}

pub(crate) fn is_list(value: &Val<'_>) -> bool {
    matches!(
        value,
        Val::Record(Value::List(_)) | Val::List(_) | Val::Items(_) | Val::Repeated(..)
    )
}

pub(crate) fn is_map(value: &Val<'_>) -> bool {
    matches!(
        value,
        Val::Record(Value::Object(_)) | Val::Map(_) | Val::Entries(..)
    )
}

/// The order of two values; `None`: one is not a number (NaN). Unlike kinds are a fault.
pub(crate) fn order(one: &Val<'_>, two: &Val<'_>) -> Result<Option<Ordering>, Box<Failure>> {
    Ok(Some(match (one, two) {
        (Val::Int(one), Val::Int(two)) => one.cmp(two),
        (Val::Text(one), Val::Text(two)) => one.as_str().cmp(two.as_str()),
        (Val::Bool(one), Val::Bool(two)) => one.cmp(two),
        (Val::Bytes(one), Val::Bytes(two)) => one.as_slice().cmp(two.as_slice()),
        (Val::Timestamp(one), Val::Timestamp(two)) => one.cmp(two),
        (Val::Duration(one), Val::Duration(two)) => one.cmp(two),
        _ if is_number(one) && is_number(two) => return compare_any(one, two),
        _ => {
            return Err(Failure::new(format!(
                "{} and {} stand in no order",
                one.kind(),
                two.kind()
            )));
        }
    }))
}

/// The items in the order of their keys; keys of unlike kinds are a fault.
pub(crate) fn sort<'a>(keys: Vec<Val<'a>>, items: Vec<Val<'a>>, budget: &mut Budget) -> Evaluated<'a> {
    budget.steps(keys.len().saturating_mul(8))?;
    let mut pairs: Vec<_> = keys.into_iter().zip(items).collect();
    let mut failed = None;
    pairs.sort_by(|(one, _), (two, _)| match order(one, two) {
        Ok(Some(order)) => order,
        Ok(None) => Ordering::Equal,
        Err(failure) => {
            failed.get_or_insert(failure);
            Ordering::Equal
        }
    });
    match failed {
        Some(failure) => Err(failure),
        None => Ok(Val::list(pairs.into_iter().map(|(_, item)| item).collect())),
    }
}

/// `+ - * / %`.
pub(crate) fn arithmetic<'a>(op: BinaryOp, one: Val<'a>, two: Val<'a>, budget: &mut Budget) -> Evaluated<'a> {
    if matches!(one, Val::Number(_)) || matches!(two, Val::Number(_)) {
        budget.steps(1)?;
        if let (Some(one), Some(two)) = (small(&one), small(&two))
            && let Some(result) = smalls(op, one, two)
        {
            return Ok(Val::number(result.to_string()));
        }
    }
    if let (Some(one), Some(two)) = (Number::of(&one), Number::of(&two)) {
        return numbers(op, one, two);
    }
    match (op, &one, &two) {
        (BinaryOp::Add, Val::Text(one), Val::Text(two)) => {
            let (one, two) = (one.as_str(), two.as_str());
            budget.bytes(one.len() + two.len())?;
            let mut text = String::with_capacity(one.len() + two.len());
            text.push_str(one);
            text.push_str(two);
            Ok(Val::text(text))
        }
        (BinaryOp::Add, Val::Bytes(one), Val::Bytes(two)) => {
            let (one, two) = (one.as_slice(), two.as_slice());
            budget.bytes(one.len() + two.len())?;
            Ok(Val::Bytes(Blob::Shared(Arc::from([one, two].concat()))))
        }
        (BinaryOp::Add, Val::Timestamp(at), Val::Duration(span))
        | (BinaryOp::Add, Val::Duration(span), Val::Timestamp(at)) => moved(*at, span.total()),
        (BinaryOp::Subtract, Val::Timestamp(at), Val::Duration(span)) => moved(*at, -span.total()),
        (BinaryOp::Subtract, Val::Timestamp(one), Val::Timestamp(two)) => span(total(*one) - total(*two)),
        (BinaryOp::Add, Val::Duration(one), Val::Duration(two)) => span(one.total() + two.total()),
        (BinaryOp::Subtract, Val::Duration(one), Val::Duration(two)) => span(one.total() - two.total()),
        (BinaryOp::Add, ..) => match (items(&one, budget), items(&two, budget)) {
            (Ok(mut joined), Ok(more)) => {
                joined.extend(more);
                Ok(Val::list(joined))
            }
            _ => Err(unlike(op, &one, &two)),
        },
        _ => Err(unlike(op, &one, &two)),
    }
}

fn unlike(op: BinaryOp, one: &Val<'_>, two: &Val<'_>) -> Box<Failure> {
    let failure = Failure::new(format!(
        "`{}` does not go between {} and {}",
        op.sign(),
        one.kind(),
        two.kind()
    ));
    match (one, two) {
        (Val::Text(_), other) | (other, Val::Text(_)) if Number::of(other).is_some() => {
            failure.hint("int(..), double(..) or string(..) makes them alike")
        }
        _ => failure,
    }
}

fn total(at: Instant) -> i128 {
    i128::from(at.seconds) * 1_000_000_000 + i128::from(at.nanos)
}

fn moved<'a>(at: Instant, nanos: i128) -> Evaluated<'a> {
    let total = total(at) + nanos;
    let seconds = i64::try_from(total.div_euclid(1_000_000_000)).ok();
    match seconds.filter(|seconds| RANGE.contains(seconds)) {
        Some(seconds) => Ok(Val::Timestamp(Instant {
            seconds,
            nanos: total.rem_euclid(1_000_000_000) as i32,
        })),
        None => Err(Failure::new(
            "the timestamp would lie outside the years 1 to 9999",
        )),
    }
}

fn span<'a>(nanos: i128) -> Evaluated<'a> {
    Span::of(nanos)
        .map(Val::Duration)
        .ok_or_else(|| Failure::new("the duration would be longer than 10,000 years"))
}

fn numbers<'a>(op: BinaryOp, one: Number<'_>, two: Number<'_>) -> Evaluated<'a> {
    match (one, two) {
        (Number::Uint(one), Number::Uint(two)) => whole(op, i128::from(one), i128::from(two), true),
        (Number::Decimal(_), _) | (_, Number::Decimal(_)) => decimals(op, one, two),
        (Number::Double(_), _) | (_, Number::Double(_)) => {
            // Only decimals are beyond doubles.
            let (one, two) = (
                one.as_double().unwrap_or(f64::NAN),
                two.as_double().unwrap_or(f64::NAN),
            );
            Ok(Val::Double(match op {
                BinaryOp::Add => one + two,
                BinaryOp::Subtract => one - two,
                BinaryOp::Multiply => one * two,
                BinaryOp::Divide => one / two,
                _ => return Err(Failure::new("`%` goes between whole numbers only")),
            }))
        }
        (one, two) => whole(
            op,
            one.as_integer().unwrap_or_default(),
            two.as_integer().unwrap_or_default(),
            false,
        ),
    }
}

/// Whole numbers of records of which the result is one too.
fn smalls(op: BinaryOp, one: i64, two: i64) -> Option<i64> {
    match op {
        BinaryOp::Add => one.checked_add(two),
        BinaryOp::Subtract => one.checked_sub(two),
        BinaryOp::Multiply => one.checked_mul(two),
        BinaryOp::Divide if one.checked_rem(two)? != 0 => None,
        BinaryOp::Divide => one.checked_div(two),
        _ => one.checked_rem(two),
    }
}

/// With a number of a record: exactly, or it is a fault.
fn decimals<'a>(op: BinaryOp, one: Number<'_>, two: Number<'_>) -> Evaluated<'a> {
    let decimal = |number| {
        Decimal::of(number).ok_or_else(|| match number {
            Number::Double(_) => {
                Failure::new("a double that is not finite does not go beside a record's number")
            }
            _ => Failure::new(format!("`{}` takes numbers of at most 38 digits", op.sign()))
                .hint("double(..) of both sides reckons with about 16 digits"),
        })
    };
    let (one, two) = (decimal(one)?, decimal(two)?);
    let result = match op {
        BinaryOp::Add => one.add(two).ok_or(Undivided::TooLong),
        BinaryOp::Subtract => one.subtract(two).ok_or(Undivided::TooLong),
        BinaryOp::Multiply => one.multiply(two).ok_or(Undivided::TooLong),
        BinaryOp::Divide => one.divide(two),
        _ => one.remainder(two),
    };
    match result {
        Ok(result) => Ok(Val::number(result.to_text())),
        Err(Undivided::ByZero) => Err(Failure::new(format!("`{}` by zero", op.sign()))),
        Err(Undivided::Endless) => Err(Failure::new("the decimals of the result of `/` have no end")
            .hint("int(..) of both sides gives the whole part, double(..) of both sides about 16 digits")),
        Err(Undivided::TooLong) => Err(Failure::new(format!(
            "the result of `{}` has more than 38 digits",
            op.sign()
        ))
        .hint("double(..) of both sides reckons with about 16 digits")),
    }
}

/// Whole numbers of 64 bits each; uint only between two of them.
fn whole<'a>(op: BinaryOp, one: i128, two: i128, unsigned: bool) -> Evaluated<'a> {
    let result = match op {
        BinaryOp::Add => Some(one + two),
        BinaryOp::Subtract => Some(one - two),
        BinaryOp::Multiply => one.checked_mul(two),
        BinaryOp::Divide | BinaryOp::Remainder if two == 0 => {
            return Err(Failure::new(format!("`{}` by zero", op.sign())));
        }
        BinaryOp::Divide => Some(one / two),
        _ => Some(one % two),
    };
    let fitting = result.and_then(|result| {
        if unsigned {
            u64::try_from(result).map(Val::Uint).ok()
        } else {
            i64::try_from(result).map(Val::Int).ok()
        }
    });
    fitting.ok_or_else(|| {
        Failure::new(format!(
            "the result of `{}` does not fit {}",
            op.sign(),
            if unsigned { "uint" } else { "int" }
        ))
    })
}

/// `-x`.
pub(crate) fn negate<'a>(value: &Val<'a>) -> Evaluated<'a> {
    match value {
        Val::Int(number) => number
            .checked_neg()
            .map(Val::Int)
            .ok_or_else(|| Failure::new("the negative of the number does not fit int")),
        Val::Double(number) => Ok(Val::Double(-number)),
        // However many digits it has.
        Val::Number(digits) => Ok(Val::Number(match digits.as_str().strip_prefix('-') {
            Some(rest) => digits.part(digits.as_str().len() - rest.len()..digits.as_str().len()),
            None if Number::of(value).is_some_and(Number::is_zero) => digits.clone(),
            None => Text::Shared(format!("-{}", digits.as_str()).into()),
        })),
        Val::Duration(duration) => span(-duration.total()),
        _ => Err(Failure::new(format!("`-` does not go before {}", value.kind()))),
    }
}
