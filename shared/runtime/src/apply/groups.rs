//! Steps on target groups and their targets; and on tags of anything that ELB tags.

use aws_sdk_elasticloadbalancingv2::types::{
    Matcher, ProtocolEnum, Tag, TargetDescription, TargetGroupAttribute, TargetTypeEnum,
};
use domain::id::{GroupArn, InstanceId};
use domain::plan::NewGroup;
use domain::tags::Tags;

use super::{Applied, Hands};
use crate::clients::Clients;
use crate::errors::{AwsError, sdk_error};

const CREATE: &str = "elasticloadbalancing:CreateTargetGroup";

/// Makes a group. AWS answers with one of that name and these settings, whoever made it: the next look says whose it is.
pub(crate) async fn create(clients: &Clients, new: &NewGroup) -> Result<Applied, AwsError> {
    let number = |seconds: u32| i32::try_from(seconds).unwrap_or(i32::MAX);
    let protocol = ProtocolEnum::from(new.protocol.as_str());
    let check = &new.health_check;
    let answer = clients
        .elb
        .create_target_group()
        .name(&new.name)
        .vpc_id(&new.vpc)
        .target_type(TargetTypeEnum::Instance)
        .protocol(protocol)
        .port(i32::from(new.port))
        .health_check_enabled(true)
        .health_check_protocol(ProtocolEnum::from(check.protocol.as_str()))
        .health_check_port("traffic-port")
        .health_check_path(&check.path)
        .health_check_interval_seconds(number(check.interval_seconds))
        .health_check_timeout_seconds(number(check.timeout_seconds))
        .healthy_threshold_count(number(check.healthy_threshold))
        .unhealthy_threshold_count(number(check.unhealthy_threshold))
        .matcher(Matcher::builder().http_code(&check.matcher).build())
        .set_tags(Some(elb_tags(&new.tags)))
        .send()
        .await;
    match answer.map_err(|error| sdk_error(CREATE, new.name.as_str(), &error)) {
        Ok(_) => Ok(Applied::Done),
        Err(error) if error.is(&["DuplicateTargetGroupName"]) => Ok(Applied::look_again(error.to_string())),
        Err(error) => Err(error),
    }
}

/// How long targets drain; and that a group without healthy targets takes no node of the load balancer out of DNS,
/// for other services are behind it too.
async fn settle(clients: &Clients, arn: &GroupArn, drain_seconds: u32) -> Result<(), AwsError> {
    let attributes = [
        ("deregistration_delay.timeout_seconds", drain_seconds.to_string()),
        ("target_group_health.dns_failover.minimum_healthy_targets.count", "off".to_owned()),
        ("target_group_health.dns_failover.minimum_healthy_targets.percentage", "off".to_owned()),
    ];
    let attributes = attributes.map(|(key, value)| TargetGroupAttribute::builder().key(key).value(value).build());
    clients
        .elb
        .modify_target_group_attributes()
        .target_group_arn(arn.as_str())
        .set_attributes(Some(attributes.to_vec()))
        .send()
        .await
        .map(|_| ())
        .map_err(|error| sdk_error("elasticloadbalancing:ModifyTargetGroupAttributes", arn.as_str(), &error))
}

/// Puts targets into a group; again is no harm. What no creating call takes is settled just before: a call that was cut off
/// between the two leaves a group that matters to nobody yet.
pub(crate) async fn register(
    hands: &Hands<'_>,
    group: &GroupArn,
    instances: &[InstanceId],
    port: u16,
) -> Result<Applied, AwsError> {
    settle(hands.clients, group, hands.service.drain_seconds).await?;
    if !hands.allow_change() {
        return Ok(Applied::out_of_time());
    }
    let target = |id: &InstanceId| TargetDescription::builder().id(id.as_str()).port(i32::from(port)).build();
    hands
        .clients
        .elb
        .register_targets()
        .target_group_arn(group.as_str())
        .set_targets(Some(instances.iter().map(target).collect()))
        .send()
        .await
        .map(|_| Applied::Done)
        .map_err(|error| sdk_error("elasticloadbalancing:RegisterTargets", group.as_str(), &error))
}

/// Takes targets out of a group: they end what is under way.
pub(crate) async fn deregister(
    clients: &Clients,
    group: &GroupArn,
    instances: &[InstanceId],
) -> Result<Applied, AwsError> {
    // Without a port, on whichever they are registered.
    let target = |id: &InstanceId| TargetDescription::builder().id(id.as_str()).build();
    let answer = clients
        .elb
        .deregister_targets()
        .target_group_arn(group.as_str())
        .set_targets(Some(instances.iter().map(target).collect()))
        .send()
        .await;
    match answer.map_err(|error| sdk_error("elasticloadbalancing:DeregisterTargets", group.as_str(), &error)) {
        Ok(_) => Ok(Applied::Done),
        Err(error) if error.is(&["TargetGroupNotFound"]) => Ok(Applied::NotNeeded),
        Err(error) => Err(error),
    }
}

/// Deletes a group. While a rule names it AWS refuses, and so do we.
pub(crate) async fn delete(clients: &Clients, group: &GroupArn) -> Result<Applied, AwsError> {
    let answer = clients.elb.delete_target_group().target_group_arn(group.as_str()).send().await;
    match answer.map_err(|error| sdk_error("elasticloadbalancing:DeleteTargetGroup", group.as_str(), &error)) {
        Ok(_) => Ok(Applied::Done),
        Err(error) if error.is(&["TargetGroupNotFound"]) => Ok(Applied::NotNeeded),
        Err(error) => Err(error),
    }
}

/// Writes tags on a group or a rule.
pub(crate) async fn tag(clients: &Clients, arn: &str, tags: &Tags) -> Result<Applied, AwsError> {
    clients
        .elb
        .add_tags()
        .resource_arns(arn)
        .set_tags(Some(elb_tags(tags)))
        .send()
        .await
        .map(|_| Applied::Done)
        .map_err(|error| sdk_error("elasticloadbalancing:AddTags", arn, &error))
}

/// Tags as ELB takes them.
pub(super) fn elb_tags(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}
