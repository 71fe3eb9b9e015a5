//! The EventBridge rules of the template that start the pipeline when an object is uploaded.
//!
//! They are read rather than assumed: with `PollForSourceChanges: false` a pipeline whose rule
//! has a typing error starts nothing on AWS, and it should start nothing here either.

use lambda::cloudformation::{Document, TemplateError};
use serde_json::Value;

/// A rule that has the pipeline as a target.
#[derive(Clone, Debug)]
pub struct UploadRule {
    pub arn: String,
    pattern: Value,
    /// The target's input transformer hands the object's version on (`sourceRevisions`): the execution
    /// takes that version. Without one, it takes what is newest when its source action runs.
    pub passes_version: bool,
}

impl UploadRule {
    /// Says whether an upload of this object starts the pipeline.
    #[must_use]
    pub fn matches(&self, bucket: &str, key: &str) -> bool {
        let pattern = &self.pattern;
        let takes = |pointer: &str, value: &str| accepts(pattern.pointer(pointer), value);
        let names = |pointer: &str| pattern.pointer(pointer).is_some();
        let source = takes("/source", "aws.s3");
        // S3's own events, or those that CloudTrail makes of calls of its API.
        let own = takes("/detail-type", "Object Created")
            && names("/detail/bucket/name")
            && takes("/detail/bucket/name", bucket)
            && takes("/detail/object/key", key);
        let trail = takes("/detail-type", "AWS API Call via CloudTrail")
            && names("/detail/requestParameters/bucketName")
            && takes("/detail/requestParameters/bucketName", bucket)
            && takes("/detail/requestParameters/key", key);
        source && (own || trail)
    }
}

/// An EventBridge field takes any of the listed values; a field that is not named takes all.
fn accepts(field: Option<&Value>, value: &str) -> bool {
    let Some(field) = field else { return true };
    field.as_array().into_iter().flatten().any(|wanted| {
        let prefix = wanted.get("prefix").and_then(Value::as_str);
        let suffix = wanted.get("suffix").and_then(Value::as_str);
        wanted.as_str() == Some(value)
            || prefix.is_some_and(|prefix| value.starts_with(prefix))
            || suffix.is_some_and(|suffix| value.ends_with(suffix))
    })
}

pub(super) fn read(document: &Document, pipeline_arn: &str) -> Result<Vec<UploadRule>, TemplateError> {
    let mut rules = Vec::new();
    for id in document.resources_of_type("AWS::Events::Rule")? {
        // Other rules of the template may name what is not known here; only those for pipelines count.
        let Ok(properties) = document.properties(&id) else { continue };
        if properties.get("State").and_then(Value::as_str) == Some("DISABLED") {
            continue;
        }
        let targets = properties.get("Targets").and_then(Value::as_array).into_iter().flatten();
        for target in targets {
            if target.get("Arn").and_then(Value::as_str) != Some(pipeline_arn) {
                continue;
            }
            let input = target.pointer("/InputTransformer/InputTemplate").and_then(Value::as_str);
            rules.push(UploadRule {
                arn: document.names().get(&format!("{id}.Arn")).and_then(Value::as_str).unwrap_or(&id).to_owned(),
                pattern: properties.get("EventPattern").cloned().unwrap_or_default(),
                passes_version: input.is_some_and(|input| input.contains("sourceRevisions")),
            });
        }
    }
    Ok(rules)
}
