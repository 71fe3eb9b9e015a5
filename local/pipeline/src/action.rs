//! Starts an action: resolves its configuration, finds its artifacts, hands it to what runs its kind.

use std::collections::BTreeMap;

use crate::definition::{Action, ActionKind};
use crate::execution::{Artifact, ArtifactPlace, Failure, Outcome, RunId};
use crate::state::State;
use crate::{state, variables};

/// The quota on an action's configuration once its variables are resolved.
const RESOLVED_CONFIGURATION_BYTES_MAX: usize = 100 * 1024;

impl State {
    /// Starts a run that was noted.
    pub(crate) fn begin(&mut self, id: RunId, action: &Action) {
        let prepared = self.prepare(id, action);
        // What is wrong with it is told after it has started, as CodePipeline does.
        self.emit_action(id, "STARTED");
        if let Err(failure) = prepared {
            self.end_run(id, Outcome::Failed(failure));
            return;
        }
        match action.kind {
            ActionKind::S3Source => self.begin_source(id),
            ActionKind::Lambda => self.begin_job(id),
            ActionKind::CodeBuild => self.begin_build(id),
            ActionKind::CodeDeploy => self.begin_deployment(id),
            ActionKind::ManualApproval => self.begin_approval(id),
        }
    }

    fn prepare(&mut self, id: RunId, action: &Action) -> Result<(), Failure> {
        let pipeline = self.pipeline.name.clone();
        let bucket = self.pipeline.artifact_bucket.clone();
        let Some(run) = self.runs.get_mut(id) else { return Ok(()) };
        let Some(execution) = self.executions.get(run.execution) else { return Ok(()) };

        let mut missing = Vec::new();
        for name in &action.input_artifacts {
            match execution.artifacts.get(name) {
                Some(artifact) => run.input_artifacts.push(place(name, artifact)),
                None => missing.push(name.clone()),
            }
        }
        run.output_artifacts = action
            .output_artifacts
            .iter()
            .map(|name| ArtifactPlace {
                name: name.clone(),
                bucket: bucket.clone(),
                key: artifact_key(&pipeline, name),
                revision: None,
            })
            .collect();

        let mut unknown = Vec::new();
        let mut resolved = BTreeMap::new();
        for (key, value) in &action.configuration {
            match variables::resolve(value, &execution.namespaces) {
                Ok(value) => {
                    resolved.insert(key.clone(), value);
                }
                Err(references) => unknown.push(format!("{key} refers to {}", references.join(", "))),
            }
        }
        let bytes: usize = resolved.iter().map(|(key, value)| key.len() + value.len()).sum();
        run.configuration = resolved;
        if !missing.is_empty() {
            return Err(Failure::configuration(format!("no action has given the artifact {}", missing.join(", "))));
        }
        if !unknown.is_empty() {
            return Err(Failure::configuration(format!(
                "{}, and no action that has run gave such an output variable",
                unknown.join("; ")
            )));
        }
        if bytes > RESOLVED_CONFIGURATION_BYTES_MAX {
            return Err(Failure::configuration(format!(
                "the configuration has {bytes} bytes once its variables are resolved; \
                 CodePipeline takes {RESOLVED_CONFIGURATION_BYTES_MAX}"
            )));
        }
        Ok(())
    }
}

fn place(name: &str, artifact: &Artifact) -> ArtifactPlace {
    ArtifactPlace {
        name: name.to_owned(),
        bucket: artifact.bucket.clone(),
        key: artifact.key.clone(),
        revision: artifact.revision.clone(),
    }
}

/// Makes a key as CodePipeline does: pipeline and artifact cut short, and a few random letters.
fn artifact_key(pipeline: &str, artifact: &str) -> String {
    let cut = |text: &str, length: usize| text.chars().take(length).collect::<String>();
    format!("{}/{}/{}", cut(pipeline, 20), cut(artifact, 10), cut(&state::new_id(), 7))
}
