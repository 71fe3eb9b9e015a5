//! The events that AWS would put on EventBridge's default bus.

use serde_json::{Map, Value, json};

use crate::definition::{Pipeline, TypeId, VERSION};
use crate::deploy::Deployment;
use crate::execution::{ActionRun, ArtifactPlace, Execution};
use crate::state::{State, new_id};

/// `CodePipeline Pipeline Execution State Change`.
pub(crate) fn pipeline(state: &State, execution: &Execution, name: &str) -> Value {
    let mut detail = base(state, execution, name);
    let trigger = &execution.trigger;
    detail.insert(
        "execution-trigger".to_owned(),
        json!({ "trigger-type": trigger.kind.name(), "trigger-detail": trigger.detail }),
    );
    if let Some(reason) = execution.stop.as_ref().and_then(|stop| stop.reason.as_deref()) {
        detail.insert("stop-execution-comments".to_owned(), reason.into());
    }
    envelope(state, "CodePipeline Pipeline Execution State Change", detail)
}

/// `CodePipeline Stage Execution State Change`.
pub(crate) fn stage(state: &State, execution: &Execution, stage: usize, name: &str) -> Value {
    let mut detail = base(state, execution, name);
    detail.insert("stage".to_owned(), stage_name(&state.pipeline, stage).into());
    envelope(state, "CodePipeline Stage Execution State Change", detail)
}

/// `CodePipeline Action Execution State Change`.
pub(crate) fn action(state: &State, run: &ActionRun, name: &str) -> Option<Value> {
    let execution = state.execution(run.execution)?;
    let definition = state.action_of(run)?;
    let mut detail = base(state, execution, name);
    let mut say = |key: &str, value: Value| {
        detail.insert(key.to_owned(), value);
    };
    say("stage", stage_name(&state.pipeline, run.stage).into());
    say("action", run.action.as_str().into());
    say("action-execution-id", run.id.as_str().into());
    say("region", state.pipeline.region.as_str().into());
    say("type", definition.type_id.json());
    say("input-artifacts", run.input_artifacts.iter().map(artifact).collect());
    if !run.goes_on() {
        say("output-artifacts", run.output_artifacts.iter().map(artifact).collect());
        say("execution-result", execution_result(run));
    }
    Some(envelope(state, "CodePipeline Action Execution State Change", detail))
}

/// `CodeDeploy Deployment State-change Notification`, which has names and states of its own.
pub(crate) fn deployment(state: &State, deployment: &Deployment, name: &str) -> Value {
    let Pipeline { region, account_id, .. } = &state.pipeline;
    let Deployment { application, deployment_group, .. } = deployment;
    let arn = format!("arn:aws:codedeploy:{region}:{account_id}");
    let resources = json!([
        format!("{arn}:deploymentgroup:{application}/{deployment_group}"),
        format!("{arn}:application:{application}"),
    ]);
    let detail = json!({
        "instanceGroupId": new_id(),
        "region": region,
        "application": application,
        "deploymentId": deployment.id,
        "state": name,
        "deploymentGroup": deployment_group,
    });
    event(state, "aws.codedeploy", "CodeDeploy Deployment State-change Notification", &resources, &detail)
}

impl TypeId {
    pub(crate) fn json(&self) -> Value {
        json!({ "category": self.category, "owner": self.owner, "provider": self.provider, "version": self.version })
    }
}

fn base(state: &State, execution: &Execution, name: &str) -> Map<String, Value> {
    let fields = [
        ("pipeline", Value::from(state.pipeline.name.as_str())),
        ("execution-id", execution.id.as_str().into()),
        ("state", name.into()),
        ("version", VERSION.into()),
        ("pipeline-execution-attempt", execution.attempt.into()),
    ];
    fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn execution_result(run: &ActionRun) -> Value {
    let mut result = Map::new();
    let mut say = |key: &str, value: Option<&str>| {
        result.extend(value.map(|value| (key.to_owned(), Value::from(value))));
    };
    let failure = run.failure.as_ref();
    say("external-execution-url", run.external_url.as_deref());
    say("external-execution-summary", failure.map(|failure| failure.message.as_str()).or(run.summary.as_deref()));
    say("external-execution-id", run.external_id.as_deref());
    say("error-code", failure.map(|failure| failure.code.as_str()));
    Value::Object(result)
}

fn artifact(place: &ArtifactPlace) -> Value {
    json!({ "name": place.name, "s3location": { "bucket": place.bucket, "key": place.key } })
}

fn stage_name(pipeline: &Pipeline, stage: usize) -> &str {
    pipeline.stages.get(stage).map_or("", |stage| &stage.name)
}

fn envelope(state: &State, detail_type: &str, detail: Map<String, Value>) -> Value {
    event(state, "aws.codepipeline", detail_type, &json!([state.pipeline.arn()]), &Value::Object(detail))
}

fn event(state: &State, source: &str, detail_type: &str, resources: &Value, detail: &Value) -> Value {
    json!({
        "version": "0",
        "id": new_id(),
        "detail-type": detail_type,
        "source": source,
        "account": state.pipeline.account_id,
        "time": state.now.rfc3339(),
        "region": state.pipeline.region,
        "resources": resources,
        "detail": detail,
    })
}
