//! `examples/many-services`: two hundred services of one template, and still four functions.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use gateway::Call;
use lambda::cloudformation::{Document, Names};
use local::revision::Changes;
use local::stack::Approval;
use local::standing::Standing;
use local::{Options, Stack, xml};
use pipeline::ExecutionStatus;
use serde_json::{Value, json};

use crate::stage::{Person, ask, calls_since, done, stack_with, sweep, teardown};

const EXAMPLE: &str = "examples/many-services";
const SERVICES: usize = 200;
const LOAD_BALANCERS: usize = 8;

/// ELB's quotas on one load balancer: AWS does not raise the first.
const TARGET_GROUPS_MAX: usize = 100;
const RULES_MAX: usize = 100;
/// Product, the way back, pre-product.
const TARGET_GROUPS_OF_A_SERVICE: usize = 3;
const RULES_OF_A_SERVICE: usize = 2;
/// SSM's quota on the value of a standard parameter.
const PARAMETER_BYTES_MAX: usize = 4096;

/// A service of the template: its SSM parameter, and what that says.
struct Parameter {
    path: String,
    config: Value,
}

impl Parameter {
    fn service(&self) -> &str {
        self.path.rsplit('/').next().unwrap()
    }

    fn listener(&self) -> &str {
        self.config["listener_arn"].as_str().unwrap()
    }
}

