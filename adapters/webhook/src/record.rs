//! From a proven request to its records: one, or one per event that its body holds.
//!
//! Promises: a delivery that is sent again gives the same ids, so that a repeat is known as one; what is no list of
//! events where one was expected is one record as it came, which the flow parks if it cannot read it.

use bytes::Bytes;
use hyper::StatusCode;
use trunkline_sdk::{Body, Record};

use crate::{
    answer::Answer,
    claim::{Claim, MAX_VALUE},
    cloud_event::{CloudEvent, Mode},
    json,
    moment::moment,
    scheme::{Events, Place},
};

/// The most events of one request.
const MAX_EVENTS: usize = 1000;

impl Claim<'_> {
    /// The records of this request, which was proven; none for a body that holds no event.
    ///
    /// Answers 400 for CloudEvents that are none, 413 for more than 1000 events: nothing of them is taken then.
    pub(crate) fn records(mut self, path: &str, body: Bytes) -> Result<Vec<Record>, Answer> {
        let bytes = |json: &[u8]| body.slice_ref(json);
        match self.mode.take() {
            Some(Mode::Binary(event)) => {
                let id = event
                    .id()
                    .unwrap_or_else(|| fingerprint(path, event.get("time").unwrap_or_default(), &body));
                let content_type = std::mem::take(&mut self.content_type);
                let body = Body::Bytes {
                    content_type,
                    bytes: body.clone(),
                };
                return Ok(vec![event.into_record(id, body)]);
            }
            Some(Mode::Structured) => {
                let record = CloudEvent::record(&body);
                return Ok(vec![
                    record.map_err(|what| Answer::bad(format!("CloudEvent: {what}")))?,
                ]);
            }
            Some(Mode::Batch) => {
                let Some(items) = json::items(&body, MAX_EVENTS) else {
                    return Err(Answer::bad("CloudEvents: the body is no JSON list"));
                };
                few(&items)?;
                let numbered = items.into_iter().enumerate();
                let record = |(at, item)| {
                    let wrong = |what| Answer::bad(format!("CloudEvent {}: {what}", at + 1));
                    CloudEvent::record(item).map_err(wrong)
                };
                return numbered.map(record).collect();
            }
            None => {}
        }
        let whole = body.trim_ascii();
        let items = match self.policy.scheme.events {
            Events::One => None,
            Events::List => json::items(whole, MAX_EVENTS),
            Events::In(name) => json::members(whole, |member| member == name)
                .and_then(|members| json::items(members.first()?.1, MAX_EVENTS)),
        };
        match items {
            // A probe: there is nothing in it.
            None if whole.is_empty() && self.policy.scheme.events != Events::One => Ok(Vec::new()),
            None => Ok(vec![self.record(path, &body, body.clone())]),
            Some(items) => {
                few(&items)?;
                Ok(items
                    .into_iter()
                    .map(|item| self.record(path, item, bytes(item)))
                    .collect())
            }
        }
    }

    /// The record of one event.
    fn record(&self, path: &str, event: &[u8], bytes: Bytes) -> Record {
        let spelling = self.spelling;
        let places = || {
            let attributes = spelling.attributes.iter().map(|(_, place)| place);
            let places = spelling.id.iter().chain(&spelling.time).chain(&spelling.subject);
            places.chain(attributes)
        };
        let is_wanted =
            |name: &str| places().any(|place| matches!(place, Place::Member(wanted) if wanted == name));
        let members = if places().any(|place| matches!(place, Place::Member(_))) {
            json::members(event, is_wanted).unwrap_or_default()
        } else {
            Vec::new()
        };
        let value = |place: &Place| match place {
            Place::Header(name) => self.header(name).map(str::to_owned),
            Place::Member(name) => {
                let found = members.iter().find(|(member, _)| member == name);
                let text = found.and_then(|(_, value)| json::text(value));
                text.filter(|text| (1..=MAX_VALUE).contains(&text.len()))
            }
        };
        let time = spelling.time.as_ref().and_then(value);
        let parts: Option<Vec<_>> = spelling.id.iter().map(value).collect();
        let id = match parts.filter(|parts| !parts.is_empty()) {
            Some(parts) => joined(parts.iter().map(String::as_str)),
            None => fingerprint(path, time.as_deref().unwrap_or_default(), event),
        };
        let body = Body::Bytes {
            content_type: self.content_type.clone(),
            bytes,
        };
        Record {
            time: time.as_deref().and_then(moment),
            subject: spelling.subject.as_ref().and_then(value),
            attributes: spelling
                .attributes
                .iter()
                .filter_map(|(name, place)| Some((name.clone(), value(place)?)))
                .collect(),
            ..Record::new(id, body)
        }
    }
}

