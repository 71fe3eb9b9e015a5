//! The S3 source action, and the uploads that start an execution.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::definition::ActionKind;
use crate::execution::{Artifact, Failure, Outcome, Revision, RunId, SourceOverride, Trigger, TriggerType};
use crate::state::{Effect, State};

/// Names an object, and the version of it that is wanted; the newest if none is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectVersion {
    pub bucket: String,
    pub key: String,
    pub version: Option<String>,
}

/// An object as it was read.
#[derive(Clone, Debug, Default)]
pub struct Object {
    /// `null` or nothing in a bucket without versions.
    pub version: Option<String>,
    pub etag: Option<String>,
    pub bytes: Bytes,
}

impl State {
    /// Starts an execution for an upload, if the pipeline is one that an upload of this object starts.
    /// The same version starts only one, however often it is told.
    pub(crate) fn on_upload(&mut self, bucket: &str, key: &str, version: Option<&str>) -> Option<String> {
        if let Some(version) = version {
            let upload = (bucket.to_owned(), key.to_owned(), version.to_owned());
            if self.uploads.contains(&upload) {
                return None;
            }
            let (trigger, overrides) = self.trigger(bucket, key, Some(version))?;
            self.uploads.insert(upload);
            return Some(self.start(trigger, overrides, &BTreeMap::new()));
        }
        let (trigger, overrides) = self.trigger(bucket, key, None)?;
        Some(self.start(trigger, overrides, &BTreeMap::new()))
    }

    fn trigger(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> Option<(Trigger, BTreeMap<String, SourceOverride>)> {
        let source = self.pipeline.stages.iter().flat_map(|stage| &stage.actions).find(|action| {
            let is = |name: &str, value: &str| action.configuration.get(name).is_some_and(|set| set == value);
            action.kind == ActionKind::S3Source && is("S3Bucket", bucket) && is("S3ObjectKey", key)
        });
        let rule = self.pipeline.upload_rules.iter().find(|rule| rule.matches(bucket, key));
        if let Some(rule) = rule {
            let mut overrides = BTreeMap::new();
            if let (Some(action), Some(version), true) = (source, version, rule.passes_version) {
                let wanted = SourceOverride { object_key: None, object_version: Some(version.to_owned()) };
                overrides.insert(action.name.clone(), wanted);
            }
            let trigger = Trigger { kind: TriggerType::CloudWatchEvent, detail: rule.arn.clone() };
            return Some((trigger, overrides));
        }
        // Polling is what CodePipeline does unless told not to.
        let polled = source.filter(|action| {
            action.configuration.get("PollForSourceChanges").is_none_or(|poll| !poll.eq_ignore_ascii_case("false"))
        })?;
        let trigger = Trigger { kind: TriggerType::PollForSourceChanges, detail: polled.name.clone() };
        Some((trigger, BTreeMap::new()))
    }

    pub(crate) fn begin_source(&mut self, id: RunId) {
        let Some(run) = self.run(id) else { return };
        let wanted = self.execution(run.execution).and_then(|execution| execution.overrides.get(&run.action)).cloned();
        let wanted = wanted.unwrap_or_default();
        let object = ObjectVersion {
            bucket: run.configured("S3Bucket"),
            key: wanted.object_key.unwrap_or_else(|| run.configured("S3ObjectKey")),
            version: wanted.object_version,
        };
        self.effects.push(Effect::Fetch { run: id, object });
    }

    /// Takes what was read of the source object.
    pub(crate) fn fetched(&mut self, id: RunId, object: &ObjectVersion, read: Result<Object, String>) {
        let now = self.now;
        let region = self.pipeline.region.clone();
        let Some(run) = self.runs.get_mut(id).filter(|run| run.goes_on()) else { return };
        let read = match read {
            Ok(read) => read,
            Err(message) => return self.end_run(id, Outcome::Failed(Failure::configuration(message))),
        };
        let ObjectVersion { bucket, key, .. } = object;
        let version = read.version.or_else(|| object.version.clone()).unwrap_or_else(|| "null".to_owned());
        let etag = read.etag.unwrap_or_default().trim_matches('"').to_owned();
        let summary = format!("Amazon S3 version id: {version}");
        run.summary = Some(summary.clone());
        run.external_id = Some(version.clone());
        if let Some(execution) = self.executions.get_mut(run.execution) {
            for output in &mut run.output_artifacts {
                output.revision = Some(version.clone());
                let artifact = Artifact {
                    bucket: output.bucket.clone(),
                    key: output.key.clone(),
                    revision: Some(version.clone()),
                    bytes: read.bytes.clone(),
                };
                execution.artifacts.insert(output.name.clone(), artifact);
                execution.revisions.push(Revision {
                    action: run.action.clone(),
                    artifact: output.name.clone(),
                    id: version.clone(),
                    summary: summary.clone(),
                    url: format!("https://console.aws.amazon.com/s3/object/{bucket}?region={region}&prefix={key}"),
                    created: now,
                });
            }
        }
        let variables = [("BucketName", bucket), ("ObjectKey", key), ("VersionId", &version), ("ETag", &etag)]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .collect();
        self.end_run(id, Outcome::Succeeded { variables });
    }
}

impl Revision {
    /// As `GetPipelineExecution` has it.
    pub(crate) fn artifact_revision(&self) -> Value {
        json!({
            "name": self.artifact,
            "revisionId": self.id,
            "revisionSummary": self.summary,
            "created": self.created.epoch_seconds(),
            "revisionUrl": self.url,
        })
    }

    /// As `ListPipelineExecutions` has it.
    pub(crate) fn source_revision(&self) -> Value {
        json!({
            "actionName": self.action,
            "revisionId": self.id,
            "revisionSummary": self.summary,
            "revisionUrl": self.url,
        })
    }
}
