//! Reads that lag behind.

use std::time::Duration;

use gateway::{Lag, Lagging};

use crate::elbv2::{balancer, rule, target_group};
use crate::route53::{addresses, change, zone};
use crate::stage::{Stage, launch, stage, texts};

const ELB: &str = "elasticloadbalancing";

fn lags(stage: &Stage, what: Lagging, lag: Lag) {
    stage.gateway.settings().set_lag(what, lag);
}

#[tokio::test]
async fn a_new_instance_is_seen_late() {
    let stage = stage().await;
    lags(&stage, Lagging::Instances, Lag::Time(Duration::from_secs(3600)));
    let (ami, subnets) = (stage.ami().await, stage.subnets().await);
    let mut parameters = launch(&ami, &subnets[0]);
    parameters.push(("ClientToken", "once"));
    let instance = texts(&stage.ec2("RunInstances", &parameters).await, "instanceId").remove(0);
    let named = [("InstanceId.1", instance.as_str())];
    for action in ["DescribeInstances", "DescribeInstanceStatus", "TerminateInstances"] {
        assert_eq!(stage.refused("ec2", action, &named).await, "InvalidInstanceID.NotFound", "{action}");
    }
    for action in ["DescribeInstances", "DescribeInstanceStatus"] {
        assert_eq!(texts(&stage.ec2(action, &[]).await, "instanceId"), [""; 0], "{action}");
    }
    assert_eq!(texts(&stage.ec2("RunInstances", &parameters).await, "instanceId"), [&*instance], "by its token it is");
    stage.gateway.settings().clear_lags();
    assert_eq!(texts(&stage.ec2("DescribeInstances", &[]).await, "instanceId"), [&*instance]);
}

#[tokio::test]
async fn groups_and_rules_are_seen_after_so_many_reads() {
    let stage = stage().await;
    let balancer = balancer(&stage).await;
    let old = target_group(&stage, &balancer.vpc, "old").await;
    lags(&stage, Lagging::TargetGroups, Lag::Reads(3));
    assert_eq!(target_group(&stage, &balancer.vpc, "old").await, old);
    assert!(stage.elb("DescribeTargetGroups", &[("Names.member.1", "old")]).await.contains(&old), "it is not new");
    let group = target_group(&stage, &balancer.vpc, "new").await;
    let (named, by_arn) = ([("Names.member.1", "new")], [("TargetGroupArn", group.as_str())]);
    assert_eq!(stage.refused(ELB, "DescribeTargetGroups", &named).await, "TargetGroupNotFound");
    assert_eq!(stage.refused(ELB, "DescribeTargetHealth", &by_arn).await, "TargetGroupNotFound");
    let listed = stage.elb("DescribeTargetGroups", &[]).await;
    assert!(!listed.contains(&group) && listed.contains(&old), "{listed}");
    assert!(stage.elb("DescribeTargetGroups", &named).await.contains(&group), "the fourth read sees it");

    lags(&stage, Lagging::Rules, Lag::Jumping(4));
    let rule = rule(&stage, &balancer.listener, "5", &group).await;
    let mut seen = Vec::new();
    for _ in 0..6 {
        let listed = stage.elb("DescribeRules", &[("ListenerArn", &balancer.listener)]).await;
        seen.push(texts(&listed, "RuleArn").contains(&rule));
    }
    assert_eq!(seen, [true, false, true, false, true, true]);
    lags(&stage, Lagging::Rules, Lag::Time(Duration::from_secs(3600)));
    assert_eq!(stage.refused(ELB, "DeleteRule", &[("RuleArn", &rule)]).await, "RuleNotFound");
}

#[tokio::test]
async fn tags_are_served_late() {
    let stage = stage().await;
    let instance = stage.instance().await;
    let tag = |value| [("ResourceId.1", instance.as_str()), ("Tag.1.Key", "role"), ("Tag.1.Value", value)];
    let with = |value| [("Filter.1.Name", "tag:role"), ("Filter.1.Value.1", value)];
    let values = async |parameters: &[_]| texts(&stage.ec2("DescribeInstances", parameters).await, "value");
    stage.ec2("CreateTags", &tag("one")).await;
    lags(&stage, Lagging::Tags, Lag::Reads(2));
    stage.ec2("CreateTags", &tag("two")).await;
    assert_eq!(values(&[]).await, ["one"]);
    assert_eq!(values(&with("two")).await, [""; 0], "the filter goes by the old ones");
    assert_eq!(values(&with("two")).await, ["two"]);

    let balancer = balancer(&stage).await;
    let group = target_group(&stage, &balancer.vpc, "web").await;
    let rule = rule(&stage, &balancer.listener, "5", &group).await;
    let tags = async || texts(&stage.elb("DescribeTags", &[("ResourceArns.member.1", &rule)]).await, "Value");
    assert_eq!((tags().await, tags().await, tags().await), (vec![], vec![], vec!["shop".to_owned()]));
    let change = [("ResourceArns.member.1", &*rule), ("Tags.member.1.Key", "app"), ("Tags.member.1.Value", "till")];
    stage.elb("AddTags", &change).await;
    assert_eq!(
        (tags().await, tags().await, tags().await),
        (vec!["shop".into()], vec!["shop".into()], vec!["till".into()])
    );
}

#[tokio::test]
async fn names_are_served_as_they_were() {
    let stage = stage().await;
    let zone = zone(&stage).await;
    lags(&stage, Lagging::Names, Lag::Reads(1));
    change(&stage, &zone, &[("CREATE", "a.corp.internal", "10.0.0.1")]).await.unwrap();
    assert_eq!(addresses(&stage, &zone).await, [""; 0]);
    assert_eq!(addresses(&stage, &zone).await, ["10.0.0.1"]);
    let pair = [("DELETE", "a.corp.internal", "10.0.0.1"), ("CREATE", "a.corp.internal", "10.0.0.2")];
    change(&stage, &zone, &pair).await.unwrap();
    assert_eq!(addresses(&stage, &zone).await, ["10.0.0.1"]);
    assert_eq!(addresses(&stage, &zone).await, ["10.0.0.2"]);
    change(&stage, &zone, &[("DELETE", "a.corp.internal", "10.0.0.2")]).await.unwrap();
    assert_eq!(addresses(&stage, &zone).await, ["10.0.0.2"]);
    assert_eq!(addresses(&stage, &zone).await, [""; 0]);
}
