//! Manual approvals: answers, tokens, and time running out.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::harness::{World, approval_result, told};
use crate::ExecutionStatus;

#[tokio::test(start_paused = true)]
async fn a_rejection_fails_the_action_and_names_who_rejected() {
    let mut world = World::new();
    let id = world.upload("v1");
    let open = world.until_ship_it(&id).await;
    let answer = world.ask("PutApprovalResult", approval_result(&open, "Rejected", "the button is red")).unwrap();
    assert!(answer["approvedAt"].is_f64());
    assert_eq!(world.over(&id).await, ExecutionStatus::Failed);
    let run = world.run("ShipIt");
    assert_eq!(run["status"], "Failed");
    assert_eq!(run["updatedBy"], "arn:aws:iam::123456789012:user/ALICE");
    assert_eq!(run["output"]["executionResult"]["externalExecutionSummary"], "the button is red");
    assert_eq!(run["output"]["executionResult"]["externalExecutionId"], open.token.as_str());
    let events = world.events_until(&id, "FAILED").await;
    let tail: Vec<String> = events.iter().rev().take(3).map(told).collect();
    assert_eq!(tail, ["pipeline FAILED", "Release FAILED", "Release.ShipIt FAILED"]);
    assert_eq!(events[events.len() - 3]["detail"]["type"]["category"], "Approval");
    world.assert_no_call();
    assert_eq!(
        world.refused("PutApprovalResult", approval_result(&open, "Approved", "")),
        "ApprovalAlreadyCompletedException"
    );
}

#[tokio::test(start_paused = true)]
async fn an_approval_that_nobody_answers_fails_after_seven_days_and_names_nobody() {
    let mut world = World::new();
    let id = world.upload("v1");
    world.until_ship_it(&id).await;
    let asked = Instant::now();
    let status = timeout(Duration::from_secs(8 * 24 * 3600), world.engine.over(&id)).await.unwrap();
    assert_eq!(status, ExecutionStatus::Failed);
    assert_eq!(asked.elapsed().as_secs(), 7 * 24 * 3600);
    let run = world.run("ShipIt");
    assert_eq!(run.get("updatedBy"), None);
    let took = run["lastUpdateTime"].as_f64().unwrap() - run["startTime"].as_f64().unwrap();
    assert!((604_800.0..604_801.0).contains(&took), "{took}");
}

#[tokio::test(start_paused = true)]
async fn an_approval_can_have_a_timeout_of_its_own_and_the_clock_can_be_put_forward() {
    let mut world = World::new();
    let id = world.upload("v1");
    world.until_ship_it(&id).await;
    world.answers(&id, "ShipIt", "Approved").await;
    world.works("promote", json!({})).await;
    world.approval(&id, "KeepIt").await;
    world.engine.put_clock_forward(Duration::from_secs(23 * 3600));
    assert_eq!(world.engine.status(&id), Some(ExecutionStatus::InProgress));
    world.engine.put_clock_forward(Duration::from_secs(3600));
    assert_eq!(world.engine.status(&id), Some(ExecutionStatus::Failed));
    assert_eq!(world.run("KeepIt").get("updatedBy"), None);
}

#[tokio::test(start_paused = true)]
async fn wrong_answers_are_refused() {
    let mut world = World::new();
    let id = world.upload("v1");
    let open = world.until_ship_it(&id).await;
    let good = approval_result(&open, "Approved", "");
    let change = |key: &str, value: Value| {
        let mut body = good.clone();
        body[key] = value;
        body
    };
    for (body, want) in [
        (change("token", json!("00000000-0000-0000-0000-000000000000")), "InvalidApprovalTokenException"),
        (change("stageName", json!("Nowhere")), "StageNotFoundException"),
        (change("actionName", json!("Nothing")), "ActionNotFoundException"),
        (change("pipelineName", json!("other")), "PipelineNotFoundException"),
        (change("result", json!({ "status": "Maybe", "summary": "" })), "ValidationException"),
        (change("result", json!({ "status": "Approved", "summary": "x".repeat(513) })), "ValidationException"),
    ] {
        assert_eq!(world.refused("PutApprovalResult", body.clone()), want, "{body:.300}");
    }
    world.ask("PutApprovalResult", good).unwrap();
    world.called("promote").await;
    let run = world.run("ShipIt");
    let summary = &run["output"]["executionResult"]["externalExecutionSummary"];
    assert_eq!(summary, "Approved by arn:aws:iam::123456789012:user/ALICE");
}

#[tokio::test(start_paused = true)]
async fn the_approvals_topic_is_told_what_to_look_at() {
    let mut world = World::new();
    let id = world.upload("v1");
    let open = world.until_ship_it(&id).await;
    let notice = world.notices.recv().await.unwrap();
    assert_eq!(notice.topic_arn, "arn:aws:sns:us-east-1:123456789012:approvals");
    assert_eq!(notice.subject, "APPROVAL NEEDED: AWS CodePipeline mobile-web for action ShipIt");
    let message: Value = serde_json::from_str(&notice.message).unwrap();
    assert_eq!(message["approval"]["token"], open.token.as_str());
    assert_eq!(message["approval"]["customData"], "Try http://pre");
}
