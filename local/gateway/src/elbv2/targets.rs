//! Targets: registered, healthy or not, draining.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::{Elbv2, done, value};
use crate::aws::{Aws, AwsError};
use crate::forward::Upstream;
use crate::health::{Health, State, Target, TargetHealth};
use crate::xml::Element;
use crate::{Request, Response};

const SERVICE: &str = "elasticloadbalancing";

/// A target that was deregistered and still ends its requests.
#[derive(Clone)]
struct Leaving {
    target: Target,
    until: Instant,
}

/// What the gateway knows of targets beside moto.
#[derive(Default)]
pub(super) struct Draining {
    leaving: Mutex<Vec<Leaving>>,
    /// The groups that an instance was ever registered in: those to look at when it is terminated.
    groups: Mutex<HashMap<String, BTreeSet<String>>>,
}

impl Draining {
    pub(super) fn fork(&self) -> Self {
        let leaving = self.leaving.lock().map(|leaving| leaving.clone()).unwrap_or_default();
        let groups = self.groups.lock().map(|groups| groups.clone()).unwrap_or_default();
        Self { leaving: Mutex::new(leaving), groups: Mutex::new(groups) }
    }

    fn start(&self, target: Target, delay: Duration) {
        if let Ok(mut leaving) = self.leaving.lock() {
            leaving.retain(|other| other.target != target);
            leaving.push(Leaving { target, until: Instant::now() + delay });
        }
    }

    fn stop(&self, group: &str, id: &str) {
        if let Ok(mut leaving) = self.leaving.lock() {
            leaving.retain(|other| other.target.target_group_arn != group || other.target.id != id);
        }
    }

    fn note(&self, group: &str, id: &str) {
        if let Ok(mut groups) = self.groups.lock() {
            groups.entry(id.to_owned()).or_default().insert(group.to_owned());
        }
    }

    fn groups_of(&self, instances: &[String]) -> BTreeSet<String> {
        let Ok(groups) = self.groups.lock() else { return BTreeSet::new() };
        instances.iter().filter_map(|id| groups.get(id)).flatten().cloned().collect()
    }

    fn of(&self, group: &str) -> Vec<Target> {
        let Ok(mut leaving) = self.leaving.lock() else { return Vec::new() };
        let now = Instant::now();
        leaving.retain(|leaving| leaving.until > now);
        leaving
            .iter()
            .filter(|leaving| leaving.target.target_group_arn == group)
            .map(|leaving| leaving.target.clone())
            .collect()
    }
}

impl Elbv2 {
    /// Registers targets; those that are no running instances are refused.
    pub(super) async fn register_targets(&self, request: &Request, moto: &Upstream) -> Result<Response, AwsError> {
        let form = request.form();
        let instances: Vec<&str> =
            targets(&form).into_iter().map(|(id, _)| id).filter(|id| id.starts_with("i-")).collect();
        if let Some(message) = not_running(&moto.aws(request), &instances).await? {
            return Ok(Response::error(request, 400, "InvalidTarget", &message));
        }
        let response = moto.send(request).await;
        if response.status.is_success() {
            let group = value(&form, "TargetGroupArn").unwrap_or_default();
            for (id, _) in targets(&form) {
                self.draining.stop(group, id);
                self.draining.note(group, id);
            }
        }
        Ok(response)
    }

    /// Deregisters targets; one that is not registered is no error. In a group that is in use they drain.
    pub(super) async fn deregister_targets(&self, request: &Request, moto: &Upstream) -> Result<Response, AwsError> {
        let form = request.form();
        let aws = moto.aws(request);
        let group = value(&form, "TargetGroupArn").unwrap_or_default();
        let registered = registered(&aws, group).await?;
        let leaving: Vec<&Target> = registered
            .iter()
            .filter(|target| {
                targets(&form).iter().any(|(id, port)| *id == target.id && port.is_none_or(|port| port == target.port))
            })
            .collect();
        if leaving.is_empty() {
            return Ok(done("DeregisterTargets"));
        }
        let mut parameters = vec![
            ("Action".to_owned(), "DeregisterTargets".to_owned()),
            ("Version".to_owned(), value(&form, "Version").unwrap_or("2015-12-01").to_owned()),
            ("TargetGroupArn".to_owned(), group.to_owned()),
        ];
        for (target, index) in leaving.iter().zip(1..) {
            parameters.push((format!("Targets.member.{index}.Id"), target.id.clone()));
        }
        let response = moto.send(&request.with_form(&parameters)).await;
        if response.status.is_success() {
            let leaving = leaving.into_iter().cloned().collect();
            self.drain(request, moto, group, leaving).await?;
        }
        Ok(response)
    }

    /// Terminated instances leave their groups; what is registered is remembered before they go.
    pub(crate) async fn registered_in(
        &self,
        request: &Request,
        moto: &Upstream,
        instances: &[String],
    ) -> Vec<(String, Vec<Target>)> {
        let aws = moto.aws(request);
        let mut found = Vec::new();
        for group in self.draining.groups_of(instances) {
            // A group that was deleted has nothing to drain.
            let Ok(mut targets) = registered(&aws, &group).await else { continue };
            targets.retain(|target| instances.contains(&target.id));
            if !targets.is_empty() {
                found.push((group, targets));
            }
        }
        found
    }

