//! Since when a call goes on, and until when it may: what it starts has to end before Lambda stops it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::time::Time;
use tokio::time::Instant;

/// No change is sent with less left than this of the lease or of the call: one operation with all its retries, and a margin.
pub(crate) const CHANGE_NEEDS: Duration = Duration::from_secs(12);
/// What the report at a call's end needs, as a rule: it is kept free while the world is looked at.
pub(crate) const REPORT_NEEDS: Duration = Duration::from_secs(5);
/// The functions' timeout in `template.yaml`, for a runtime that says no deadline.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// When the call began, and the moment at which Lambda stops it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    began: Instant,
    at: Instant,
}

impl Deadline {
    /// From the invocation's deadline, milliseconds since 1970.
    pub fn from_milliseconds(milliseconds: u64) -> Self {
        let at = UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds));
        let left = at.and_then(|at| at.duration_since(SystemTime::now()).ok());
        let began = Instant::now();
        Self { began, at: began + left.filter(|_| milliseconds > 0).unwrap_or(DEFAULT_TIMEOUT) }
    }

    /// How long is left.
    pub fn left(self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// How long the call has gone on.
    pub fn spent(self) -> Duration {
        self.began.elapsed()
    }

    /// Whether at least this is left.
    pub fn has(self, needed: Duration) -> bool {
        self.left() >= needed
    }
}

/// The time now, in whole seconds. It is asked for once for each look, and given to the plan.
pub(crate) fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_seconds(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
