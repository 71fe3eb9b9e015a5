//! What kind of event a function was called with: decided here, once.

use aws_lambda_events::codepipeline_job::CodePipelineJobEvent;
use serde_json::{Map, Value};

use crate::id::{ReleaseId, ServiceName, shown};
use crate::nearest::did_you_mean;
use crate::request::{Function, Request, RollbackScope, Verb};
use crate::token::Token;

/// How many keys of an event that is not known are named.
const KEYS_SHOWN: usize = 20;
/// How long the name of whoever calls may be: it stands in notices and logs.
const NAME_LENGTH: usize = 128;

/// A call of a function.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A CodePipeline job: whatever happens, its end is put to it.
    Job {
        /// The job's id.
        id: String,
        /// What its `UserParameters` ask, or everything that is wrong with them.
        ask: Result<Ask, Vec<String>>,
        /// The token of its call before this one.
        token: Option<Token>,
    },
    /// A direct call: a script or a person.
    Direct(Result<Ask, Vec<String>>),
    /// A pipeline execution ended without success.
    ExecutionEnded {
        /// The pipeline.
        pipeline: String,
        /// The execution's id: the release.
        execution: String,
        /// `FAILED`, `STOPPED`, `SUPERSEDED` or `CANCELED`.
        state: String,
    },
    /// An approval action failed: a person rejected it, or nobody answered in time.
    ApprovalFailed {
        /// The pipeline.
        pipeline: String,
        /// The execution's id: the release.
        execution: String,
        /// The approval action's name.
        action: String,
        /// The id of this execution of the action, as `ListActionExecutions` has it.
        action_execution: String,
    },
    /// An alarm went off.
    Alarm {
        /// Its name.
        name: String,
        /// CloudWatch's reason.
        reason: String,
    },
    /// The time of the sweep has come.
    Sweep,
}

/// What a job's `UserParameters` or a direct call ask.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// The service.
    pub service: ServiceName,
    /// The release.
    pub release: ReleaseId,
    /// What to do, from the function and `"action"`.
    pub verb: Verb,
    /// The pipeline whose execution the release is.
    pub pipeline: Option<String>,
    /// Of a promote: `"despite_alarms"`.
    pub despite_alarms: bool,
    /// Of a promote: `"fingerprint"`, register's output variable.
    pub fingerprint: Option<String>,
    /// Of a rollback: `"spare":"way-back"`.
    pub spare_way_back: bool,
    /// Who calls, by his own word.
    pub by: Option<String>,
}

impl Ask {
    /// The request of a job with this token, or of a direct call.
    pub fn request(self, job: Option<Token>) -> Request {
        Request {
            service: self.service,
            release: Some(self.release),
            verb: self.verb,
            pipeline: self.pipeline,
            started: job.map(|token| token.started),
            troubled: job.and_then(|token| token.troubled),
            kept_until: job.and_then(|token| token.kept_until),
            despite_alarms: self.despite_alarms,
            fingerprint: self.fingerprint,
            spare_way_back: self.spare_way_back,
            by: self.by,
        }
    }
}

/// Reads an event.
///
/// # Errors
/// A sentence that names what was expected, where the event is of none of the kinds that the function knows.
pub fn read(payload: &Value, function: Function) -> Result<Event, String> {
    let object = payload.as_object().ok_or_else(|| expected(function, "it is not a JSON object"))?;
    if object.contains_key("CodePipeline.job") {
        return job(payload, function);
    }
    if object.contains_key("detail-type") {
        return bus(object, function);
    }
    if object.contains_key("service") || object.contains_key("release") {
        return Ok(Event::Direct(ask(object, function)));
    }
    Err(expected(function, &format!("it has the keys {}", keys(object))))
}

fn job(payload: &Value, function: Function) -> Result<Event, String> {
    // Read by hand where the answer depends on it: a job that cannot be read cannot be answered either.
    let id = payload.pointer("/CodePipeline.job/id").and_then(Value::as_str).unwrap_or_default().to_owned();
    if id.is_empty() {
        return Err(expected(function, "its CodePipeline.job has no id"));
    }
    let event: CodePipelineJobEvent = match serde_json::from_value(payload.clone()) {
        Ok(event) => event,
        Err(error) => {
            let ask = Err(vec![format!("the CodePipeline job is not as AWS documents it: {error}")]);
            return Ok(Event::Job { id, ask, token: None });
        }
    };
    let data = event.code_pipeline_job.data;
    let token = data.continuation_token.as_deref().and_then(Token::read);
    let parameters = data.action_configuration.configuration.user_parameters.unwrap_or_default();
    let ask = if parameters.trim().is_empty() {
        Err(vec![format!("UserParameters is missing; write {}", example(function))])
    } else {
        match serde_json::from_str::<Value>(&parameters) {
            Ok(Value::Object(object)) => ask(&object, function),
            Ok(_) | Err(_) => Err(vec![format!("UserParameters is not a JSON object: write {}", example(function))]),
        }
    };
    Ok(Event::Job { id, ask, token })
}

