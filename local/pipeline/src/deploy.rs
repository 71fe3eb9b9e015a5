//! The CodeDeploy action: hands the revision to whoever deploys, and says in CodeDeploy's events how it went.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::events;
use crate::execution::{Failure, Outcome, RunId};
use crate::state::{Effect, State, new_id};

/// One deployment, as the hook gets it.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// In CodeDeploy's form: `d-` and nine capitals or digits.
    pub id: String,
    pub application: String,
    pub deployment_group: String,
    /// The revision, as it was uploaded.
    pub revision: Bytes,
    /// The execution of the pipeline that deploys.
    pub execution_id: String,
}

impl State {
    pub(crate) fn begin_deployment(&mut self, id: RunId) {
        let Some(run) = self.runs.get_mut(id) else { return };
        let Some(execution) = self.executions.get(run.execution) else { return };
        let revision = run.input_artifacts.first().and_then(|place| execution.artifacts.get(&place.name));
        let deployment = Deployment {
            id: deployment_id(),
            application: run.configured("ApplicationName"),
            deployment_group: run.configured("DeploymentGroupName"),
            revision: revision.map(|artifact| artifact.bytes.clone()).unwrap_or_default(),
            execution_id: execution.id.clone(),
        };
        run.external_id = Some(deployment.id.clone());
        run.external_url = Some(format!(
            "https://console.aws.amazon.com/codesuite/codedeploy/deployments/{}?region={}",
            deployment.id, self.pipeline.region
        ));
        self.effects.push(Effect::Emit(events::deployment(self, &deployment, "START")));
        self.effects.push(Effect::Deploy { run: id, deployment });
    }

    /// Takes the result of a deployment: a line that says what was reached, or what went wrong. One
    /// that was abandoned goes on in CodeDeploy, so its event comes all the same.
    pub(crate) fn deployed(&mut self, id: RunId, deployment: &Deployment, result: Result<String, String>) {
        let state = if result.is_ok() { "SUCCESS" } else { "FAILURE" };
        self.effects.push(Effect::Emit(events::deployment(self, deployment, state)));
        let Some(run) = self.runs.get_mut(id).filter(|run| run.goes_on()) else { return };
        match result {
            Ok(summary) => {
                run.summary = Some(summary).filter(|summary| !summary.is_empty());
                self.end_run(id, Outcome::Succeeded { variables: BTreeMap::new() });
            }
            Err(message) => {
                let message = format!("Deployment {} failed: {message}", deployment.id);
                self.end_run(id, Outcome::Failed(Failure::job_failed(message)));
            }
        }
    }
}

fn deployment_id() -> String {
    let letters: String = new_id().chars().filter(char::is_ascii_alphanumeric).take(9).collect();
    format!("d-{}", letters.to_uppercase())
}
