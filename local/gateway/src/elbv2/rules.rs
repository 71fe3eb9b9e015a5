//! Listener rules and default actions: what AWS refuses in them, their priorities, their end.

use std::collections::{BTreeMap, BTreeSet};

use super::usage::{Usages, pages};
use super::{done, ending, shape, value};
use crate::aws::AwsError;
use crate::forward::Upstream;
use crate::{Request, Response};

const SERVICE: &str = "elasticloadbalancing";
const WEIGHT_MAX: u32 = 999;
const TARGET_GROUPS_MAX: usize = 5;

/// Priorities that no rule has: AWS ends at 50000.
const PARKED: u32 = 100_000;

/// Creates or modifies a rule or a listener, and refuses what moto would take.
pub(super) async fn set(request: &Request, moto: &Upstream, usages: &Usages) -> Result<Response, AwsError> {
    let form = request.form();
    let invalid = |message: &str| Ok(Response::error(request, 400, "ValidationError", message));
    for weight in ending(&form, ".Weight") {
        if !weight.parse::<u32>().is_ok_and(|weight| weight <= WEIGHT_MAX) {
            return invalid(&format!("Target group weight '{weight}' must be between 0 and {WEIGHT_MAX}"));
        }
    }
    if request.action == "CreateRule" {
        if !form.iter().any(|(key, _)| key.starts_with("Conditions.member.")) {
            return invalid("A rule must have at least one condition");
        }
        if let Some(priority) = value(&form, "Priority")
            && !priority.parse::<u32>().is_ok_and(|priority| (1..=50_000).contains(&priority))
        {
            return invalid(&format!("Rule priority '{priority}' must be between 1 and 50000"));
        }
    }
    let groups: BTreeSet<&str> = ending(&form, "TargetGroupArn").into_iter().collect();
    if groups.len() > TARGET_GROUPS_MAX {
        return Ok(Response::error(
            request,
            400,
            "TooManyTargetGroups",
            "An action forwards to at most 5 target groups",
        ));
    }
    if let Some(rule) = value(&form, "RuleArn")
        && let Some(refusal) = default_rule(request, moto, rule).await?
    {
        return Ok(refusal);
    }
    if request.action == "CreateListener"
        && let (Some(balancer), Some(port)) = (value(&form, "LoadBalancerArn"), value(&form, "Port"))
    {
        let of_balancer = [("LoadBalancerArn", balancer)];
        let listeners = pages(&moto.aws(request), "DescribeListeners", "Listeners", &of_balancer).await?;
        if listeners.iter().any(|listener| listener.text_of("Port") == port) {
            let message = format!("A listener already exists on port {port} of the load balancer '{balancer}'");
            return Ok(Response::error(request, 400, "DuplicateListener", &message));
        }
    }
    let place =
        ["RuleArn", "ListenerArn", "LoadBalancerArn"].iter().find_map(|name| value(&form, name)).unwrap_or_default();
    let balancer = load_balancer_part(place);
    let usage = usages.of(request, moto).await?;
    for group in groups {
        let others = usage.load_balancers.get(group).into_iter().flatten();
        if others.into_iter().any(|other| load_balancer_part(other) != balancer) {
            let message =
                format!("The following target groups cannot be associated with more than one load balancer: {group}");
            return Ok(Response::error(request, 400, "TargetGroupAssociationLimit", &message));
        }
    }
    let response = moto.send(request).await;
    Ok(if response.status.is_success() { response.changed(shape::complete) } else { response })
}

/// Sets priorities all at once: rules may swap theirs.
pub(super) async fn set_priorities(request: &Request, moto: &Upstream) -> Result<Response, AwsError> {
    let response = moto.send(request).await;
    if response.error_code().as_deref() != Some("PriorityInUse") {
        return Ok(response.changed(shape::complete));
    }
    let form = request.form();
    let wanted: BTreeMap<&str, &str> = ending(&form, ".RuleArn").into_iter().zip(ending(&form, ".Priority")).collect();
    let aws = moto.aws(request);
    for rule in wanted.keys() {
        let listener = listener_of(rule);
        for other in pages(&aws, "DescribeRules", "Rules", &[("ListenerArn", &listener)]).await? {
            let stays = !wanted.contains_key(other.text_of("RuleArn"));
            if stays && wanted.values().any(|priority| *priority == other.text_of("Priority")) {
                return Ok(response); // In use by a rule that does not move.
            }
        }
    }
    // moto moves one rule after the other, so they make room for each other first.
    for ((rule, _), parked) in wanted.iter().zip(PARKED..) {
        let parked = parked.to_string();
        let parameters = [("RulePriorities.member.1.RuleArn", *rule), ("RulePriorities.member.1.Priority", &parked)];
        aws.query(SERVICE, "SetRulePriorities", &parameters).await?;
    }
    Ok(moto.send(request).await.changed(shape::complete))
}

/// Deletes a rule; moto says yes to one that is not there.
pub(super) async fn delete(request: &Request, moto: &Upstream) -> Result<Response, AwsError> {
    let form = request.form();
    let rule = value(&form, "RuleArn").unwrap_or_default();
    if let Some(refusal) = default_rule(request, moto, rule).await? {
        return Ok(refusal);
    }
    let response = moto.send(request).await;
    Ok(if response.status.is_success() { done("DeleteRule") } else { response })
}

/// Refuses a change of a default rule; an unknown rule is an error by itself.
async fn default_rule(request: &Request, moto: &Upstream, rule: &str) -> Result<Option<Response>, AwsError> {
    let described = moto.aws(request).query_xml(SERVICE, "DescribeRules", &[("RuleArns.member.1", rule)]).await?;
    let default = described.find("IsDefault").is_some_and(|default| default.text == "true");
    Ok(default.then(|| {
        let verb = if request.action == "DeleteRule" { "deleted" } else { "modified" };
        Response::error(request, 400, "OperationNotPermitted", &format!("Default rule '{rule}' cannot be {verb}"))
    }))
}

/// The listener of a rule, by its ARN.
pub(super) fn listener_of(rule: &str) -> String {
    let listener = rule.replace(":listener-rule/", ":listener/");
    listener.rsplit_once('/').map(|(listener, _)| listener.to_owned()).unwrap_or(listener)
}

/// What the ARNs of a load balancer, its listeners and its rules have in common: `app/<name>/<id>`.
fn load_balancer_part(arn: &str) -> String {
    let path = arn.rsplit(':').next().unwrap_or(arn);
    path.split('/').skip(1).take(3).collect::<Vec<_>>().join("/")
}
