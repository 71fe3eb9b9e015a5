//! `examples/docker-stages`, run to its end: one image, the same in dev, stg and prod.

use std::collections::BTreeMap;

use local::revision::Changes;
use local::stack::{Approval, PATIENCE, bucket};
use local::standing::Tagged;
use local::web::Web;
use local::{Options, Stack, account};
use pipeline::{ExecutionStatus, OpenApproval};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::stage::{look, says};

const EXAMPLE: &str = "examples/docker-stages";
const PIPELINE: &str = "shop";
const SERVICES: [&str; 3] = ["shop-dev", "shop-stg", "shop-prod"];

/// Lambda's quota on all variables of a function together.
const VARIABLES_BYTES_MAX: usize = 4096;

fn read(file: &str) -> String {
    std::fs::read_to_string(Options::new().repository.join(EXAMPLE).join(file)).unwrap()
}

/// The example's variables of the functions.
fn variables() -> BTreeMap<String, Value> {
    serde_json::from_str(&read("variables.json")).unwrap()
}

/// A stack with real servers that has the example's services and its pipeline.
async fn stack() -> (Stack, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let variables = variables().into_iter().map(|(name, value)| (name, value.to_string())).collect();
    let options = Options { folder: folder.path().to_owned(), variables, ..Options::new() };
    let stack = Stack::start(options).await.unwrap();
    stack.put_parameter("/pointsman/user-data/shop", &read("user-data.sh")).await.unwrap();
    let repository = format!("{}.dkr.ecr.{}.amazonaws.com/{PIPELINE}", account::ACCOUNT_ID, account::REGION);
    let names = account::names()
        .with("SourceBucketName", bucket(PIPELINE))
        .with("CodeDeployApplication", PIPELINE)
        .with("Repository.RepositoryUri", repository);
    stack.run_example(EXAMPLE, &names).await.unwrap();
    (stack, folder)
}

/// What the load balancer answers for one of a service's two rules.
async fn ask(stack: &Stack, service: &str, rule: &str, path: &str) -> String {
    stack.machines().unwrap().settle().await.unwrap();
    let config = &variables()[&local::service::variable(service)];
    let page = Web::new(&stack.load_balancer_url()).get(&local::service::host(config, rule), path).await.unwrap();
    assert_eq!(page.status, 200, "{service}, {rule}: {page:?}");
    page.body
}

/// The versions and the images that the three services' customers get.
async fn product(stack: &Stack) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for service in SERVICES {
        all.push((ask(stack, service, "product", "/version").await, ask(stack, service, "product", "/image").await));
    }
    all
}

/// Waits for an approval: two stages may lie before it.
async fn comes_to(stack: &Stack, execution: &str, action: &str) -> OpenApproval {
    let engine = stack.engine(PIPELINE).unwrap();
    let open = tokio::time::timeout(PATIENCE * 3, engine.approval(execution, action)).await.unwrap();
    open.unwrap_or_else(|status| panic!("{status:?}: {:?}", stack.failures(PIPELINE, execution)))
}

async fn approve(stack: &Stack, execution: &str, action: &str) {
    comes_to(stack, execution, action).await;
    stack.answer(PIPELINE, execution, action, Approval::Approved, "tried").await.unwrap();
}

