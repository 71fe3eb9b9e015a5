//! CloudWatch alarms, which go off when the run says so.

use local::{Result, Stack};
use serde_json::{Value, json};

use crate::fleet::insist;

/// The alarm of a service.
#[must_use]
pub fn name(service: &str) -> String {
    format!("{service}-5xx")
}

/// Makes an alarm, or has it be green again.
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
    let moto = stack.moto();
    insist(|| moto.query("monitoring", "PutMetricAlarm", &parameters)).await?;
    turn(stack, name, "OK").await
}

/// Has an alarm go off, and its event come.
///
/// # Errors
///
/// Where CloudWatch or the bus does not take it.
pub async fn goes_off(stack: &Stack, name: &str) -> Result<()> {
    turn(stack, name, "ALARM").await?;
    Ok(stack.bus().put(&event(name)).map(drop)?)
}

async fn turn(stack: &Stack, name: &str, state: &str) -> Result<()> {
    let parameters = [("AlarmName", name), ("StateValue", state), ("StateReason", "12 of 100 requests failed")];
    let moto = stack.moto();
    insist(|| moto.query("monitoring", "SetAlarmState", &parameters)).await?;
    Ok(())
}

fn event(name: &str) -> Value {
    json!({
        "source": "aws.cloudwatch",
        "detail-type": "CloudWatch Alarm State Change",
        "resources": [format!("arn:aws:cloudwatch:us-east-1:123456789012:alarm:{name}")],
        "detail": {
            "alarmName": name,
            "state": {"value": "ALARM", "reason": "12 of 100 requests failed"},
            "previousState": {"value": "OK"},
        },
    })
}
