//! Completing hops: the bus is given them again and again, until it has taken all or the flow is stopping.

use std::time::Instant;

use trunkline_sdk::{Fault, Remedy};

use super::{Rule, run::Flow};
use crate::{
    bus::{Delivery, Destination, Hop, Outgoing, Refused},
    names::FlowName,
    recovery::Patience,
};

impl Flow {
    /// Completes hops, again and again until the bus has taken all of them or the flow is stopping: the outputs
    /// of a hop keep their ids, so that a repeat is one message to its receiver. What the bus can never carry is
    /// parked as it came in.
    pub(super) async fn complete(&self, hops: Vec<Hop>) {
        let parked = |input, fault: &Fault| self.failed(input, "to", fault);
        self.complete_or(hops, parked).await;
    }

    /// As [`Flow::complete`]; `parked` makes the hop of an input that is parked instead. Gives the hops that were given
    /// up: their inputs went back, or will.
    pub(super) async fn complete_or(
        &self,
        mut hops: Vec<Hop>,
        mut parked: impl FnMut(Delivery, &Fault) -> Hop,
    ) -> Vec<Hop> {
        let is_lost = |hop: &Hop| hop.inputs.iter().any(|input| input.receipt.is_lost());
        let mut given_up = Vec::new();
        let mut patience = Patience::new();
        let mut told = false;
        while !hops.is_empty() {
            let facts = |hop: &Hop| (onward(hop), answers(hop), ending(hop));
            let expected: Vec<_> = hops.iter().map(facts).collect();
            let results = self.bus.complete(std::mem::take(&mut hops)).await;
            let mut refused = Vec::new();
            for (result, (onward, answers, ending)) in results.into_iter().zip(expected) {
                match result {
                    Ok(()) => {
                        self.tally.published(onward);
                        self.tally.answered(answers);
                        if let Some(given) = ending {
                            self.tally.done(given.elapsed(), 1);
                        }
                    }
                    Err(Refused { mut hop, fault })
                        if fault.remedy == Remedy::DeadLetter && hop.outputs.iter().any(is_late) =>
                    {
                        self.tally.filtered(Rule("late reply".into()));
                        hop.outputs.retain(|output| !is_late(output));
                        hops.push(hop);
                    }
                    Err(Refused { hop, fault })
                        if fault.remedy == Remedy::DeadLetter && onward + answers > 0 =>
                    {
                        let inputs = hop.inputs.into_iter();
                        hops.extend(inputs.map(|input| parked(input, &fault)));
                    }
                    Err(again) => refused.push(again),
                }
            }
            // It comes again, perhaps to another process, and what comes of it then has the same ids.
            given_up.extend(
                refused
                    .extract_if(.., |refused| is_lost(&refused.hop))
                    .map(|lost| lost.hop),
            );
            let Some(first) = refused.first() else { continue };
            if !told {
                tell_refused(&self.name, refused.len(), &first.fault);
                told = true;
            }
            hops.extend(refused.into_iter().map(|refused| refused.hop));
            if self.is_stopping() {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(patience.delay()) => {}
                () = self.stopping() => {}
            }
        }
        given_up.append(&mut hops);
        if told && given_up.is_empty() {
            tracing::info!(flow = %self.name, "the bus takes messages again");
        }
        given_up
    }
}

/// How many messages a hop passes on, rather than puts aside.
pub(crate) fn onward(hop: &Hop) -> usize {
    let is_channel = |output: &&Outgoing| matches!(output.to, Destination::Channel(_));
    hop.outputs.iter().filter(is_channel).count()
}

/// When the message was given out that ends with this hop; `None`: it comes again.
fn ending(hop: &Hop) -> Option<Instant> {
    let is_retry = |output: &Outgoing| matches!(output.to, Destination::Retry { .. });
    let input = hop.inputs.first()?;
    (!hop.outputs.iter().any(is_retry)).then(|| input.receipt.given())
}

/// How many answers a hop gives.
fn answers(hop: &Hop) -> usize {
    let is_answer = |output: &&Outgoing| matches!(output.to, Destination::Reply(_));
    hop.outputs.iter().filter(is_answer).count()
}

/// Whether this output of a hop that was refused may be an answer for which nobody waits any more.
fn is_late(output: &Outgoing) -> bool {
    matches!(output.to, Destination::Reply(_)) && output.too_large().is_none()
}

/// Tells, once per outage, that the bus does not take what a flow has.
pub(crate) fn tell_refused(flow: &FlowName, hops: usize, fault: &Fault) {
    if fault.remedy == Remedy::Stop {
        tracing::error!(%flow, hops, error = %fault, "not taken by the bus until a person has acted; trying again");
    } else {
        tracing::warn!(%flow, hops, error = %fault, "not taken by the bus; trying again");
    }
}
