//! Instants and dates as text and back: RFC 3339, proleptic Gregorian, the years 1 to 9999, UTC.

/// An instant, as google.protobuf.Timestamp counts it: `nanos` forward from `seconds`, 0 to 999 999 999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// Nanoseconds of the second.
    pub nanos: i32,
}

/// A span of time, as google.protobuf.Duration counts it: both parts of one sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Whole seconds.
    pub seconds: i64,
    /// Nanoseconds, of the same sign as the seconds.
    pub nanos: i32,
}

/// The first and last second that protobuf's Timestamp allows.
pub const RANGE: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

impl Instant {
    /// Reads RFC 3339 with its offset: `2026-03-01T12:30:00.5+01:00`. No leap second, at most nine digits of
    /// a fraction; `None`: something else.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (date, rest) = bytes.split_at_checked(10)?;
        let (year, month, day) = parse_date(std::str::from_utf8(date).ok()?)?;
        let (clock, mut rest) = rest.split_at_checked(9)?;
        if !matches!(clock[0], b'T' | b't' | b' ') || clock[3] != b':' || clock[6] != b':' {
            return None;
        }
        let (hour, minute, second) = (two(&clock[1..3])?, two(&clock[4..6])?, two(&clock[7..9])?);
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let mut nanos = 0;
        if let Some((b'.', fraction)) = rest.split_first() {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits == 0 || digits > 9 {
                return None;
            }
            for digit in &fraction[..digits] {
                nanos = nanos * 10 + i32::from(digit - b'0');
            }
            nanos *= 10_i32.pow(u32::try_from(9 - digits).ok()?);
            rest = &fraction[digits..];
        }
        let offset = match rest {
            [b'Z' | b'z'] => 0,
            [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
                let (hours, minutes) = (two(&[*h1, *h2])?, two(&[*m1, *m2])?);
                if hours > 23 || minutes > 59 {
                    return None;
                }
                let offset = hours * 3600 + minutes * 60;
                if *sign == b'+' { offset } else { -offset }
            }
            _ => return None,
        };
        let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
        RANGE.contains(&seconds).then_some(Self { seconds, nanos })
    }

    /// RFC 3339 in UTC, with 0, 3, 6 or 9 digits of a fraction; `None`: outside the years 1 to 9999.
    pub fn to_text(self) -> Option<String> {
        if !RANGE.contains(&self.seconds) || !(0..1_000_000_000).contains(&self.nanos) {
            return None;
        }
        let ((year, month, day), second) = (self.date(), self.seconds.rem_euclid(86_400));
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let fraction = fraction(self.nanos.unsigned_abs());
        Some(format!(
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z"
        ))
    }

    /// Year, month and day in UTC.
    pub fn date(self) -> (i64, i64, i64) {
        civil(self.seconds.div_euclid(86_400))
    }
}

impl Span {
    /// Reads CEL's form: `1h30m`, `1.5s`, `-250ms`; units h, m, s, ms, us, ns. `None`: something else.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Some(Self { seconds: 0, nanos: 0 });
        }
        if rest.is_empty() {
            return None;
        }
        let mut total: i128 = 0;
        while !rest.is_empty() {
            let number = rest
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .filter(|at| *at > 0)?;
            let unit = rest[number..]
                .find(|c: char| c.is_ascii_digit() || c == '.')
                .map_or(rest.len(), |at| number + at);
            let nanos: i128 = match &rest[number..unit] {
                "h" => 3_600_000_000_000,
                "m" => 60_000_000_000,
                "s" => 1_000_000_000,
                "ms" => 1_000_000,
                "us" | "µs" => 1_000,
                "ns" => 1,
                _ => return None,
            };
            let (whole, part) = rest[..number].split_once('.').unwrap_or((&rest[..number], ""));
            if part.contains('.') || (whole.is_empty() && part.is_empty()) || part.len() > 18 {
                return None;
            }
            let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
            total = total.checked_add(whole.checked_mul(nanos)?)?;
            if !part.is_empty() {
                let scale = 10_i128.pow(u32::try_from(part.len()).ok()?);
                total = total.checked_add(part.parse::<i128>().ok()? * nanos / scale)?;
            }
            rest = &rest[unit..];
        }
        Self::of(if negative { -total } else { total })
    }

    /// A span of so many nanoseconds; `None`: more than 10 000 years, which protobuf does not allow.
    pub fn of(nanos: i128) -> Option<Self> {
        let seconds = i64::try_from(nanos / 1_000_000_000).ok()?;
        (seconds.unsigned_abs() <= 315_576_000_000).then_some(Self {
            seconds,
            nanos: (nanos % 1_000_000_000) as i32,
        })
    }

    /// All of it in nanoseconds.
    pub fn total(self) -> i128 {
        i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanos)
    }

    /// Seconds with 0, 3, 6 or 9 digits of a fraction, as JSON's form of protobuf has it: `5400s`, `-0.250s`.
    pub fn to_text(self) -> String {
        let sign = if self.total() < 0 { "-" } else { "" };
        let fraction = fraction(self.nanos.unsigned_abs());
        format!("{sign}{}{fraction}s", self.seconds.unsigned_abs())
    }
}

