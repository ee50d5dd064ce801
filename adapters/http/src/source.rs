//! Asks a system for its records, page by page, again and again.
//!
//! Promises: what was there when the reading began, or came since, is sent, also when the list changes while it is read;
//! a record has the same id however often it is read, until it changes. While the system is away or talks nonsense it is
//! asked less than once a second.
//! Not promised: order; that a change is seen which was undone before the next reading; records that were deleted.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use hyper::{
    HeaderMap, Method, StatusCode,
    header::{
        ACCEPT, CONTENT_TYPE, DATE, ETAG, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH,
        LAST_MODIFIED, RANGE,
    },
};
use jiff::Timestamp;
use trunkline_formats::json;
use trunkline_sdk::{Fault, Outlet, Position, Remedy, Source, Value};

use crate::{
    client::Client,
    graphql::{self, Said},
    in_flight::InFlight,
    item::{self, Item},
    job::GRAPHQL,
    page::{Ask, Pager},
    progress::{Pass, Progress},
    reading::Reading,
    retry_after::date,
    template::text,
    url::{Url, push_parameter},
    wire::{Answer, Broken, Call, Trouble},
};

/// How often a list that changes while it is read is read again at once.
const MOST_AT_ONCE: u32 = 3;

/// How often a page behind the first is asked for before all is begun anew.
const MOST_TRIES: u32 = 5;

/// How long a source that must stop waits for the receipts of what it sent.
const LAST_RECEIPTS: Duration = Duration::from_secs(3);

/// Reads one list of a system.
pub(crate) struct HttpSource {
    client: Arc<Client>,
    reading: Reading,
    /// How often in a row the system could not be read, by any source.
    failures: Arc<AtomicU32>,
    /// What the list was when it was read last: what was asked, and what to ask it with.
    unchanged: Option<(Call, HeaderName, HeaderValue)>,
}

impl HttpSource {
    pub(crate) fn new(client: Arc<Client>, reading: Reading, failures: Arc<AtomicU32>) -> Self {
        Self {
            client,
            reading,
            failures,
            unchanged: None,
        }
    }

    /// Reads the list from its first page to its last. True: it should be read again at once.
    async fn pass(&mut self, progress: &mut Progress, sending: &mut InFlight) -> Result<bool, Fault> {
        let since = self.since(progress);
        let mut pager = Pager::new(self.reading.page.as_ref(), self.url(&[]));
        let mut pass = Pass::default();
        loop {
            let mut call = self.call(pager.ask(), since.as_ref());
            let validator = self
                .unchanged
                .take()
                .filter(|(asked, ..)| pass.pages == 0 && is_same(asked, &call));
            let plain = call.clone();
            if let Some((_, name, value)) = &validator {
                call.headers.insert(name, value.clone());
            }
            let answer = sending.beside(self.fetch(call, pass.pages > 0)).await?;
            if answer.status == StatusCode::NOT_MODIFIED {
                self.unchanged = validator;
                return Ok(false);
            }
            let body = answer.body.clone().unwrap_or_default();
            let tree = self.tree(&answer, &body)?;
            let items = item::read(&self.reading, &tree)?;
            self.failures.store(0, Ordering::Relaxed);
            let hash = item::hash(items.iter().map(|item| item.hash.to_le_bytes()));
            let has_more = pager.turn(answer.status, &answer.headers, &tree, items.len() as u64, hash)?;
            drop(tree);
            pass.pages += 1;
            let is_whole = pass.pages == 1 && !has_more;
            self.send(items, is_whole, progress, &mut pass, sending).await?;
            if !has_more {
                self.unchanged = validator_of(&answer)
                    .filter(|_| is_whole)
                    .map(|(name, value)| (plain, name, value));
                break;
            }
        }
        let again = pass.pages > 1 && pass.fresh > 0 && self.reading.cursor.is_some();
        progress.finish(pass);
        Ok(again)
    }

