//! Numbers of every kind, and their order, which is exact whatever meets whatever.
//!
//! A number of a record is what its digits say, not what a double makes of them: `10`, `10.0` and `1e1` are one number,
//! two that differ in their thirtieth digit are two. Beside one, a double is the decimal number that it is written as:
//! `0.1` is one tenth.

use std::cmp::Ordering;

use crate::mapping::value::Val;

/// A number to compare or to reckon with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Number<'v> {
    Int(i64),
    Uint(u64),
    Double(f64),
    /// Of a record, or reckoned from one.
    Decimal(Digits<'v>),
}

/// A decimal number as written, in JSON's grammar: `0.d₁d₂d₃… × 10^point`, the first digit not zero.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Digits<'v> {
    text: &'v str,
    negative: bool,
    whole: &'v str,
    part: &'v str,
    point: i64,
}

/// So large may an exponent be that somebody writes.
const EXPONENTS: i64 = 1_000_000_000_000_000;

/// From here on doubles are known by their digits alone; below, whole ones are what ints beside them are.
const BEYOND_INTEGERS: f64 = 18_446_744_073_709_551_616.0;

impl<'v> Number<'v> {
    /// The number in a value, if it is one.
    #[inline]
    pub(crate) fn of(value: &'v Val<'_>) -> Option<Self> {
        Some(match value {
            Val::Int(number) => Self::Int(*number),
            Val::Uint(number) => Self::Uint(*number),
            Val::Double(number) => Self::Double(*number),
            Val::Number(digits) => Self::Decimal(Digits::read(digits.as_str())?),
            _ => return None,
        })
    }

    /// The double nearest to it; `None`: it lies beyond all doubles.
    pub(crate) fn as_double(self) -> Option<f64> {
        match self {
            Self::Int(number) => Some(number as f64),
            Self::Uint(number) => Some(number as f64),
            Self::Double(number) => Some(number),
            Self::Decimal(digits) => digits.as_double(),
        }
    }

    /// The whole number that it is; `None`: it is none, or beyond 38 digits.
    pub(crate) fn as_integer(self) -> Option<i128> {
        match self {
            Self::Int(number) => Some(i128::from(number)),
            Self::Uint(number) => Some(i128::from(number)),
            Self::Double(number) if number.fract() == 0.0 && number.abs() < 1e15 => Some(number as i128),
            Self::Double(_) => None,
            Self::Decimal(digits) => digits.integer().filter(|(_, rest)| !rest).map(|(whole, _)| whole),
        }
    }

    pub(crate) fn is_zero(self) -> bool {
        match self {
            Self::Int(number) => number == 0,
            Self::Uint(number) => number == 0,
            Self::Double(number) => number == 0.0,
            Self::Decimal(digits) => digits.is_zero(),
        }
    }
}

