//! Lambda invoke actions: the job event, what the function reports, and what happens if it does not.
//!
//! A report with a continuation token closes its job; the function is called again with a new job
//! that carries the token. CodePipeline's reference says that "future jobs use this token"; whether
//! their ids differ is not written anywhere, and a function must not count on either.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::execution::{ArtifactPlace, Failure, Outcome, RunId, Waiting};
use crate::refusal::{Code, Refusal};
use crate::state::{Effect, State, new_id};

/// The quota on all output variables of an action together.
const OUTPUT_VARIABLES_BYTES_MAX: usize = 122_880;

/// What the engine remembers of a job, also when it is closed.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub run: RunId,
    pub open: bool,
    pub data: Value,
}

/// A Lambda action that goes on.
#[derive(Clone, Debug)]
pub(crate) struct Polling {
    /// The job that was handed out last.
    pub job: String,
    pub token: Option<String>,
    pub silence_ends: Timestamp,
    pub ends: Timestamp,
    /// When the function is called again; nothing while it has the job.
    pub next_call: Option<Timestamp>,
}

impl Polling {
    pub(crate) fn deadline(&self) -> Timestamp {
        self.next_call.unwrap_or(self.silence_ends).min(self.ends)
    }
}

/// What `PutJobSuccessResult` says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Success {
    pub continuation_token: Option<String>,
    pub summary: Option<String>,
    pub external_id: Option<String>,
    pub percent_complete: Option<u64>,
    pub variables: BTreeMap<String, String>,
}

impl State {
    pub(crate) fn begin_job(&mut self, id: RunId) {
        let polling = Polling {
            job: String::new(),
            token: None,
            silence_ends: self.now,
            ends: self.now.plus(self.settings.job_total),
            next_call: None,
        };
        self.call(id, polling);
    }

    /// Hands out a job: calls the function.
    fn call(&mut self, id: RunId, mut polling: Polling) {
        polling.job = new_id();
        polling.next_call = None;
        polling.silence_ends = self.now.plus(self.settings.job_silence);
        let Some(run) = self.runs.get_mut(id) else { return };
        let function = run.configuration.get("FunctionName").cloned().unwrap_or_default();
        let mut data = Map::new();
        data.insert("actionConfiguration".to_owned(), json!({ "configuration": run.configuration }));
        data.insert("inputArtifacts".to_owned(), run.input_artifacts.iter().map(artifact).collect());
        data.insert("outputArtifacts".to_owned(), run.output_artifacts.iter().map(artifact).collect());
        data.insert("artifactCredentials".to_owned(), stand_in_credentials(polling.ends));
        if let Some(token) = &polling.token {
            data.insert("continuationToken".to_owned(), token.as_str().into());
        }
        let data = Value::Object(data);
        let event =
            json!({ "CodePipeline.job": { "id": polling.job, "accountId": self.pipeline.account_id, "data": data } });
        self.jobs.insert(polling.job.clone(), Job { run: id, open: true, data });
        run.waiting = Waiting::Job(polling);
        self.effects.push(Effect::Invoke { run: id, function, event });
    }

    /// Calls the function again, or fails the action that it said nothing about for too long.
    pub(crate) fn job_is_due(&mut self, id: RunId, polling: &Polling) {
        let function = self.run(id).and_then(|run| run.configuration.get("FunctionName")).cloned().unwrap_or_default();
        if polling.ends <= self.now {
            let hours = self.settings.job_total.as_secs() / 3600;
            let message = format!("The AWS Lambda function {function} did not end the action within {hours} hours.");
            self.end_run(id, Outcome::Failed(Failure::job_failed(message)));
        } else if polling.next_call.is_some() {
            self.call(id, polling.clone());
        } else {
            // CodePipeline's own words.
            let message = format!(
                "The AWS Lambda function {function} failed to return a result. Check the function to verify that it \
                 has permission to call the PutJobSuccessResult action and that it made a call to PutJobSuccessResult."
            );
            self.end_run(id, Outcome::Failed(Failure::job_failed(message)));
        }
    }

    /// Takes note that the function could not be called at all.
    pub(crate) fn not_invoked(&mut self, id: RunId, message: String) {
        self.end_run(id, Outcome::Failed(Failure::configuration(message)));
    }

