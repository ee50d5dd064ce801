//! A request's headers as its sender's scheme reads them: a claim, until it is proven.
//!
//! Promises: everything of the headers that a record is made of is looked at before any of the body is. Does not
//! promise that headers are true: most schemes sign the body alone.

use std::time::SystemTime;

use hyper::{
    HeaderMap, StatusCode,
    header::{AsHeaderName, CONTENT_ENCODING, CONTENT_TYPE},
    http::request::Parts,
};

use crate::{
    answer::Answer,
    cloud_event::Mode,
    moment::{distance, moment},
    options::Policy,
    scheme::{Part, Place, Scheme, Spelling, Stamp},
    signature::behind,
};

/// A value that becomes part of a record is at most this long.
pub(crate) const MAX_VALUE: usize = 1024;
const DEFAULT_TYPE: &str = "application/json";

/// What the headers of a request say; nothing of it is proven.
#[derive(Debug)]
pub(crate) struct Claim<'h> {
    pub(crate) policy: &'h Policy,
    pub(crate) spelling: &'h Spelling,
    pub(crate) headers: Headers<'h>,
    /// The media type, without parameters.
    pub(crate) content_type: String,
    /// How it holds CloudEvents, if it does.
    pub(crate) mode: Option<Mode>,
    head: &'h Parts,
}

impl<'h> Claim<'h> {
    /// Reads the headers.
    ///
    /// Answers 400 for one that is missing, twice there, too long or not text; 401 for one signed too long ago; 415 for
    /// a compressed body, or CloudEvents in a form that is not read.
    pub(crate) fn read(policy: &'h Policy, head: &'h Parts, now: SystemTime) -> Result<Self, Answer> {
        let headers = Headers(&head.headers);
        let spelling = spelling(&policy.scheme, headers.0);
        for name in &spelling.required {
            if headers.get(name)?.is_none() {
                return Err(Answer::bad(format!("header `{name}` is missing")));
            }
        }
        let attributes = spelling.attributes.iter().map(|(_, place)| place);
        let places = spelling.id.iter().chain(&spelling.time).chain(&spelling.subject);
        for place in places.chain(attributes) {
            if let Place::Header(name) = place {
                headers.get(name)?;
            }
        }
        if headers
            .0
            .get_all(CONTENT_ENCODING)
            .iter()
            .any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
        {
            return Err(Answer::unsupported(
                "header `content-encoding`: send the body uncompressed",
            ));
        }
        let content_type = headers.media_type()?;
        let mode = match policy.scheme.cloud_events {
            true => Mode::of(&content_type, headers, spelling.id.is_empty())?,
            false => None,
        };
        let claim = Self {
            policy,
            spelling,
            headers,
            content_type,
            mode,
            head,
        };
        claim.fresh(now)?;
        Ok(claim)
    }

