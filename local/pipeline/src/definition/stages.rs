//! Stages and actions of a pipeline, read from its resolved properties.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::{Action, ActionKind, Stage, TypeId};
use crate::variables::{PIPELINE_NAMESPACE, SYSTEM_NAMESPACE, references};

/// CodePipeline's default where an action has no `RunOrder`.
pub(super) const RUN_ORDER_DEFAULT: u64 = 1;

pub(super) fn read(properties: &Value, problems: &mut Vec<String>) -> Vec<Stage> {
    let stages: Vec<Stage> = list(properties, "Stages").map(|stage| read_stage(stage, problems)).collect();
    if stages.len() < 2 {
        problems.push(format!("a pipeline has at least two stages, and this one has {}", stages.len()));
    }
    let sources = |stage: &Stage| stage.actions.iter().all(|action| action.kind == ActionKind::S3Source);
    if stages.first().is_some_and(|first| !sources(first)) {
        problems.push("the first stage takes source actions only".to_owned());
    }
    for stage in stages.iter().skip(1) {
        for action in stage.actions.iter().filter(|action| action.kind == ActionKind::S3Source) {
            problems.push(format!("the source action {} does not stand in the first stage", action.name));
        }
    }
    stages
}

/// Reads the pipeline's own variables with their defaults.
pub(super) fn variables(properties: &Value) -> BTreeMap<String, Option<String>> {
    list(properties, "Variables")
        .filter_map(|variable| Some((text(variable, "Name")?, text(variable, "DefaultValue"))))
        .collect()
}

/// Refuses references to namespaces that no action has, as CodePipeline does when it is given a pipeline.
pub(super) fn check_references(
    stages: &[Stage],
    variables: &BTreeMap<String, Option<String>>,
    problems: &mut Vec<String>,
) {
    let actions = || stages.iter().flat_map(|stage| &stage.actions);
    let mut namespaces = BTreeSet::from([SYSTEM_NAMESPACE]);
    if !variables.is_empty() {
        namespaces.insert(PIPELINE_NAMESPACE);
    }
    for namespace in actions().filter_map(|action| action.namespace.as_deref()) {
        if !namespaces.insert(namespace) {
            problems.push(format!("the namespace {namespace} is used twice"));
        }
    }
    for action in actions() {
        for (key, value) in &action.configuration {
            for (namespace, variable) in references(value) {
                if !namespaces.contains(namespace.as_str()) {
                    problems.push(format!(
                        "{key} of the action {} refers to #{{{namespace}.{variable}}}, and no action has the namespace {namespace}",
                        action.name
                    ));
                }
            }
        }
    }
}

fn read_stage(stage: &Value, problems: &mut Vec<String>) -> Stage {
    let name = text(stage, "Name").unwrap_or_default();
    for unsupported in ["BeforeEntry", "OnSuccess", "OnFailure"] {
        if stage.get(unsupported).is_some() {
            problems.push(format!("{unsupported} of the stage {name} is not supported here"));
        }
    }
    let actions: Vec<Action> = list(stage, "Actions").filter_map(|action| read_action(action, problems)).collect();
    let mut seen = BTreeSet::new();
    for action in &actions {
        if !seen.insert(&action.name) {
            problems.push(format!("the stage {name} has two actions {}", action.name));
        }
    }
    if list(stage, "Actions").next().is_none() {
        problems.push(format!("the stage {name} has no action"));
    }
    Stage { name, actions }
}

fn read_action(action: &Value, problems: &mut Vec<String>) -> Option<Action> {
    let name = text(action, "Name").unwrap_or_default();
    let type_id = action.get("ActionTypeId").unwrap_or(&Value::Null);
    let part = |key: &str| text(type_id, key).unwrap_or_default();
    let type_id = TypeId {
        category: part("Category"),
        owner: part("Owner"),
        provider: part("Provider"),
        version: part("Version"),
    };
    let kind = match (type_id.category.as_str(), type_id.owner.as_str(), type_id.provider.as_str()) {
        ("Source", "AWS", "S3") => ActionKind::S3Source,
        ("Invoke", "AWS", "Lambda") => ActionKind::Lambda,
        ("Build" | "Test", "AWS", "CodeBuild") => ActionKind::CodeBuild,
        ("Deploy", "AWS", "CodeDeploy") => ActionKind::CodeDeploy,
        ("Approval", "AWS", "Manual") => ActionKind::ManualApproval,
        (category, owner, provider) => {
            problems.push(format!(
                "the action {name} is {category}/{owner}/{provider}; Source/AWS/S3, Invoke/AWS/Lambda, \
                 Build/AWS/CodeBuild, Deploy/AWS/CodeDeploy and Approval/AWS/Manual are run here"
            ));
            return None;
        }
    };
    let configuration: BTreeMap<String, String> = action
        .get("Configuration")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), plain(value)?)))
        .collect();
    let artifacts = |key: &str| list(action, key).filter_map(|artifact| text(artifact, "Name")).collect();
    let read = Action {
        kind,
        type_id,
        run_order: action.get("RunOrder").and_then(number).unwrap_or(RUN_ORDER_DEFAULT),
        input_artifacts: artifacts("InputArtifacts"),
        output_artifacts: artifacts("OutputArtifacts"),
        namespace: text(action, "Namespace"),
        role_arn: text(action, "RoleArn"),
        region: text(action, "Region"),
        timeout: action.get("TimeoutInMinutes").and_then(number).map(|minutes| Duration::from_secs(minutes * 60)),
        configuration,
        name,
    };
    check_action(&read, problems);
    Some(read)
}

fn check_action(action: &Action, problems: &mut Vec<String>) {
    let wanted: &[&str] = match action.kind {
        ActionKind::S3Source => &["S3Bucket", "S3ObjectKey"],
        ActionKind::Lambda => &["FunctionName"],
        ActionKind::CodeBuild => &["ProjectName"],
        ActionKind::CodeDeploy => &["ApplicationName", "DeploymentGroupName"],
        ActionKind::ManualApproval => &[],
    };
    for key in wanted {
        if !action.configuration.contains_key(*key) {
            problems.push(format!("{key} of the action {} is missing", action.name));
        }
    }
    for (key, value) in &action.configuration {
        let characters = value.chars().count();
        if characters > 1000 {
            problems.push(format!(
                "{key} of the action {} has {characters} characters; CodePipeline takes 1000",
                action.name
            ));
        }
    }
    if action.kind == ActionKind::S3Source && action.output_artifacts.len() != 1 {
        problems.push(format!("the source action {} needs exactly one output artifact", action.name));
    }
    if action.kind == ActionKind::CodeDeploy && action.input_artifacts.len() != 1 {
        problems.push(format!("the action {} needs exactly one input artifact, the revision", action.name));
    }
    if action.kind == ActionKind::CodeBuild && (action.input_artifacts.len() != 1 || action.output_artifacts.len() > 1)
    {
        problems.push(format!(
            "the action {} needs exactly one input artifact, and has one output artifact at most here",
            action.name
        ));
    }
    if action.timeout.is_some() && action.kind != ActionKind::ManualApproval {
        problems.push(format!("the action {} has TimeoutInMinutes, which only an approval can have", action.name));
    }
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(plain)
}

/// CloudFormation takes a number or a boolean wherever a text is wanted, and the other way round.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn number(value: &Value) -> Option<u64> {
    plain(value)?.parse().ok()
}
