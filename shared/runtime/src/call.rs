//! One call for one service: look, plan, apply, until there is an answer. The lease is held while anything may change, and never
//! while this sleeps.

use std::collections::HashMap;
use std::time::Duration;

use domain::config::Service;
use domain::plan::{End, OnFailure, Plan, Step};
use domain::refusal::{Refusal, WaitFor};
use domain::report::Outcome;
use domain::request::Request;
use domain::time::Time;
use domain::world::Scope;

use crate::apply::{Applied, Hands};
use crate::can::Abilities;
use crate::clients::Clients;
use crate::deadline::{CHANGE_NEEDS, Deadline, REPORT_NEEDS, now};
use crate::errors::Trouble;
use crate::lease::Lease;
use crate::observe::{ListenerCache, Look, Memory, Seen};

/// How often a call looks. A plan that has not come to its end by then goes in circles.
const ROUNDS: u32 = 12;
/// How often the same step may find the world changed before that is no coincidence.
const SAME_STEP_AGAIN: u32 = 3;
/// How long a call sleeps before it looks again for what it waits for.
const PAUSE: Duration = Duration::from_millis(1500);
/// How long a call sleeps in all. Longer waits are the caller's.
const PAUSES: Duration = Duration::from_secs(6);
/// How long is slept before a busy lease is tried again, and how often that is done.
const LEASE_PAUSE: Duration = Duration::from_millis(700);
const LEASE_TRIES: u32 = 6;

/// How patient a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// It waits a little for the lease, and for what it waits for.
    Some,
    /// It waits for nothing: the sweep has other services to look at.
    None,
}

/// One call for one service.
pub(crate) struct Call<'a> {
    pub clients: &'a Clients,
    pub can: &'a Abilities,
    pub listeners: &'a ListenerCache,
    pub table: &'a str,
    pub service: &'a Service,
    pub request: &'a Request,
    pub topic: Option<&'a str>,
    pub deadline: Deadline,
    pub patience: Patience,
    /// Names of the service's groups that the tagging API listed; the sweep's.
    pub listed_groups: &'a [String],
}

/// How a call ended.
pub(crate) struct Ended {
    pub outcome: Outcome,
    /// Whether its function's role lacks a permission.
    pub denied: bool,
    /// Whether AWS or the lease hindered it: another try may do better.
    pub hindered: bool,
    /// Still held: it is given back while the report goes out.
    pub lease: Option<Lease>,
    /// Whether a step of it told people.
    pub told: bool,
}

impl Ended {
    /// An end without a lease.
    pub fn with(outcome: Outcome) -> Self {
        let hindered = matches!(outcome, Outcome::Waiting(_));
        Self { outcome, denied: false, hindered, lease: None, told: false }
    }

    /// An end by trouble, of what was asked for then.
    pub fn by(trouble: &Trouble, started: Option<Time>) -> Self {
        Self {
            outcome: trouble.outcome(started),
            denied: trouble.is_denied(),
            hindered: !matches!(trouble, Trouble::Refused(_)),
            lease: None,
            told: false,
        }
    }
}

/// What a call carries from one look to the next.
struct State {
    lease: Option<Lease>,
    memory: Memory,
    scope: Scope,
    slept: Duration,
    changed: bool,
    told: bool,
    again: HashMap<String, u32>,
}

/// What came of a plan's stages.
#[derive(Default)]
struct Carried {
    /// Something was found otherwise than planned for.
    look_again: bool,
    /// What could not follow, a sentence each.
    not_followed: Vec<String>,
}

