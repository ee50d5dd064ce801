//! How an answer leads to the next: six ways.
//!
//! Promises: a list that leads in a circle, or on to another host, is a fault; the pages of one reading all end.

use std::collections::HashSet;

use hyper::{
    HeaderMap, StatusCode,
    header::{CONTENT_RANGE, LINK},
};
use trunkline_sdk::{Fault, Value};

use crate::{
    template::{find, text},
    url::Url,
};

/// One of six ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Paging {
    /// A page has a number.
    Number {
        parameter: String,
        first: u64,
        size: Option<u64>,
    },
    /// A page begins behind so many records.
    Offset { parameter: String, size: Option<u64> },
    /// The answer holds what to ask the next page with.
    Cursor { parameter: String, at: String },
    /// The answer holds where the next page is.
    Next { at: String },
    /// The `Link` header says where the next page is (RFC 8288).
    Link,
    /// The `Range` header says which records are wanted.
    Range { unit: String, size: u64 },
}

/// What to ask for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ask {
    /// The path of the flow, with these parameters beside its own.
    Parameters(Vec<(String, Value<'static>)>),
    /// Where the page before led.
    Url(Url),
    /// The path of the flow, with this `Range`.
    Range(String),
}

/// Turns the pages of one reading.
pub(crate) struct Pager<'r> {
    paging: Option<&'r Paging>,
    /// Where the reading began.
    first: Url,
    ask: Ask,
    /// The number of the page, or of the records before it.
    at: u64,
    /// The page before, and all that led to a further one.
    before: Option<u64>,
    visited: HashSet<String>,
}

impl<'r> Pager<'r> {
    pub(crate) fn new(paging: Option<&'r Paging>, first: Url) -> Self {
        let at = match paging {
            Some(Paging::Number { first, .. }) => *first,
            _ => 0,
        };
        let mut pager = Self {
            paging,
            first,
            ask: Ask::Parameters(Vec::new()),
            at,
            before: None,
            visited: HashSet::new(),
        };
        pager.point();
        pager
    }

    /// What to ask for now.
    pub(crate) fn ask(&self) -> &Ask {
        &self.ask
    }

    /// Whether there is a further page; `records` and `hash`: how many this one had, and which.
    /// Faults: `Stop` when the pages lead nowhere.
    pub(crate) fn turn(
        &mut self,
        status: StatusCode,
        headers: &HeaderMap,
        tree: &Value<'_>,
        records: u64,
        hash: u64,
    ) -> Result<bool, Fault> {
        let Some(paging) = self.paging else {
            return Ok(false);
        };
        match paging {
            Paging::Number { parameter, size, .. } | Paging::Offset { parameter, size } => {
                if records == 0 || size.is_some_and(|size| records < size) {
                    return Ok(false);
                }
                if self.before.replace(hash) == Some(hash) {
                    return Err(Fault::stop(format!("two pages of `{parameter}` are the same"))
                        .hint("does the system know this parameter? see `page`"));
                }
                let is_number = matches!(paging, Paging::Number { .. });
                self.at += if is_number { 1 } else { records };
            }
            Paging::Cursor { parameter, at } => match word(tree, at) {
                Some(cursor) if records > 0 => {
                    self.visit(&cursor)?;
                    self.ask = Ask::Parameters(vec![(parameter.clone(), Value::Text(cursor.into()))]);
                }
                _ => return Ok(false),
            },
            Paging::Next { at } => match word(tree, at) {
                Some(next) => self.lead(&next)?,
                None => return Ok(false),
            },
            Paging::Link => match next_link(headers) {
                Some(next) => self.lead(&next)?,
                None => return Ok(false),
            },
            Paging::Range { .. } => match content_range(headers) {
                Some((last, total)) if status == StatusCode::PARTIAL_CONTENT && records > 0 => {
                    if last < self.at {
                        return Err(
                            Fault::stop("a range ends before it begins").hint("see `page: { by: range }`")
                        );
                    }
                    self.at = last.saturating_add(1);
                    if total.is_some_and(|total| self.at >= total) {
                        return Ok(false);
                    }
                }
                _ => return Ok(false),
            },
        }
        self.point();
        Ok(true)
    }

