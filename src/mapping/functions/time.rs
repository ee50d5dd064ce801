//! Instants, durations and days. Parts of an instant are those in UTC, or in the zone that is given.

use super::{
    Function, Gives, Takes,
    convert::{instant, span},
    strings::text,
    unfit,
    zone::{Pattern, Zone},
};
use crate::{
    canonical::{
        time::{self, Instant},
        wire,
    },
    mapping::{
        failure::{Budget, Failure},
        value::{Blob, Val},
    },
};

type Ran<'a> = Result<Val<'a>, Box<Failure>>;

const DATE: Gives = Gives::Message("google.type.Date");

pub(super) const FUNCTIONS: &[Function] = &[
    function(
        "timestamp",
        &[Takes::OneOf(&[Takes::Text, Takes::Int, Takes::Timestamp])],
        Gives::Timestamp,
        "the instant of an RFC 3339 text with its offset, or of whole seconds since 1970",
        |args, _| instant(&args[0]).map(Val::Timestamp),
    ),
    function(
        "timestamp",
        &[Takes::Text, Takes::Zone],
        Gives::Timestamp,
        "the instant of a text like `2026-03-01 12:30` in a time zone; an offset in the text goes before",
        |args, _| local(args).map(Val::Timestamp),
    ),
    function(
        "timestamp",
        &[Takes::Text, Takes::Pattern, Takes::Zone],
        Gives::Timestamp,
        "the instant of a text by a pattern like `DD.MM.YYYY hh:mm`, in a time zone",
        |args, _| {
            let civil = by_pattern(&args[0], &args[1])?;
            zone(&args[2])?.instant(civil).map(Val::Timestamp)
        },
    ),
    function(
        "duration",
        &[Takes::OneOf(&[Takes::Text, Takes::Duration])],
        Gives::Duration,
        "the duration of a text like `1h30m`",
        |args, _| span(&args[0]).map(Val::Duration),
    ),
    function(
        "date",
        &[Takes::OneOf(&[Takes::Text, Takes::Timestamp])],
        DATE,
        "google.type.Date of a text YYYY-MM-DD, or of a timestamp the day in UTC",
        date,
    ),
    function(
        "date",
        &[Takes::Timestamp, Takes::Zone],
        DATE,
        "the day of a timestamp in a time zone",
        |args, _| Ok(encoded(civil(&args[0], args.get(1))?.date())),
    ),
    function(
        "date",
        &[Takes::Text, Takes::Pattern],
        DATE,
        "the day of a text by a pattern like `DD.MM.YYYY`",
        |args, _| Ok(encoded(by_pattern(&args[0], &args[1])?.date())),
    ),
    part("getFullYear", "the year", year),
    zoned("getFullYear", year),
    part("getMonth", "the month, from 0", month),
    zoned("getMonth", month),
    part("getDayOfYear", "the day of the year, from 0", day_of_year),
    zoned("getDayOfYear", day_of_year),
    part("getDayOfMonth", "the day of the month, from 0", day_of_month),
    zoned("getDayOfMonth", day_of_month),
    part("getDate", "the day of the month, from 1", day),
    zoned("getDate", day),
    part("getDayOfWeek", "the day of the week, Sunday is 0", day_of_week),
    zoned("getDayOfWeek", day_of_week),
    clock("getHours", "the hour; of a duration, all its hours", hours),
    zoned("getHours", hours),
    clock(
        "getMinutes",
        "the minute; of a duration, all its minutes",
        minutes,
    ),
    zoned("getMinutes", minutes),
    clock(
        "getSeconds",
        "the second; of a duration, all its seconds",
        seconds,
    ),
    zoned("getSeconds", seconds),
    clock("getMilliseconds", "the milliseconds of the second", milliseconds),
    zoned("getMilliseconds", milliseconds),
];

const fn function(
    name: &'static str,
    takes: &'static [Takes],
    gives: Gives,
    doc: &'static str,
    run: super::Implementation,
) -> Function {
    Function {
        name,
        method: false,
        takes,
        gives,
        doc,
        run,
    }
}

const fn part(name: &'static str, doc: &'static str, run: super::Implementation) -> Function {
    Function {
        method: true,
        ..function(name, &[Takes::Timestamp], Gives::Int, doc, run)
    }
}

const fn clock(name: &'static str, doc: &'static str, run: super::Implementation) -> Function {
    Function {
        takes: &[Takes::OneOf(&[Takes::Timestamp, Takes::Duration])],
        ..part(name, doc, run)
    }
}

const fn zoned(name: &'static str, run: super::Implementation) -> Function {
    Function {
        takes: &[Takes::Timestamp, Takes::Zone],
        ..part(name, "the same, in a time zone", run)
    }
}

fn zone(value: &Val<'_>) -> Result<Zone, Box<Failure>> {
    Zone::get(text(value)?.as_str()).ok_or_else(|| {
        Failure::new(format!("{} names no time zone", value.kind()))
            .hint("as in `Europe/Copenhagen` or `+02:00`")
    })
}

