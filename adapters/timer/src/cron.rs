//! A cron line, and the local times it stands for.
//!
//! Promises: the five fields of Vixie's cron with lists, ranges, steps and names; where both day fields are restricted,
//! a day that is in either counts, as it does there. Not promised: seconds, `@daily`, `L`, `W` and `#`.

use std::ops::{Range, RangeInclusive};

use jiff::civil::{Date, DateTime};

/// The times of a cron line, each field as a set of bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Neither of the day fields begins with `*`: a day of either counts.
    either_day: bool,
}

/// What is wrong with a line, and where in it, in bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub(crate) part: Range<usize>,
    pub(crate) what: String,
}

struct Field {
    name: &'static str,
    range: RangeInclusive<u8>,
    /// Words for its numbers, from the first.
    words: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field {
        name: "minute",
        range: 0..=59,
        words: &[],
    },
    Field {
        name: "hour",
        range: 0..=23,
        words: &[],
    },
    Field {
        name: "day of the month",
        range: 1..=31,
        words: &[],
    },
    Field {
        name: "month",
        range: 1..=12,
        words: &[
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ],
    },
    Field {
        name: "weekday",
        // Sunday is 0 and 7.
        range: 0..=7,
        words: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    },
];

/// Between two 29ths of February may lie eight years, and twice that until one is a given weekday.
const MOST_DAYS: usize = 366 * 41;

impl Cron {
    /// Reads a line; the flaws of all its fields at once.
    pub(crate) fn read(text: &str) -> Result<Self, Vec<Flaw>> {
        let fields: Vec<_> = text
            .split_ascii_whitespace()
            .map(|field| {
                // It is a part of the text, so it lies behind the text's beginning.
                let start = field.as_ptr() as usize - text.as_ptr() as usize;
                (start, field)
            })
            .collect();
        let Ok(fields) = <[_; 5]>::try_from(fields.as_slice()) else {
            let told = match fields.len() {
                1 => "1 field".to_owned(),
                fields => format!("{fields} fields"),
            };
            return Err(vec![Flaw {
                part: 0..text.len(),
                what: format!("`cron` has {told}, but must have five"),
            }]);
        };
        let mut flaws = Vec::new();
        let mut sets = [0; 5];
        for ((set, field), (start, text)) in sets.iter_mut().zip(&FIELDS).zip(fields) {
            match field.read(text) {
                Ok(bits) => *set = bits,
                Err(what) => flaws.push(Flaw {
                    part: start..start + text.len(),
                    what,
                }),
            }
        }
        if !flaws.is_empty() {
            return Err(flaws);
        }
        let [minutes, hours, days, months, weekdays] = sets;
        let cron = Self {
            minutes,
            hours,
            days,
            months,
            weekdays: weekdays | weekdays >> 7,
            either_day: !fields[2].1.starts_with('*') && !fields[4].1.starts_with('*'),
        };
        if cron.next(jiff::civil::date(2000, 1, 1).at(0, 0, 0, 0)).is_none() {
            return Err(vec![Flaw {
                part: 0..text.len(),
                what: "`cron` names a day that never comes".to_owned(),
            }]);
        }
        Ok(cron)
    }

    /// Whether every hour is in it, so that it is a rhythm rather than a time of day.
    pub(crate) fn is_hourly(&self) -> bool {
        self.hours.count_ones() == 24
    }

    /// The first local time of the line that is not before this one.
    pub(crate) fn next(&self, from: DateTime) -> Option<DateTime> {
        let (mut date, mut hour, mut minute) = (from.date(), from.hour(), from.minute());
        if from.second() > 0 || from.subsec_nanosecond() > 0 {
            minute += 1;
        }
        for _ in 0..MOST_DAYS {
            if !holds(self.months, date.month()) {
                date = date.last_of_month().tomorrow().ok()?;
                (hour, minute) = (0, 0);
                continue;
            }
            if self.has_day(date) {
                while hour < 24 {
                    if holds(self.hours, hour)
                        && let Some(minute) = (minute..60).find(|minute| holds(self.minutes, *minute))
                    {
                        return Some(date.at(hour, minute, 0, 0));
                    }
                    (hour, minute) = (hour + 1, 0);
                }
            }
            date = date.tomorrow().ok()?;
            (hour, minute) = (0, 0);
        }
        None
    }

    fn has_day(&self, date: Date) -> bool {
        let day = holds(self.days, date.day());
        let weekday = holds(self.weekdays, date.weekday().to_sunday_zero_offset());
        if self.either_day {
            day || weekday
        } else {
            day && weekday
        }
    }
}

