//! Instants, durations and days. Parts of an instant are those in UTC.

use super::{
    Function, Gives, Takes,
    convert::{instant, span},
    unfit,
};
use crate::{
    canonical::{time, wire},
    mapping::{
        failure::{Budget, Failure},
        value::{Blob, Val},
    },
};

pub(super) const FUNCTIONS: &[Function] = &[
    function(
        "timestamp",
        &[Takes::OneOf(&[Takes::Text, Takes::Int, Takes::Timestamp])],
        Gives::Timestamp,
        "the instant of an RFC 3339 text with its offset, or of whole seconds since 1970",
        |args, _| instant(&args[0]).map(Val::Timestamp),
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
        Gives::Message("google.type.Date"),
        "google.type.Date of a text YYYY-MM-DD, or of a timestamp the day in UTC",
        date,
    ),
    part("getFullYear", "the year", |args, _| {
        Ok(Val::Int(day(&args[0])?.0))
    }),
    part("getMonth", "the month, from 0", |args, _| {
        Ok(Val::Int(day(&args[0])?.1 - 1))
    }),
    part("getDayOfMonth", "the day of the month, from 0", |args, _| {
        Ok(Val::Int(day(&args[0])?.2 - 1))
    }),
    part("getDate", "the day of the month, from 1", |args, _| {
        Ok(Val::Int(day(&args[0])?.2))
    }),
    part("getDayOfWeek", "the day of the week, Sunday is 0", |args, _| {
        let days = instant(&args[0])?.seconds.div_euclid(86_400);
        Ok(Val::Int((days + 4).rem_euclid(7)))
    }),
    part("getHours", "the hour", |args, _| {
        Ok(Val::Int(second(&args[0])? / 3600))
    }),
    part("getMinutes", "the minute", |args, _| {
        Ok(Val::Int(second(&args[0])? / 60 % 60))
    }),
    part("getSeconds", "the second", |args, _| {
        Ok(Val::Int(second(&args[0])? % 60))
    }),
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
        name,
        method: true,
        takes: &[Takes::Timestamp],
        gives: Gives::Int,
        doc,
        run,
    }
}

fn day(value: &Val<'_>) -> Result<(i64, i64, i64), Box<Failure>> {
    Ok(instant(value)?.date())
}

fn second(value: &Val<'_>) -> Result<i64, Box<Failure>> {
    Ok(instant(value)?.seconds.rem_euclid(86_400))
}

fn date<'a>(args: &mut [Val<'a>], _: &mut Budget) -> Result<Val<'a>, Box<Failure>> {
    let (year, month, day) = match &args[0] {
        Val::Text(text) => time::parse_date(text.as_str()).ok_or_else(|| {
            Failure::new(format!("{} is no day of the calendar", args[0].kind()))
                .hint("it must look like `2026-03-01`")
        })?,
        Val::Timestamp(instant) => instant.date(),
        other => return Err(unfit("day", other)),
    };
    let mut bytes = Vec::with_capacity(8);
    for (number, value) in [(1, year), (2, month), (3, day)] {
        wire::put_tag(&mut bytes, number, 0);
        wire::put_varint(&mut bytes, value.unsigned_abs());
    }
    Ok(Val::Message(Blob::Shared(bytes.into()), None))
}
