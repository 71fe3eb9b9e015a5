//! Elastic Load Balancing as AWS has it, where moto does otherwise.

mod rules;
mod shape;
mod target_groups;
mod targets;
mod usage;

use crate::aws::AwsError;
use crate::forward::Upstream;
use crate::health::Health;
use crate::xml::Element;
use crate::{Request, Response, request};

pub(crate) use usage::Usages;

/// What the gateway remembers of load balancing.
#[derive(Default)]
pub(crate) struct Elbv2 {
    /// One change after the other: a look before a change has to hold during it.
    changes: tokio::sync::Mutex<()>,
    pub(crate) usages: Usages,
    draining: targets::Draining,
}

impl Elbv2 {
    /// The same memory for a copy of the account; who uses what is read anew.
    pub(crate) fn fork(&self) -> Self {
        Self { draining: self.draining.fork(), ..Self::default() }
    }

    /// Answers a call as AWS would.
    pub(crate) async fn answer(
        &self,
        request: &Request,
        moto: &Upstream,
        health: &Health,
    ) -> Result<Response, AwsError> {
        if !request::mutates(request) {
            return self.read(request, moto, health).await;
        }
        let _alone = self.changes.lock().await;
        let answer = self.change(request, moto).await;
        match request.action.as_str() {
            "CreateRule" | "ModifyRule" | "DeleteRule" => {
                let form = request.form();
                let rule = value(&form, "RuleArn").map(rules::listener_of);
                let listener = rule.or_else(|| value(&form, "ListenerArn").map(str::to_owned));
                self.usages.forget_listener(&request.region, &listener.unwrap_or_default());
            }
            // No rule forwards elsewhere for these.
            "RegisterTargets"
            | "DeregisterTargets"
            | "AddTags"
            | "RemoveTags"
            | "SetRulePriorities"
            | "CreateTargetGroup"
            | "ModifyTargetGroup"
            | "ModifyTargetGroupAttributes"
            | "DeleteTargetGroup" => {}
            _ => self.usages.forget(),
        }
        answer
    }

    async fn read(&self, request: &Request, moto: &Upstream, health: &Health) -> Result<Response, AwsError> {
        match request.action.as_str() {
            "DescribeRules" => Ok(moto.send(request).await.changed(|answer| {
                shape::complete(answer);
                shape::sort(answer);
            })),
            "DescribeListeners" => Ok(moto.send(request).await.changed(shape::complete)),
            "DescribeTargetGroups" => target_groups::describe(request, moto, &self.usages).await,
            "DescribeTargetHealth" => self.describe_target_health(request, moto, health).await,
            _ => Ok(moto.send(request).await),
        }
    }

    async fn change(&self, request: &Request, moto: &Upstream) -> Result<Response, AwsError> {
        match request.action.as_str() {
            "CreateTargetGroup" => target_groups::create(request, moto).await,
            "ModifyTargetGroupAttributes" => target_groups::modify_attributes(request, moto).await,
            "DeleteTargetGroup" => Ok(target_groups::delete(request, moto).await),
            "RegisterTargets" => self.register_targets(request, moto).await,
            "DeregisterTargets" => self.deregister_targets(request, moto).await,
            "CreateRule" | "ModifyRule" | "CreateListener" | "ModifyListener" => {
                rules::set(request, moto, &self.usages).await
            }
            "SetRulePriorities" => rules::set_priorities(request, moto).await,
            "DeleteRule" => rules::delete(request, moto).await,
            _ => Ok(moto.send(request).await),
        }
    }
}

/// Makes the answer of an action that says nothing but that it was done.
fn done(action: &str) -> Response {
    let metadata =
        Element::node("ResponseMetadata", vec![Element::leaf("RequestId", uuid::Uuid::new_v4().to_string())]);
    let answer =
        Element::node(&format!("{action}Response"), vec![Element::leaf(&format!("{action}Result"), ""), metadata]);
    Response::xml(answer.in_namespace("http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/").document())
}

fn value<'a>(form: &'a [(String, String)], name: &str) -> Option<&'a str> {
    form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// The values of all parameters whose name ends so.
fn ending<'a>(form: &'a [(String, String)], end: &str) -> Vec<&'a str> {
    form.iter().filter(|(key, _)| key.ends_with(end)).map(|(_, value)| value.as_str()).collect()
}