impl Field {
    fn read(&self, text: &str) -> Result<u64, String> {
        let mut bits = 0;
        for item in text.split(',') {
            let (range, step) = match item.split_once('/') {
                Some((range, step)) => match step.parse::<u8>() {
                    Ok(step) if step > 0 => (range, Some(step)),
                    _ => return Err(self.wrong(item)),
                },
                None => (item, None),
            };
            let (first, last) = if range == "*" {
                (*self.range.start(), *self.range.end())
            } else if let Some((first, last)) = range.split_once('-') {
                (self.number(first)?, self.number(last)?)
            } else {
                let first = self.number(range)?;
                // `5/15`: from there to the end.
                (first, if step.is_some() { *self.range.end() } else { first })
            };
            if first > last {
                return Err(format!("`{item}` ends before it begins"));
            }
            for number in (first..=last).step_by(step.unwrap_or(1).into()) {
                bits |= 1 << number;
            }
        }
        Ok(bits)
    }

    fn number(&self, text: &str) -> Result<u8, String> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = if is_number {
            text.parse().ok()
        } else {
            let at = self.words.iter().position(|word| word.eq_ignore_ascii_case(text));
            at.and_then(|at| u8::try_from(at).ok())
                .map(|at| at + *self.range.start())
        };
        number
            .filter(|number| self.range.contains(number))
            .ok_or_else(|| self.wrong(text))
    }

    fn wrong(&self, text: &str) -> String {
        let (first, last) = (self.range.start(), self.range.end());
        let words = match self.words {
            [first, .., last] => format!(", or `{first}` to `{last}`"),
            _ => String::new(),
        };
        format!("`{text}` is no {}: {first} to {last}{words}", self.name)
    }
}

fn holds(bits: u64, number: i8) -> bool {
    bits >> number & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first times behind a moment, as texts.
    fn times(line: &str, from: &str, count: usize) -> Vec<String> {
        let cron = Cron::read(line).expect(line);
        let mut from: DateTime = from.parse().expect("a time");
        let mut times = Vec::new();
        for _ in 0..count {
            let time = cron.next(from).expect("it comes");
            times.push(time.strftime("%a %F %R").to_string());
            from = time.saturating_add(jiff::SignedDuration::from_secs(1));
        }
        times
    }

    #[test]
    fn a_line_stands_for_the_times_that_cron_gives_it() {
        assert_eq!(
            times("0 6 * * 1-5", "2026-11-27T06:00:00", 3),
            [
                "Fri 2026-11-27 06:00",
                "Mon 2026-11-30 06:00",
                "Tue 2026-12-01 06:00"
            ]
        );
        assert_eq!(
            times("*/20,59 23 31 dec *", "2026-11-25T00:00", 5),
            [
                "Thu 2026-12-31 23:00",
                "Thu 2026-12-31 23:20",
                "Thu 2026-12-31 23:40",
                "Thu 2026-12-31 23:59",
                "Fri 2027-12-31 23:00",
            ]
        );
        assert_eq!(
            times("5/30 0 1 * *", "2026-01-01T00:05:01", 1),
            ["Thu 2026-01-01 00:35"]
        );
        assert_eq!(
            times("0 0 * * 7", "2026-11-25T00:00", 1),
            ["Sun 2026-11-29 00:00"]
        );
        assert_eq!(
            times("0 0 * * SUN", "2026-11-25T00:00", 1),
            ["Sun 2026-11-29 00:00"]
        );
        assert_eq!(
            times("59 23 * * *", "2026-11-25T23:59:01", 1),
            ["Thu 2026-11-26 23:59"]
        );
    }

    #[test]
    fn a_day_of_either_field_counts_where_both_are_restricted() {
        assert_eq!(
            times("0 0 13 * fri", "2026-11-10T00:00", 3),
            [
                "Fri 2026-11-13 00:00",
                "Fri 2026-11-20 00:00",
                "Fri 2026-11-27 00:00"
            ]
        );
        assert_eq!(
            times("0 0 */10 * fri", "2026-11-10T00:00", 1),
            ["Fri 2026-12-11 00:00"]
        );
    }

    #[test]
    fn the_29th_of_february_is_found_across_a_century_that_has_none() {
        assert_eq!(
            times("0 0 29 2 *", "2096-03-01T00:00", 1),
            ["Fri 2104-02-29 00:00"]
        );
        assert_eq!(
            times("0 0 29 2 */7", "2088-03-01T00:00", 1),
            ["Sun 2128-02-29 00:00"]
        );
    }

    #[test]
    fn all_that_is_wrong_is_told_with_its_place() {
        // when
        let flaws = Cron::read("60 6-4  x 1/0 1,,2").expect_err("five fields are wrong");
        // then
        let told: Vec<_> = flaws
            .iter()
            .map(|flaw| (flaw.part.clone(), flaw.what.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                (0..2, "`60` is no minute: 0 to 59"),
                (3..6, "`6-4` ends before it begins"),
                (8..9, "`x` is no day of the month: 1 to 31"),
                (10..13, "`1/0` is no month: 1 to 12, or `jan` to `dec`"),
                (14..18, "`` is no weekday: 0 to 7, or `sun` to `sat`"),
            ]
        );
        for line in [
            "",
            "* * * *",
            "0 0 30 2 *",
            "@daily",
            "* * * * * *",
            "+1 * * * *",
            "999 * * * *",
        ] {
            assert_eq!(Cron::read(line).expect_err(line).len(), 1, "{line}");
        }
    }
}
