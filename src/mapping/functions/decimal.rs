//! Reckoning with numbers of records: exact to 38 digits, and what has no exact result within them has none.

use super::{Digits, Number, numbers::written};

/// A decimal number: `coefficient × 10^exponent`, the coefficient of at most 38 digits and the last of them not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decimal {
    coefficient: i128,
    exponent: i32,
}

/// How to round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rounding {
    Up,
    Down,
    Cut,
    /// Halves away from 0.
    Half,
    /// Halves to the even digit, as `format` does with doubles.
    Even,
}

/// Why a division has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Undivided {
    ByZero,
    /// The decimals of the result have no end, as those of 1/3.
    Endless,
    TooLong,
}

const MOST: u128 = 99_999_999_999_999_999_999_999_999_999_999_999_999;
/// As far as the decimal numbers of IEEE 754 in 128 bits go.
const EXPONENTS: i64 = 6_144;
/// Longer ones are written with an exponent.
const PLAIN: i32 = 60;

impl Decimal {
    /// `None`: more than 38 digits, an exponent beyond all use, or a double that is not finite.
    pub(crate) fn of(number: Number<'_>) -> Option<Self> {
        match number {
            Number::Int(number) => Self::new(i128::from(number), 0),
            Number::Uint(number) => Self::new(i128::from(number), 0),
            Number::Double(number) if number.is_finite() => Self::parse(&written(number)),
            Number::Double(_) => None,
            Number::Decimal(digits) => {
                let (coefficient, exponent) = digits.scaled()?;
                Self::new(coefficient, exponent)
            }
        }
    }

