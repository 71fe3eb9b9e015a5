//! Target groups: made and deleted as often as one likes, and in use by whom.

use super::usage::Usages;
use super::{done, value};
use crate::aws::AwsError;
use crate::forward::Upstream;
use crate::xml::Element;
use crate::{Request, Response};

const SERVICE: &str = "elasticloadbalancing";

/// The attributes that AWS knows; moto takes any.
const ATTRIBUTES: [&str; 22] = [
    "deregistration_delay.connection_termination.enabled",
    "deregistration_delay.timeout_seconds",
    "lambda.multi_value_headers.enabled",
    "load_balancing.algorithm.anomaly_mitigation",
    "load_balancing.algorithm.type",
    "load_balancing.cross_zone.enabled",
    "preserve_client_ip.enabled",
    "proxy_protocol_v2.enabled",
    "slow_start.duration_seconds",
    "stickiness.app_cookie.cookie_name",
    "stickiness.app_cookie.duration_seconds",
    "stickiness.enabled",
    "stickiness.lb_cookie.duration_seconds",
    "stickiness.type",
    "target_failover.on_deregistration",
    "target_failover.on_unhealthy",
    "target_group_health.dns_failover.minimum_healthy_targets.count",
    "target_group_health.dns_failover.minimum_healthy_targets.percentage",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
    "target_health_state.unhealthy.connection_termination.enabled",
    "target_health_state.unhealthy.draining_interval_seconds",
];

/// Makes a target group; one of the same name and settings is answered as it is, its tags untouched.
pub(super) async fn create(request: &Request, moto: &Upstream) -> Result<Response, AwsError> {
    let response = moto.send(request).await;
    if response.error_code().as_deref() != Some("DuplicateTargetGroupName") {
        return Ok(response);
    }
    let form = request.form();
    let name = value(&form, "Name").unwrap_or_default();
    let described = moto.aws(request).query_xml(SERVICE, "DescribeTargetGroups", &[("Names.member.1", name)]).await?;
    let Some(group) = described.find("TargetGroups").and_then(|groups| groups.children.first()) else {
        return Ok(response);
    };
    let same = form.iter().all(|(key, wanted)| match key.as_str() {
        "Action" | "Version" | "Name" => true,
        key if key.starts_with("Tags.") => true,
        key => {
            let mut names = key.split('.');
            let setting = names.next().and_then(|name| group.child(name));
            let setting = names.fold(setting, |setting, name| setting.and_then(|setting| setting.child(name)));
            setting.is_some_and(|setting| setting.text == *wanted)
        }
    });
    if !same {
        return Ok(response);
    }
    let mut answer = done("CreateTargetGroup").xml_body().unwrap_or_default();
    if let Some(result) = answer.find_mut("CreateTargetGroupResult") {
        result.set(Element::node("TargetGroups", vec![group.clone()]));
    }
    Ok(Response::xml(answer.document()))
}

/// Deletes a target group; one that is not there is no error.
pub(super) async fn delete(request: &Request, moto: &Upstream) -> Response {
    let response = moto.send(request).await;
    if response.error_code().as_deref() == Some("TargetGroupNotFound") { done("DeleteTargetGroup") } else { response }
}

/// Describes target groups, with the load balancers that use them now.
pub(super) async fn describe(request: &Request, moto: &Upstream, usages: &Usages) -> Result<Response, AwsError> {
    let mut form = request.form();
    let usage = usages.of(request, moto).await?;
    let balancer = value(&form, "LoadBalancerArn").map(str::to_owned);
    let response = match &balancer {
        None => moto.send(request).await,
        Some(arn) => {
            moto.aws(request).query(SERVICE, "DescribeLoadBalancers", &[("LoadBalancerArns.member.1", arn)]).await?;
            form.retain(|(key, _)| key != "LoadBalancerArn");
            moto.send(&request.with_form(&form)).await
        }
    };
    if !response.status.is_success() {
        return Ok(response);
    }
    Ok(response.changed(|answer| {
        let Some(groups) = answer.find_mut("TargetGroups") else { return };
        for group in &mut groups.children {
            let users = usage.load_balancers.get(group.text_of("TargetGroupArn"));
            let users = users.into_iter().flatten().map(|arn| Element::leaf("member", arn)).collect();
            group.set(Element::node("LoadBalancerArns", users));
        }
        if let Some(balancer) = &balancer {
            groups.children.retain(|group| group.items("LoadBalancerArns").iter().any(|user| user.text == *balancer));
        }
    }))
}

/// Sets attributes, and refuses those that AWS does not know.
pub(super) async fn modify_attributes(request: &Request, moto: &Upstream) -> Result<Response, AwsError> {
    for (name, key) in request.form() {
        if name.ends_with(".Key") && !ATTRIBUTES.contains(&key.as_str()) {
            let message = format!("Target group attribute key '{key}' is not recognized");
            return Ok(Response::error(request, 400, "ValidationError", &message));
        }
    }
    Ok(moto.send(request).await)
}