/// Parts of an id, so that no other parts give the same: a blank stands between them, and in none but the last.
pub(crate) fn joined<'p>(parts: impl IntoIterator<Item = &'p str>) -> String {
    let mut parts = parts.into_iter().peekable();
    let mut id = String::new();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            id.push_str(part);
        } else {
            id.push_str(&part.replace(' ', "%20"));
            id.push(' ');
        }
    }
    id
}

/// Refuses more events than one request may hold.
fn few(items: &[&[u8]]) -> Result<(), Answer> {
    if items.len() <= MAX_EVENTS {
        return Ok(());
    }
    Err(Answer::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "the body holds more than 1000 events",
    ))
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
    use super::*;
    use crate::scheme::examples::{head, policy, received, secret, signed};

    fn records(headers: &[(&str, &str)], path: &str, body: &str) -> Result<Vec<Record>, Answer> {
        received(
            &policy(&secret("none", "true")),
            &head(path, headers),
            body,
            signed(),
        )
    }

    fn id(headers: &[(&str, &str)], path: &str, body: &str) -> String {
        records(headers, path, body).expect("a record").remove(0).id
    }

    #[test]
    fn what_has_no_id_is_told_by_path_time_and_body() {
        let bare = |path, body| id(&[], path, body);
        assert_eq!(bare("/a", "{}"), bare("/a", "{}"));
        assert_ne!(bare("/a", "{}"), bare("/b", "{}"));
        assert_ne!(bare("/a", "{}"), bare("/a", "[]"));
        let at = |time| id(&[("ce-time", time)], "/a", "{}");
        assert_ne!(at("2026-11-25T10:00:00Z"), at("2026-11-25T10:00:01Z"));
    }

    #[test]
    fn parts_of_an_id_cannot_be_taken_for_others() {
        assert_eq!(joined(["a", "b c"]), "a b c");
        assert_eq!(joined(["a b", "c"]), "a%20b c");
        assert_eq!(joined(["a"]), "a");
    }

    /// The records of a body that Xero or HubSpot has signed, as far as the scheme sees it.
    fn of(word: &str, body: &str) -> Result<Vec<Record>, Answer> {
        let policy = policy(&secret(word, "hush"));
        let head = head(
            "/",
            &[
                ("intuit-signature", "x"),
                ("x-xero-signature", "x"),
                ("x-hmac-signature", "x"),
            ],
        );
        let claim = Claim::read(&policy, &head, signed()).expect("these headers are whole");
        claim.records("/", Bytes::copy_from_slice(body.as_bytes()))
    }

    #[test]
    fn a_body_that_is_no_list_of_events_is_one_record_as_it_came() {
        for (word, body) in [
            ("quickbooks", r#"{"eventNotifications":[{"realmId":"1"}]}"#),
            ("quickbooks", "[{}"),
            ("quickbooks", "\u{feff}[]"),
            ("xero", r#"{"events":{}}"#),
            ("xero", r#"{"events":[],"events":[{}]}"#),
            ("xero", "[]"),
            ("xero", "not json"),
            ("easypost", ""),
        ] {
            let records = of(word, body).expect("it was proven");
            assert_eq!(records.len(), 1, "{word} {body}");
            assert!(
                matches!(&records[0].body, Body::Bytes { bytes, .. } if bytes == body),
                "{body}"
            );
            assert_eq!(records[0].id.len(), 64, "{body}");
        }
    }

    #[test]
    fn a_body_without_an_event_is_no_record() {
        for (word, body) in [
            ("quickbooks", "[ ]"),
            ("quickbooks", " "),
            ("xero", r#"{"events":[]}"#),
            ("xero", ""),
        ] {
            assert!(of(word, body).expect("it was proven").is_empty(), "{word} {body}");
        }
    }

    #[test]
    fn events_have_ids_of_their_own_and_too_many_are_413() {
        let event = |id: usize| format!(r#"{{"source":"s","id":"{id}"}}"#);
        let list = |count| format!("[{}]", (0..count).map(event).collect::<Vec<_>>().join(","));
        let records = of("quickbooks", &list(MAX_EVENTS)).expect("not too many");
        let ids: std::collections::BTreeSet<_> = records.iter().map(|record| &record.id).collect();
        assert_eq!(ids.len(), MAX_EVENTS);
        let answer = of("quickbooks", &list(MAX_EVENTS + 1)).expect_err("too many");
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
        // An event that says no id is told by its bytes.
        let records = of("quickbooks", r#"[{"id":"1"},{"id":"2"},{"id":{}},7]"#).expect("a list");
        assert!(records.iter().all(|record| record.id.len() == 64));
    }
}
