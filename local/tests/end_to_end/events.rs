//! Events: rejected approvals, approvals that nobody answered, alarms.

use std::sync::Arc;
use std::time::Duration;

use gateway::{Rule, What};
use lambda::LogLine;
use local::notices;
use local::revision::Changes;
use local::stack::{Approval, PATIENCE};
use local::standing::Tagged;
use local::{Options, Stack};
use pipeline::ExecutionStatus;
use serde_json::{Value, json};

use crate::alarms;
use crate::stage::{
    Person, SERVICE, Service, calls_since, done, execution_ended, ignored, look, pipeline_with, product, quick, says,
    served, stack, stack_with, teardown, unchanged_since,
};

/// Ships a release by the pipeline until it is product and waits at `KeepIt`.
async fn shipped(stack: &Stack, version: &str) -> String {
    let id = stack.ship(SERVICE, version, &Changes::default()).await.unwrap();
    stack.answer(SERVICE, &id, "ShipIt", Approval::Approved, "tried").await.unwrap();
    stack.approval(SERVICE, &id, "KeepIt").await.unwrap();
    assert_eq!(served(stack, SERVICE).await, [id.as_str()]);
    id
}

async fn kept(stack: &Stack, version: &str) -> String {
    let id = shipped(stack, version).await;
    stack.answer(SERVICE, &id, "KeepIt", Approval::Approved, "good").await.unwrap();
    assert_eq!(stack.over(SERVICE, &id).await.unwrap(), ExecutionStatus::Succeeded);
    id
}