fn fraction(nanos: u32) -> String {
    match nanos {
        0 => String::new(),
        _ if nanos.is_multiple_of(1_000_000) => format!(".{:03}", nanos / 1_000_000),
        _ if nanos.is_multiple_of(1_000) => format!(".{:06}", nanos / 1_000),
        _ => format!(".{nanos:09}"),
    }
}

/// Reads `2026-03-01`; `None`: something else, or no day of the calendar.
pub fn parse_date(text: &str) -> Option<(i64, i64, i64)> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let year = two(&bytes[..2])? * 100 + two(&bytes[2..4])?;
    let (month, day) = (two(&bytes[5..7])?, two(&bytes[8..10])?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    (year >= 1 && (1..=length).contains(&day)).then_some((year, month, day))
}

fn two(digits: &[u8]) -> Option<i64> {
    match digits {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
            Some(i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
        }
        _ => None,
    }
}

/// Days since 1970-01-01. Counted in years that begin in March, so that the leap day is their last.
pub fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of so many days since 1970-01-01.
pub fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_read_with_its_offset_and_written_in_utc() {
        for (text, written) in [
            ("2026-03-01T12:30:00+01:00", "2026-03-01T11:30:00Z"),
            ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.500Z"),
            ("2024-02-29T00:00:00.000000001z", "2024-02-29T00:00:00.000000001Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(
                Instant::parse(text).and_then(Instant::to_text).as_deref(),
                Some(written)
            );
        }
        for text in [
            "2026-03-01",
            "2026-03-01T12:30:00",
            "2026-02-29T00:00:00Z",
            "2026-03-01T24:00:00Z",
            "2026-03-01T12:30:60Z",
            "2026-03-01T12:30:00.Z",
            "2026-03-01T12:30:00+0100",
            "0001-01-01T00:00:00+01:00",
            "2026-03-0éT12:30:00Z",
            "",
        ] {
            assert_eq!(Instant::parse(text), None, "{text}");
        }
    }

    #[test]
    fn every_day_of_a_thousand_years_is_its_own() {
        for day in -365_000..365_000 {
            let (year, month, date) = civil(day);
            assert_eq!(days(year, month, date), day);
        }
        assert_eq!(civil(20_782), (2026, 11, 25));
    }

    #[test]
    fn a_span_is_read_with_its_units_and_written_in_seconds() {
        for (text, written) in [
            ("1h30m", "5400s"),
            ("1.5s", "1.500s"),
            ("-250ms", "-0.250s"),
            ("0", "0s"),
            ("2us", "0.000002s"),
        ] {
            assert_eq!(Span::parse(text).map(Span::to_text).as_deref(), Some(written));
        }
        for text in [
            "",
            "5",
            "s",
            "1..5s",
            "1x",
            "-",
            "99999999999999999999999999999999999999h",
        ] {
            assert_eq!(Span::parse(text), None, "{text}");
        }
    }
}
