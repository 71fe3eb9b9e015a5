//! CloudWatch alarms, as tests turn them.

use local::Stack;
use serde_json::{Value, json};

const REASON: &str = "12 of 100 requests failed";

/// Turns an alarm to a state; `OK` makes it, if it is not there yet.
pub async fn turn(stack: &Stack, name: &str, state: &str) {
    let aws = stack.moto();
    let parameters = [
        ("AlarmName", name),
        ("MetricName", "HTTPCode_Target_5XX_Count"),
        ("Namespace", "AWS/ApplicationELB"),
        ("Statistic", "Sum"),
        ("Period", "60"),
        ("EvaluationPeriods", "1"),
        ("Threshold", "1"),
        ("ComparisonOperator", "GreaterThanThreshold"),
    ];
    if state == "OK" {
        aws.query("monitoring", "PutMetricAlarm", &parameters).await.unwrap();
    }
    let parameters = [("AlarmName", name), ("StateValue", state), ("StateReason", REASON)];
    aws.query("monitoring", "SetAlarmState", &parameters).await.unwrap();
}

/// Turns an alarm, and delivers its event.
pub async fn turn_with_event(stack: &Stack, name: &str, state: &str) {
    turn(stack, name, state).await;
    stack.bus().put(&event(name, state)).unwrap();
    stack.idle().await.unwrap();
}

/// The event of an alarm that changed its state.
pub fn event(name: &str, state: &str) -> Value {
    json!({
        "source": "aws.cloudwatch",
        "detail-type": "CloudWatch Alarm State Change",
        "resources": [format!("arn:aws:cloudwatch:us-east-1:123456789012:alarm:{name}")],
        "detail": {
            "alarmName": name,
            "state": {"value": state, "reason": REASON},
            "previousState": {"value": "OK"},
        },
    })
}
