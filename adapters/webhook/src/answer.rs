//! What a sender is told.
//!
//! One line of plain text: what was wrong and with which header, never a value of the request, never a secret.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    header::{ACCEPT_ENCODING, ALLOW, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER},
};
use trunkline_sdk::{Fault, Receipt};

/// Of "HTTP 1.1 Web Hooks for Event Delivery", section 4.2.
const ALLOWED_ORIGIN: HeaderName = HeaderName::from_static("webhook-allowed-origin");
const ALLOWED_RATE: HeaderName = HeaderName::from_static("webhook-allowed-rate");

/// An answer; see the README for the table of statuses.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) text: Cow<'static, str>,
    more: More,
    /// Whether the connection is of no more use.
    pub(crate) closes: bool,
}

/// What is told beside the status and the text.
#[derive(Debug)]
enum More {
    Nothing,
    /// When to come again, in seconds.
    RetryAfter(u64),
    /// What a flow has answered, with its media type, instead of a text of ours.
    Reply(HeaderValue, Bytes),
    /// Who asked whether events may be sent here.
    Origin(HeaderValue),
}

impl Answer {
    /// This status, for this reason.
    pub(crate) fn new(status: StatusCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            text: text.into(),
            more: More::Nothing,
            closes: false,
        }
    }

    /// 200: all of it is safe.
    pub(crate) fn safe(receipts: &[Receipt]) -> Self {
        // The rule that filtered it is our affair.
        let word = |receipt: &Receipt| match receipt {
            Receipt::Published => "published",
            Receipt::Filtered(_) => "filtered",
            Receipt::Parked => "parked",
        };
        let text = match receipts {
            [] => Cow::Borrowed("nothing in it"),
            [one] => Cow::Borrowed(word(one)),
            many => {
                let told = ["published", "filtered", "parked"]
                    .into_iter()
                    .filter_map(|told| {
                        let count = many.iter().filter(|receipt| word(receipt) == told).count();
                        (count > 0).then(|| format!("{told} {count}"))
                    });
                Cow::Owned(told.collect::<Vec<_>>().join(", "))
            }
        };
        Self::new(StatusCode::OK, text)
    }

    /// 415: it is not read in this form.
    pub(crate) fn unsupported(text: &'static str) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text)
    }

    /// And nothing is said.
    #[must_use]
    pub(crate) fn silent(mut self) -> Self {
        self.text = Cow::Borrowed("");
        self
    }

    /// What a flow has answered, or would not.
    pub(crate) fn reply(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Self {
        Self {
            more: More::Reply(content_type, body),
            ..Self::new(status, "a reply")
        }
    }

    /// 200: events may be sent here, as far as it concerns this origin; each must still be proven.
    pub(crate) fn allowed(origin: HeaderValue) -> Self {
        Self {
            more: More::Origin(origin),
            ..Self::new(StatusCode::OK, "")
        }
    }

    /// 400: the request lacks what its kind needs.
    pub(crate) fn bad(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    /// 503: come again in this many seconds.
    pub(crate) fn come_again(seconds: u64, text: &'static str) -> Self {
        Self {
            more: More::RetryAfter(seconds),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, text)
        }
    }

    /// 503: the bus did not take it.
    pub(crate) fn not_taken(fault: &Fault) -> Self {
        let wait = fault.retry_after.unwrap_or(Duration::from_secs(5));
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self::come_again(seconds.max(1), "not taken; send it again")
    }

    /// And no further request on this connection.
    #[must_use]
    pub(crate) fn closing(mut self) -> Self {
        self.closes = true;
        self
    }

    pub(crate) fn into_response(self) -> Response<Full<Bytes>> {
        let line = if self.text.is_empty() {
            String::new()
        } else {
            format!("{}\n", self.text)
        };
        let mut response = Response::new(Full::new(Bytes::from(line)));
        *response.status_mut() = self.status;
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, text);
        match self.more {
            More::Nothing => {}
            More::RetryAfter(seconds) => {
                response
                    .headers_mut()
                    .insert(RETRY_AFTER, HeaderValue::from(seconds));
            }
            More::Reply(content_type, body) => {
                *response.body_mut() = Full::new(body);
                response.headers_mut().insert(CONTENT_TYPE, content_type);
            }
            More::Origin(origin) => {
                let headers = response.headers_mut();
                headers.insert(ALLOWED_ORIGIN, origin);
                headers.insert(ALLOWED_RATE, HeaderValue::from_static("*"));
                headers.insert(ALLOW, HeaderValue::from_static("POST"));
            }
        }
        let headers = response.headers_mut();
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        if self.status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        if self.closes {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