fn bus(object: &Map<String, Value>, function: Function) -> Result<Event, String> {
    let text = |pointer: &[&str]| -> String {
        let mut value = object.get("detail");
        for key in pointer {
            value = value.and_then(|v| v.get(key));
        }
        value.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let source = object.get("source").and_then(Value::as_str).unwrap_or_default();
    let detail_type = object.get("detail-type").and_then(Value::as_str).unwrap_or_default();
    // What the event is about, and the words that it cannot do without.
    let known = match (source, detail_type) {
        ("aws.codepipeline", "CodePipeline Pipeline Execution State Change") => {
            let state = text(&["state"]);
            let (pipeline, execution) = (text(&["pipeline"]), text(&["execution-id"]));
            let over = ["FAILED", "STOPPED", "SUPERSEDED", "CANCELED"].contains(&state.as_str());
            over.then(|| (("execution-id", execution.clone()), Event::ExecutionEnded { pipeline, execution, state }))
        }
        ("aws.codepipeline", "CodePipeline Action Execution State Change") => {
            let (pipeline, execution) = (text(&["pipeline"]), text(&["execution-id"]));
            let (action, action_execution) = (text(&["action"]), text(&["action-execution-id"]));
            let failed = text(&["type", "category"]) == "Approval" && text(&["state"]) == "FAILED";
            failed.then(|| {
                let needed = ("execution-id", execution.clone());
                (needed, Event::ApprovalFailed { pipeline, execution, action, action_execution })
            })
        }
        ("aws.cloudwatch", "CloudWatch Alarm State Change") => {
            let (name, reason) = (text(&["alarmName"]), text(&["state", "reason"]));
            (text(&["state", "value"]) == "ALARM").then(|| (("alarmName", name.clone()), Event::Alarm { name, reason }))
        }
        ("aws.events" | "aws.scheduler", "Scheduled Event") => {
            Some((("detail-type", detail_type.to_owned()), Event::Sweep))
        }
        _ => None,
    };
    let (detail_type, source) = (shown(detail_type), shown(source));
    match (known, function) {
        (Some(((needed, value), _)), Function::Teardown) if value.is_empty() => {
            Err(expected(function, &format!("EventBridge's \"{detail_type}\" has no {needed} in its detail")))
        }
        (Some((_, event)), Function::Teardown) => Ok(event),
        (Some(_), Function::Provision | Function::Register | Function::Promote) => {
            Err(expected(function, &format!("EventBridge's \"{detail_type}\" is for teardown")))
        }
        (None, _) => Err(expected(function, &format!("it is EventBridge's \"{detail_type}\" of {source}"))),
    }
}

fn ask(object: &Map<String, Value>, function: Function) -> Result<Ask, Vec<String>> {
    let mut problems = Vec::new();
    let allowed: &[&str] = match function {
        Function::Teardown => &["service", "release", "pipeline", "by", "action", "spare"],
        Function::Promote => &["service", "release", "pipeline", "by", "despite_alarms", "fingerprint"],
        Function::Provision | Function::Register => &["service", "release", "pipeline", "by"],
    };
    for key in object.keys().filter(|key| !allowed.contains(&key.as_str())) {
        problems.push(format!(
            "\"{}\" is not a key of {}'s parameters{}; they are {}",
            shown(key),
            function.as_str(),
            did_you_mean(key, allowed.iter().copied()),
            allowed.join(", ")
        ));
    }
    let mut text = |key: &str| match object.get(key) {
        None => {
            problems.push(format!("\"{key}\" is missing; write {}", example(function)));
            None
        }
        Some(Value::String(text)) => Some(text.clone()),
        Some(other) => {
            problems.push(format!("\"{key}\" is {}; it is a string", shown(&other.to_string())));
            None
        }
    };
    let service = text("service");
    let release = text("release");
    let pipeline = if object.contains_key("pipeline") { text("pipeline") } else { None };
    let action = if object.contains_key("action") { text("action") } else { None };
    let fingerprint = if object.contains_key("fingerprint") { text("fingerprint") } else { None };
    let by = if object.contains_key("by") { text("by") } else { None };
    let spare = if object.contains_key("spare") { text("spare") } else { None };
    let despite_alarms = match object.get("despite_alarms") {
        None => false,
        Some(Value::Bool(yes)) => *yes,
        Some(other) => {
            problems.push(format!("\"despite_alarms\" is {other}; it is true or false"));
            false
        }
    };
    let service = service.and_then(|name| ServiceName::new(&name).map_err(|problem| problems.push(problem)).ok());
    let release = release.and_then(|id| ReleaseId::new(&id).map_err(|problem| problems.push(problem)).ok());
    let verb = verb(function, action.as_deref()).map_err(|problem| problems.push(problem)).ok();
    if let Some(by) = by.as_deref().filter(|by| !is_name(by)) {
        problems
            .push(format!("\"by\" is \"{}\"; it is a name of 1 to {NAME_LENGTH} characters on one line", shown(by)));
    }
    if let Some(spare) = spare.as_deref().filter(|spare| *spare != "way-back") {
        problems.push(format!("\"spare\" is \"{}\"; it is \"way-back\"", shown(spare)));
    } else if spare.is_some() && !matches!(verb, Some(Verb::Rollback { .. }) | None) {
        problems.push("\"spare\" is for \"action\":\"rollback\" alone".to_owned());
    }
    match (service, release, verb) {
        (Some(service), Some(release), Some(verb)) if problems.is_empty() => {
            let spare_way_back = spare.is_some();
            Ok(Ask { service, release, verb, pipeline, despite_alarms, fingerprint, spare_way_back, by })
        }
        _ => Err(problems),
    }
}

fn is_name(by: &str) -> bool {
    !by.trim().is_empty() && by.chars().count() <= NAME_LENGTH && !by.contains(char::is_control)
}

fn verb(function: Function, action: Option<&str>) -> Result<Verb, String> {
    match (function, action) {
        (Function::Provision, _) => Ok(Verb::Provision),
        (Function::Register, _) => Ok(Verb::Register),
        (Function::Promote, _) => Ok(Verb::Promote),
        (Function::Teardown, None | Some("finish")) => Ok(Verb::Finish),
        (Function::Teardown, Some("rollback")) => {
            Ok(Verb::Rollback { reason: "rolled back by a call".to_owned(), scope: RollbackScope::ToTheEnd })
        }
        (Function::Teardown, Some("remove")) => Ok(Verb::Remove),
        (Function::Teardown, Some(other)) => {
            let other = shown(other);
            Err(format!("\"action\" is \"{other}\"; it is \"finish\" (the default), \"rollback\" or \"remove\""))
        }
    }
}

fn example(function: Function) -> &'static str {
    match function {
        Function::Provision => r##"{"service":"mobile-web","release":"#{codepipeline.PipelineExecutionId}"}"##,
        Function::Register | Function::Promote => r##"{"service":"mobile-web","release":"#{Provision.Release}"}"##,
        Function::Teardown => r##"{"service":"mobile-web","release":"#{Provision.Release}","action":"finish"}"##,
    }
}