/// The order of two numbers of any kind, never rounded; `None`: one of them is not a number (NaN).
pub(crate) fn compare_numbers(one: Number<'_>, two: Number<'_>) -> Option<Ordering> {
    use Number::{Decimal, Double, Int, Uint};
    match (one, two) {
        (Double(one), Double(two)) => one.partial_cmp(&two),
        (Decimal(one), Decimal(two)) => Some(one.compare(two)),
        (Decimal(one), Double(two)) => one.compare_double(two),
        (Double(one), Decimal(two)) => two.compare_double(one).map(Ordering::reverse),
        (Decimal(one), Int(two)) => Some(one.compare_whole(i128::from(two))),
        (Decimal(one), Uint(two)) => Some(one.compare_whole(i128::from(two))),
        (Int(one), Decimal(two)) => Some(two.compare_whole(i128::from(one)).reverse()),
        (Uint(one), Decimal(two)) => Some(two.compare_whole(i128::from(one)).reverse()),
        (Int(one), Double(two)) => compare_wide(i128::from(one), two),
        (Uint(one), Double(two)) => compare_wide(i128::from(one), two),
        (Double(one), Int(two)) => compare_wide(i128::from(two), one).map(Ordering::reverse),
        (Double(one), Uint(two)) => compare_wide(i128::from(two), one).map(Ordering::reverse),
        (Int(one), Int(two)) => Some(one.cmp(&two)),
        (Uint(one), Uint(two)) => Some(one.cmp(&two)),
        (Int(one), Uint(two)) => Some(i128::from(one).cmp(&i128::from(two))),
        (Uint(one), Int(two)) => Some(i128::from(one).cmp(&i128::from(two))),
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

impl<'v> Digits<'v> {
    /// `None`: it is no decimal number, or its exponent is beyond anything.
    pub(crate) fn read(text: &'v str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match digits.find(['e', 'E']) {
            Some(at) => (&digits[..at], digits[at + 1..].parse::<i64>().ok()?),
            None => (digits, 0),
        };
        let (whole, part) = match mantissa.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (mantissa, ""),
        };
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty()
            || !all_digits(whole)
            || !all_digits(part)
            || !(-EXPONENTS..=EXPONENTS).contains(&exponent)
        {
            return None;
        }
        let whole = whole.trim_start_matches('0');
        let mut part = part.trim_end_matches('0');
        let mut point = i64::try_from(whole.len()).ok()? + exponent;
        if whole.is_empty() {
            let significant = part.trim_start_matches('0');
            point -= i64::try_from(part.len() - significant.len()).ok()?;
            part = significant;
        }
        Some(Self {
            text,
            negative,
            whole,
            part,
            point,
        })
    }

    pub(crate) fn is_zero(self) -> bool {
        self.whole.is_empty() && self.part.is_empty()
    }

    pub(crate) fn is_negative(self) -> bool {
        self.negative && !self.is_zero()
    }

    /// From the first that is not zero.
    fn significant(self) -> impl Iterator<Item = u8> + use<'v> {
        self.whole.bytes().chain(self.part.bytes())
    }

    /// The digits as one integer, which `× 10^exponent` is the number; `None`: beyond 38 digits.
    pub(super) fn scaled(self) -> Option<(i128, i64)> {
        let (mut number, mut zeros, mut taken) = (0_i128, 0_u32, 0_i64);
        for digit in self.significant() {
            taken += 1;
            if digit == b'0' {
                zeros += 1;
                continue;
            }
            // Zeros behind the last digit say only how large it is.
            number = number
                .checked_mul(10_i128.checked_pow(zeros + 1)?)?
                .checked_add(i128::from(digit - b'0'))?;
            zeros = 0;
        }
        let exponent = self.point - taken + i64::from(zeros);
        Some((if self.negative { -number } else { number }, exponent))
    }

    /// Its whole part, and whether there is more behind the point; `None`: beyond 38 digits.
    pub(crate) fn integer(self) -> Option<(i128, bool)> {
        if self.is_zero() {
            return Some((0, false));
        }
        if self.point <= 0 {
            return Some((0, true));
        }
        let (mut number, mut rest, mut place) = (0_i128, false, 0);
        for digit in self.significant() {
            if place < self.point {
                number = number.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
            } else {
                rest |= digit != b'0';
            }
            place += 1;
        }
        while place < self.point {
            number = number.checked_mul(10)?;
            place += 1;
        }
        Some((if self.negative { -number } else { number }, rest))
    }

    /// The double nearest to it; `None`: it lies beyond all doubles.
    pub(crate) fn as_double(self) -> Option<f64> {
        self.text.parse().ok().filter(|number: &f64| number.is_finite())
    }

    fn signum(self) -> i8 {
        match (self.is_zero(), self.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }

    fn compare(self, other: Digits<'_>) -> Ordering {
        let sign = self.signum();
        let signs = sign.cmp(&other.signum());
        if signs.is_ne() || sign == 0 {
            return signs;
        }
        let size = self.point.cmp(&other.point).then_with(|| {
            let (mut one, mut two) = (self.significant(), other.significant());
            loop {
                match (one.next(), two.next()) {
                    (None, None) => return Ordering::Equal,
                    // Digits that are not written are zeros.
                    (one, two) => match one.unwrap_or(b'0').cmp(&two.unwrap_or(b'0')) {
                        Ordering::Equal => {}
                        unlike => return unlike,
                    },
                }
            }
        });
        if sign < 0 { size.reverse() } else { size }
    }

    fn compare_whole(self, whole: i128) -> Ordering {
        match self.integer() {
            Some((number, rest)) => number.cmp(&whole).then(match (rest, self.negative) {
                (false, _) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (true, true) => Ordering::Less,
            }),
            None if self.negative => Ordering::Less,
            None => Ordering::Greater,
        }
    }

    fn compare_double(self, double: f64) -> Option<Ordering> {
        if double.is_nan() {
            return None;
        }
        // Rounding keeps the order: only what rounds to the double itself needs a closer look.
        let nearest: f64 = self.text.parse().ok()?;
        if double.is_infinite() || nearest != double {
            return match (double.is_infinite(), double > 0.0) {
                (true, true) => Some(Ordering::Less),
                (true, false) => Some(Ordering::Greater),
                (false, _) => nearest.partial_cmp(&double),
            };
        }
        let written = written(double);
        Some(self.compare(Digits::read(&written)?))
    }
}

