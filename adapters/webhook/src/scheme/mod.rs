//! What a sender's requests look like: a [`Row`] as it is written in the [`table`] or under `verify: { hmac: … }`,
//! and the [`Scheme`] that is read with.
//!
//! A row says which headers there must be, what is signed, how the signature is written, and what of headers and
//! body becomes the record. It does not say where secrets are: see [`crate::signature`].
//!
//! Names of headers in a row lack the prefix of the spelling that is used; `/name` is a member of the JSON body (or
//! of one of its events) instead.

#[cfg(test)]
pub(crate) mod examples;
mod table;

use std::time::Duration;

use hyper::header::HeaderName;

pub(crate) use table::{HMAC, NONE, ROWS, TOKEN};

/// One kind of sender, as it is written down.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    /// The word under `verify`.
    pub(crate) word: &'static str,
    /// The ways its headers are spelt, the usual one first: what all names start with, and the headers without which a
    /// request is refused. The first of them tells which way it is.
    pub(crate) spellings: &'a [(&'a str, &'a [&'a str])],
    /// How a request is proven; `None`: not at all.
    pub(crate) proof: Option<Written<'a>>,
    /// What tells one delivery from all others, the same when it is sent again. Where one of it is absent, path, time
    /// and bytes make the id.
    pub(crate) id: &'a [&'a str],
    /// When the event happened (not the attempt).
    pub(crate) time: Option<&'a str>,
    /// What becomes the record's subject.
    pub(crate) subject: Option<&'a str>,
    /// The attributes of the record, each with its place; absent ones are left out.
    pub(crate) attributes: &'a [(&'a str, &'a str)],
    /// How many events a body holds.
    pub(crate) events: Events,
    /// Whether CloudEvents are known by their media type, and by their headers where the row itself knows no id.
    pub(crate) cloud_events: bool,
    /// Whether a 200 has no text: the sender wants none.
    pub(crate) is_silent: bool,
}

/// How a request is proven, as it is written down.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written<'a> {
    /// The header with the signature.
    pub(crate) header: &'a str,
    /// What stands between several signatures in it.
    pub(crate) separator: Option<char>,
    /// What stands before a signature; what lacks it is no signature of ours.
    pub(crate) tag: &'a str,
    /// What is signed: text with `{body}`, `{timestamp}`, `{method}`, `{url}`, `{hubspot-url}` and `{<header>}` in it.
    pub(crate) signed: &'a str,
    /// How the signature is written.
    pub(crate) encoding: Encoding,
    /// How it is made.
    pub(crate) hash: Hash,
    /// How the key is made of the secret.
    pub(crate) key: Key,
    /// Where the time of signing stands: a header, or, where it ends in `=`, the part of the signature's header
    /// behind it.
    pub(crate) timestamp: Option<&'a str>,
    /// How far that time may be from ours, either way.
    pub(crate) window: Duration,
}

/// How many events a body holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Events {
    /// It is one.
    One,
    /// It is a JSON list of them; anything else is one.
    List,
    /// This member of the JSON object is a list of them; anything else is one.
    In(&'static str),
}

/// How a signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// RFC 4648 base64, padded.
    Base64,
    /// Two digits a byte.
    Hex,
    /// As it is.
    Plain,
}

/// How a signature is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    /// HMAC-SHA1, for old senders.
    Sha1,
    /// HMAC-SHA256.
    Sha256,
    /// HMAC-SHA384.
    Sha384,
    /// HMAC-SHA512.
    Sha512,
    /// Not at all: the secret itself is sent.
    Secret,
}

/// How the key is made of the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    /// The secret's bytes.
    Text,
    /// The secret's bytes in Unicode's form NFKD.
    Nfkd,
    /// Base64 behind `whsec_`; without that prefix the secret's bytes.
    Whsec,
    /// The bytes that the secret is the base64 of.
    Base64,
    /// The bytes that the secret's digits are.
    Hex,
}

/// One kind of sender, ready to read requests with.
#[derive(Debug)]
pub(crate) struct Scheme {
    /// The word under `verify`.
    pub(crate) word: &'static str,
    /// See [`Row::spellings`]; at least one.
    pub(crate) spellings: Vec<Spelling>,
    /// See [`Row::events`].
    pub(crate) events: Events,
    /// See [`Row::cloud_events`].
    pub(crate) cloud_events: bool,
    /// See [`Row::is_silent`].
    pub(crate) is_silent: bool,
}

/// One way in which a scheme's headers are spelt, with the names in full.
#[derive(Debug)]
pub(crate) struct Spelling {
    /// Must be there.
    pub(crate) required: Vec<HeaderName>,
    /// See [`Row::proof`].
    pub(crate) proof: Option<Proof>,
    /// See [`Row::id`].
    pub(crate) id: Vec<Place>,
    /// See [`Row::time`].
    pub(crate) time: Option<Place>,
    /// See [`Row::subject`].
    pub(crate) subject: Option<Place>,
    /// See [`Row::attributes`].
    pub(crate) attributes: Vec<(String, Place)>,
}

/// Where a value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// In this header.
    Header(HeaderName),
    /// In this member of the JSON object that is the event.
    Member(String),
}

/// How a request is proven.
#[derive(Debug)]
pub(crate) struct Proof {
    /// See [`Written::header`].
    pub(crate) header: HeaderName,
    /// See [`Written::separator`].
    pub(crate) separator: Option<char>,
    /// See [`Written::tag`].
    pub(crate) tag: String,
    /// What is signed, in this order.
    pub(crate) signed: Vec<Part>,
    /// See [`Written::encoding`].
    pub(crate) encoding: Encoding,
    /// See [`Written::hash`].
    pub(crate) hash: Hash,
    /// Where the time of signing stands, and how far it may be from ours.
    pub(crate) timestamp: Option<(Stamp, Duration)>,
}

