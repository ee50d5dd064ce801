//! A request as its sender's scheme reads it: from headers to a claim, and from a proven claim to a record.
//!
//! Promises: a delivery that is sent again gives the same id. Does not promise that headers are true: most
//! schemes sign the body alone.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::{
    HeaderMap, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use trunkline_sdk::{Body, Record};

use crate::{
    answer::Answer,
    scheme::{Part, Scheme},
    signature::Keyring,
};

/// A header that becomes part of a record is at most this long.
const MAX_VALUE: usize = 1024;
const DEFAULT_TYPE: &str = "application/json";

/// What the headers of a request say; nothing of it is proven.
#[derive(Debug)]
pub(crate) struct Claim<'h> {
    scheme: &'static Scheme,
    headers: Headers<'h>,
    content_type: String,
}

impl<'h> Claim<'h> {
    /// Reads the headers, before any of the body. Everything a record is made of is looked at here, so that
    /// what follows cannot fail.
    ///
    /// Answers 400 for a header that is missing, twice there, too long or not text; 401 for one signed too
    /// long ago; 415 for a compressed body.
    pub(crate) fn read(
        scheme: &'static Scheme,
        headers: &'h HeaderMap,
        now: SystemTime,
    ) -> Result<Self, Answer> {
        let family = scheme
            .families
            .iter()
            .find(|family| {
                family
                    .required
                    .first()
                    .is_some_and(|name| headers.contains_key(&*name_of(family.prefix, name)))
            })
            .unwrap_or(&scheme.families[0]);
        let headers = Headers {
            map: headers,
            prefix: family.prefix,
        };
        for name in family.required {
            if headers.get(name)?.is_none() {
                let name = name_of(headers.prefix, name);
                return Err(Answer::bad(format!("header `{name}` is missing")));
            }
        }
        let read = scheme.id.iter().chain(&scheme.time).chain(&scheme.subject);
        for name in read.chain(scheme.attributes.iter().map(|(_, header)| header)) {
            headers.get(name)?;
        }
        if let Some(window) = scheme.proof.as_ref().and_then(|proof| proof.signed_at.as_ref()) {
            headers.fresh(window.header, window.seconds, now)?;
        }
        if let Some(encoding) = headers.map.get(CONTENT_ENCODING)
            && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
        {
            return Err(Answer::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "header `content-encoding`: send the body uncompressed",
            ));
        }
        Ok(Self {
            scheme,
            content_type: headers.media_type()?,
            headers,
        })
    }

    /// Whether the sender knows one of the secrets.
    pub(crate) fn is_proven(&self, keyring: &Keyring, body: &[u8]) -> bool {
        let Some(proof) = &self.scheme.proof else {
            return true;
        };
        let signed: Vec<&[u8]> = proof
            .signed
            .iter()
            .map(|part| match part {
                Part::Header(name) => self.value(name).unwrap_or_default().as_bytes(),
                Part::Text(text) => text.as_bytes(),
                Part::Body => body,
            })
            .collect();
        self.value(proof.header)
            .is_some_and(|header| keyring.proves(proof, header, &signed))
    }

    /// The record.
    pub(crate) fn into_record(self, path: &str, body: Bytes) -> Record {
        let time = self.scheme.time.and_then(|name| self.value(name));
        let ids: Option<Vec<_>> = self.scheme.id.iter().map(|name| self.value(name)).collect();
        let id = match ids {
            // No part holds a blank: URIs, host names, UUIDs, words.
            Some(ids) => ids.join(" "),
            None => fingerprint(path, time.unwrap_or_default(), &body),
        };
        let value = |name: &str| self.value(name).map(str::to_owned);
        Record {
            time: time.and_then(instant),
            subject: self.scheme.subject.and_then(value),
            attributes: self
                .scheme
                .attributes
                .iter()
                .filter_map(|(attribute, name)| Some(((*attribute).to_owned(), value(name)?)))
                .collect(),
            ..Record::new(
                id,
                Body::Bytes {
                    content_type: self.content_type,
                    bytes: body,
                },
            )
        }
    }

    /// The value of a header that [`Claim::read`] has looked at.
    fn value(&self, name: &str) -> Option<&'h str> {
        self.headers.get(name).ok().flatten()
    }
}

/// Headers under one spelling of their names.
#[derive(Debug, Clone, Copy)]
struct Headers<'h> {
    map: &'h HeaderMap,
    prefix: &'static str,
}

