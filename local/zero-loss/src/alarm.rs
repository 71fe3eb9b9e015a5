//! CloudWatch alarms, which go off when the run says so.

use local::{Result, Stack, alarms};

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
    insist(|| alarms::make(stack, name)).await?;
    insist(|| alarms::turn(stack, name, "OK")).await
}

/// Has an alarm go off, and its event come.
///
/// # Errors
///
/// Where CloudWatch or the bus does not take it.
pub async fn goes_off(stack: &Stack, name: &str) -> Result<()> {
    insist(|| alarms::turn(stack, name, "ALARM")).await?;
    Ok(stack.bus().put(&alarms::event(name, "ALARM")).map(drop)?)
}
