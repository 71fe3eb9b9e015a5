//! Events of every kind: from right ones, spoilt, and from scratch. Each is read by all four functions.

#![expect(clippy::indexing_slicing, reason = "JSON objects made here: a key that is missing is put in")]

use std::fmt;

use domain::event::{Ask, Event, read};
use domain::refusal::{Refusal, WaitFor};
use domain::report;
use domain::request::{Function, RollbackScope, Verb};
use domain::tags;
use serde_json::{Value, json};

use crate::choices::Choices;
use crate::run::{Kept, promise};
use crate::words::{fits_a_job, fits_sns};
use crate::{json, text};

/// The four functions.
pub const FUNCTIONS: [Function; 4] = [Function::Provision, Function::Register, Function::Promote, Function::Teardown];

/// Keys of events, here and there.
const KEYS: &[&str] = &[
    "CodePipeline.job",
    "id",
    "data",
    "actionConfiguration",
    "configuration",
    "UserParameters",
    "continuationToken",
    "inputArtifacts",
    "detail-type",
    "source",
    "detail",
    "state",
    "value",
    "reason",
    "alarmName",
    "pipeline",
    "execution-id",
    "action-execution-id",
    "type",
    "category",
    "service",
    "release",
    "action",
];

const SERVICES: &[&str] = &["mobile-web", "mobile-web-stg", "a", "payroll", "mobile_web", "", "-"];
const RELEASES: &[&str] =
    &["7a9a5b1e-0f2d-4f8b-9d1c-2f7f2d9d4c11", "r1", "r2", "#{Provision.Release}", "a,b", " r", "aws:r", ""];
const ACTIONS: &[&str] = &["finish", "rollback", "remove", "undo", ""];
const JOB: &str = "11111111-abcd-1111-abcd-111111abcdef";

/// An event, and what it is if nothing of it was spoilt.
pub struct Payload {
    bytes: Vec<u8>,
    /// The function that it is for, and that it is right.
    right: Option<(Function, Kind)>,
}

/// What a right event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Job,
    Direct,
    ExecutionEnded,
    Approval,
    Alarm,
    Sweep,
    /// Right, but nothing to act on.
    Ignored,
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (right: {:?})", String::from_utf8_lossy(&self.bytes), self.right)
    }
}

