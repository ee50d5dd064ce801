//! Times as senders write them: Unix seconds, Unix milliseconds, RFC 3339, or a date and time without a zone (UTC).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds have fewer digits than this until the year 5138, milliseconds have had more since 1973.
const MILLISECONDS: u64 = 100_000_000_000;

/// The time that a text tells; `None`: none that is after 1970 and can be read.
pub(crate) fn moment(text: &str) -> Option<SystemTime> {
    if let Ok(number) = text.parse::<u64>() {
        let since = if number < MILLISECONDS {
            Duration::from_secs(number)
        } else {
            Duration::from_millis(number)
        };
        return UNIX_EPOCH.checked_add(since);
    }
    let without_zone = || format!("{text}Z").parse::<jiff::Timestamp>();
    let time = text.parse::<jiff::Timestamp>().or_else(|_| without_zone()).ok()?;
    let nanos = u64::try_from(time.as_nanosecond()).ok()?;
    UNIX_EPOCH.checked_add(Duration::from_nanos(nanos))
}

/// How far two times are from each other.
pub(crate) fn distance(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other).unwrap_or_else(|error| error.duration())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_write_a_time_is_read_alike() {
        for (text, millis) in [
            ("1795600800", 1_795_600_800_000),
            ("1795600800123", 1_795_600_800_123),
            ("2026-11-25T10:00:00Z", 1_795_600_800_000),
            ("2026-11-25T12:00:00.5+02:00", 1_795_600_800_500),
            ("2026-11-25T10:00:00.500", 1_795_600_800_500),
            ("0", 0),
        ] {
            let expected = UNIX_EPOCH + Duration::from_millis(millis);
            assert_eq!(moment(text), Some(expected), "{text}");
        }
        for none in [
            "",
            "-1",
            "now",
            "1.5",
            "18446744073709551616",
            "1969-01-01T00:00:00Z",
            "2026-13-01T00:00:00Z",
        ] {
            assert_eq!(moment(none), None, "{none}");
        }
    }
}
