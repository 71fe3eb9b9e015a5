//! What is counted and measured: the members that make a log line a metric.
//!
//! CloudWatch reads metrics out of lines that have an `_aws` (its embedded metric format), so they cost no call of AWS, and
//! they stand in the line that says how the call ended: log and metric cannot disagree. Each combination of dimensions is
//! a metric that is paid for, so there are the service and the action alone; the release is a field of the line.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::refusal::Refusal;
use crate::report::Outcome;
use crate::request::{Function, Request};
use crate::time::Time;

/// The namespace of all of them.
pub const NAMESPACE: &str = "Pointsman";

/// The dimensions of what a call comes to.
const BY_ACTION: &[&str] = &["service", "action"];
/// The dimension of what is so whatever is called.
const BY_SERVICE: &[&str] = &["service"];
/// The dimension of a call that names no service that is configured: what callers make up becomes no metric.
const BY_FUNCTION: &[&str] = &["function"];

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// A call gave the release that it promotes all of the traffic.
    Promotes,
    /// A call put product's traffic back: a rollback, an alarm during a promotion, or the mending of a rejected release.
    Rollbacks,
    /// How long what was asked for took, in seconds: from a job's first call to its end, waits included; of other
    /// callers the call that did it.
    Duration,
    /// A call ended waiting.
    Waits,
    /// A call was refused: its caller has to change something.
    Refusals,
    /// A call failed: AWS or the account.
    Failures,
    /// A call met a fault of ours.
    Bugs,
    /// Whether what stands behind the product rule could serve now: 1 or 0, and nothing where nothing does.
    RollbackReady,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Promotes,
        Self::Rollbacks,
        Self::Duration,
        Self::Waits,
        Self::Refusals,
        Self::Failures,
        Self::Bugs,
        Self::RollbackReady,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Promotes => "Promotes",
            Self::Rollbacks => "Rollbacks",
            Self::Duration => "Duration",
            Self::Waits => "Waits",
            Self::Refusals => "Refusals",
            Self::Failures => "Failures",
            Self::Bugs => "Bugs",
            Self::RollbackReady => "RollbackReady",
        }
    }

    /// Its unit, as CloudWatch spells it.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Duration => "Seconds",
            Self::RollbackReady => "None",
            Self::Promotes | Self::Rollbacks | Self::Waits | Self::Refusals | Self::Failures | Self::Bugs => "Count",
        }
    }

    /// The dimensions that it may have.
    pub const fn dimensions(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::RollbackReady => &[BY_SERVICE],
            Self::Refusals => &[BY_ACTION, BY_FUNCTION],
            Self::Promotes | Self::Rollbacks | Self::Duration | Self::Waits | Self::Failures | Self::Bugs => {
                &[BY_ACTION]
            }
        }
    }
}

/// Where a call moved customers, all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Switched {
    /// To the release that it promotes.
    Forth,
    /// To what was there before.
    Back,
}

/// What a call came to.
#[derive(Clone, Copy, Debug)]
pub struct Came<'a> {
    /// Which function was called.
    pub function: Function,
    /// What was asked for.
    pub request: &'a Request,
    /// How it ended.
    pub outcome: &'a Outcome,
    /// Where it moved customers.
    pub switched: &'a BTreeSet<Switched>,
    /// Whether it met a fault of ours.
    pub bug: bool,
    /// How long this call took.
    pub took: Duration,
    /// When it ended.
    pub at: Time,
}

/// What a call's last line says for the metrics; nothing where it found everything done already.
pub fn of_call(came: &Came<'_>) -> Option<Value> {
    let request = came.request;
    let mut values = Vec::new();
    for switched in came.switched {
        values.push(match switched {
            Switched::Forth => (Metric::Promotes, json!(1)),
            Switched::Back => (Metric::Rollbacks, json!(1)),
        });
    }
    match came.outcome {
        // A job's last call may find that time alone was missing.
        Outcome::Done(done, _) if done.nothing_to_do && request.started.is_none() => {}
        Outcome::Done(..) => values.push((Metric::Duration, seconds(came))),
        Outcome::Waiting(_) => values.push((Metric::Waits, json!(1))),
        // Customers do not get what it would have taken from them.
        Outcome::Refused(Refusal::IsWayBack { .. }) => {}
        Outcome::Refused(_) => values.push((Metric::Refusals, json!(1))),
        Outcome::Failed(_) if came.bug => {}
        Outcome::Failed(_) => values.push((Metric::Failures, json!(1))),
    }
    if came.bug {
        values.push((Metric::Bugs, json!(1)));
    }
    let mut line = Map::new();
    let unknown = matches!(came.outcome, Outcome::Refused(Refusal::UnknownService { .. }));
    if unknown {
        line.insert("function".into(), json!(came.function.as_str()));
    } else {
        line.insert("service".into(), json!(request.service));
        line.insert("action".into(), json!(request.verb.as_str()));
    }
    document(line, if unknown { BY_FUNCTION } else { BY_ACTION }, &values, came.at)
}

/// What the line about a call says that names no service rightly.
pub fn of_bad_call(function: Function, at: Time) -> Option<Value> {
    let line = Map::from_iter([("function".to_owned(), json!(function.as_str()))]);
    document(line, BY_FUNCTION, &[(Metric::Refusals, json!(1))], at)
}

/// What a sweep's line about the way back of a service says.
pub fn of_way_back(request: &Request, ready: bool, at: Time) -> Option<Value> {
    let line = Map::from_iter([("service".to_owned(), json!(request.service))]);
    document(line, BY_SERVICE, &[(Metric::RollbackReady, json!(u8::from(ready)))], at)
}

fn seconds(came: &Came<'_>) -> Value {
    let since_first = came.request.started.and_then(|started| u64::try_from(came.at - started).ok()).unwrap_or(0);
    let took = came.took.max(Duration::from_secs(since_first));
    // To the millisecond.
    json!(took.as_millis() as f64 / 1000.0)
}

/// The line's members: its dimensions, the values, and how CloudWatch is to read them.
fn document(mut line: Map<String, Value>, dimensions: &[&str], values: &[(Metric, Value)], at: Time) -> Option<Value> {
    if values.is_empty() {
        return None;
    }
    let metrics: Vec<Value> =
        values.iter().map(|(metric, _)| json!({"Name": metric.name(), "Unit": metric.unit()})).collect();
    line.extend(values.iter().map(|(metric, value)| (metric.name().to_owned(), value.clone())));
    line.insert(
        "_aws".into(),
        json!({
            "Timestamp": at.seconds().saturating_mul(1000),
            "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [dimensions], "Metrics": metrics}],
        }),
    );
    Some(Value::Object(line))
}
