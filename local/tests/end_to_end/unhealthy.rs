//! A release that does not get healthy: the job says of each target what is wrong, in the load balancer's words.

use std::sync::Arc;

use gateway::{Rule, State, Target, TargetHealth, What};
use local::stack::PATIENCE;
use local::{Options, Stack};
use serde_json::{Value, json};

use crate::stage::{SERVICE, ask, done, look, quick, refuses, says, ship_fails, stack, stack_with, status};

pub fn unhealthy() -> TargetHealth {
    TargetHealth {
        state: State::Unhealthy,
        reason: Some("Target.ResponseCodeMismatch".to_owned()),
        description: Some("Health checks failed with these codes: [502]".to_owned()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_target_is_named_with_what_is_wrong() {
    let stack = stack_with(Options {
        change: |config| {
            quick(config);
            config["elastic_ips"] = json!([]);
        },
        ..Options::scripted()
    })
    .await;
    done(&stack, "provision", &ask(SERVICE, "r1")).await;
    stack.gateway().health().set_scripted_healthy(false);
    let answer = stack.call("register", &ask(SERVICE, "r1")).await.unwrap();
    assert_eq!(status(&answer), "waiting", "{answer:#}");

    let group = look(&stack).await.group_of("r1").unwrap().clone();
    let (sick, well) = (group.targets[0].0.clone(), group.targets[1].0.clone());
    stack.gateway().health().set(Target::new(&group.arn, &sick, 8080), unhealthy());
    stack.gateway().health().set(Target::new(&group.arn, &well, 8080), TargetHealth::healthy());

    // The time is counted from what was made first: the servers and the group have stood for an hour.
    let since = "2020-01-01T00:00:00Z";
    let aws = stack.aws("CLOCK");
    let tag = [
        ("ResourceArns.member.1", group.arn.as_str()),
        ("Tags.member.1.Key", "pointsman:since"),
        ("Tags.member.1.Value", since),
    ];
    aws.query("elasticloadbalancing", "AddTags", &tag).await.unwrap();
    for instance in [&sick, &well] {
        let tag = [("ResourceId.1", instance.as_str()), ("Tag.1.Key", "pointsman:since"), ("Tag.1.Value", since)];
        aws.query("ec2", "CreateTags", &tag).await.unwrap();
    }
    let words = format!("{sick}: unhealthy, Health checks failed with these codes: [502]");
    let answer = refuses(&stack, "register", &ask(SERVICE, "r1"), &[&words]).await;
    assert_eq!(status(&answer), "failed");
    assert!(!answer["reason"].as_str().unwrap().contains(&well), "{answer:#}");
    let notice = stack.notices().wait(PATIENCE, |notice| notice.attribute("status") == "failed").await.unwrap();
    says(&notice.text(), &[&words]);
}

/// From now on each target that is registered is unhealthy at once.
fn sick_from_the_start(stack: &Stack) {
    let health = stack.gateway().health().clone();
    let sicken: gateway::fault::Hook = Arc::new(move |request| {
        let (form, health) = (request.form(), health.clone());
        Box::pin(async move {
            let value = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
            let group = value("TargetGroupArn").unwrap();
            for instance in (1..).map_while(|n| value(&format!("Targets.member.{n}.Id"))) {
                health.set(Target::new(&group, instance, 8080), unhealthy());
            }
        })
    });
    stack.gateway().faults().add(Rule::new(What::After(sicken)).action("RegisterTargets"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_waits_for_health_in_vain_says_what_is_wrong() {
    let change = |config: &mut Value| {
        quick(config);
        config["health_timeout_seconds"] = json!(10);
    };
    let stack = stack_with(Options { change, ..Options::scripted() }).await;
    sick_from_the_start(&stack);
    let failure = ship_fails(&stack, SERVICE).await;
    says(
        &failure,
        &["0 of 2 are healthy", ": unhealthy, Health checks failed with these codes: [502]", "HTTP /health"],
    );
    assert_eq!(failure.matches("[502]").count(), 2, "one for each target: {failure}");
    let standing = look(&stack).await;
    assert!(standing.rule(SERVICE, "product").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn promote_does_not_switch_to_fewer_healthy_servers_than_asked_for() {
    let stack = stack().await;
    crate::stage::product(&stack, SERVICE, "r1").await;
    crate::stage::pre_product(&stack, SERVICE, "r2").await;
    let group = look(&stack).await.group_of("r2").unwrap().clone();
    let target = Target::new(&group.arn, &group.targets[0].0, 8080);
    let sick = TargetHealth { state: State::Unhealthy, reason: None, description: None };
    stack.gateway().health().set(target, sick);
    let mark = stack.gateway().record().mark();
    let answer = stack.call("promote", &ask(SERVICE, "r2")).await.unwrap();
    assert_eq!(status(&answer), "waiting", "{answer:#}");
    says(answer["reason"].as_str().unwrap(), &[&group.targets[0].0]);
    crate::stage::unchanged_since(&stack, mark);
    assert_eq!(crate::stage::served(&stack, SERVICE).await, ["r1"]);
}
