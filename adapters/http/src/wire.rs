//! One request, one answer, over connections that are kept for the next.
//!
//! Promises: says truthfully whether a request may have reached the peer; an answer is bounded in size and time.
//! Not promised: redirects, credentials and pacing, which are the [`client`](crate::client)'s.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::{Body, Frame, Incoming},
    client::conn::http1::SendRequest,
    header::{CONTENT_ENCODING, HOST, HeaderValue},
};
use tokio::time::{Instant, timeout_at};
use trunkline_sdk::Fault;

use crate::{
    dial::Dialer,
    url::{Origin, Url},
};

/// A connection that rested longer is not used again: the peer may be about to close it.
const REST: Duration = Duration::from_secs(2);

/// What is asked.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Whether sending it twice acts once.
    pub(crate) is_repeatable: bool,
}

/// What was answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Result<Bytes, Broken>,
}

/// Why an answer's body cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The connection, or the time, ended in the middle.
    Cut,
    /// It is larger than it may be.
    TooLarge,
    /// It is compressed, which was not asked for.
    Compressed,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The peer has not acted: nothing was sent, or it said so.
    Unsent(Fault),
    /// It may have acted: the connection or the time ended between request and answer.
    Lost(Fault),
}

impl Trouble {
    pub(crate) fn fault(self) -> Fault {
        match self {
            Self::Unsent(fault) | Self::Lost(fault) => fault,
        }
    }
}

/// A connection, and since when it rests.
type Resting = (SendRequest<Full<Bytes>>, Instant);

/// The connections of a system.
pub(crate) struct Wire {
    dialer: Dialer,
    resting: Mutex<HashMap<Origin, Vec<Resting>>>,
    timeout: Duration,
    max_answer: usize,
    /// How many connections are kept.
    keep: usize,
}

impl Wire {
    pub(crate) fn new(dialer: Dialer, timeout: Duration, max_answer: usize, keep: usize) -> Self {
        Self {
            dialer,
            resting: Mutex::default(),
            timeout,
            max_answer,
            keep,
        }
    }

    /// Sends a request and reads its answer, within the timeout.
    pub(crate) async fn exchange(&self, call: &Call) -> Result<Answer, Trouble> {
        let until = Instant::now() + self.timeout;
        let origin = &call.url.origin;
        let late = || Fault::retry(format!("{origin} has not answered within {:?}", self.timeout));
        loop {
            let (mut sender, is_new) = match self.rested(origin) {
                Some(sender) => (sender, false),
                None => {
                    let dialled = timeout_at(until, self.dialer.dial(origin)).await;
                    (
                        dialled.unwrap_or_else(|_| Err(late())).map_err(Trouble::Unsent)?,
                        true,
                    )
                }
            };
            let is_ready = matches!(timeout_at(until, sender.ready()).await, Ok(Ok(())));
            if !is_ready {
                if is_new {
                    return Err(Trouble::Unsent(Fault::retry(format!(
                        "{origin} closes connections"
                    ))));
                }
                continue;
            }
            let answered = timeout_at(until, sender.try_send_request(request(call)?)).await;
            let error = match answered {
                Err(_) => return Err(Trouble::Lost(late())),
                Ok(Ok(response)) => {
                    let answer = self.read(response, until).await;
                    if answer.body.is_ok() {
                        self.rest(origin, sender);
                    }
                    return Ok(answer);
                }
                Ok(Err(error)) => error,
            };
            let was_sent = error.message().is_none();
            if !is_new && (!was_sent || call.is_repeatable) {
                // It was closed while it rested.
                continue;
            }
            let error = error.into_error();
            let what = if error.is_parse() {
                format!("{origin} answers what is no HTTP")
            } else {
                format!("{origin} has closed the connection without an answer")
            };
            let fault = Fault::retry(what).because(error);
            return Err(if was_sent {
                Trouble::Lost(fault)
            } else {
                Trouble::Unsent(fault)
            });
        }
    }

    async fn read(&self, response: Response<Incoming>, until: Instant) -> Answer {
        let (head, mut incoming) = response.into_parts();
        let encoding = head.headers.get(CONTENT_ENCODING);
        let is_compressed = encoding.is_some_and(|encoding| encoding != "identity");
        let mut body = BytesMut::new();
        let is_too_large = incoming.size_hint().lower() > self.max_answer as u64;
        let mut broken = is_compressed
            .then_some(Broken::Compressed)
            .or(is_too_large.then_some(Broken::TooLarge));
        while broken.is_none()
            && let Some(frame) = timeout_at(until, incoming.frame()).await.transpose()
        {
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Ok(Ok(Ok(data))) if body.len() + data.len() > self.max_answer => {
                    broken = Some(Broken::TooLarge);
                }
                Ok(Ok(Ok(data))) => body.extend_from_slice(&data),
                // Trailers say nothing to us.
                Ok(Ok(Err(_))) => {}
                Ok(Err(_)) | Err(_) => broken = Some(Broken::Cut),
            }
        }
        Answer {
            status: head.status,
            headers: head.headers,
            body: broken.map_or_else(|| Ok(body.freeze()), Err),
        }
    }

    fn rested(&self, origin: &Origin) -> Option<SendRequest<Full<Bytes>>> {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        let senders = resting.get_mut(origin)?;
        while let Some((sender, since)) = senders.pop() {
            if since.elapsed() < REST && !sender.is_closed() {
                return Some(sender);
            }
        }
        None
    }

    fn rest(&self, origin: &Origin, sender: SendRequest<Full<Bytes>>) {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        let senders = resting.entry(origin.clone()).or_default();
        senders.retain(|(sender, since)| since.elapsed() < REST && !sender.is_closed());
        if senders.len() < self.keep {
            senders.push((sender, Instant::now()));
        }
    }
}

fn request(call: &Call) -> Result<Request<Full<Bytes>>, Trouble> {
    let refused = || Trouble::Unsent(Fault::dead_letter("the request cannot be written as HTTP"));
    let host = HeaderValue::from_str(&call.url.origin.authority()).map_err(|_| refused())?;
    let mut request = Request::builder()
        .method(call.method.clone())
        .uri(&call.url.target)
        .header(HOST, host)
        .body(Full::new(call.body.clone()))
        .map_err(|_| refused())?;
    for (name, value) in &call.headers {
        request.headers_mut().append(name, value.clone());
    }
    Ok(request)
}