impl<'h> Headers<'h> {
    /// The text of a header; an empty one counts as absent.
    fn get(&self, name: &str) -> Result<Option<&'h str>, Answer> {
        let name = name_of(self.prefix, name);
        let mut values = self.map.get_all(&*name).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        let wrong = |what: &str| Err(Answer::bad(format!("header `{name}` {what}")));
        if values.next().is_some() {
            return wrong("is there more than once");
        }
        match std::str::from_utf8(value.as_bytes()) {
            Err(_) => wrong("is not text"),
            Ok(text) if text.len() > MAX_VALUE => wrong("is longer than 1 KiB"),
            Ok(text) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
        }
    }

    /// Refuses a time of signing (Unix seconds) that is further than this from now.
    fn fresh(&self, name: &str, seconds: u64, now: SystemTime) -> Result<(), Answer> {
        let signed_at: Option<u64> = self.get(name)?.and_then(|text| text.parse().ok());
        let name = name_of(self.prefix, name);
        let Some(signed_at) = signed_at else {
            return Err(Answer::bad(format!("header `{name}` is no time in Unix seconds")));
        };
        let now = now
            .duration_since(UNIX_EPOCH)
            .map_or(0, |elapsed| elapsed.as_secs());
        if now.abs_diff(signed_at) > seconds {
            return Err(Answer::new(
                StatusCode::UNAUTHORIZED,
                format!("header `{name}` is more than {seconds} s from this host's clock"),
            ));
        }
        Ok(())
    }

    /// The media type without its parameters.
    fn media_type(&self) -> Result<String, Answer> {
        let Some(value) = self.map.get(CONTENT_TYPE) else {
            return Ok(DEFAULT_TYPE.to_owned());
        };
        let text = value.to_str().unwrap_or_default();
        let essence = text.split(';').next().unwrap_or_default().trim();
        let is_token = |part: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
            (1..=127).contains(&part.len()) && part.bytes().all(plain)
        };
        match essence.split_once('/') {
            Some((kind, name)) if is_token(kind) && is_token(name) => Ok(essence.to_ascii_lowercase()),
            _ => Err(Answer::bad(
                "header `content-type` is no media type, such as `application/json`",
            )),
        }
    }
}

fn name_of(prefix: &str, name: &str) -> String {
    format!("{prefix}{name}")
}

/// A time in RFC 3339. What cannot be read, or was before 1970, is nothing: it is a claim, and not worth a refusal.
fn instant(text: &str) -> Option<SystemTime> {
    let time = text.parse::<jiff::Timestamp>().ok()?;
    let nanos = u64::try_from(time.as_nanosecond()).ok()?;
    UNIX_EPOCH.checked_add(Duration::from_nanos(nanos))
}

