//! CloudEvents 1.0 over HTTP, in all three modes: in headers (binary), in the body (structured), many in it (batch).
//!
//! Promises: one event gives one record, and the same one in each mode: the body is its data, the id its source and
//! id, and every other attribute goes where a record has a place for it, else among the attributes under its name.
//! Does not promise CloudEvents in XML, Avro or protobuf.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use trunkline_sdk::{Body, Record};

use crate::{
    answer::Answer,
    claim::{Headers, MAX_VALUE, essence},
    json,
    moment::moment,
    record::joined,
};

/// The media types of the JSON form.
const ONE: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";
/// What all media types of CloudEvents start with.
const FAMILY: &str = "application/cloudevents";
/// What the headers of the binary mode start with.
const PREFIX: &str = "ce-";
const JSON: &str = "application/json";

/// How a request holds CloudEvents.
#[derive(Debug)]
pub(crate) enum Mode {
    /// The headers are the attributes, the body is the data.
    Binary(CloudEvent),
    /// The body is an event.
    Structured,
    /// The body is a list of events.
    Batch,
}

/// The attributes of an event, in their order.
#[derive(Debug, Default)]
pub(crate) struct CloudEvent(Vec<(String, String)>);

impl Mode {
    /// The mode that the headers tell; `binary`: whether headers of events count.
    pub(crate) fn of(content_type: &str, headers: Headers<'_>, binary: bool) -> Result<Option<Self>, Answer> {
        match content_type {
            ONE => Ok(Some(Self::Structured)),
            BATCH => Ok(Some(Self::Batch)),
            other if other.starts_with(FAMILY) => Err(Answer::unsupported(
                "header `content-type`: CloudEvents are read as JSON",
            )),
            _ if binary => Ok(CloudEvent::of_headers(headers)?.map(Self::Binary)),
            _ => Ok(None),
        }
    }
}

impl CloudEvent {
    /// The event of a request's headers, if there are any of one. Their values are percent-encoded.
    fn of_headers(headers: Headers<'_>) -> Result<Option<Self>, Answer> {
        let mut event = Self::default();
        for name in headers.0.keys() {
            let Some(attribute) = name.as_str().strip_prefix(PREFIX) else {
                continue;
            };
            let Some(value) = headers.get(name)? else {
                continue;
            };
            let text = decoded(value).ok_or_else(|| Answer::bad(format!("header `{name}` is not text")))?;
            event.0.push((attribute.to_owned(), text));
        }
        match event.get("specversion") {
            None | Some("1.0") => Ok(Some(event).filter(|event| !event.0.is_empty())),
            Some(_) => Err(Answer::bad("header `ce-specversion` is not `1.0`")),
        }
    }

    /// The record of an event in JSON. Error: what is wrong with it.
    pub(crate) fn record(json: &[u8]) -> Result<Record, String> {
        let members = json::members(json, |_| true)
            .ok_or("it is no JSON object, or a name stands in it twice, or there are more than 64")?;
        let mut event = Self::default();
        let (mut data, mut encoded) = (None, None);
        for (name, value) in members {
            match name.as_str() {
                "data" => data = Some(value),
                "data_base64" => encoded = Some(value),
                _ if value == b"null" => {}
                _ => match json::text(value) {
                    Some(text) if name.len() + text.len() <= MAX_VALUE => event.0.push((name, text)),
                    Some(_) => return Err(format!("attribute `{}` is longer than 1 KiB", shown(&name))),
                    None => return Err(format!("attribute `{}` is no single value", shown(&name))),
                },
            }
        }
        for name in ["id", "source", "type", "specversion"] {
            if event.get(name).is_none_or(str::is_empty) {
                return Err(format!("attribute `{name}` is missing"));
            }
        }
        if event.get("specversion") != Some("1.0") {
            return Err("attribute `specversion` is not `1.0`".to_owned());
        }
        let content_type = match event.get("datacontenttype") {
            None => JSON.to_owned(),
            Some(told) => essence(told).ok_or("attribute `datacontenttype` is no media type")?,
        };
        let is_json = content_type == JSON || content_type.ends_with("+json");
        let bytes = match (data, encoded) {
            (Some(_), Some(_)) => return Err("both `data` and `data_base64` are there".to_owned()),
            (None, None) => Bytes::new(),
            (None, Some(encoded)) => {
                let text = json::text(encoded).and_then(|text| BASE64.decode(text).ok());
                text.ok_or("`data_base64` is no base64")?.into()
            }
            (Some(data), None) if !is_json && data.starts_with(b"\"") => {
                json::text(data).ok_or("`data` is no text")?.into()
            }
            (Some(data), None) => Bytes::copy_from_slice(data),
        };
        let body = Body::Bytes { content_type, bytes };
        let id = event.id().unwrap_or_default();
        Ok(event.into_record(id, body))
    }

