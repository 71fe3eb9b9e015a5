//! What the tests stand on: a stack without servers, releases brought to where a test begins, and looks at what changed.

use gateway::{Call, Mark};
use local::costs;
use local::revision::Changes;
use local::standing::Standing;
use local::{Options, Stack};
use pipeline::{ExecutionStatus, Pipeline};
use serde_json::{Value, json};

pub const SERVICE: &str = "mobile-web";

/// A stack without servers, where nothing settles or drains, and Lambda tries again at once.
pub async fn stack() -> Stack {
    stack_with(Options { change: quick, ..Options::scripted() }).await
}

pub async fn stack_with(options: Options) -> Stack {
    Stack::start(Options { retry_scale: 0.0, ..options }).await.unwrap()
}

/// Nothing settles or drains.
pub fn quick(config: &mut Value) {
    config["settle_seconds"] = json!(0);
    config["drain_seconds"] = json!(0);
}

pub fn status(answer: &Value) -> &str {
    answer["status"].as_str().unwrap_or_default()
}

pub fn reason(answer: &Value) -> &str {
    answer["reason"].as_str().unwrap_or_default()
}

pub fn ask(service: &str, release: &str) -> Value {
    json!({"service": service, "release": release})
}

pub fn teardown(service: &str, release: &str, action: &str) -> Value {
    json!({"service": service, "release": release, "action": action})
}

/// Calls a function until it is done, which it has to be in the end.
pub async fn done(stack: &Stack, function: &str, payload: &Value) -> Value {
    let answer = stack.call_until_over(function, payload).await.unwrap();
    assert_eq!(status(&answer), "done", "{function}: {answer:#}");
    answer
}

/// Calls a function once; it has to refuse, or fail, with all of these words.
pub async fn refuses(stack: &Stack, function: &str, payload: &Value, words: &[&str]) -> Value {
    let answer = stack.call_until_over(function, payload).await.unwrap();
    assert!(["refused", "failed"].contains(&status(&answer)), "{function}: {answer:#}");
    says(reason(&answer), words);
    answer
}

/// A sentence has all of these words in it.
pub fn says(sentence: &str, words: &[&str]) {
    for word in words {
        assert!(sentence.contains(word), "“{word}” is not in: {sentence}");
    }
}

/// Brings a release to pre-product.
pub async fn pre_product(stack: &Stack, service: &str, release: &str) {
    done(stack, "provision", &ask(service, release)).await;
    done(stack, "register", &ask(service, release)).await;
}

/// Brings a release to product.
pub async fn product(stack: &Stack, service: &str, release: &str) {
    pre_product(stack, service, release).await;
    done(stack, "promote", &ask(service, release)).await;
}

pub async fn look(stack: &Stack) -> Standing {
    let account = stack.account();
    Standing::look(&stack.aws("LOOK"), &account.listener_arn, &account.zone_id).await.unwrap()
}

/// The release that has the weight in a service's product rule.
pub async fn served(stack: &Stack, service: &str) -> Vec<String> {
    let weights = look(stack).await.weights(service, "product");
    weights.into_iter().filter(|(_, weight)| *weight > 0).map(|(release, _)| release).collect()
}

/// The functions' calls since a mark.
pub fn calls_since(stack: &Stack, mark: Mark) -> Vec<Call> {
    let functions = ["PROVISION", "REGISTER", "PROMOTE", "TEARDOWN"];
    let calls = stack.gateway().record().since(mark);
    calls.into_iter().filter(|call| functions.contains(&call.caller.as_str())).collect()
}

/// The functions changed nothing since a mark beside leases, answers and notices.
pub fn unchanged_since(stack: &Stack, mark: Mark) {
    let changes: Vec<String> = calls_since(stack, mark)
        .iter()
        .filter(|call| costs::changes(call))
        .map(|call| format!("{} {} {}", call.caller, call.action, call.resource))
        .collect();
    assert!(changes.is_empty(), "{changes:#?}");
}

/// Ships a build by a service's own pipeline, which has to fail; answers what the failed actions say.
pub async fn ship_fails(stack: &Stack, pipeline: &str) -> String {
    let execution = stack.ship(pipeline, "1", &Changes::default()).await.unwrap();
    assert_eq!(stack.over(pipeline, &execution).await.unwrap(), ExecutionStatus::Failed);
    stack.failures(pipeline, &execution).unwrap().join("\n")
}

/// Runs a pipeline whose one action calls `provision` with these parameters; none if there are none.
pub async fn pipeline_that_asks(stack: &Stack, name: &str, parameters: Option<&str>) {
    let parameters = parameters.map(|text| format!(", UserParameters: '{text}'")).unwrap_or_default();
    pipeline_with(
        stack,
        name,
        &format!(
            "Name: Provision
              ActionTypeId: {{Category: Invoke, Owner: AWS, Provider: Lambda, Version: '1'}}
              Configuration: {{FunctionName: pointsman-provision{parameters}}}"
        ),
    )
    .await;
}

/// Runs a pipeline of a source and one more action.
pub async fn pipeline_with(stack: &Stack, name: &str, action: &str) {
    let template = format!(
        "
Resources:
  Pipeline:
    Type: AWS::CodePipeline::Pipeline
    Properties:
      Name: {name}
      ArtifactStore: {{Type: S3, Location: artifacts}}
      Stages:
        - Name: Source
          Actions:
            - Name: Source
              ActionTypeId: {{Category: Source, Owner: AWS, Provider: S3, Version: '1'}}
              Configuration: {{S3Bucket: {bucket}, S3ObjectKey: build.zip}}
              OutputArtifacts: [{{Name: Build}}]
        - Name: Release
          Actions:
            - {action}
",
        bucket = local::stack::bucket(name),
    );
    let pipeline = Pipeline::parse("pipeline.yaml", &template, &local::account::names()).unwrap();
    stack.run_pipeline(pipeline, Vec::new()).await.unwrap();
}