/// The parameters that CloudFormation would make of the template with these listeners.
fn parameters(listeners: &[String]) -> Vec<Parameter> {
    let options = Options::new();
    let tests = options.repository.join("local/tests/end_to_end");
    let output = Command::new(options.venv.join("bin/python"))
        .arg(tests.join("expand.py"))
        .arg(options.repository.join(EXAMPLE).join("services.yaml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let names = Names::default().with("ListenerArns", listeners.join(",")).with("QaCidr", "127.0.0.0/8");
    let document = Document::parse("services.yaml", &text, &names).unwrap();
    let ids = document.resources_of_type("AWS::SSM::Parameter").unwrap();
    let text = |id: &str, name: &str| document.property(id, name).unwrap().unwrap().as_str().unwrap().to_owned();
    ids.iter()
        .map(|id| {
            let value = text(id, "Value");
            assert!(value.len() <= PARAMETER_BYTES_MAX, "{id} has {} bytes", value.len());
            Parameter { path: text(id, "Name"), config: serde_json::from_str(&value).unwrap() }
        })
        .collect()
}

/// A load balancer with a listener; answers the listener's ARN.
async fn listener(stack: &Stack, number: usize) -> String {
    let (person, account) = (Person(stack), stack.account());
    let name = format!("tenants-{number}");
    let parameters = [
        ("Name", name.as_str()),
        ("Subnets.member.1", &account.subnets[0].id),
        ("Subnets.member.2", &account.subnets[1].id),
    ];
    let balancer = xml::first(&person.elb("CreateLoadBalancer", &parameters).await, "LoadBalancerArn").unwrap();
    let parameters = [
        ("LoadBalancerArn", balancer.as_str()),
        ("Protocol", "HTTP"),
        ("Port", "80"),
        ("DefaultActions.member.1.Type", "fixed-response"),
        ("DefaultActions.member.1.FixedResponseConfig.StatusCode", "404"),
    ];
    xml::first(&person.elb("CreateListener", &parameters).await, "ListenerArn").unwrap()
}

/// A stack whose functions have the example's defaults and nothing else of it; the services are parameters.
async fn stack_and_services() -> (Stack, Vec<Parameter>) {
    let repository = Options::new().repository;
    let defaults = std::fs::read_to_string(repository.join(EXAMPLE).join("defaults.json")).unwrap();
    let mut options = Options::scripted();
    options.variables.insert("SERVICE_DEFAULTS".to_owned(), defaults);
    // One sweep is to look at all of them, however slow the machine is.
    options.timeout = Some(Duration::from_secs(600));
    let stack = stack_with(options).await;
    let mut listeners = Vec::new();
    for number in 0..LOAD_BALANCERS {
        listeners.push(listener(&stack, number).await);
    }
    let services = parameters(&listeners);
    for service in &services {
        stack.put_parameter(&service.path, &service.config.to_string()).await.unwrap();
    }
    (stack, services)
}

/// The release that has all the weight in a service's product rule.
async fn served(stack: &Stack, service: &Parameter) -> Vec<(String, u32)> {
    let standing = Standing::look(&stack.aws("LOOK"), service.listener(), &stack.account().zone_id).await.unwrap();
    let rule = standing.rule(service.service(), "product").unwrap();
    assert_eq!(rule.priority, service.config["product"]["priority"].to_string());
    standing.weights(service.service(), "product").into_iter().filter(|(_, weight)| *weight > 0).collect()
}

/// Ships a release by direct calls, and keeps it; answers how many calls of AWS a promote makes that finds nothing to do.
async fn ship(stack: &Stack, service: &Parameter, release: &str) -> usize {
    let name = service.service();
    for function in ["provision", "register", "promote"] {
        done(stack, function, &ask(name, release)).await;
    }
    let mark = stack.gateway().record().mark();
    done(stack, "promote", &ask(name, release)).await;
    // A parameter is remembered for a minute, which may be over or not.
    let looks = calls_since(stack, mark).iter().filter(|call| call.service != "ssm").count();
    done(stack, "teardown", &teardown(name, release, "finish")).await;
    looks
}

#[test]
fn no_two_services_are_in_each_others_way() {
    let listeners: Vec<String> = (0..LOAD_BALANCERS).map(|number| format!("listener-{number}")).collect();
    let services = parameters(&listeners);
    let names: BTreeSet<&str> = services.iter().map(Parameter::service).collect();
    assert_eq!((services.len(), names.len()), (SERVICES, SERVICES));
    for listener in &listeners {
        let count = services.iter().filter(|service| service.listener() == listener).count();
        assert_eq!(count, SERVICES / LOAD_BALANCERS, "{listener}");
        assert!(count * TARGET_GROUPS_OF_A_SERVICE <= TARGET_GROUPS_MAX, "{count} services at {listener}");
        assert!(count * RULES_OF_A_SERVICE <= RULES_MAX, "{count} services at {listener}");
    }
    let (mut priorities, mut hosts) = (BTreeSet::new(), BTreeSet::new());
    for service in &services {
        for rule in ["product", "pre_product"] {
            let (rule, name) = (&service.config[rule], service.service());
            let priority = rule["priority"].as_u64().unwrap();
            assert!(priorities.insert((service.listener(), priority)), "{name}: {priority} is taken at its listener");
            let host = rule["hosts"][0].as_str().unwrap();
            assert!(hosts.insert(host), "{name}: {host} is taken");
            // A wildcard of a certificate stands for one label.
            assert!(host.strip_suffix(".example.com").is_some_and(|label| !label.contains('.')), "{host}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_services_are_shipped_by_the_same_four_functions() {
    let (stack, services) = stack_and_services().await;
    assert_eq!(stack.functions().specs().count(), 4);

    // The sweep reads every config: none has a fault, and but for this one, all are known.
    stack.put_parameter(&format!("{}/tenant-999", stack.services_path()), r#"{"port":"8080"}"#).await.unwrap();
    let swept = stack.call("teardown", &sweep()).await.unwrap();
    assert_eq!(swept["failed"], json!(["tenant-999"]), "{swept}");
    // The example's two hundred, the one with a fault, and the stack's own.
    assert_eq!((&swept["services"], &swept["not_reached"]), (&json!(SERVICES + 2), &json!(0)), "{swept}");

    // By direct calls, a first release and one that takes its place: the first service and the last one cost the same.
    let (first, last) = (&services[0], &services[SERVICES - 1]);
    let mut looks = Vec::new();
    for service in [first, last] {
        for release in ["r1", "r2"] {
            looks.push(ship(&stack, service, release).await);
            assert_eq!(served(&stack, service).await, [(release.to_owned(), 100)]);
        }
    }
    assert_eq!(looks[..2], looks[2..], "calls of AWS by a promote that finds nothing to do");

    // And by a pipeline, the other example's.
    let middle = &services[SERVICES / 2];
    let name = middle.service();
    stack.add_pipeline(name).await.unwrap();
    let execution = stack.ship(name, "1", &Changes::default()).await.unwrap();
    for approval in ["ShipIt", "KeepIt"] {
        stack.answer(name, &execution, approval, Approval::Approved, "tried").await.unwrap();
    }
    assert_eq!(stack.over(name, &execution).await.unwrap(), ExecutionStatus::Succeeded);
    assert_eq!(served(&stack, middle).await, [(execution, 100)]);

    // Only the sweep has read more than the one parameter that it was about.
    let by_path = |call: &&Call| call.action == "GetParametersByPath";
    let calls = stack.gateway().calls();
    let callers: BTreeSet<&str> = calls.iter().filter(by_path).map(|call| call.caller.as_str()).collect();
    assert_eq!(callers, BTreeSet::from(["TEARDOWN"]));
    assert_eq!(stack.functions().specs().count(), 4);
}
