//! The moments at which a timer fires.
//!
//! Promises: the moments depend on nothing but the options, so every process and every start has the same ones.
//!
//! Where clocks are changed, a line with fixed hours fires once for each of its local times: one that is skipped fires
//! as much later as the clock was put forward (02:30 at 03:30), one that comes twice fires the first time. A line whose
//! hours are `*` is a rhythm: it fires in both of two equal hours and not at all in a skipped one.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use crate::cron::Cron;

/// When a timer fires.
#[derive(Debug, Clone)]
pub(crate) enum Schedule {
    /// At every multiple of so many seconds since 1970, in UTC.
    Every(i64),
    /// By the clock on the wall of a time zone.
    Cron {
        /// As it is written, with single spaces.
        line: String,
        cron: Cron,
        zone: TimeZone,
    },
}

/// How far back the newest moments are looked for, in hours, one after the other.
const LOOKS_BACK: [i64; 5] = [1, 24, 31 * 24, 366 * 24, 41 * 366 * 24];

impl Schedule {
    /// What tells it from other schedules.
    pub(crate) fn name(&self) -> String {
        match self {
            Schedule::Every(seconds) => format!("every {seconds}s"),
            Schedule::Cron { line, zone, .. } => {
                format!("cron {line} {}", zone.iana_name().unwrap_or("UTC"))
            }
        }
    }

    /// The zone of its local times.
    pub(crate) fn zone(&self) -> TimeZone {
        match self {
            Schedule::Every(_) => TimeZone::UTC,
            Schedule::Cron { zone, .. } => zone.clone(),
        }
    }

    /// The first moment behind this one; `None`: there is none before the year 9999.
    pub(crate) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Schedule::Every(seconds) => {
                let number = after.as_second().div_euclid(*seconds) + 1;
                Timestamp::from_second(number.checked_mul(*seconds)?).ok()
            }
            Schedule::Cron { cron, zone, .. } if cron.is_hourly() => next_by_rhythm(cron, zone, after),
            Schedule::Cron { cron, zone, .. } => next_by_clock(cron, zone, after),
        }
    }

    /// The newest moments behind `after` up to `until`, at most so many, in their order.
    pub(crate) fn newest(&self, after: Timestamp, until: Timestamp, most: usize) -> Vec<Timestamp> {
        if let Schedule::Every(seconds) = self {
            let last = until.as_second().div_euclid(*seconds) * seconds;
            let moments = (0i64..).map_while(|back| Timestamp::from_second(last - back * seconds).ok());
            let mut newest: Vec<_> = moments.take_while(|moment| *moment > after).take(most).collect();
            newest.reverse();
            return newest;
        }
        let mut newest = VecDeque::new();
        for hours in LOOKS_BACK {
            let from = until
                .checked_sub(SignedDuration::from_hours(hours))
                .map_or(after, |from| from.max(after));
            newest.clear();
            let mut at = from;
            while let Some(moment) = self.next(at).filter(|moment| *moment <= until) {
                if newest.len() == most {
                    newest.pop_front();
                }
                newest.push_back(moment);
                at = moment;
            }
            if newest.len() == most || from == after {
                break;
            }
        }
        newest.into()
    }
}

/// Each local time once.
fn next_by_clock(cron: &Cron, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    // A local time that was skipped lies behind its moment: begin early enough to see it.
    let mut from = zone
        .to_datetime(after)
        .checked_sub(SignedDuration::from_hours(3))
        .ok()?;
    loop {
        let local = cron.next(from)?;
        // Of two, the first; of none, as much later as the gap is wide.
        let moment = zone.to_timestamp(local).ok()?;
        if moment > after {
            return Some(moment);
        }
        from = local.checked_add(SignedDuration::from_mins(1)).ok()?;
    }
}

