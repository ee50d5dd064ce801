//! The form of a message on the wire: a public interface, described in the README.
//!
//! The body is the bare content. What AMQP 0-9-1 has a property for is a property; the other attributes are
//! string headers under the names of CloudEvents (`cloudEvents_source` …, AMQP binding 1.0.2), W3C Trace
//! Context, and `trunkline_…` for our own. The embedded bus keeps the same form, so that a message can move
//! from one bus to the other unchanged. Headers not named here are not passed on.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use trunkline_formats::json;
use trunkline_sdk::{Body, Fault};

use super::Cause;
use crate::{
    message::{Content, Message, Trace},
    names::{FlowName, MessageId, TypeName},
};

/// The media type of a canonical message.
pub const PROTOBUF: &str = "application/protobuf";
/// `app_id` of what we publish.
pub const APP_ID: &str = "trunkline";

/// The largest body, in bytes: what RabbitMQ takes by default, and so on every bus. What is larger travels by claim
/// check.
pub const MAX_BODY: usize = 16 << 20;

/// The last second of the year 9999.
const LATEST: u64 = 253_402_300_799;

const SOURCE: &str = "cloudEvents_source";
const SUBJECT: &str = "cloudEvents_subject";
const TIME: &str = "cloudEvents_time";
const KEY: &str = "cloudEvents_partitionkey";
const CAUSATION_ID: &str = "cloudEvents_causationid";
const EXPIRES_AT: &str = "cloudEvents_expirytime";
const TRACE_PARENT: &str = "traceparent";
const TRACE_STATE: &str = "tracestate";
const HISTORY: &str = "trunkline_history";
const RECORD_ATTRIBUTES: &str = "trunkline_record_attributes";
const BODY_HASH: &str = "trunkline_body_hash";
const ATTEMPT: &str = "trunkline_attempt";
pub(super) const FAULT: &str = "trunkline_fault";
const FAULT_HINT: &str = "trunkline_fault_hint";
const FAULT_FLOW: &str = "trunkline_fault_flow";
const FAULT_STEP: &str = "trunkline_fault_step";
const FAULT_TIME: &str = "trunkline_fault_time";
const PARKED_ORDER: &str = "trunkline_parked_order";

/// A message with its properties and headers, as a broker sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// `content_type`: [`PROTOBUF`] for canonical messages.
    pub content_type: Option<String>,
    /// `content_encoding`: none, in what we publish and accept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    /// `type`: the full name of the canonical message.
    pub type_name: Option<String>,
    /// `message_id`.
    pub message_id: Option<String>,
    /// `correlation_id`.
    pub correlation_id: Option<String>,
    /// `timestamp`: seconds since 1970.
    pub timestamp: Option<u64>,
    /// `app_id`.
    pub app_id: Option<String>,
    /// `reply_to`.
    pub reply_to: Option<String>,
    /// The headers, all of them strings.
    pub headers: Vec<(String, String)>,
    /// The body.
    #[serde(skip)]
    pub body: Bytes,
}

/// What an envelope held.
#[derive(Debug)]
pub struct Opened {
    /// The message. Of an unreadable one: the body as it came, as native content.
    pub message: Message,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// Why it was parked or is tried again.
    pub cause: Option<Cause>,
    /// Its place among the parked messages of its queue.
    pub order: Option<u64>,
    /// Why it cannot be accepted.
    pub unreadable: Option<Fault>,
}

