//! The options of a flow that a timer starts.

use jiff::{
    Timestamp,
    tz::{self, TimeZone},
};
use trunkline_sdk::{Kind, Need, Opt, Options, Problem, Settings, nearest};

use crate::{cron::Cron, schedule::Schedule};

/// `from: { system: clock, every: 5m }`.
pub(crate) const SOURCE: &[Opt] = &[
    Opt {
        name: "every",
        kind: Kind::Duration,
        need: Need::Optional,
        summary: "the interval, `1s` to `31d` in whole seconds: at its multiples since 1970, in UTC; this or `cron`",
    },
    Opt {
        name: "cron",
        kind: Kind::Text,
        need: Need::Optional,
        summary: "minute, hour, day of the month, month and weekday, such as `0 6 * * 1-5`; this or `every`",
    },
    Opt {
        name: "time_zone",
        kind: Kind::Text,
        need: Need::Default("UTC"),
        summary: "with `cron`: the time zone of its hours by its IANA name, such as `Europe/Berlin`",
    },
    Opt {
        name: "missed",
        kind: Kind::Choice(&["once", "all", "skip"]),
        need: Need::Default("once"),
        summary: "what becomes of the times that came while nobody was there: the newest fires (`once`), `all` fire, \
                  at most the newest 1000, or none does (`skip`)",
    },
    Opt {
        name: "since",
        kind: Kind::Text,
        need: Need::Optional,
        summary: "a moment such as `2026-11-25T00:00:00Z`: at the very first start, times behind it count as missed",
    },
];

/// What a flow's options amount to.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) schedule: Schedule,
    pub(crate) missed: Missed,
    /// Where it begins when it has no position.
    pub(crate) since: Option<Timestamp>,
}

/// What becomes of times that nobody waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missed {
    Once,
    All,
    Skip,
}

/// In seconds: 31 days.
const LONGEST: u64 = 31 * 24 * 60 * 60;

impl Plan {
    /// Reads the options; all that is wrong with them at once.
    pub(crate) fn read(settings: &Settings) -> Result<Self, Vec<Problem>> {
        let options = Options::read(SOURCE, settings)?;
        let mut problems = Vec::new();
        let zone = zone(&options, &mut problems);
        let schedule = match (settings.get("every"), settings.get("cron")) {
            (Some(every), None) => interval(every, &options, &mut problems),
            (None, Some(line)) => line_of(line, zone, &mut problems),
            (Some(_), Some(line)) => {
                problems.push(
                    Problem::new(&line.place, "`every` and `cron` exclude each other")
                        .hint("leave one of them out"),
                );
                None
            }
            (None, None) => {
                problems.push(
                    Problem::new(&settings.place, "neither `every` nor `cron` says when it fires")
                        .hint("`every: 5m`, or `cron: \"0 6 * * 1-5\"`"),
                );
                None
            }
        };
        if let (Some(zone), None) = (settings.get("time_zone"), settings.get("cron")) {
            problems.push(
                Problem::new(&zone.place, "`time_zone` means nothing without `cron`")
                    .hint("an interval is counted in UTC: leave it out"),
            );
        }
        let since = settings.get("since").and_then(|since| {
            let read = since.text().unwrap_or_default().parse().ok();
            if read.is_none() {
                problems.push(
                    Problem::new(&since.place, "`since` is no moment with its offset from UTC")
                        .hint("such as `2026-11-25T00:00:00Z` or `2026-11-25T00:00:00+01:00`"),
                );
            }
            read
        });
        match schedule {
            Some(schedule) if problems.is_empty() => Ok(Self {
                schedule,
                missed: match options.text("missed") {
                    Some("all") => Missed::All,
                    Some("skip") => Missed::Skip,
                    _ => Missed::Once,
                },
                since,
            }),
            _ => Err(problems),
        }
    }
}

fn interval(every: &Settings, options: &Options<'_>, problems: &mut Vec<Problem>) -> Option<Schedule> {
    let interval = options.duration("every").unwrap_or_default();
    if interval.subsec_nanos() > 0 || !(1..=LONGEST).contains(&interval.as_secs()) {
        problems.push(
            Problem::new(&every.place, "`every` must be whole seconds from 1s to 31d")
                .hint("what happens less often has a `cron` line"),
        );
        return None;
    }
    i64::try_from(interval.as_secs()).ok().map(Schedule::Every)
}

fn line_of(settings: &Settings, zone: Option<TimeZone>, problems: &mut Vec<Problem>) -> Option<Schedule> {
    let text = settings.text().unwrap_or_default();
    match Cron::read(text) {
        Ok(cron) => {
            let words: Vec<_> = text.split_ascii_whitespace().collect();
            Some(Schedule::Cron {
                line: words.join(" "),
                cron,
                zone: zone?,
            })
        }
        Err(flaws) => {
            problems.extend(flaws.into_iter().map(|flaw| {
                let what = if settings.is_from_variable() {
                    "`cron` is no cron line".to_owned()
                } else {
                    flaw.what
                };
                Problem::new(&settings.within(flaw.part), what).hint(
                    "five fields: minute, hour, day of the month, month and weekday; each `*`, a number, a range \
                     `1-5`, a list `1,15` or with a step `*/10`",
                )
            }));
            None
        }
    }
}

fn zone(options: &Options<'_>, problems: &mut Vec<Problem>) -> Option<TimeZone> {
    let name = options.text("time_zone").unwrap_or_default();
    if let Ok(zone) = tz::db().get(name) {
        return Some(zone);
    }
    let setting = options.get("time_zone")?;
    let shown = if setting.is_from_variable() { "…" } else { name };
    let known: Vec<_> = tz::db().available().map(|name| name.to_string()).collect();
    let near = nearest(name, known.iter().map(String::as_str))
        .map(|near| format!("did you mean `{near}`? "))
        .unwrap_or_default();
    problems.push(
        Problem::new(&setting.place, format!("there is no time zone `{shown}`"))
            .hint(format!("{near}names are those of IANA, such as `Europe/Berlin`")),
    );
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pairs: &[(&str, &str)]) -> Vec<String> {
        let read = Plan::read(&Settings::of(pairs.iter().copied()));
        let problems = read.err().unwrap_or_default();
        problems.into_iter().map(|problem| problem.what).collect()
    }

    #[test]
    fn a_plan_is_an_interval_or_a_line() {
        for right in [
            &[("every", "1s")][..],
            &[("every", "31d"), ("missed", "skip")],
            &[("cron", "0 6 * * 1-5")],
            &[
                ("cron", "0 6 * * 1-5"),
                ("time_zone", "Europe/Berlin"),
                ("missed", "all"),
                ("since", "2026-11-25T00:00:00+01:00"),
            ],
        ] {
            assert_eq!(told(right), Vec::<String>::new(), "{right:?}");
        }
    }

    #[test]
    fn everything_that_a_table_cannot_say_is_told_at_once() {
        for (wrong, problems) in [
            (&[][..], 1),
            (&[("every", "500ms")], 1),
            (
                &[("every", "0s"), ("time_zone", "UTC"), ("since", "yesterday")],
                3,
            ),
            (&[("every", "32d")], 1),
            (&[("every", "1m"), ("cron", "* * * * *")], 1),
            (&[("cron", "* * * * x"), ("time_zone", "Europe/Berlni")], 2),
        ] {
            assert_eq!(told(wrong).len(), problems, "{wrong:?}: {:?}", told(wrong));
        }
    }
}
