//! The record of calls: who called what, about which resource, for how long, and how it ended.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::sync::broadcast;

/// How many calls a subscriber may lag behind before it misses some.
const SUBSCRIBER_BACKLOG: usize = 4096;

/// One call that was answered (or cut off).
#[derive(Clone, Debug)]
pub struct Call {
    /// Counts up from 1 in the order in which calls came in.
    pub number: u64,
    /// When it came in.
    pub at: SystemTime,
    /// How long the caller waited.
    pub elapsed: Duration,
    /// The end of that: how long what stands for AWS took over its answer, after any delay that was injected.
    pub simulated: Duration,
    /// The access key id it was signed with.
    pub caller: String,
    /// The session token it came with, by which one process is told from another; empty where there is none.
    pub session: String,
    pub service: String,
    pub action: String,
    /// The ARNs, ids or names that it is about, joined by commas.
    pub resource: String,
    /// The tags it asked for, where there are any.
    pub tags: BTreeMap<String, String>,
    /// Whether it changes anything.
    pub mutating: bool,
    /// AWS's HTTP status; 0 where it never saw the call.
    pub status: u16,
    /// AWS's error code.
    pub error: Option<String>,
    /// Whether the connection was cut, so that the caller got no answer.
    pub cut: bool,
    /// The fault that was injected, in words.
    pub fault: Option<String>,
    /// The limit that it would have exceeded: it was throttled.
    pub limit: Option<String>,
    /// What an SDK names an operation by, and which of its attempts this is; 1 where the caller does not say.
    pub operation: String,
    pub attempt: u32,
}

impl Call {
    /// Whether AWS did it, which a caller that was cut off does not know.
    #[must_use]
    pub fn ok(&self) -> bool {
        (200..400).contains(&self.status)
    }
}

/// A place in the record; see [`Record::since`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

#[derive(Debug, Default)]
struct Calls {
    last: u64,
    under_way: usize,
    calls: Vec<Call>,
}

/// The calls so far. Clones share the record.
#[derive(Clone, Debug)]
pub struct Record {
    calls: Arc<Mutex<Calls>>,
    sender: broadcast::Sender<Call>,
}

impl Default for Record {
    fn default() -> Self {
        Self { calls: Arc::default(), sender: broadcast::Sender::new(SUBSCRIBER_BACKLOG) }
    }
}

impl Record {
    /// Lists all calls since the start or the last `clear`, in the order in which they ended.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().map(|calls| calls.calls.clone()).unwrap_or_default()
    }

    /// Forgets all calls.
    pub fn clear(&self) {
        if let Ok(mut calls) = self.calls.lock() {
            calls.calls.clear();
        }
    }

    /// How many calls came in and are not answered yet.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.calls.lock().map_or(0, |calls| calls.under_way)
    }

    /// Marks this moment.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark(self.calls.lock().map(|calls| calls.last).unwrap_or_default())
    }

    /// Lists the calls that came in after a mark.
    #[must_use]
    pub fn since(&self, mark: Mark) -> Vec<Call> {
        self.calls
            .lock()
            .map(|calls| calls.calls.iter().filter(|call| call.number > mark.0).cloned().collect())
            .unwrap_or_default()
    }

    /// Follows the calls as they are answered.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Call> {
        self.sender.subscribe()
    }

    pub(crate) fn next_number(&self) -> u64 {
        self.calls.lock().map_or(0, |mut calls| {
            calls.last += 1;
            calls.under_way += 1;
            calls.last
        })
    }

    pub(crate) fn add(&self, call: Call) {
        if let Ok(mut calls) = self.calls.lock() {
            calls.under_way = calls.under_way.saturating_sub(1);
            calls.calls.push(call.clone());
        }
        // Nobody listening is not an error.
        let _ = self.sender.send(call);
    }
}