/// Each stage's promotion was asked for what its register had QA see.
async fn promoted_as_registered(stack: &Stack, execution: &str) {
    let input = json!({"pipelineName": PIPELINE, "filter": {"pipelineExecutionId": execution}});
    let target = "CodePipeline_20150709.ListActionExecutions";
    let answer = stack.aws("LOOK").json("codepipeline", target, input).await.unwrap();
    let runs = answer["actionExecutionDetails"].as_array().unwrap();
    for stage in ["Dev", "Stg", "Prod"] {
        let run =
            |action: &str| runs.iter().find(|run| run["stageName"] == stage && run["actionName"] == action).unwrap();
        let asked = run("Promote")["input"]["resolvedConfiguration"]["UserParameters"].as_str().unwrap();
        let asked: Value = serde_json::from_str(asked).unwrap();
        assert!(asked["fingerprint"].is_string(), "{stage}: {asked}");
        assert_eq!(asked["fingerprint"], run("Register")["output"]["outputVariables"]["Fingerprint"], "{stage}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_approved_in_stg_is_the_same_image_in_prod() {
    let (stack, _folder) = stack().await;
    let ship = async |version| stack.ship_from(EXAMPLE, PIPELINE, version, &Changes::default()).await.unwrap();

    let one = ship("1").await;
    let try_it = comes_to(&stack, &one, "TryIt").await;
    let image = ask(&stack, "shop-stg", "pre_product", "/image").await;
    says(&image, &["123456789012.dkr.ecr.us-east-1.amazonaws.com/shop@sha256:"]);
    says(try_it.custom_data.as_deref().unwrap_or_default(), &[&image, "pre.stg.shop.example.com"]);
    assert_eq!(ask(&stack, "shop-dev", "product", "/image").await, image, "dev has it without a question");

    approve(&stack, &one, "TryIt").await;
    let ship_it = comes_to(&stack, &one, "ShipIt").await;
    says(ship_it.custom_data.as_deref().unwrap_or_default(), &[&image, "pre.shop.example.com"]);
    assert_eq!(ask(&stack, "shop-prod", "pre_product", "/image").await, image);
    says(&ask(&stack, "shop-prod", "pre_product", "/").await, &["shop 1 in prod"]);
    approve(&stack, &one, "ShipIt").await;
    approve(&stack, &one, "KeepIt").await;
    assert_eq!(stack.over(PIPELINE, &one).await.unwrap(), ExecutionStatus::Succeeded);
    let of_one = ("1".to_owned(), image);
    assert_eq!(product(&stack).await, vec![of_one.clone(); 3]);
    promoted_as_registered(&stack, &one).await;

    // A release that prod does not want goes from prod alone: dev and stg have finished it.
    let two = ship("2").await;
    approve(&stack, &two, "TryIt").await;
    comes_to(&stack, &two, "ShipIt").await;
    stack.answer(PIPELINE, &two, "ShipIt", Approval::Rejected, "too early").await.unwrap();
    assert_eq!(stack.over(PIPELINE, &two).await.unwrap(), ExecutionStatus::Failed);
    let servers = || async {
        let standing = look(&stack).await;
        let mut services: Vec<_> =
            standing.instances_of(&two).iter().map(|one| one.tag("service").to_owned()).collect();
        services.sort_unstable();
        services
    };
    let gone = || async { Ok(servers().await == ["shop-dev", "shop-stg"]) };
    stack.sweep_until("what prod rejected is gone from it, and stays elsewhere", gone).await.unwrap();
    let now = product(&stack).await;
    assert_eq!(now[2], of_one, "prod");
    assert_eq!((now[0].0.as_str(), &now[0]), ("2", &now[1]), "dev and stg");
    assert_ne!(now[0].1, now[2].1, "another image");
    assert_eq!(stack.problems(), Vec::<String>::new());
}

#[test]
fn the_three_services_and_their_defaults_fit_into_the_functions_variables() {
    let variables = variables();
    let bytes: usize = variables.iter().map(|(name, value)| name.len() + value.to_string().len()).sum();
    // The template's own take less than a quarter.
    assert!(bytes < VARIABLES_BYTES_MAX * 3 / 4, "{bytes} bytes");
    for (name, stage) in variables.iter().filter(|(name, _)| *name != "SERVICE_DEFAULTS") {
        let bytes = stage.to_string().len();
        assert!(bytes < 200, "{name} has {bytes} bytes: what the stages share belongs into SERVICE_DEFAULTS");
    }
    let names: Vec<String> = SERVICES.iter().map(|service| local::service::variable(service)).collect();
    assert!(names.iter().all(|name| variables.contains_key(name)), "{names:?}");
}