/// The event of an approval of this execution that a person rejected. There is such an approval, so that who asks the
/// pipeline about it gets an answer.
async fn approval_failed(stack: &Stack, execution: &str, action: &str) -> Value {
    let input = json!({"pipelineName": SERVICE, "filter": {"pipelineExecutionId": execution}});
    let target = "CodePipeline_20150709.ListActionExecutions";
    let answer = stack.aws("LOOK").json("codepipeline", target, input).await.unwrap();
    let runs = answer["actionExecutionDetails"].as_array().unwrap();
    let run = runs.iter().find(|run| run["actionName"] == action).unwrap();
    json!({
        "source": "aws.codepipeline",
        "detail-type": "CodePipeline Action Execution State Change",
        "detail": {
            "pipeline": SERVICE, "execution-id": execution, "stage": run["stageName"], "action": action,
            "action-execution-id": run["actionExecutionId"], "state": "FAILED", "region": "us-east-1",
            "type": {"owner": "AWS", "category": "Approval", "provider": "Manual", "version": "1"}, "version": 1,
        },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn events_about_what_was_kept_are_ignored() {
    let stack = stack().await;
    let id = kept(&stack, "1").await;
    stack.idle().await.unwrap();
    let mark = stack.gateway().record().mark();
    for event in [approval_failed(&stack, &id, "ShipIt").await, execution_ended(SERVICE, &id, "FAILED")] {
        assert_eq!(stack.bus().put(&event).unwrap().len(), 1);
        stack.idle().await.unwrap();
    }
    let calls = calls_since(&stack, mark);
    assert!(!calls.is_empty() && calls.iter().all(|call| !call.mutating || call.service == "dynamodb"), "{calls:?}");
    assert_eq!(served(&stack, SERVICE).await, [id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_about_what_is_not_ours_are_ignored() {
    let stack = stack().await;
    let approval = "Name: Sign
              ActionTypeId: {Category: Approval, Owner: AWS, Provider: Manual, Version: '1'}";
    pipeline_with(&stack, "payroll", approval).await;
    let mark = stack.gateway().record().mark();
    let id = stack.ship("payroll", "1", &Changes::default()).await.unwrap();
    stack.answer("payroll", &id, "Sign", Approval::Rejected, "not this month").await.unwrap();
    assert_eq!(stack.over("payroll", &id).await.unwrap(), ExecutionStatus::Failed);
    stack.idle().await.unwrap();
    let calls = calls_since(&stack, mark);
    assert!(!calls.is_empty() && calls.iter().all(|call| !call.mutating), "{calls:?}");
    let ignored = stack.functions().logs("pointsman-teardown");
    let ignored = ignored.iter().filter_map(LogLine::json).filter(|line| line["message"] == "ignored").count();
    assert_eq!(ignored, 2, "the approval and the execution, a line each");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_that_fails_does_not_take_product_away() {
    let stack = stack().await;
    let id = shipped(&stack, "1").await;
    stack.bus().put(&execution_ended(SERVICE, &id, "FAILED")).unwrap();
    stack.idle().await.unwrap();
    assert_eq!(served(&stack, SERVICE).await, [id]);
}

/// Nobody answers `KeepIt` for as long as it waits.
async fn nobody_answers(stack: &Stack, id: &str) {
    stack.engine(SERVICE).unwrap().put_clock_forward(Duration::from_secs(8 * 24 * 3600));
    assert_eq!(stack.over(SERVICE, id).await.unwrap(), ExecutionStatus::Failed);
    stack.idle().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_nobody_answered_keeps_product_unless_told_otherwise() {
    let stack = stack().await;
    kept(&stack, "1").await;
    let two = shipped(&stack, "2").await;
    nobody_answers(&stack, &two).await;
    assert_eq!(served(&stack, SERVICE).await, [two]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_nobody_answered_may_roll_back() {
    let change = |config: &mut Value| {
        quick(config);
        config["on_approval_timeout"] = json!("rollback");
    };
    let stack = stack_with(Options { change, ..Options::scripted() }).await;
    let one = kept(&stack, "1").await;
    let two = shipped(&stack, "2").await;
    nobody_answers(&stack, &two).await;
    assert_eq!(served(&stack, SERVICE).await, [one]);
    stack.sweep_until("2 is gone", || async { Ok(look(&stack).await.is_gone(&two)) }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_rejected_before_its_promotion_goes_and_product_stays() {
    let stack = stack().await;
    let one = kept(&stack, "1").await;
    let two = stack.ship(SERVICE, "2", &Changes::default()).await.unwrap();
    stack.answer(SERVICE, &two, "ShipIt", Approval::Rejected, "the colours are wrong").await.unwrap();
    assert_eq!(stack.over(SERVICE, &two).await.unwrap(), ExecutionStatus::Failed);
    stack.sweep_until("2 is gone", || async { Ok(look(&stack).await.is_gone(&two)) }).await.unwrap();
    assert_eq!(served(&stack, SERVICE).await, [one]);
    let about = |notice: &notices::Notice| notice.release() == two && notice.attribute("status") == "attention";
    stack.notices().wait(PATIENCE, about).await.unwrap();
    assert_eq!(stack.notices().all().iter().filter(|notice| about(notice)).count(), 1, "told once");
}

/// Makes the metric alarms of an answer composite ones, which the simulator does not have: the two lists change names.
fn composite(_: &gateway::Request, response: gateway::Response) -> gateway::Response {
    // In CBOR a short text is its length and its bytes.
    let (metric, composite) = (b"\x6cMetricAlarms".as_slice(), b"\x6fCompositeAlarms".as_slice());
    let mut body = Vec::new();
    let mut rest = response.body.as_ref();
    while let Some(first) = rest.first() {
        let (found, instead) = match rest {
            _ if rest.starts_with(metric) => (metric.len(), composite),
            _ if rest.starts_with(composite) => (composite.len(), metric),
            _ => (1, std::slice::from_ref(first)),
        };
        body.extend_from_slice(instead);
        rest = &rest[found..];
    }
    assert_ne!(body, response.body, "the answer has no alarms");
    gateway::Response { body: body.into(), ..response }
}

/// Puts back the time since when the product rule has its weights: times have whole seconds, and a test is faster.
async fn has_had_its_weight_for_long(stack: &Stack, service: &str) {
    has_had_its_weight_since(stack, service, "2020-01-01T00:00:00Z").await;
}

async fn has_had_its_weight_since(stack: &Stack, service: &str, since: &str) {
    let rule = look(stack).await.rule(service, "product").unwrap().clone();
    let weights = rule.tag("since").split(' ').nth(1).unwrap().to_owned();
    Person(stack).tag(&rule.arn, "since", &format!("{since} {weights}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_of_the_service_rolls_back_and_another_does_not() {
    let change = |config: &mut Value| {
        quick(config);
        config["alarms"] = json!(["mobile-5xx"]);
    };
    let stack = stack_with(Options { change, ..Options::scripted() }).await;
    for name in ["mobile-5xx", "shop-5xx"] {
        alarms::turn_with_event(&stack, name, "OK").await;
    }
    product(&stack, SERVICE, "r1").await;
    product(&stack, SERVICE, "r2").await;
    let mark = stack.gateway().record().mark();
    alarms::turn_with_event(&stack, "shop-5xx", "ALARM").await;
    unchanged_since(&stack, mark);
    assert_eq!(served(&stack, SERVICE).await, ["r2"]);

    // An alarm counts that went off after the release got its weight.
    has_had_its_weight_for_long(&stack, SERVICE).await;
    alarms::turn_with_event(&stack, "mobile-5xx", "ALARM").await;
    assert_eq!(served(&stack, SERVICE).await, ["r1"]);
    let notice = stack.notices().wait(PATIENCE, |notice| notice.attribute("status") == "attention").await.unwrap();
    says(&notice.text(), &["r2", "mobile-5xx"]);
    done(&stack, "teardown", &teardown(SERVICE, "r2", "rollback")).await;
    assert!(look(&stack).await.is_gone("r2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_of_several_services_rolls_back_where_it_is_about_the_release() {
    let stack = stack().await;
    let listing = |config: &mut Value| config["alarms"] = json!(["shared", "both"]);
    let mut all = Vec::new();
    for (name, number) in [("long", 1), ("moves", 2), ("young", 3), ("waits", 4), ("kept", 5), ("alone", 6)] {
        all.push(Service::with(&stack, name, number, listing).await);
    }
    let [long, moves, young, waits, kept, alone] = all.as_slice() else { panic!() };
    for name in ["shared", "both"] {
        alarms::turn(&stack, name, "OK").await;
    }
    waits.pre_product("waits-1").await;
    for service in [long, moves, young, kept, alone] {
        service.product(&format!("{}-1", service.name)).await;
    }
    long.product("long-2").await;
    moves.pre_product("moves-2").await;
    let half = [(&*moves.group("moves-1").await.arn, 50), (&*moves.group("moves-2").await.arn, 50)];
    Person(&stack).forward(&moves.rule("product").await.arn, &half).await;
    stack.sweep().await.unwrap();
    kept.done("finish", "kept-1").await;
    for service in [long, moves, kept, alone] {
        has_had_its_weight_for_long(&stack, &service.name).await;
    }
    has_had_its_weight_since(&stack, "young", "2099-01-01T00:00:00Z").await;

    // Not in ALARM, not in ALARM any more, deleted, or unknown: whatever the event says, nothing is changed.
    let mark = stack.gateway().record().mark();
    stack.moto().query("monitoring", "DeleteAlarms", &[("AlarmNames.member.1", "both")]).await.unwrap();
    alarms::turn_with_event(&stack, "shared", "OK").await;
    alarms::turn_with_event(&stack, "shared", "INSUFFICIENT_DATA").await;
    for name in ["shared", "both", "payroll"] {
        assert_eq!(stack.bus().put(&alarms::event(name, "ALARM")).unwrap().len(), 1);
        stack.idle().await.unwrap();
    }
    let lines = ignored(&stack);
    assert_eq!(lines.len(), 3, "one for each event that is about an alarm that went off: {lines:?}");
    for (line, why) in lines.iter().zip(["not in ALARM any more", "not in ALARM any more", "no service lists it"]) {
        says(line, &["alarm ", why]);
    }
    unchanged_since(&stack, mark);

    alarms::turn_with_event(&stack, "shared", "ALARM").await;
    let ended = async || {
        for (service, weights) in [
            (long, vec![("long-1", 100)]),
            (moves, vec![("moves-1", 100)]),
            (young, vec![("young-1", 100)]),
            (kept, vec![("kept-1", 100)]),
            (alone, vec![("alone-1", 100)]),
        ] {
            let weights: Vec<_> = weights.into_iter().map(|(release, weight)| (release.to_owned(), weight)).collect();
            assert_eq!(service.weights("product").await, weights, "{}", service.name);
        }
    };
    ended().await;
    long.is_told(&["long-2 was rejected", "alarm shared", "Product is long-1"]).await;
    moves.is_told(&["moves-2 was rejected", "alarm shared", "Product is moves-1"]).await;
    alone.is_told(&["alone-1 cannot be rolled back", "no other release stands"]).await;
    let lines = ignored(&stack).split_off(3);
    assert_eq!(lines.len(), 3, "{lines:?}");
    for words in [["before", "young-1"], ["no release is product", "shared"], ["kept-1 was kept", "shared"]] {
        assert!(lines.iter().any(|line| words.iter().all(|word| line.contains(word))), "{words:?}: {lines:?}");
    }

    // The same event again, late: what is product now got its weight after the alarm.
    let mark = stack.gateway().record().mark();
    stack.bus().put(&alarms::event("shared", "ALARM")).unwrap();
    stack.idle().await.unwrap();
    unchanged_since(&stack, mark);
    ended().await;

    // A composite alarm is one as any other.
    for name in ["shared", "both"] {
        alarms::turn(&stack, name, "OK").await;
    }
    long.product("long-3").await;
    has_had_its_weight_for_long(&stack, "long").await;
    stack.gateway().faults().add(Rule::new(What::Alter(Arc::new(composite))).action("DescribeAlarms"));
    alarms::turn_with_event(&stack, "both", "ALARM").await;
    long.is_told(&["long-3 was rejected", "alarm both"]).await;
    ended().await;
}