fn expected(function: Function, but: &str) -> String {
    let events = match function {
        Function::Teardown => {
            ", an EventBridge event (a pipeline execution that ended, a failed approval, an alarm, the schedule)"
        }
        Function::Provision | Function::Register | Function::Promote => "",
    };
    format!(
        "this event is nothing that {} knows: {but}. It takes a CodePipeline job{events}, or a direct call like {}",
        function.as_str(),
        example(function)
    )
}

fn keys(object: &Map<String, Value>) -> String {
    let mut keys: Vec<String> = object.keys().take(KEYS_SHOWN).map(|key| shown(key)).collect();
    if object.len() > keys.len() {
        keys.push(format!("and {} more", object.len() - keys.len()));
    }
    if keys.is_empty() { "none".to_owned() } else { keys.join(", ") }
}

/// A person's name from what CodePipeline's `updatedBy` holds, an IAM ARN as a rule; `None` where nobody answered.
pub fn person(updated_by: &str) -> Option<&str> {
    let name = updated_by.rsplit(['/', ':']).next().unwrap_or(updated_by).trim();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_named_by_the_end_of_the_arn() {
        for (updated_by, want) in [
            ("arn:aws:sts::123456789012:assumed-role/Dev/alice", Some("alice")),
            ("arn:aws:iam::123456789012:user/bob", Some("bob")),
            ("carol", Some("carol")),
            ("", None),
        ] {
            assert_eq!(person(updated_by), want, "{updated_by}");
        }
    }
}