    pub(crate) fn put_job_success(&mut self, job: &str, report: Success) -> Result<(), Refusal> {
        check_variables(&report)?;
        let (id, polling) = self.open_job(job)?;
        let next_call = self.now.plus(self.settings.poll_interval);
        let silence_ends = self.now.plus(self.settings.job_silence);
        let now = self.now;
        let Some(run) = self.runs.get_mut(id) else { return Err(not_found(job)) };
        run.updated = now;
        run.summary = report.summary.or_else(|| run.summary.take());
        run.external_id = report.external_id.or_else(|| run.external_id.take());
        run.percent_complete = report.percent_complete.or(run.percent_complete);
        if let Some(token) = report.continuation_token {
            run.waiting =
                Waiting::Job(Polling { token: Some(token), next_call: Some(next_call), silence_ends, ..polling });
            if let Some(job) = self.jobs.get_mut(job) {
                job.open = false;
            }
        } else {
            self.end_run(id, Outcome::Succeeded { variables: report.variables });
        }
        Ok(())
    }

    pub(crate) fn put_job_failure(
        &mut self,
        job: &str,
        failure: Failure,
        external_id: Option<String>,
    ) -> Result<(), Refusal> {
        let (id, _) = self.open_job(job)?;
        if let Some(run) = self.runs.get_mut(id) {
            run.external_id = external_id.or_else(|| run.external_id.take());
        }
        self.end_run(id, Outcome::Failed(failure));
        Ok(())
    }

    /// Answers `GetJobDetails`.
    pub(crate) fn job_details(&self, id: &str) -> Result<Value, Refusal> {
        let job = self.jobs.get(id).ok_or_else(|| not_found(id))?;
        let run = self.run(job.run).ok_or_else(|| not_found(id))?;
        let execution = self.execution(run.execution).ok_or_else(|| not_found(id))?;
        let stage = self.pipeline.stages.get(run.stage).map_or("", |stage| &stage.name);
        let mut data = job.data.clone();
        if let Some(data) = data.as_object_mut() {
            if let Some(action) = self.action_of(run) {
                data.insert("actionTypeId".to_owned(), action.type_id.json());
            }
            // The API's shape has three members; the event's expiry is not among them.
            if let Some(credentials) = data.get_mut("artifactCredentials").and_then(Value::as_object_mut) {
                credentials.remove("expirationTime");
            }
            let context = json!({
                "pipelineName": self.pipeline.name,
                "stage": { "name": stage },
                "action": { "name": run.action, "actionExecutionId": run.id },
                "pipelineArn": self.pipeline.arn(),
                "pipelineExecutionId": execution.id,
            });
            data.insert("pipelineContext".to_owned(), context);
        }
        Ok(json!({ "jobDetails": { "id": id, "data": data, "accountId": self.pipeline.account_id } }))
    }

    fn open_job(&self, id: &str) -> Result<(RunId, Polling), Refusal> {
        let job = self.jobs.get(id).ok_or_else(|| not_found(id))?;
        match self.run(job.run).map(|run| &run.waiting) {
            Some(Waiting::Job(polling)) if job.open => Ok((job.run, polling.clone())),
            Some(_) | None => Err(Code::InvalidJobState.because(format!("The job {id} is closed already."))),
        }
    }
}

fn not_found(id: &str) -> Refusal {
    Code::JobNotFound.because(format!("There is no job {id}."))
}

fn check_variables(report: &Success) -> Result<(), Refusal> {
    if report.variables.is_empty() {
        return Ok(());
    }
    if report.continuation_token.is_some() {
        return Err(Code::Validation
            .because("outputVariables can be included only when there is no continuation token on the request."));
    }
    for name in report.variables.keys() {
        let allowed = |character: char| character.is_ascii_alphanumeric() || "@-_".contains(character);
        if name.is_empty() || !name.chars().all(allowed) {
            return Err(Code::Validation.because(format!(
                "1 validation error detected: Value '{name}' at 'outputVariables' failed to satisfy constraint: \
                 Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [A-Za-z0-9@\\-_]+]"
            )));
        }
    }
    let bytes: usize = report.variables.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > OUTPUT_VARIABLES_BYTES_MAX {
        return Err(Code::OutputVariablesSizeExceeded.because(format!(
            "The output variables have {bytes} bytes; an action may have {OUTPUT_VARIABLES_BYTES_MAX}."
        )));
    }
    Ok(())
}

fn artifact(place: &ArtifactPlace) -> Value {
    json!({
        "name": place.name,
        "revision": place.revision,
        "location": { "type": "S3", "s3Location": { "bucketName": place.bucket, "objectKey": place.key } },
    })
}

/// Credentials of the right shape that open nothing.
fn stand_in_credentials(expires: Timestamp) -> Value {
    json!({
        "accessKeyId": "ASIASTANDIN",
        "secretAccessKey": "stand-in",
        "sessionToken": "stand-in",
        "expirationTime": expires.0,
    })
}