/// The instant whose parts in UTC are the parts that are asked for.
fn civil(value: &Val<'_>, given: Option<&Val<'_>>) -> Result<Instant, Box<Failure>> {
    let instant = instant(value)?;
    match given {
        Some(given) => zone(given)?.civil(instant),
        None => Ok(instant),
    }
}

fn local(args: &[Val<'_>]) -> Result<Instant, Box<Failure>> {
    let Val::Text(given) = &args[0] else {
        return instant(&args[0]);
    };
    let given = given.as_str();
    let zone = zone(&args[1])?;
    if let Some(instant) = Instant::parse(given) {
        return Ok(instant);
    }
    let (day, clock) = match given.len() {
        10 => (given, "00:00:00"),
        _ => given.split_at_checked(10).unwrap_or(("", "")),
    };
    let clock = clock.trim_start_matches(['T', 't', ' ']);
    let seconds = if clock.len() == 5 { ":00" } else { "" };
    let civil = Instant::parse(&format!("{day}T{clock}{seconds}Z"));
    let civil = civil.ok_or_else(|| {
        Failure::new(format!("{} is no time", args[0].kind())).hint("it must look like `2026-03-01 12:30:00`")
    })?;
    zone.instant(civil)
}

fn by_pattern(value: &Val<'_>, pattern: &Val<'_>) -> Result<Instant, Box<Failure>> {
    let pattern = Pattern::new(text(pattern)?.as_str())
        .ok_or_else(|| Failure::new("the pattern has not year, month and day").hint("as in `DD.MM.YYYY`"))?;
    pattern
        .read(text(value)?.as_str())
        .ok_or_else(|| Failure::new(format!("{} does not look like the pattern", value.kind())))
}

fn year<'a>(args: &mut [Val<'a>], _: &mut Budget) -> Ran<'a> {
    Ok(Val::Int(civil(&args[0], args.get(1))?.date().0))
}

fn month<'a>(args: &mut [Val<'a>], _: &mut Budget) -> Ran<'a> {
    Ok(Val::Int(civil(&args[0], args.get(1))?.date().1 - 1))
}

fn day<'a>(args: &mut [Val<'a>], _: &mut Budget) -> Ran<'a> {
    Ok(Val::Int(civil(&args[0], args.get(1))?.date().2))
}

fn day_of_month<'a>(args: &mut [Val<'a>], _: &mut Budget) -> Ran<'a> {
    Ok(Val::Int(civil(&args[0], args.get(1))?.date().2 - 1))
}

fn day_of_year<'a>(args: &mut [Val<'a>], _: &mut Budget) -> Ran<'a> {
    let civil = civil(&args[0], args.get(1))?;
    let first = time::days(civil.date().0, 1, 1);
    Ok(Val::Int(civil.seconds.div_euclid(86_400) - first))
}

fn day_of_week<'a>(args: &mut [Val<'a>], _: &mut Budget) -> Ran<'a> {
    let days = civil(&args[0], args.get(1))?.seconds.div_euclid(86_400);
    Ok(Val::Int((days + 4).rem_euclid(7)))
}

/// A duration's whole seconds in this unit, or the second of the day of an instant.
fn of_clock(args: &[Val<'_>], unit: i64, within: i64) -> Result<i64, Box<Failure>> {
    if let Val::Duration(span) = &args[0] {
        return Ok(span.seconds / unit);
    }
    let second = civil(&args[0], args.get(1))?.seconds.rem_euclid(86_400);
    Ok(second / unit % within)
}

fn hours<'a>(args: &mut [Val<'a>], _: &mut Budget) -> Ran<'a> {
    of_clock(args, 3600, 24).map(Val::Int)
}

fn minutes<'a>(args: &mut [Val<'a>], _: &mut Budget) -> Ran<'a> {
    of_clock(args, 60, 60).map(Val::Int)
}

fn seconds<'a>(args: &mut [Val<'a>], _: &mut Budget) -> Ran<'a> {
    of_clock(args, 1, 60).map(Val::Int)
}

fn milliseconds<'a>(args: &mut [Val<'a>], _: &mut Budget) -> Ran<'a> {
    let nanos = match &args[0] {
        Val::Duration(span) => span.nanos,
        other => civil(other, args.get(1))?.nanos,
    };
    Ok(Val::Int(i64::from(nanos / 1_000_000)))
}

fn date<'a>(args: &mut [Val<'a>], _: &mut Budget) -> Ran<'a> {
    Ok(encoded(match &args[0] {
        Val::Text(text) => time::parse_date(text.as_str()).ok_or_else(|| {
            Failure::new(format!("{} is no day of the calendar", args[0].kind()))
                .hint("it must look like `2026-03-01`")
        })?,
        Val::Timestamp(instant) => instant.date(),
        other => return Err(unfit("day", other)),
    }))
}

fn encoded<'a>((year, month, day): (i64, i64, i64)) -> Val<'a> {
    let mut bytes = Vec::with_capacity(8);
    for (number, value) in [(1, year), (2, month), (3, day)] {
        wire::put_tag(&mut bytes, number, 0);
        wire::put_varint(&mut bytes, value.unsigned_abs());
    }
    Val::Message(Blob::Shared(bytes.into()), None)
}
