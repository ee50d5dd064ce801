//! One request and its answer.
//!
//! Promises: nothing of a body is looked at before its signature is proven, and 200 is said only with the
//! bus's receipt in hand. Cheap refusals come first: path, method, headers; then a permit, then the body.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::SystemTime,
};

use bytes::{Bytes, BytesMut};
use futures_util::future::try_join_all;
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body as _, Incoming},
    header::{EXPECT, ORIGIN},
    http::request::Parts,
};
use tokio::time::{Duration, Instant, timeout, timeout_at};
use tracing::debug;
use trunkline_sdk::{Record, Remedy};

use crate::{
    answer::Answer,
    claim::Claim,
    options::Replying,
    server::{Door, Server, Way},
};

/// Of "HTTP 1.1 Web Hooks for Event Delivery", section 4.1.
const REQUEST_ORIGIN: &str = "webhook-request-origin";
/// A body that is slower than this, in bytes a second, has only [`crate::Limits::slow_body`].
const PACE: u64 = 1024;
/// What is read after an early answer, so that the answer is not lost with the connection.
const LEFTOVERS: usize = 1 << 20;
const LEFTOVERS_TIME: Duration = Duration::from_secs(1);
/// The bus keeps the time of a request itself, and counts; this long after it is up the caller waits no more.
const OVERTIME: Duration = Duration::from_millis(100);
/// When to come again, in seconds.
const SHUT: u64 = 5;
const FULL: u64 = 1;

