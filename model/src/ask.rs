//! What can be asked of the functions.

use std::fmt;

use domain::request::{Request, RollbackScope, Verb as RealVerb};

use crate::aws::{HOUR, NEW};
use crate::names;

/// A verb, and who asked where that makes a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    Provision,
    Register,
    Promote,
    Finish,
    /// By a job or by hand.
    Rollback,
    /// By the event of a rejected approval.
    EventRollback,
    /// By an alarm's event.
    AlarmRollback,
    /// By the event of an execution that failed.
    ExecutionFailed,
    Remove,
    Sweep,
}

/// A call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ask {
    pub verb: Verb,
    /// A sweep has none; it is 0 there.
    pub release: usize,
    /// Whether the job's waits have run out of time.
    pub late: bool,
}

impl Ask {
    pub const fn new(verb: Verb, release: usize) -> Self {
        Self { verb, release, late: false }
    }

    /// As the plans are asked.
    pub fn request(self) -> Request {
        let rollback = |reason: &str, scope| RealVerb::Rollback { reason: reason.to_owned(), scope };
        let verb = match self.verb {
            Verb::Provision => RealVerb::Provision,
            Verb::Register => RealVerb::Register,
            Verb::Promote => RealVerb::Promote,
            Verb::Finish => RealVerb::Finish,
            Verb::Rollback => rollback("rolled back by hand", RollbackScope::ToTheEnd),
            Verb::EventRollback => rollback("approval KeepIt was rejected by alice", RollbackScope::TrafficOnly),
            Verb::AlarmRollback => {
                rollback("alarm mobile-5xx: 12 > 5", RollbackScope::Alarm { since: names::time(NEW) })
            }
            Verb::ExecutionFailed => rollback("its pipeline execution FAILED", RollbackScope::UnlessItWasProduct),
            Verb::Remove => RealVerb::Remove,
            Verb::Sweep => RealVerb::Sweep,
        };
        let started = names::time(if self.late { HOUR } else { NEW });
        let is_job = matches!(self.verb, Verb::Provision | Verb::Register | Verb::Promote);
        let release = (self.verb != Verb::Sweep).then(|| names::release(self.release));
        Request {
            pipeline: Some("web".to_owned()),
            started: is_job.then_some(started),
            ..Request::new(names::service_name(), release, verb)
        }
    }

    /// Whether its release is what it is about.
    pub fn is_about(self, verb: Verb, release: usize) -> bool {
        self.verb == verb && self.release == release
    }

    pub const fn is_rollback(self) -> bool {
        matches!(self.verb, Verb::Rollback | Verb::EventRollback | Verb::AlarmRollback | Verb::ExecutionFailed)
    }
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let release = self.release + 1;
        let late = if self.late { ", its time run out" } else { "" };
        match self.verb {
            Verb::Sweep => write!(f, "the sweep"),
            Verb::EventRollback => write!(f, "the event of r{release}'s rejected approval"),
            Verb::AlarmRollback => write!(f, "the event of an alarm about r{release}"),
            Verb::ExecutionFailed => write!(f, "the event of r{release}'s failed execution"),
            Verb::Provision => write!(f, "provision r{release}{late}"),
            Verb::Register => write!(f, "register r{release}{late}"),
            Verb::Promote => write!(f, "promote r{release}{late}"),
            Verb::Finish => write!(f, "finish r{release}"),
            Verb::Rollback => write!(f, "rollback r{release}"),
            Verb::Remove => write!(f, "remove, naming r{release}"),
        }
    }
}