    /// Has targets drain for their group's delay, if requests could have reached them.
    pub(crate) async fn drain(
        &self,
        request: &Request,
        moto: &Upstream,
        group: &str,
        targets: Vec<Target>,
    ) -> Result<(), AwsError> {
        if !self.usages.of(request, moto).await?.load_balancers.contains_key(group) {
            return Ok(());
        }
        let parameters = [("TargetGroupArn", group)];
        let attributes = moto.aws(request).query_xml(SERVICE, "DescribeTargetGroupAttributes", &parameters).await?;
        let seconds = attributes
            .find("Attributes")
            .and_then(|list| {
                list.children.iter().find(|one| one.text_of("Key") == "deregistration_delay.timeout_seconds")
            })
            .and_then(|attribute| attribute.text_of("Value").parse().ok())
            .unwrap_or(300);
        for target in targets {
            self.draining.start(target, Duration::from_secs(seconds));
        }
        Ok(())
    }

    /// Tells each target's health: draining and unused by what was done, all else by the shared table.
    pub(super) async fn describe_target_health(
        &self,
        request: &Request,
        moto: &Upstream,
        health: &Health,
    ) -> Result<Response, AwsError> {
        let form = request.form();
        let group = value(&form, "TargetGroupArn").unwrap_or_default();
        let asked = targets(&form);
        let response = moto.send(request).await;
        if !response.status.is_success() {
            return Ok(response);
        }
        let in_use = self.usages.of(request, moto).await?.load_balancers.contains_key(group);
        let draining = self.draining.of(group);
        Ok(response.changed(|answer| {
            let Some(list) = answer.find_mut("TargetHealthDescriptions") else { return };
            for description in &mut list.children {
                let target = target_of(group, description);
                let known = description.find("State").map(|state| state.text.clone()).unwrap_or_default();
                if draining.iter().any(|leaving| leaving.id == target.id) {
                    description.set(written(&draining_health()));
                } else if known == "healthy" && !in_use {
                    description.set(written(&TargetHealth::with(
                        State::Unused,
                        "Target.NotInUse",
                        "Target group is not configured to receive traffic from the load balancer",
                    )));
                } else if known == "healthy" {
                    description.set(written(&health.of(&target)));
                }
                // All else moto knows as AWS does: stopped, not registered.
            }
            if asked.is_empty() {
                list.children.extend(draining.iter().map(|target| {
                    let port = target.port.to_string();
                    let id =
                        Element::node("Target", vec![Element::leaf("Id", &target.id), Element::leaf("Port", &port)]);
                    let check_port = Element::leaf("HealthCheckPort", &port);
                    Element::node("member", vec![id, check_port, written(&draining_health())])
                }));
            }
        }))
    }
}

/// Says which instances cannot be targets, where there are any.
async fn not_running(aws: &Aws, instances: &[&str]) -> Result<Option<String>, AwsError> {
    if instances.is_empty() {
        return Ok(None);
    }
    let names: Vec<String> = (1..=instances.len()).map(|index| format!("InstanceId.{index}")).collect();
    let mut parameters: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(instances.iter().copied()).collect();
    parameters.push(("IncludeAllInstances", "true"));
    let described = match aws.query_xml("ec2", "DescribeInstanceStatus", &parameters).await {
        Ok(answer) => answer,
        Err(AwsError::Service { message, .. }) => return Ok(Some(message)),
        Err(lost @ AwsError::Connection { .. }) => return Err(lost),
    };
    let running = |id: &str| {
        described.items("instanceStatusSet").iter().any(|status| {
            status.text_of("instanceId") == id
                && status.child("instanceState").is_some_and(|state| state.text_of("name") == "running")
        })
    };
    let others: Vec<String> = instances.iter().filter(|id| !running(id)).map(|id| format!("'{id}'")).collect();
    Ok((!others.is_empty()).then(|| {
        format!("The following targets are not in a running state and cannot be registered: {}", others.join(", "))
    }))
}

fn draining_health() -> TargetHealth {
    TargetHealth::with(State::Draining, "Target.DeregistrationInProgress", "Target deregistration is in progress")
}

fn written(health: &TargetHealth) -> Element {
    let mut fields = vec![Element::leaf("State", health.state.to_string())];
    fields.extend(health.reason.as_ref().map(|reason| Element::leaf("Reason", reason)));
    fields.extend(health.description.as_ref().map(|description| Element::leaf("Description", description)));
    Element::node("TargetHealth", fields)
}

/// What moto has registered in a group.
async fn registered(aws: &Aws, group: &str) -> Result<Vec<Target>, AwsError> {
    let answer = aws.query_xml(SERVICE, "DescribeTargetHealth", &[("TargetGroupArn", group)]).await?;
    let list = answer.find("TargetHealthDescriptions").map(|list| list.children.as_slice()).unwrap_or_default();
    Ok(list.iter().map(|description| target_of(group, description)).collect())
}

fn target_of(group: &str, description: &Element) -> Target {
    let target = description.child("Target");
    let field = |name| target.map_or("", |target| target.text_of(name));
    Target::new(group, field("Id"), field("Port").parse().unwrap_or_default())
}

/// The targets of a call's parameters, with the port where one is named.
fn targets(form: &[(String, String)]) -> Vec<(&str, Option<u16>)> {
    form.iter()
        .filter_map(|(key, id)| {
            let prefix = key.strip_suffix(".Id").filter(|prefix| prefix.starts_with("Targets."))?;
            let port = form.iter().find(|(key, _)| *key == format!("{prefix}.Port"));
            Some((id.as_str(), port.and_then(|(_, port)| port.parse().ok())))
        })
        .collect()
}
