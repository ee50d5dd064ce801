//! What time it is, and waiting until it is another.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use jiff::Timestamp;

/// A clock. Tests have one that they turn by hand.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> SystemTime;

    /// Returns when it is this time or later; at once if it is.
    async fn wait_until(&self, time: SystemTime);
}

/// The clock of this host.
#[derive(Debug, Clone, Copy)]
pub struct WallClock;

/// The longest sleep without a look at the clock: it may be set, and the host may be suspended meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(10);

#[async_trait]
impl Clock for WallClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    async fn wait_until(&self, time: SystemTime) {
        while let Ok(left) = time.duration_since(SystemTime::now())
            && !left.is_zero()
        {
            tokio::time::sleep(left.min(LONGEST_SLEEP)).await;
        }
    }
}

/// The same time, for calculating with it; a clock beyond the year 9999 stands at its end.
pub(crate) fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::try_from(time).unwrap_or(Timestamp::MAX)
}
