//! The CodeBuild action: hands the source to whoever builds, and takes what comes of it: an artifact, and variables.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;

use crate::execution::{Artifact, Failure, Outcome, RunId};
use crate::state::{Effect, State, new_id};

/// One build, as the hook gets it.
#[derive(Clone, Debug)]
pub struct Build {
    /// In CodeBuild's form: the project and a UUID.
    pub id: String,
    pub project: String,
    /// The zip of the source.
    pub source: Bytes,
    /// The version of the source, where the source action knew one.
    pub source_version: Option<String>,
    /// The action's own environment variables, which go before the project's.
    pub environment: BTreeMap<String, String>,
}

/// What came of a build.
#[derive(Clone, Debug, Default)]
pub struct Built {
    /// The zip of the output.
    pub artifact: Bytes,
    /// The exported variables.
    pub variables: BTreeMap<String, String>,
}

impl State {
    pub(crate) fn begin_build(&mut self, id: RunId) {
        let Some(run) = self.runs.get_mut(id) else { return };
        let Some(execution) = self.executions.get(run.execution) else { return };
        let source = run.input_artifacts.first().and_then(|place| execution.artifacts.get(&place.name));
        let environment = match environment(&run.configured("EnvironmentVariables")) {
            Ok(environment) => environment,
            Err(message) => return self.end_run(id, Outcome::Failed(Failure::configuration(message))),
        };
        let project = run.configured("ProjectName");
        let build = Build {
            id: format!("{project}:{}", new_id()),
            source: source.map(|artifact| artifact.bytes.clone()).unwrap_or_default(),
            source_version: source.and_then(|artifact| artifact.revision.clone()),
            environment,
            project,
        };
        run.external_id = Some(build.id.clone());
        run.external_url = Some(format!(
            "https://console.aws.amazon.com/codebuild/home?region={}#/builds/{}/view/new",
            self.pipeline.region, build.id
        ));
        self.effects.push(Effect::Build { run: id, build });
    }

    /// Takes the result of a build: what it made, or in a sentence what went wrong.
    pub(crate) fn built(&mut self, id: RunId, result: Result<Built, String>) {
        let Some(run) = self.runs.get(id).filter(|run| run.goes_on()) else { return };
        let built = match result {
            Ok(built) => built,
            Err(message) => return self.end_run(id, Outcome::Failed(Failure::job_failed(message))),
        };
        if let Some(execution) = self.executions.get_mut(run.execution) {
            for output in &run.output_artifacts {
                let artifact = Artifact {
                    bucket: output.bucket.clone(),
                    key: output.key.clone(),
                    revision: None,
                    bytes: built.artifact.clone(),
                };
                execution.artifacts.insert(output.name.clone(), artifact);
            }
        }
        self.end_run(id, Outcome::Succeeded { variables: built.variables });
    }
}

/// Reads an action's `EnvironmentVariables`: a JSON list of name, value and type.
fn environment(text: &str) -> Result<BTreeMap<String, String>, String> {
    if text.is_empty() {
        return Ok(BTreeMap::new());
    }
    let wrong = || format!("EnvironmentVariables is not a JSON list of objects with name and value: {text}");
    let list: Vec<Value> = serde_json::from_str(text).map_err(|_| wrong())?;
    let read = |variable: &Value| {
        let text = |key: &str| variable.get(key).and_then(Value::as_str).map(ToOwned::to_owned);
        match text("type").as_deref() {
            None | Some("PLAINTEXT") => Ok((text("name").ok_or_else(wrong)?, text("value").ok_or_else(wrong)?)),
            Some(other) => Err(format!("EnvironmentVariables of type {other} are not read here, only PLAINTEXT")),
        }
    };
    list.iter().map(read).collect()
}