/// An id for what has none: the same bytes on the same path, with the same time where one is told, are taken
/// for the same delivery.
fn fingerprint(path: &str, time: &str, body: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("trunkline webhook: id of a delivery without one, v1");
    for part in [path.as_bytes(), time.as_bytes()] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.update(body);
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;
    use crate::scheme::{NONE, SHOPIFY, STANDARD};

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_bytes(name.as_bytes()).expect("a name"),
                    HeaderValue::from_bytes(value.as_bytes()).expect("a value"),
                )
            })
            .collect()
    }

    fn record(scheme: &'static Scheme, pairs: &[(&str, &str)], path: &str, body: &'static [u8]) -> Record {
        let headers = headers(pairs);
        let claim = Claim::read(scheme, &headers, UNIX_EPOCH + Duration::from_secs(1_614_265_330))
            .expect("these headers are whole");
        claim.into_record(path, Bytes::from_static(body))
    }

    const EVENT: &[(&str, &str)] = &[
        ("shopify-hmac-sha256", "x"),
        ("shopify-topic", "orders/create"),
        ("shopify-shop-domain", "acme.myshopify.com"),
        ("shopify-api-version", "2026-10"),
        ("shopify-webhook-id", "w-1"),
        ("shopify-event-id", "e-1"),
        ("shopify-triggered-at", "2026-11-25T10:00:00.5Z"),
        ("content-type", "Application/JSON; charset=utf-8"),
    ];

    #[test]
    fn a_shopify_event_is_told_by_shop_webhook_and_topic() {
        let record = record(&SHOPIFY, EVENT, "/orders", b"{}");
        assert_eq!(record.id, "acme.myshopify.com w-1 orders/create");
        assert_eq!(record.subject.as_deref(), Some("orders/create"));
        assert_eq!(
            record.time,
            Some(UNIX_EPOCH + Duration::from_millis(1_795_600_800_500))
        );
        let attribute = |name: &str| {
            record
                .attributes
                .iter()
                .find(|(attribute, _)| attribute == name)
                .map(|(_, value)| value.as_str())
        };
        assert_eq!(attribute("shop_domain"), Some("acme.myshopify.com"));
        assert_eq!(attribute("api_version"), Some("2026-10"));
        assert_eq!(attribute("topic"), Some("orders/create"));
        assert_eq!(attribute("action"), None);
        assert_eq!(
            record.body,
            Body::Bytes {
                content_type: "application/json".into(),
                bytes: Bytes::from_static(b"{}")
            }
        );
    }

    #[test]
    fn each_required_header_is_named_when_it_is_missing_or_empty() {
        for name in SHOPIFY.families[1].required {
            let missing = name_of("shopify-", name);
            for blank in [false, true] {
                let pairs: Vec<_> = EVENT
                    .iter()
                    .filter(|(header, _)| blank || *header != missing)
                    .map(|(header, value)| (*header, if *header == missing { " " } else { value }))
                    .collect();
                let headers = headers(&pairs);
                let answer = Claim::read(&SHOPIFY, &headers, SystemTime::now()).expect_err("one is missing");
                assert_eq!(answer.status, StatusCode::BAD_REQUEST);
                // Without a signature nothing tells the new kind of headers from the old one.
                assert!(
                    answer.text.contains(&missing) || answer.text.contains("x-shopify-hmac-sha256"),
                    "{}",
                    answer.text
                );
            }
        }
    }

    #[test]
    fn a_header_that_cannot_be_trusted_to_mean_one_thing_is_refused() {
        let long = "x".repeat(MAX_VALUE + 1);
        for (name, value) in [
            ("shopify-webhook-id", "w-2"),
            ("shopify-action", long.as_str()),
            ("content-encoding", "gzip"),
        ] {
            let mut headers = headers(EVENT);
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).expect("a name"),
                HeaderValue::from_str(value).expect("a value"),
            );
            assert!(
                Claim::read(&SHOPIFY, &headers, SystemTime::now()).is_err(),
                "{name}"
            );
        }
        let mut headers = headers(EVENT);
        let not_text = HeaderValue::from_bytes(b"\xff\xfe").expect("HTTP allows it");
        headers.insert("shopify-topic", not_text);
        let answer = Claim::read(&SHOPIFY, &headers, SystemTime::now()).expect_err("that is no text");
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    }

    #[test]
    fn a_standard_webhook_is_good_for_five_minutes_before_and_after_its_signing() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let read = |timestamp: &str| {
            let headers = headers(&[
                ("webhook-id", "m"),
                ("webhook-timestamp", timestamp),
                ("webhook-signature", "v1,x"),
            ]);
            Claim::read(&STANDARD, &headers, now).map_or_else(|answer| answer.status.as_u16(), |_| 200)
        };
        for (timestamp, status) in [
            ("1000000", 200),
            ("999700", 200),
            ("1000300", 200),
            ("999699", 401),
            ("1000301", 401),
            ("0", 401),
            ("18446744073709551615", 401),
            ("18446744073709551616", 400),
            ("-1", 400),
            ("now", 400),
        ] {
            assert_eq!(read(timestamp), status, "{timestamp}");
        }
    }

    #[test]
    fn an_unsigned_record_is_told_by_its_event_id_or_else_by_path_and_body() {
        // given
        let event = [
            ("ce-id", "17"),
            ("ce-source", "/till/3"),
            ("ce-type", "sale"),
            ("ce-subject", "till"),
            ("ce-time", "2026-11-25T10:00:00Z"),
        ];
        // then
        let told = record(&NONE, &event, "/a", b"{}");
        assert_eq!(
            (told.id.as_str(), told.subject.as_deref()),
            ("/till/3 17", Some("till"))
        );
        let bare = |path, body| record(&NONE, &[], path, body).id;
        assert_eq!(bare("/a", b"{}"), bare("/a", b"{}"));
        assert_ne!(bare("/a", b"{}"), bare("/b", b"{}"));
        assert_ne!(bare("/a", b"{}"), bare("/a", b"[]"));
        let at = |time| record(&NONE, &[("ce-time", time)], "/a", b"{}").id;
        assert_ne!(at("2026-11-25T10:00:00Z"), at("2026-11-25T10:00:01Z"));
    }

    #[test]
    fn a_media_type_is_taken_bare_or_refused() {
        let read = |value: &str| {
            let headers = headers(&[("content-type", value)]);
            Claim::read(&NONE, &headers, SystemTime::now()).map(|claim| claim.content_type)
        };
        assert_eq!(read("text/CSV;header=present").expect("a media type"), "text/csv");
        for wrong in ["", "json", "a/b/c", "a /b", "/", "é/é", ";"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
