//! CodePipeline's API: JSON in, JSON out, by the name of the action.

use std::collections::BTreeMap;
use std::sync::Arc;

use gateway::{BoxFuture, Request, Response};
use serde_json::{Map, Value, json};

use crate::approval::Answer;
use crate::command::RetryMode;
use crate::definition::VERSION;
use crate::engine::{Access, Engine};
use crate::execution::{Failure, SourceOverride, StageStatus, Trigger, TriggerType};
use crate::input::{Input, page};
use crate::job::Success;
use crate::refusal::{Code, Refusal};
use crate::state::State;

/// The most that a page has, of anything but pipelines.
const RESULTS_MAX: u64 = 100;
const PIPELINES_MAX: u64 = 1000;

/// Makes the handler that a gateway mounts as `codepipeline`. It answers for all of these pipelines,
/// and stops doing so when they are dropped.
#[must_use]
pub fn handler(engines: &[&Engine]) -> gateway::Handler {
    let api = Arc::new(Api::of(engines));
    Arc::new(move |request: Request| -> BoxFuture<'static, Response> {
        let api = Arc::clone(&api);
        Box::pin(async move {
            match api.answer(&request.action, &request.caller, &request.json()) {
                Ok(answer) => Response::json(&answer),
                Err(Refusal { code, message }) => Response::error(&request, code.status(), code.name(), &message),
            }
        })
    })
}

/// CodePipeline's API over some pipelines.
#[derive(Debug)]
pub struct Api {
    pipelines: Vec<Access>,
}

impl Api {
    #[must_use]
    pub fn of(engines: &[&Engine]) -> Self {
        Self { pipelines: engines.iter().map(|engine| engine.access()).collect() }
    }

    /// Answers one call. `caller` is the access key id that it was signed with.
    pub fn answer(&self, action: &str, caller: &str, body: &Value) -> Result<Value, Refusal> {
        let input = Input::of(body);
        match action {
            "ListPipelines" => self.list_pipelines(input),
            "GetPipeline" => self.named(input, "name", |state| get_pipeline(state, input)),
            "GetPipelineState" => self.named(input, "name", |state| Ok(state.pipeline_state())),
            "StartPipelineExecution" => self.named(input, "name", |state| start(state, input, caller)),
            "GetPipelineExecution" => self.named(input, "pipelineName", |state| get_execution(state, input)),
            "ListPipelineExecutions" => self.named(input, "pipelineName", |state| list_executions(state, input)),
            "ListActionExecutions" => self.named(input, "pipelineName", |state| list_actions(state, input)),
            "StopPipelineExecution" => self.named(input, "pipelineName", |state| stop(state, input)),
            "RetryStageExecution" => self.named(input, "pipelineName", |state| retry(state, input)),
            "RollbackStage" => self.named(input, "pipelineName", |state| rollback(state, input, caller)),
            "EnableStageTransition" => {
                self.named(input, "pipelineName", |state| transition(state, input, caller, true))
            }
            "DisableStageTransition" => {
                self.named(input, "pipelineName", |state| transition(state, input, caller, false))
            }
            "PutApprovalResult" => self.named(input, "pipelineName", |state| approve(state, input, caller)),
            "PutJobSuccessResult" => self.job(input, |state, job| put_success(state, input, job)),
            "PutJobFailureResult" => self.job(input, |state, job| put_failure(state, input, job)),
            "GetJobDetails" => self.job(input, |state, job| state.job_details(job)),
            other => Err(Code::UnknownOperation.because(format!("{other} is not an operation that is answered here."))),
        }
    }

    fn list_pipelines(&self, input: Input<'_>) -> Result<Value, Refusal> {
        let all: Vec<Value> = self.pipelines.iter().filter_map(|access| access.with(|state| state.listed())).collect();
        let (pipelines, next) = page(input, all, PIPELINES_MAX)?;
        Ok(paged("pipelines", pipelines, next))
    }

    /// Does something with the pipeline that the call names.
    fn named(
        &self,
        input: Input<'_>,
        member: &str,
        act: impl Fn(&mut State) -> Result<Value, Refusal>,
    ) -> Result<Value, Refusal> {
        let name = input.text(member)?;
        let found = self.pipelines.iter().filter(|access| access.name() == name);
        let answer = found.filter_map(|access| access.with(&act)).next();
        answer.unwrap_or_else(|| Err(Code::PipelineNotFound.because(format!("There is no pipeline {name}."))))
    }

