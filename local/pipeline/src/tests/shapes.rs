//! The shapes that the API answers with, and that events have.

use gateway::Gateway;
use serde_json::json;

use super::harness::World;
use crate::handler;

#[tokio::test(start_paused = true)]
async fn a_pipeline_is_declared_in_the_apis_names() {
    let world = World::new();
    let answer = world.ask("GetPipeline", json!({ "name": "mobile-web" })).unwrap();
    let pipeline = &answer["pipeline"];
    assert_eq!(pipeline["roleArn"], "arn:aws:iam::123456789012:role/PipelineRole");
    assert_eq!(pipeline["artifactStore"], json!({ "type": "S3", "location": "artifacts" }));
    assert_eq!((&pipeline["executionMode"], &pipeline["version"]), (&json!("SUPERSEDED"), &json!(1)));
    let source = &pipeline["stages"][0]["actions"][0];
    assert_eq!(source["actionTypeId"]["provider"], "S3");
    assert_eq!(source["runOrder"], 1);
    let configuration = json!({ "S3Bucket": "builds", "S3ObjectKey": "build.zip", "PollForSourceChanges": "false" });
    assert_eq!(source["configuration"], configuration);
    assert_eq!(pipeline["stages"][1]["actions"][1]["runOrder"], 2);
    assert_eq!(answer["metadata"]["pipelineArn"], "arn:aws:codepipeline:us-east-1:123456789012:mobile-web");
    assert_eq!(
        world.refused("GetPipeline", json!({ "name": "mobile-web", "version": 2 })),
        "PipelineVersionNotFoundException"
    );
    assert_eq!(world.refused("GetPipeline", json!({ "name": "other" })), "PipelineNotFoundException");
    assert_eq!(world.refused("GetPipeline", json!({})), "ValidationException");
    assert_eq!(world.refused("DeletePipeline", json!({})), "UnknownOperationException");
    let listed = world.ask("ListPipelines", json!({})).unwrap();
    assert_eq!(listed["pipelines"][0]["name"], "mobile-web");
}

#[tokio::test(start_paused = true)]
async fn starting_takes_variables_revisions_and_a_request_token() {
    let mut world = World::new();
    let body = json!({
        "name": "mobile-web",
        "clientRequestToken": "t-1",
        "variables": [{ "name": "Mood", "value": "bold" }],
        "sourceRevisions": [{ "actionName": "Source", "revisionType": "S3_OBJECT_VERSION_ID", "revisionValue": "v3" }],
    });
    let first = world.ask("StartPipelineExecution", body.clone()).unwrap();
    assert_eq!(world.ask("StartPipelineExecution", body).unwrap(), first);
    let id = first["pipelineExecutionId"].as_str().unwrap();
    let call = world.called("provision").await;
    assert!(call.parameters().contains("bold"));
    let execution = world.execution(id);
    assert_eq!(execution["artifactRevisions"][0]["revisionId"], "v3");
    assert_eq!(execution["variables"], json!([{ "name": "Mood", "resolvedValue": "bold" }]));
    let trigger =
        json!({ "triggerType": "StartPipelineExecution", "triggerDetail": "arn:aws:iam::123456789012:user/ALICE" });
    assert_eq!(execution["trigger"], trigger);
    let unknown = json!({ "name": "mobile-web", "variables": [{ "name": "Nothing", "value": "x" }] });
    assert_eq!(world.refused("StartPipelineExecution", unknown), "ValidationException");
}

#[tokio::test(start_paused = true)]
async fn the_state_shows_what_waits_for_a_person() {
    let mut world = World::new();
    let id = world.upload("v1");
    let open = world.until_ship_it(&id).await;
    let state = world.state();
    let source = &state["stageStates"][0]["actionStates"][0];
    assert_eq!(source["currentRevision"]["revisionId"], "v1");
    assert_eq!(source["latestExecution"]["summary"], "Amazon S3 version id: v1");
    let ship_it = &state["stageStates"][1]["actionStates"][3];
    assert_eq!(ship_it["latestExecution"]["token"], open.token.as_str());
    assert_eq!(ship_it["entityUrl"], "http://pre");
    let promote = &state["stageStates"][1]["actionStates"][4];
    assert_eq!(promote, &json!({ "actionName": "Promote" }));
    assert_eq!(state["stageStates"][2].get("latestExecution"), None);
}

