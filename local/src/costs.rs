//! What each call of a function cost: how many calls of AWS, how many of them changed something, how many one after the other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use gateway::Call;
use lambda::Answer;
use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;

use crate::stack::Stack;

/// One invocation that is over.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The access key that its calls were signed with.
    pub caller: String,
    pub began: SystemTime,
    pub ended: SystemTime,
    /// The release it was about; empty for a sweep.
    pub release: String,
    /// `provision`, `teardown finish`, `teardown on a failed approval` …
    pub what: String,
}

/// Notes each invocation while it lives.
#[derive(Debug)]
pub struct Ledger {
    invocations: Arc<Mutex<Vec<Invocation>>>,
    _noting: JoinSet<()>,
}

impl Ledger {
    /// Notes everything from now on.
    #[must_use]
    pub fn of(stack: &Stack) -> Self {
        let invocations: Arc<Mutex<Vec<Invocation>>> = Arc::default();
        let (mut answers, noted) = (stack.functions().subscribe(), Arc::clone(&invocations));
        let mut noting = JoinSet::new();
        noting.spawn(async move {
            loop {
                match answers.recv().await {
                    Ok(answer) => {
                        noted.lock().unwrap_or_else(PoisonError::into_inner).push(Invocation::of(&answer));
                    }
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                }
            }
        });
        Self { invocations, _noting: noting }
    }

    /// What was noted so far.
    #[must_use]
    pub fn invocations(&self) -> Vec<Invocation> {
        self.invocations.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Invocation {
    fn of(answer: &Answer) -> Self {
        let ended = SystemTime::now();
        let took = answer.duration + answer.init_duration.unwrap_or_default();
        let short = answer.function.rsplit('-').next().unwrap_or_default().to_owned();
        let event: Value = serde_json::from_slice(&answer.event).unwrap_or_default();
        let (release, what) = about(&event, &short);
        Self { caller: short.to_uppercase(), began: ended.checked_sub(took).unwrap_or(ended), ended, release, what }
    }
}

/// Which release an event is about, and what it asks for.
fn about(event: &Value, function: &str) -> (String, String) {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let asked = |ask: &Value| {
        let action = ask.get("action").and_then(Value::as_str);
        let action = action.or((function == "teardown").then_some("finish"));
        let what = action.map_or_else(|| function.to_owned(), |action| format!("{function} {action}"));
        (text(ask.get("release")), what)
    };
    let parameters = ["CodePipeline.job", "data", "actionConfiguration", "configuration", "UserParameters"];
    if let Some(parameters) = parameters.iter().try_fold(event, |value, key| value.get(key)).and_then(Value::as_str) {
        return asked(&serde_json::from_str(parameters).unwrap_or_default());
    }
    let execution = text(event.pointer("/detail/execution-id"));
    match event.get("detail-type").and_then(Value::as_str) {
        Some("Scheduled Event") => (String::new(), "sweep".to_owned()),
        Some("CodePipeline Action Execution State Change") => (execution, format!("{function} on a failed approval")),
        Some("CodePipeline Pipeline Execution State Change") => {
            (execution, format!("{function} on a failed execution"))
        }
        Some("CloudWatch Alarm State Change") => (String::new(), format!("{function} on an alarm")),
        Some(_) | None => asked(event),
    }
}

/// What the invocations of one kind for one release cost together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    pub invocations: usize,
    pub calls: usize,
    /// Beside the lease, the answer and the notice.
    pub changes: usize,
    /// As many as had to wait for each other, at least.
    pub round_trips: usize,
    pub time: Duration,
}

/// The costs by release and kind of call, in the order in which they first came.
#[must_use]
pub fn by_release(invocations: &[Invocation], calls: &[Call]) -> Vec<((String, String), Cost)> {
    let mut order: Vec<(String, String)> = Vec::new();
    let mut costs: BTreeMap<(String, String), Cost> = BTreeMap::new();
    for invocation in invocations {
        let key = (invocation.release.clone(), invocation.what.clone());
        let mine: Vec<&Call> = calls.iter().filter(|call| invocation.made(call)).collect();
        if !order.contains(&key) {
            order.push(key.clone());
        }
        let cost = costs.entry(key).or_default();
        cost.invocations += 1;
        cost.calls += mine.len();
        cost.changes += mine.iter().filter(|call| changes(call)).count();
        cost.round_trips += round_trips(&mine);
        cost.time += invocation.ended.duration_since(invocation.began).unwrap_or_default();
    }
    order.into_iter().filter_map(|key| costs.remove(&key).map(|cost| (key, cost))).collect()
}

impl Invocation {
    /// Whether a call was made by this invocation. Two of one function at the same time share theirs.
    fn made(&self, call: &Call) -> bool {
        call.caller == self.caller && call.at >= self.began && call.at <= self.ended
    }
}

/// Whether a call changed something beside the lease, the job and what people are told.
#[must_use]
pub fn changes(call: &Call) -> bool {
    call.mutating && !matches!(call.service.as_str(), "dynamodb" | "codepipeline" | "sns" | "events")
}

/// The most calls of which each began after the one before it was answered.
#[must_use]
pub fn round_trips(calls: &[&Call]) -> usize {
    let mut spans: Vec<(SystemTime, SystemTime)> = calls.iter().map(|call| (call.at + call.elapsed, call.at)).collect();
    spans.sort_unstable();
    let mut count = 0;
    let mut last_end = SystemTime::UNIX_EPOCH;
    for (end, begin) in spans {
        if begin >= last_end {
            count += 1;
            last_end = end;
        }
    }
    count
}
