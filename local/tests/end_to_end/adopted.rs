//! A service that was there before: its rule is adopted, its group is the way back, and neither is ever deleted.

use local::{Stack, xml};
use serde_json::Value;

use crate::stage::{SERVICE, ask, done, look, pre_product, stack, status, teardown};

/// Makes a group with one server and a rule that forwards to it, as another tool would have; the rule is tagged to
/// be adopted. Answers the ARNs of group and rule.
async fn there_before(stack: &Stack) -> (String, String) {
    let account = stack.account();
    let aws = stack.aws("STRANGER");
    let parameters = [
        ("ImageId", account.ami.as_str()),
        ("InstanceType", "t3.small"),
        ("MinCount", "1"),
        ("MaxCount", "1"),
        ("SubnetId", &account.subnets[0].id),
    ];
    let instance = xml::first(&aws.query("ec2", "RunInstances", &parameters).await.unwrap(), "instanceId").unwrap();
    let elb = async |action: &str, parameters: &[(&str, &str)]| {
        aws.query("elasticloadbalancing", action, parameters).await.unwrap()
    };
    let parameters = [("Name", "old-web"), ("Protocol", "HTTP"), ("Port", "8080"), ("VpcId", &account.vpc)];
    let group = xml::first(&elb("CreateTargetGroup", &parameters).await, "TargetGroupArn").unwrap();
    elb("RegisterTargets", &[("TargetGroupArn", &group), ("Targets.member.1.Id", &instance)]).await;
    let priority = stack.config_of(SERVICE)["product"]["priority"].to_string();
    let parameters = [
        ("ListenerArn", account.listener_arn.as_str()),
        ("Priority", &priority),
        ("Conditions.member.1.Field", "host-header"),
        ("Conditions.member.1.HostHeaderConfig.Values.member.1", "m.example.com"),
        ("Actions.member.1.Type", "forward"),
        ("Actions.member.1.TargetGroupArn", &group),
        ("Tags.member.1.Key", "pointsman:service"),
        ("Tags.member.1.Value", SERVICE),
        ("Tags.member.2.Key", "pointsman:rule"),
        ("Tags.member.2.Value", "product"),
    ];
    let rule = xml::first(&elb("CreateRule", &parameters).await, "RuleArn").unwrap();
    (group, rule)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_adopted_group_is_the_way_back_and_is_let_go_in_the_end() {
    let stack = stack().await;
    let (group, rule) = there_before(&stack).await;
    pre_product(&stack, SERVICE, "r1").await;
    done(&stack, "promote", &ask(SERVICE, "r1")).await;
    let mut weights = look(&stack).await.weights(SERVICE, "product");
    weights.sort_by_key(|(_, weight)| *weight);
    // A group without our tags names no release.
    assert_eq!(weights, [(String::new(), 0), ("r1".to_owned(), 100)]);
    let product = look(&stack).await.rule(SERVICE, "product").unwrap().clone();
    assert_eq!(product.arn, rule, "the rule is the adopted one, not a second beside it");
    assert!(product.forward.contains(&(group.clone(), 0)));

    done(&stack, "teardown", &teardown(SERVICE, "r1", "finish")).await;
    let standing = look(&stack).await;
    assert_eq!(standing.weights(SERVICE, "product"), [("r1".to_owned(), 100)]);
    let old = standing.groups.iter().find(|one| one.arn == group).expect("the adopted group is never deleted");
    assert!(old.tags.is_empty() && old.targets.len() == 1, "{old:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_gives_the_adopted_group_its_traffic_back() {
    let stack = stack().await;
    let (group, _) = there_before(&stack).await;
    pre_product(&stack, SERVICE, "r1").await;
    done(&stack, "promote", &ask(SERVICE, "r1")).await;
    let answer: Value = stack.call_until_over("teardown", &teardown(SERVICE, "r1", "rollback")).await.unwrap();
    assert_eq!(status(&answer), "done", "{answer:#}");
    let standing = look(&stack).await;
    let forward = &standing.rule(SERVICE, "product").unwrap().forward;
    assert_eq!(forward.iter().map(|(arn, _)| arn).collect::<Vec<_>>(), [&group]);
    assert!(standing.is_gone("r1"), "{}", standing.left_of("r1"));
}
