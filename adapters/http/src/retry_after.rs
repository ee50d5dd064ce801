//! `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date.

use std::time::{Duration, SystemTime};

use hyper::{HeaderMap, header};
use jiff::Timestamp;

/// How long the peer asks to be left alone; `None`: it does not say so, or not so that it can be read.
/// A date is taken against the peer's own clock, if it tells that.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = date(text)?;
    let now = headers
        .get(header::DATE)
        .and_then(|value| date(value.to_str().ok()?))
        .or_else(|| Timestamp::try_from(SystemTime::now()).ok())?;
    Some(Duration::try_from(until.duration_since(now)).unwrap_or_default())
}

/// An HTTP date in the form that senders must use.
pub(crate) fn date(text: &str) -> Option<Timestamp> {
    let zoned = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(after: &str, now: Option<&str>) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, after.parse().expect("a value"));
        if let Some(now) = now {
            headers.insert(header::DATE, now.parse().expect("a value"));
        }
        retry_after(&headers)
    }

    #[test]
    fn seconds_and_dates_are_read_and_nonsense_is_nothing() {
        let now = Some("Wed, 25 Nov 2026 19:00:00 GMT");
        assert_eq!(told("120", now), Some(Duration::from_secs(120)));
        assert_eq!(
            told("Wed, 25 Nov 2026 19:01:30 GMT", now),
            Some(Duration::from_secs(90))
        );
        assert_eq!(told("Wed, 25 Nov 2026 18:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(told("Wed, 25 Nov 1998 18:00:00 GMT", None), Some(Duration::ZERO));
        for nonsense in ["-1", "soon", "1.5", ""] {
            assert_eq!(told(nonsense, now), None, "{nonsense}");
        }
    }
}
