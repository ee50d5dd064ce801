//! Time zones: the civil time of an instant in a place, and the instant of a civil time. The zones are those of the
//! IANA database, which the binary carries, so that a mapping gives the same on every machine.

use jiff::{civil::DateTime, tz::TimeZone};
use trunkline_sdk::nearest;

use crate::{
    canonical::time::{self, Instant, RANGE},
    mapping::failure::Failure,
};

/// A zone by its name (`Europe/Copenhagen`, `UTC`) or its offset (`+02:00`).
#[derive(Debug, Clone)]
pub(crate) enum Zone {
    Offset(i64),
    Named(TimeZone),
}

impl Zone {
    /// `None`: there is no such zone.
    pub(crate) fn get(name: &str) -> Option<Self> {
        if name.is_empty() || name == "UTC" {
            return Some(Self::Offset(0));
        }
        match offset(name) {
            Some(seconds) => Some(Self::Offset(seconds)),
            None => TimeZone::get(name).ok().map(Self::Named),
        }
    }

    /// A hint: which zone may have been meant by a name that is none.
    pub(crate) fn near(name: &str) -> String {
        let names: Vec<_> = jiff::tz::db().available().map(|name| name.to_string()).collect();
        match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "as in `Europe/Copenhagen`, `UTC` or `+02:00`".to_owned(),
        }
    }

    /// The instant whose UTC parts are the civil parts of this instant here.
    pub(super) fn civil(&self, instant: Instant) -> Result<Instant, Box<Failure>> {
        let offset = match self {
            Self::Offset(seconds) => *seconds,
            Self::Named(zone) => {
                let timestamp = jiff::Timestamp::new(instant.seconds.clamp(*RANGE.start(), *RANGE.end()), 0)
                    .map_err(|_| outside())?;
                i64::from(zone.to_offset(timestamp).seconds())
            }
        };
        Ok(Instant {
            seconds: instant.seconds + offset,
            ..instant
        })
    }

    /// The instant of a civil time here. Where clocks go forward, a time that they leave out is as much later; where
    /// they go back, a time that comes twice is its first.
    pub(super) fn instant(&self, civil: Instant) -> Result<Instant, Box<Failure>> {
        let seconds = match self {
            Self::Offset(offset) => civil.seconds - offset,
            Self::Named(zone) => {
                let (year, month, day) = civil.date();
                let second = civil.seconds.rem_euclid(86_400);
                let narrow = |number: i64| i8::try_from(number).ok();
                let civil = i16::try_from(year).ok().and_then(|year| {
                    let (month, day) = (narrow(month)?, narrow(day)?);
                    let (hour, minute) = (narrow(second / 3600)?, narrow(second / 60 % 60)?);
                    DateTime::new(year, month, day, hour, minute, narrow(second % 60)?, 0).ok()
                });
                let civil = civil.ok_or_else(outside)?;
                let zoned = zone.to_ambiguous_timestamp(civil).compatible();
                zoned.map_err(|_| outside())?.as_second()
            }
        };
        if !RANGE.contains(&seconds) {
            return Err(outside());
        }
        Ok(Instant {
            seconds,
            nanos: civil.nanos,
        })
    }
}

fn outside() -> Box<Failure> {
    Failure::new("the timestamp lies outside the years 1 to 9999")
}

/// `+02:00`, `-02:30`, `02:00`.
fn offset(text: &str) -> Option<i64> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let (hours, minutes) = rest.split_once(':')?;
    let part = |text: &str, most: i64| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<i64>().ok().filter(|part| digits && *part <= most)
    };
    Some(sign * (part(hours, 23)? * 3600 + part(minutes, 59)? * 60))
}

/// The civil time that a text gives by a pattern: `YYYY`, `MM` (or `M`), `DD` (or `D`), and, if it goes on, `hh`, `mm`
/// and `ss`; everything else stands for itself.
#[derive(Debug)]
pub(crate) struct Pattern<'p> {
    pattern: &'p str,
}

impl<'p> Pattern<'p> {
    /// `None`: it does not have year, month and day, each once.
    pub(crate) fn new(pattern: &'p str) -> Option<Self> {
        let mut seen = [0; 6];
        let given = Self { pattern };
        for (token, _) in given.tokens() {
            if let Some(part) = token {
                seen[part] += 1;
            }
        }
        let date = seen[..3].iter().all(|count| *count == 1);
        let clock = seen[3..].iter().all(|count| *count <= 1);
        (date && clock && seen[4] >= seen[5] && seen[3] >= seen[4]).then_some(given)
    }

