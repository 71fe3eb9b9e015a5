//! Target groups and rules.

use crate::stage::{Stage, stage, texts};

const FORWARD: &str = "Actions.member.1.ForwardConfig.TargetGroups.member.1";

/// A load balancer with a listener that answers 404.
pub struct Balancer {
    pub arn: String,
    pub listener: String,
    pub vpc: String,
}

pub async fn balancer(stage: &Stage) -> Balancer {
    let subnets = stage.subnets().await;
    let parameters = [("Name", "web"), ("Subnets.member.1", &subnets[0]), ("Subnets.member.2", &subnets[1])];
    let made = stage.elb("CreateLoadBalancer", &parameters).await;
    let arn = texts(&made, "LoadBalancerArn").remove(0);
    let vpc = texts(&made, "VpcId").remove(0);
    let parameters = [
        ("LoadBalancerArn", arn.as_str()),
        ("Protocol", "HTTP"),
        ("Port", "80"),
        ("DefaultActions.member.1.Type", "fixed-response"),
        ("DefaultActions.member.1.FixedResponseConfig.StatusCode", "404"),
        ("Tags.member.1.Key", "app"),
        ("Tags.member.1.Value", "shop"),
    ];
    let listener = texts(&stage.elb("CreateListener", &parameters).await, "ListenerArn").remove(0);
    Balancer { arn, listener, vpc }
}

pub async fn target_group(stage: &Stage, vpc: &str, name: &str) -> String {
    let parameters = [("Name", name), ("Protocol", "HTTP"), ("Port", "8080"), ("VpcId", vpc)];
    texts(&stage.elb("CreateTargetGroup", &parameters).await, "TargetGroupArn").remove(0)
}

/// A rule for a host; answers its ARN.
pub async fn rule(stage: &Stage, listener: &str, priority: &str, group: &str) -> String {
    let answer = stage.elb("CreateRule", &rule_parameters(listener, priority, group)).await;
    texts(&answer, "RuleArn").remove(0)
}

fn rule_parameters<'a>(listener: &'a str, priority: &'a str, group: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("ListenerArn", listener),
        ("Priority", priority),
        ("Conditions.member.1.Field", "host-header"),
        ("Conditions.member.1.HostHeaderConfig.Values.member.1", "m.example.com"),
        ("Actions.member.1.Type", "forward"),
        ("Actions.member.1.TargetGroupArn", group),
        ("Tags.member.1.Key", "app"),
        ("Tags.member.1.Value", "shop"),
    ]
}

#[tokio::test]
async fn target_groups_are_made_and_deleted_any_number_of_times() {
    let stage = stage().await;
    let balancer = balancer(&stage).await;
    let one = target_group(&stage, &balancer.vpc, "one").await;
    assert_eq!(target_group(&stage, &balancer.vpc, "one").await, one);
    let other = [("Name", "one"), ("Protocol", "HTTP"), ("Port", "9090"), ("VpcId", &balancer.vpc)];
    assert_eq!(stage.refused("elasticloadbalancing", "CreateTargetGroup", &other).await, "DuplicateTargetGroupName");

    let two = target_group(&stage, &balancer.vpc, "two").await;
    let users = async |group: &str| {
        let described = stage.elb("DescribeTargetGroups", &[("TargetGroupArns.member.1", group)]).await;
        texts(&described, "member").iter().filter(|arn| **arn == balancer.arn).count()
    };
    let rule = rule(&stage, &balancer.listener, "10", &one).await;
    assert_eq!((users(&one).await, users(&two).await), (1, 0));
    let moved =
        [("RuleArn", rule.as_str()), ("Actions.member.1.Type", "forward"), ("Actions.member.1.TargetGroupArn", &two)];
    stage.elb("ModifyRule", &moved).await;
    assert_eq!((users(&one).await, users(&two).await), (0, 1), "a changed rule lets the old group go");
    let of_balancer = stage.elb("DescribeTargetGroups", &[("LoadBalancerArn", &balancer.arn)]).await;
    assert_eq!(texts(&of_balancer, "TargetGroupArn"), std::slice::from_ref(&two));

    assert_eq!(
        stage.refused("elasticloadbalancing", "DeleteTargetGroup", &[("TargetGroupArn", &two)]).await,
        "ResourceInUse"
    );
    for _ in 0..2 {
        stage.elb("DeleteTargetGroup", &[("TargetGroupArn", &one)]).await;
    }
    let attributes = |key| {
        [("TargetGroupArn", two.as_str()), ("Attributes.member.1.Key", key), ("Attributes.member.1.Value", "off")]
    };
    let known = "target_group_health.dns_failover.minimum_healthy_targets.count";
    stage.elb("ModifyTargetGroupAttributes", &attributes(known)).await;
    let set = stage.elb("DescribeTargetGroupAttributes", &[("TargetGroupArn", &two)]).await;
    assert!(texts(&set, "Key").contains(&known.to_owned()));
    let unknown = attributes("target_group_health.dns");
    assert_eq!(stage.refused("elasticloadbalancing", "ModifyTargetGroupAttributes", &unknown).await, "ValidationError");
}