    /// Whether the sender knows one of the secrets.
    pub(crate) fn is_proven(&self, body: &[u8]) -> bool {
        let Some(proof) = &self.spelling.proof else {
            return true;
        };
        let uri = &self.head.uri;
        let target = uri.path_and_query().map_or(uri.path(), |target| target.as_str());
        let url = format!(
            "{}{target}",
            self.policy.public_url.as_deref().unwrap_or_default()
        );
        let decoded = hubspot(&url);
        let stamp = self.stamp().unwrap_or_default();
        let signed: Vec<&[u8]> = proof
            .signed
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.as_bytes(),
                Part::Header(name) => self.header(name).unwrap_or_default().as_bytes(),
                Part::Timestamp => stamp.as_bytes(),
                Part::Method => self.head.method.as_str().as_bytes(),
                Part::Url => url.as_bytes(),
                Part::HubspotUrl => decoded.as_bytes(),
                Part::Body => body,
            })
            .collect();
        self.header(&proof.header)
            .is_some_and(|header| self.policy.keyring.proves(proof, header, &signed))
    }

    /// The value of a header that [`Claim::read`] has looked at.
    pub(crate) fn header(&self, name: impl AsHeaderName + std::fmt::Display) -> Option<&'h str> {
        self.headers.get(name).ok().flatten()
    }

    /// Refuses a time of signing that is too far from now, before or after.
    fn fresh(&self, now: SystemTime) -> Result<(), Answer> {
        let Some(proof) = &self.spelling.proof else {
            return Ok(());
        };
        let Some((stamp, window)) = &proof.timestamp else {
            return Ok(());
        };
        let header = match stamp {
            Stamp::Header(name) => name,
            Stamp::Behind(_) => &proof.header,
        };
        match self.stamp().and_then(moment) {
            None => Err(Answer::bad(format!("header `{header}` tells no time of signing"))),
            Some(signed_at) if distance(signed_at, now) > *window => Err(Answer::new(
                StatusCode::UNAUTHORIZED,
                format!(
                    "header `{header}`: signed more than {} s from this host's clock",
                    window.as_secs()
                ),
            )),
            Some(_) => Ok(()),
        }
    }

    /// The time of signing, as it was sent.
    fn stamp(&self) -> Option<&'h str> {
        let proof = self.spelling.proof.as_ref()?;
        match &proof.timestamp.as_ref()?.0 {
            Stamp::Header(name) => self.header(name),
            Stamp::Behind(tag) => behind(self.header(&proof.header)?, proof.separator, tag),
        }
    }
}

/// The headers of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Headers<'h>(pub(crate) &'h HeaderMap);

impl<'h> Headers<'h> {
    /// The text of a header; an empty one counts as absent.
    pub(crate) fn get(self, name: impl AsHeaderName + std::fmt::Display) -> Result<Option<&'h str>, Answer> {
        let told = name.to_string();
        let mut values = self.0.get_all(name).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        let wrong = |what: &str| Err(Answer::bad(format!("header `{told}` {what}")));
        if values.next().is_some() {
            return wrong("is there more than once");
        }
        match std::str::from_utf8(value.as_bytes()) {
            Err(_) => wrong("is not text"),
            Ok(text) if text.len() > MAX_VALUE => wrong("is longer than 1 KiB"),
            Ok(text) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
        }
    }

    /// The media type without its parameters.
    fn media_type(self) -> Result<String, Answer> {
        let Some(value) = self.0.get(CONTENT_TYPE) else {
            return Ok(DEFAULT_TYPE.to_owned());
        };
        essence(value.to_str().unwrap_or_default())
            .ok_or_else(|| Answer::bad("header `content-type` is no media type, such as `application/json`"))
    }
}

/// A media type without its parameters, in lower case; `None`: it is none.
pub(crate) fn essence(media_type: &str) -> Option<String> {
    let essence = media_type.split(';').next()?.trim();
    let is_token = |part: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
        (1..=127).contains(&part.len()) && part.bytes().all(plain)
    };
    let (kind, name) = essence.split_once('/')?;
    (is_token(kind) && is_token(name)).then(|| essence.to_ascii_lowercase())
}

/// The spelling whose first header is there, else the usual one.
fn spelling<'s>(scheme: &'s Scheme, headers: &HeaderMap) -> &'s Spelling {
    let is_used = |spelling: &&Spelling| {
        let first = spelling.required.first();
        first.is_some_and(|name| headers.contains_key(name))
    };
    let used = scheme.spellings.iter().find(is_used);
    used.unwrap_or(&scheme.spellings[0])
}

