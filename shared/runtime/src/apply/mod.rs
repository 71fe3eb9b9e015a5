//! Apply: one step of a plan carried out. A step that finds its work done is done.

mod addresses;
mod groups;
mod instances;
mod names;
mod rules;
mod words;

use domain::config::Service;
use domain::id::{ReleaseId, SubnetId};
use domain::plan::Step;
use domain::refusal::WaitFor;
use tokio::time::Instant;

use crate::clients::Clients;
use crate::deadline::{CHANGE_NEEDS, Deadline};
use crate::errors::{AwsError, Kind, Trouble};
use crate::lease::Lease;
use crate::report;

/// What a step needs beside itself.
pub(crate) struct Hands<'a> {
    pub clients: &'a Clients,
    pub service: &'a Service,
    pub release: Option<&'a ReleaseId>,
    pub lease: &'a Lease,
    /// Where notices go.
    pub topic: Option<&'a str>,
    pub deadline: Deadline,
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Applied {
    /// It is done now.
    Done,
    /// It was done before.
    NotNeeded,
    /// The world is not what the plan was made for: it is looked at again.
    LookAgain {
        /// What was found.
        found: String,
        /// What to wait for if it stays so; without it, it fails.
        lag: Option<WaitFor>,
    },
    /// A subnet's zone has no capacity, in AWS's words: the others are to take its share.
    NoCapacity { subnet: SubnetId, words: String },
}

/// A step that could not be carried out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StepError {
    /// What was being done: `tag i-0a, i-0b`.
    pub doing: String,
    /// Why it could not be.
    pub error: AwsError,
}

impl std::fmt::Display for StepError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "could not {}: {}", self.doing, self.error)
    }
}

impl StepError {
    /// The trouble that ends a call. What was tried fails; it is not refused.
    pub fn trouble(self) -> Trouble {
        Trouble::Failed { denied: self.error.kind() == Kind::Denied, what: self.to_string() }
    }
}

impl Applied {
    /// Somebody else has changed what the step is about.
    fn look_again(found: impl Into<String>) -> Self {
        Self::LookAgain { found: found.into(), lag: None }
    }

    /// A step of several changes has no time for the next one: the next call goes on.
    fn out_of_time() -> Self {
        Self::look_again("too little time is left for the rest of it")
    }

    fn as_str(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NotNeeded => "not needed",
            Self::LookAgain { .. } => "look again",
            Self::NoCapacity { .. } => "no capacity",
        }
    }
}

/// The names of steps, for a plan in a line.
pub(crate) fn names_of(steps: &[Step]) -> String {
    steps.iter().map(words::name).collect::<Vec<_>>().join(" + ")
}

/// Which step it is, and of what: the same one may not find the world changed for ever.
pub(crate) fn key_of(step: &Step) -> String {
    format!("{} {}", words::name(step), words::resource(step))
}

/// What AWS says when something that the plan saw has gone, or come, since.
const MOVED_ON: &[&str] = &[
    "RuleNotFound",
    "TargetGroupNotFound",
    "PriorityInUse",
    "InvalidTarget",
    "InvalidInstanceID.NotFound",
    "IncorrectInstanceState",
];

impl Hands<'_> {
    /// Whether a change that is sent now ends before the lease and the call do.
    pub fn allow_change(&self) -> bool {
        self.lease.allows_change() && self.deadline.has(CHANGE_NEEDS)
    }

    /// Carries one step out, and writes one line about it.
    pub async fn carry_out(&self, step: &Step) -> Result<Applied, StepError> {
        let started = Instant::now();
        let result = match self.try_step(step).await {
            Err(error) if error.is(MOVED_ON) => Ok(Applied::look_again(error.to_string())),
            result => result,
        };
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (step_name, resource) = (words::name(step), words::resource(step));
        match result {
            Ok(applied) => {
                let found = match &applied {
                    Applied::LookAgain { found, .. } => Some(found.as_str()),
                    Applied::NoCapacity { words, .. } => Some(words.as_str()),
                    Applied::Done | Applied::NotNeeded => None,
                };
                let result = applied.as_str();
                tracing::info!(step = step_name, resource, duration_ms, result, found, "step");
                Ok(applied)
            }
            Err(error) => {
                tracing::error!(step = step_name, resource, duration_ms, result = "failed", %error, "step");
                Err(StepError { doing: words::doing(step), error })
            }
        }
    }

    async fn try_step(&self, step: &Step) -> Result<Applied, AwsError> {
        let clients = self.clients;
        match step {
            Step::Launch(launch) => instances::launch(clients, launch, self.release).await,
            Step::TagInstances { instances, tags } => instances::tag(self, instances, tags).await,
            Step::Terminate { instances } => instances::terminate(self, instances).await,
            Step::AssociateAddress { instance, address } => addresses::associate(clients, instance, address).await,
            Step::CreateGroup(new) => groups::create(clients, &self.service.name, new).await,
            Step::RegisterTargets { group, instances, port } => groups::register(self, group, instances, *port).await,
            Step::DeregisterTargets { group, instances } => groups::deregister(clients, group, instances).await,
            Step::DeleteGroup { group } => groups::delete(clients, group).await,
            Step::TagGroup { group, tags } => groups::tag(clients, group.as_str(), tags).await,
            Step::TagRule { rule, tags } => groups::tag(clients, rule.as_str(), tags).await,
            Step::CreateRule(new) => rules::create(clients, new).await,
            Step::ModifyRule { rule, which: _, forward, conditions } => {
                rules::modify(clients, rule, Some(forward), conditions.as_ref()).await
            }
            Step::ModifyConditions { rule, which: _, conditions } => {
                rules::modify(clients, rule, None, Some(conditions)).await
            }
            Step::MoveRule { rule, which: _, priority } => rules::move_to(clients, rule, *priority).await,
            Step::DeleteRule { rule, which: _ } => rules::delete(clients, rule).await,
            Step::ReadBack { rule, which: _, forward } => rules::read_back(clients, rule, forward).await,
            Step::ChangeName { zone, name, from, to } => {
                names::change(clients, zone, name, from.as_ref(), to.as_ref()).await
            }
            Step::Tell(notice) => report::publish(clients, self.topic, notice).await.map(|()| Applied::Done),
            Step::RememberTold { kind, at } => self.lease.remember(clients, kind, *at).await.map(|()| Applied::Done),
        }
    }
}
