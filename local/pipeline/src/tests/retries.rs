//! Retrying a stage, and rolling one back.

use serde_json::{Value, json};

use super::harness::{Deploys, TEMPLATE, World, told};
use crate::{ExecutionStatus, Settings};

fn retry(id: &str, stage: &str, mode: &str) -> Value {
    json!({ "pipelineName": "mobile-web", "stageName": stage, "pipelineExecutionId": id, "retryMode": mode })
}

#[tokio::test(start_paused = true)]
async fn a_retry_keeps_the_execution_id_and_runs_what_failed() {
    let mut world = World::new();
    world.deploys.lock().unwrap().push_back(Deploys::Badly("no"));
    let id = world.upload("v1");
    world.works("provision", json!({ "Release": "r-1" })).await;
    assert_eq!(world.over(&id).await, ExecutionStatus::Failed);
    let before = world.run("Deploy")["actionExecutionId"].clone();
    world.events_until(&id, "FAILED").await;

    world.ask("RetryStageExecution", retry(&id, "Release", "FAILED_ACTIONS")).unwrap();
    assert_eq!(world.engine.status(&id), Some(ExecutionStatus::InProgress));
    assert_eq!(
        world.refused("RetryStageExecution", retry(&id, "Release", "FAILED_ACTIONS")),
        "StageNotRetryableException"
    );
    world.works("register", json!({ "Url": "http://pre" })).await;
    world.answers(&id, "ShipIt", "Rejected").await;
    assert_ne!(world.run("Deploy")["actionExecutionId"], before);
    let events = world.events_until(&id, "FAILED").await;
    let told: Vec<String> = events.iter().take(3).map(told).collect();
    assert_eq!(told, ["pipeline RESUMED", "Release RESUMED", "Release.Deploy STARTED"]);
    assert_eq!(events[0]["detail"]["pipeline-execution-attempt"], 2);
    let retries = world.state()["stageStates"][1]["retryStageMetadata"].clone();
    assert_eq!(retries["manualStageRetryAttempt"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_retry_of_all_actions_begins_the_stage_anew() {
    let mut world = World::new();
    world.deploys.lock().unwrap().push_back(Deploys::Badly("no"));
    let id = world.upload("v1");
    world.works("provision", json!({ "Release": "r-1" })).await;
    assert_eq!(world.over(&id).await, ExecutionStatus::Failed);
    world.ask("RetryStageExecution", retry(&id, "Release", "ALL_ACTIONS")).unwrap();
    let call = world.called("provision").await;
    assert!(call.parameters().contains(&id));
}

#[tokio::test(start_paused = true)]
async fn an_action_that_is_tried_again_gets_what_the_newest_run_of_another_gave() {
    let plain = r##"FunctionName: promote, UserParameters: '{"release":"#{Provision.Release}"}'"##;
    let seen = r##"FunctionName: promote, UserParameters: '{"seen":"#{Register.Url}"}'"##;
    assert!(TEMPLATE.contains(plain));
    let mut world = World::with(&TEMPLATE.replace(plain, seen), Settings::default());
    let id = world.upload("v1");
    world.until_ship_it(&id).await;
    world.answers(&id, "ShipIt", "Approved").await;
    world.fails("promote", "no").await;
    assert_eq!(world.over(&id).await, ExecutionStatus::Failed);

    world.ask("RetryStageExecution", retry(&id, "Release", "FAILED_ACTIONS")).unwrap();
    let call = world.fails("promote", "no again").await;
    assert_eq!(call.parameters(), r#"{"seen":"http://pre"}"#);
    assert_eq!(world.over(&id).await, ExecutionStatus::Failed);

    world.ask("RetryStageExecution", retry(&id, "Release", "ALL_ACTIONS")).unwrap();
    world.works("provision", json!({ "Release": "r-1" })).await;
    world.works("register", json!({ "Url": "http://another" })).await;
    world.answers(&id, "ShipIt", "Approved").await;
    assert_eq!(world.called("promote").await.parameters(), r#"{"seen":"http://another"}"#);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_stage_can_be_retried_and_others_cannot() {
    let mut world = World::new();
    let id = world.upload("v1");
    world.called("provision").await;
    for (body, want) in [
        (retry(&id, "Nowhere", "FAILED_ACTIONS"), "StageNotFoundException"),
        (retry(&id, "Source", "FAILED_ACTIONS"), "StageNotRetryableException"),
        (retry(&id, "Release", "FAILED_ACTIONS"), "StageNotRetryableException"),
        (retry(&id, "Keep", "FAILED_ACTIONS"), "NotLatestPipelineExecutionException"),
        (retry("nothing", "Release", "FAILED_ACTIONS"), "NotLatestPipelineExecutionException"),
        (retry(&id, "Release", "SOME_ACTIONS"), "ValidationException"),
    ] {
        assert_eq!(world.refused("RetryStageExecution", body.clone()), want, "{body}");
    }
    let stop = json!({ "pipelineName": "mobile-web", "pipelineExecutionId": id, "abandon": true });
    world.ask("StopPipelineExecution", stop).unwrap();
    world.ask("RetryStageExecution", retry(&id, "Release", "FAILED_ACTIONS")).unwrap();
    world.called("provision").await;
}

#[tokio::test(start_paused = true)]
async fn rolling_a_stage_back_is_a_new_execution_with_the_old_artifacts() {
    let mut world = World::new();
    let good = world.upload("v1");
    world.until_ship_it(&good).await;
    world.answers(&good, "ShipIt", "Approved").await;
    world.works("promote", json!({})).await;
    world.approval(&good, "KeepIt").await;
    world.deployed.recv().await.unwrap();

    let rollback = |stage: &str, id: &str| json!({ "pipelineName": "mobile-web", "stageName": stage, "targetPipelineExecutionId": id });
    assert_eq!(world.refused("RollbackStage", rollback("Source", &good)), "UnableToRollbackStageException");
    assert_eq!(world.refused("RollbackStage", rollback("Keep", &good)), "UnableToRollbackStageException");
    assert_eq!(world.refused("RollbackStage", rollback("Release", "nothing")), "PipelineExecutionNotFoundException");
    let answer = world.ask("RollbackStage", rollback("Release", &good)).unwrap();
    let id = answer["pipelineExecutionId"].as_str().unwrap().to_owned();
    assert_ne!(id, good);
    assert_eq!(world.refused("RollbackStage", rollback("Release", &id)), "UnableToRollbackStageException");
    world.until_ship_it(&id).await;
    assert_eq!(world.deployed.recv().await.unwrap().revision, "the revision");
    world.answers(&id, "ShipIt", "Approved").await;
    world.works("promote", json!({})).await;
    // Only the stage is run.
    assert_eq!(world.over(&id).await, ExecutionStatus::Succeeded);
    let execution = world.execution(&id);
    assert_eq!(execution["executionType"], "ROLLBACK");
    assert_eq!(execution["trigger"]["triggerType"], "ManualRollback");
    assert_eq!(execution["rollbackMetadata"]["rollbackTargetPipelineExecutionId"], good.as_str());
}
