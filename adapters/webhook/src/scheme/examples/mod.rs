//! What every scheme must make true of the [`requests`] that its sender has signed.

mod requests;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::{Request, http::request::Parts};
use trunkline_sdk::{Body, Entry, Record, Settings};

use crate::{answer::Answer, claim::Claim, options::Policy};

/// When the requests with a time were signed: 2026-11-25T10:00:00Z.
pub(crate) const SIGNED: u64 = 1_795_600_800;

/// A request, and what it proves to be.
struct Example {
    verify: Settings,
    target: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    ids: &'static [&'static str],
    subject: Option<&'static str>,
    attribute: Option<(&'static str, &'static str)>,
    /// In milliseconds.
    time: Option<u64>,
}

/// `verify: { word: value }` with this and a public URL.
pub(crate) fn policy(verify: &Settings) -> Policy {
    let plain = Settings::of([("public_url", "https://hooks.acme.example/")]);
    let mut entries = plain.entries().expect("a map").to_vec();
    entries.push(entry("verify", verify.clone()));
    Policy::read(&Settings::map(plain.place, entries)).expect("these settings are right")
}

pub(crate) fn secret(word: &str, secret: &str) -> Settings {
    Settings::of([(word, secret)])
}

fn group(word: &str, options: &[(&str, &str)]) -> Settings {
    let value = Settings::of(options.iter().copied());
    Settings::map(value.place.clone(), vec![entry(word, value)])
}

fn entry(key: &str, value: Settings) -> Entry {
    Entry {
        key: key.to_owned(),
        place: value.place.clone(),
        value,
    }
}

pub(crate) fn head(target: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::post(target);
    for (name, value) in headers {
        request = request.header(*name, value.as_bytes());
    }
    request.body(()).expect("a request").into_parts().0
}

/// The records of a request at this time, or its refusal.
pub(crate) fn received(
    policy: &Policy,
    head: &Parts,
    body: &str,
    now: SystemTime,
) -> Result<Vec<Record>, Answer> {
    let claim = Claim::read(policy, head, now)?;
    if !claim.is_proven(body.as_bytes()) {
        return Err(Answer::new(hyper::StatusCode::UNAUTHORIZED, "not proven"));
    }
    claim.records(head.uri.path(), Bytes::copy_from_slice(body.as_bytes()))
}

pub(crate) fn signed() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(SIGNED)
}

#[test]
fn what_each_sender_signs_is_proven_and_becomes_its_records() {
    for example in requests::all() {
        // given
        let policy = policy(&example.verify);
        let word = policy.scheme.word;
        let head = head(example.target, example.headers);
        // when
        let records = received(&policy, &head, example.body, signed()).expect(word);
        // then
        let ids: Vec<_> = records.iter().map(|record| record.id.as_str()).collect();
        assert_eq!(ids, example.ids, "{word}");
        let Some(first) = records.first() else { continue };
        assert_eq!(first.subject.as_deref(), example.subject, "{word}");
        let time = example
            .time
            .map(|millis| UNIX_EPOCH + Duration::from_millis(millis));
        assert_eq!(first.time, time, "{word}");
        if let Some((name, text)) = example.attribute {
            assert!(
                first.attributes.contains(&(name.into(), text.into())),
                "{word}: {first:?}"
            );
        }
        // Whole, or the events of which it consists, byte for byte.
        for record in &records {
            let Body::Bytes { bytes, .. } = &record.body else {
                panic!("a body is bytes");
            };
            let text = std::str::from_utf8(bytes).expect("it was text");
            assert!(example.body.contains(text), "{word}");
            assert!(
                records.len() > 1 || !text.is_empty() || example.body.is_empty(),
                "{word}"
            );
        }
    }
}

#[test]
fn one_bit_of_body_or_signature_or_another_secret_is_401() {
    for example in requests::all() {
        let word = policy(&example.verify).scheme.word;
        let is_hashed = !["bearer", "basic", "token"].contains(&word);
        let status = |policy: &Policy, headers: &[(&str, &str)], body: &str| {
            let answer = received(policy, &head(example.target, headers), body, signed());
            answer.map_or_else(|answer| answer.status.as_u16(), |_| 200)
        };
        let policy = policy(&example.verify);
        // when: the body, at some of its characters
        if is_hashed {
            for at in (0..example.body.len()).step_by(11) {
                let mut body = example.body.as_bytes().to_vec();
                body[at] ^= 1;
                let Ok(body) = String::from_utf8(body) else {
                    continue;
                };
                assert_eq!(status(&policy, example.headers, &body), 401, "{word} {at}");
            }
            assert_eq!(
                status(&policy, example.headers, &format!("{} ", example.body)),
                401,
                "{word}"
            );
        }
        // when: the signature, near its end, has another digit or one less
        let proof = policy
            .scheme
            .spellings
            .iter()
            .filter_map(|spelling| spelling.proof.as_ref());
        let names: Vec<_> = proof.map(|proof| proof.header.as_str()).collect();
        for change in ["x", ""] {
            let changed: Vec<(&str, String)> = example
                .headers
                .iter()
                .map(|(name, value)| {
                    let back = if value.contains(",v0=") { 12 } else { 8 };
                    let value = match value.split_at_checked(value.len().wrapping_sub(back)) {
                        Some((start, end)) if names.contains(name) => format!("{start}{change}{}", &end[1..]),
                        _ => (*value).to_owned(),
                    };
                    (*name, value)
                })
                .collect();
            let changed: Vec<_> = changed
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            assert_eq!(status(&policy, &changed, example.body), 401, "{word} {changed:?}");
        }
    }
}

#[test]
fn a_time_of_signing_is_good_for_five_minutes_before_and_after() {
    for example in requests::all() {
        let policy = policy(&example.verify);
        let word = policy.scheme.word;
        let is_timed = policy.scheme.spellings.iter().any(|spelling| {
            spelling
                .proof
                .as_ref()
                .is_some_and(|proof| proof.timestamp.is_some())
        });
        let head = head(example.target, example.headers);
        let status = |now: u64| {
            let now = UNIX_EPOCH + Duration::from_secs(now);
            let answer = received(&policy, &head, example.body, now);
            answer.map_or_else(|answer| answer.status.as_u16(), |_| 200)
        };
        let late = if is_timed { 401 } else { 200 };
        for (now, expected) in [
            (SIGNED - 301, late),
            (SIGNED - 300, 200),
            (SIGNED + 300, 200),
            (SIGNED + 301, late),
            (0, late),
        ] {
            assert_eq!(status(now), expected, "{word} {now}");
        }
    }
}
