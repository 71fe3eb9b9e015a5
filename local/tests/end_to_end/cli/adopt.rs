//! From a rule that was there before to a service: `init`, `validate`, tags, `promote`, `finish`.

use std::io::Write;

use local::xml;
use serde_json::{Value, json};

use super::run;
use crate::stage::{Person, ask, done, look, stack};

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_was_there_before_becomes_a_service_by_the_tool_alone() {
    let stack = stack().await;
    let (person, account) = (Person(&stack), stack.account());
    let parameters = [
        ("ImageId", account.ami.as_str()),
        ("InstanceType", "t3.small"),
        ("MinCount", "1"),
        ("MaxCount", "1"),
        ("SubnetId", &account.subnets[0].id),
        ("SecurityGroupId.1", &account.security_group),
        ("UserData", "IyEvYmluL3NoCg=="),
    ];
    let server = xml::first(&person.ec2("RunInstances", &parameters).await, "instanceId").unwrap();
    let group = person.make_group("old-web").await;
    person.elb("RegisterTargets", &[("TargetGroupArn", &group), ("Targets.member.1.Id", &server)]).await;
    let slow = [
        ("TargetGroupArn", group.as_str()),
        ("Attributes.member.1.Key", "deregistration_delay.timeout_seconds"),
        ("Attributes.member.1.Value", "7"),
        ("Attributes.member.2.Key", "stickiness.enabled"),
        ("Attributes.member.2.Value", "true"),
    ];
    person.elb("ModifyTargetGroupAttributes", &slow).await;
    let rule = person.make_rule(&account.listener_arn, 440, "old.example.com", &[(&group, 1)]).await;

    let written = run(&stack, &["init", "old", "--rule", &rule, "--pre-product-host", "pre.old.example.com"]).await;
    let open = ["user data", "stickiness.enabled=true", "No stack of CloudFormation", "Terraform", "old-web"];
    written.ended(0, &open);
    let mut config: Value = serde_json::from_str(&written.out).unwrap();
    assert_eq!((&config["drain_seconds"], &config["port"]), (&json!(7), &json!(8080)), "{config:#}");
    let file = |config: &Value| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(config.to_string().as_bytes()).unwrap();
        file
    };
    let as_written = file(&config);
    let validate = ["validate", "old", "--config", as_written.path().to_str().unwrap()];
    run(&stack, &validate).await.ended(3, &["1 fault", "have it adopted: tag it pointsman:service=old"]);

    (config["settle_seconds"], config["drain_seconds"]) = (json!(0), json!(0));
    stack.put_service("old", &config).await.unwrap();
    person.tag(&rule, "service", "old").await;
    person.tag(&rule, "rule", "product").await;
    run(&stack, &["validate", "old"]).await.ended(0, &["old: good\n"]);

    done(&stack, "provision", &ask("old", "r1")).await;
    done(&stack, "register", &ask("old", "r1")).await;
    run(&stack, &["promote", "old", "--yes"]).await.ended(0, &["done:", "r1"]);
    let weights = |standing: &local::standing::Standing| {
        let mut forward = standing.rule("old", "product").unwrap().forward.clone();
        forward.sort_by_key(|(_, weight)| *weight);
        forward
    };
    let forward = weights(&look(&stack).await);
    assert_eq!((forward.len(), &forward[0]), (2, &(group.clone(), 0)), "the group that was there is the way back");

    run(&stack, &["finish", "old", "--yes"]).await.ended(0, &["done:"]);
    let standing = look(&stack).await;
    assert_eq!(standing.weights("old", "product"), [("r1".to_owned(), 100)]);
    let old = standing.groups.iter().find(|one| one.arn == group).expect("it is never deleted");
    assert!(old.tags.is_empty() && old.targets.len() == 1, "{old:?}");
}

#[tokio::test]
async fn what_can_be_no_service_is_said_in_a_sentence() {
    let stack = stack().await;
    let (person, account) = (Person(&stack), stack.account());
    let listener = account.listener_arn.as_str();
    let rules = person.elb("DescribeRules", &[("ListenerArn", listener)]).await;
    let default = xml::first(&rules, "RuleArn").unwrap();
    let group = [
        ("Name", "by-address"),
        ("Protocol", "HTTP"),
        ("Port", "8080"),
        ("VpcId", account.vpc.as_str()),
        ("TargetType", "ip"),
    ];
    let group = xml::first(&person.elb("CreateTargetGroup", &group).await, "TargetGroupArn").unwrap();
    let by_address = person.make_rule(listener, 441, "ip.example.com", &[(&group, 1)]).await;
    let nowhere = format!("{}/0123456789abcdef", listener.replace(":listener/", ":listener-rule/"));
    for (rule, words) in [
        (&default, "is the listener's default"),
        (&by_address, "by-address, whose targets are not instances but of the type ip"),
        (&nowhere, "there is no rule"),
    ] {
        run(&stack, &["init", "some", "--rule", rule]).await.ended(3, &[words]);
    }
}
