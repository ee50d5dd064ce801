//! Money: decimal digits to google.type.Money, never through a double.

use super::{Decimal, unfit};
use crate::{
    canonical::wire,
    mapping::{failure::Failure, value::Val},
};

/// An amount as google.type.Money has it: both parts of one sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) units: i64,
    pub(crate) nanos: i32,
}

impl Amount {
    /// Reads decimal digits with at most nine decimals (zeros behind them do not count); an exponent only as JSON
    /// numbers have it. No signs of thousands, no currency, no blanks.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        // One walk for what amounts look like: some digits, a point, some decimals.
        let (mut units, mut nanos, mut decimals): (i64, i32, Option<u32>) = (0, 0, None);
        for (at, byte) in digits.bytes().enumerate() {
            match (byte, decimals) {
                (b'0'..=b'9', None) => units = units.checked_mul(10)?.checked_add(i64::from(byte - b'0'))?,
                (b'0'..=b'9', Some(count)) if count < 9 => {
                    nanos = nanos * 10 + i32::from(byte - b'0');
                    decimals = Some(count + 1);
                }
                // Zeros behind the ninth decimal say nothing.
                (b'0', Some(_)) => {}
                (b'.', None) if at > 0 => decimals = Some(0),
                (b'e' | b'E', _) => return Self::of_decimal(Decimal::parse(text)?),
                _ => return None,
            }
        }
        if digits.is_empty() || decimals == Some(0) {
            return None;
        }
        nanos *= 10_i32.pow(9 - decimals.unwrap_or(9));
        let sign = if negative { -1 } else { 1 };
        Some(Self {
            units: units * sign,
            nanos: nanos * i32::try_from(sign).unwrap_or(1),
        })
    }

    fn of_decimal(decimal: Decimal) -> Option<Self> {
        let nanos = decimal.in_units_of(-9)?;
        Some(Self {
            units: i64::try_from(nanos / 1_000_000_000).ok()?,
            nanos: i32::try_from(nanos % 1_000_000_000).ok()?,
        })
    }

    /// The amount in a value: decimal text, a record's number, or an integer.
    pub(crate) fn of_value(value: &Val<'_>) -> Result<Self, Box<Failure>> {
        let amount = match value {
            Val::Text(text) => Self::parse(text.as_str()),
            Val::Number(digits) => Self::parse(digits.as_str()),
            Val::Int(units) => Some(Self {
                units: *units,
                nanos: 0,
            }),
            Val::Uint(units) => i64::try_from(*units).ok().map(|units| Self { units, nanos: 0 }),
            Val::Double(_) => {
                return Err(Failure::new("a double is no exact amount")
                    .hint("give money(..) the decimal text or the record's number itself"));
            }
            other => return Err(unfit("decimal amount", other)),
        };
        amount.ok_or_else(|| {
            Failure::new(format!(
                "{} is no decimal amount with at most 9 decimals",
                value.kind()
            ))
        })
    }
}

/// Whether this is the form of a currency's code (ISO 4217): three capital letters.
pub(crate) fn is_currency(code: &str) -> bool {
    code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// Writes the fields of google.type.Money.
pub(crate) fn encode_money(
    out: &mut Vec<u8>,
    amount: Amount,
    currency: &Val<'_>,
) -> Result<(), Box<Failure>> {
    let Val::Text(code) = currency else {
        return Err(unfit("currency code", currency));
    };
    let code = code.as_str();
    if !is_currency(code) {
        return Err(Failure::new(format!("{} is no currency code", currency.kind()))
            .hint("ISO 4217: three capital letters, as in `EUR`"));
    }
    wire::put_bytes(out, 1, code.as_bytes());
    if amount.units != 0 {
        wire::put_tag(out, 2, 0);
        wire::put_varint(out, amount.units as u64);
    }
    if amount.nanos != 0 {
        wire::put_tag(out, 3, 0);
        wire::put_varint(out, i64::from(amount.nanos) as u64);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_keeps_every_digit_and_one_sign() {
        for (text, units, nanos) in [
            ("12.34", 12, 340_000_000),
            ("-0.05", 0, -50_000_000),
            ("-12.000000001", -12, -1),
            ("0", 0, 0),
            ("9223372036854775807", i64::MAX, 0),
            ("90071992547409.93", 90_071_992_547_409, 930_000_000),
            ("1.2500000000000", 1, 250_000_000),
            ("1.5e2", 150, 0),
            ("15e-1", 1, 500_000_000),
            ("1e-9", 0, 1),
        ] {
            assert_eq!(Amount::parse(text), Some(Amount { units, nanos }), "{text}");
        }
    }

    #[test]
    fn what_is_no_plain_decimal_is_refused() {
        for text in [
            "",
            "-",
            ".5",
            "5.",
            "12,400.50",
            "1.0000000001",
            "1e-10",
            "9223372036854775808",
            " 1",
            "1 ",
            "+1",
            "0x10",
            "1e999999999",
            "NaN",
            "1.2.3",
            "--1",
            "1e",
            "EUR 5",
        ] {
            assert_eq!(Amount::parse(text), None, "{text}");
        }
    }
}