    async fn send(
        &self,
        items: Vec<Item>,
        is_whole: bool,
        progress: &mut Progress,
        pass: &mut Pass,
        sending: &mut InFlight,
    ) -> Result<(), Fault> {
        let now = Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::MAX);
        for mark in items.iter().filter_map(|item| item.mark.as_ref()) {
            pass.reach(mark, now).map_err(|()| {
                Fault::stop("the field of `cursor` is a time in some records and a number in others")
                    .hint("name a field that is the same in all")
            })?;
        }
        let mut items = items.into_iter().peekable();
        while let Some(item) = items.next() {
            if !progress.meet(pass, item.hash, item.mark.as_ref()) {
                continue;
            }
            // Where there is no further page, all is read with the last record.
            let mark = pass.high().filter(|_| is_whole && items.peek().is_none());
            let position = progress.position(mark);
            let length = item.body.len() + position.0.len();
            sending
                .send(item.into_record(&self.reading, position), length)
                .await;
        }
        Ok(())
    }

    /// What to ask for, so that all that has changed is among it.
    fn since(&self, progress: &Progress) -> Option<(String, Value<'static>)> {
        let cursor = self.reading.cursor.as_ref()?;
        let since = match &progress.mark {
            Some(mark) => mark.since(cursor.overlap),
            None => cursor.start.clone()?,
        };
        let value = match since.parse::<i128>() {
            Ok(_) => Value::Number(since.into()),
            Err(_) => Value::Text(since.into()),
        };
        Some((cursor.parameter.clone(), value))
    }

    fn url(&self, parameters: &[&(String, Value<'static>)]) -> Url {
        let base = &self.client.site.base;
        let mut target = format!("{}{}", base.target, self.reading.path);
        for (name, value) in parameters {
            push_parameter(&mut target, name, &text(value).unwrap_or_default());
        }
        Url {
            origin: base.origin.clone(),
            target,
        }
    }

    fn call(&self, ask: &Ask, since: Option<&(String, Value<'static>)>) -> Call {
        let mut headers = HeaderMap::new();
        let mut call = Call {
            method: Method::GET,
            url: self.url(&[]),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            is_repeatable: true,
        };
        let mut parameters: Vec<_> = since.into_iter().collect();
        match ask {
            Ask::Url(url) => {
                call.url = url.clone();
                parameters.clear();
            }
            Ask::Parameters(page) => parameters.extend(page),
            Ask::Range(range) => {
                let range = HeaderValue::try_from(range.as_str());
                headers.extend(range.ok().map(|range| (RANGE, range)));
            }
        }
        if let Some(operation) = &self.reading.operation {
            call.method = Method::POST;
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(ACCEPT, HeaderValue::from_static(GRAPHQL));
            call.body = Bytes::from(operation.request(parameters.into_iter().cloned().collect()));
        } else if !matches!(ask, Ask::Url(_)) {
            call.url = self.url(&parameters);
        }
        call.headers = headers;
        call
    }

    /// Asks for a page; for a `further` one several times, so that what was read before it need not be read again.
    async fn fetch(&self, call: Call, further: bool) -> Result<Answer, Fault> {
        let mut tries = 0;
        loop {
            let fault = match self.ask(call.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(fault) => fault,
            };
            tries += 1;
            if !further || tries >= MOST_TRIES || fault.remedy == Remedy::Stop {
                return Err(fault);
            }
            tracing::debug!(error = %fault, tries, "http: a page is asked for again");
            tokio::time::sleep(fault.retry_after.unwrap_or(Duration::from_secs(1 << tries))).await;
        }
    }

    async fn ask(&self, call: Call) -> Result<Answer, Fault> {
        let asks_range = call.headers.contains_key(RANGE);
        let answer = self.client.ask(call).await.map_err(Trouble::fault)?;
        let said = format!(
            "the system answered {} to the reading of {}",
            answer.status.as_u16(),
            self.reading.shown()
        );
        match answer.status.as_u16() {
            200..=299 | 304 => {}
            416 if asks_range => return Ok(answer),
            401 | 403 | 407 => {
                return Err(Fault::stop(said)
                    .hint("are the credentials of the system right, and may they read this?"));
            }
            429 | 503 if self.client.pace.held().is_some() => {
                return Err(Fault {
                    retry_after: self.client.pace.held(),
                    ..Fault::new(Remedy::Wait, said)
                });
            }
            408 | 425 | 429 | 500.. => return Err(Fault::reopen(said)),
            _ => return Err(Fault::stop(said).hint("is `path` what the system's documentation says?")),
        }
        match answer.body {
            Ok(_) => Ok(answer),
            Err(Broken::Cut) => Err(Fault::reopen(format!(
                "the answer to the reading of {} was cut off",
                self.reading.shown()
            ))),
            Err(Broken::Compressed) => Err(Fault::stop("the answer is compressed, which was not asked for")),
            Err(Broken::TooLarge) => Err(Fault::stop(format!(
                "an answer to the reading of {} is larger than `max_answer`",
                self.reading.shown()
            ))
            .hint("ask for smaller pages, or allow larger answers")),
        }
    }

    /// The body of an answer.
    fn tree<'b>(&self, answer: &Answer, body: &'b [u8]) -> Result<Value<'b>, Fault> {
        if body.is_empty() || answer.status == StatusCode::RANGE_NOT_SATISFIABLE {
            return Ok(Value::Null);
        }
        let tree = json::read(body).map_err(|malformed| {
            Fault::reopen(format!(
                "the answer to the reading of {} is not JSON: {malformed}",
                self.reading.shown()
            ))
        })?;
        if self.reading.operation.is_none() {
            return Ok(tree);
        }
        match graphql::read(&tree) {
            Some(Said::Done) => Ok(tree),
            Some(Said::Throttled(patience)) => {
                let patience = self.client.pace.hold(patience);
                Err(Fault::wait("the system is throttled", patience))
            }
            Some(Said::Broke) | None => Err(Fault::reopen(
                "the system answered the query with an error of its own",
            )),
            Some(Said::Refused) => {
                Err(Fault::stop("the system refuses the query").hint("may our credentials read this?"))
            }
            Some(Said::Wrong(codes)) => Err(Fault::stop(format!(
                "the system answered the query with errors {codes:?}"
            ))
            .hint("does the query fit the system's schema?")),
        }
    }

    /// A fault as Trunkline is to see it: with a pause that grows while the system cannot be read.
    fn paced(&self, fault: Fault) -> Fault {
        if fault.remedy == Remedy::Stop || fault.retry_after.is_some() {
            return fault;
        }
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).min(5);
        Fault {
            remedy: Remedy::Reopen,
            retry_after: Some(Duration::from_millis(1100 << failures)),
            ..fault
        }
    }
}