/// The digits that a finite double stands for beside a record's number: the fewest that read as it, but of whole ones
/// in the range of int and uint all.
pub(super) fn written(double: f64) -> String {
    if double.fract() == 0.0 && double.abs() < BEYOND_INTEGERS {
        format!("{double:.0}")
    } else {
        format!("{double:e}")
    }
}

/// The whole part of a decimal number in JSON's grammar, exactly; `None`: it is none, or beyond 38 digits.
/// The flag tells whether something stood behind the point.
pub(crate) fn digits_to_integer(text: &str) -> Option<(i128, bool)> {
    if let Ok(number) = text.parse::<i64>() {
        return Some((i128::from(number), false));
    }
    Digits::read(text)?.integer()
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
            ("-0.7", Some((0, true))),
            ("0.007e3", Some((7, false))),
            ("1.25e1", Some((12, true))),
            ("1e3", Some((1000, false))),
            ("0e999999999", Some((0, false))),
            ("1e999999999", None),
            ("1e99999999999", None),
            ("", None),
            ("-", None),
            ("1.", None),
            (".5", None),
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

    #[test]
    fn a_double_beside_digits_is_the_number_it_is_written_as() {
        let cases = [
            ("0.1", 0.1, Ordering::Equal),
            ("0.1000000000000000055511151231257827", 0.1, Ordering::Greater),
            ("0.09999999999999999999", 0.1, Ordering::Less),
            ("1e23", 1e23, Ordering::Equal),
            ("9007199254740993", 9_007_199_254_740_992.0, Ordering::Greater),
            (
                "18446744073709551615",
                18_446_744_073_709_551_616.0,
                Ordering::Less,
            ),
            ("1e999", f64::MAX, Ordering::Greater),
            ("1e999", f64::INFINITY, Ordering::Less),
            ("-1e999", f64::NEG_INFINITY, Ordering::Greater),
            ("-1e-999", 0.0, Ordering::Less),
            ("0e5", -0.0, Ordering::Equal),
        ];
        for (digits, double, order) in cases {
            let digits = Number::Decimal(Digits::read(digits).expect("they are digits"));
            assert_eq!(
                compare_numbers(digits, Number::Double(double)),
                Some(order),
                "{digits:?} {double}"
            );
            assert_eq!(
                compare_numbers(Number::Double(double), digits),
                Some(order.reverse()),
                "{double} {digits:?}"
            );
        }
    }
}
