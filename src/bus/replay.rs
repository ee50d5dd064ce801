//! Asking a flow that keeps order to take up again what it has parked.

use bytes::Bytes;
use jiff::Timestamp;
use prost_reflect::prost::Message as _;
use trunkline_proto::bus::v1::ReplayKey;
use trunkline_sdk::Fault;

use super::{Bus, Destination, Hop, Outgoing};
use crate::{
    message::{Content, Message},
    names::{MessageId, QueueName, TypeName},
};

/// The type of a request.
const REPLAY_KEY: &str = "trunkline.bus.v1.ReplayKey";

/// Asks the flow that reads this queue, one of a channel that keeps order, to take up again what is parked for it
/// under a key; `None`: under every key. What is parked goes first, each key in its order, then what arrived under it
/// meanwhile; what fails again stays parked, and so does what stands behind it.
///
/// Also to be asked when parked messages were taken away otherwise: the flow goes on with their keys. When this
/// returns the request is safe on the bus, and outlives a crash of the flow; it is not yet carried out.
///
/// Faults: of the bus.
pub async fn replay_key(bus: &dyn Bus, queue: &QueueName, key: Option<&str>) -> Result<(), Fault> {
    let now = Timestamp::now();
    let request = ReplayKey {
        key: key.unwrap_or_default().to_owned(),
    };
    let content = Content::Canonical {
        type_name: TypeName::new(REPLAY_KEY),
        bytes: request.encode_to_vec().into(),
    };
    let id = MessageId::of_request(queue, &request.key, &now.to_string());
    let mut message = Message::new(id, "/trunkline/replay", now, content);
    message.key = key.map(Into::into);
    let to = Destination::Queue {
        queue: queue.clone(),
        attempt: 1,
        cause: None,
    };
    let hop = Hop {
        inputs: Vec::new(),
        outputs: vec![Outgoing { to, message }],
        state: None,
    };
    let results = bus.complete(vec![hop]).await;
    results
        .into_iter()
        .try_for_each(|result| result.map_err(|refused| refused.fault))
}

/// The key that a message asks to replay, if it is such a request; empty: every key.
pub(crate) fn requested(message: &Message) -> Option<Result<String, Fault>> {
    let Content::Canonical { type_name, bytes } = &message.content else {
        return None;
    };
    (type_name.as_str() == REPLAY_KEY).then(|| read(bytes))
}

fn read(bytes: &Bytes) -> Result<String, Fault> {
    ReplayKey::decode(bytes.clone())
        .map(|request| request.key)
        .map_err(|_| {
            Fault::dead_letter("the request for a replay cannot be read")
                .hint("encode it as `trunkline.bus.v1.ReplayKey` says")
        })
}

#[cfg(test)]
mod tests {
    use prost_reflect::prost::Name;

    use super::*;

    #[test]
    fn the_type_has_the_name_that_stands_here() {
        assert_eq!(ReplayKey::full_name(), REPLAY_KEY);
    }
}
