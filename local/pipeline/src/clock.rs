//! The time as the engine tells it: the wall clock where it started, and tokio's clock from there on.
//!
//! That makes a test with tokio's clock paused see timestamps that agree with its timers. The
//! clock can also be put forward, so that seven days pass while a demo looks on.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::Instant;

/// Milliseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Adds a duration; far too long ones end at the end of time.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Says how long it is until `later`; zero if that has passed.
    #[must_use]
    pub fn until(self, later: Self) -> Duration {
        Duration::from_millis(later.0.saturating_sub(self.0))
    }

    /// Writes it as AWS's JSON protocol does: seconds since 1970, as a number.
    #[must_use]
    pub fn epoch_seconds(self) -> Value {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of our time fit in 53 bits")]
        let seconds = self.0 as f64 / 1000.0;
        json!(seconds)
    }

    /// Writes it as EventBridge does: RFC 3339 to the second, in UTC.
    #[must_use]
    pub fn rfc3339(self) -> String {
        i64::try_from(self.0 / 1000)
            .ok()
            .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
            .and_then(|time| time.format(&Rfc3339).ok())
            .unwrap_or_default()
    }
}

/// Tells the time.
#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
    started_at: Timestamp,
    put_forward: Duration,
}

impl Clock {
    pub(crate) fn start() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), started_at: Timestamp::default().plus(since_1970), put_forward: Duration::ZERO }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.started_at.plus(self.started.elapsed()).plus(self.put_forward)
    }

    pub(crate) fn put_forward(&mut self, by: Duration) {
        self.put_forward = self.put_forward.saturating_add(by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_written_as_aws_writes_it() {
        let timestamp = Timestamp(1_732_182_000_250);
        assert_eq!(timestamp.epoch_seconds().to_string(), "1732182000.25");
        assert_eq!(timestamp.rfc3339(), "2024-11-21T09:40:00Z");
    }
}
