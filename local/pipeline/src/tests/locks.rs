//! One execution in a stage at a time; who waits; who is superseded.

use serde_json::json;

use super::harness::{TEMPLATE, World};
use crate::{ExecutionStatus, Settings};

#[tokio::test(start_paused = true)]
async fn a_stage_takes_one_execution_and_the_newest_waits() {
    let mut world = World::new();
    let first = world.upload("v1");
    world.until_ship_it(&first).await;

    let second = world.upload("v2");
    world.waits_before(&second, 1).await;
    let third = world.upload("v3");
    assert_eq!(world.over(&second).await, ExecutionStatus::Superseded);
    world.waits_before(&third, 1).await;
    let events = world.events_until(&second, "SUPERSEDED").await;
    assert_eq!(events.last().unwrap()["detail"]["pipeline"], "mobile-web");
    world.assert_no_call();

    // The first one leaves the stage: the third one comes in, while the first is in the next stage.
    world.answers(&first, "ShipIt", "Approved").await;
    world.works("promote", json!({})).await;
    world.called("provision").await;
    world.approval(&first, "KeepIt").await;
    let state = world.state();
    assert_eq!(state["stageStates"][1]["latestExecution"]["pipelineExecutionId"], third.as_str());
    assert_eq!(state["stageStates"][2]["latestExecution"]["pipelineExecutionId"], first.as_str());
}

#[tokio::test(start_paused = true)]
async fn a_failed_execution_leaves_the_stage_to_the_next() {
    let mut world = World::new();
    let first = world.upload("v1");
    let provision = world.called("provision").await;
    let second = world.upload("v2");
    world.waits_before(&second, 1).await;
    let details = json!({ "type": "JobFailed", "message": "no" });
    world.ask("PutJobFailureResult", json!({ "jobId": provision.job, "failureDetails": details })).unwrap();
    assert_eq!(world.over(&first).await, ExecutionStatus::Failed);
    let call = world.called("provision").await;
    assert!(call.parameters().contains(&second));
    let retry = json!({
        "pipelineName": "mobile-web", "stageName": "Release", "pipelineExecutionId": first, "retryMode": "FAILED_ACTIONS",
    });
    assert_eq!(world.refused("RetryStageExecution", retry), "NotLatestPipelineExecutionException");
}

#[tokio::test(start_paused = true)]
async fn queued_executions_enter_one_after_another() {
    let queued = TEMPLATE.replace("PipelineType: V2", "PipelineType: V2\n      ExecutionMode: QUEUED");
    let mut world = World::with(&queued, Settings::default());
    let ids: Vec<String> = ["v1", "v2", "v3"].iter().map(|version| world.upload(version)).collect();
    for id in &ids {
        let call = world.fails("provision", "no").await;
        assert!(call.parameters().contains(id));
        assert_eq!(world.over(id).await, ExecutionStatus::Failed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_disabled_transition_keeps_executions_out_and_enabling_lets_the_newest_in() {
    let mut world = World::new();
    let stage = json!({
        "pipelineName": "mobile-web", "stageName": "Release", "transitionType": "Inbound", "reason": "freeze",
    });
    world.ask("DisableStageTransition", stage.clone()).unwrap();
    let first = world.upload("v1");
    world.waits_before(&first, 1).await;
    let transition = world.state()["stageStates"][1]["inboundTransitionState"].clone();
    assert_eq!((&transition["enabled"], &transition["disabledReason"]), (&json!(false), &json!("freeze")));
    let second = world.upload("v2");
    assert_eq!(world.over(&first).await, ExecutionStatus::Superseded);
    world.assert_no_call();
    world.ask("EnableStageTransition", stage).unwrap();
    assert!(world.called("provision").await.parameters().contains(&second));
}