    /// Does something with the pipeline that a job is of.
    fn job(
        &self,
        input: Input<'_>,
        act: impl Fn(&mut State, &str) -> Result<Value, Refusal>,
    ) -> Result<Value, Refusal> {
        let id = input.text("jobId")?;
        let answer = self
            .pipelines
            .iter()
            .find_map(|access| access.with(|state| state.jobs.contains_key(id).then(|| act(state, id))).flatten());
        answer.unwrap_or_else(|| Err(Code::JobNotFound.because(format!("There is no job {id}."))))
    }
}

fn get_pipeline(state: &State, input: Input<'_>) -> Result<Value, Refusal> {
    match input.number("version") {
        Some(version) if version != VERSION => Err(Code::PipelineVersionNotFound
            .because(format!("The pipeline {} has no version {version}.", state.pipeline.name))),
        Some(_) | None => Ok(state.declaration()),
    }
}

fn start(state: &mut State, input: Input<'_>, caller: &str) -> Result<Value, Refusal> {
    let mut overrides: BTreeMap<String, SourceOverride> = BTreeMap::new();
    for revision in input.list("sourceRevisions").map(Input::of) {
        let wanted = overrides.entry(revision.text("actionName")?.to_owned()).or_default();
        let value = Some(revision.text("revisionValue")?.to_owned());
        match revision.text("revisionType")? {
            "S3_OBJECT_VERSION_ID" => wanted.object_version = value,
            "S3_OBJECT_KEY" => wanted.object_key = value,
            other => {
                return Err(Code::Validation.because(format!("The revision type {other} is not one of an S3 source.")));
            }
        }
    }
    let mut variables = BTreeMap::new();
    for variable in input.list("variables").map(Input::of) {
        let name = variable.text("name")?;
        if !state.pipeline.variables.contains_key(name) {
            return Err(Code::Validation.because(format!("The pipeline has no variable {name}.")));
        }
        variables.insert(name.to_owned(), variable.text("value")?.to_owned());
    }
    let trigger = Trigger { kind: TriggerType::StartPipelineExecution, detail: user(state, caller) };
    let token = input.maybe_text("clientRequestToken")?.map(ToOwned::to_owned);
    let id = state.start_once(token, trigger, overrides, &variables);
    Ok(json!({ "pipelineExecutionId": id }))
}

fn get_execution(state: &State, input: Input<'_>) -> Result<Value, Refusal> {
    let id = input.text("pipelineExecutionId")?;
    let execution = state.find(id).ok_or_else(|| no_execution(id))?;
    Ok(state.pipeline_execution(execution))
}

fn list_executions(state: &State, input: Input<'_>) -> Result<Value, Refusal> {
    let filter = input.structure("filter", "filter.").structure("succeededInStage", "filter.succeededInStage.");
    let stage = filter.maybe_text("stageName")?.map(|name| state.pipeline.stage_index(name));
    let succeeded = |execution: &&crate::execution::Execution| match stage {
        None => true,
        Some(stage) => stage
            .and_then(|stage| execution.progress.get(&stage))
            .is_some_and(|progress| progress.status == StageStatus::Succeeded),
    };
    let all: Vec<Value> =
        state.executions.iter().rev().filter(succeeded).map(|execution| state.execution_summary(execution)).collect();
    let (summaries, next) = page(input, all, RESULTS_MAX)?;
    Ok(paged("pipelineExecutionSummaries", summaries, next))
}

fn list_actions(state: &State, input: Input<'_>) -> Result<Value, Refusal> {
    let filter = input.structure("filter", "filter.");
    let latest = filter.structure("latestInPipelineExecution", "filter.latestInPipelineExecution.");
    let id = match filter.maybe_text("pipelineExecutionId")? {
        Some(id) => Some(id),
        None => latest.maybe_text("pipelineExecutionId")?,
    };
    let number = match id {
        Some(id) if uuid::Uuid::parse_str(id).is_err() => {
            let pattern = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
            let constraint = format!("Member must satisfy regular expression pattern: {pattern}");
            return Err(filter.wrong("pipelineExecutionId", &format!("'{id}'"), &constraint));
        }
        Some(id) => Some(state.find(id).ok_or_else(|| no_execution(id))?.number),
        None => None,
    };
    // `Latest` leaves out the runs that a retry has run again.
    let only_latest = latest.maybe_text("startTimeRange")? == Some("Latest");
    let mut seen = std::collections::HashSet::new();
    let all: Vec<Value> = state
        .runs
        .iter()
        .rev()
        .filter(|run| number.is_none_or(|number| run.execution == number))
        .filter(|run| !only_latest || seen.insert((run.stage, run.action.clone())))
        .filter_map(|run| state.action_execution(run))
        .collect();
    let (details, next) = page(input, all, RESULTS_MAX)?;
    Ok(paged("actionExecutionDetails", details, next))
}