impl Envelope {
    /// Puts a message into its envelope.
    pub fn seal(message: &Message, attempt: u32, cause: Option<&Cause>, order: Option<u64>) -> Self {
        let (content_type, type_name, body) = match &message.content {
            Content::Canonical { type_name, bytes } => (
                PROTOBUF.to_owned(),
                Some(type_name.as_str().to_owned()),
                bytes.clone(),
            ),
            Content::Native(Body::Bytes { content_type, bytes }) => {
                (content_type.clone(), None, bytes.clone())
            }
            Content::Native(Body::Value(value)) => (
                "application/json".to_owned(),
                None,
                Bytes::from(json::write(value)),
            ),
        };
        let mut headers = Vec::with_capacity(8);
        let mut header = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                headers.push((name.to_owned(), value.to_owned()));
            }
        };
        header(SOURCE, Some(&message.source));
        header(SUBJECT, message.subject.as_deref());
        header(TIME, Some(&message.time.to_string()));
        header(KEY, message.key.as_deref());
        header(CAUSATION_ID, message.causation_id.as_ref().map(MessageId::as_str));
        header(EXPIRES_AT, message.expires_at.map(|at| at.to_string()).as_deref());
        header(TRACE_PARENT, message.trace.as_ref().map(|trace| &*trace.parent));
        header(
            TRACE_STATE,
            message.trace.as_ref().and_then(|trace| trace.state.as_deref()),
        );
        header(HISTORY, message.history.as_deref());
        header(BODY_HASH, Some(&hash(&body)));
        if !message.facts.is_empty() {
            let facts: BTreeMap<_, _> = message.facts.iter().map(|(name, text)| (name, text)).collect();
            header(RECORD_ATTRIBUTES, serde_json::to_string(&facts).ok().as_deref());
        }
        if attempt > 1 {
            header(ATTEMPT, Some(&attempt.to_string()));
        }
        if let Some(cause) = cause {
            header(FAULT, Some(&cause.what));
            header(FAULT_HINT, cause.hint.as_deref());
            header(FAULT_FLOW, Some(cause.flow.as_str()));
            header(FAULT_STEP, Some(&cause.step));
            header(FAULT_TIME, Some(&cause.at.to_string()));
        }
        header(PARKED_ORDER, order.map(|order| order.to_string()).as_deref());
        Self {
            content_type: Some(content_type),
            content_encoding: None,
            type_name,
            message_id: Some(message.id.as_str().to_owned()),
            correlation_id: message.correlation_id.as_deref().map(str::to_owned),
            timestamp: u64::try_from(message.time.as_second()).ok(),
            app_id: Some(APP_ID.to_owned()),
            reply_to: message.reply_to.as_deref().map(str::to_owned),
            headers,
            body,
        }
    }

    /// Takes the message out. Never fails: what cannot be accepted is still a message, which says why.
    pub fn open(self) -> Opened {
        let time = self
            .header(TIME)
            .and_then(|text| text.parse().ok())
            .or_else(|| Timestamp::from_second(i64::try_from(self.timestamp?).ok()?).ok())
            .unwrap_or(Timestamp::UNIX_EPOCH);
        let foreign_id = self.message_id.as_deref().and_then(MessageId::foreign);
        let unreadable = self.unreadable(foreign_id.is_some());
        let content = match (&self.type_name, &unreadable) {
            (Some(type_name), None) => Content::Canonical {
                type_name: TypeName::new(type_name),
                bytes: self.body.clone(),
            },
            _ => Content::Native(Body::Bytes {
                content_type: self
                    .content_type
                    .clone()
                    .unwrap_or_else(|| "application/octet-stream".to_owned()),
                bytes: self.body.clone(),
            }),
        };
        let id = foreign_id.unwrap_or_else(|| {
            MessageId::foreign(&format!("unnamed-{}", &hash(&self.body)[7..39]))
                .expect("it is short, and not empty")
        });
        let text = |name| self.header(name).map(Arc::from);
        let message = Message {
            id,
            source: text(SOURCE)
                .or_else(|| self.app_id.as_deref().map(Arc::from))
                .unwrap_or_else(|| "unknown".into()),
            subject: text(SUBJECT),
            time,
            key: text(KEY),
            correlation_id: self.correlation_id.as_deref().map(Arc::from),
            causation_id: self.header(CAUSATION_ID).and_then(MessageId::foreign),
            expires_at: self.header(EXPIRES_AT).and_then(|text| text.parse().ok()),
            reply_to: self.reply_to.as_deref().map(Arc::from),
            trace: text(TRACE_PARENT).map(|parent| Trace {
                parent,
                state: text(TRACE_STATE),
            }),
            history: text(HISTORY),
            facts: self.facts(unreadable.is_some()),
            content,
        };
        let attempt = self
            .header(ATTEMPT)
            .and_then(|text| text.parse().ok())
            .unwrap_or(1)
            .max(1);
        Opened {
            message,
            attempt,
            cause: self.cause(),
            order: self.header(PARKED_ORDER).and_then(|text| text.parse().ok()),
            unreadable,
        }
    }

    fn unreadable(&self, has_id: bool) -> Option<Fault> {
        let content_type = self.content_type.as_deref().unwrap_or_default();
        if !has_id {
            return Some(
                Fault::dead_letter("the message has no `message_id`, or one of more than 255 bytes")
                    .hint("give each event an id of its own, the same again when it is sent again"),
            );
        }
        if self
            .header(BODY_HASH)
            .is_some_and(|told| told != hash(&self.body))
        {
            return Some(
                Fault::dead_letter(format!(
                    "the body does not match its header `{BODY_HASH}`: it was damaged"
                ))
                .hint("have its source send it again"),
            );
        }
        for name in [TIME, EXPIRES_AT] {
            if self
                .header(name)
                .is_some_and(|text| text.parse::<Timestamp>().is_err())
            {
                return Some(
                    Fault::dead_letter(format!("the header `{name}` is no time"))
                        .hint("write it as RFC 3339 says: `2026-11-25T13:00:00Z`"),
                );
            }
        }
        if self.timestamp.is_some_and(|seconds| seconds > LATEST) {
            return Some(
                Fault::dead_letter("the property `timestamp` lies behind the year 9999")
                    .hint("write it in seconds since 1970, not in milliseconds"),
            );
        }
        if let Some(encoding) = &self.content_encoding {
            return Some(
                Fault::dead_letter(format!("the body is encoded as `{encoding}`"))
                    .hint("publish it as it is, without `content_encoding`"),
            );
        }
        if content_type == PROTOBUF && self.type_name.is_none() {
            return Some(
                Fault::dead_letter("the message has no `type`")
                    .hint("set the property `type` to the full name of its protobuf message"),
            );
        }
        if self.type_name.is_some() && content_type != PROTOBUF {
            return Some(
                Fault::dead_letter(format!(
                    "the message has a `type`, but its `content_type` is not `{PROTOBUF}`"
                ))
                .hint(format!(
                    "set `content_type` to `{PROTOBUF}`, and encode the body accordingly"
                )),
            );
        }
        None
    }

    /// What was told beside the record; of an unreadable message also what it said it was.
    fn facts(&self, is_unreadable: bool) -> Arc<[(String, String)]> {
        let facts: Option<BTreeMap<String, String>> = self
            .header(RECORD_ATTRIBUTES)
            .and_then(|text| serde_json::from_str(text).ok());
        let mut facts = facts.unwrap_or_default();
        let told = [
            ("type", &self.type_name),
            ("content_encoding", &self.content_encoding),
            ("app_id", &self.app_id),
        ];
        for (name, value) in told.into_iter().filter(|_| is_unreadable) {
            facts.extend(value.clone().map(|value| (name.to_owned(), value)));
        }
        facts.into_iter().collect()
    }

    fn cause(&self) -> Option<Cause> {
        Some(Cause {
            what: self.header(FAULT)?.to_owned(),
            hint: self.header(FAULT_HINT).map(str::to_owned),
            flow: FlowName::new(self.header(FAULT_FLOW)?).ok()?,
            step: self.header(FAULT_STEP)?.to_owned(),
            at: self.header(FAULT_TIME)?.parse().ok()?,
        })
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(header, _)| header == name)
            .map(|(_, value)| value.as_str())
    }
}

