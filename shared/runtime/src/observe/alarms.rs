//! CloudWatch alarms: whether one is in ALARM now, and since when.

use aws_sdk_cloudwatch::types::{AlarmType, StateValue};
use aws_smithy_types::DateTime;
use domain::time::Time;

use crate::clients::Clients;
use crate::errors::{AwsError, sdk_error};

/// Since when an alarm is in ALARM; `None` if it is not, or is no more.
pub(crate) async fn in_alarm_since(clients: &Clients, name: &str) -> Result<Option<Time>, AwsError> {
    let answer = aws_sdk_cloudwatch::Client::new(&clients.config)
        .describe_alarms()
        .alarm_names(name)
        .alarm_types(AlarmType::MetricAlarm)
        .alarm_types(AlarmType::CompositeAlarm)
        .send()
        .await
        .map_err(|error| sdk_error("cloudwatch:DescribeAlarms", name, &error))?;
    let metric = answer
        .metric_alarms()
        .iter()
        .map(|alarm| (alarm.state_value(), alarm.state_transitioned_timestamp().or(alarm.state_updated_timestamp())));
    let composite = answer
        .composite_alarms()
        .iter()
        .map(|alarm| (alarm.state_value(), alarm.state_transitioned_timestamp().or(alarm.state_updated_timestamp())));
    let standing = metric.chain(composite).find(|(state, _)| *state == Some(&StateValue::Alarm));
    Ok(standing.and_then(|(_, since)| since).map(seconds))
}

fn seconds(at: &DateTime) -> Time {
    Time::from_seconds(at.secs())
}