/// As if no clock were ever changed while it runs.
fn next_by_rhythm(cron: &Cron, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    let mut from = after.checked_add(SignedDuration::from_nanos(1)).ok()?;
    loop {
        let offset = zone.to_offset(from);
        let moment = offset.to_timestamp(cron.next(offset.to_datetime(from))?).ok()?;
        match zone.following(from).next() {
            // Before that moment the clock is changed: it goes on from there.
            Some(change) if change.timestamp() <= moment && zone.to_offset(moment) != offset => {
                from = change.timestamp();
            }
            _ => return Some(moment),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cron(line: &str, zone: &str) -> Schedule {
        Schedule::Cron {
            line: line.to_owned(),
            cron: Cron::read(line).expect(line),
            zone: TimeZone::get(zone).expect(zone),
        }
    }

    fn moments(schedule: &Schedule, after: &str, count: usize) -> Vec<String> {
        let mut at = after.parse().expect("a moment");
        let next = || {
            at = schedule.next(at)?;
            Some(at.to_string())
        };
        std::iter::from_fn(next).take(count).collect()
    }

    #[test]
    fn a_local_time_that_is_skipped_fires_as_much_later_and_once() {
        // given clocks that are put forward at 01:00 UTC, from 02:00 to 03:00
        let daily = cron("30 2 * * *", "Europe/Berlin");
        // then
        assert_eq!(
            moments(&daily, "2026-03-27T12:00:00Z", 3),
            [
                "2026-03-28T01:30:00Z",
                "2026-03-29T01:30:00Z",
                "2026-03-30T00:30:00Z"
            ]
        );
        let both = cron("30 2,3 * * *", "Europe/Berlin");
        assert_eq!(
            moments(&both, "2026-03-28T12:00:00Z", 2),
            ["2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]
        );
    }

    #[test]
    fn a_local_time_that_comes_twice_fires_the_first_time() {
        // given clocks that are put back at 01:00 UTC, from 03:00 to 02:00
        let daily = cron("30 2 * * *", "Europe/Berlin");
        // then
        assert_eq!(
            moments(&daily, "2026-10-24T12:00:00Z", 2),
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
        // and nothing of it is repeated by one that begins between the two
        assert_eq!(
            moments(&daily, "2026-10-25T00:45:00Z", 1),
            ["2026-10-26T01:30:00Z"]
        );
    }

    #[test]
    fn a_line_of_every_hour_keeps_its_rhythm_when_clocks_are_changed() {
        let half_hours = cron("*/30 * * * *", "Europe/Berlin");
        let every = Schedule::Every(1800);
        for change in ["2026-03-28T22:10:00Z", "2026-10-24T22:10:00Z"] {
            assert_eq!(moments(&half_hours, change, 12), moments(&every, change, 12));
        }
        // Lord Howe's clocks change by half an hour, so a full hour comes half an hour early.
        let hours = cron("0 * * * *", "Australia/Lord_Howe");
        assert_eq!(
            moments(&hours, "2026-10-03T14:00:00Z", 3),
            [
                "2026-10-03T14:30:00Z",
                "2026-10-03T16:00:00Z",
                "2026-10-03T17:00:00Z"
            ]
        );
    }

    #[test]
    fn a_zone_without_a_whole_hour_is_as_good_as_another() {
        assert_eq!(
            moments(&cron("0 6 * * *", "Asia/Kathmandu"), "2026-11-25T00:00:00Z", 2),
            ["2026-11-25T00:15:00Z", "2026-11-26T00:15:00Z"]
        );
    }

    #[test]
    fn an_interval_counts_from_1970_so_that_a_restart_moves_nothing() {
        assert_eq!(
            moments(&Schedule::Every(300), "2026-11-25T06:01:17.5Z", 2),
            ["2026-11-25T06:05:00Z", "2026-11-25T06:10:00Z"]
        );
        assert_eq!(
            moments(&Schedule::Every(300), "1969-12-31T23:59:59Z", 1),
            ["1970-01-01T00:00:00Z"]
        );
        assert_eq!(Schedule::Every(300).next(Timestamp::MAX), None);
    }

    #[test]
    fn the_newest_moments_are_found_however_long_ago_the_oldest_was() {
        let since = "1990-01-01T00:00:00Z".parse().expect("a moment");
        let until = "2026-11-25T12:00:00Z".parse().expect("a moment");
        let told = |schedule: &Schedule, most| {
            let newest = schedule.newest(since, until, most);
            (
                newest.len(),
                newest.last().map(ToString::to_string).unwrap_or_default(),
            )
        };
        assert_eq!(
            told(&Schedule::Every(1), 1000),
            (1000, "2026-11-25T12:00:00Z".to_owned())
        );
        assert_eq!(
            told(&cron("0 0 1 1 *", "UTC"), 2),
            (2, "2026-01-01T00:00:00Z".to_owned())
        );
        assert_eq!(
            told(&cron("0 0 29 2 *", "UTC"), 1000),
            (9, "2024-02-29T00:00:00Z".to_owned())
        );
        assert_eq!(cron("0 0 1 1 *", "UTC").newest(until, until, 5), []);
    }
}