impl Call<'_> {
    /// Runs the call to its end.
    pub async fn run(&self) -> Ended {
        let mut state = State {
            lease: None,
            memory: Memory::default(),
            scope: plans::scope(&self.request.verb),
            slept: Duration::ZERO,
            changed: false,
            told: false,
            again: HashMap::new(),
        };
        let ended = match self.rounds(&mut state).await {
            Ok(outcome) => Ended::with(outcome),
            Err(trouble) => Ended::by(&trouble, self.request.started),
        };
        let mut ended = Ended { lease: state.lease.take(), told: state.told, ..ended };
        if let Outcome::Done(done, _) = &mut ended.outcome {
            // The last look finds nothing to do where an earlier one did it.
            done.nothing_to_do &= !state.changed;
        }
        ended
    }

    async fn rounds(&self, state: &mut State) -> Result<Outcome, Trouble> {
        let mut last = String::new();
        for _ in 0..ROUNDS {
            if state.lease.is_none() && !self.take_lease(state).await? {
                return Ok(Outcome::Waiting(WaitFor::Lease));
            }
            let (plan, unseen) = self.look_and_plan(state).await?;
            let carried = self.carry_out(state, &plan).await?;
            last = describe(&plan);
            if carried.look_again {
                continue;
            }
            match plan.end {
                End::Look => {}
                End::LookForLaunch => state.scope.launch = true,
                End::Wait(wait) => {
                    if !self.pause(state, &wait).await {
                        return Ok(Outcome::Waiting(wait));
                    }
                }
                End::Done(done) => {
                    let not_followed = unseen.into_iter().chain(carried.not_followed).collect();
                    return Ok(Outcome::Done(done, not_followed));
                }
                End::Refuse(refusal) => return Ok(Outcome::Refused(refusal)),
                End::Fail(failure) => return Ok(Outcome::Failed(failure)),
            }
        }
        let what = format!(
            "{} of {} did not come to an end in {ROUNDS} looks, the last plan was: {last}. What was done stands; call again, and \
             if it stays so, report it with this call's log",
            self.request.verb, self.service.name
        );
        Err(Trouble::Failed(what))
    }

    /// Looks at the world and plans for it; what could not be looked at is said at the end.
    async fn look_and_plan(&self, state: &State) -> Result<(Plan, Vec<String>), Trouble> {
        let look = Look {
            clients: self.clients,
            can: self.can,
            listeners: self.listeners,
            service: self.service,
            request: self.request,
            scope: state.scope,
            listed_groups: self.listed_groups,
        };
        let told = state.lease.as_ref().map(Lease::told).unwrap_or_default();
        let memory = Memory { told, ..state.memory.clone() };
        let Some(time) = self.deadline.left().checked_sub(REPORT_NEEDS) else { return Err(self.no_time()) };
        let Ok(seen) = tokio::time::timeout(time, look.observe(&memory)).await else { return Err(self.no_time()) };
        let Seen { world, unseen } = seen?;
        // The time is asked for once for each look, after it: what was seen is not newer.
        let plan = plans::plan(self.request, self.service, &world, now());
        tracing::info!(plan = describe(&plan), "plan");
        Ok((plan, unseen))
    }

    /// Carries out the stages one after the other, the steps of each side by side.
    async fn carry_out(&self, state: &mut State, plan: &Plan) -> Result<Carried, Trouble> {
        let mut carried = Carried::default();
        for stage in &plan.stages {
            let Some(lease) = state.lease.as_ref() else { return Err(self.no_time()) };
            let hands = Hands {
                clients: self.clients,
                can: self.can,
                service: self.service,
                release: self.request.release.as_ref(),
                lease,
                topic: self.topic,
                deadline: self.deadline,
            };
            if !hands.allow_change() {
                return Err(self.no_time());
            }
            let results = hands.carry_out(&stage.steps).await;
            let mut failed = None;
            for (step, result) in stage.steps.iter().zip(results) {
                match result {
                    Ok(Applied::Done) => {
                        state.changed |= step.changes_account();
                        state.told |= matches!(step, Step::Tell(_));
                    }
                    Ok(Applied::NotNeeded) => {}
                    Ok(Applied::NoCapacity { subnet, words }) => {
                        state.memory.no_capacity.insert(subnet, words);
                        carried.look_again = true;
                    }
                    Ok(Applied::TornDown) => {
                        failed.get_or_insert_with(|| self.torn_down());
                    }
                    Ok(Applied::LookAgain { found, lag }) => {
                        let times = state.again.entry(crate::apply::key_of(step)).or_default();
                        *times += 1;
                        match (*times <= SAME_STEP_AGAIN, stage.on_failure, lag) {
                            (true, ..) => carried.look_again = true,
                            (false, OnFailure::Follow, _) => carried.not_followed.push(sentence(&found)),
                            (false, OnFailure::Stop, Some(wait)) => {
                                failed.get_or_insert(Trouble::Later(wait));
                            }
                            (false, OnFailure::Stop, None) => {
                                failed.get_or_insert(Trouble::Failed(format!("{found}. It was tried {times} times")));
                            }
                        }
                    }
                    Err(error) => match stage.on_failure {
                        OnFailure::Stop => {
                            failed.get_or_insert(error);
                        }
                        OnFailure::Follow => carried.not_followed.push(sentence(&error.to_string())),
                    },
                }
            }
            if let Some(trouble) = failed {
                return Err(trouble);
            }
            if carried.look_again && stage.on_failure == OnFailure::Stop {
                break;
            }
        }
        Ok(carried)
    }

    /// Takes the lease; a busy one is tried again for a few seconds.
    async fn take_lease(&self, state: &mut State) -> Result<bool, Trouble> {
        for tried in 1..=LEASE_TRIES {
            if let Some(lease) = Lease::take(self.clients, self.table, &self.service.name).await? {
                state.lease = Some(lease);
                return Ok(true);
            }
            if self.patience == Patience::None || tried == LEASE_TRIES || !self.deadline.has(CHANGE_NEEDS + LEASE_PAUSE)
            {
                break;
            }
            tokio::time::sleep(LEASE_PAUSE).await;
        }
        Ok(false)
    }

    /// Sleeps a little without the lease, if that may help and there is time for it.
    async fn pause(&self, state: &mut State, wait: &WaitFor) -> bool {
        let pause = match wait {
            // It says how long: no use in looking before, none in sleeping where it is too long.
            WaitFor::Settling { seconds } => {
                Duration::from_secs(u64::try_from(*seconds).unwrap_or_default()).max(PAUSE)
            }
            // These end with another call.
            WaitFor::Lease | WaitFor::Time | WaitFor::Promotion { .. } | WaitFor::Aws { .. } => return false,
            WaitFor::Servers { .. }
            | WaitFor::Targets { .. }
            | WaitFor::Addresses { .. }
            | WaitFor::Draining { .. }
            | WaitFor::LettingGo { .. } => PAUSE,
        };
        let enough = self.deadline.has(CHANGE_NEEDS + CHANGE_NEEDS + pause);
        if self.patience == Patience::None || state.slept + pause > PAUSES || !enough {
            return false;
        }
        if let Some(lease) = state.lease.take() {
            lease.release(self.clients).await;
        }
        tokio::time::sleep(pause).await;
        state.slept += pause;
        true
    }

    /// There is too little time for another change: the next call goes on.
    fn no_time(&self) -> Trouble {
        tracing::info!(
            left_ms = u64::try_from(self.deadline.left().as_millis()).unwrap_or(u64::MAX),
            "too little time is left"
        );
        Trouble::Later(WaitFor::Time)
    }

    /// What is to be launched was launched before, longer ago than its tags last.
    fn torn_down(&self) -> Trouble {
        match &self.request.release {
            Some(release) => Trouble::Refused(Refusal::TornDown { release: release.clone() }),
            None => Trouble::account("what is to be launched was torn down before"),
        }
    }
}

/// What follows what was asked for, as a sentence.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}. The next call or the sweep mends it.", characters.as_str().trim_end_matches('.'))
}

/// A plan in a line, for the log.
fn describe(plan: &Plan) -> String {
    let steps: Vec<String> = plan.stages.iter().map(|stage| crate::apply::names_of(&stage.steps)).collect();
    let end = match &plan.end {
        End::Look => "look again".to_owned(),
        End::LookForLaunch => "look again for a launch".to_owned(),
        End::Wait(wait) => format!("wait for {wait}"),
        End::Done(_) => "done".to_owned(),
        End::Refuse(_) => "refuse".to_owned(),
        End::Fail(_) => "fail".to_owned(),
    };
    steps.into_iter().chain(std::iter::once(end)).collect::<Vec<_>>().join("; ")
}
