//! Dead letters: an event that cannot be dealt with ends there with its cause, and blocks no other.

use std::collections::BTreeMap;
use std::time::Duration;

use gateway::{Rule, What};
use local::{Options, Stack};
use serde_json::{Value, json};

use crate::stage::{Person, Service, execution_ended, log_lines, look, quick, says, stack, stack_with};

/// Takes out what Lambda gave up on: the event, and why it failed the last time.
async fn letters(stack: &Stack) -> Vec<(String, String)> {
    let mut letters = Vec::new();
    let queue = &stack.account().dead_letters_url;
    let input = json!({
        "QueueUrl": queue, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 0, "MessageAttributeNames": ["All"],
    });
    loop {
        let answer = stack.moto().json("sqs", "AmazonSQS.ReceiveMessage", input.clone()).await.unwrap();
        let Some(messages) = answer["Messages"].as_array().filter(|messages| !messages.is_empty()) else {
            return letters;
        };
        for message in messages {
            let cause = &message["MessageAttributes"]["ErrorMessage"]["StringValue"];
            letters.push((message["Body"].as_str().unwrap().to_owned(), cause.as_str().unwrap().to_owned()));
            let delete = json!({"QueueUrl": queue, "ReceiptHandle": message["ReceiptHandle"]});
            stack.moto().json("sqs", "AmazonSQS.DeleteMessage", delete).await.unwrap();
        }
    }
}

/// How often Lambda tried an event.
fn tries(stack: &Stack, request_id: &str) -> usize {
    let lines = stack.functions().logs("pointsman-teardown");
    lines.iter().filter(|line| line.request_id == request_id && line.text.starts_with("START")).count()
}

