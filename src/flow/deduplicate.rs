//! `deduplicate:` lets the first message of each key pass and drops what repeats it (EIP Idempotent Receiver).
//!
//! Promises: a repeat within the time ends under the rule `repeat`; a message that fails or is parked leaves no mark, so
//! that it passes when it comes again. The mark is kept when the message is settled, in the same transaction on the
//! embedded bus; on RabbitMQ after the confirm of what came of it: a crash in between repeats that under the same ids.
//! Not promised: anything between two processes that run the flow, which `check` refuses.

use std::time::Duration;

use async_trait::async_trait;
use trunkline_sdk::{Fault, Kind, Need, Opt, Options, Settings};

use super::{Expression, Processor, Scope, Step, reading::reading};
use crate::{bus::MemoKey, mapping::Formula, message::Message, names::FlowName};

pub(super) const DEDUPLICATE: &[Opt] = &[
    Opt {
        name: "by",
        kind: Kind::Text,
        need: Need::Default("attributes.id"),
        summary: "what two messages have in common of which one is a repeat: an expression that gives a text or a whole \
                  number",
    },
    Opt {
        name: "within",
        kind: Kind::Duration,
        need: Need::Default("7d"),
        summary: "how long the first one is remembered: longer than a sender may come again, and than messages stay parked",
    },
];

struct IdempotentReceiver {
    by: Formula,
    within: Duration,
    flow: FlowName,
}

pub(super) fn plan(settings: &Settings, scope: &mut Scope<'_>) -> Option<Box<dyn Processor>> {
    let options = Options::read(DEDUPLICATE, settings)
        .map_err(|found| scope.problems.extend(found))
        .ok()?;
    if !scope.can_wait {
        scope
            .problem(&settings.place, "repeats cannot be told in this flow")
            .hint = Some(
            "put `deduplicate` into a flow that reads a channel without a `key`: of two that come at once the second must \
             be able to wait"
                .to_owned(),
        );
        return None;
    }
    let by = Settings::scalar(settings.place.clone(), options.text("by")?, false);
    let source = scope.expression(options.get("by").unwrap_or(&by))?;
    Some(Box::new(IdempotentReceiver {
        by: scope.compile(&[&source], |environment| Formula::key(&source, environment))?,
        within: options.duration("within")?,
        flow: scope.flow.clone(),
    }))
}

#[async_trait]
impl Processor for IdempotentReceiver {
    fn word(&self) -> &'static str {
        "deduplicate"
    }

    fn expressions(&self) -> Vec<Expression<'_>> {
        Vec::new()
    }

    fn may_end(&self) -> bool {
        true
    }

    fn remembers(&self) -> bool {
        true
    }

    async fn process(&self, message: Message) -> Result<Step, Fault> {
        let key = reading(&message, |input, facts| self.by.read_key(input, facts))?;
        Ok(Step::Once {
            key: MemoKey::of(&self.flow, self.by.text(), &key),
            message,
            within: self.within,
        })
    }
}