    /// The parts of the pattern: which part of the time it is (none: a sign that stands for itself), and the text.
    fn tokens(&self) -> impl Iterator<Item = (Option<usize>, &'p str)> + use<'p> {
        const TOKENS: [(&str, usize); 8] = [
            ("YYYY", 0),
            ("MM", 1),
            ("DD", 2),
            ("hh", 3),
            ("mm", 4),
            ("ss", 5),
            ("M", 1),
            ("D", 2),
        ];
        let mut rest = self.pattern;
        std::iter::from_fn(move || {
            let first = rest.chars().next()?;
            let known = TOKENS.iter().find(|(token, _)| rest.starts_with(token));
            let (part, length) = match known {
                Some((token, part)) => (Some(*part), token.len()),
                None => (None, first.len_utf8()),
            };
            let (token, behind) = rest.split_at(length);
            rest = behind;
            Some((part, token))
        })
    }

    /// `None`: the text does not look so, or it is no time of the calendar.
    pub(super) fn read(&self, text: &str) -> Option<Instant> {
        let mut parts = [0; 6];
        let mut rest = text;
        for (part, token) in self.tokens() {
            match part {
                None => rest = rest.strip_prefix(token)?,
                Some(part) => {
                    let most = token.len().max(2);
                    let digits = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
                    if digits == 0 || (token.len() > 1 && digits != token.len()) {
                        return None;
                    }
                    parts[part] = rest[..digits].parse::<i64>().ok()?;
                    rest = &rest[digits..];
                }
            }
        }
        let [year, month, day, hour, minute, second] = parts;
        let date = format!("{year:04}-{month:02}-{day:02}");
        if !rest.is_empty() || hour > 23 || minute > 59 || second > 59 || time::parse_date(&date).is_none() {
            return None;
        }
        Some(Instant {
            seconds: time::days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second,
            nanos: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        Instant::parse(text).expect("the test gives an instant")
    }

    #[test]
    fn a_civil_time_and_its_instant_are_one_another_s_in_a_zone_with_summer_time() {
        let zone = Zone::get("Europe/Copenhagen").expect("there is one");
        for (utc, civil) in [
            ("2026-01-31T23:30:00Z", "2026-02-01T00:30:00Z"),
            ("2026-07-01T10:00:00.5Z", "2026-07-01T12:00:00.5Z"),
        ] {
            assert_eq!(zone.civil(at(utc)).expect("it has one"), at(civil));
            assert_eq!(zone.instant(at(civil)).expect("it has one"), at(utc));
        }
        // What the clocks leave out is later, what comes twice is the first.
        assert_eq!(
            zone.instant(at("2026-03-29T02:30:00Z")).expect("ok"),
            at("2026-03-29T01:30:00Z")
        );
        assert_eq!(
            zone.instant(at("2026-10-25T02:30:00Z")).expect("ok"),
            at("2026-10-25T00:30:00Z")
        );
        assert!(Zone::get("Europe/Kopenhagen").is_none());
    }

    #[test]
    fn a_text_is_read_by_its_pattern_or_not_at_all() {
        for (pattern, text, read) in [
            ("DD.MM.YYYY", "01.03.2026", Some("2026-03-01T00:00:00Z")),
            ("D/M/YYYY hh:mm", "1/12/2026 08:05", Some("2026-12-01T08:05:00Z")),
            ("YYYYMMDDhhmmss", "20260301123456", Some("2026-03-01T12:34:56Z")),
            ("DD.MM.YYYY", "1.3.2026", None),
            ("DD.MM.YYYY", "31.02.2026", None),
            ("DD.MM.YYYY", "01.03.2026 ", None),
            ("DD.MM.YYYY hh:mm", "01.03.2026 24:00", None),
        ] {
            let pattern = Pattern::new(pattern).expect("the test gives a pattern");
            assert_eq!(pattern.read(text), read.map(at), "{text}");
        }
        for wrong in ["", "DD.MM", "YYYY-MM-MM", "YYYY-MM-DD mm"] {
            assert!(Pattern::new(wrong).is_none(), "{wrong}");
        }
    }
}
