//! Apply: one step of a plan carried out. A step that finds its work done is done.

pub(crate) mod addresses;
pub(crate) mod groups;
pub(crate) mod instances;
mod names;
pub(crate) mod rules;
mod words;

use domain::config::Service;
use domain::id::SubnetId;
use domain::plan::Step;
use tokio::time::Instant;

use crate::can::Abilities;
use crate::clients::Clients;
use crate::deadline::{CHANGE_NEEDS, Deadline};
use crate::errors::{AwsError, Trouble};
use crate::lease::Lease;
use crate::{report, together};

/// What a step needs beside itself.
pub(crate) struct Hands<'a> {
    pub clients: &'a Clients,
    pub can: &'a Abilities,
    pub service: &'a Service,
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
    /// The world is not what the plan was made for: it is looked at again. What was found.
    LookAgain(String),
    /// A subnet's zone has no capacity, in AWS's words: the others are to take its share.
    NoCapacity { subnet: SubnetId, words: String },
    /// What the step would make was there once, and is gone: AWS makes it no second time.
    TornDown,
}

impl Applied {
    /// What the step is about is not as it was seen.
    fn look_again(found: impl Into<String>) -> Self {
        Self::LookAgain(found.into())
    }

    /// A step of several changes has no time for the next one: the next call goes on.
    fn out_of_time() -> Self {
        Self::look_again("too little time is left for the rest of it")
    }

    fn as_str(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NotNeeded => "not needed",
            Self::LookAgain(_) => "look again",
            Self::NoCapacity { .. } => "no capacity",
            Self::TornDown => "torn down",
        }
    }
}

/// The names of steps, for a plan in a line.
pub(crate) fn names_of(steps: &[Step]) -> String {
    steps.iter().map(Step::name).collect::<Vec<_>>().join(" + ")
}

pub(crate) use words::{doing, work};

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

    /// Carries out the steps of a stage side by side, and gives what came of each in their order.
    pub async fn carry_out(&self, steps: &[Step]) -> Vec<Result<Applied, Trouble>> {
        let is_name = |step: &&Step| matches!(step, Step::ChangeName { .. });
        let (names, others): (Vec<&Step>, Vec<&Step>) = steps.iter().partition(is_name);
        let others = together::all(others.into_iter().map(|step| self.one(step)));
        let (others, names) = tokio::join!(others, self.names(&names));
        let (mut others, mut names) = (others.into_iter(), names.into_iter());
        steps.iter().filter_map(|step| if is_name(&step) { names.next() } else { others.next() }).collect()
    }

    /// Changes names: all of them in one call, and where AWS refuses that, each in its own.
    async fn names(&self, steps: &[&Step]) -> Vec<Result<Applied, Trouble>> {
        let zone_of = |step: &Step| if let Step::ChangeName { zone, .. } = step { Some(zone.clone()) } else { None };
        let zone = steps.first().and_then(|first| zone_of(first)).unwrap_or_default();
        if steps.len() > 1 && steps.iter().all(|step| zone_of(step).as_ref() == Some(&zone)) {
            let started = Instant::now();
            let result = names::change(self.clients, &zone, steps).await;
            if !matches!(result, Ok(Applied::LookAgain(_))) || !self.allow_change() {
                return steps.iter().map(|step| log(step, started, result.clone().map_err(Why::Aws))).collect();
            }
        }
        together::all(steps.iter().map(|step| self.one(step))).await
    }

    /// Carries one step out, and writes one line about it.
    async fn one(&self, step: &Step) -> Result<Applied, Trouble> {
        let started = Instant::now();
        log(step, started, self.try_step(step).await)
    }

    async fn try_step(&self, step: &Step) -> Result<Applied, Why> {
        let clients = self.clients;
        let result = match step {
            Step::TagInstances { instances, tags } => instances::tag(self, instances, tags).await,
            Step::TagGroup { group, tags } => groups::tag(clients, group.as_str(), tags).await,
            Step::TagRule { rule, tags } => groups::tag(clients, rule.as_str(), tags).await,
            Step::ModifyRule { rule, which: _, forward, conditions, sticky_seconds } => {
                rules::modify(clients, rule, Some((forward, *sticky_seconds)), conditions.as_ref()).await
            }
            Step::DeleteRule { rule, which: _ } => rules::delete(clients, rule).await,
            Step::ReadBack { rule, which: _, forward } => rules::read_back(clients, rule, forward).await,
            Step::ChangeName { zone, .. } => names::change(clients, zone, &[step]).await,
            Step::Tell(notice) => report::publish(clients, self.topic, notice).await.map(|()| Applied::Done),
            Step::RememberTold { kind, at } => self.lease.remember(clients, kind, *at).await.map(|()| Applied::Done),
            // Not every function can.
            Step::Launch(_)
            | Step::AssociateAddress { .. }
            | Step::Terminate { .. }
            | Step::CreateGroup(_)
            | Step::RegisterTargets { .. }
            | Step::DeregisterTargets { .. }
            | Step::DeleteGroup { .. }
            | Step::CreateRule(_)
            | Step::ModifyConditions { .. }
            | Step::MoveRule { .. } => match self.can.carry_out(self, step) {
                Some(doing) => doing.await,
                None => return Err(Why::Unable),
            },
        };
        result.map_err(Why::Aws)
    }
}

/// Why a step could not be carried out.
enum Why {
    Aws(AwsError),
    /// The function's main does not name the ability.
    Unable,
}

/// Writes a line about a step, and reads what came of it: what moved on since the plan was made is looked at again.
fn log(step: &Step, started: Instant, result: Result<Applied, Why>) -> Result<Applied, Trouble> {
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (step_name, resource) = (step.name(), step.resource());
    let result = match result {
        Ok(applied) => Ok(applied),
        Err(Why::Aws(error)) if error.is(MOVED_ON) => Ok(Applied::look_again(error.to_string())),
        Err(Why::Aws(error)) => Err(Trouble::Step { doing: doing(step), error }),
        Err(Why::Unable) => Err(Trouble::unable(&doing(step))),
    };
    match &result {
        Ok(applied) => {
            let found = match applied {
                Applied::LookAgain(found) => Some(found.as_str()),
                Applied::NoCapacity { words, .. } => Some(words.as_str()),
                Applied::Done | Applied::NotNeeded | Applied::TornDown => None,
            };
            tracing::info!(step = step_name, resource, duration_ms, result = applied.as_str(), found, "step");
        }
        Err(error) => {
            tracing::error!(step = step_name, resource, duration_ms, result = "failed", %error, "step");
        }
    }
    result
}
