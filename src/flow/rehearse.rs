//! What a flow makes of one message while nothing is at work: for tests of a landscape.

use super::{
    Failed, Verdict,
    outputs::{obeys, valid},
};
use crate::{
    config::{Feed, FlowPlan},
    message::{Content, Message},
    observe::Tally,
};

/// Takes a message through a flow as it would run, without a bus or a system: held against the rules of its type where
/// its channel asks for it, taken through the steps, and what came out held against its rules and asked for its key.
pub(crate) async fn rehearse(plan: &FlowPlan, given: Message) -> Result<Verdict, Failed> {
    let tally = Tally::default();
    let reads_channel = matches!(plan.feed, Feed::Channel { .. });
    if let Content::Canonical { bytes, .. } = &given.content
        && reads_channel
    {
        obeys(plan.reads.as_deref(), bytes, &tally).map_err(|fault| Failed {
            step: "receive",
            fault,
        })?;
    }
    let id = given.id.clone();
    let verdict = plan.steps.apply(given).await?;
    if let Verdict::Emitted(emitted) = &verdict {
        // What passes as it came was checked where it came in.
        let made = emitted
            .iter()
            .filter(|emitted| !reads_channel || emitted.message.id != id);
        valid(&plan.makes, made, &tally)?;
        for emitted in emitted {
            let channel = emitted.to.as_ref().or(plan.target.channel());
            if let Some(keyed) = channel.and_then(|channel| plan.keys.get(channel)) {
                keyed
                    .key(&emitted.message)
                    .map_err(|fault| Failed { step: "to", fault })?;
            }
        }
    }
    Ok(verdict)
}
