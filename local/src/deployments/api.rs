//! CodeDeploy's own API, as far as builds need it that deploy without a pipeline: a revision in S3, a deployment of it, its end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gateway::{Aws, Handler, Request, Response};
use pipeline::{Deployment, Hook, ObjectVersion};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::Group;
use crate::uploads;

/// Whoever waits for a deployment asks every few seconds. Here it takes one, so an answer waits for its end, at most so long.
const PATIENCE: Duration = Duration::from_secs(3);

/// How a deployment ended; nothing as long as it runs.
type End = Option<Result<String, String>>;

/// The deployments that calls started, by their ids. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Started(Arc<Mutex<BTreeMap<String, OneStarted>>>);

/// Onto which group of which application, and how it ended.
#[derive(Clone, Debug)]
struct OneStarted {
    application: String,
    group: String,
    end: watch::Receiver<End>,
}

impl Started {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, OneStarted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a deployment; answers its id, and where its end is to be said. A group takes one at a time.
    fn add(&self, application: &str, group: &str) -> Result<(String, watch::Sender<End>), (&'static str, String)> {
        let mut all = self.all();
        let runs =
            |one: &OneStarted| one.application == application && one.group == group && one.end.borrow().is_none();
        if let Some((id, _)) = all.iter().find(|(_, one)| runs(one)) {
            let message = format!("The Deployment Group '{group}' already has an active Deployment '{id}'");
            return Err(("DeploymentLimitExceededException", message));
        }
        let (id, (ended, end)) = (format!("d-{:09}", all.len() + 1), watch::channel(None));
        all.insert(id.clone(), OneStarted { application: application.to_owned(), group: group.to_owned(), end });
        Ok((id, ended))
    }
}

/// What a call is answered with: CodeDeploy's answer, or the code and the sentence of its refusal.
type Answer = Result<Value, (&'static str, String)>;

/// Answers for these deployment groups: `gateway.mount("codedeploy", …)`.
#[must_use]
pub fn handler(
    groups: Vec<Group>,
    deploy: Hook<Deployment, Result<String, String>>,
    moto: Aws,
    started: Started,
) -> Handler {
    let codedeploy = Arc::new(CodeDeploy { groups, deploy, moto, started });
    Arc::new(move |request: Request| {
        let codedeploy = Arc::clone(&codedeploy);
        Box::pin(async move {
            match codedeploy.answer(&request).await {
                Ok(answer) => Response::json(&answer),
                Err((code, message)) => Response::error(&request, 400, code, &message),
            }
        })
    })
}

struct CodeDeploy {
    groups: Vec<Group>,
    deploy: Hook<Deployment, Result<String, String>>,
    moto: Aws,
    started: Started,
}

impl CodeDeploy {
    async fn answer(&self, request: &Request) -> Answer {
        let input = request.json();
        match request.action.as_str() {
            "RegisterApplicationRevision" => self.register(&input),
            "CreateDeployment" => self.create(&input).await,
            "GetDeployment" => self.get(&input).await,
            other => Err(("InvalidOperationException", format!("{other} is not an operation that is answered here."))),
        }
    }

    /// Revisions are not listed here, so none is remembered.
    fn register(&self, input: &Value) -> Answer {
        let application = text(input, "/applicationName");
        if self.groups.iter().all(|group| group.application != application) {
            return Err(("ApplicationDoesNotExistException", format!("No application found for name: {application}")));
        }
        Ok(json!({}))
    }

    async fn create(&self, input: &Value) -> Answer {
        let (application, name) = (text(input, "/applicationName"), text(input, "/deploymentGroupName"));
        if !self.groups.iter().any(|group| group.application == application && group.name == name) {
            let message = format!("No Deployment Group found for name: {name}");
            return Err(("DeploymentGroupDoesNotExistException", message));
        }
        let part = |name: &str| text(input, &format!("/revision/s3Location/{name}"));
        let wanted = ObjectVersion {
            bucket: part("bucket"),
            key: part("key"),
            version: Some(part("version")).filter(|version| !version.is_empty()),
        };
        let revision = uploads::read(&self.moto, &wanted).await;
        let revision = revision.map_err(|trouble| ("InvalidRevisionException", trouble.to_string()))?.bytes;
        let (id, ended) = self.started.add(&application, &name)?;
        let deployed = (self.deploy)(Deployment {
            id: id.clone(),
            application,
            deployment_group: name,
            revision,
            execution_id: String::new(),
        });
        tokio::spawn(async move { ended.send(Some(deployed.await)) });
        Ok(json!({"deploymentId": id}))
    }

    async fn get(&self, input: &Value) -> Answer {
        let id = text(input, "/deploymentId");
        let Some(OneStarted { mut end, .. }) = self.started.all().get(&id).cloned() else {
            let message = format!("The deployment {id} could not be found");
            return Err(("DeploymentDoesNotExistException", message));
        };
        // Whether it ended or not, what is known then is the answer.
        let _ = tokio::time::timeout(PATIENCE, end.wait_for(Option::is_some)).await;
        let info = match &*end.borrow() {
            None => json!({"deploymentId": id, "status": "InProgress"}),
            Some(Ok(_)) => json!({"deploymentId": id, "status": "Succeeded"}),
            Some(Err(why)) => {
                let information = json!({"code": "HEALTH_CONSTRAINTS", "message": why});
                json!({"deploymentId": id, "status": "Failed", "errorInformation": information})
            }
        };
        Ok(json!({"deploymentInfo": info}))
    }
}

fn text(input: &Value, pointer: &str) -> String {
    input.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}
