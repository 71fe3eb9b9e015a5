//! The state in the shapes that CodePipeline's API answers with.

use serde_json::{Map, Value, json};

use crate::definition::VERSION;
use crate::execution::{ActionRun, ArtifactPlace, Execution, Failure, StageStatus, Waiting};
use crate::state::{Lock, State};
use crate::variables::PIPELINE_NAMESPACE;

/// An object that leaves out what there is nothing to say of: AWS sends no nulls.
#[derive(Default)]
struct Shape(Map<String, Value>);

impl Shape {
    fn say(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    fn maybe<T: Into<Value>>(self, key: &str, value: Option<T>) -> Self {
        match value {
            Some(value) => self.say(key, value),
            None => self,
        }
    }

    fn done(self) -> Value {
        Value::Object(self.0)
    }
}

impl State {
    /// `GetPipeline`.
    pub(crate) fn declaration(&self) -> Value {
        let created = self.created.epoch_seconds();
        json!({
            "pipeline": self.pipeline.declaration,
            "metadata": { "pipelineArn": self.pipeline.arn(), "created": created, "updated": created },
        })
    }

    /// One of the pipelines of `ListPipelines`.
    pub(crate) fn listed(&self) -> Value {
        json!({
            "name": self.pipeline.name,
            "version": VERSION,
            "pipelineType": self.pipeline.pipeline_type,
            "executionMode": self.pipeline.execution_mode.name(),
            "created": self.created.epoch_seconds(),
            "updated": self.created.epoch_seconds(),
        })
    }

    /// `GetPipelineState`.
    pub(crate) fn pipeline_state(&self) -> Value {
        let stages: Vec<Value> =
            self.locks.iter().enumerate().map(|(index, lock)| self.stage_state(index, lock)).collect();
        json!({
            "pipelineName": self.pipeline.name,
            "pipelineVersion": VERSION,
            "stageStates": stages,
            "created": self.created.epoch_seconds(),
            "updated": self.created.epoch_seconds(),
        })
    }

    fn stage_state(&self, index: usize, lock: &Lock) -> Value {
        let Some(stage) = self.pipeline.stages.get(index) else { return Value::Null };
        let inbound: Vec<Value> = lock
            .waiting
            .iter()
            .filter_map(|number| self.execution(*number))
            .map(|execution| stage_execution(execution, StageStatus::InProgress))
            .collect();
        let actions: Vec<Value> = stage.actions.iter().map(|action| self.action_state(index, &action.name)).collect();
        let latest = lock.latest.and_then(|number| self.execution(number));
        let progress = latest.and_then(|execution| Some((execution, execution.progress.get(&index)?)));
        let retries = progress.map_or(0, |(_, progress)| progress.retries);
        let metadata = || json!({ "manualStageRetryAttempt": retries, "latestRetryTrigger": "ManualStageRetry" });
        let (who, when) = lock.transition.changed.clone().unzip();
        let transition = Shape::default()
            .say("enabled", lock.transition.enabled)
            .maybe("lastChangedBy", who)
            .maybe("lastChangedAt", when.map(|when| when.epoch_seconds()))
            .maybe("disabledReason", lock.transition.reason.clone());
        Shape::default()
            .say("stageName", stage.name.as_str())
            .maybe("inboundExecution", inbound.first().cloned())
            .maybe("inboundExecutions", (!inbound.is_empty()).then_some(inbound))
            .say("inboundTransitionState", transition.done())
            .say("actionStates", actions)
            .maybe("latestExecution", progress.map(|(execution, progress)| stage_execution(execution, progress.status)))
            .maybe("retryStageMetadata", (retries > 0).then(metadata))
            .done()
    }

    fn action_state(&self, stage: usize, name: &str) -> Value {
        let shape = Shape::default().say("actionName", name);
        let Some(run) = self.latest_run(stage, name).and_then(|run| self.run(run)) else { return shape.done() };
        let revision = self.execution(run.execution).and_then(|execution| {
            let revision = execution.revisions.iter().find(|revision| revision.action == name)?;
            Some(json!({
                "revisionId": revision.id,
                "revisionChangeId": revision.id,
                "created": revision.created.epoch_seconds(),
            }))
        });
        let token = match &run.waiting {
            Waiting::Person(pending) => Some(pending.token.clone()),
            Waiting::Hook | Waiting::Job(_) | Waiting::Over => None,
        };
        let latest = Shape::default()
            .say("actionExecutionId", run.id.as_str())
            .say("status", run.status.name())
            .maybe("summary", run.summary.clone())
            .say("lastStatusChange", run.updated.epoch_seconds())
            .maybe("token", token)
            .maybe("lastUpdatedBy", run.updated_by.clone())
            .maybe("externalExecutionId", run.external_id.clone())
            .maybe("externalExecutionUrl", run.external_url.clone())
            .maybe("percentComplete", run.percent_complete)
            .maybe("errorDetails", run.failure.as_ref().map(Failure::json));
        shape
            .maybe("currentRevision", revision)
            .say("latestExecution", latest.done())
            .maybe("entityUrl", run.configuration.get("ExternalEntityLink").cloned())
            .done()
    }

