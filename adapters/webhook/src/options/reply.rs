//! The options of a flow whose callers wait for an answer (EIP Request-Reply), and what becomes of one.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    time::Duration,
};

use bytes::Bytes;
use hyper::{StatusCode, header::HeaderValue};
use serde::de::IgnoredAny;
use trunkline_formats::json;
use trunkline_sdk::{Body, Fault, Kind, Need, Opt, Options, Problem, Reply, Settings};

use crate::{answer::Answer, claim::essence};

/// `from: { system: bot, path: /fulfil, reply: { … } }`.
pub(super) const REPLY: &[Opt] = &[
    Opt {
        name: "within",
        kind: Kind::Duration,
        need: Need::Default("4s"),
        summary: "how long the caller waits for an answer over the bus, from its first byte, 100ms to 29s; then the fallback",
    },
    Opt {
        name: "fallback",
        kind: Kind::Text,
        need: Need::Required,
        summary: "what the caller is told when there is no answer in time: JSON as it stands, or a file of the landscape",
    },
    Opt {
        name: "status",
        kind: Kind::Number(200, 299),
        need: Need::Default("200"),
        summary: "the status of an answer and of the fallback, 200 to 299",
    },
    Opt {
        name: "content_type",
        kind: Kind::Text,
        need: Need::Default("application/json"),
        summary: "the media type of an answer and of the fallback, with its parameters",
    },
    Opt {
        name: "max_body",
        kind: Kind::Size,
        need: Need::Default("64KiB"),
        summary: "the largest answer that the caller takes, at most 16MiB; a larger one is the fallback",
    },
];

const WITHIN: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(29);
const MAX_BODY: u64 = 16 << 20;

/// How the callers of one path are answered.
#[derive(Debug)]
pub(crate) struct Replying {
    /// How long a caller waits.
    pub(crate) within: Duration,
    status: StatusCode,
    content_type: HeaderValue,
    /// The media type without its parameters.
    essence: String,
    max_body: usize,
    fallback: Bytes,
}

impl Replying {
    /// Reads the options, and the fallback where it is a file of the landscape's folder `home`.
    ///
    /// Faults: `Stop` for what [`problems`] tells, and for a file that is not there or no fallback.
    pub(crate) fn read(reply: &Settings, home: &Path) -> Result<Self, Fault> {
        let options = Options::read(REPLY, reply).map_err(|problems| super::refuse(&problems))?;
        let told = problems(reply);
        let (Some(within), Some(status), Some(content_type), Some(max_body), Some(fallback), true) = (
            options.duration("within"),
            options.number("status"),
            options.text("content_type"),
            options.size("max_body"),
            options.text("fallback"),
            told.is_empty(),
        ) else {
            return Err(super::refuse(&told));
        };
        let essence = essence(content_type).unwrap_or_default();
        let max_body = usize::try_from(max_body).unwrap_or(usize::MAX);
        let fallback = if is_literal(fallback) {
            Bytes::copy_from_slice(fallback.as_bytes())
        } else {
            file(fallback, home, max_body, is_json(&essence))?
        };
        let status = u16::try_from(status).ok();
        let parts = status.and_then(|status| StatusCode::from_u16(status).ok());
        let parts = parts.zip(HeaderValue::from_str(content_type).ok());
        let (status, content_type) = parts.ok_or_else(|| Fault::stop("webhook: `reply` cannot be sent"))?;
        Ok(Self {
            within,
            status,
            content_type,
            essence,
            max_body,
            fallback,
        })
    }

    /// The answer that a flow has given; `None`: it is larger than the caller takes.
    pub(crate) fn answer(&self, reply: Reply) -> Option<Answer> {
        let (content_type, bytes) = match reply.body {
            Body::Bytes { content_type, bytes } => (content_type, bytes),
            Body::Value(value) => ("application/json".to_owned(), json::write(&value).into()),
        };
        if bytes.len() > self.max_body {
            return None;
        }
        let told = match HeaderValue::from_str(&content_type) {
            Ok(own) if content_type != self.essence => own,
            _ => self.content_type.clone(),
        };
        Some(Answer::reply(self.status, told, bytes))
    }

    /// What is said where there is no answer.
    pub(crate) fn fallback(&self) -> Answer {
        Answer::reply(self.status, self.content_type.clone(), self.fallback.clone())
    }
}

/// What the table cannot say.
pub(super) fn problems(reply: &Settings) -> Vec<Problem> {
    let Ok(options) = Options::read(REPLY, reply) else {
        return Vec::new();
    };
    let mut problems = Vec::new();
    let place = |name: &str| &reply.get(name).unwrap_or(reply).place;
    if options
        .duration("within")
        .is_some_and(|within| !WITHIN.contains(&within))
    {
        problems.push(
            Problem::new(place("within"), "`within` must be from 100ms to 29s")
                .hint("Dialogflow waits 5 s unless told otherwise, and 30 s at most; the answer must reach it before"),
        );
    }
    let max_body = options.size("max_body").unwrap_or_default();
    if !(1..=MAX_BODY).contains(&max_body) {
        problems.push(
            Problem::new(
                place("max_body"),
                "`max_body` of a reply must be from 1B to 16MiB",
            )
            .hint("a larger one does not fit on the bus"),
        );
    }
    let content_type = options.text("content_type").unwrap_or_default();
    let essence = essence(content_type).filter(|_| HeaderValue::from_str(content_type).is_ok());
    let Some(essence) = essence else {
        problems.push(
            Problem::new(place("content_type"), "`content_type` is no media type")
                .hint("such as `application/json`"),
        );
        return problems;
    };
    let fallback = options.text("fallback").unwrap_or_default();
    if !is_literal(fallback) {
        return problems;
    }
    if is_json(&essence) && serde_json::from_str::<IgnoredAny>(fallback).is_err() {
        problems.push(
            Problem::new(place("fallback"), "`fallback` begins as JSON does, but is none")
                .hint("quote it as a whole: fallback: '{\"fulfillmentText\": \"…\"}'; or name a file of the landscape"),
        );
    } else if fallback.len() as u64 > max_body {
        problems.push(
            Problem::new(
                place("fallback"),
                "`fallback` is larger than `max_body`, which is what the caller takes",
            )
            .hint("say less, or let `max_body` be what the caller really takes"),
        );
    }
    problems
}

