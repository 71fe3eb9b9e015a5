//! What is asked for, and by whom: one value, whatever kind of event brought it.

use std::fmt;

use crate::id::{ReleaseId, ServiceName};
use crate::time::Time;

/// What a function was asked to do for one service.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The service.
    pub service: ServiceName,
    /// The release; a sweep has none.
    pub release: Option<ReleaseId>,
    /// The verb.
    pub verb: Verb,
    /// The pipeline whose execution the release is, where the caller said so.
    pub pipeline: Option<String>,
    /// When the job was first called; `None` for direct callers, whose waits are counted from what was made first.
    pub started: Option<Time>,
    /// Since when AWS hinders the job, call after call.
    pub troubled: Option<Time>,
    /// Until when the job was kept from its work, by a hold or another release's promotion.
    pub kept_until: Option<Time>,
    /// A promote goes on though alarms are red that were so before it began: what is product may be what makes them red.
    pub despite_alarms: bool,
    /// The fingerprint of what was approved, where the caller of a promote gives it.
    pub fingerprint: Option<String>,
    /// A rollback leaves the release alone if it is the way back: for callers that may be late, as old builds are.
    pub spare_way_back: bool,
    /// Who calls, by his own word: nothing depends on it, people read it.
    pub by: Option<String>,
}

impl Request {
    /// A request that neither a job nor a caller's parameters add to: an event's, or the sweep's.
    pub const fn new(service: ServiceName, release: Option<ReleaseId>, verb: Verb) -> Self {
        Self {
            service,
            release,
            verb,
            pipeline: None,
            started: None,
            troubled: None,
            kept_until: None,
            despite_alarms: false,
            fingerprint: None,
            spare_way_back: false,
            by: None,
        }
    }

    /// From when on a job's patience counts; `None` for direct callers.
    pub fn works_since(&self) -> Option<Time> {
        self.kept_until.or(self.started)
    }

    /// Who or what asked, for people.
    pub fn asked_by(&self) -> String {
        let asked = match (&self.verb, &self.pipeline) {
            (Verb::Sweep, _) => "the sweep".to_owned(),
            (Verb::Rollback { reason, scope }, _) if *scope != RollbackScope::ToTheEnd => format!("an event: {reason}"),
            (Verb::Freeze { reason, .. }, _) => format!("an event: {reason}"),
            (_, Some(pipeline)) if self.started.is_some() => format!("the pipeline {pipeline}"),
            (_, None) if self.started.is_some() => "a pipeline".to_owned(),
            // AWS does not tell a function who calls it.
            (_, _) if self.by.is_some() => "a direct call".to_owned(),
            _ => "somebody, by a direct call".to_owned(),
        };
        self.by.as_ref().map_or_else(|| asked.clone(), |by| format!("{by}, as {asked} says"))
    }
}

/// The verbs of the four functions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Capacity.
    Provision,
    /// Pre-product.
    Register,
    /// Product.
    Promote,
    /// `teardown`, `"action":"finish"`: the release is kept.
    Finish,
    /// `teardown`, `"action":"rollback"`.
    Rollback {
        /// Why, as it is written on the release: `rolled back by hand`, `approval KeepIt was rejected by …`.
        reason: String,
        /// How far it goes and which releases it spares.
        scope: RollbackScope,
    },
    /// An alarm's event, where the config has people decide (`on_alarm`): weights stay where they are.
    Freeze {
        /// The alarm, and CloudWatch's reason.
        reason: String,
        /// Since when it is red.
        since: Time,
    },
    /// `teardown`, `"action":"remove"`: the service goes.
    Remove,
    /// The sweep of one service.
    Sweep,
}

/// How far a rollback goes, and which releases it spares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RollbackScope {
    /// A call: until the rejected release is gone.
    ToTheEnd,
    /// The event of an approval that somebody rejected: until traffic is back. The sweep does the rest, for nobody calls an
    /// event again. A release that was kept is left alone.
    TrafficOnly,
    /// The event of an approval that nobody answered in time: as before, but only what is product is rolled back, and neither
    /// what is frozen nor what gives way.
    OnlyProduct,
    /// The event of a pipeline execution that failed: as `TrafficOnly`, but a release that had all of the weight, or is frozen,
    /// is left alone.
    UnlessItWasProduct,
    /// An alarm's event: as `TrafficOnly`, but only what is being promoted, or else product, is rolled back, and nothing that
    /// people went on with.
    Alarm {
        /// Since when it is red.
        since: Time,
    },
}

impl Verb {
    /// The verb as people, logs and notices name it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Provision => "provision",
            Self::Register => "register",
            Self::Promote => "promote",
            Self::Finish => "finish",
            Self::Rollback { .. } => "rollback",
            Self::Freeze { .. } => "freeze",
            Self::Remove => "remove",
            Self::Sweep => "sweep",
        }
    }

    /// Whether it may go on with a faulty config, of which it needs only the listener.
    pub const fn needs_only_listener(&self) -> bool {
        matches!(self, Self::Rollback { .. } | Self::Freeze { .. })
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which of the four functions is running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// Capacity.
    Provision,
    /// Pre-product.
    Register,
    /// Product.
    Promote,
    /// Finish, roll back, remove, events, sweep.
    Teardown,
}

impl Function {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provision => "provision",
            Self::Register => "register",
            Self::Promote => "promote",
            Self::Teardown => "teardown",
        }
    }
}