    /// Makes the question of the place.
    fn point(&mut self) {
        let number = |number: u64| Value::Number(number.to_string().into());
        match self.paging {
            Some(Paging::Number { parameter, .. } | Paging::Offset { parameter, .. }) => {
                self.ask = Ask::Parameters(vec![(parameter.clone(), number(self.at))]);
            }
            Some(Paging::Range { unit, size }) => {
                self.ask = Ask::Range(format!("{unit}={}-{}", self.at, self.at.saturating_add(size - 1)));
            }
            _ => {}
        }
    }

    fn lead(&mut self, reference: &str) -> Result<(), Fault> {
        let asked = match &self.ask {
            Ask::Url(url) => url,
            _ => &self.first,
        };
        let next = asked
            .join(reference)
            .ok_or_else(|| Fault::stop("the next page is at what is no URL").hint("see `page`"))?;
        if next.origin != self.first.origin {
            let what = format!("the next page is at {}, which is another host", next.origin);
            return Err(Fault::stop(what).hint("our credentials go to the host of `base_url` only"));
        }
        self.visit(&next.target)?;
        self.ask = Ask::Url(next);
        Ok(())
    }

    fn visit(&mut self, place: &str) -> Result<(), Fault> {
        if self.visited.insert(place.to_owned()) {
            return Ok(());
        }
        Err(Fault::stop("the pages lead in a circle")
            .hint("see `page`: is it the next page that is read there?"))
    }
}

fn word(tree: &Value<'_>, path: &str) -> Option<String> {
    let word = find(tree, path).and_then(text)?;
    (!word.is_empty() && word != "false").then(|| word.into_owned())
}

/// `Content-Range: records 0-199/1000`: the last record, and how many there are.
fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let text = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    let (_, range) = text.trim().split_once(' ')?;
    let (range, total) = range.split_once('/')?;
    let (_, last) = range.split_once('-')?;
    Some((last.trim().parse().ok()?, total.trim().parse().ok()))
}

/// Where the `Link` headers say that the next page is.
fn next_link(headers: &HeaderMap) -> Option<String> {
    headers.get_all(LINK).iter().find_map(|value| {
        let mut rest = value.to_str().ok()?;
        loop {
            let (_, from) = rest.split_once('<')?;
            let (target, parameters) = from.split_once('>')?;
            let end = end_of(parameters, b',');
            if is_next(&parameters[..end]) {
                return Some(target.to_owned());
            }
            rest = &parameters[end..];
        }
    })
}

/// Where this byte stands that ends a part: not one within quotes.
fn end_of(text: &str, end: u8) -> usize {
    let mut is_quoted = false;
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            _ if byte == end && !is_quoted => return at,
            _ => {}
        }
    }
    text.len()
}

fn is_next(mut parameters: &str) -> bool {
    while !parameters.is_empty() {
        let (parameter, rest) = parameters.split_at(end_of(parameters, b';'));
        parameters = rest.get(1..).unwrap_or_default();
        if let Some((name, value)) = parameter.split_once('=')
            && name.trim().eq_ignore_ascii_case("rel")
        {
            // RFC 8288 section 3.3: a second `rel` is ignored.
            let mut rels = value.trim().trim_matches('"').split_ascii_whitespace();
            return rels.any(|rel| rel.eq_ignore_ascii_case("next"));
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(value: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(LINK, value.parse().expect("a value"));
        next_link(&headers)
    }

    #[test]
    fn the_next_link_is_found_among_others() {
        for (value, next) in [
            (r#"<https://a/x?page=2>; rel="next""#, Some("https://a/x?page=2")),
            (
                r#"</x?a=1,2>; rel="prev", </x?a=3,4>; REL=Next; title="a, b""#,
                Some("/x?a=3,4"),
            ),
            (
                r#"</x>; title="rel=next; </y>; rel=next"; rel="last first", </z>; rel="start next""#,
                Some("/z"),
            ),
            (r#"</x>; rel="prev"; rel="next""#, None),
            (r#"</x>; rel="nextt""#, None),
            ("</x", None),
            ("", None),
        ] {
            assert_eq!(link(value).as_deref(), next, "{value}");
        }
    }
}
