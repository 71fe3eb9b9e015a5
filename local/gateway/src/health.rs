//! The shared table of target health that `DescribeTargetHealth` answers from.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, RwLock};

/// A target of a target group.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    pub target_group_arn: String,
    /// An instance id, or an address where the group is of type `ip`.
    pub id: String,
    pub port: u16,
}

impl Target {
    /// Names a target.
    #[must_use]
    pub fn new(target_group_arn: impl Into<String>, id: impl Into<String>, port: u16) -> Self {
        Self { target_group_arn: target_group_arn.into(), id: id.into(), port }
    }
}

/// A target's state, in AWS's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Initial,
    Healthy,
    Unhealthy,
    Unused,
    Draining,
    Unavailable,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Initial => "initial",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Unused => "unused",
            Self::Draining => "draining",
            Self::Unavailable => "unavailable",
        })
    }
}

/// What is known of a target's health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetHealth {
    pub state: State,
    /// AWS's reason code (`Target.FailedHealthChecks`); none for a healthy target.
    pub reason: Option<String>,
    /// The sentence beside the reason.
    pub description: Option<String>,
}

impl TargetHealth {
    /// A healthy target.
    #[must_use]
    pub fn healthy() -> Self {
        Self { state: State::Healthy, reason: None, description: None }
    }

    /// A target whose answer to the health check is a wrong one.
    #[must_use]
    pub fn wrong_answer(http_code: u16) -> Self {
        Self::with(
            State::Unhealthy,
            "Target.ResponseCodeMismatch",
            &format!("Health checks failed with these codes: [{http_code}]"),
        )
    }

    /// A target that does not answer in time, or at all.
    #[must_use]
    pub fn no_answer() -> Self {
        Self::with(State::Unhealthy, "Target.Timeout", "Request timed out")
    }

    /// A target that was registered and not checked yet.
    #[must_use]
    pub fn initial() -> Self {
        Self::with(State::Initial, "Elb.RegistrationInProgress", "Target registration is in progress")
    }

    /// Any other state, with its reason.
    #[must_use]
    pub fn with(state: State, reason: &str, description: &str) -> Self {
        Self { state, reason: Some(reason.to_owned()), description: Some(description.to_owned()) }
    }
}

#[derive(Debug, Default)]
struct Table {
    targets: HashMap<Target, TargetHealth>,
    scripted_healthy: bool,
}

/// The table. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<RwLock<Table>>);

impl Health {
    /// Says what a target's health is from now on.
    pub fn set(&self, target: Target, health: TargetHealth) {
        self.write(|table| {
            table.targets.insert(target, health);
        });
    }

    /// Forgets a target: it is `initial` again, or healthy where that is scripted.
    pub fn forget(&self, target: &Target) {
        self.write(|table| {
            table.targets.remove(target);
        });
    }

    /// Reads a target's health; a target without an entry is `initial`, or healthy where that is scripted.
    #[must_use]
    pub fn of(&self, target: &Target) -> TargetHealth {
        let Ok(table) = self.0.read() else {
            return TargetHealth::initial();
        };
        match table.targets.get(target) {
            Some(health) => health.clone(),
            None if table.scripted_healthy => TargetHealth::healthy(),
            None => TargetHealth::initial(),
        }
    }

    /// Sets whether a target without an entry is healthy at once: for runs without servers.
    pub fn set_scripted_healthy(&self, on: bool) {
        self.write(|table| table.scripted_healthy = on);
    }

    /// Lists the entries.
    #[must_use]
    pub fn entries(&self) -> Vec<(Target, TargetHealth)> {
        let Ok(table) = self.0.read() else {
            return Vec::new();
        };
        table.targets.iter().map(|(target, health)| (target.clone(), health.clone())).collect()
    }

    fn write(&self, change: impl FnOnce(&mut Table)) {
        if let Ok(mut table) = self.0.write() {
            change(&mut table);
        }
    }
}
