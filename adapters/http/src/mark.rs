//! How far a system was read: the greatest time or number by which it tells what has changed.
//!
//! Promises: the same spelling as the system's own; times that lie ahead of this host's clock do not carry the reading
//! past what is still to come.

use std::{cmp::Ordering, time::Duration};

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

/// So far back a reading of times goes, if nothing else is said.
const OVERLAP: Duration = Duration::from_secs(120);

/// A Unix time of at least this is in milliseconds.
const MILLISECONDS: i128 = 100_000_000_000;

/// The value of a record by which the system tells what has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mark {
    /// With its spelling.
    Time(Timestamp, Spelling),
    Number(i128),
}

/// How a system writes a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// RFC 3339, with its offset.
    Zoned,
    /// Without an offset: UTC is meant. Between date and time stands this.
    Plain(char),
}

/// How far to go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overlap {
    Time(Duration),
    Number(i128),
}

impl Mark {
    /// Reads a value. `None`: it is neither a time nor a whole number.
    pub(crate) fn read(text: &str) -> Option<Self> {
        if let Ok(number) = text.parse() {
            return Some(Self::Number(number));
        }
        if let Ok(time) = text.parse::<Timestamp>() {
            return Some(Self::Time(time, Spelling::Zoned));
        }
        let time: DateTime = text.parse().ok()?;
        let separator = text
            .chars()
            .nth(10)
            .filter(|separator| *separator == ' ')
            .unwrap_or('T');
        let time = TimeZone::UTC.to_timestamp(time).ok()?;
        Some(Self::Time(time, Spelling::Plain(separator)))
    }

    /// The same, but no later than now.
    pub(crate) fn not_ahead(self, now: Timestamp) -> Self {
        match self {
            Self::Time(time, spelling) => Self::Time(time.min(now), spelling),
            Self::Number(_) => self,
        }
    }

    /// What to ask for, so that what came late is seen.
    pub(crate) fn since(&self, overlap: Option<Overlap>) -> String {
        match self {
            Self::Number(number) => {
                let back = match overlap {
                    None => 0,
                    Some(Overlap::Number(back)) => back,
                    Some(Overlap::Time(back)) if *number >= MILLISECONDS => back.as_millis() as i128,
                    Some(Overlap::Time(back)) => i128::from(back.as_secs()),
                };
                number.saturating_sub(back).to_string()
            }
            Self::Time(time, spelling) => {
                let back = match overlap {
                    None => OVERLAP,
                    Some(Overlap::Time(back)) => back,
                    Some(Overlap::Number(back)) => {
                        Duration::from_secs(u64::try_from(back).unwrap_or_default())
                    }
                };
                spelling.write(time.saturating_sub(back).unwrap_or(*time))
            }
        }
    }

    /// As the system writes it.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Time(time, spelling) => spelling.write(*time),
            Self::Number(number) => number.to_string(),
        }
    }

    /// The time, if it is one.
    pub(crate) fn time(&self) -> Option<Timestamp> {
        match self {
            Self::Time(time, _) => Some(*time),
            Self::Number(_) => None,
        }
    }
}

/// `None`: a time and a number.
impl PartialOrd for Mark {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Time(one, _), Self::Time(other, _)) => Some(one.cmp(other)),
            (Self::Number(one), Self::Number(other)) => Some(one.cmp(other)),
            _ => None,
        }
    }
}

impl Spelling {
    fn write(self, time: Timestamp) -> String {
        let text = time.to_string();
        match self {
            Self::Zoned => text,
            Self::Plain(separator) => text
                .trim_end_matches('Z')
                .replacen('T', &separator.to_string(), 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_lies_before_the_mark_and_is_spelt_as_the_system_spells() {
        let minute = Some(Overlap::Time(Duration::from_secs(60)));
        for (text, overlap, since) in [
            ("2026-07-01T10:00:00Z", minute, "2026-07-01T09:59:00Z"),
            ("2026-07-01T12:00:00+02:00", minute, "2026-07-01T09:59:00Z"),
            ("2026-07-01T10:00:00.250Z", None, "2026-07-01T09:58:00.25Z"),
            ("2026-07-01T10:00:00", minute, "2026-07-01T09:59:00"),
            ("2026-07-01 10:00:00", minute, "2026-07-01 09:59:00"),
            ("1782900000", minute, "1782899940"),
            ("1782900000000", minute, "1782899940000"),
            ("17", None, "17"),
            ("17", Some(Overlap::Number(5)), "12"),
        ] {
            let mark = Mark::read(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(mark.since(overlap), since, "{text}");
            assert_eq!(Mark::read(&mark.text()), Some(mark), "{text}");
        }
        for text in ["", "x", "1.5", "Wed, 25 Nov 2026 19:00:00 GMT", "01HX"] {
            assert_eq!(Mark::read(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_ahead_of_the_clock_does_not_carry_the_reading_past_what_comes() {
        let now = "2026-07-01T10:00:00Z".parse().expect("a time");
        let mark = |text| Mark::read(text).expect("a mark");
        assert_eq!(
            mark("2099-01-01T00:00:00Z").not_ahead(now),
            mark("2026-07-01T10:00:00Z")
        );
        assert_eq!(
            mark("2020-01-01T00:00:00Z").not_ahead(now),
            mark("2020-01-01T00:00:00Z")
        );
    }
}