fn stop(state: &mut State, input: Input<'_>) -> Result<Value, Refusal> {
    let id = input.text("pipelineExecutionId")?;
    let reason = input.text_within("reason", 0, 200)?;
    state.stop(id, reason, input.flag("abandon"))?;
    Ok(json!({ "pipelineExecutionId": id }))
}

fn retry(state: &mut State, input: Input<'_>) -> Result<Value, Refusal> {
    let id = input.text("pipelineExecutionId")?;
    let words = [("FAILED_ACTIONS", RetryMode::FailedActions), ("ALL_ACTIONS", RetryMode::AllActions)];
    let mode = input.one_of("retryMode", &words)?;
    state.retry(input.text("stageName")?, id, mode)?;
    Ok(json!({ "pipelineExecutionId": id }))
}

fn rollback(state: &mut State, input: Input<'_>, caller: &str) -> Result<Value, Refusal> {
    let who = user(state, caller);
    let id = state.rollback(input.text("stageName")?, input.text("targetPipelineExecutionId")?, &who)?;
    Ok(json!({ "pipelineExecutionId": id }))
}

fn transition(state: &mut State, input: Input<'_>, caller: &str, enabled: bool) -> Result<Value, Refusal> {
    let stage = input.text("stageName")?;
    let outbound = input.one_of("transitionType", &[("Inbound", false), ("Outbound", true)])?;
    let reason = if enabled { None } else { Some(input.text("reason")?.to_owned()) };
    let who = user(state, caller);
    // What leaves a stage enters the next one.
    let next = || {
        let index = state.pipeline.stage_index(stage)?;
        state.pipeline.stages.get(index + 1).map(|stage| stage.name.clone())
    };
    let stage = if outbound { next() } else { None }.unwrap_or_else(|| stage.to_owned());
    state.set_transition(&stage, enabled, reason, &who)?;
    Ok(json!({}))
}

fn approve(state: &mut State, input: Input<'_>, caller: &str) -> Result<Value, Refusal> {
    let result = input.structure("result", "result.");
    let words = [("Approved", Answer::Approved), ("Rejected", Answer::Rejected)];
    let answer = result.one_of("status", &words)?;
    let summary = result.text_within("summary", 0, 512)?.unwrap_or_default();
    let who = user(state, caller);
    let (stage, action, token) = (input.text("stageName")?, input.text("actionName")?, input.text("token")?);
    let approved_at = state.put_approval(stage, action, token, answer, &summary, &who)?;
    Ok(json!({ "approvedAt": approved_at.epoch_seconds() }))
}

fn put_success(state: &mut State, input: Input<'_>, job: &str) -> Result<Value, Refusal> {
    let details = input.structure("executionDetails", "executionDetails.");
    let report = Success {
        continuation_token: input.text_within("continuationToken", 1, 2048)?,
        summary: details.text_within("summary", 1, 2048)?,
        external_id: details.text_within("externalExecutionId", 1, 1500)?,
        percent_complete: details.number("percentComplete"),
        variables: input.map("outputVariables").collect(),
    };
    state.put_job_success(job, report)?;
    Ok(json!({}))
}

fn put_failure(state: &mut State, input: Input<'_>, job: &str) -> Result<Value, Refusal> {
    let details = input.structure("failureDetails", "failureDetails.");
    let types = [
        "JobFailed",
        "ConfigurationError",
        "PermissionError",
        "RevisionOutOfSync",
        "RevisionUnavailable",
        "SystemUnavailable",
    ];
    let code = details.one_of("type", &types.map(|name| (name, name)))?;
    details.text("message")?;
    let message = details.text_within("message", 1, 5000)?.unwrap_or_default();
    let external_id = details.text_within("externalExecutionId", 1, 1500)?;
    state.put_job_failure(job, Failure { code: code.to_owned(), message }, external_id)?;
    Ok(json!({}))
}

fn paged(member: &str, items: Vec<Value>, next: Option<String>) -> Value {
    let mut answer = Map::from_iter([(member.to_owned(), Value::Array(items))]);
    answer.extend(next.map(|next| ("nextToken".to_owned(), Value::String(next))));
    Value::Object(answer)
}

/// Callers are known by their access key ids; CodePipeline names them by ARN.
fn user(state: &State, caller: &str) -> String {
    format!("arn:aws:iam::{}:user/{caller}", state.pipeline.account_id)
}

fn no_execution(id: &str) -> Refusal {
    Code::PipelineExecutionNotFound.because(format!("There is no execution {id}."))
}
