//! What a sender is told.
//!
//! One line of plain text: what was wrong and with which header, never a value of the request, never a secret.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
};
use trunkline_sdk::{Fault, Receipt};

/// An answer; see the README for the table of statuses.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) text: Cow<'static, str>,
    retry_after: Option<u64>,
    /// Whether the connection is of no more use.
    pub(crate) closes: bool,
}

impl Answer {
    /// This status, for this reason.
    pub(crate) fn new(status: StatusCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            text: text.into(),
            retry_after: None,
            closes: false,
        }
    }

    /// 200: it is safe.
    pub(crate) fn safe(receipt: &Receipt) -> Self {
        // The rule that filtered it is our affair.
        let text = match receipt {
            Receipt::Published => "published",
            Receipt::Filtered(_) => "filtered",
            Receipt::Parked => "parked",
        };
        Self::new(StatusCode::OK, text)
    }

    /// 400: the request lacks what its kind needs.
    pub(crate) fn bad(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    /// 503: come again in this many seconds.
    pub(crate) fn come_again(seconds: u64, text: &'static str) -> Self {
        Self {
            retry_after: Some(seconds),
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
        let mut response = Response::new(Full::new(Bytes::from(format!("{}\n", self.text))));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        if self.closes {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
