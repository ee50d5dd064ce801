//! What comes out of the steps: it obeys the rules of its type, and gets its destination.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use trunkline_sdk::Fault;

use super::{Emitted, Failed, Keys, history};
use crate::{
    bus::{Destination, Outgoing},
    canonical::rules::Rules,
    config::Target,
    message::Content,
    names::{FlowName, ReturnAddress, TypeName},
    observe::Tally,
};

/// Gives what came out of the steps its destination.
pub(crate) fn outputs(
    flow: &FlowName,
    emitted: Vec<Emitted>,
    target: &Target,
    keys: &Keys,
) -> Result<Vec<Outgoing>, Failed> {
    let outgoing = |Emitted { mut message, to }| {
        message.history = Some(history::passed(message.history.as_deref(), flow));
        match to.or_else(|| target.channel().cloned()) {
            Some(channel) => {
                if let Some(keyed) = keys.get(&channel) {
                    let key = keyed.key(&message);
                    message.key = Some(key.map_err(|fault| Failed { step: "to", fault })?);
                }
                let to = Destination::Channel(channel);
                Ok(Outgoing { to, message })
            }
            None if matches!(target, Target::Reply { .. }) && message.reply_to.is_some() => {
                let address = message.reply_to.take().unwrap_or_default();
                let to = Destination::Reply(ReturnAddress::new(&address));
                Ok(Outgoing { to, message })
            }
            None => {
                let fault =
                    Fault::dead_letter("no step sent the message anywhere").hint("end the flow with `to:`");
                Err(Failed { step: "to", fault })
            }
        }
    };
    emitted.into_iter().map(outgoing).collect()
}

/// Whether the messages that enter the bus obey the rules of their type.
pub(crate) fn valid<'e>(
    rules: &BTreeMap<TypeName, Arc<Rules>>,
    made: impl Iterator<Item = &'e Emitted>,
    tally: &Tally,
) -> Result<(), Failed> {
    for Emitted { message, .. } in made {
        if let Content::Canonical { type_name, bytes } = &message.content {
            obeys(rules.get(type_name).map(|rules| &**rules), bytes, tally).map_err(|fault| Failed {
                step: "validate",
                fault,
            })?;
        }
    }
    Ok(())
}

/// Whether an encoded message obeys these rules; what it breaks is counted.
pub(crate) fn obeys(rules: Option<&Rules>, bytes: &[u8], tally: &Tally) -> Result<(), Fault> {
    let Some(rules) = rules else { return Ok(()) };
    let violations = rules.check(bytes, SystemTime::now).map_err(|broken| {
        Fault::dead_letter(format!("the message cannot be read: {broken}"))
            .hint("its publisher has encoded it otherwise than its `type` says")
    })?;
    if violations.is_empty() {
        return Ok(());
    }
    tally.broke(&violations);
    Err(violations.into_fault())
}