#[tokio::test]
async fn rules_are_as_in_aws() {
    let stage = stage().await;
    let balancer = balancer(&stage).await;
    let group = target_group(&stage, &balancer.vpc, "one").await;
    let twenty = rule(&stage, &balancer.listener, "20", &group).await;
    let ten = rule(&stage, &balancer.listener, "10", &group).await;
    let described = stage.elb("DescribeRules", &[("ListenerArn", &balancer.listener)]).await;
    assert_eq!(texts(&described, "Priority"), ["10", "20", "default"]);
    assert_eq!(texts(&described, "Weight"), ["1", "1"], "the long form beside the short one: {described}");
    assert_eq!(texts(&described, "Enabled"), ["false", "false"]);
    assert_eq!(texts(&described, "member").iter().filter(|value| *value == "m.example.com").count(), 4);

    let elb = "elasticloadbalancing";
    let second = [
        ("LoadBalancerArn", balancer.arn.as_str()),
        ("Protocol", "HTTP"),
        ("Port", "80"),
        ("DefaultActions.member.1.Type", "forward"),
        ("DefaultActions.member.1.TargetGroupArn", &group),
    ];
    assert_eq!(stage.refused(elb, "CreateListener", &second).await, "DuplicateListener");
    let mut weighted = rule_parameters(&balancer.listener, "30", &group);
    weighted.retain(|(key, _)| *key != "Actions.member.1.TargetGroupArn");
    let (arn, weight) = (format!("{FORWARD}.TargetGroupArn"), format!("{FORWARD}.Weight"));
    weighted.extend([(arn.as_str(), group.as_str()), (weight.as_str(), "1000")]);
    assert_eq!(stage.refused(elb, "CreateRule", &weighted).await, "ValidationError");
    weighted.last_mut().unwrap().1 = "100";
    let thirty = stage.elb("CreateRule", &weighted).await;
    assert_eq!(texts(&thirty, "TargetGroupArn").len(), 2, "the short form beside the long one: {thirty}");
    let mut bare = rule_parameters(&balancer.listener, "40", &group);
    bare.retain(|(key, _)| !key.starts_with("Conditions"));
    assert_eq!(stage.refused(elb, "CreateRule", &bare).await, "ValidationError");

    let swapped = [
        ("RulePriorities.member.1.RuleArn", ten.as_str()),
        ("RulePriorities.member.1.Priority", "20"),
        ("RulePriorities.member.2.RuleArn", twenty.as_str()),
        ("RulePriorities.member.2.Priority", "10"),
    ];
    stage.elb("SetRulePriorities", &swapped).await;
    let described = stage.elb("DescribeRules", &[("RuleArns.member.1", &ten)]).await;
    assert_eq!(texts(&described, "Priority"), ["20"]);
    let taken = [("RulePriorities.member.1.RuleArn", ten.as_str()), ("RulePriorities.member.1.Priority", "30")];
    assert_eq!(stage.refused(elb, "SetRulePriorities", &taken).await, "PriorityInUse");

    let filter = serde_json::json!({
        "ResourceTypeFilters": ["elasticloadbalancing:listener", "elasticloadbalancing:listener-rule"],
        "TagFilters": [{"Key": "app", "Values": ["shop"]}],
    });
    let listed = stage.aws.json("tagging", "ResourceGroupsTaggingAPI_20170126.GetResources", filter).await.unwrap();
    let arns: Vec<_> = listed["ResourceTagMappingList"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["ResourceARN"].as_str().unwrap())
        .collect();
    assert!(arns.contains(&ten.as_str()) && arns.contains(&balancer.listener.as_str()) && arns.len() == 4, "{arns:?}");

    stage.elb("DeleteRule", &[("RuleArn", &ten)]).await;
    assert_eq!(stage.refused(elb, "DeleteRule", &[("RuleArn", &ten)]).await, "RuleNotFound");
    let changed =
        [("RuleArn", ten.as_str()), ("Actions.member.1.Type", "forward"), ("Actions.member.1.TargetGroupArn", &group)];
    assert_eq!(stage.refused(elb, "ModifyRule", &changed).await, "RuleNotFound");
}
