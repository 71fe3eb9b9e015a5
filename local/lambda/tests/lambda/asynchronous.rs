//! Events: tried again, given up, delivered by the bus.

use std::sync::{Arc, Mutex};

use lambda::{Bus, DeadLetter, Names, Settings, Template};
use serde_json::{Value, json};

use crate::stand::{Stand, spec};

type Letters = Arc<Mutex<Vec<DeadLetter>>>;

fn collect(letters: &Letters) -> impl FnOnce(Settings) -> Settings + use<> {
    let letters = Arc::clone(letters);
    move |settings| {
        settings.on_dead_letter(move |letter| {
            letters.lock().unwrap().push(letter);
            async {}
        })
    }
}

fn taken(letters: &Letters) -> Vec<DeadLetter> {
    std::mem::take(&mut letters.lock().unwrap())
}

#[tokio::test]
async fn an_event_that_succeeds_is_tried_once() {
    let letters = Letters::default();
    let stand = Stand::with(spec("try"), collect(&letters)).await;
    let mut answers = stand.functions.subscribe();
    let request_id = stand.functions.invoke_async("pointsman-try", &json!({"a": 1})).unwrap();
    assert_eq!(stand.functions.idle().await, None);

    let answer = answers.try_recv().unwrap();
    assert_eq!((&answer.request_id, answer.attempt), (&request_id, 1));
    assert_eq!(answer.json()["event"], json!({"a": 1}));
    assert!(answers.try_recv().is_err());
    assert_eq!(taken(&letters), []);
}

#[tokio::test]
async fn an_event_that_fails_is_tried_three_times_under_one_id_and_given_up() {
    let letters = Letters::default();
    let stand = Stand::with(spec("try"), collect(&letters)).await;
    let mut answers = stand.functions.subscribe();
    let request_id = stand.functions.invoke_async("pointsman-try", &json!({"do": "fail"})).unwrap();
    stand.functions.idle().await;

    for attempt in 1..=3 {
        let answer = answers.try_recv().unwrap();
        assert_eq!((&answer.request_id, answer.attempt), (&request_id, attempt));
        assert!(answer.error.is_some());
    }
    assert!(answers.try_recv().is_err());
    let attribute = |name: &str, kind: &str, value: &str| (name.to_owned(), kind.to_owned(), value.to_owned());
    let want = DeadLetter {
        function: "pointsman-try".to_owned(),
        request_id: request_id.clone(),
        target_arn: "arn:aws:sqs:us-east-1:123456789012:dead".to_owned(),
        body: json!({"do": "fail"}).to_string(),
        attributes: vec![
            attribute("RequestID", "String", &request_id),
            attribute("ErrorCode", "Number", "200"),
            attribute("ErrorMessage", "String", "no, 3"),
        ],
    };
    assert_eq!(taken(&letters), [want]);
}

#[tokio::test]
async fn a_destination_gets_a_record() {
    let letters = Letters::default();
    let mut spec = spec("try");
    spec.retry_attempts = 0;
    spec.dead_letter_arn = None;
    spec.on_failure_arn = Some("arn:aws:sqs:us-east-1:123456789012:failed".to_owned());
    let stand = Stand::with(spec, collect(&letters)).await;
    stand.functions.invoke_async("pointsman-try", &json!({"do": "fail"})).unwrap();
    stand.functions.idle().await;

    let letter = taken(&letters).pop().unwrap();
    let record: Value = serde_json::from_str(&letter.body).unwrap();
    assert_eq!(letter.target_arn, "arn:aws:sqs:us-east-1:123456789012:failed");
    assert_eq!(record["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(record["requestContext"]["approximateInvokeCount"], 1);
    assert_eq!(record["requestPayload"], json!({"do": "fail"}));
    assert_eq!(record["responsePayload"]["errorMessage"], "no, 1");
}

#[tokio::test]
async fn a_function_without_concurrency_gives_up_at_once() {
    let letters = Letters::default();
    let mut spec = spec("try");
    spec.reserved_concurrency = Some(0);
    let stand = Stand::with(spec, collect(&letters)).await;
    let mut answers = stand.functions.subscribe();
    stand.functions.invoke_async("pointsman-try", &json!({})).unwrap();
    stand.functions.idle().await;
    assert!(answers.try_recv().is_err());
    assert_eq!(taken(&letters).len(), 1);
}

#[tokio::test]
async fn events_wait_for_a_free_place() {
    let mut spec = spec("try");
    spec.reserved_concurrency = Some(1);
    let stand = Stand::with(spec, |settings| settings).await;
    let mut answers = stand.functions.subscribe();
    for n in 0..3 {
        stand.functions.invoke_async("pointsman-try", &json!({"n": n})).unwrap();
    }
    stand.functions.idle().await;
    let mut pids = Vec::new();
    while let Ok(answer) = answers.try_recv() {
        assert_eq!(answer.error, None);
        pids.push(answer.json()["pid"].clone());
    }
    assert_eq!(pids.len(), 3);
    pids.dedup();
    assert_eq!(pids.len(), 1);
}

const TEMPLATE: &str = "
Resources:
  Try:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: pointsman-try
      Timeout: 20
      Events:
        Over:
          Type: EventBridgeRule
          Properties:
            Pattern: {source: [aws.codepipeline], detail: {state: [FAILED, STOPPED]}}
        Off:
          Type: EventBridgeRule
          Properties: {State: DISABLED, Pattern: {source: [aws.codepipeline]}}
        Sweep: {Type: Schedule, Properties: {Schedule: rate(10 minutes)}}
        Night: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 day)}}
        Fixed: {Type: Schedule, Properties: {Schedule: cron(0 3 * * ? *), Input: '{\"action\": \"sweep\"}'}}