#[tokio::test(start_paused = true)]
async fn lists_are_filtered_and_come_in_pages_newest_first() {
    let mut world = World::new();
    let first = world.upload("v1");
    world.fails("provision", "no").await;
    let second = world.upload("v2");
    world.called("provision").await;
    let page = |next: Option<&str>| {
        let mut body = json!({ "pipelineName": "mobile-web", "maxResults": 1 });
        if let Some(next) = next {
            body["nextToken"] = json!(next);
        }
        world.ask("ListPipelineExecutions", body).unwrap()
    };
    let one = page(None);
    assert_eq!(one["pipelineExecutionSummaries"][0]["pipelineExecutionId"], second.as_str());
    assert_eq!(one["pipelineExecutionSummaries"][0]["sourceRevisions"][0]["revisionId"], "v2");
    let two = page(one["nextToken"].as_str());
    assert_eq!(two["pipelineExecutionSummaries"][0]["pipelineExecutionId"], first.as_str());
    assert_eq!(two.get("nextToken"), None);
    let filter = json!({ "pipelineExecutionId": first });
    let runs = world.ask("ListActionExecutions", json!({ "pipelineName": "mobile-web", "filter": filter })).unwrap();
    let names: Vec<&str> = runs["actionExecutionDetails"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["actionName"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["Provision", "Source"]);
    let filter = json!({ "succeededInStage": { "stageName": "Release" } });
    let none = world.ask("ListPipelineExecutions", json!({ "pipelineName": "mobile-web", "filter": filter })).unwrap();
    assert_eq!(none["pipelineExecutionSummaries"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn events_have_the_fields_that_aws_gives_them() {
    let mut world = World::new();
    let id = world.upload("v1");
    world.fails("provision", "no").await;
    let events = world.events_until(&id, "FAILED").await;
    let find = |kind: &str, state: &str| {
        events.iter().rfind(|event| event["detail-type"] == kind && event["detail"]["state"] == state).unwrap()
    };
    let pipeline = find("CodePipeline Pipeline Execution State Change", "FAILED");
    assert_eq!(pipeline["source"], "aws.codepipeline");
    assert_eq!(pipeline["resources"], json!(["arn:aws:codepipeline:us-east-1:123456789012:mobile-web"]));
    assert_eq!((&pipeline["account"], &pipeline["region"]), (&json!("123456789012"), &json!("us-east-1")));
    let detail = &pipeline["detail"];
    assert_eq!((&detail["pipeline"], &detail["execution-id"]), (&json!("mobile-web"), &json!(id)));
    assert_eq!((&detail["version"], &detail["pipeline-execution-attempt"]), (&json!(1), &json!(1)));
    assert_eq!(detail["execution-trigger"]["trigger-type"], "CloudWatchEvent");
    let stage = find("CodePipeline Stage Execution State Change", "FAILED");
    assert_eq!(stage["detail"]["stage"], "Release");
    let action = &find("CodePipeline Action Execution State Change", "FAILED")["detail"];
    let kind = json!({ "category": "Invoke", "owner": "AWS", "provider": "Lambda", "version": "1" });
    assert_eq!(action["type"], kind);
    assert_eq!(
        (&action["stage"], &action["action"], &action["region"]),
        (&json!("Release"), &json!("Provision"), &json!("us-east-1"))
    );
    assert_eq!(action["input-artifacts"][0]["name"], "Build");
    assert!(action["action-execution-id"].is_string());
}

#[tokio::test]
async fn a_gateway_serves_it_over_http() {
    let world = World::new();
    // Nothing listens there: whatever is not answered by the engine would be an error.
    let gateway = Gateway::start("http://127.0.0.1:9").await.unwrap();
    gateway.mount("codepipeline", handler(&[&world.engine]));
    let aws = gateway.aws("BOB");
    let ask =
        async |action: &str, body| aws.json("codepipeline", &format!("CodePipeline_20150709.{action}"), body).await;
    let started = ask("StartPipelineExecution", json!({ "name": "mobile-web" })).await.unwrap();
    let id = started["pipelineExecutionId"].as_str().unwrap();
    assert_eq!(world.execution(id)["trigger"]["triggerDetail"], "arn:aws:iam::123456789012:user/BOB");
    let state = ask("GetPipelineState", json!({ "name": "mobile-web" })).await.unwrap();
    assert_eq!(state["pipelineName"], "mobile-web");
    let refused = ask("GetJobDetails", json!({ "jobId": "nothing" })).await.unwrap_err();
    assert_eq!(refused.code(), Some("JobNotFoundException"));
}
