//! What an invocation came to.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

/// What sort of end an invocation had that did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The function answered with an error.
    Function,
    /// The function could not start.
    Init,
    /// The function was stopped at its timeout.
    Timeout,
    /// The process ended before it answered.
    Exit,
}

/// The error of an invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionError {
    pub kind: ErrorKind,
    /// `errorType`: the function's own, or `Runtime.ExitError`, `Sandbox.Timedout` and such.
    pub error_type: String,
    pub message: String,
    /// The whole error as JSON: what the caller gets for a payload.
    pub payload: Bytes,
}

impl FunctionError {
    pub(crate) fn new(kind: ErrorKind, payload: Bytes) -> Self {
        let body: Value = serde_json::from_slice(&payload).unwrap_or_default();
        let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
        Self {
            kind,
            error_type: text("errorType").unwrap_or_default(),
            message: text("errorMessage").unwrap_or_default(),
            payload,
        }
    }
}

/// What one invocation came to, and what it took.
#[derive(Clone, Debug)]
pub struct Answer {
    pub function: String,
    pub request_id: String,
    /// 1, or more where Lambda tried an asynchronous event again.
    pub attempt: u64,
    /// What the function was called with.
    pub event: Bytes,
    /// What it answered, or the error as JSON.
    pub payload: Bytes,
    pub error: Option<FunctionError>,
    /// START, what the function wrote, END and REPORT.
    pub log: Vec<String>,
    pub duration: Duration,
    /// How long the process took to be ready, if it was started for this invocation.
    pub init_duration: Option<Duration>,
    /// Whole milliseconds of both: an OS-only runtime's start is billed.
    pub billed_ms: u64,
    /// The most memory the process had so far. Nothing if it ended before it could be read.
    pub peak_rss_bytes: Option<u64>,
}

impl Answer {
    /// The payload as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).unwrap_or_default()
    }

    /// The last 4 KB of the log: what `--log-type Tail` shows.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let mut log = self.log.join("\n");
        log.push('\n');
        let start = log.len().saturating_sub(4096);
        let start = (start..log.len()).find(|at| log.is_char_boundary(*at));
        log.split_off(start.unwrap_or_default())
    }
}
