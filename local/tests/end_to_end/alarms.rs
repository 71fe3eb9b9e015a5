//! CloudWatch alarms, as tests turn them.

use local::{Stack, alarms};

pub use local::alarms::event;

/// Turns an alarm to a state; `OK` makes it, if it is not there yet.
pub async fn turn(stack: &Stack, name: &str, state: &str) {
    if state == "OK" {
        alarms::make(stack, name).await.unwrap();
    }
    alarms::turn(stack, name, state).await.unwrap();
}

/// Turns an alarm, and delivers its event.
pub async fn turn_with_event(stack: &Stack, name: &str, state: &str) {
    turn(stack, name, state).await;
    stack.bus().put(&event(name, state)).unwrap();
    stack.idle().await.unwrap();
}