    /// The source and the id, which together are an event's; `None`: one is missing.
    pub(crate) fn id(&self) -> Option<String> {
        Some(joined([self.get("source")?, self.get("id")?]))
    }

    /// This attribute.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(attribute, _)| attribute == name);
        found.map(|(_, text)| text.as_str())
    }

    /// The record of this event.
    pub(crate) fn into_record(self, id: String, body: Body) -> Record {
        let mut record = Record::new(id, body);
        record.time = self.get("time").and_then(moment);
        for (name, text) in self.0 {
            let name = match name.as_str() {
                "specversion" | "datacontenttype" | "time" => continue,
                "subject" => {
                    record.subject = Some(text);
                    continue;
                }
                "partitionkey" => {
                    record.key = Some(text);
                    continue;
                }
                "id" => "event_id",
                "source" => "event_source",
                "type" => "topic",
                // An extension of that name.
                "topic" => "ce_topic",
                _ => &name,
            };
            record.attributes.push((name.to_owned(), text));
        }
        record
    }
}

/// The name of an attribute as it may be told: those of the specification are short and plain.
fn shown(name: &str) -> &str {
    let is_plain = name.len() <= 32
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_plain { name } else { "…" }
}

/// A text with its percent-encoding undone.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        let digits = behind.get(..2).filter(|_| *byte == b'%');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(escaped) => {
                bytes.push(escaped);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*byte);
                rest = behind;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::scheme::examples::{SIGNED, head, policy, received, secret, signed};

    fn records(headers: &[(&str, &str)], body: &str) -> Result<Vec<Record>, Answer> {
        received(
            &policy(&secret("none", "true")),
            &head("/", headers),
            body,
            signed(),
        )
    }

    fn structured(body: &str) -> Result<Vec<Record>, Answer> {
        records(&[("content-type", ONE)], body)
    }

    const EVENT: &str = r#"{"specversion":"1.0","id":"17","source":"/till/3","type":"sale","subject":"tills",
        "time":"2026-11-25T10:00:00Z","partitionkey":"k","traceparent":"00-1","topic":"t","sold":3,"vip":true,
        "comexample":null,"datacontenttype":"application/json; charset=utf-8","data": {"n": 1} }"#;

    #[test]
    fn an_event_is_the_same_record_in_each_mode() {
        // given
        let batch = format!("[{EVENT}]");
        let headers = [
            ("ce-specversion", "1.0"),
            ("ce-id", "17"),
            ("ce-source", "/till/3"),
            ("ce-type", "sale"),
            ("ce-subject", "t%69lls"),
            ("ce-time", "2026-11-25T10:00:00Z"),
            ("ce-partitionkey", "k"),
            ("ce-traceparent", "00-1"),
            ("ce-topic", "t"),
            ("ce-sold", "3"),
            ("ce-vip", "true"),
            ("content-type", "application/json"),
        ];
        for told in [
            records(&headers, r#"{"n": 1}"#),
            structured(EVENT),
            records(&[("content-type", BATCH)], &batch),
        ] {
            // when
            let [record] = &told.expect("an event")[..] else {
                panic!("one event is one record");
            };
            // then
            assert_eq!(record.id, "/till/3 17");
            assert_eq!(record.subject.as_deref(), Some("tills"));
            assert_eq!(record.key.as_deref(), Some("k"));
            assert_eq!(record.time, Some(UNIX_EPOCH + Duration::from_secs(SIGNED)));
            let mut attributes: Vec<_> = record
                .attributes
                .iter()
                .map(|(name, text)| (name.as_str(), text.as_str()))
                .collect();
            attributes.sort_unstable();
            assert_eq!(
                attributes,
                [
                    ("ce_topic", "t"),
                    ("event_id", "17"),
                    ("event_source", "/till/3"),
                    ("sold", "3"),
                    ("topic", "sale"),
                    ("traceparent", "00-1"),
                    ("vip", "true"),
                ]
            );
            let body = Body::Bytes {
                content_type: JSON.into(),
                bytes: Bytes::from_static(br#"{"n": 1}"#),
            };
            assert_eq!(record.body, body);
        }
    }

    #[test]
    fn data_is_json_text_or_bytes() {
        let with = |more: &str| {
            let told = structured(&format!(
                r#"{{"specversion":"1.0","id":"1","source":"s","type":"t"{more}}}"#
            ));
            match told.expect("an event").remove(0).body {
                Body::Bytes { content_type, bytes } => (content_type, bytes),
                Body::Value(_) => panic!("a body is bytes"),
            }
        };
        let told =
            |media_type: &str, bytes: &'static [u8]| (media_type.to_owned(), Bytes::from_static(bytes));
        assert_eq!(with(""), told(JSON, b""));
        assert_eq!(with(r#","data":"a""#), told(JSON, b"\"a\""));
        assert_eq!(with(r#","data":null"#), told(JSON, b"null"));
        assert_eq!(
            with(r#","datacontenttype":"text/xml","data":"<a\u003e""#),
            told("text/xml", b"<a>")
        );
        assert_eq!(
            with(r#","datacontenttype":"image/png","data_base64":"AP8=""#),
            told("image/png", b"\0\xff")
        );
    }

    #[test]
    fn what_is_no_event_is_400_and_says_why_and_the_whole_batch_with_it() {
        let long = format!(
            r#"{{"specversion":"1.0","id":"1","source":"s","type":"t","x":"{}"}}"#,
            "y".repeat(2000)
        );
        let many: String = (0..100).map(|at| format!(r#""a{at}":1,"#)).collect();
        let many = format!(r#"{{{many}"specversion":"1.0","id":"1","source":"s","type":"t"}}"#);
        for (body, told) in [
            ("", "no JSON object"),
            ("[]", "no JSON object"),
            (r#"{"id":"1","id":"2"}"#, "twice"),
            (&many, "more than 64"),
            ("{}", "`id` is missing"),
            (r#"{"id":""}"#, "`id` is missing"),
            (
                r#"{"id":"1","source":"s","type":"t"}"#,
                "`specversion` is missing",
            ),
            (
                r#"{"specversion":"0.3","id":"1","source":"s","type":"t"}"#,
                "not `1.0`",
            ),
            (
                r#"{"specversion":"1.0","id":"1","source":"s","type":"t","x":{}}"#,
                "`x` is no single value",
            ),
            (
                r#"{"specversion":"1.0","id":"1","source":"s","type":"t","x y":{}}"#,
                "`…`",
            ),
            (&long, "`x` is longer"),
            (
                r#"{"specversion":"1.0","id":"1","source":"s","type":"t","data":1,"data_base64":""}"#,
                "both",
            ),
            (
                r#"{"specversion":"1.0","id":"1","source":"s","type":"t","data_base64":"!"}"#,
                "no base64",
            ),
            (
                r#"{"specversion":"1.0","id":"1","source":"s","type":"t","datacontenttype":"x"}"#,
                "media type",
            ),
        ] {
            let answer = structured(body).expect_err(told);
            assert_eq!(answer.status.as_u16(), 400, "{told}");
            assert!(answer.text.contains(told), "{}", answer.text);
            let answer = records(&[("content-type", BATCH)], &format!("[{EVENT},{body}]")).expect_err(told);
            assert_eq!(answer.status.as_u16(), 400, "{told}");
        }
        let answer =
            records(&[("content-type", BATCH)], &format!("[{EVENT},{{}}]")).expect_err("one is none");
        assert!(answer.text.contains("CloudEvent 2"), "{}", answer.text);
        for headers in [
            &[("content-type", "application/cloudevents+xml")][..],
            &[("content-type", "application/cloudevents")],
            &[("ce-specversion", "0.3"), ("ce-id", "1")],
            &[("ce-subject", "%ff")],
        ] {
            assert!(records(headers, "{}").is_err(), "{headers:?}");
        }
        assert!(
            records(&[("content-type", BATCH)], "[]")
                .expect("a list")
                .is_empty()
        );
    }
}
