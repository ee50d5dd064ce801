//! `delay:` holds each message until its time has come (EIP Delayer).
//!
//! It waits on the bus, on the rungs of the retries, and comes through the flow again; so a delay outlives a crash, takes
//! no memory and is no attempt. Promises: never early; late by the shortest rung and the time of a hop at most. Not
//! promised: order, what is due earlier overtakes.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use trunkline_sdk::{Fault, Kind, Need, Opt, Options, Settings};

use super::{Expression, Processor, Scope, Step, reading::reading};
use crate::{mapping::Formula, message::Message};

pub(super) const DELAY: &[Opt] = &[
    Opt {
        name: "for",
        kind: Kind::Duration,
        need: Need::Optional,
        summary: "how long after the time of the message, which is that of its event: what has waited elsewhere waits no \
                  longer here",
    },
    Opt {
        name: "until",
        kind: Kind::Text,
        need: Need::Optional,
        summary: "until when: an expression that gives a timestamp, `this.placed_at + duration(\"24h\")`",
    },
];

enum Due {
    After(Duration),
    At(Box<Formula>),
}

struct Delayer {
    due: Due,
}

pub(super) fn plan(settings: &Settings, scope: &mut Scope<'_>) -> Option<Box<dyn Processor>> {
    let options = Options::read(DELAY, settings)
        .map_err(|found| scope.problems.extend(found))
        .ok()?;
    if !scope.can_wait {
        scope
            .problem(&settings.place, "a message cannot wait in this flow")
            .hint = Some(
            "put `delay` into a flow that reads a channel without a `key`: a record of a system has no queue to wait in, \
             and what keeps the order of a key would be overtaken"
                .to_owned(),
        );
        return None;
    }
    let due = match (options.duration("for"), options.get("until")) {
        (Some(time), None) => Due::After(time),
        (None, Some(until)) => {
            let source = scope.expression(until)?;
            Due::At(Box::new(scope.compile(&[&source], |environment| {
                Formula::instant(&source, environment)
            })?))
        }
        _ => {
            scope
                .problem(&settings.place, "`delay` says `for` how long, or `until` when")
                .hint = Some("as in `delay: { for: 10m }`".to_owned());
            return None;
        }
    };
    Some(Box::new(Delayer { due }))
}

#[async_trait]
impl Processor for Delayer {
    fn word(&self) -> &'static str {
        "delay"
    }

    fn expressions(&self) -> Vec<Expression<'_>> {
        Vec::new()
    }

    async fn process(&self, message: Message) -> Result<Step, Fault> {
        let until = match &self.due {
            Due::After(time) => message.time.saturating_add(*time).unwrap_or(Timestamp::MAX),
            Due::At(formula) => reading(&message, |input, facts| formula.read_instant(input, facts))?,
        };
        if until > Timestamp::now() {
            return Ok(Step::Later(until));
        }
        Ok(Step::Pass(message))
    }
}
