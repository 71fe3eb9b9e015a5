//! CloudWatch alarms, metric and composite ones: how they stand now.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatch::types::{AlarmType, StateValue};
use aws_smithy_types::DateTime;
use domain::time::Time;
use domain::world::Alarm;

use crate::clients::Clients;
use crate::errors::{AwsError, sdk_error};

/// How these alarms stand; those that do not exist are not among them.
pub(crate) async fn standing(clients: &Clients, names: &BTreeSet<String>) -> Result<BTreeMap<String, Alarm>, AwsError> {
    let answer = aws_sdk_cloudwatch::Client::new(&clients.config)
        .describe_alarms()
        .set_alarm_names(Some(names.iter().cloned().collect()))
        .alarm_types(AlarmType::MetricAlarm)
        .alarm_types(AlarmType::CompositeAlarm)
        .max_records(100)
        .send()
        .await
        .map_err(|error| {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            sdk_error("cloudwatch:DescribeAlarms", names.join(","), &error)
        })?;
    let metric = answer.metric_alarms().iter().map(|alarm| {
        let at = alarm.state_transitioned_timestamp().or(alarm.state_updated_timestamp());
        (alarm.alarm_name(), alarm.state_value(), at, alarm.state_reason())
    });
    let composite = answer.composite_alarms().iter().map(|alarm| {
        let at = alarm.state_transitioned_timestamp().or(alarm.state_updated_timestamp());
        (alarm.alarm_name(), alarm.state_value(), at, alarm.state_reason())
    });
    let read = |(name, state, at, reason): (Option<&str>, Option<&StateValue>, Option<&DateTime>, Option<&str>)| {
        let alarm = match (state, at) {
            (Some(StateValue::Alarm), Some(at)) => {
                Alarm::Red { since: Time::from_seconds(at.secs()), reason: reason.unwrap_or_default().to_owned() }
            }
            // INSUFFICIENT_DATA is no alarm.
            _ => Alarm::Quiet,
        };
        Some((name?.to_owned(), alarm))
    };
    Ok(metric.chain(composite).filter_map(read).collect())
}
