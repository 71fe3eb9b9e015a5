//! A promotion in steps, its bake, and the alarms that stop it.

use gateway::Mark;
use local::revision::Changes;
use local::stack::{Approval, PATIENCE};
use local::{Options, Stack};
use pipeline::ExecutionStatus;
use serde_json::{Value, json};

use crate::alarms;
use crate::stage::{
    SERVICE, ask, calls_since, done, look, pre_product, product, quick, refuses, says, served, stack_with, status,
    teardown,
};

fn watched(config: &mut Value) {
    quick(config);
    config["alarms"] = json!(["mobile-5xx"]);
}

/// In steps that last: a promotion stands at its first one until somebody moves it.
fn slowly(config: &mut Value) {
    watched(config);
    config["traffic"] = json!({"steps": [10], "step_seconds": 3600, "stickiness_seconds": 300});
}

fn freezing(config: &mut Value) {
    slowly(config);
    config["on_alarm"] = json!("freeze");
}

/// r1 is product, and r2 has 10 % of the traffic.
async fn at_the_first_step(change: fn(&mut Value)) -> Stack {
    let stack = stack_with(Options { change, ..Options::scripted() }).await;
    alarms::turn(&stack, "mobile-5xx", "OK").await;
    product(&stack, SERVICE, "r1").await;
    pre_product(&stack, SERVICE, "r2").await;
    let answer = stack.call("promote", &ask(SERVICE, "r2")).await.unwrap();
    assert_eq!(status(&answer), "waiting", "{answer:#}");
    assert_eq!(weights(&stack).await, [("r2".to_owned(), 10), ("r1".to_owned(), 90)]);
    stack
}

fn despite_alarms(release: &str) -> Value {
    let mut ask = ask(SERVICE, release);
    ask["despite_alarms"] = json!(true);
    ask
}

async fn weights(stack: &Stack) -> Vec<(String, u32)> {
    let mut weights = look(stack).await.weights(SERVICE, "product");
    weights.sort_by(|a, b| b.0.cmp(&a.0));
    weights
}

