//! An account that does not fit the config, and calls that IAM denies: one clear sentence, and nothing changed.

use gateway::{Rule, What};
use local::account::subnet;
use local::{Stack, xml};
use serde_json::{Value, json};

use crate::stage::{
    SERVICE, ask, calls_since, look, pre_product, product, refuses, says, served, ship_fails, stack, unchanged_since,
};

/// Puts a service with one thing that is wrong, ships it by its own pipeline, and has it refused with these words.
async fn does_not_fit(stack: &Stack, name: &str, number: u32, spoil: impl Fn(&mut Value), words: &[&str]) {
    let mut config = stack.config(name, number).unwrap();
    spoil(&mut config);
    stack.put_service(name, &config).await.unwrap();
    let mark = stack.gateway().record().mark();
    refuses(stack, "provision", &ask(name, "r1"), words).await;
    stack.add_pipeline(name).await.unwrap();
    says(&ship_fails(stack, name).await, words);
    stack.idle().await.unwrap();
    unchanged_since(stack, mark);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_or_does_not_fit_is_named() {
    let stack = stack().await;
    let account = stack.account();
    let moto = stack.moto();
    let listener = format!("{}0", account.listener_arn.trim_end_matches(|c: char| c.is_ascii_hexdigit()));
    does_not_fit(&stack, "listener", 1, |config| config["listener_arn"] = json!(listener), &[&listener, "exist"]).await;

    let unserved = subnet(&moto, &account.vpc, "127.10.9.0/24", "us-east-1c").await.unwrap().id;
    let words = [unserved.as_str(), "us-east-1c", "us-east-1a, us-east-1b"];
    does_not_fit(&stack, "zone", 2, |config| config["subnets"][1] = json!(unserved), &words).await;

    let answer = moto.query("ec2", "CreateVpc", &[("CidrBlock", "10.1.0.0/16")]).await.unwrap();
    let other_vpc = xml::first(&answer, "vpcId").unwrap();
    let foreign = subnet(&moto, &other_vpc, "10.1.1.0/24", "us-east-1a").await.unwrap().id;
    let words = [foreign.as_str(), other_vpc.as_str(), account.vpc.as_str()];
    does_not_fit(&stack, "vpc", 3, |config| config["subnets"][0] = json!(foreign), &words).await;

    let words = ["ami-0123456789abcdef0", "exist"];
    does_not_fit(&stack, "ami", 4, |config| config["ami"] = json!("ami-0123456789abcdef0"), &words).await;
    let words = ["/amis/latest"];
    does_not_fit(
        &stack,
        "ami-by-name",
        5,
        |config| config["ami"] = json!("resolve:ssm:/pointsman/amis/latest"),
        &words,
    )
    .await;

    let several = |config: &mut Value| {
        config["ami"] = json!("ami-0123456789abcdef0");
        config["subnets"][0] = json!(foreign);
        config["subnets"][1] = json!(unserved);
    };
    let words = ["ami-0123456789abcdef0", &foreign, &unserved];
    does_not_fit(&stack, "several", 6, several, &words).await;
}

/// Puts a rule that is somebody else's at a priority; answers its ARN.
async fn foreign_rule(stack: &Stack, priority: u64) -> String {
    let priority = priority.to_string();
    let parameters = [
        ("ListenerArn", stack.account().listener_arn.as_str()),
        ("Priority", &priority),
        ("Conditions.member.1.Field", "host-header"),
        ("Conditions.member.1.HostHeaderConfig.Values.member.1", "other.example.com"),
        ("Actions.member.1.Type", "fixed-response"),
        ("Actions.member.1.FixedResponseConfig.StatusCode", "204"),
    ];
    let answer = stack.aws("STRANGER").query("elasticloadbalancing", "CreateRule", &parameters).await.unwrap();
    xml::first(&answer, "RuleArn").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_at_our_priority_that_is_not_ours_is_left_alone() {
    let stack = stack().await;
    let config = stack.config_of(SERVICE);
    let rule = foreign_rule(&stack, config["pre_product"]["priority"].as_u64().unwrap()).await;
    says(&ship_fails(&stack, SERVICE).await, &[&rule, "not ours", "priority 10"]);
    stack.idle().await.unwrap();
    crate::stage::done(&stack, "provision", &ask(SERVICE, "r1")).await;
    let mark = stack.gateway().record().mark();
    refuses(&stack, "register", &ask(SERVICE, "r1"), &[&rule, "not ours", "priority 10"]).await;
    unchanged_since(&stack, mark);
    stack.aws("STRANGER").query("elasticloadbalancing", "DeleteRule", &[("RuleArn", &rule)]).await.unwrap();

    let rule = foreign_rule(&stack, config["product"]["priority"].as_u64().unwrap()).await;
    crate::stage::done(&stack, "register", &ask(SERVICE, "r1")).await;
    let mark = stack.gateway().record().mark();
    let words = [rule.as_str(), "not ours", "priority 20", "pointsman:service=mobile-web", "pointsman:rule=product"];
    refuses(&stack, "promote", &ask(SERVICE, "r1"), &words).await;
    unchanged_since(&stack, mark);
    let standing = look(&stack).await;
    let stranger = standing.rules.iter().find(|one| one.arn == rule).unwrap();
    assert!(stranger.tags.is_empty() && stranger.hosts == ["other.example.com"], "{stranger:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_of_our_name_that_is_not_ours_is_left_alone() {
    let stack = stack().await;
    pre_product(&stack, SERVICE, "r1").await;
    let name = look(&stack).await.group_of("r1").unwrap().name.clone();
    crate::stage::done(&stack, "teardown", &crate::stage::teardown(SERVICE, "r1", "rollback")).await;

    let config = stack.config("shop", 1).unwrap();
    stack.put_service("shop", &config).await.unwrap();
    crate::stage::done(&stack, "provision", &ask("shop", "r1")).await;
    // The name is made of service and release: what it would be for this one is seen on one like it.
    assert!(name.starts_with("mobile-web-"));
    crate::stage::done(&stack, "register", &ask("shop", "r1")).await;
    let group = look(&stack).await.group_of("r1").unwrap().clone();
    let aws = stack.aws("STRANGER");
    for key in ["pointsman:service", "pointsman:release"] {
        let parameters = [("ResourceArns.member.1", group.arn.as_str()), ("TagKeys.member.1", key)];
        aws.query("elasticloadbalancing", "RemoveTags", &parameters).await.unwrap();
    }
    let rule = look(&stack).await.rule("shop", "pre-product").unwrap().arn.clone();
    aws.query("elasticloadbalancing", "DeleteRule", &[("RuleArn", &rule)]).await.unwrap();
    let mark = stack.gateway().record().mark();
    refuses(&stack, "register", &ask("shop", "r1"), &[&group.arn, &group.name, "not tagged"]).await;
    unchanged_since(&stack, mark);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_iam_denies_is_named_with_action_and_resource() {
    let stack = stack().await;
    let account = stack.account();
    let faults = stack.gateway().faults();

    let deny = |service: &str, action: &str| faults.add(Rule::new(What::AccessDenied).service(service).action(action));
    deny("dynamodb", "UpdateItem");
    let mark = stack.gateway().record().mark();
    refuses(&stack, "provision", &ask(SERVICE, "r1"), &["dynamodb:UpdateItem", &account.lease_table]).await;
    unchanged_since(&stack, mark);
    faults.clear();

    deny("ec2", "RunInstances");
    let words = ["ec2:RunInstances", account.subnets[0].id.as_str()];
    refuses(&stack, "provision", &ask(SERVICE, "r2"), &words).await;
    says(&ship_fails(&stack, SERVICE).await, &["ec2:RunInstances", "role"]);
    stack.idle().await.unwrap();
    assert!(look(&stack).await.instances.is_empty());
    faults.clear();

    product(&stack, SERVICE, "r3").await;
    pre_product(&stack, SERVICE, "r4").await;
    let rule = look(&stack).await.rule(SERVICE, "product").unwrap().arn.clone();
    deny("elasticloadbalancing", "ModifyRule");
    refuses(&stack, "promote", &ask(SERVICE, "r4"), &["elasticloadbalancing:ModifyRule", &rule]).await;
    faults.clear();
    assert_eq!(served(&stack, SERVICE).await, ["r3"]);

    deny("elasticloadbalancing", "DescribeRules");
    let mark = stack.gateway().record().mark();
    let words = ["elasticloadbalancing:DescribeRules"];
    refuses(&stack, "promote", &ask(SERVICE, "r4"), &words).await;
    unchanged_since(&stack, mark);
    faults.clear();

    // A denied look must not be taken for nothing to see.
    deny("ec2", "DescribeInstances");
    let mark = stack.gateway().record().mark();
    refuses(&stack, "provision", &ask(SERVICE, "r5"), &["ec2:DescribeInstances"]).await;
    unchanged_since(&stack, mark);
    assert!(calls_since(&stack, mark).iter().all(|call| call.action != "RunInstances"));
}
