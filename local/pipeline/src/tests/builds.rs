//! Builds: what CodeBuild gets, and what later actions have of it.

use serde_json::json;

use super::harness::{TEMPLATE, World};
use crate::{ExecutionStatus, Settings};

/// The pipeline with a build before its deployment, which deploys what was built.
fn with_build(environment: &str) -> String {
    let build = format!(
        "            - Name: Build
              ActionTypeId: {{Category: Build, Owner: AWS, Provider: CodeBuild, Version: \"1\"}}
              Namespace: Build
              Configuration:
                ProjectName: web
                EnvironmentVariables: '{environment}'
              InputArtifacts: [{{Name: Build}}]
              OutputArtifacts: [{{Name: Revision}}]
            - Name: Deploy\n"
    );
    TEMPLATE.replace("            - Name: Deploy\n", &build).replace(
        "DeploymentGroupName: \"pre-#{Provision.Release}\"}\n              InputArtifacts: [{Name: Build}]",
        "DeploymentGroupName: \"#{Build.IMAGE}\"}\n              InputArtifacts: [{Name: Revision}]",
    )
}

#[tokio::test(start_paused = true)]
async fn what_was_built_is_what_is_deployed() {
    let environment = r##"[{"name":"RELEASE","value":"#{codepipeline.PipelineExecutionId}","type":"PLAINTEXT"}]"##;
    let mut world = World::with(&with_build(environment), Settings::default());
    let id = world.upload("v7");
    let build = world.builds.recv().await.unwrap();
    assert!(build.id.starts_with("web:"), "{}", build.id);
    assert_eq!((build.project.as_str(), build.source.as_ref()), ("web", &b"the revision"[..]));
    assert_eq!((build.source_version.as_deref(), &build.environment["RELEASE"]), (Some("v7"), &id));
    world.works("provision", json!({ "Release": "r-1" })).await;
    let deployment = world.deployed.recv().await.unwrap();
    assert_eq!(deployment.revision.as_ref(), b"what was built");
    assert_eq!(deployment.deployment_group, "web@sha256:1");
    assert_eq!(world.run("Build")["output"]["outputVariables"], json!({ "IMAGE": "web@sha256:1" }));
}

#[tokio::test(start_paused = true)]
async fn a_failed_build_says_why_and_nothing_is_deployed() {
    let template = with_build("[]").replace("ProjectName: web", "ProjectName: broken");
    let mut world = World::with(&template, Settings::default());
    let id = world.upload("v7");
    world.works("provision", json!({ "Release": "r-1" })).await;
    assert_eq!(world.over(&id).await, ExecutionStatus::Failed);
    let details = &world.run("Build")["output"]["executionResult"]["errorDetails"];
    assert_eq!(details, &json!({ "code": "JobFailed", "message": "there is no project broken" }));
    assert!(world.deployed.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_build_that_cannot_be_begun_says_why() {
    for (environment, want) in [
        (r#"{"RELEASE":"1"}"#, "not a JSON list of objects with name and value"),
        (r#"[{"value":"1"}]"#, "not a JSON list of objects with name and value"),
        (r#"[{"name":"KEY","value":"key","type":"SECRETS_MANAGER"}]"#, "of type SECRETS_MANAGER are not read here"),
    ] {
        let mut world = World::with(&with_build(environment), Settings::default());
        let id = world.upload("v7");
        world.works("provision", json!({ "Release": "r-1" })).await;
        assert_eq!(world.over(&id).await, ExecutionStatus::Failed);
        let message = world.run("Build")["output"]["executionResult"]["errorDetails"]["message"].to_string();
        assert!(message.contains(want), "{message}");
        assert!(world.builds.try_recv().is_err());
    }
}