fn failed(release: &str) -> Value {
    execution_ended("web", release, "FAILED")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_hindered_for_ever_ends_in_the_dead_letters_with_its_cause() {
    // So short a time allows one try in each of Lambda's three.
    let options = Options { change: quick, timeout: Some(Duration::from_secs(9)), ..Options::scripted() };
    let stack = stack_with(options).await;
    let person = Person(&stack);
    let server = person.launch().await;
    for (key, value) in [("service", "mobile-web"), ("release", "r1"), ("role", "pre-product")] {
        person.tag_instance(&server, key, value).await;
    }
    let faults = stack.gateway().faults();
    let held = json!({
        "TableName": stack.account().lease_table,
        "Item": {"service": {"S": "mobile-web"}, "owner": {"S": "somebody"}, "expires_at": {"N": "4000000000"}},
    });
    stack.moto().json("dynamodb", "DynamoDB_20120810.PutItem", held).await.unwrap();
    let denied =
        |service: &str, action: &str| Rule::new(What::AccessDenied).caller("TEARDOWN").service(service).action(action);
    let cases = [
        ("the lease", None, vec!["execution r1 of web, FAILED", "another call of this service", "holds the lease"]),
        ("a lease denied", Some(denied("dynamodb", "UpdateItem")), vec!["execution r1", "dynamodb:UpdateItem", "role"]),
        ("a look denied", Some(denied("ec2", "DescribeInstances")), vec!["ec2:DescribeInstances", "role"]),
        ("AWS down", Some(Rule::new(What::InternalError).caller("TEARDOWN")), vec!["ec2:DescribeInstances"]),
    ];
    for (name, fault, words) in cases {
        let fault = fault.map(|rule| faults.add(rule));
        let request = stack.bus().put(&failed("r1")).unwrap().remove(0).request_id;
        stack.idle().await.unwrap();
        fault.into_iter().for_each(|fault| faults.remove(fault));
        let found = letters(&stack).await;
        let [(body, cause)] = found.as_slice() else { panic!("{name}: {found:?}") };
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["detail"], failed("r1")["detail"], "{name}");
        says(cause, &words);
        assert_eq!(tries(&stack, &request), 3, "{name}");
    }
    let instances = look(&stack).await.instances;
    assert_eq!(instances[0].tags["pointsman:role"], "pre-product", "nothing was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn poisoned_events_end_in_the_dead_letters_and_those_beside_them_are_acted_on() {
    let stack = stack().await;
    let well = Service::serving(&stack, "well", 1, "r1").await;
    well.pre_product("r2").await;
    let poison = [
        json!(null),
        json!([1, 2]),
        json!("stop"),
        json!({}),
        json!({"nonsense": true}),
        json!({"CodePipeline.job": {"data": {}}}),
        json!({"detail-type": 7}),
        json!({"source": "aws.codepipeline", "detail-type": "CodePipeline Pipeline Execution State Change"}),
        json!({"source": "aws.codepipeline", "detail-type": "CodePipeline Pipeline Execution State Change",
               "detail": {"state": "FAILED", "execution-id": {"nested": ["r2"]}}}),
        json!({"source": "aws.codepipeline", "detail-type": "CodePipeline Pipeline Execution State Change",
               "detail": {"state": "failed", "execution-id": "r1"}}),
        json!({"source": "aws.codepipeline", "detail-type": "CodePipeline Action Execution State Change",
               "detail": {"state": "FAILED", "type": {"category": "Approval"}}}),
        json!({"source": "aws.cloudwatch", "detail-type": "CloudWatch Alarm State Change",
               "detail": {"state": {"value": "ALARM"}}}),
        json!({"source": "aws.ec2", "detail-type": "EC2 Instance State-change Notification",
               "detail": {"state": "terminated"}}),
    ];
    let begin = |event: &Value| stack.functions().invoke_async("pointsman-teardown", event).unwrap();
    let before: Vec<String> = poison[..7].iter().map(&begin).collect();
    stack.bus().put(&failed("r2")).unwrap();
    let after: Vec<String> = poison[7..].iter().map(&begin).collect();
    stack.idle().await.unwrap();
    well.is_told(&["r2 was rejected"]).await;
    assert_eq!(well.served().await, ["r1"]);

    let letters: BTreeMap<String, String> = letters(&stack).await.into_iter().collect();
    for event in &poison {
        let cause =
            letters.get(&event.to_string()).unwrap_or_else(|| panic!("{event} is no dead letter: {letters:#?}"));
        says(cause, &["this event is nothing that teardown knows"]);
    }
    assert_eq!(letters.len(), poison.len());
    assert!(before.iter().chain(&after).all(|request| tries(&stack, request) == 3));
    stack.sweep_until("r2 is gone", || async { Ok(look(&stack).await.is_gone("r2")) }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_cannot_be_swept_keeps_no_other_from_it() {
    let stack = stack().await;
    let mut number = 0;
    let mut services = Vec::new();
    let person = Person(&stack);
    let listener = person.make_listener(81).await;
    for name in ["broken", "denied", "faulty", "lost", "well"] {
        number += 1;
        let elsewhere = |config: &mut Value| config["listener_arn"] = json!(listener);
        let here = |_: &mut Value| {};
        let service = match name {
            "lost" => Service::with(&stack, name, number, elsewhere).await,
            _ => Service::with(&stack, name, number, here).await,
        };
        service.pre_product(&format!("{name}-1")).await;
        services.push(service);
    }
    let [_, denied, _, lost, well] = services.as_slice() else { panic!() };
    for service in [denied, well] {
        let release = format!("{}-1", service.name);
        for instance in service.instances(&release).await {
            person.tag_instance(&instance.id, "role", "rejected").await;
        }
    }
    stack.put_parameter(&format!("{}/broken", stack.services_path()), "not JSON at all").await.unwrap();
    let mut config = stack.config_of("faulty");
    config["port"] = json!(0);
    stack.put_service("faulty", &config).await.unwrap();
    person.elb("DeleteListener", &[("ListenerArn", &listener)]).await;
    let group = denied.group("denied-1").await;
    let health = Rule::new(What::AccessDenied).caller("TEARDOWN").action("DescribeTargetHealth").resource(&group.name);
    stack.gateway().faults().add(health);

    stack.sweep_until("the well one is gone", || async { Ok(look(&stack).await.is_gone("well-1")) }).await.unwrap();
    let why = log_lines(&stack, "the service could not be swept");
    let swept = log_lines(&stack, "swept");
    assert!(
        swept.iter().all(|line| line["failed"] == 4 && line["services"] == 6 && line["not_reached"] == 0),
        "{swept:?}"
    );
    for (name, words) in [
        ("broken", vec!["the config of broken is not right", "JSON"]),
        ("denied", vec!["elasticloadbalancing:DescribeTargetHealth", group.name.as_str(), "role"]),
        ("faulty", vec!["the config of faulty is not right", "port"]),
        ("lost", vec!["listener_arn", "does not exist", listener.as_str()]),
    ] {
        let line = why.iter().find(|line| line["service"] == name).unwrap_or_else(|| panic!("{name}: {why:#?}"));
        says(line["why"].as_str().unwrap(), &words);
    }
    for service in &services[..4] {
        assert_eq!(service.instances(&format!("{}-1", service.name)).await.len(), 2, "{}", service.name);
    }
    let words = ["listener_arn", "does not exist", listener.as_str()];
    for (call, release) in [("provision", "r2"), ("register", "lost-1"), ("promote", "lost-1"), ("rollback", "lost-1")]
    {
        lost.refuses(call, release, &words).await;
    }
}