impl Server {
    /// Answers one request.
    pub(crate) async fn exchange(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, mut body) = request.into_parts();
        let answer = match self.take(&parts, &mut body).await {
            Ok(answer) => answer,
            Err(refusal) => {
                // A sender that still writes would see a reset connection instead of its answer; one that
                // waits to be asked for its body gets no such invitation.
                if !refusal.closes && !parts.headers.contains_key(EXPECT) {
                    discard(&mut body).await;
                }
                refusal
            }
        };
        debug!(
            path = parts.uri.path(),
            status = answer.status.as_u16(),
            reason = &*answer.text,
            "webhook: answered"
        );
        answer.into_response()
    }

    async fn take(&self, parts: &Parts, body: &mut Incoming) -> Result<Answer, Answer> {
        let begun = Instant::now();
        let path = parts.uri.path();
        let door = match self.way(path) {
            Way::Open(door) => door,
            Way::Shut => return Err(stopped()),
            // Not a word on what there is.
            Way::Unknown => return Err(Answer::new(StatusCode::NOT_FOUND, "not found")),
        };
        // A sender of CloudEvents may ask first whether they are wanted here.
        if parts.method == Method::OPTIONS
            && self.policy.scheme.cloud_events
            && let Some(origin) = parts.headers.get(REQUEST_ORIGIN)
        {
            return Ok(Answer::allowed(origin.clone()));
        }
        if parts.method != Method::POST {
            return Err(Answer::new(StatusCode::METHOD_NOT_ALLOWED, "only POST"));
        }
        // A page in somebody's browser can POST to a loopback address too, and then says where it is from.
        if !self.policy.scheme.is_signed() && parts.headers.contains_key(ORIGIN) {
            return Err(Answer::new(
                StatusCode::FORBIDDEN,
                "unsigned requests of web pages are not taken",
            ));
        }
        let claim = Claim::read(&self.policy, parts, SystemTime::now())?;
        if body
            .size_hint()
            .exact()
            .is_some_and(|size| size > self.policy.max_body as u64)
        {
            return Err(self.too_large());
        }
        let _permit = self
            .bodies
            .try_acquire()
            .map_err(|_| Answer::come_again(FULL, "too many requests at once"))?;
        let bytes = self.read(&door, body).await?;
        if !claim.is_proven(&bytes) {
            return Err(Answer::new(
                StatusCode::UNAUTHORIZED,
                "the signature does not match: another secret, or a body that was changed on its way",
            ));
        }
        let records = claim.records(path, bytes)?;
        if let Some(reply) = &door.reply {
            return self.ask(&door, reply, records, begun).await;
        }
        let offers = records
            .into_iter()
            .map(|record| door.outlet.offer(record, self.policy.patience));
        // All or nothing: who is told to come again sends all of it, under the same ids.
        match try_join_all(offers).await {
            Ok(receipts) if self.policy.scheme.is_silent => Ok(Answer::safe(&receipts).silent()),
            Ok(receipts) => Ok(Answer::safe(&receipts)),
            Err(fault) => {
                debug!(path, %fault, "webhook: not taken");
                Err(Answer::not_taken(&fault))
            }
        }
    }

    /// What a flow answers to the one record of a request in the time that is left, or the fallback.
    async fn ask(
        &self,
        door: &Door,
        reply: &Replying,
        mut records: Vec<Record>,
        begun: Instant,
    ) -> Result<Answer, Answer> {
        let Some(record) = records.pop() else {
            return Ok(Answer::safe(&[]));
        };
        if !records.is_empty() {
            return Err(Answer::bad("a request that waits for its answer holds one event"));
        }
        let left = reply.within.saturating_sub(begun.elapsed());
        let answered = match timeout(left + OVERTIME, door.outlet.ask(record, left)).await {
            Ok(Ok(answer)) => reply
                .answer(answer)
                .ok_or("the answer is larger than the caller takes"),
            Ok(Err(fault)) => {
                debug!(%fault, "webhook: not answered");
                if fault.remedy == Remedy::Stop {
                    // One is enough to end the flow.
                    let _ = door.faults.try_send(fault);
                }
                Err("the bus has no answer")
            }
            Err(_) => Err("the answer comes too late"),
        };
        match answered {
            Ok(answer) => {
                self.replies.fetch_add(1, Relaxed);
                Ok(answer)
            }
            Err(reason) => {
                debug!(reason, "webhook: the fallback");
                self.fallbacks.fetch_add(1, Relaxed);
                Ok(reply.fallback())
            }
        }
    }

    /// The whole body, or why not.
    async fn read(&self, door: &Arc<Door>, body: &mut Incoming) -> Result<Bytes, Answer> {
        let begun = Instant::now();
        let end = begun + self.limits.body;
        let mut whole = BytesMut::new();
        loop {
            let due = begun + self.limits.slow_body + Duration::from_secs(whole.len() as u64 / PACE);
            let frame = tokio::select! {
                frame = timeout_at(due.min(end), body.frame()) => frame,
                () = door.outlet.stopping() => return Err(stopped()),
            };
            match frame {
                Err(_) => {
                    return Err(
                        Answer::new(StatusCode::REQUEST_TIMEOUT, "the body came too slowly").closing(),
                    );
                }
                Ok(None) => return Ok(whole.freeze()),
                Ok(Some(Err(_))) => return Err(Answer::bad("the body broke off or is malformed").closing()),
                Ok(Some(Ok(frame))) => {
                    // Trailers are no part of it.
                    let Ok(data) = frame.into_data() else { continue };
                    if whole.len() + data.len() > self.policy.max_body {
                        return Err(self.too_large());
                    }
                    whole.extend_from_slice(&data);
                }
            }
        }
    }

    fn too_large(&self) -> Answer {
        let text = format!("the body is larger than {} bytes", self.policy.max_body);
        Answer::new(StatusCode::PAYLOAD_TOO_LARGE, text)
    }
}

fn stopped() -> Answer {
    Answer::come_again(SHUT, "the flow behind this path is stopped; send it again").closing()
}

/// Reads on for a moment and forgets what comes.
async fn discard(body: &mut Incoming) {
    let end = Instant::now() + LEFTOVERS_TIME;
    let mut read = 0;
    while let Ok(Some(Ok(frame))) = timeout_at(end, body.frame()).await {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > LEFTOVERS {
            break;
        }
    }
}
