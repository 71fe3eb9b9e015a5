use lambda::cloudformation::Names;

use super::*;

const TEMPLATE: &str = include_str!("../tests/pipeline.yaml");

fn problems(template: &str) -> String {
    Pipeline::parse("pipeline.yaml", template, &Names::default()).unwrap_err().to_string()
}

#[test]
fn the_example_that_a_user_deploys_can_be_run() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/mobile-web/pipeline.yaml");
    let names = Names::default().with("SourceBucketName", "builds");
    let pipeline = Pipeline::read(&path, &names).unwrap();
    let stages: Vec<(&str, Vec<&str>)> = pipeline
        .stages
        .iter()
        .map(|stage| (stage.name.as_str(), stage.actions.iter().map(|action| action.name.as_str()).collect()))
        .collect();
    let want = [
        ("Source", vec!["Source"]),
        ("Release", vec!["Provision", "Deploy", "Register", "ShipIt", "Promote"]),
        ("Keep", vec!["KeepIt", "Teardown"]),
    ];
    assert_eq!(stages, want);
    let matching: Vec<&UploadRule> =
        pipeline.upload_rules.iter().filter(|rule| rule.matches("builds", "build.zip")).collect();
    assert_eq!(matching.len(), 1, "one upload, one execution");
}

#[test]
fn what_cannot_be_run_is_refused_with_all_that_is_wrong() {
    for (from, to, want) in [
        (
            "Category: Deploy, Owner: AWS, Provider: CodeDeploy",
            "Category: Deploy, Owner: AWS, Provider: ECS",
            "the action Deploy is Deploy/AWS/ECS",
        ),
        ("PipelineType: V2", "ExecutionMode: PARALLEL", "ExecutionMode PARALLEL is none of"),
        ("#{Register.Url}", "#{Nowhere.Url}", "CustomData of the action ShipIt refers to #{Nowhere.Url}"),
        ("Namespace: Register", "Namespace: Provision", "the namespace Provision is used twice"),
        (
            "- Name: Keep\n",
            "- Name: Keep\n          OnFailure: {Result: ROLLBACK}\n",
            "OnFailure of the stage Keep is not supported here",
        ),
        ("FunctionName: register", "Function: register", "FunctionName of the action Register is missing"),
        ("ArtifactStore: {Type: S3, Location: artifacts}", "", "ArtifactStore.Location is missing"),
        ("OutputArtifacts: [{Name: Build}]", "", "needs exactly one output artifact"),
    ] {
        assert!(TEMPLATE.contains(from), "{from}");
        let error = problems(&TEMPLATE.replace(from, to));
        assert!(error.contains(want), "{want}: {error}");
    }
}

#[test]
fn a_template_without_a_pipeline_says_so() {
    assert_eq!(
        problems("Resources: {}"),
        "pipeline.yaml defines 0 pipelines; name one of its AWS::CodePipeline::Pipeline resources, or define just one"
    );
}
