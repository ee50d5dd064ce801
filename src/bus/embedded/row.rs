//! A message as it lies in the store: its envelope as JSON, its body, and a sum over the envelope.
//!
//! The sum covers the envelope, the envelope holds the hash of the body: no damaged message passes as whole.
//! What is damaged is still a message, which says so.

use bytes::Bytes;
use trunkline_sdk::Fault;

use crate::bus::envelope::{Envelope, Opened};

/// A message ready to be stored.
#[derive(Debug)]
pub(super) struct Sealed {
    /// First 8 bytes of the BLAKE3 hash of `envelope`.
    pub(super) sum: i64,
    /// The envelope without its body, as JSON.
    pub(super) envelope: String,
    /// The body.
    pub(super) body: Bytes,
}

impl Sealed {
    /// Puts an envelope into its stored form.
    pub(super) fn seal(envelope: Envelope) -> Self {
        let json = serde_json::to_string(&envelope).expect("an envelope is strings and numbers");
        Self {
            sum: sum(json.as_bytes()),
            envelope: json,
            body: envelope.body,
        }
    }
}

/// Takes a message out of its stored form. Never fails, see [`Envelope::open`].
pub(super) fn open(stored_sum: i64, envelope: &[u8], body: Bytes) -> Opened {
    let whole = if sum(envelope) == stored_sum {
        serde_json::from_slice::<Envelope>(envelope).ok()
    } else {
        None
    };
    if let Some(mut whole) = whole {
        whole.body = body;
        return whole.open();
    }
    // What can still be read helps the person who finds it parked.
    let mut damaged = serde_json::from_slice(envelope).unwrap_or(Envelope {
        content_type: None,
        content_encoding: None,
        type_name: None,
        message_id: None,
        correlation_id: None,
        timestamp: None,
        app_id: None,
        reply_to: None,
        headers: Vec::new(),
        body: Bytes::new(),
    });
    // Without a type the content is native: the body as it is.
    damaged.type_name = None;
    damaged.body = body;
    let mut opened = damaged.open();
    opened.unreadable = Some(
        Fault::dead_letter("the stored attributes of the message do not match their sum: they were damaged")
            .hint("have its source send it again, and check the disk"),
    );
    opened
}

fn sum(envelope: &[u8]) -> i64 {
    let hash = blake3::hash(envelope);
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    i64::from_le_bytes(first)
}