/// Whether a fallback is what it says, and not where it stands.
fn is_literal(fallback: &str) -> bool {
    fallback.trim_start().starts_with(['{', '[', '"'])
}

fn is_json(essence: &str) -> bool {
    essence == "application/json" || essence.ends_with("+json")
}

/// The fallback of a file.
fn file(name: &str, home: &Path, most: usize, is_json: bool) -> Result<Bytes, Fault> {
    let told = format!("webhook: the fallback `{name}`");
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(home.join(name))?
            .take(most as u64 + 1)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|error| {
        Fault::stop(format!("{told} cannot be read: {}", error.kind()))
            .hint("a fallback is JSON as it stands, or a file of the landscape, relative to its folder")
    })?;
    if bytes.len() > most {
        return Err(Fault::stop(format!("{told} is larger than `max_body`")));
    }
    if is_json && serde_json::from_slice::<IgnoredAny>(&bytes).is_err() {
        return Err(Fault::stop(format!("{told} is no JSON")).hint("`content_type` says that it is"));
    }
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use trunkline_sdk::Value;

    use super::*;

    const FALLBACK: &str = r#"{"fulfillmentText":"later"}"#;

    fn replying(pairs: &[(&str, &str)]) -> Result<Replying, Fault> {
        Replying::read(&Settings::of(pairs.iter().copied()), Path::new("."))
    }

    #[test]
    fn an_answer_has_the_type_that_was_declared_unless_it_is_another() {
        // given
        let declared = "application/json; charset=utf-8";
        let replying = replying(&[
            ("fallback", FALLBACK),
            ("content_type", declared),
            ("max_body", "30B"),
        ])
        .expect("these settings are right");
        let reply = |content_type: &str, bytes: &'static [u8]| {
            let content_type = content_type.to_owned();
            let bytes = Bytes::from_static(bytes);
            replying.answer(Reply {
                body: Body::Bytes { content_type, bytes },
            })
        };
        let told = |answer: Option<Answer>| {
            let response = answer.expect("it is small").into_response();
            let told = response.headers()["content-type"]
                .to_str()
                .expect("text")
                .to_owned();
            (response.status().as_u16(), told)
        };
        // then
        assert_eq!(told(reply("application/json", b"{}")), (200, declared.into()));
        assert_eq!(told(reply("text/xml", b"<a/>")), (200, "text/xml".into()));
        let tree = Value::List(vec![Value::Null]);
        assert_eq!(
            told(replying.answer(Reply {
                body: Body::Value(tree)
            })),
            (200, declared.into())
        );
        assert_eq!(told(Some(replying.fallback())), (200, declared.into()));
        assert!(reply("application/json", &[b' '; 31]).is_none());
        assert!(reply("application/json", &[b' '; 30]).is_some());
    }

    #[test]
    fn what_cannot_be_a_reply_is_told_at_once() {
        for (pairs, problems) in [
            (&[("fallback", FALLBACK)][..], 0),
            (&[("fallback", "sorry.json")], 0),
            (&[("fallback", "{x"), ("content_type", "text/plain")], 0),
            (&[("fallback", "{x"), ("within", "30s"), ("max_body", "17MiB")], 3),
            (&[("fallback", FALLBACK), ("max_body", "5B")], 1),
            (&[("fallback", FALLBACK), ("content_type", "json")], 1),
            (&[("fallback", FALLBACK), ("content_type", "text/a;\nb")], 1),
        ] {
            let settings = Settings::of(pairs.iter().copied());
            assert_eq!(super::problems(&settings).len(), problems, "{pairs:?}");
        }
    }

    #[test]
    fn a_fallback_that_is_a_file_is_read_once_and_must_be_what_it_says() {
        for (name, told) in [
            ("no-such.json", "cannot be read"),
            ("Cargo.toml", "no JSON"),
            ("src", "cannot be read"),
        ] {
            let fault = replying(&[("fallback", name)]).expect_err("that is no fallback");
            assert_eq!(fault.remedy, trunkline_sdk::Remedy::Stop);
            assert!(fault.what.contains(told), "{fault}");
        }
        let text = replying(&[("fallback", "Cargo.toml"), ("content_type", "text/plain")]).expect("any text");
        assert!(text.fallback.starts_with(b"[package]"));
        let fault = replying(&[("fallback", "Cargo.toml"), ("max_body", "9B")]).expect_err("it is larger");
        assert!(fault.what.contains("larger"), "{fault}");
    }
}