impl Payload {
    /// The event as it is sent.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Makes an event.
pub fn make(c: &mut Choices) -> Payload {
    let (mut event, function, kind) = right(c);
    if c.chance(20) {
        return Payload { bytes: event.to_string().into_bytes(), right: Some((function, kind)) };
    }
    match c.below(10) {
        0 => event = json::any(c, KEYS, 4),
        1 => {
            let text = json::spoilt_text(c, &event);
            let mut bytes = text.into_bytes();
            if c.chance(20) {
                // Not UTF-8.
                let at = c.upto(bytes.len());
                bytes.insert(at, 0xff);
            }
            return Payload { bytes, right: None };
        }
        _ => {
            for _ in 0..=c.upto(3) {
                json::spoil(c, &mut event, KEYS);
            }
        }
    }
    Payload { bytes: event.to_string().into_bytes(), right: None }
}

/// What is asked, rightly, of one of the functions.
fn asked(c: &mut Choices, function: Function) -> Value {
    let mut ask = json!({"service": c.word(&["mobile-web", "a", "mobile-web-stg"]), "release": c.word(&["r1", "7a9a5b1e-0f2d-4f8b-9d1c-2f7f2d9d4c11", "v1.2 +hot/fix@x=y_z:1"])});
    if c.chance(30) {
        ask["pipeline"] = json!(c.word(&["mobile-web", "p"]));
    }
    if function == Function::Teardown && c.chance(60) {
        ask["action"] = json!(c.word(&["finish", "rollback", "remove"]));
    }
    ask
}

/// A CodePipeline job as AWS documents it.
pub fn job(parameters: &str, token: Option<&str>) -> Value {
    let mut job = json!({"CodePipeline.job": {
        "id": JOB, "accountId": "123456789012",
        "data": {
            "actionConfiguration": {"configuration": {"FunctionName": "pointsman", "UserParameters": parameters}},
            "inputArtifacts": [], "outputArtifacts": [],
            "artifactCredentials": {"accessKeyId": "A", "secretAccessKey": "s", "sessionToken": "t"},
        },
    }});
    if let Some(token) = token {
        job["CodePipeline.job"]["data"]["continuationToken"] = json!(token);
    }
    job
}

/// A right event, for which function it is, and what it is about.
fn right(c: &mut Choices) -> (Value, Function, Kind) {
    let function = *c.pick(&FUNCTIONS).unwrap_or(&Function::Teardown);
    let teardown = Function::Teardown;
    let execution = c.word(&["7a9a5b1e-0f2d-4f8b-9d1c-2f7f2d9d4c11", "r1"]);
    let bus = |source: &str, kind: &str, detail: Value| json!({"version": "0", "id": "e", "source": source, "detail-type": kind, "account": "1", "time": "2026-11-21T10:00:00Z", "region": "eu-west-1", "resources": [], "detail": detail});
    match c.below(7) {
        0 | 1 => {
            let token = c.chance(40).then_some(r#"{"v":1,"started":1795258800,"attempt":2}"#);
            (job(&asked(c, function).to_string(), token), function, Kind::Job)
        }
        2 => (asked(c, function), function, Kind::Direct),
        3 => {
            let state = c.word(&["FAILED", "STOPPED", "SUPERSEDED", "CANCELED", "SUCCEEDED", "STARTED"]);
            let kind =
                if state.starts_with("SUCC") || state == "STARTED" { Kind::Ignored } else { Kind::ExecutionEnded };
            let detail = json!({"pipeline": "p", "execution-id": execution, "state": state, "version": 1});
            (bus("aws.codepipeline", "CodePipeline Pipeline Execution State Change", detail), teardown, kind)
        }
        4 => {
            let detail = json!({"pipeline": "p", "execution-id": execution, "stage": "Release", "action": "ShipIt",
                "action-execution-id": "x", "state": "FAILED", "region": "eu-west-1", "version": 1,
                "type": {"owner": "AWS", "category": "Approval", "provider": "Manual", "version": "1"}});
            (bus("aws.codepipeline", "CodePipeline Action Execution State Change", detail), teardown, Kind::Approval)
        }
        5 => {
            let detail = json!({"alarmName": "mobile-5xx", "state": {"value": "ALARM", "reason": "Threshold Crossed", "timestamp": "2026-11-21T10:00:00.000+0000"}, "previousState": {"value": "OK"}});
            (bus("aws.cloudwatch", "CloudWatch Alarm State Change", detail), teardown, Kind::Alarm)
        }
        _ => (bus(c.word(&["aws.events", "aws.scheduler"]), "Scheduled Event", json!({})), teardown, Kind::Sweep),
    }
}

/// What is promised for every event.
pub fn check(payload: &Payload) -> Kept {
    // What is no JSON, Lambda's own runtime answers.
    let Ok(value) = serde_json::from_slice::<Value>(&payload.bytes) else { return Ok(()) };
    for function in FUNCTIONS {
        let result = read(&value, function);
        let shown = || format!("{} reads {result:?}", function.as_str());
        let id = value.pointer("/CodePipeline.job/id").and_then(Value::as_str).unwrap_or_default();
        let job = matches!(&result, Ok(Event::Job { id: read, .. }) if read == id);
        promise(id.is_empty() || job, "a job with an id can be answered", shown)?;
        match &result {
            Err(words) => {
                promise(words.contains(function.as_str()), "who does not know an event says who it is", shown)?;
                promise(words.chars().count() <= 5_000, "what is not known is said shortly", || {
                    format!("{} characters", words.chars().count())
                })?;
            }
            Ok(Event::Job { id, ask, .. }) => {
                promise(!id.is_empty(), "a job has an id", shown)?;
                is_right(ask, function)?;
            }
            Ok(Event::Direct(ask)) => is_right(ask, function)?,
            Ok(Event::ExecutionEnded { execution, .. } | Event::ApprovalFailed { execution, .. }) => {
                promise(
                    function == Function::Teardown && !execution.is_empty(),
                    "an event names its execution",
                    shown,
                )?;
            }
            Ok(Event::Alarm { name, .. }) => {
                promise(function == Function::Teardown && !name.is_empty(), "an alarm has a name", shown)?;
            }
            Ok(Event::Sweep) => promise(function == Function::Teardown, "the sweep is teardown's", shown)?,
        }
        if let Some((of, kind)) = payload.right
            && of == function
        {
            promise(kind_of(&result) == kind, "a right event is what it is", shown)?;
        }
    }
    Ok(())
}

fn kind_of(result: &Result<Event, String>) -> Kind {
    match result {
        Ok(Event::Job { ask: Ok(_), .. }) => Kind::Job,
        Ok(Event::Direct(Ok(_))) => Kind::Direct,
        Ok(Event::ExecutionEnded { .. }) => Kind::ExecutionEnded,
        Ok(Event::ApprovalFailed { .. }) => Kind::Approval,
        Ok(Event::Alarm { .. }) => Kind::Alarm,
        Ok(Event::Sweep) => Kind::Sweep,
        Ok(Event::Job { ask: Err(_), .. } | Event::Direct(Err(_))) | Err(_) => Kind::Ignored,
    }
}

/// What is asked can be carried out and tagged, or everybody hears what is wrong with it.
pub fn is_right(ask: &Result<Ask, Vec<String>>, function: Function) -> Kept {
    match ask {
        Ok(ask) => {
            let shown = || format!("{ask:?}");
            let service = ask.service.as_str();
            let lower = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            promise((1..=64).contains(&service.len()) && service.bytes().all(lower), "a service's name is one", shown)?;
            let release = ask.release.as_str();
            let good = (1..=255).contains(&release.chars().count()) && release.chars().all(tags::is_tag_character);
            promise(good && release.trim() == release, "a release is a tag's value", shown)?;
            let own = match (&ask.verb, function) {
                (Verb::Provision, Function::Provision)
                | (Verb::Register, Function::Register)
                | (Verb::Promote, Function::Promote)
                | (Verb::Finish | Verb::Remove, Function::Teardown) => true,
                (Verb::Rollback { scope, .. }, Function::Teardown) => *scope == RollbackScope::ToTheEnd,
                _ => false,
            };
            promise(own, "a function is asked for what it does", shown)
        }
        Err(problems) => {
            let shown = || format!("{problems:?}");
            let some = !problems.is_empty() && problems.iter().all(|problem| !problem.trim().is_empty());
            promise(some, "a wrong call's faults are named", shown)?;
            let refusal = Refusal::BadCall { problems: problems.clone() };
            fits_a_job(&refusal.to_string())?;
            let notice = report::bad_call(function, &refusal);
            notice.iter().try_for_each(fits_sns)?;
            promise(notice.is_some(), "somebody is told of a wrong call", shown)
        }
    }
}

/// `UserParameters` and the token of a job.
#[derive(Debug)]
pub struct Parameters {
    text: String,
    token: Option<String>,
    function: Function,
}

/// Makes them: right ones, spoilt ones, any text.
pub fn make_parameters(c: &mut Choices) -> Parameters {
    let function = *c.pick(&FUNCTIONS).unwrap_or(&Function::Teardown);
    let mut ask = asked(c, function);
    if c.chance(60) {
        ask["service"] = json!(text::like(c, SERVICES, 60));
        ask["release"] = json!(text::like(c, RELEASES, 60));
        if c.chance(50) {
            ask["action"] = json!(text::like(c, ACTIONS, 70));
        }
    }
    if c.chance(40) {
        json::spoil(c, &mut ask, KEYS);
    }
    let text = match c.below(5) {
        0..=2 => ask.to_string(),
        3 => json::spoilt_text(c, &ask),
        _ => text::wild(c),
    };
    let token = c.chance(60).then(|| match c.below(4) {
        0 => json!({"v": c.number(), "started": c.number(), "attempt": c.number()}).to_string(),
        1 => json!({"v": 1, "started": c.number(), "attempt": c.below(u32::MAX)}).to_string(),
        2 => text::like(c, &[r#"{"v":1,"started":1795258800,"attempt":2}"#, "1", "null", "[]"], 50),
        _ => json::any(c, &["v", "started", "attempt"], 2).to_string(),
    });
    Parameters { text, token, function }
}

/// What is promised for all of them.
pub fn check_parameters(parameters: &Parameters) -> Kept {
    let payload = job(&parameters.text, parameters.token.as_deref());
    let result = read(&payload, parameters.function);
    let Ok(Event::Job { id, ask, token }) = &result else {
        return promise(false, "a job with an id can be answered", || format!("{result:?}"));
    };
    promise(id == JOB, "a job keeps its id", || id.clone())?;
    is_right(ask, parameters.function)?;
    let Some(token) = token else { return Ok(()) };
    let next = token.next(&WaitFor::Time, token.started);
    let written = next.write();
    promise((1..=2048).contains(&written.chars().count()), "CodePipeline takes a token", || written.clone())?;
    let read = domain::token::Token::read(&written);
    promise(read == Some(next) && next.started == token.started, "a token comes back as it went", || written.clone())?;
    promise(next.attempt >= token.attempt, "an attempt is counted", || written.clone())
}