/// A URL with the escapes undone that HubSpot undoes before it signs.
fn hubspot(url: &str) -> String {
    const UNDONE: &str = ":/?@!$'()*,;";
    let mut text = String::with_capacity(url.len());
    let mut rest = url;
    while let Some((before, behind)) = rest.split_once('%') {
        text.push_str(before);
        let escaped = behind
            .get(..2)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escaped.map(char::from) {
            Some(character) if UNDONE.contains(character) => {
                text.push(character);
                rest = &behind[2..];
            }
            _ => {
                text.push('%');
                rest = behind;
            }
        }
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;
    use crate::scheme::examples::{head, policy, secret, signed};

    const EVENT: &[(&str, &str)] = &[
        ("shopify-hmac-sha256", "x"),
        ("shopify-topic", "orders/create"),
        ("shopify-shop-domain", "acme.myshopify.com"),
        ("shopify-api-version", "2026-10"),
        ("shopify-webhook-id", "w-1"),
        ("shopify-event-id", "e-1"),
        ("content-type", "Application/JSON; charset=utf-8"),
    ];

    #[test]
    fn each_required_header_is_named_when_it_is_missing_or_empty() {
        let policy = policy(&secret("shopify", "hush"));
        for name in &policy.scheme.spellings[1].required {
            for blank in [false, true] {
                let pairs: Vec<_> = EVENT
                    .iter()
                    .filter(|(header, _)| blank || header != name)
                    .map(|(header, value)| (*header, if header == name { " " } else { value }))
                    .collect();
                let head = head("/", &pairs);
                let answer = Claim::read(&policy, &head, signed()).expect_err("one is missing");
                assert_eq!(answer.status, StatusCode::BAD_REQUEST);
                // Without a signature nothing tells the new kind of headers from the old one.
                assert!(
                    answer.text.contains(name.as_str()) || answer.text.contains("x-shopify-hmac-sha256"),
                    "{}",
                    answer.text
                );
            }
        }
    }

    #[test]
    fn a_header_that_cannot_be_trusted_to_mean_one_thing_is_refused() {
        let policy = policy(&secret("shopify", "hush"));
        let long = "x".repeat(MAX_VALUE + 1);
        for (name, value, status) in [
            ("shopify-webhook-id", &b"w-2"[..], 400),
            ("shopify-action", long.as_bytes(), 400),
            ("shopify-action", b"\xff\xfe", 400),
            ("content-encoding", b"gzip", 415),
            ("content-encoding", b"identity, br", 415),
        ] {
            let mut head = head("/", EVENT);
            head.headers.append(
                HeaderName::from_bytes(name.as_bytes()).expect("a name"),
                HeaderValue::from_bytes(value).expect("HTTP allows it"),
            );
            let answer = Claim::read(&policy, &head, signed()).expect_err(name);
            assert_eq!(answer.status.as_u16(), status, "{name}");
        }
        let mut head = head("/", EVENT);
        head.headers
            .append(CONTENT_ENCODING, HeaderValue::from_static("identity"));
        assert!(Claim::read(&policy, &head, signed()).is_ok());
    }

    #[test]
    fn a_time_of_signing_that_is_none_is_told() {
        for (word, name, values) in [
            (
                "standard",
                "webhook-timestamp",
                &["18446744073709551616", "-1", "now"][..],
            ),
            (
                "stripe",
                "stripe-signature",
                &["v1=00", "t=,v1=00", "t=x,v1=00", "x=1,v1=00", ","],
            ),
        ] {
            let policy = policy(&secret(word, "hush"));
            for value in values {
                let mut headers = vec![(name, *value)];
                if word == "standard" {
                    headers.extend([("webhook-id", "m"), ("webhook-signature", "v1,x")]);
                }
                let head = head("/", &headers);
                let answer = Claim::read(&policy, &head, signed()).expect_err(value);
                assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{value}");
                assert!(answer.text.contains(name), "{}", answer.text);
            }
        }
    }

    #[test]
    fn a_media_type_is_taken_bare_or_refused() {
        assert_eq!(essence("text/CSV;header=present").as_deref(), Some("text/csv"));
        for wrong in ["", "json", "a/b/c", "a /b", "/", "é/é", ";"] {
            assert_eq!(essence(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn hubspot_undoes_some_escapes_and_no_others() {
        assert_eq!(
            hubspot("/a%3Ab%2fc?d=%40%21%24%27%28%29%2A%2c%3B%3F"),
            "/a:b/c?d=@!$'()*,;?"
        );
        assert_eq!(hubspot("/%20%25%26%3D%2B%"), "/%20%25%26%3D%2B%");
        assert_eq!(hubspot("/%é%4"), "/%é%4");
        assert_eq!(hubspot("/%2540"), "/%2540");
    }
}