#[async_trait]
impl Source for HttpSource {
    async fn run(&mut self, outlet: Outlet, resume: Option<Position>) -> Result<(), Fault> {
        let mut progress = Progress::read(resume.as_ref())?;
        let mut stopping = pin!(outlet.stopping());
        let mut sending = InFlight::new(outlet.clone());
        let mut at_once = 0;
        loop {
            let passed = tokio::select! {
                biased;
                () = stopping.as_mut() => None,
                passed = self.pass(&mut progress, &mut sending) => Some(passed),
            };
            let pause = match passed {
                None => break,
                Some(Ok(true)) if at_once < MOST_AT_ONCE => {
                    at_once += 1;
                    continue;
                }
                Some(Ok(_)) => self.reading.every,
                Some(Err(fault)) => {
                    // What was sent before it is safe, or comes again.
                    tokio::select! {
                        biased;
                        () = stopping.as_mut() => break,
                        () = sending.land() => return Err(self.paced(fault)),
                    }
                }
            };
            at_once = 0;
            tokio::select! {
                biased;
                () = stopping.as_mut() => break,
                () = sending.beside(tokio::time::sleep(pause)) => {}
            }
        }
        // Without a receipt in time a record comes again at the next start.
        let _ = tokio::time::timeout(LAST_RECEIPTS, sending.land()).await;
        Ok(())
    }
}

/// Whether two questions are the same, but for what they know of the answer.
fn is_same(one: &Call, other: &Call) -> bool {
    one.method == other.method
        && one.url == other.url
        && one.headers == other.headers
        && one.body == other.body
}

/// With what to ask whether the answer has changed (RFC 9110 section 13).
fn validator_of(answer: &Answer) -> Option<(HeaderName, HeaderValue)> {
    if let Some(tag) = answer.headers.get(ETAG) {
        return Some((IF_NONE_MATCH, tag.clone()));
    }
    let modified = answer.headers.get(LAST_MODIFIED)?;
    let time = |value: &HeaderValue| date(value.to_str().ok()?);
    // A change within the same second would not be seen.
    let age = time(answer.headers.get(DATE)?)?.duration_since(time(modified)?);
    (age.as_secs() >= 2).then(|| (IF_MODIFIED_SINCE, modified.clone()))
}
