//! What crosses the seam: records in, delivered messages out, and what became of them.

use std::{fmt, time::SystemTime};

use bytes::Bytes;

use crate::{Fault, Value};

/// One native record, as a source read it.
#[derive(Debug, Clone)]
pub struct Record {
    /// What tells this *event* from every other of the source, and is the same when it is read again: the
    /// sender's delivery id; file hash + record number; primary key + version. The message id is made of it.
    pub id: String,
    /// Records with the same key keep their order where the channel asks for it.
    pub key: Option<String>,
    /// When it happened at the source; `None`: unknown, the time of reading is taken.
    pub time: Option<SystemTime>,
    /// What the event is about within the source (CloudEvents `subject`): `orders/create`, `orders.csv#17`.
    pub subject: Option<String>,
    /// Further facts beside the body which a mapping may read as `attributes.<name>`.
    pub attributes: Vec<(String, String)>,
    /// The record itself, undecoded where it came as bytes.
    pub body: Body,
    /// Why these bytes are no record (a line that is too long, a row that is not as its header says), in the words
    /// of a [`Fault`]. No mapping sees it: it is parked as it came, with this as its cause.
    pub unreadable: Option<String>,
    /// Where to go on after this record; `None` where the source cannot go back (a webhook).
    pub position: Option<Position>,
}

impl Record {
    /// A record with only what every record has.
    pub fn new(id: impl Into<String>, body: Body) -> Self {
        Self {
            id: id.into(),
            key: None,
            time: None,
            subject: None,
            attributes: Vec::new(),
            body,
            unreadable: None,
            position: None,
        }
    }
}

/// The body of a record.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Bytes as they came, with their media type (`application/json`, `text/csv` …).
    Bytes {
        /// RFC 6838 media type, without parameters.
        content_type: String,
        /// The bytes.
        bytes: Bytes,
    },
    /// A tree, where the adapter has no bytes to show: SQL rows, parsed CSV lines.
    Value(Value<'static>),
}

/// Where a source is: bytes only the source understands, at most 64 KiB.
#[derive(Clone, PartialEq, Eq)]
pub struct Position(pub Bytes);

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Position({})", String::from_utf8_lossy(&self.0))
    }
}

/// A message on its way into a sink.
#[derive(Debug, Clone)]
pub struct Delivered {
    /// The message as the sink sees it; canonical messages come as a [`Body::Value`] tree.
    pub record: Record,
    /// Whence it comes.
    pub context: Context,
}

/// The circumstances of a delivery.
#[derive(Debug, Clone)]
pub struct Context {
    /// The message's id: with the sink's flow it is the deduplication and idempotency key.
    pub message_id: String,
    /// The id of the message that was taken from the channel; differs from `message_id` when it was split.
    pub unit: String,
    /// Which attempt this is, from 1.
    pub attempt: u32,
}

/// What became of one message.
#[derive(Debug)]
pub enum Outcome {
    /// It has taken effect.
    Applied(Option<Reply>),
    /// It had taken effect before: nothing was done.
    AlreadyThere(Option<Reply>),
    /// It has not taken effect, for this reason.
    Rejected(Fault),
    /// It may have taken effect: the connection was lost between request and answer.
    InDoubt(Fault),
    /// It was not attempted (a neighbour of its unit was rejected, the connection was gone).
    NotTried(Fault),
}

/// What the system answered: an id it gave, a body for a follow-up message.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The answer.
    pub body: Body,
}
