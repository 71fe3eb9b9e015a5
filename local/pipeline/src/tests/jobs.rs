//! Lambda jobs: continuation tokens, silence, late and wrong reports.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::harness::World;
use crate::ExecutionStatus;

#[tokio::test(start_paused = true)]
async fn a_continuation_token_calls_the_function_again_with_it() {
    let mut world = World::new();
    let id = world.upload("v1");
    let first = world.called("provision").await;
    let details = json!({ "summary": "1 of 2 running", "percentComplete": 50, "externalExecutionId": "r-1" });
    let goes_on = json!({ "jobId": first.job, "continuationToken": "{\"since\":1}", "executionDetails": details });
    let asked = Instant::now();
    world.ask("PutJobSuccessResult", goes_on.clone()).unwrap();
    let run = world.state()["stageStates"][1]["actionStates"][0]["latestExecution"].clone();
    assert_eq!((&run["status"], &run["summary"]), (&json!("InProgress"), &json!("1 of 2 running")));
    assert_eq!((&run["percentComplete"], &run["externalExecutionId"]), (&json!(50), &json!("r-1")));

    let second = world.called("provision").await;
    assert!(asked.elapsed() >= Duration::from_millis(300), "{:?}", asked.elapsed());
    assert_eq!(second.data["continuationToken"], "{\"since\":1}");
    assert_eq!(second.parameters(), first.parameters());
    assert_ne!(second.job, first.job);
    // The job before it is closed: a duplicate of that call gets told.
    assert_eq!(world.refused("PutJobSuccessResult", goes_on), "InvalidJobStateException");

    let details = json!({ "summary": "2 running" });
    let done = json!({ "jobId": second.job, "executionDetails": details, "outputVariables": { "Release": id } });
    world.ask("PutJobSuccessResult", done).unwrap();
    world.called("register").await;
    let run = world.run("Provision");
    assert_eq!(run["output"]["executionResult"]["externalExecutionSummary"], "2 running");
    assert_eq!(run["output"]["executionResult"]["externalExecutionId"], "r-1");
    assert_eq!(run["output"]["outputVariables"], json!({ "Release": id }));
}

#[tokio::test(start_paused = true)]
async fn twenty_minutes_of_silence_fail_the_action() {
    let mut world = World::new();
    let id = world.upload("v1");
    let started = Instant::now();
    let call = world.called("provision").await;
    assert_eq!(world.over(&id).await, ExecutionStatus::Failed);
    assert_eq!(started.elapsed().as_secs(), 20 * 60);
    let run = world.run("Provision");
    let message = run["output"]["executionResult"]["errorDetails"]["message"].as_str().unwrap();
    assert!(message.starts_with("The AWS Lambda function provision failed to return a result."), "{message}");
    let took = run["lastUpdateTime"].as_f64().unwrap() - run["startTime"].as_f64().unwrap();
    assert!((1200.0..1201.0).contains(&took), "{took}");
    let late = json!({ "jobId": call.job });
    assert_eq!(world.refused("PutJobSuccessResult", late), "InvalidJobStateException");
}

#[tokio::test(start_paused = true)]
async fn each_report_gives_twenty_minutes_more_but_not_beyond_a_day() {
    let mut world = World::new();
    let id = world.upload("v1");
    let started = Instant::now();
    let mut calls = 0;
    while world.engine.status(&id) == Some(ExecutionStatus::InProgress) {
        let call = world.called("provision").await;
        calls += 1;
        assert!(calls < 100);
        // The function takes 19 minutes each time: never silent for too long.
        tokio::time::advance(Duration::from_secs(19 * 60)).await;
        let report = json!({ "jobId": call.job, "continuationToken": "on" });
        if world.ask("PutJobSuccessResult", report).is_err() {
            break;
        }
    }
    assert_eq!(world.over(&id).await, ExecutionStatus::Failed);
    assert!(started.elapsed() >= Duration::from_secs(24 * 60 * 60));
    assert_eq!(calls, 76);
    let message = world.run("Provision")["output"]["executionResult"]["errorDetails"]["message"].clone();
    assert_eq!(message, "The AWS Lambda function provision did not end the action within 24 hours.");
}

#[tokio::test(start_paused = true)]
async fn wrong_reports_are_refused_and_change_nothing() {
    let mut world = World::new();
    world.upload("v1");
    let job = world.called("provision").await.job;
    let long = "x".repeat(2049);
    let huge = "x".repeat(122_881);
    for (body, want) in [
        (json!({}), "ValidationException"),
        (json!({ "jobId": "00000000-0000-0000-0000-000000000000" }), "JobNotFoundException"),
        (json!({ "jobId": job, "continuationToken": "t", "outputVariables": { "a": "b" } }), "ValidationException"),
        (json!({ "jobId": job, "continuationToken": "" }), "ValidationException"),
        (json!({ "jobId": job, "continuationToken": long }), "ValidationException"),
        (json!({ "jobId": job, "executionDetails": { "summary": long } }), "ValidationException"),
        (json!({ "jobId": job, "outputVariables": { "a.b": "c" } }), "ValidationException"),
        (json!({ "jobId": job, "outputVariables": { "a": huge } }), "OutputVariablesSizeExceededException"),
    ] {
        assert_eq!(world.refused("PutJobSuccessResult", body.clone()), want, "{body:.200}");
    }
    for details in
        [json!(null), json!({ "type": "Bad", "message": "m" }), json!({ "type": "JobFailed", "message": "" })]
    {
        let body = json!({ "jobId": job, "failureDetails": details });
        assert_eq!(world.refused("PutJobFailureResult", body), "ValidationException", "{details}");
    }
    assert_eq!(world.run("Provision")["status"], "InProgress");
    world.ask("PutJobSuccessResult", json!({ "jobId": job })).unwrap();
}

#[tokio::test(start_paused = true)]
async fn job_details_say_where_a_job_belongs() {
    let mut world = World::new();
    let id = world.upload("v1");
    let call = world.called("provision").await;
    let answer = world.ask("GetJobDetails", json!({ "jobId": call.job })).unwrap();
    let details = &answer["jobDetails"];
    assert_eq!(details["id"], call.job.as_str());
    assert_eq!(details["accountId"], "123456789012");
    let context = &details["data"]["pipelineContext"];
    assert_eq!(context["pipelineExecutionId"], id.as_str());
    assert_eq!((&context["stage"]["name"], &context["action"]["name"]), (&json!("Release"), &json!("Provision")));
    assert_eq!(details["data"]["actionTypeId"]["provider"], "Lambda");
}