/// `sha256:` and the hash in lower-case hex: a hash that every language has.
fn hash(body: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(71);
    text.push_str("sha256:");
    for byte in Sha256::digest(body) {
        write!(text, "{byte:02x}").expect("a String takes all that is written to it");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Envelope {
        fn set(&mut self, name: &str, value: &str) {
            self.headers.retain(|(header, _)| header != name);
            self.headers.push((name.to_owned(), value.to_owned()));
        }
    }

    fn message() -> Message {
        let content = Content::Canonical {
            type_name: TypeName::new("trunkline.commerce.v1.Order"),
            bytes: Bytes::from_static(b"\x0a\x041001"),
        };
        let id = MessageId::foreign("e0a0fc5d-2b4e-8d5c-a5c0-1bb5f5f0b1f3").unwrap();
        let mut message = Message::new(
            id,
            "/shop/orders-in",
            "2026-11-25T13:00:00.25Z".parse().unwrap(),
            content,
        );
        message.subject = Some("orders/create".into());
        message.key = Some("1001".into());
        message.correlation_id = Some("c".into());
        message.causation_id = MessageId::foreign("a");
        message.expires_at = Some("2026-11-26T13:00:00Z".parse().unwrap());
        message.reply_to = Some("answers".into());
        message.trace = Some(Trace {
            parent: "00-4bf9-00f0-01".into(),
            state: Some("a=1".into()),
        });
        message.history = Some("orders-in,route-orders".into());
        message
    }

    #[test]
    fn a_message_comes_out_of_its_envelope_as_it_went_in() {
        // given
        let cause = Cause {
            what: "changed 0 rows, expected 1".to_owned(),
            hint: Some("add the product".to_owned()),
            flow: FlowName::new("stock").unwrap(),
            step: "erp".to_owned(),
            at: "2026-11-25T13:00:01Z".parse().unwrap(),
        };
        // when
        let opened = Envelope::seal(&message(), 3, Some(&cause), Some(17)).open();
        // then
        assert_eq!(opened.message, message());
        assert_eq!((opened.attempt, opened.cause), (3, Some(cause)));
        assert_eq!(opened.order, Some(17));
        assert!(opened.unreadable.is_none());
    }

    #[test]
    fn what_cannot_be_accepted_is_kept_as_it_came_and_says_why() {
        let sealed = Envelope::seal(&message(), 1, None, None);
        type Break = fn(&mut Envelope);
        let cases: [(&str, Break); 9] = [
            ("`cloudEvents_time` is no time", |envelope| {
                envelope.set(TIME, "yesterday");
            }),
            ("`cloudEvents_expirytime` is no time", |envelope| {
                envelope.set(EXPIRES_AT, "1");
            }),
            ("behind the year 9999", |envelope| {
                envelope.timestamp = Some(1_764_000_000_000);
            }),
            ("encoded as `gzip`", |envelope| {
                envelope.content_encoding = Some("gzip".to_owned());
            }),
            ("no `message_id`", |envelope| envelope.message_id = None),
            ("no `message_id`", |envelope| {
                envelope.message_id = Some("x".repeat(256));
            }),
            ("damaged", |envelope| {
                envelope.body = Bytes::from_static(b"\x0a\x041002");
            }),
            ("no `type`", |envelope| envelope.type_name = None),
            ("not `application/protobuf`", |envelope| {
                envelope.content_type = None;
            }),
        ];
        for (why, break_it) in cases {
            let mut envelope = sealed.clone();
            break_it(&mut envelope);
            let body = envelope.body.clone();
            let opened = envelope.open();
            assert!(
                opened.unreadable.is_some_and(|fault| fault.what.contains(why)),
                "{why}"
            );
            assert!(
                matches!(opened.message.content, Content::Native(Body::Bytes { bytes, .. }) if bytes == body)
            );
        }
    }

    #[test]
    fn forged_and_foreign_headers_are_not_passed_on() {
        let mut envelope = Envelope::seal(&message(), 1, None, None);
        for name in ["x-death", "CC", "BCC", "trunkline_attempt"] {
            envelope.headers.push((name.to_owned(), "-7".to_owned()));
        }
        let opened = envelope.open();
        assert_eq!(opened.attempt, 1);
        assert_eq!(
            Envelope::seal(&opened.message, 1, None, None),
            Envelope::seal(&message(), 1, None, None)
        );
    }
}