    /// Of a decimal text in JSON's grammar.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::of(Number::Decimal(Digits::read(text)?))
    }

    fn new(mut coefficient: i128, mut exponent: i64) -> Option<Self> {
        if coefficient == 0 {
            return Some(Self {
                coefficient: 0,
                exponent: 0,
            });
        }
        while coefficient % 10 == 0 {
            coefficient /= 10;
            exponent += 1;
        }
        if coefficient.unsigned_abs() > MOST || !(-EXPONENTS..=EXPONENTS).contains(&exponent) {
            return None;
        }
        Some(Self {
            coefficient,
            exponent: i32::try_from(exponent).ok()?,
        })
    }

    /// The number of so many units of `10^exponent`, if it is whole and fits.
    pub(super) fn in_units_of(self, exponent: i32) -> Option<i128> {
        if self.coefficient == 0 {
            return Some(0);
        }
        let more = u32::try_from(self.exponent - exponent).ok()?;
        self.coefficient.checked_mul(10_i128.checked_pow(more)?)
    }

    /// Both in the smaller of their units.
    fn aligned(self, other: Self) -> Option<(i128, i128, i64)> {
        let exponent = match (self.coefficient, other.coefficient) {
            (0, _) => other.exponent,
            (_, 0) => self.exponent,
            _ => self.exponent.min(other.exponent),
        };
        Some((
            self.in_units_of(exponent)?,
            other.in_units_of(exponent)?,
            i64::from(exponent),
        ))
    }

    /// `None`, here and below: the exact result has more than 38 digits.
    pub(crate) fn add(self, other: Self) -> Option<Self> {
        let (one, two, exponent) = self.aligned(other)?;
        Self::new(one.checked_add(two)?, exponent)
    }

    pub(crate) fn subtract(self, other: Self) -> Option<Self> {
        self.add(Self {
            coefficient: -other.coefficient,
            ..other
        })
    }

    pub(crate) fn multiply(self, other: Self) -> Option<Self> {
        let (mut one, mut two) = (self.coefficient, other.coefficient);
        let mut exponent = i64::from(self.exponent) + i64::from(other.exponent);
        // A 2 and a 5 make a 10, which is no digit of the result.
        while one != 0 && two != 0 && one % 2 == 0 && two % 5 == 0 {
            (one, two, exponent) = (one / 2, two / 5, exponent + 1);
        }
        while one != 0 && two != 0 && one % 5 == 0 && two % 2 == 0 {
            (one, two, exponent) = (one / 5, two / 2, exponent + 1);
        }
        Self::new(one.checked_mul(two)?, exponent)
    }

    pub(crate) fn divide(self, other: Self) -> Result<Self, Undivided> {
        if other.coefficient == 0 {
            return Err(Undivided::ByZero);
        }
        let common = greatest_common(self.coefficient.unsigned_abs(), other.coefficient.unsigned_abs());
        // It divides both, each below 10^38.
        let common = i128::try_from(common).map_err(|_| Undivided::TooLong)?;
        let (one, mut two) = (self.coefficient / common, other.coefficient / common);
        let (mut twos, mut fives) = (0_u32, 0_u32);
        while two % 2 == 0 {
            (two, twos) = (two / 2, twos + 1);
        }
        while two % 5 == 0 {
            (two, fives) = (two / 5, fives + 1);
        }
        if two.unsigned_abs() != 1 {
            return Err(Undivided::Endless);
        }
        let places = twos.max(fives);
        let lacking = 2_i128
            .checked_pow(places - twos)
            .zip(5_i128.checked_pow(places - fives))
            .and_then(|(twos, fives)| twos.checked_mul(fives));
        let exponent = i64::from(self.exponent) - i64::from(other.exponent) - i64::from(places);
        lacking
            .and_then(|lacking| one.checked_mul(lacking * two))
            .and_then(|coefficient| Self::new(coefficient, exponent))
            .ok_or(Undivided::TooLong)
    }

    /// What is left of a division that gives a whole number, with the sign of the divided.
    pub(crate) fn remainder(self, other: Self) -> Result<Self, Undivided> {
        if other.coefficient == 0 {
            return Err(Undivided::ByZero);
        }
        self.aligned(other)
            .and_then(|(one, two, exponent)| Self::new(one % two, exponent))
            .ok_or(Undivided::TooLong)
    }

    /// With so many decimals at most.
    pub(super) fn rounded(self, decimals: i32, how: Rounding) -> Option<Self> {
        let drop = i64::from(-self.exponent) - i64::from(decimals);
        let Some(drop) = u32::try_from(drop).ok().filter(|drop| *drop > 0) else {
            return Some(self);
        };
        let (whole, rest, unit) = match 10_i128.checked_pow(drop) {
            Some(unit) => (self.coefficient / unit, self.coefficient % unit, unit),
            // Less than a tenth of a unit.
            None => (0, self.coefficient.signum(), 1000),
        };
        let half = (rest.unsigned_abs() * 2).cmp(&unit.unsigned_abs());
        let away = match how {
            Rounding::Up => rest > 0,
            Rounding::Down => rest < 0,
            Rounding::Cut => false,
            Rounding::Half => half.is_ge(),
            Rounding::Even => half.is_gt() || (half.is_eq() && whole % 2 != 0),
        };
        let whole = if away {
            whole + self.coefficient.signum()
        } else {
            whole
        };
        Self::new(whole, i64::from(-decimals))
    }

    /// As text, with the fewest digits.
    pub(crate) fn to_text(self) -> String {
        if self.exponent > PLAIN || self.exponent < -PLAIN {
            return format!("{}e{}", self.coefficient, self.exponent);
        }
        self.fixed(usize::try_from(-self.exponent).unwrap_or(0))
    }

    /// As text, with just so many decimals, of which it has at most as many.
    pub(super) fn fixed(self, decimals: usize) -> String {
        let mut digits = self.coefficient.unsigned_abs().to_string();
        let zeros = i64::try_from(decimals).unwrap_or(i64::MAX) + i64::from(self.exponent);
        if self.coefficient != 0 {
            digits.extend(std::iter::repeat_n('0', usize::try_from(zeros).unwrap_or(0)));
        }
        if digits.len() <= decimals {
            digits.insert_str(0, &"0".repeat(decimals + 1 - digits.len()));
        }
        if decimals > 0 {
            digits.insert(digits.len() - decimals, '.');
        }
        if self.coefficient < 0 {
            digits.insert(0, '-');
        }
        digits
    }

    /// As text, with one digit before the point, so many behind it, and an exponent.
    pub(super) fn scientific(self, decimals: usize) -> Option<String> {
        let places = |number: Self| number.coefficient.unsigned_abs().to_string().len();
        let power = |number: Self| {
            number.exponent + i32::try_from(places(number)).unwrap_or(0) - i32::from(number.coefficient != 0)
        };
        let wanted = i32::try_from(decimals).ok()?;
        let short = self.rounded(wanted - power(self), Rounding::Even)?;
        let mut digits = short.coefficient.unsigned_abs().to_string();
        digits.extend(std::iter::repeat_n(
            '0',
            (decimals + 1).saturating_sub(digits.len()),
        ));
        if decimals > 0 {
            digits.insert(1, '.');
        }
        let sign = if short.coefficient < 0 { "-" } else { "" };
        let power = if short.coefficient == 0 { 0 } else { power(short) };
        let (mark, power) = (if power < 0 { '-' } else { '+' }, power.unsigned_abs());
        Some(format!("{sign}{digits}e{mark}{power:0>2}"))
    }
}

fn greatest_common(mut one: u128, mut two: u128) -> u128 {
    while two != 0 {
        (one, two) = (two, one % two);
    }
    one
}
