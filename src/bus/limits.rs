//! What a bus carries of a message beside its body: the same on both engines, so that a message can move.
//!
//! Promises: what is too much is refused where it is published, as a fault of this message alone. What is parked
//! is always taken: it must end somewhere. Its body stays whole, and its cause says which attributes were left out.

use trunkline_sdk::Fault;

use crate::message::Content;

use super::{
    Destination, Outgoing,
    envelope::{Envelope, FAULT, MAX_BODY},
};

/// The largest a message's attributes may be together, in bytes; what is told of its last fault comes on top.
pub(super) const MAX_ATTRIBUTES: usize = 32 << 10;
/// The same for what is told of its fault.
pub(super) const MAX_FAULT: usize = 12 << 10;
/// What a property may have: an AMQP short string.
const MAX_PROPERTY: usize = 255;
/// What is kept of a cause's words, of each text.
const MAX_WORDS: usize = 4 << 10;

impl Envelope {
    /// Puts a message into the envelope in which it goes to its destination.
    ///
    /// Faults: [`trunkline_sdk::Remedy::DeadLetter`] when no bus carries it.
    pub(super) fn of(outgoing: &Outgoing) -> Result<Self, Fault> {
        let message = &outgoing.message;
        let envelope = match &outgoing.to {
            Destination::Channel(_) | Destination::Reply(_) => Self::seal(message, 1, None, None),
            Destination::Queue { attempt, cause, .. } => Self::seal(message, *attempt, cause.as_ref(), None),
            Destination::Retry { attempt, cause, .. } => Self::seal(message, *attempt, Some(cause), None),
            Destination::Parked {
                attempt,
                cause,
                order,
                ..
            } => Self::seal(message, *attempt, Some(cause), *order),
        };
        if envelope.body.len() > MAX_BODY {
            return Err(Fault::dead_letter(format!(
                "the body has {} bytes, a bus carries at most 16 MiB",
                envelope.body.len()
            ))
            .hint("keep large content elsewhere, and send where it is"));
        }
        match &outgoing.to {
            Destination::Parked { .. } => Ok(envelope.shortened().lightened()),
            _ => envelope.shortened().fits(),
        }
    }

    /// The fault, if a bus does not carry the attributes.
    fn fits(mut self) -> Result<Self, Fault> {
        let long = self.properties().into_iter().find(|(_, value)| is_long(value));
        if let Some((name, _)) = long {
            return Err(Fault::dead_letter(format!(
                "`{name}` has more than {MAX_PROPERTY} bytes, which no bus carries"
            )));
        }
        let size = self.attributes();
        if size > MAX_ATTRIBUTES {
            return Err(Fault::dead_letter(format!(
                "the message's attributes have {size} bytes, a bus carries at most 32 KiB of them"
            ))
            .hint("put into the body what is long"));
        }
        Ok(self)
    }

    /// Leaves out what no bus carries, the largest first, and adds to the cause what that was.
    fn lightened(mut self) -> Self {
        let mut left_out = Vec::new();
        for (name, value) in self.properties() {
            if is_long(value) {
                left_out.extend(value.take().map(|text| told(name, &text)));
            }
        }
        while self.attributes() > MAX_ATTRIBUTES {
            let mut sizes = self.headers.iter().enumerate();
            let largest = sizes
                .by_ref()
                .filter(|(_, (name, _))| !is_fault(name))
                .max_by_key(|(_, (_, value))| value.len());
            let Some((index, _)) = largest else { break };
            let (name, value) = self.headers.remove(index);
            left_out.push(told(&name, &value));
        }
        if !left_out.is_empty()
            && let Some((_, what)) = self.headers.iter_mut().find(|(name, _)| name == FAULT)
        {
            what.push_str("; left out of it, for no bus carries so much: ");
            what.push_str(&left_out.join(", "));
        }
        self
    }

    /// Cuts the words of a cause.
    fn shortened(mut self) -> Self {
        for (name, value) in &mut self.headers {
            if is_fault(name) && value.len() > MAX_WORDS {
                let end = (0..=MAX_WORDS).rev().find(|end| value.is_char_boundary(*end));
                value.truncate(end.unwrap_or_default());
                value.push('…');
            }
        }
        self
    }

    /// How much the attributes take, but for the cause.
    fn attributes(&self) -> usize {
        let headers = self.headers.iter().filter(|(name, _)| !is_fault(name));
        headers.map(|(name, value)| name.len() + value.len()).sum()
    }

    fn properties(&mut self) -> [(&'static str, &mut Option<String>); 6] {
        [
            ("content_type", &mut self.content_type),
            ("type", &mut self.type_name),
            ("message_id", &mut self.message_id),
            ("correlation_id", &mut self.correlation_id),
            ("app_id", &mut self.app_id),
            ("reply_to", &mut self.reply_to),
        ]
    }
}

fn is_long(value: &Option<String>) -> bool {
    value.as_ref().is_some_and(|text| text.len() > MAX_PROPERTY)
}

impl Outgoing {
    /// Why no bus carries it, if that is so: known before it is published.
    pub(crate) fn too_large(&self) -> Option<Fault> {
        let message = &self.message;
        let facts: usize = message
            .facts
            .iter()
            .map(|(name, text)| name.len() + text.len())
            .sum();
        let texts = [
            &message.subject,
            &message.key,
            &message.correlation_id,
            &message.reply_to,
        ];
        let texts = texts.into_iter().flatten().chain([&message.source]);
        let rough = facts + texts.map(|text| text.len()).sum::<usize>();
        let body = match &message.content {
            Content::Canonical { bytes, .. } => bytes.len(),
            Content::Native(_) => return None,
        };
        // Sealing takes the hash of the body, so it is done only where it may say something.
        let is_small = rough < MAX_PROPERTY && body <= MAX_BODY && message.trace.is_none();
        if is_small { None } else { Envelope::of(self).err() }
    }
}

/// Whether a header tells of a fault.
pub(super) fn is_fault(header: &str) -> bool {
    header.starts_with(FAULT)
}

fn told(name: &str, value: &str) -> String {
    format!("`{name}` ({} bytes)", value.len())
}
