//! Where configs are read from, and in which region what they name is looked for.

use std::io::Write;

use local::{Options, Stack};
use serde_json::{Value, json};

use super::run;
use crate::stage::{SERVICE, Service, pre_product, product, quick, stack, stack_with, unchanged_since};

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn repository(path: &str) -> String {
    Options::new().repository.join(path).display().to_string()
}

#[tokio::test]
async fn a_listener_in_another_region_is_told_by_every_command() {
    let stack = stack().await;
    product(&stack, SERVICE, "r1").await;
    pre_product(&stack, SERVICE, "r2").await;
    let before = stack.gateway().record().mark();
    let there = ["The listener of mobile-web is in us-east-1, and this looks at eu-west-1", "--region us-east-1"];
    for command in [
        &["status", SERVICE][..],
        &["plan", "promote", SERVICE],
        &["promote", SERVICE, "--yes"],
        &["rollback", SERVICE, "--yes"],
        &["history", SERVICE],
    ] {
        let command = [command, &["--region", "eu-west-1"]].concat();
        run(&stack, &command).await.ended(5, &there);
    }
    let all = run(&stack, &["status", "--region", "eu-west-1"]).await;
    assert!(all.code != 0 && format!("{}{}", all.out, all.err).contains(there[0]), "{}{}", all.out, all.err);
    let rule = format!("{}/9", stack.account().listener_arn.replace(":listener/", ":listener-rule/"));
    let init = run(&stack, &["init", SERVICE, "--rule", &rule, "--region", "eu-west-1"]).await;
    init.ended(5, &["The rule is in us-east-1", "--region us-east-1"]);
    let said = run(&stack, &["validate", SERVICE, "--region", "eu-west-1"]).await;
    said.ended(3, &["listener_arn: it is in us-east-1"]);
    unchanged_since(&stack, before);
}

#[tokio::test]
async fn the_projects_own_template_is_looked_at_in_the_account() {
    let stack = stack().await;
    Service::new(&stack, "one", 3).await;
    Service::with(&stack, "two", 4, |config| config["port"] = json!(0)).await;
    let said = run(&stack, &["validate", "--template", &repository("template.yaml")]).await;
    said.ended(3, &["one: good\n", "two: 1 fault\n", "port is 0"]);
    run(&stack, &["status", "one", "--template", &repository("template.yaml")]).await.ended(0, &["one"]);
}

/// The keys of a config that a service of the example says itself, and those that all share.
fn apart(mut config: Value) -> (String, String) {
    let own: Value = ["product", "pre_product", "dns"]
        .iter()
        .filter_map(|key| Some((key.to_string(), config.as_object_mut()?.remove(*key)?)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    (own.to_string(), config.to_string())
}

/// A stack whose functions have these defaults.
async fn stack_with_defaults(defaults: &str) -> Stack {
    let mut options = Options { change: quick, ..Options::scripted() };
    options.variables.insert("SERVICE_DEFAULTS".to_owned(), defaults.to_owned());
    stack_with(options).await
}

#[tokio::test]
async fn one_services_config_goes_over_the_deployed_defaults() {
    let example: Value =
        serde_json::from_str(&std::fs::read_to_string(repository("examples/mobile-web/service.json")).unwrap())
            .unwrap();
    let (_, defaults) = apart(example);
    let stack = stack_with_defaults(&defaults).await;
    let (own, defaults) = apart(stack.config("other", 3).unwrap());
    let (own, defaults) = (file(&own), file(&defaults));
    let config = ["validate", "other", "--config", own.path().to_str().unwrap()];
    run(&stack, &config).await.ended(0, &["other: good"]);
    // By itself it has nothing below it but what is given.
    let offline = [&config[..], &["--offline"]].concat();
    run(&stack, &offline).await.ended(3, &["subnets is missing"]);
    let given = [&offline[..], &["--defaults", defaults.path().to_str().unwrap()]].concat();
    run(&stack, &given).await.ended(0, &["other: good"]);
    // Defaults that are given count before the deployed ones.
    let none = file("{}");
    let none = [&config[..], &["--defaults", none.path().to_str().unwrap()]].concat();
    run(&stack, &none).await.ended(3, &["subnets is missing"]);
    // So does what all services share otherwise: who holds it is seen.
    run(&stack, &["hold", SERVICE, "--reason", "it moves"]).await.ended(0, &["held by"]);
    let config = file(&stack.config_of(SERVICE).to_string());
    let status = ["status", SERVICE, "--config", config.path().to_str().unwrap()];
    run(&stack, &status).await.ended(0, &["held by", "it moves"]);
}

#[tokio::test]
async fn a_config_may_be_there_before_the_functions() {
    let stack = stack().await;
    let mut config = stack.config("early", 3).unwrap();
    config["elastic_ips"] = json!([]);
    let config = file(&config.to_string());
    let said = ["validate", "early", "--prefix", "later", "--config", config.path().to_str().unwrap()];
    run(&stack, &said).await.ended(0, &["good, with warnings", "is not seen", "no function later-teardown"]);
}

#[tokio::test]
async fn the_examples_of_several_services_are_looked_at_by_themselves() {
    let stack = stack().await;
    let (variables, template, defaults) = (
        repository("examples/docker-stages/variables.json"),
        repository("examples/many-services/services.yaml"),
        repository("examples/many-services/defaults.json"),
    );
    let said = run(&stack, &["validate", "--offline", "--config", &variables]).await;
    said.ended(0, &["shop-dev: good\n", "shop-prod: good\n", "shop-stg: good\n"]);
    let said = run(&stack, &["validate", "--offline", "--template", &template, "--defaults", &defaults]).await;
    assert_eq!(said.out.matches(": good, with warnings\n").count(), 200, "{}", said.out);
    said.ended(0, &["tenant-725: listener_arn is left to CloudFormation"]);
    let plan = ["plan", "promote", "tenant-725", "--template", &template];
    run(&stack, &plan).await.ended(3, &["listener_arn is left to CloudFormation"]);
}
