//! What an answer means for the message: which status has which remedy.
//!
//! Promises: nothing of an answer is shown but its status and what looks like a code; an answer that leaves it open
//! whether the system has acted is `InDoubt`, unless asking again is harmless.

use bytes::Bytes;
use hyper::header::CONTENT_TYPE;
use trunkline_formats::json;
use trunkline_sdk::{Body, Fault, Outcome, Remedy, Reply};

use crate::{
    graphql::{self, Said},
    job::{Content, Job},
    pace::Pace,
    retry_after::retry_after,
    wire::{Answer, Broken, Trouble},
};

/// What became of a message that was answered.
pub(crate) fn judge(job: &Job, pace: &Pace, answer: &Answer) -> Outcome {
    let status = answer.status.as_u16();
    let is_graphql = matches!(job.content, Content::Operation(..));
    let is_success = answer.status.is_success();
    if is_graphql && (is_success || media_type(answer) == "application/graphql-response+json") {
        return judge_graphql(job, pace, answer);
    }
    if is_success {
        return match &answer.body {
            Ok(body) => Outcome::Applied(reply(answer, body)),
            Err(Broken::Cut) if job.is_repeatable => {
                Outcome::NotTried(Fault::retry(format!("{}: the answer was cut off", job.shown())))
            }
            Err(broken) => {
                tracing::warn!(flow = job.flow, ?broken, "http: done, but the answer is lost");
                Outcome::Applied(None)
            }
        };
    }
    if job.already_there.iter().any(|word| *word == status.to_string()) {
        let reply = answer.body.as_ref().ok().and_then(|body| reply(answer, body));
        return Outcome::AlreadyThere(reply);
    }
    let said = match code(answer) {
        Some(code) => format!("{}: the system answered {status} ({code})", job.shown()),
        None => format!("{}: the system answered {status}", job.shown()),
    };
    match status {
        401 | 403 | 407 => Outcome::Rejected(
            Fault::stop(said).hint("are the credentials of the system right, and may they do this? renew them, and the flow goes on by itself"),
        ),
        429 => Outcome::NotTried(wait(said, pace)),
        503 if retry_after(&answer.headers).is_some() => Outcome::NotTried(wait(said, pace)),
        // Who answers instead of the system does not know whether it has acted.
        502 | 504 if !job.is_repeatable => Outcome::InDoubt(Fault::retry(said)),
        408 | 425 | 500.. => Outcome::Rejected(Fault::retry(said)),
        // Where keys are known: the same request is being worked on.
        409 if job.is_repeatable => Outcome::Rejected(Fault::retry(said).hint("if this says that it is there already, say `already_there: 409`")),
        409 => Outcome::Rejected(Fault::dead_letter(said).hint("if this says that it is there already, say `already_there: 409`")),
        _ => Outcome::Rejected(Fault::dead_letter(said)),
    }
}

/// What became of a message that was not answered.
pub(crate) fn unanswered(job: &Job, trouble: Trouble) -> Outcome {
    let (fault, is_doubtful) = match trouble {
        Trouble::Unsent(fault) => (fault, false),
        Trouble::Lost(fault) => (fault, !job.is_repeatable),
    };
    let fault = Fault {
        what: format!("{}: {}", job.shown(), fault.what),
        ..fault
    };
    match fault.remedy {
        _ if is_doubtful => Outcome::InDoubt(fault),
        Remedy::DeadLetter => Outcome::Rejected(fault),
        _ => Outcome::NotTried(fault),
    }
}

fn judge_graphql(job: &Job, pace: &Pace, answer: &Answer) -> Outcome {
    let shown = job.shown();
    let read = answer.body.as_ref().ok().and_then(|body| {
        let tree = json::read(body).ok()?;
        Some((body, graphql::read(&tree)?))
    });
    let Some((body, said)) = read else {
        let fault = Fault::retry(format!("{shown}: the system answered what is no GraphQL"));
        return if job.is_repeatable {
            Outcome::Rejected(fault)
        } else {
            Outcome::InDoubt(fault)
        };
    };
    match said {
        Said::Done => Outcome::Applied(reply(answer, body)),
        Said::Throttled(patience) => {
            pace.hold(patience);
            Outcome::NotTried(wait(format!("{shown}: the system is throttled"), pace))
        }
        Said::Refused => Outcome::Rejected(
            Fault::stop(format!("{shown}: the system refuses us inside its answer"))
                .hint("are the credentials right, and may they do this?"),
        ),
        Said::Broke => Outcome::Rejected(Fault::retry(format!(
            "{shown}: the system answered with an error of its own"
        ))),
        Said::Wrong(codes)
            if !codes.is_empty() && codes.iter().all(|code| job.already_there.contains(code)) =>
        {
            Outcome::AlreadyThere(reply(answer, body))
        }
        Said::Wrong(mut codes) => {
            codes.dedup();
            codes.truncate(5);
            let codes = if codes.is_empty() {
                String::new()
            } else {
                format!(" ({})", codes.join(", "))
            };
            Outcome::Rejected(Fault::dead_letter(format!(
                "{shown}: the system answered with errors{codes}"
            )))
        }
    }
}

fn wait(said: String, pace: &Pace) -> Fault {
    Fault {
        retry_after: pace.held(),
        ..Fault::new(Remedy::Wait, said)
    }
}

/// What the system answered, if anything.
fn reply(answer: &Answer, body: &Bytes) -> Option<Reply> {
    if body.is_empty() {
        return None;
    }
    Some(Reply {
        body: Body::Bytes {
            content_type: media_type(answer),
            bytes: body.clone(),
        },
    })
}

fn media_type(answer: &Answer) -> String {
    let told = answer
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let told = told
        .and_then(|told| told.split(';').next())
        .map(str::trim)
        .unwrap_or_default();
    if told.is_empty() {
        "application/octet-stream".to_owned()
    } else {
        told.to_ascii_lowercase()
    }
}

/// What the body calls the error, in the places where such codes usually are.
fn code(answer: &Answer) -> Option<String> {
    let body = answer.body.as_ref().ok()?;
    let tree = json::read(body).ok()?;
    ["code", "error.code", "error.type", "error", "type"]
        .iter()
        .find_map(|path| graphql::code(&tree, path))
}
