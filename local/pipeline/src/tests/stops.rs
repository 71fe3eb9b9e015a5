//! Stopping an execution: after what runs is over, or at once.

use serde_json::{Value, json};

use super::harness::{Deploys, World, told};
use crate::ExecutionStatus;

fn stop(id: &str, abandon: bool) -> Value {
    json!({ "pipelineName": "mobile-web", "pipelineExecutionId": id, "abandon": abandon, "reason": "wrong build" })
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_what_runs_and_starts_nothing_more() {
    let mut world = World::new();
    let id = world.upload("v1");
    let call = world.called("provision").await;
    world.ask("StopPipelineExecution", stop(&id, false)).unwrap();
    assert_eq!(world.execution(&id)["status"], "Stopping");
    assert_eq!(world.refused("StopPipelineExecution", stop(&id, false)), "DuplicatedStopRequestException");
    world.ask("PutJobSuccessResult", json!({ "jobId": call.job })).unwrap();
    assert_eq!(world.over(&id).await, ExecutionStatus::Stopped);
    assert_eq!(world.run("Provision")["status"], "Succeeded");
    assert!(world.deployed.try_recv().is_err());
    assert_eq!(world.refused("StopPipelineExecution", stop(&id, false)), "PipelineExecutionNotStoppableException");
    let events = world.events_until(&id, "STOPPED").await;
    let told: Vec<String> = events.iter().skip(7).map(told).collect();
    let want =
        ["pipeline STOPPING", "Release STOPPING", "Release.Provision SUCCEEDED", "Release STOPPED", "pipeline STOPPED"];
    assert_eq!(told, want);
    assert_eq!(events.last().unwrap()["detail"]["stop-execution-comments"], "wrong build");
    let listed = world.ask("ListPipelineExecutions", json!({ "pipelineName": "mobile-web" })).unwrap();
    assert_eq!(listed["pipelineExecutionSummaries"][0]["stopTrigger"]["reason"], "wrong build");
}

#[tokio::test(start_paused = true)]
async fn abandoning_ends_actions_at_once_and_closes_their_jobs() {
    let mut world = World::new();
    let id = world.upload("v1");
    let call = world.called("provision").await;
    world.ask("StopPipelineExecution", stop(&id, false)).unwrap();
    world.ask("StopPipelineExecution", stop(&id, true)).unwrap();
    assert_eq!(world.engine.status(&id), Some(ExecutionStatus::Stopped));
    assert_eq!(world.run("Provision")["status"], "Abandoned");
    assert_eq!(world.refused("PutJobSuccessResult", json!({ "jobId": call.job })), "InvalidJobStateException");
    let failure = json!({ "type": "JobFailed", "message": "late" });
    let late = json!({ "jobId": call.job, "failureDetails": failure });
    assert_eq!(world.refused("PutJobFailureResult", late), "InvalidJobStateException");
}

#[tokio::test(start_paused = true)]
async fn abandoning_leaves_a_deployment_to_itself_and_the_stage_to_the_next() {
    let mut world = World::new();
    world.deploys.lock().unwrap().push_back(Deploys::Never);
    let first = world.upload("v1");
    world.works("provision", json!({ "Release": "r-1" })).await;
    world.deployed.recv().await.unwrap();
    let second = world.upload("v2");
    world.waits_before(&second, 1).await;
    world.ask("StopPipelineExecution", stop(&first, true)).unwrap();
    assert!(world.called("provision").await.parameters().contains(&second));
    assert_eq!(world.run("Deploy")["status"], "Abandoned");
}

#[tokio::test(start_paused = true)]
async fn an_execution_that_waits_is_stopped_at_once() {
    let mut world = World::new();
    let first = world.upload("v1");
    let call = world.called("provision").await;
    let second = world.upload("v2");
    world.waits_before(&second, 1).await;
    world.ask("StopPipelineExecution", stop(&second, false)).unwrap();
    assert_eq!(world.engine.status(&second), Some(ExecutionStatus::Stopped));
    let failure = json!({ "type": "JobFailed", "message": "no" });
    world.ask("PutJobFailureResult", json!({ "jobId": call.job, "failureDetails": failure })).unwrap();
    assert_eq!(world.over(&first).await, ExecutionStatus::Failed);
    world.assert_no_call();
    assert_eq!(
        world.refused("StopPipelineExecution", stop("nothing", false)),
        "PipelineExecutionNotStoppableException"
    );
}
