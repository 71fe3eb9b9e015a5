//! `validate` against the account: whose the rules are, what there is room for, what is not there, who may call.

use std::sync::Arc;

use gateway::{Response, Rule, What};
use local::Stack;
use serde_json::json;

use super::run;
use crate::stage::{Person, SERVICE, Service, look, product, stack};

/// A stack of CloudFormation that owns a rule at this priority; answers the rule's ARN.
async fn stack_with_a_rule(stack: &Stack, name: &str, priority: u32, group: &str) -> String {
    let template = json!({"Resources": {"Rule": {
        "Type": "AWS::ElasticLoadBalancingV2::ListenerRule",
        "Properties": {
            "ListenerArn": stack.account().listener_arn,
            "Priority": priority,
            "Conditions": [{"Field": "host-header", "Values": ["old.example.com"]}],
            "Actions": [{"Type": "forward", "TargetGroupArn": group}],
        },
    }}});
    let parameters = [("StackName", name), ("TemplateBody", &template.to_string())];
    stack.aws("PERSON").query("cloudformation", "CreateStack", &parameters).await.unwrap();
    let found = look(stack).await.rules.into_iter().find(|rule| rule.priority == priority.to_string());
    found.expect("the stack made no rule").arn
}

#[tokio::test]
async fn the_stack_that_has_a_rule_is_found_though_no_tag_says_so() {
    let stack = stack().await;
    let person = Person(&stack);
    let service = Service::new(&stack, "adopted", 3).await;
    let priority = stack.config(&service.name, 3).unwrap()["product"]["priority"].as_u64().unwrap();
    let group = person.make_group("old-web").await;
    let rule = stack_with_a_rule(&stack, "old-web", u32::try_from(priority).unwrap(), &group).await;
    // As a person tags it to be adopted, and forgets the stack.
    person.tag(&rule, "service", &service.name).await;
    person.tag(&rule, "rule", "product").await;
    let tags = look(&stack).await.rules.into_iter().find(|found| found.arn == rule).unwrap().tags;
    assert!(tags.keys().all(|key| !key.starts_with("aws:")), "{tags:?}");

    let owned = format!("product: the rule {rule} belongs to the stack old-web");
    run(&stack, &["validate", &service.name]).await.ended(3, &["1 fault", &owned]);
    run(&stack, &["init", &service.name, "--rule", &rule]).await.ended(0, &["belongs to the stack old-web"]);

    let denied = Rule::new(What::AccessDenied).caller("TERMINAL").service("cloudformation");
    stack.gateway().faults().add(denied);
    let may_not = "You may not do cloudformation:DescribeStackResources";
    run(&stack, &["validate", &service.name]).await.ended(0, &["good, with warnings", may_not]);
    run(&stack, &["init", &service.name, "--rule", &rule]).await.ended(0, &["could not be seen", may_not]);
}

#[tokio::test]
async fn a_rule_that_no_stack_has_is_nobodys() {
    let stack = stack().await;
    product(&stack, SERVICE, "r1").await;
    run(&stack, &["validate", SERVICE]).await.ended(0, &["mobile-web: good\n"]);
}

/// AWS answers with another number.
fn answers(action: &str, change: impl Fn(String) -> String + Send + Sync + 'static) -> Rule {
    let altered = move |_: &gateway::Request, response: Response| {
        let text = change(String::from_utf8(response.body.to_vec()).unwrap());
        let headers = response.headers.clone();
        let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
        if kind.contains("json") { Response::json(&serde_json::from_str(&text).unwrap()) } else { Response::xml(text) }
    };
    Rule::new(What::Alter(Arc::new(altered))).caller("TERMINAL").action(action)
}

#[tokio::test]
async fn each_quota_that_leaves_no_room_is_a_fault() {
    let stack = stack().await;
    let person = Person(&stack);
    let service = Service::new(&stack, "roomy", 3).await;
    // Rules and groups count for the load balancer, at whichever listener they are.
    let other = person.make_listener(8443).await;
    for number in 1..=4 {
        let group = person.make_group(&format!("others-{number}")).await;
        person.make_rule(&other, number, "other.example.com", &[(&group, 1)]).await;
    }
    run(&stack, &["validate", &service.name]).await.ended(0, &["roomy: good\n"]);

    let limit = |name: &'static str, max: &'static str| {
        answers("DescribeAccountLimits", move |text| {
            let limit = format!("<member><Name>{name}</Name><Max>{max}</Max></member>");
            // The last of a name counts.
            text.replacen("</Limits>", &format!("{limit}</Limits>"), 1)
        })
    };
    let processors = answers("GetServiceQuota", |text| text.replace("1920.0", "1.0"));
    for (why, rule, words) in [
        (
            "rules",
            limit("rules-per-application-load-balancer", "5"),
            "rules of the load balancer: there are 4, the service needs 2 more",
        ),
        (
            "groups",
            limit("target-groups-per-application-load-balancer", "6"),
            "target groups of the load balancer: there are 4, the service needs 3 more",
        ),
        (
            "all groups",
            limit("target-groups", "6"),
            "target groups of the region: there are 4, the service needs 3 more",
        ),
        ("targets", limit("targets-per-application-load-balancer", "5"), "targets of the load balancer"),
        ("processors", processors, "AWS allows 1 (Running On-Demand Standard"),
    ] {
        let fault = stack.gateway().faults().add(rule);
        let said = run(&stack, &["validate", &service.name]).await;
        stack.gateway().faults().remove(fault);
        assert!(said.out.contains("1 fault\n"), "{why}: {}", said.out);
        said.ended(3, &[words]);
    }
    let denied = Rule::new(What::AccessDenied).caller("TERMINAL").service("servicequotas");
    stack.gateway().faults().add(denied);
    let may_not = "You may not do servicequotas:GetServiceQuota";
    run(&stack, &["validate", &service.name]).await.ended(0, &["good, with warnings", may_not]);
}

#[tokio::test]
async fn a_hosted_zone_that_is_not_there_is_one_fault() {
    let stack = stack().await;
    let service = Service::with(&stack, "nameless", 3, |config| {
        config["dns"]["zone_id"] = json!("Z0NOTTHERE");
        config["alarms"] = json!([]);
    })
    .await;
    let said = run(&stack, &["validate", &service.name]).await;
    assert_eq!(said.out.matches("on hosted zone Z0NOTTHERE").count(), 1, "{}", said.out);
    said.ended(3, &["1 fault", "NoSuchHostedZone", "dns.zone_id"]);

    let other = Service::new(&stack, "unseen", 4).await;
    stack.gateway().faults().add(Rule::new(What::AccessDenied).caller("TERMINAL").service("route53"));
    let said = run(&stack, &["validate", &other.name]).await;
    assert_eq!(said.out.matches("You may not do route53:ListResourceRecordSets").count(), 1, "{}", said.out);
    said.ended(0, &["good, with warnings", "You may not do route53:ListResourceRecordSets"]);
}

#[tokio::test]
async fn who_may_not_call_a_function_is_told_so_as_a_fault() {
    let stack = stack().await;
    let service = Service::new(&stack, "uncalled", 3).await;
    let denied = Rule::new(What::AccessDenied).caller("TERMINAL").action("Invoke").resource("pointsman-promote");
    stack.gateway().faults().add(denied);
    let said = run(&stack, &["validate", &service.name]).await;
    said.ended(3, &["1 fault", "You cannot call pointsman-promote", "lambda:InvokeFunction"]);
}
