//! The whole path of an execution, and the ways it fails.

use serde_json::json;

use super::harness::{Deploys, TEMPLATE, World, told};
use crate::{ExecutionStatus, Settings};

#[tokio::test(start_paused = true)]
async fn an_upload_goes_all_the_way() {
    let mut world = World::new();
    let id = world.upload("v7");
    let provision = world.works("provision", json!({ "Release": "r-1", "InstanceIds": "i-1,i-2" })).await;
    assert_eq!(provision.parameters(), format!(r#"{{"release":"{id}","mood":"calm"}}"#));
    assert_eq!(provision.data["inputArtifacts"][0]["name"], "Build");
    assert_eq!(provision.data["inputArtifacts"][0]["revision"], "v7");
    assert_eq!(provision.data["inputArtifacts"][0]["location"]["s3Location"]["bucketName"], "artifacts");
    assert_eq!(provision.data["artifactCredentials"]["secretAccessKey"], "stand-in");
    assert!(provision.data.get("continuationToken").is_none());

    let deployment = world.deployed.recv().await.unwrap();
    assert_eq!((deployment.application.as_str(), deployment.deployment_group.as_str()), ("app", "pre-r-1"));
    assert_eq!((deployment.revision.as_ref(), deployment.execution_id.as_str()), (&b"the revision"[..], id.as_str()));

    let register = world.works("register", json!({ "Url": "http://pre" })).await;
    assert_eq!(register.parameters(), r#"{"release":"r-1","version":"v7"}"#);

    let open = world.answers(&id, "ShipIt", "Approved").await;
    assert_eq!(open.custom_data.as_deref(), Some("Try http://pre"));
    assert_eq!(open.external_entity_link.as_deref(), Some("http://pre"));
    world.works("promote", json!({})).await;
    world.answers(&id, "KeepIt", "Approved").await;
    world.works("teardown", json!({})).await;
    assert_eq!(world.over(&id).await, ExecutionStatus::Succeeded);

    let events: Vec<String> = world.events_until(&id, "SUCCEEDED").await.iter().map(told).collect();
    let want = [
        "pipeline STARTED",
        "Source STARTED",
        "Source.Source STARTED",
        "Source.Source SUCCEEDED",
        "Source SUCCEEDED",
        "Release STARTED",
        "Release.Provision STARTED",
        "Release.Provision SUCCEEDED",
        "Release.Deploy STARTED",
        "deployment START",
        "deployment SUCCESS",
        "Release.Deploy SUCCEEDED",
        "Release.Register STARTED",
        "Release.Register SUCCEEDED",
        "Release.ShipIt STARTED",
        "Release.ShipIt SUCCEEDED",
        "Release.Promote STARTED",
        "Release.Promote SUCCEEDED",
        "Release SUCCEEDED",
        "Keep STARTED",
        "Keep.KeepIt STARTED",
        "Keep.KeepIt SUCCEEDED",
        "Keep.Teardown STARTED",
        "Keep.Teardown SUCCEEDED",
        "Keep SUCCEEDED",
        "pipeline SUCCEEDED",
    ];
    assert_eq!(events, want);
}

#[tokio::test(start_paused = true)]
async fn an_upload_starts_one_execution_however_often_it_is_told() {
    let mut world = World::new();
    let id = world.upload("v1");
    assert_eq!(world.engine.on_upload("builds", "build.zip", Some("v1")), None);
    assert_eq!(world.engine.on_upload("builds", "other.zip", Some("v1")), None);
    assert_eq!(world.engine.on_upload("other", "build.zip", Some("v1")), None);
    assert_eq!(world.read.recv().await.unwrap().version.as_deref(), Some("v1"));
    let execution = world.execution(&id);
    assert_eq!(execution["trigger"]["triggerType"], "CloudWatchEvent");
    let all = world.ask("ListPipelineExecutions", json!({ "pipelineName": "mobile-web" })).unwrap();
    assert_eq!(all["pipelineExecutionSummaries"].as_array().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_rule_an_upload_starts_nothing_unless_the_source_is_polled() {
    let without_rule = TEMPLATE.replace("source: [aws.s3]", "source: [aws.s4]");
    let world = World::with(&without_rule, Settings::default());
    assert_eq!(world.engine.on_upload("builds", "build.zip", Some("v1")), None);
    let polled = without_rule.replace("PollForSourceChanges: false", "PollForSourceChanges: true");
    let mut world = World::with(&polled, Settings::default());
    let id = world.upload("v1");
    assert_eq!(world.execution(&id)["trigger"]["triggerType"], "PollForSourceChanges");
    assert_eq!(world.read.recv().await.unwrap().version, None, "who polls takes what is newest");
}

#[tokio::test(start_paused = true)]
async fn a_failed_job_fails_stage_and_pipeline_and_later_actions_do_not_run() {
    let mut world = World::new();
    let id = world.upload("v1");
    world.fails("provision", "no capacity in us-east-1a").await;
    assert_eq!(world.over(&id).await, ExecutionStatus::Failed);
    let run = world.run("Provision");
    let details = &run["output"]["executionResult"]["errorDetails"];
    assert_eq!(details, &json!({ "code": "JobFailed", "message": "no capacity in us-east-1a" }));
    let events = world.events_until(&id, "FAILED").await;
    let tail: Vec<String> = events.iter().rev().take(3).map(told).collect();
    assert_eq!(tail, ["pipeline FAILED", "Release FAILED", "Release.Provision FAILED"]);
    let action = &events[events.len() - 3]["detail"];
    assert_eq!(action["execution-result"]["error-code"], "JobFailed");
    assert_eq!(action["execution-result"]["external-execution-summary"], "no capacity in us-east-1a");
    assert!(world.deployed.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_failed_deployment_says_why() {
    let mut world = World::new();
    world.deploys.lock().unwrap().push_back(Deploys::Badly("ApplicationStart exited with 1 on i-1"));
    let id = world.upload("v1");
    world.works("provision", json!({ "Release": "r" })).await;
    assert_eq!(world.over(&id).await, ExecutionStatus::Failed);
    let run = world.run("Deploy");
    let message = run["output"]["executionResult"]["errorDetails"]["message"].as_str().unwrap();
    assert!(message.starts_with("Deployment d-"), "{message}");
    assert!(message.ends_with("failed: ApplicationStart exited with 1 on i-1"), "{message}");
    let events: Vec<String> = world.events_until(&id, "FAILED").await.iter().map(told).collect();
    assert!(events.contains(&"deployment FAILURE".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_variable_fails_the_action_that_wants_it() {
    let mut world = World::new();
    let id = world.upload("v1");
    world.works("provision", json!({ "Something": "else" })).await;
    assert_eq!(world.over(&id).await, ExecutionStatus::Failed);
    let run = world.run("Deploy");
    let message = run["output"]["executionResult"]["errorDetails"]["message"].as_str().unwrap();
    assert!(message.contains("DeploymentGroupName refers to #{Provision.Release}"), "{message}");
    assert!(world.deployed.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_function_or_an_object_that_does_not_exist_fails_the_action() {
    let world = World::with(&TEMPLATE.replace("FunctionName: provision", "FunctionName: missing"), Settings::default());
    let id = world.upload("v1");
    assert_eq!(world.over(&id).await, ExecutionStatus::Failed);
    let details = world.run("Provision")["output"]["executionResult"]["errorDetails"].clone();
    assert_eq!(details["message"], "there is no function missing");

    let world = World::new();
    let revision = json!({ "actionName": "Source", "revisionType": "S3_OBJECT_KEY", "revisionValue": "nothing.zip" });
    let started = world.ask("StartPipelineExecution", json!({ "name": "mobile-web", "sourceRevisions": [revision] }));
    let id = started.unwrap()["pipelineExecutionId"].as_str().unwrap().to_owned();
    assert_eq!(world.over(&id).await, ExecutionStatus::Failed);
    assert_eq!(world.run("Source")["status"], "Failed");
}

#[tokio::test(start_paused = true)]
async fn actions_of_one_run_order_run_at_the_same_time_and_all_are_awaited() {
    let parallel = TEMPLATE
        .replace("RunOrder: 5", "RunOrder: 1")
        .replace("#{Provision.Release}\"}'}\n        - Name: Keep", "x\"}'}\n        - Name: Keep");
    let mut world = World::with(&parallel, Settings::default());
    let id = world.upload("v1");
    let provision = world.called("provision").await;
    world.fails("promote", "no").await;
    assert_eq!(world.execution(&id)["status"], "InProgress", "one of the two goes on");
    world.ask("PutJobSuccessResult", json!({ "jobId": provision.job })).unwrap();
    assert_eq!(world.over(&id).await, ExecutionStatus::Failed);
    world.assert_no_call();
}

#[tokio::test(start_paused = true)]
async fn dropping_the_engine_ends_what_it_began() {
    let World { engine, api, mut deployed, .. } = World::new();
    drop(engine);
    // The hooks were let go of: the other ends of their channels are closed.
    assert!(deployed.recv().await.is_none());
    let refusal = api.answer("GetPipelineState", "ALICE", &json!({ "name": "mobile-web" })).unwrap_err();
    assert_eq!(refusal.code.name(), "PipelineNotFoundException");
}