fn switches(stack: &Stack, mark: Mark) -> usize {
    calls_since(stack, mark).iter().filter(|call| call.action == "ModifyRule").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_rises_through_its_steps_bakes_and_is_done() {
    let change = |config: &mut Value| {
        quick(config);
        config["traffic"] = json!({"steps": [10, 50], "step_seconds": 1});
        config["bake_seconds"] = json!(1);
    };
    let stack = stack_with(Options { change, ..Options::scripted() }).await;
    product(&stack, SERVICE, "r1").await;
    pre_product(&stack, SERVICE, "r2").await;
    let mark = stack.gateway().record().mark();
    done(&stack, "promote", &ask(SERVICE, "r2")).await;
    assert_eq!(switches(&stack, mark), 3, "10, 50 and 100 %");
    assert_eq!(weights(&stack).await, [("r2".to_owned(), 100), ("r1".to_owned(), 0)]);
    let mark = stack.gateway().record().mark();
    done(&stack, "promote", &ask(SERVICE, "r2")).await;
    assert_eq!(switches(&stack, mark), 0);
    done(&stack, "teardown", &teardown(SERVICE, "r2", "finish")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_step_lasts_customers_stick_to_their_release_and_everybody_else_waits() {
    let stack = at_the_first_step(slowly).await;
    let rule = look(&stack).await.rule(SERVICE, "product").unwrap().arn.clone();
    let answer = stack.moto().query("elasticloadbalancing", "DescribeRules", &[("RuleArns.member.1", &rule)]).await;
    says(&answer.unwrap(), &["<DurationSeconds>300</DurationSeconds>"]);
    for (function, payload) in [
        ("provision", ask(SERVICE, "r3")),
        ("promote", ask(SERVICE, "r2")),
        ("teardown", teardown(SERVICE, "r2", "finish")),
    ] {
        let answer = stack.call(function, &payload).await.unwrap();
        assert_eq!(status(&answer), "waiting", "{function}: {answer:#}");
    }
    done(&stack, "teardown", &teardown(SERVICE, "r2", "rollback")).await;
    assert_eq!(weights(&stack).await, [("r1".to_owned(), 100)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_is_seen_by_the_next_call_of_the_promotion_and_traffic_goes_back() {
    let stack = at_the_first_step(slowly).await;
    alarms::turn(&stack, "mobile-5xx", "ALARM").await;
    refuses(&stack, "promote", &ask(SERVICE, "r2"), &["mobile-5xx", "12 of 100 requests failed", "10 %", "r1"]).await;
    assert_eq!(served(&stack, SERVICE).await, ["r1"]);
    let notice = stack.notices().wait(PATIENCE, |notice| notice.attribute("status") == "attention").await.unwrap();
    says(&notice.text(), &["r2", "mobile-5xx", "Product is r1 again"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarms_event_puts_traffic_back_between_two_calls() {
    let stack = at_the_first_step(slowly).await;
    alarms::turn_with_event(&stack, "mobile-5xx", "ALARM").await;
    assert_eq!(served(&stack, SERVICE).await, ["r1"]);
    refuses(&stack, "promote", &ask(SERVICE, "r2"), &["r2", "rejected", "mobile-5xx"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_freeze_the_weights_stay_and_people_decide() {
    let stack = at_the_first_step(freezing).await;
    let before = weights(&stack).await;
    alarms::turn_with_event(&stack, "mobile-5xx", "ALARM").await;
    let notice = stack.notices().wait(PATIENCE, |notice| notice.attribute("event") == "alarm").await.unwrap();
    says(&notice.text(), &["r2", "stay where they are", "despite_alarms", "rollback"]);
    refuses(&stack, "promote", &ask(SERVICE, "r2"), &["frozen", "10 %", "despite_alarms"]).await;
    assert_eq!(weights(&stack).await, before);
    // They go on; the event comes again, as events do.
    assert_eq!(status(&stack.call("promote", &despite_alarms("r2")).await.unwrap()), "waiting");
    stack.bus().put(&alarms::event("mobile-5xx", "ALARM")).unwrap();
    stack.idle().await.unwrap();
    let answer = stack.call("promote", &ask(SERVICE, "r2")).await.unwrap();
    assert_eq!((status(&answer), &answer["percent"]), ("waiting", &json!(10)), "{answer:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_pipeline_frozen_weights_outlive_the_execution_that_fails_by_them() {
    let stack = stack_with(Options { change: freezing, ..Options::scripted() }).await;
    alarms::turn(&stack, "mobile-5xx", "OK").await;
    product(&stack, SERVICE, "r1").await;
    let mut answers = stack.functions().subscribe();
    let id = stack.ship(SERVICE, "2", &Changes::default()).await.unwrap();
    stack.answer(SERVICE, &id, "ShipIt", Approval::Approved, "go").await.unwrap();
    while answers.recv().await.unwrap().function != "pointsman-promote" {}
    let at_the_first_step = [(id.clone(), 10), ("r1".to_owned(), 90)];
    assert_eq!(by_weight(&stack).await, at_the_first_step);
    alarms::turn(&stack, "mobile-5xx", "ALARM").await;
    assert_eq!(stack.over(SERVICE, &id).await.unwrap(), ExecutionStatus::Failed);
    says(&stack.failures(SERVICE, &id).unwrap().join(" "), &["mobile-5xx", "stay where they are", "despite_alarms"]);
    stack.idle().await.unwrap();
    assert_eq!(by_weight(&stack).await, at_the_first_step, "the failed execution's event leaves them alone");
    // Green again, and still nobody but people moves them.
    alarms::turn(&stack, "mobile-5xx", "OK").await;
    refuses(&stack, "promote", &ask(SERVICE, &id), &["frozen", "10 %", "rollback"]).await;
    done(&stack, "teardown", &teardown(SERVICE, &id, "rollback")).await;
    assert_eq!(served(&stack, SERVICE).await, ["r1"]);
}

/// The least first.
async fn by_weight(stack: &Stack) -> Vec<(String, u32)> {
    let mut weights = look(stack).await.weights(SERVICE, "product");
    weights.sort_by_key(|(_, weight)| *weight);
    weights
}

#[tokio::test(flavor = "multi_thread")]
async fn a_red_alarm_refuses_a_promotion_unless_it_is_asked_for_despite_it() {
    let stack = stack_with(Options { change: watched, ..Options::scripted() }).await;
    refuses_for_a_missing_alarm(&stack).await;
    alarms::turn(&stack, "mobile-5xx", "OK").await;
    done(&stack, "promote", &ask(SERVICE, "r1")).await;
    pre_product(&stack, SERVICE, "r2").await;
    alarms::turn(&stack, "mobile-5xx", "ALARM").await;
    refuses(&stack, "promote", &ask(SERVICE, "r2"), &["mobile-5xx", "is red", "despite_alarms"]).await;
    assert_eq!(served(&stack, SERVICE).await, ["r1"]);
    done(&stack, "promote", &despite_alarms("r2")).await;
    assert_eq!(served(&stack, SERVICE).await, ["r2"]);
    let told = stack.notices().wait(PATIENCE, |notice| notice.attribute("event") == "despite-alarms").await.unwrap();
    says(&told.text(), &["r2", "mobile-5xx"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_pipeline_a_fix_goes_out_despite_a_red_alarm_by_a_call_before_its_approval() {
    let stack = stack_with(Options { change: watched, ..Options::scripted() }).await;
    alarms::turn(&stack, "mobile-5xx", "OK").await;
    product(&stack, SERVICE, "r1").await;
    alarms::turn(&stack, "mobile-5xx", "ALARM").await;
    let id = stack.ship(SERVICE, "2", &Changes::default()).await.unwrap();
    stack.approval(SERVICE, &id, "ShipIt").await.unwrap();
    done(&stack, "promote", &despite_alarms(&id)).await;
    stack.answer(SERVICE, &id, "ShipIt", Approval::Approved, "it is the fix").await.unwrap();
    stack.answer(SERVICE, &id, "KeepIt", Approval::Approved, "it is good").await.unwrap();
    assert_eq!(stack.over(SERVICE, &id).await.unwrap(), ExecutionStatus::Succeeded);
    assert_eq!(served(&stack, SERVICE).await, [id]);
}

async fn refuses_for_a_missing_alarm(stack: &Stack) {
    pre_product(stack, SERVICE, "r1").await;
    refuses(stack, "promote", &ask(SERVICE, "r1"), &["there is no alarm mobile-5xx"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_approved_is_what_is_promoted() {
    let stack = crate::stage::stack().await;
    product(&stack, SERVICE, "r1").await;
    pre_product(&stack, SERVICE, "r2").await;
    let seen = done(&stack, "register", &ask(SERVICE, "r2")).await;
    let fingerprint = seen["outputs"]["Fingerprint"].as_str().unwrap().to_owned();
    let gone = look(&stack).await.instances_of("r2")[0].id.clone();
    stack.moto().query("ec2", "TerminateInstances", &[("InstanceId.1", gone.as_str())]).await.unwrap();
    done(&stack, "provision", &ask(SERVICE, "r2")).await;
    refuses(&stack, "promote", &ask(SERVICE, "r2"), &["what QA saw", &gone, "no longer runs"]).await;
    // Registered and seen again, it may go; what was approved first may not.
    let seen = done(&stack, "register", &ask(SERVICE, "r2")).await;
    let mut late = ask(SERVICE, "r2");
    late["fingerprint"] = json!(fingerprint);
    refuses(&stack, "promote", &late, &["what QA saw", &fingerprint]).await;
    late["fingerprint"] = seen["outputs"]["Fingerprint"].clone();
    done(&stack, "promote", &late).await;
    assert_eq!(served(&stack, SERVICE).await, ["r2"]);
}
