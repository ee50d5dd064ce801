//! Numbers: those of records are decimal texts and keep their digits; they become int, uint or double where
//! something is reckoned with them.

use std::cmp::Ordering;

use crate::mapping::value::Val;

/// A number to reckon with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    Int(i64),
    Uint(u64),
    Double(f64),
}

impl Number {
    /// The number in a value, if it is one.
    #[inline]
    pub(crate) fn of(value: &Val<'_>) -> Option<Self> {
        Some(match value {
            Val::Int(number) => Self::Int(*number),
            Val::Uint(number) => Self::Uint(*number),
            Val::Double(number) => Self::Double(*number),
            Val::Number(digits) => Self::parse(digits)?,
            _ => return None,
        })
    }

    fn parse(digits: &str) -> Option<Self> {
        if let Ok(number) = digits.parse() {
            return Some(Self::Int(number));
        }
        if let Ok(number) = digits.parse() {
            return Some(Self::Uint(number));
        }
        digits.parse().ok().map(Self::Double)
    }

    pub(crate) fn as_double(self) -> f64 {
        match self {
            Self::Int(number) => number as f64,
            Self::Uint(number) => number as f64,
            Self::Double(number) => number,
        }
    }
}

/// The order of two numbers of any kind, exact between integers of both kinds; `None`: one of them is no number.
pub(crate) fn compare_numbers(one: Number, two: Number) -> Option<Ordering> {
    let wide = |number| match number {
        Number::Int(number) => Some(i128::from(number)),
        Number::Uint(number) => Some(i128::from(number)),
        Number::Double(_) => None,
    };
    match (wide(one), wide(two)) {
        (Some(one), Some(two)) => Some(one.cmp(&two)),
        (None, None) => one.as_double().partial_cmp(&two.as_double()),
        (Some(whole), None) => compare_wide(whole, two.as_double()),
        (None, Some(whole)) => compare_wide(whole, one.as_double()).map(Ordering::reverse),
    }
}

/// An integer beside a double, without rounding the integer.
fn compare_wide(whole: i128, double: f64) -> Option<Ordering> {
    if double.is_nan() {
        return None;
    }
    if double >= 1e20 {
        return Some(Ordering::Less);
    }
    if double <= -1e20 {
        return Some(Ordering::Greater);
    }
    let floor = double.floor();
    Some(whole.cmp(&(floor as i128)).then(if double > floor {
        Ordering::Less
    } else {
        Ordering::Equal
    }))
}

/// The whole part of a decimal number in JSON's grammar, exactly; `None`: it is none, or beyond 38 digits.
/// The flag tells whether something stood behind the point.
pub(crate) fn digits_to_integer(text: &str) -> Option<(i128, bool)> {
    if let Ok(number) = text.parse::<i64>() {
        return Some((i128::from(number), false));
    }
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match digits.find(['e', 'E']) {
        Some(at) => (&digits[..at], digits[at + 1..].parse::<i32>().ok()?),
        None => (digits, 0),
    };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty()
        || !all_digits(whole)
        || !all_digits(part)
        || (mantissa.contains('.') && part.is_empty())
    {
        return None;
    }
    let point = i64::try_from(whole.len()).ok()? + i64::from(exponent);
    let mut number: i128 = 0;
    let mut rest = false;
    let mut place = 0;
    for digit in whole.bytes().chain(part.bytes()) {
        if place < point {
            number = number.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
        } else {
            rest |= digit != b'0';
        }
        place += 1;
    }
    while place < point && number != 0 {
        number = number.checked_mul(10)?;
        place += 1;
    }
    Some((if negative { -number } else { number }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_become_integers_without_a_double_between() {
        for (text, number) in [
            ("0", Some((0, false))),
            ("-12", Some((-12, false))),
            ("12345678901234567890", Some((12_345_678_901_234_567_890, false))),
            ("12.0", Some((12, false))),
            ("12.70", Some((12, true))),
            ("1.25e1", Some((12, true))),
            ("1e3", Some((1000, false))),
            ("0e999999999", Some((0, false))),
            ("1e999999999", None),
            ("1e99999999999", None),
            ("", None),
            ("-", None),
            ("1.", None),
            ("abc", None),
        ] {
            assert_eq!(digits_to_integer(text), number, "{text}");
        }
    }

    #[test]
    fn integers_and_doubles_compare_without_rounding() {
        let above = Number::Int(9_007_199_254_740_993);
        let double = Number::Double(9_007_199_254_740_992.0);
        assert_eq!(compare_numbers(above, double), Some(Ordering::Greater));
        assert_eq!(compare_numbers(double, above), Some(Ordering::Less));
        assert_eq!(
            compare_numbers(Number::Int(-1), Number::Uint(u64::MAX)),
            Some(Ordering::Less)
        );
        assert_eq!(
            compare_numbers(Number::Int(-1), Number::Double(-1.5)),
            Some(Ordering::Greater)
        );
        assert_eq!(compare_numbers(Number::Int(1), Number::Double(f64::NAN)), None);
    }
}
