//! EventBridge events in the shape that AWS documents: pipeline execution, approval, alarm, schedule.

use domain::event::{Event, read};
use domain::request::Function;
use serde_json::{Value, json};

use crate::jobs::FUNCTIONS;

const EXECUTION: &str = "12345678-1234-5678-abcd-12345678abcd";

fn bus(source: &str, detail_type: &str, detail: &Value) -> Value {
    json!({
        "version": "0", "id": "event", "detail-type": detail_type, "source": source, "account": "123456789012",
        "time": "2026-11-21T10:00:00Z", "region": "eu-west-1", "resources": ["arn:aws:codepipeline:eu-west-1:1:mobile-web"],
        "detail": detail,
    })
}

fn execution(state: &str) -> Value {
    let detail = json!({
        "pipeline": "mobile-web", "execution-id": EXECUTION, "state": state, "version": 3.0,
        "execution-trigger": {"trigger-type": "StartPipelineExecution", "trigger-detail": "arn:aws:iam::1:user/ops"},
    });
    bus("aws.codepipeline", "CodePipeline Pipeline Execution State Change", &detail)
}

fn action(category: &str, state: &str) -> Value {
    let detail = json!({
        "pipeline": "mobile-web", "execution-id": EXECUTION, "stage": "Release", "action": "ShipIt",
        "action-execution-id": "47f821c5-a902-4c37-ae59-3fda6edac3b7", "state": state, "region": "eu-west-1", "version": 3.0,
        "type": {"owner": "AWS", "provider": "Manual", "category": category, "version": "1"},
    });
    bus("aws.codepipeline", "CodePipeline Action Execution State Change", &detail)
}

fn alarm(value: &str) -> Value {
    let state = |value: &str| {
        json!({
            "value": value, "reason": "Threshold Crossed: 1 datapoint was greater than 5.0", "reasonData": "{}",
            "timestamp": "2026-11-21T10:00:00.000+0000",
        })
    };
    let metric = json!({"id": "m1", "returnData": true, "metricStat": {"period": 60, "stat": "Sum",
        "metric": {"namespace": "AWS/ApplicationELB", "name": "HTTPCode_Target_5XX_Count", "dimensions": {}}}});
    let configuration = json!({"description": "5xx of mobile-web", "metrics": [metric]});
    let detail = json!({
        "alarmName": "mobile-5xx", "configuration": configuration, "state": state(value), "previousState": state("OK"),
    });
    bus("aws.cloudwatch", "CloudWatch Alarm State Change", &detail)
}

#[test]
fn a_pipeline_execution_that_ended_without_success() {
    for state in ["FAILED", "STOPPED", "SUPERSEDED", "CANCELED"] {
        let want = Event::ExecutionEnded {
            pipeline: "mobile-web".to_owned(),
            execution: EXECUTION.to_owned(),
            state: state.to_owned(),
        };
        assert_eq!(read(&execution(state), Function::Teardown), Ok(want));
    }
}

#[test]
fn an_approval_that_failed() {
    let want = Event::ApprovalFailed {
        pipeline: "mobile-web".to_owned(),
        execution: EXECUTION.to_owned(),
        action: "ShipIt".to_owned(),
        action_execution: "47f821c5-a902-4c37-ae59-3fda6edac3b7".to_owned(),
    };
    assert_eq!(read(&action("Approval", "FAILED"), Function::Teardown), Ok(want));
}

#[test]
fn an_alarm_that_went_off() {
    let want = Event::Alarm {
        name: "mobile-5xx".to_owned(),
        reason: "Threshold Crossed: 1 datapoint was greater than 5.0".to_owned(),
    };
    assert_eq!(read(&alarm("ALARM"), Function::Teardown), Ok(want));
}

#[test]
fn the_schedule_of_a_rule_and_of_the_scheduler() {
    for source in ["aws.events", "aws.scheduler"] {
        assert_eq!(read(&bus(source, "Scheduled Event", &json!({})), Function::Teardown), Ok(Event::Sweep));
    }
}

#[test]
fn an_event_to_the_wrong_function_names_the_right_one() {
    let events = [
        execution("FAILED"),
        action("Approval", "FAILED"),
        alarm("ALARM"),
        bus("aws.events", "Scheduled Event", &json!({})),
    ];
    for event in events {
        for function in FUNCTIONS.into_iter().filter(|function| *function != Function::Teardown) {
            assert!(read(&event, function).unwrap_err().contains("is for teardown"));
        }
    }
    insta::assert_snapshot!(read(&alarm("ALARM"), Function::Promote).unwrap_err(), @r##"this event is nothing that promote knows: EventBridge's "CloudWatch Alarm State Change" is for teardown. It takes a CodePipeline job, or a direct call like {"service":"mobile-web","release":"#{Provision.Release}"}"##);
}

#[test]
fn what_teardown_has_no_business_with_names_what_it_takes() {
    let detail = json!({"instance-id": "i-1", "state": "running"});
    let others = [
        execution("SUCCEEDED"),
        execution("STARTED"),
        action("Approval", "SUCCEEDED"),
        action("Deploy", "FAILED"),
        alarm("OK"),
        alarm("INSUFFICIENT_DATA"),
        bus("aws.ec2", "EC2 Instance State-change Notification", &detail),
        bus("my.app", "Scheduled Event", &json!({})),
    ];
    for event in others {
        assert!(read(&event, Function::Teardown).is_err(), "{event}");
    }
    let ec2 = bus("aws.ec2", "EC2 Instance State-change Notification", &detail);
    insta::assert_snapshot!(read(&ec2, Function::Teardown).unwrap_err(), @r##"this event is nothing that teardown knows: it is EventBridge's "EC2 Instance State-change Notification" of aws.ec2. It takes a CodePipeline job, an EventBridge event (a pipeline execution that ended, a failed approval, an alarm, the schedule), or a direct call like {"service":"mobile-web","release":"#{Provision.Release}","action":"finish"}"##);
    insta::assert_snapshot!(read(&alarm("OK"), Function::Teardown).unwrap_err(), @r##"this event is nothing that teardown knows: it is EventBridge's "CloudWatch Alarm State Change" of aws.cloudwatch. It takes a CodePipeline job, an EventBridge event (a pipeline execution that ended, a failed approval, an alarm, the schedule), or a direct call like {"service":"mobile-web","release":"#{Provision.Release}","action":"finish"}"##);
}

#[test]
fn an_event_that_lacks_what_it_is_about_is_refused_by_name() {
    for (mut event, key) in [
        (execution("FAILED"), "execution-id"),
        (action("Approval", "FAILED"), "execution-id"),
        (alarm("ALARM"), "alarmName"),
    ] {
        event["detail"].as_object_mut().unwrap().remove(key);
        let words = read(&event, Function::Teardown).unwrap_err();
        assert!(words.contains(key), "{words}");
    }
}
