//! A newtype for every kind of name, so that swapped arguments do not compile.
//!
//! The names people choose (channel, flow, system, process) are one word: lower-case letters, digits and
//! `-`, from 1 to 64 of them, beginning with a letter. Queues and exchanges are made of them.

use std::{fmt, sync::Arc};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

/// Names that people choose.
macro_rules! word {
    ($(#[$doc:meta])* $name:ident) => {
        name!($(#[$doc])* $name);

        impl $name {
            /// Takes the name if it is one word; the error says what a word is.
            pub fn new(text: &str) -> Result<Self, String> {
                check_word(text).map(|()| Self(text.into()))
            }
        }
    };
}

word!(
    /// A channel: `orders`.
    ChannelName
);
word!(
    /// A flow: `route-orders`.
    FlowName
);
word!(
    /// A system: `erp`.
    SystemName
);
word!(
    /// A process: `stock`.
    ProcessName
);
name!(
    /// A full message name: `trunkline.commerce.v1.Order`.
    TypeName
);
name!(
    /// A queue: `orders.route-orders`.
    QueueName
);
name!(
    /// Where the answer to a request goes: at most 255 bytes, ours begin with [`ReturnAddress::OURS`].
    ReturnAddress
);
name!(
    /// A message's id: ours are UUIDs in text form, others' are kept as they are. At most 255 bytes.
    MessageId
);

/// What a name that people choose looks like, as a regular expression.
pub(crate) const WORD: &str = "^[a-z][a-z0-9-]{0,63}$";

fn check_word(text: &str) -> Result<(), String> {
    let fits = (1..=64).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if fits {
        return Ok(());
    }
    Err(format!(
        "`{text}` is no name: lower-case letters, digits and `-`, at most 64, beginning with a letter"
    ))
}

impl ProcessName {
    /// The process that runs every flow of a landscape.
    pub fn whole() -> Self {
        Self("all".into())
    }
}

impl FlowName {
    /// In place of a name that is none, where the rest of the flow is checked all the same.
    pub(crate) fn nameless() -> Self {
        Self("nameless".into())
    }
}

impl TypeName {
    /// The full name of a message type.
    pub fn new(full_name: &str) -> Self {
        Self(full_name.into())
    }
}

impl QueueName {
    /// The queue on which the instances of a flow compete for a channel's messages: `<channel>.<flow>`.
    pub fn of_subscriber(channel: &ChannelName, flow: &FlowName) -> Self {
        Self(format!("{channel}.{flow}").into())
    }

    /// The name under which an inbound flow parks what it cannot map: `<system>.<flow>`. Only its parked
    /// queue exists.
    pub fn of_source(system: &SystemName, flow: &FlowName) -> Self {
        Self(format!("{system}.{flow}").into())
    }

    /// A partition of a flow that reads a channel in order: `<channel>.<flow>.<index>`.
    pub fn of_partition(channel: &ChannelName, flow: &FlowName, index: u8) -> Self {
        Self(format!("{channel}.{flow}.{index}").into())
    }

    /// Where the messages without a key wait for a flow that reads a channel in order: `<channel>.<flow>.intake`.
    pub fn of_intake(channel: &ChannelName, flow: &FlowName) -> Self {
        Self(format!("{channel}.{flow}.intake").into())
    }

    /// The flow that reads the queue, or parks there: the second word.
    pub fn flow(&self) -> FlowName {
        let flow = self.0.split('.').nth(1).unwrap_or_default();
        FlowName(flow.into())
    }

    /// The name of a queue that was stored.
    pub(crate) fn stored(text: &str) -> Self {
        Self(text.into())
    }

    /// The name of the queue that holds what was parked: `<queue>.dead`.
    pub fn parked(&self) -> String {
        format!("{self}.dead")
    }
}

impl ReturnAddress {
    /// What the addresses of our processes begin with; their name follows.
    pub(crate) const OURS: &str = "trunkline.reply.";

    /// The address that a request tells.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }
}

/// How ids are derived. A change here makes every message of a replay look new, so it has a number.
const DERIVATION: &str = "trunkline/1";

impl MessageId {
    /// An id as it came from a client, at most 255 bytes (AMQP's short string), not empty.
    pub fn foreign(text: &str) -> Option<Self> {
        (1..=255).contains(&text.len()).then(|| Self(text.into()))
    }

    /// The id of the message made from a source's event: the same event always gives the same id.
    pub fn of_event(system: &SystemName, flow: &FlowName, event: &str) -> Self {
        Self::derive(&["event", system.as_str(), flow.as_str(), event])
    }

    /// The id of a message derived from another: output number `ordinal` of this flow.
    ///
    /// The flow's version is no part of it: after a redeploy between crash and redelivery, the same input
    /// must still give the same ids.
    pub fn derived(&self, flow: &FlowName, ordinal: usize) -> Self {
        Self::derive(&["derived", self.as_str(), flow.as_str(), &ordinal.to_string()])
    }

    /// The id of a request to a queue, made at this time.
    pub(crate) fn of_request(queue: &QueueName, about: &str, at: &str) -> Self {
        Self::derive(&["request", queue.as_str(), about, at])
    }

    fn derive(parts: &[&str]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in std::iter::once(&DERIVATION).chain(parts) {
            // Lengths between the parts: ("ab", "c") and ("a", "bc") are two events.
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Self(uuid(bytes).into())
    }
}

/// RFC 9562 version 8 (custom), variant 1.
fn uuid(mut bytes: [u8; 16]) -> String {
    use std::fmt::Write;
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if [4, 6, 8, 10].contains(&index) {
            text.push('-');
        }
        write!(text, "{byte:02x}").expect("a String takes all that is written to it");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_event_gives_the_same_id_and_another_event_another() {
        let (shop, flow) = (
            SystemName::new("shop").unwrap(),
            FlowName::new("orders-in").unwrap(),
        );
        let id = MessageId::of_event(&shop, &flow, "17");
        // A change of this value would make every redelivery across an upgrade look new.
        assert_eq!(id.as_str(), "452339d3-77a9-8746-bc0f-44f8fd8b6a02");
        assert_eq!(id, MessageId::of_event(&shop, &flow, "17"));
        assert_ne!(id, MessageId::of_event(&shop, &flow, "18"));
        assert_ne!(id.derived(&flow, 0), id.derived(&flow, 1));
    }

    #[test]
    fn a_name_is_one_lower_case_word() {
        for wrong in ["", "Orders", "1st", "a b", "a.b", "ö", &"x".repeat(65)] {
            assert!(ChannelName::new(wrong).is_err(), "{wrong}");
        }
        assert!(ChannelName::new("eu-orders2").is_ok());
    }
}