    /// `GetPipelineExecution`.
    pub(crate) fn pipeline_execution(&self, execution: &Execution) -> Value {
        let revisions: Vec<Value> =
            execution.revisions.iter().map(super::execution::Revision::artifact_revision).collect();
        let variables: Option<Vec<Value>> =
            execution.namespaces.get(PIPELINE_NAMESPACE).filter(|variables| !variables.is_empty()).map(|variables| {
                variables.iter().map(|(name, value)| json!({ "name": name, "resolvedValue": value })).collect()
            });
        let shape = Shape::default()
            .say("pipelineName", self.pipeline.name.as_str())
            .say("pipelineVersion", VERSION)
            .say("artifactRevisions", revisions)
            .maybe("variables", variables);
        json!({ "pipelineExecution": self.common(shape, execution).done() })
    }

    /// One of `ListPipelineExecutions`.
    pub(crate) fn execution_summary(&self, execution: &Execution) -> Value {
        let revisions: Vec<Value> =
            execution.revisions.iter().map(super::execution::Revision::source_revision).collect();
        let stop = execution.stop.as_ref().map(|stop| Shape::default().maybe("reason", stop.reason.clone()).done());
        let shape = Shape::default()
            .say("startTime", execution.started.epoch_seconds())
            .say("lastUpdateTime", execution.updated.epoch_seconds())
            .say("sourceRevisions", revisions)
            .maybe("stopTrigger", stop);
        self.common(shape, execution).done()
    }

    fn common(&self, shape: Shape, execution: &Execution) -> Shape {
        let kind = if execution.rollback.is_some() { "ROLLBACK" } else { "STANDARD" };
        let target = execution.rollback.as_ref();
        shape
            .say("pipelineExecutionId", execution.id.as_str())
            .say("status", execution.status.name())
            .maybe("statusSummary", execution.status_summary.clone())
            .say(
                "trigger",
                json!({ "triggerType": execution.trigger.kind.name(), "triggerDetail": execution.trigger.detail }),
            )
            .say("executionMode", self.pipeline.execution_mode.name())
            .say("executionType", kind)
            .maybe(
                "rollbackMetadata",
                target.map(|rollback| json!({ "rollbackTargetPipelineExecutionId": rollback.target })),
            )
    }

    /// One of `ListActionExecutions`.
    pub(crate) fn action_execution(&self, run: &ActionRun) -> Option<Value> {
        let execution = self.execution(run.execution)?;
        let action = self.action_of(run)?;
        let stage = self.pipeline.stages.get(run.stage)?;
        let region = action.region.as_deref().unwrap_or(&self.pipeline.region);
        let input = Shape::default()
            .say("actionTypeId", action.type_id.json())
            .say("configuration", json!(action.configuration))
            .say("resolvedConfiguration", json!(run.configuration))
            .maybe("roleArn", action.role_arn.clone())
            .say("region", region)
            .say("inputArtifacts", run.input_artifacts.iter().map(artifact).collect::<Vec<_>>())
            .maybe("namespace", action.namespace.clone());
        let result = Shape::default()
            .maybe("externalExecutionId", run.external_id.clone())
            .maybe("externalExecutionSummary", run.summary.clone())
            .maybe("externalExecutionUrl", run.external_url.clone())
            .maybe("errorDetails", run.failure.as_ref().map(Failure::json))
            .done();
        let outputs: &[ArtifactPlace] = if run.goes_on() { &[] } else { &run.output_artifacts };
        let output = Shape::default()
            .say("outputArtifacts", outputs.iter().map(artifact).collect::<Vec<_>>())
            .say("executionResult", result)
            .say("outputVariables", json!(run.output_variables));
        let shape = Shape::default()
            .say("pipelineExecutionId", execution.id.as_str())
            .say("actionExecutionId", run.id.as_str())
            .say("pipelineVersion", VERSION)
            .say("stageName", stage.name.as_str())
            .say("actionName", run.action.as_str())
            .say("startTime", run.started.epoch_seconds())
            .say("lastUpdateTime", run.updated.epoch_seconds())
            .maybe("updatedBy", run.updated_by.clone())
            .say("status", run.status.name())
            .say("input", input.done())
            .say("output", output.done());
        Some(shape.done())
    }
}

impl Failure {
    fn json(&self) -> Value {
        json!({ "code": self.code, "message": self.message })
    }
}

fn stage_execution(execution: &Execution, status: StageStatus) -> Value {
    let kind = if execution.rollback.is_some() { "ROLLBACK" } else { "STANDARD" };
    json!({ "pipelineExecutionId": execution.id, "status": status.name(), "type": kind })
}

fn artifact(place: &ArtifactPlace) -> Value {
    json!({ "name": place.name, "s3location": { "bucket": place.bucket, "key": place.key } })
}
