//! What others are told of a release: its notices as events of the account's bus, and the steps of its pipeline.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gateway::{Rule, What};
use local::notices::{self, Notice};
use local::revision::Changes;
use local::stack::PATIENCE;
use local::{Options, Stack};
use pipeline::ExecutionStatus;
use serde_json::{Value, json};

use crate::stage::{SERVICE, ask, done, pre_product, product, quick, refuses, says, stack, stack_with};

const QUEUE: &str = "built-upon";

/// A rule of somebody's for all of our events, and its queue's address.
async fn built_upon(stack: &Stack) -> String {
    let moto = stack.moto();
    let answer = moto.json("sqs", "AmazonSQS.CreateQueue", json!({"QueueName": QUEUE})).await.unwrap();
    let pattern = json!({"source": ["pointsman"]}).to_string();
    let rule = json!({"Name": QUEUE, "EventPattern": pattern});
    moto.json("events", "AWSEvents.PutRule", rule).await.unwrap();
    let queue_arn = stack.account().queue_arn.replace("notifications", QUEUE);
    let targets = json!({"Rule": QUEUE, "Targets": [{"Id": "queue", "Arn": queue_arn}]});
    moto.json("events", "AWSEvents.PutTargets", targets).await.unwrap();
    answer["QueueUrl"].as_str().unwrap().to_owned()
}

/// The events that came so far.
async fn came(stack: &Stack, queue: &str) -> Vec<Value> {
    let mut events = Vec::new();
    while let bodies @ [_, ..] = notices::receive(&stack.moto(), queue).await.unwrap().as_slice() {
        events.extend(bodies.iter().map(|body| serde_json::from_str::<Value>(body).unwrap()));
    }
    events
}

/// An event in a line: `Pointsman Promote: mobile-web r1 done (normal)`.
fn line(event: &Value) -> String {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or("-");
    let detail = ["service", "release", "status"].map(|key| text(&format!("/detail/{key}")));
    format!("{}: {} ({})", text("/detail-type"), detail.join(" "), text("/detail/level"))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_notice_is_an_event_of_the_accounts_bus() {
    let stack = stack().await;
    let queue = built_upon(&stack).await;
    product(&stack, SERVICE, "r1").await;
    refuses(&stack, "promote", &ask(SERVICE, "r2"), &["r2"]).await;
    let events = came(&stack, &queue).await;
    // On a busy machine an answer may be late, and what was told is told once more.
    let lines: BTreeSet<String> = events.iter().map(line).collect();
    assert_eq!(
        lines.iter().map(String::as_str).collect::<Vec<_>>(),
        [
            "Pointsman Promote: mobile-web r1 done (normal)",
            "Pointsman Promote: mobile-web r2 refused (normal)",
            "Pointsman Provision: mobile-web r1 done (quiet)",
            "Pointsman Register: mobile-web r1 done (normal)",
        ]
    );
    for event in &events {
        assert_eq!(event["source"], "pointsman", "{event:#}");
        assert!(event["detail"]["headline"].as_str().is_some_and(|text| !text.is_empty()), "{event:#}");
        assert_eq!(event["detail"]["asked_by"], "somebody, by a direct call", "{event:#}");
    }
    let promoted = events.iter().find(|event| line(event).contains("Promote: mobile-web r1")).unwrap();
    assert_eq!(promoted["detail"]["outputs"]["Release"], "r1");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_put_keeps_nobody_from_being_told() {
    let stack = stack().await;
    let queue = built_upon(&stack).await;
    let faults = stack.gateway().faults();
    let denied = faults.add(Rule::new(What::AccessDenied).action("PutEvents"));
    pre_product(&stack, SERVICE, "r1").await;
    faults.remove(denied);
    // A bus that says nothing costs a call no more than three seconds.
    let silent = faults.add(Rule::new(What::Delay(Duration::from_secs(30))).action("PutEvents"));
    let began = std::time::Instant::now();
    let answer = done(&stack, "promote", &ask(SERVICE, "r1")).await;
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(answer.get("untold"), None, "{answer:#}");
    faults.remove(silent);
    assert_eq!(came(&stack, &queue).await, Vec::<Value>::new());
    let told = stack.notices().all();
    let told: BTreeSet<&str> = told.iter().map(|notice| notice.attribute("event")).collect();
    assert_eq!(told, BTreeSet::from(["promote", "provision", "register"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_steps_of_a_pipeline_are_told_in_chat_and_by_mail() {
    let parameters = BTreeMap::from([("PipelineSteps".to_owned(), "both".to_owned())]);
    let stack = stack_with(Options { change: quick, parameters, ..Options::scripted() }).await;
    stack.deployments().fail_with(Some("no module named basket"));
    let id = stack.ship(SERVICE, "1", &Changes::default()).await.unwrap();
    assert_eq!(stack.over(SERVICE, &id).await.unwrap(), ExecutionStatus::Failed);
    // The last of them.
    let about = |notice: &Notice| notice.message.as_str().is_some_and(|text| text.starts_with("FAILED: "));
    stack.notices().wait(PATIENCE, about).await.unwrap();
    let all = stack.notices().all();
    let chat: Vec<&Notice> = all.iter().filter(|notice| notice.topic == "pointsman-steps").collect();
    let titles: Vec<&str> = chat.iter().filter_map(|n| n.message.pointer("/content/title")?.as_str()).collect();
    assert_eq!(
        titles,
        [
            "▫️ mobile-web: Source STARTED",
            "▫️ mobile-web: Source SUCCEEDED",
            "▫️ mobile-web: Deploy STARTED",
            "❌ mobile-web: Deploy FAILED",
        ]
    );
    // A step stands in the thread of its release's notices.
    let thread = |notice: &Notice| notice.message.pointer("/metadata/threadId").cloned();
    let provision = all.iter().find(|notice| notice.attribute("event") == "provision").unwrap();
    assert!(chat.iter().all(|step| thread(step) == thread(provision) && thread(step) == Some(json!(id))), "{chat:#?}");
    says(&provision.mail, &["Asked by  the pipeline mobile-web", "/pipelines/mobile-web/executions/"]);
    let by_mail: Vec<&str> =
        all.iter().filter_map(|n| n.message.as_str()).filter(|text| text.contains(": step ")).collect();
    assert_eq!(by_mail.len(), 4, "{by_mail:#?}");
    says(
        by_mail[3],
        &["FAILED: mobile-web: step Deploy of stage Release", &id, "https://us-east-1.console.aws.amazon.com/"],
    );
    assert_eq!(stack.problems(), Vec::<String>::new());
}