";

async fn bus() -> (Stand, Bus) {
    let template = Template::parse("template.yaml", TEMPLATE, &Names::default()).unwrap();
    let spec = template.function("pointsman-try").unwrap().clone();
    let stand = Stand::with(spec, |settings| settings).await;
    let bus = Bus::new(stand.functions.clone(), template.rules, "us-east-1", "123456789012");
    (stand, bus)
}

#[tokio::test]
async fn an_event_goes_to_the_functions_whose_rules_are_about_it() {
    let (stand, bus) = bus().await;
    let mut answers = stand.functions.subscribe();
    let event = json!({
        "source": "aws.codepipeline",
        "detail-type": "CodePipeline Pipeline Execution State Change",
        "detail": {"pipeline": "mobile-web", "state": "FAILED"},
    });
    let deliveries = bus.put(&event).unwrap();
    assert_eq!(deliveries.len(), 1);
    assert_eq!((deliveries[0].rule.as_str(), deliveries[0].function.as_str()), ("TryOver", "pointsman-try"));
    stand.functions.idle().await;

    let got = answers.try_recv().unwrap().json()["event"].clone();
    assert_eq!(got["detail"], event["detail"]);
    assert_eq!(
        (&got["version"], &got["account"], &got["region"]),
        (&json!("0"), &json!("123456789012"), &json!("us-east-1"))
    );
    assert_eq!(got["resources"], json!([]));
    assert_eq!(got["id"].as_str().unwrap().len(), 36);
    assert!(got["time"].as_str().unwrap().ends_with('Z'));

    let other = json!({"source": "aws.codepipeline", "detail-type": "x", "detail": {"state": "SUCCEEDED"}});
    assert_eq!(bus.put(&other).unwrap(), []);
}

#[tokio::test]
async fn an_event_may_come_more_than_once() {
    let (stand, bus) = bus().await;
    let mut answers = stand.functions.subscribe();
    bus.set_duplicates(1);
    let event = json!({"id": "7", "source": "aws.codepipeline", "detail-type": "x", "detail": {"state": "STOPPED"}});
    assert_eq!(bus.put(&event).unwrap().len(), 2);
    stand.functions.idle().await;
    for _ in 0..2 {
        assert_eq!(answers.try_recv().unwrap().json()["event"]["id"], "7");
    }
}

#[tokio::test]
async fn a_schedule_comes_when_it_is_told_to() {
    let (stand, bus) = bus().await;
    for (rule, want) in [
        (
            "TrySweep",
            json!({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {},
                            "resources": ["arn:aws:events:us-east-1:123456789012:rule/TrySweep"]}),
        ),
        (
            "TryNight",
            json!({"source": "aws.scheduler", "detail-type": "Scheduled Event", "detail": "{}",
                            "resources": ["arn:aws:scheduler:us-east-1:123456789012:schedule/default/TryNight"]}),
        ),
        ("TryFixed", json!({"action": "sweep"})),
    ] {
        let mut answers = stand.functions.subscribe();
        bus.tick(rule).unwrap();
        stand.functions.idle().await;
        let got = answers.try_recv().unwrap().json()["event"].clone();
        for (key, value) in want.as_object().unwrap() {
            assert_eq!(&got[key], value, "{rule}: {key}");
        }
    }
    let schedules: Vec<_> =
        bus.schedules().into_iter().map(|(name, every)| (name, every.map(|every| every.as_secs()))).collect();
    let want = [("TrySweep", Some(600)), ("TryNight", Some(86_400)), ("TryFixed", None)];
    assert_eq!(schedules, want.map(|(name, every)| (name.to_owned(), every)));
}

#[tokio::test]
async fn what_the_bus_cannot_do_it_says() {
    let (_stand, bus) = bus().await;
    for (problem, want) in [
        (bus.put(&json!([])).unwrap_err(), "an event is a JSON object"),
        (bus.put(&json!({"source": "x", "detail": {}})).unwrap_err(), "an event needs a detail-type"),
        (bus.tick("Nothing").unwrap_err(), "there is no rule Nothing. The rules are TryOver, TryOff, TrySweep"),
        (bus.tick("TryOver").unwrap_err(), "the rule TryOver is about events and has no schedule"),
    ] {
        assert!(problem.to_string().contains(want), "{problem}");
    }
}