/// A part of what is signed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// This text.
    Text(String),
    /// The value of this header.
    Header(HeaderName),
    /// The time of signing, as it was sent.
    Timestamp,
    /// `POST`.
    Method,
    /// The public URL, as it was requested.
    Url,
    /// The public URL with some escapes undone, as HubSpot does.
    HubspotUrl,
    /// The body, as it came.
    Body,
}

/// Where the time of signing stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stamp {
    /// In this header.
    Header(HeaderName),
    /// In the signature's header, behind this.
    Behind(String),
}

impl Scheme {
    /// The scheme of a row. Error: what is no name of a header, or what no template can hold.
    pub(crate) fn of(row: &Row<'_>) -> Result<Self, String> {
        let spelling = |(prefix, required): &(&str, &[&str])| Spelling::of(row, prefix, required);
        Ok(Self {
            word: row.word,
            spellings: row.spellings.iter().map(spelling).collect::<Result<_, _>>()?,
            events: row.events,
            cloud_events: row.cloud_events,
            is_silent: row.is_silent,
        })
    }

    /// Whether anything is proven.
    pub(crate) fn is_signed(&self) -> bool {
        self.spellings.iter().all(|spelling| spelling.proof.is_some())
    }

    /// Whether the public URL is signed.
    pub(crate) fn signs_url(&self) -> bool {
        let proofs = self
            .spellings
            .iter()
            .filter_map(|spelling| spelling.proof.as_ref());
        let is_url = |part: &Part| matches!(part, Part::Url | Part::HubspotUrl);
        proofs.flat_map(|proof| &proof.signed).any(is_url)
    }
}

impl Spelling {
    fn of(row: &Row<'_>, prefix: &str, required: &[&str]) -> Result<Self, String> {
        let place = |text: &&str| Place::of(prefix, text);
        Ok(Self {
            required: required
                .iter()
                .map(|name| header(prefix, name))
                .collect::<Result<_, _>>()?,
            proof: row.proof.map(|written| Proof::of(&written, prefix)).transpose()?,
            id: row.id.iter().map(place).collect::<Result<_, _>>()?,
            time: row.time.as_ref().map(place).transpose()?,
            subject: row.subject.as_ref().map(place).transpose()?,
            attributes: row
                .attributes
                .iter()
                .map(|(name, text)| Ok(((*name).to_owned(), place(text)?)))
                .collect::<Result<_, String>>()?,
        })
    }
}

impl Place {
    fn of(prefix: &str, text: &str) -> Result<Self, String> {
        match text.strip_prefix('/') {
            Some(member) => Ok(Self::Member(member.to_owned())),
            None => header(prefix, text).map(Self::Header),
        }
    }
}

impl Proof {
    fn of(written: &Written<'_>, prefix: &str) -> Result<Self, String> {
        let timestamp = match written.timestamp {
            None => None,
            Some(tag) if tag.ends_with('=') => Some(Stamp::Behind(tag.to_owned())),
            Some(name) => Some(Stamp::Header(header(prefix, name)?)),
        };
        Ok(Self {
            header: header(prefix, written.header)?,
            separator: written.separator,
            tag: written.tag.to_owned(),
            signed: parts(written.signed, prefix)?,
            encoding: written.encoding,
            hash: written.hash,
            timestamp: timestamp.map(|stamp| (stamp, written.window)),
        })
    }
}

fn header(prefix: &str, name: &str) -> Result<HeaderName, String> {
    let whole = format!("{prefix}{name}");
    HeaderName::from_bytes(whole.as_bytes()).map_err(|_| format!("`{whole}` is no name of a header"))
}

/// The parts of a template.
fn parts(template: &str, prefix: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some((text, behind)) = rest.split_once('{') {
        let Some((word, behind)) = behind.split_once('}') else {
            return Err("a `{` has no `}` behind it".to_owned());
        };
        if !text.is_empty() {
            parts.push(Part::Text(text.to_owned()));
        }
        parts.push(match word {
            "body" => Part::Body,
            "timestamp" => Part::Timestamp,
            "method" => Part::Method,
            "url" => Part::Url,
            "hubspot-url" => Part::HubspotUrl,
            name => Part::Header(header(prefix, name)?),
        });
        rest = behind;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_a_scheme() {
        for row in ROWS {
            let scheme = Scheme::of(row).expect(row.word);
            assert_eq!(scheme.is_signed(), row.word != NONE.word);
            for spelling in &scheme.spellings {
                // Without the signature a request is refused before its body is read.
                let proof = spelling.proof.as_ref().map(|proof| &proof.header);
                assert_eq!(proof, spelling.required.first(), "{}", row.word);
            }
        }
    }

    #[test]
    fn a_template_is_text_with_words() {
        let body = || Part::Body;
        assert_eq!(parts("{body}", ""), Ok(vec![body()]));
        assert_eq!(
            parts("v0:{timestamp}:{body}", ""),
            Ok(vec![
                Part::Text("v0:".into()),
                Part::Timestamp,
                Part::Text(":".into()),
                body()
            ])
        );
        let id = HeaderName::from_static("webhook-id");
        assert_eq!(parts("{id}", "webhook-"), Ok(vec![Part::Header(id)]));
        assert!(parts("{body", "").is_err() && parts("{a b}", "").is_err() && parts("{}", "").is_err());
    }
}
