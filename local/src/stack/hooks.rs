//! What a pipeline reaches of the other parts: the functions, the bus, the servers, the bucket, the topics.

use std::sync::Arc;

use gateway::Aws;
use lambda::Message;
use machines::Project;
use pipeline::{Build, Built, Deployment, Hooks, Invocation, Notice, ObjectVersion};
use serde_json::Value;

use super::{Shared, Stack, lock};
use crate::deployments::Group;
use crate::uploads;

/// The port of a service whose config says none.
const PORT: u16 = 8080;

/// The version of a build's source, as CodeBuild names it.
const SOURCE_VERSION: &str = "CODEBUILD_RESOLVED_SOURCE_VERSION";

impl Stack {
    /// The hooks of a pipeline whose template has these build projects and deployment groups.
    pub(super) fn hooks(&self, projects: Vec<Project>, groups: Vec<Group>) -> Hooks {
        let functions = self.functions.clone();
        let invoke = Hooks::hook(move |invocation: Invocation| {
            let queued = functions.invoke_async(&invocation.function, &invocation.event);
            let function = invocation.function;
            async move { queued.map(drop).map_err(|error| format!("The function {function} could not be called: {error}")) }
        });

        let (bus, shared, moto) = (self.bus.clone(), Arc::clone(&self.shared), self.moto());
        let emit = Hooks::hook(move |event: Value| {
            if let Err(error) = bus.put(&event) {
                shared.problem(format!("an event was not delivered: {error}"));
            }
            let messages = bus.messages(&event).unwrap_or_else(|error| {
                shared.problem(format!("an event was not told: {error}"));
                Vec::new()
            });
            shared.note_end(&event);
            // Nobody listening is no error.
            let _ = shared.events.send(event);
            let (moto, shared) = (moto.clone(), Arc::clone(&shared));
            async move {
                for Message { topic_arn, text } in messages {
                    publish(&moto, &shared, &[("TopicArn", &*topic_arn), ("Message", &*text)]).await;
                }
            }
        });

        let moto = self.moto();
        let read_object = Hooks::hook(move |wanted: ObjectVersion| {
            let moto = moto.clone();
            async move { uploads::read(&moto, &wanted).await.map_err(|error| error.to_string()) }
        });

        let (moto, shared) = (self.moto(), Arc::clone(&self.shared));
        let publish = Hooks::hook(move |notice: Notice| {
            let (moto, shared) = (moto.clone(), Arc::clone(&shared));
            async move {
                let parameters =
                    [("TopicArn", &*notice.topic_arn), ("Subject", &*notice.subject), ("Message", &*notice.message)];
                publish(&moto, &shared, &parameters).await;
            }
        });

        Hooks { invoke, emit, build: build(projects), deploy: self.deploy(groups), read_object, publish }
    }

    pub(super) fn deploy(&self, groups: Vec<Group>) -> pipeline::Hook<Deployment, Result<String, String>> {
        let (machines, shared) = (self.machines.as_ref().map(Arc::downgrade), Arc::clone(&self.shared));
        let groups = Arc::new(groups);
        Hooks::hook(move |deployment: Deployment| {
            let (machines, groups, shared) = (machines.clone(), Arc::clone(&groups), Arc::clone(&shared));
            async move {
                let Some(machines) = machines else { return shared.script.end().await };
                let Some(machines) = machines.upgrade() else { return Err("the servers are being stopped".to_owned()) };
                let group = groups.iter().find(|group| {
                    group.application == deployment.application && group.name == deployment.deployment_group
                });
                let Some(group) = group else {
                    return Err(format!("there is no deployment group {}", deployment.deployment_group));
                };
                let order = machines::Deployment {
                    port: port(&shared, &deployment.application),
                    application: deployment.application,
                    deployment_group: deployment.deployment_group,
                    ec2_tag_set: group.tag_set.clone(),
                    revision: Arc::from(deployment.revision.as_ref()),
                };
                let deployed = machines.deploy(order);
                // The wait must not keep the servers running that the stack's end stops.
                drop(machines);
                match deployed.await {
                    Ok(report) => Ok(format!("deployed to {}", report.instance_ids.join(", "))),
                    Err(failure) => Err(failure.cause.to_string()),
                }
            }
        })
    }
}

/// Builds are run whatever the servers are made of.
fn build(projects: Vec<Project>) -> pipeline::Hook<Build, Result<Built, String>> {
    let projects = Arc::new(projects);
    Hooks::hook(move |build: Build| {
        let project = projects.iter().find(|project| project.name == build.project).cloned();
        async move {
            let project = project.ok_or_else(|| format!("there is no project {}", build.project))?;
            let mut environment = build.environment;
            environment.extend(build.source_version.map(|version| (SOURCE_VERSION.to_owned(), version)));
            let order = machines::Build { id: build.id, project, source: build.source, environment };
            let built = machines::build(order).await?;
            Ok(Built { artifact: built.artifact, variables: built.variables })
        }
    })
}

/// Publishes what is not a function's, which the gateway does not see.
async fn publish(moto: &Aws, shared: &Shared, parameters: &[(&str, &str)]) {
    if let Err(error) = moto.query("sns", "Publish", parameters).await {
        shared.problem(format!("a message was not published: {error}"));
    }
    shared.notices.published();
}

impl Shared {
    /// Takes note of an execution's end, after its event is on the bus.
    fn note_end(&self, event: &Value) {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        if text("/detail-type") != "CodePipeline Pipeline Execution State Change" {
            return;
        }
        let execution = text("/detail/execution-id").to_owned();
        self.ended.send_modify(|ended| match text("/detail/state") {
            "SUCCEEDED" | "FAILED" | "STOPPED" | "SUPERSEDED" => drop(ended.insert(execution)),
            // Somebody retried it.
            "RESUMED" => drop(ended.remove(&execution)),
            _ => {}
        });
    }
}

/// The port of a service's servers, where it has the application's name; else the one that examples have.
fn port(shared: &Shared, service: &str) -> u16 {
    let configs = lock(&shared.configs);
    let port = configs.get(service).and_then(|config| config.get("port")).and_then(Value::as_u64);
    port.and_then(|port| port.try_into().ok()).unwrap_or(PORT)
}
