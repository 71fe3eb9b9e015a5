//! What a call is about, and the tags that it asks for.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{Protocol, Request};

/// Parameters of the query protocol that name a resource, without their list indexes.
const PARAMETERS: [&str; 38] = [
    "InstanceId",
    "InstanceIds",
    "ResourceId",
    "ResourceIds",
    "ResourceArns",
    "SubnetId",
    "NetworkInterface.SubnetId",
    "ImageId",
    "AllocationId",
    "AllocationIds",
    "AssociationId",
    "VolumeId",
    "VpcId",
    "GroupId",
    "GroupName",
    "TargetGroupArn",
    "TargetGroupArns",
    "Targets.Id",
    "RuleArn",
    "RuleArns",
    "RulePriorities.RuleArn",
    "ListenerArn",
    "ListenerArns",
    "LoadBalancerArn",
    "LoadBalancerArns",
    "Names",
    "Name",
    "TopicArn",
    "TargetArn",
    "ResourceArn",
    "RoleName",
    "InstanceProfileName",
    "StackName",
    "AlarmName",
    "AlarmNames",
    "QueueUrl",
    "LaunchTemplate.LaunchTemplateId",
    "LaunchTemplateId",
];

/// Keys of JSON inputs that name a resource.
const KEYS: [&str; 21] = [
    "Name",
    "Names",
    "name",
    "pipelineName",
    "jobId",
    "TableName",
    "ResourceARNList",
    "ResourceARN",
    "ResourceId",
    "resourceArn",
    "QueueUrl",
    "QueueName",
    "FunctionName",
    "AlarmNames",
    "AlarmName",
    "logGroupName",
    "Rule",
    "applicationName",
    "deploymentId",
    "InstanceIds",
    "Path",
];

/// Lists what a call is about: ARNs, ids and names.
pub(crate) fn of(request: &Request) -> Vec<String> {
    match request.protocol {
        Protocol::Ec2 | Protocol::Query => of_form(request),
        Protocol::Json => of_json(&request.json()),
        Protocol::RestXml => {
            path_part(request, "hostedzone").or_else(|| path_part(request, "change")).into_iter().collect()
        }
        Protocol::RestJson => path_part(request, "functions").into_iter().collect(),
        Protocol::S3 => Some(request.path.trim_matches('/'))
            .filter(|path| !path.is_empty())
            .map(str::to_owned)
            .into_iter()
            .collect(),
        // Reading CBOR for names in the record is not worth a decoder.
        Protocol::Cbor => Vec::new(),
    }
}

/// Lists the tags that a call asks for.
pub(crate) fn tags(request: &Request) -> BTreeMap<String, String> {
    match request.protocol {
        Protocol::Ec2 | Protocol::Query => form_tags(&request.form()),
        Protocol::Json => json_tags(&request.json()),
        Protocol::RestXml | Protocol::S3 | Protocol::RestJson | Protocol::Cbor => BTreeMap::new(),
    }
}

fn of_form(request: &Request) -> Vec<String> {
    let mut found = Vec::new();
    for (key, value) in request.form() {
        if PARAMETERS.contains(&bare(&key).as_str()) && !value.is_empty() && !found.contains(&value) {
            found.push(value);
        }
    }
    found
}

/// Drops list indexes: `Targets.member.1.Id` is `Targets.Id`.
fn bare(key: &str) -> String {
    let names: Vec<&str> = key.split('.').filter(|part| *part != "member" && part.parse::<u32>().is_err()).collect();
    names.join(".")
}

fn of_json(input: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for key in KEYS {
        match input.get(key) {
            Some(Value::String(name)) => found.push(name.clone()),
            Some(Value::Array(names)) => found.extend(names.iter().filter_map(Value::as_str).map(str::to_owned)),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {}
        }
    }
    // The key of a DynamoDB item tells whose it is.
    if let Some(Value::Object(key)) = input.get("Key") {
        found.extend(key.values().filter_map(|value| value.get("S")?.as_str()).map(str::to_owned));
    }
    found
}

fn form_tags(form: &[(String, String)]) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::new();
    for (key, name) in form {
        let is_tag = key.starts_with("Tag.") || key.starts_with("Tags.") || key.contains(".Tag.");
        let Some(prefix) = key.strip_suffix(".Key").filter(|_| is_tag) else {
            continue;
        };
        let wanted = format!("{prefix}.Value");
        let value = form.iter().find(|(key, _)| *key == wanted).map(|(_, value)| value.clone());
        tags.insert(name.clone(), value.unwrap_or_default());
    }
    tags
}

fn json_tags(input: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match input.get("Tags").or_else(|| input.get("tags")) {
        Some(Value::Object(tags)) => tags.iter().map(|(key, value)| (key.clone(), text(value))).collect(),
        Some(Value::Array(tags)) => {
            let field = |tag: &Value, upper: &str, lower: &str| tag.get(upper).or_else(|| tag.get(lower)).map(text);
            tags.iter()
                .filter_map(|tag| Some((field(tag, "Key", "key")?, field(tag, "Value", "value").unwrap_or_default())))
                .collect()
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => BTreeMap::new(),
    }
}

fn path_part(request: &Request, after: &str) -> Option<String> {
    let mut parts = request.path.split('/').skip_while(|part| *part != after);
    parts.nth(1).filter(|part| !part.is_empty()).map(str::to_owned)
}
