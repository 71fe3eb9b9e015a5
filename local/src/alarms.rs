//! CloudWatch alarms, as tests and runs turn them.

use serde_json::{Value, json};

use crate::{Result, Stack};

const REASON: &str = "12 of 100 requests failed";

/// Makes an alarm, if it is not there yet.
///
/// # Errors
///
/// Where CloudWatch does not take it.
pub async fn make(stack: &Stack, name: &str) -> Result<()> {
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
    stack.moto().query("monitoring", "PutMetricAlarm", &parameters).await?;
    Ok(())
}

/// Turns an alarm that is there to a state, and tells nobody.
///
/// # Errors
///
/// Where CloudWatch does not take it.
pub async fn turn(stack: &Stack, name: &str, state: &str) -> Result<()> {
    let parameters = [("AlarmName", name), ("StateValue", state), ("StateReason", REASON)];
    stack.moto().query("monitoring", "SetAlarmState", &parameters).await?;
    Ok(())
}

/// The event of an alarm that changed its state.
#[must_use]
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
