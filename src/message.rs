//! What travels: the content, and the attributes that tell what it is and whence it came.
//!
//! Its form on the wire is a public interface: see [`crate::bus::envelope`].

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use trunkline_sdk::Body;

use crate::names::{MessageId, TypeName};

/// A message between two steps, and on the bus. Cheap to clone.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The id: one per event and receiver, the same again when a crash repeats it.
    pub id: MessageId,
    /// Where it came from: `/<system>/<flow>` for ours (CloudEvents `source`, a URI reference).
    pub source: Arc<str>,
    /// What it is about within the source: `orders/create`, `orders.csv#17`.
    pub subject: Option<Arc<str>>,
    /// When it happened at the source.
    pub time: Timestamp,
    /// Messages with the same key keep their order where the channel asks for it.
    pub key: Option<Arc<str>>,
    /// The id of the first message of the journey; groups all that came of one event.
    pub correlation_id: Option<Arc<str>>,
    /// The id of the message this one was made from.
    pub causation_id: Option<MessageId>,
    /// When it is no longer worth delivering.
    pub expires_at: Option<Timestamp>,
    /// The queue that waits for an answer (EIP Return Address).
    pub reply_to: Option<Arc<str>>,
    /// W3C Trace Context.
    pub trace: Option<Trace>,
    /// The flows it has passed, the first one first: `orders-in,route-orders` (EIP Message History).
    pub history: Option<Arc<str>>,
    /// What a native record's source tells beside the record (a file's name, a header); none of a canonical
    /// message. An expression reads them as `attributes.<name>`.
    pub facts: Arc<[(String, String)]>,
    /// The content.
    pub content: Content,
}

/// W3C Trace Context: passed on, never interpreted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// `traceparent`.
    pub parent: Arc<str>,
    /// `tracestate`.
    pub state: Option<Arc<str>>,
}

/// What a message carries.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// An encoded canonical message.
    Canonical {
        /// Its full name.
        type_name: TypeName,
        /// Its encoding (protobuf, no length before it).
        bytes: Bytes,
    },
    /// A record in the form of its system: before the translator, and in parked queues.
    Native(Body),
}

impl Message {
    /// A message of this content with only what every message has.
    pub fn new(id: MessageId, source: impl Into<Arc<str>>, time: Timestamp, content: Content) -> Self {
        Self {
            id,
            source: source.into(),
            subject: None,
            time,
            key: None,
            correlation_id: None,
            causation_id: None,
            expires_at: None,
            reply_to: None,
            trace: None,
            history: None,
            facts: Arc::default(),
            content,
        }
    }

    /// A message made from this one: own id and content. The journey (source, subject, time, key, correlation,
    /// trace) goes on, and this one is its cause. The facts about a record stay behind.
    #[must_use]
    pub fn derive(&self, id: MessageId, content: Content) -> Self {
        Self {
            id,
            correlation_id: Some(
                self.correlation_id
                    .clone()
                    .unwrap_or_else(|| self.id.as_str().into()),
            ),
            causation_id: Some(self.id.clone()),
            facts: Arc::default(),
            content,
            ..self.clone()
        }
    }
}
