//! Whether a promotion fits into the time that its pipeline gives it.

use super::{Problem, Service};

/// CodePipeline ends an action that calls a Lambda function again and again after 24 hours.
const JOB_SECONDS: u64 = 24 * 60 * 60;
/// By how much each step may come late: CodePipeline says nowhere when it calls a job again, and another call may hold the lease.
const LATE_SECONDS: u64 = 60;

/// A promotion that would be cut off before it is over, and left in the middle of its steps or its bake.
pub(super) fn fault(service: &Service) -> Option<Problem> {
    let (traffic, bake, health) = (&service.traffic, service.bake_seconds, service.health_timeout_seconds);
    let steps = u64::try_from(traffic.steps.len()).unwrap_or(u64::MAX);
    let stands = u64::from(traffic.step_seconds) + LATE_SECONDS;
    let needs = steps.saturating_mul(stands).saturating_add(u64::from(bake) + u64::from(health));
    if needs <= JOB_SECONDS {
        return None;
    }
    let (key, of_steps) = match steps {
        0 => ("bake_seconds", String::new()),
        _ => (
            "traffic.steps",
            format!("{steps} × ({} step_seconds + {LATE_SECONDS} for coming late) + ", traffic.step_seconds),
        ),
    };
    let what = format!(
        "make a promotion longer than a CodePipeline job may be, {JOB_SECONDS} seconds: \
         {of_steps}{bake} bake_seconds + {health} health_timeout_seconds are {needs}; write fewer or shorter ones"
    );
    Some(Problem::new(key.into(), what))
}
