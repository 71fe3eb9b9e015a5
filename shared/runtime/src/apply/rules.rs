//! Steps on listener rules. The switch is one of them, and one API call.

use std::collections::BTreeSet;

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, ForwardActionConfig, HostHeaderConditionConfig, PathPatternConditionConfig, RuleCondition,
    RulePriorityPair, SourceIpConditionConfig, TargetGroupStickinessConfig, TargetGroupTuple,
};
use domain::id::RuleArn;
use domain::plan::NewRule;
use domain::world::{self, Conditions, Weighted};

use super::Applied;
use super::groups::elb_tags;
use crate::clients::Clients;
use crate::errors::{AwsError, sdk_error};
use crate::observe::rules as look;

/// Makes a rule, with its tags.
pub(crate) async fn create(clients: &Clients, new: &NewRule) -> Result<Applied, AwsError> {
    clients
        .elb
        .create_rule()
        .listener_arn(new.listener.as_str())
        .priority(i32::try_from(new.priority).unwrap_or(i32::MAX))
        .set_conditions(Some(elb_conditions(&new.conditions)))
        .actions(forward_action(&new.forward, None))
        .set_tags(Some(elb_tags(&new.tags)))
        .send()
        .await
        .map(|_| Applied::Done)
        .map_err(|error| sdk_error("elasticloadbalancing:CreateRule", new.listener.as_str(), &error))
}

/// Replaces what a rule does, when it matches, or both, in one call. What is not given stays.
pub(crate) async fn modify(
    clients: &Clients,
    rule: &RuleArn,
    forward: Option<(&Vec<Weighted>, Option<u32>)>,
    conditions: Option<&Conditions>,
) -> Result<Applied, AwsError> {
    clients
        .elb
        .modify_rule()
        .rule_arn(rule.as_str())
        .set_actions(forward.map(|(forward, sticky)| vec![forward_action(forward, sticky)]))
        .set_conditions(conditions.map(elb_conditions))
        .send()
        .await
        .map(|_| Applied::Done)
        .map_err(|error| sdk_error("elasticloadbalancing:ModifyRule", rule.as_str(), &error))
}

/// Gives a rule another priority. One that is taken is looked at again: the plan says whose it is.
pub(crate) async fn move_to(clients: &Clients, rule: &RuleArn, priority: u32) -> Result<Applied, AwsError> {
    let pair = RulePriorityPair::builder()
        .rule_arn(rule.as_str())
        .priority(i32::try_from(priority).unwrap_or(i32::MAX))
        .build();
    clients
        .elb
        .set_rule_priorities()
        .rule_priorities(pair)
        .send()
        .await
        .map(|_| Applied::Done)
        .map_err(|error| sdk_error("elasticloadbalancing:SetRulePriorities", rule.as_str(), &error))
}

/// Deletes a rule; one that is gone is gone.
pub(crate) async fn delete(clients: &Clients, rule: &RuleArn) -> Result<Applied, AwsError> {
    let answer = clients.elb.delete_rule().rule_arn(rule.as_str()).send().await;
    match answer.map_err(|error| sdk_error("elasticloadbalancing:DeleteRule", rule.as_str(), &error)) {
        Ok(_) => Ok(Applied::Done),
        Err(error) if error.is(&["RuleNotFound"]) => Ok(Applied::NotNeeded),
        Err(error) => Err(error),
    }
}

/// Reads a rule, and finds these weights. `ModifyRule` has no condition: what somebody else wrote over it shows here.
pub(crate) async fn read_back(clients: &Clients, rule: &RuleArn, forward: &[Weighted]) -> Result<Applied, AwsError> {
    let answer = clients.elb.describe_rules().rule_arns(rule.as_str()).send().await;
    let answer = answer.map_err(|error| sdk_error(look::DESCRIBE, rule.as_str(), &error))?;
    let found = answer.rules().first().map(|rule| look::action(rule.actions()));
    let found = match &found {
        Some(world::Action::Forward(found)) => {
            if found.iter().collect::<BTreeSet<_>>() == forward.iter().collect() {
                return Ok(Applied::Done);
            }
            let groups: Vec<String> =
                found.iter().map(|w| format!("{} with weight {}", w.group.name(), w.weight)).collect();
            format!("it forwards to {}", groups.join(" and "))
        }
        Some(world::Action::Other(kind)) => format!("its action is {kind}"),
        None => "it is gone".to_owned(),
    };
    Ok(Applied::look_again(format!(
        "the rule {rule} is not as it was written a moment ago: {found}. Somebody else changes it"
    )))
}

/// One forward action, always in the form that carries weights. What does not say that it is sticky is not.
fn forward_action(forward: &[Weighted], sticky_seconds: Option<u32>) -> Action {
    let tuple = |weighted: &Weighted| {
        TargetGroupTuple::builder()
            .target_group_arn(weighted.group.as_str())
            .weight(i32::try_from(weighted.weight).unwrap_or(i32::MAX))
            .build()
    };
    let sticky = sticky_seconds.map(|seconds| {
        let seconds = i32::try_from(seconds).unwrap_or(i32::MAX);
        TargetGroupStickinessConfig::builder().enabled(true).duration_seconds(seconds).build()
    });
    let config = ForwardActionConfig::builder()
        .set_target_groups(Some(forward.iter().map(tuple).collect()))
        .set_target_group_stickiness_config(sticky)
        .build();
    Action::builder().r#type(ActionTypeEnum::Forward).forward_config(config).build()
}

fn elb_conditions(conditions: &Conditions) -> Vec<RuleCondition> {
    let values = |values: &BTreeSet<String>| (!values.is_empty()).then(|| values.iter().cloned().collect::<Vec<_>>());
    let hosts = values(&conditions.hosts).map(|hosts| {
        let config = HostHeaderConditionConfig::builder().set_values(Some(hosts)).build();
        RuleCondition::builder().field("host-header").host_header_config(config).build()
    });
    let paths = values(&conditions.paths).map(|paths| {
        let config = PathPatternConditionConfig::builder().set_values(Some(paths)).build();
        RuleCondition::builder().field("path-pattern").path_pattern_config(config).build()
    });
    let source_ips = values(&conditions.source_ips).map(|ips| {
        let config = SourceIpConditionConfig::builder().set_values(Some(ips)).build();
        RuleCondition::builder().field("source-ip").source_ip_config(config).build()
    });
    [hosts, paths, source_ips].into_iter().flatten().collect()
}
