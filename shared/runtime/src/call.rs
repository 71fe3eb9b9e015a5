//! One call for one service: look, plan, apply, until there is an answer. The lease is held while anything may change, and not
//! while this waits for anything but AWS to take the next call.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::check::{Checked, Examination};
use domain::config::Service;
use domain::metrics::Switched;
use domain::notice::Notice;
use domain::plan::{End, Plan};
use domain::refusal::WaitFor;
use domain::report::Outcome;
use domain::request::Request;
use domain::time::Time;
use tokio::time::Instant;

use crate::can::Abilities;
use crate::clients::{CHECK_TIMEOUT, Clients};
use crate::deadline::{CHANGE_NEEDS, Deadline, REPORT_NEEDS, now};
use crate::errors::Trouble;
use crate::lease::{Lease, Taken};
use crate::observe::{ListenerCache, Look, Memory, Seen};
use crate::stages::{Carried, State};

/// How often a call looks, pauses aside. A plan that has not come to its end by then goes in circles.
const ROUNDS: u32 = 12;
/// How long a call sleeps before it looks again for what it waits for.
pub(crate) const PAUSE: Duration = Duration::from_millis(1500);
/// How long a call sleeps in all. Longer waits are the caller's.
const PAUSES: Duration = Duration::from_secs(6);
/// How often a call pauses for reads that do not show yet what it did: they lag for up to five seconds.
const PAUSES_IN_VAIN: u32 = 4;
/// How long is slept before a busy lease is tried again, twice as long each time, and how often that is done. A rejected approval and the
/// failed execution that it makes are two events: whoever comes second is to lose no time by the other's short look.
const LEASE_PAUSE: Duration = Duration::from_millis(50);
const LEASE_PAUSE_MAX: Duration = Duration::from_millis(800);
const LEASE_TRIES: u32 = 8;

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
    /// Whether it met a fault of ours.
    pub bug: bool,
    /// Where it moved customers.
    pub switched: BTreeSet<Switched>,
    /// The pipeline whose execution the release is, as its tags say.
    pub pipeline: Option<String>,
}

impl Ended {
    /// An end without a lease.
    pub fn with(outcome: Outcome) -> Self {
        let hindered = matches!(outcome, Outcome::Waiting(_));
        Self {
            outcome,
            denied: false,
            hindered,
            lease: None,
            told: false,
            bug: false,
            switched: BTreeSet::new(),
            pipeline: None,
        }
    }

    /// What people are told of it; nothing while it waits.
    pub fn notice(&self, request: &Request) -> Option<Notice> {
        let mut notice = self.outcome.notice(request)?;
        notice.pipeline = notice.pipeline.or_else(|| self.pipeline.clone());
        Some(notice)
    }

    /// An end by trouble, of what AWS hinders since then.
    pub fn by(trouble: &Trouble, troubled: Option<Time>) -> Self {
        Self {
            denied: trouble.is_denied(),
            bug: trouble.is_bug(),
            hindered: !matches!(trouble, Trouble::Refused(_)),
            ..Self::with(trouble.outcome(troubled))
        }
    }
}

/// How a call goes on after a look.
enum Turn {
    Ends(Outcome),
    LooksAgain,
    Waits(WaitFor),
}

impl Call<'_> {
    /// Runs the call to its end.
    pub async fn run(&self) -> Ended {
        let mut state = State { scope: plans::scope(&self.request.verb, self.service), ..State::default() };
        let ended = match self.rounds(&mut state).await {
            Ok(outcome) => Ended::with(outcome),
            Err(trouble) => Ended::by(&trouble, self.request.troubled),
        };
        let mut lease = state.lease.take();
        if let (Some(lease), false) = (&mut lease, state.made.is_empty()) {
            lease.hold_a_moment();
        }
        let mut ended = Ended { lease, told: state.told, switched: state.switched, pipeline: state.pipeline, ..ended };
        if let Outcome::Done(done, _) = &mut ended.outcome {
            // The last look finds nothing to do where an earlier one did it.
            done.nothing_to_do &= !state.changed;
        }
        ended
    }

    async fn rounds(&self, state: &mut State) -> Result<Outcome, Trouble> {
        let mut looks = 0;
        while looks < ROUNDS {
            if state.lease.is_none()
                && let Some(wait) = self.take_lease(state).await?
            {
                return Ok(Outcome::Waiting(wait));
            }
            match self.round(state).await {
                Ok(Turn::Ends(outcome)) => return Ok(outcome),
                Ok(Turn::LooksAgain) => looks += 1,
                Ok(Turn::Waits(wait)) | Err(Trouble::Later(wait @ WaitFor::Aws { .. })) => {
                    if !self.pause(state, &wait).await {
                        return Err(Trouble::Later(wait));
                    }
                }
                Err(trouble) => return Err(trouble),
            }
        }
        let what = format!(
            "{} of {} did not come to an end in {ROUNDS} looks. What was done stands; call again, and if it stays so, \
             report it with this call's log",
            self.request.verb, self.service.name
        );
        tracing::error!(what, "the plans go in circles");
        Err(Trouble::Circles(what))
    }

    /// One look, and what is done about what it shows.
    async fn round(&self, state: &mut State) -> Result<Turn, Trouble> {
        let Some((plan, unseen)) = self.look_and_plan(state).await? else {
            // A plan for half of what there is would make it twice, or refuse what has no tags yet.
            let made = state.made.iter().map(crate::apply::doing).collect::<Vec<_>>().join(", ");
            return Ok(Turn::Waits(not_shown(&made)));
        };
        let carried = if state.did_all(&plan) {
            // All of it was done by this call: reads lag. Once more would not help, and people would be told twice.
            match plan.end {
                End::Look | End::LookForLaunch => return Ok(Turn::Waits(not_shown(&describe(&plan)))),
                End::Check(_) | End::Wait(_) | End::Done(_) | End::Refuse(_) | End::Fail(_) => Carried::default(),
            }
        } else {
            self.carry_out(state, &plan).await?
        };
        if carried.look_again {
            return Ok(carried.wait.map_or(Turn::LooksAgain, Turn::Waits));
        }
        Ok(match plan.end {
            End::Look => Turn::LooksAgain,
            End::LookForLaunch => {
                state.scope.launch = true;
                Turn::LooksAgain
            }
            End::Check(examination) => {
                self.examine(state, &examination).await?;
                Turn::LooksAgain
            }
            End::Wait(wait) => Turn::Waits(wait),
            End::Done(done) => {
                let not_followed = unseen.into_iter().chain(carried.not_followed).collect();
                Turn::Ends(Outcome::Done(done, not_followed))
            }
            End::Refuse(refusal) => Turn::Ends(Outcome::Refused(refusal)),
            End::Fail(failure) => Turn::Ends(Outcome::Failed(failure)),
        })
    }

    /// Looks at the world and plans for it; what could not be looked at is said at the end. `None` while the look does not
    /// show all that this call made.
    async fn look_and_plan(&self, state: &mut State) -> Result<Option<(Plan, Vec<String>)>, Trouble> {
        let patient = Clients { patient_until: self.patient_until(), ..self.clients.clone() };
        let look = Look {
            clients: &patient,
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
        let pipeline = self.request.release.as_ref().and_then(|release| world.pipeline_of(release));
        state.pipeline = pipeline.map(str::to_owned).or(state.pipeline.take());
        state.made.retain(|step| !step.shows_in(&world));
        if !state.made.is_empty() {
            return Ok(None);
        }
        // The time is asked for once for each look, after it: what was seen is not newer.
        let plan = plans::plan(self.request, self.service, &world, now());
        tracing::info!(plan = describe(&plan), "plan");
        state.switches = plans::switches(self.request, &world, &plan);
        Ok(Some((plan, unseen)))
    }

    /// Has the release examined, without the lease: checks are other people's, and may take long.
    async fn examine(&self, state: &mut State, examination: &Examination) -> Result<(), Trouble> {
        let Some(examine) = self.can.looks.checks else { return Err(Trouble::unable("examine a release")) };
        if !self.deadline.has(CHECK_TIMEOUT + CHANGE_NEEDS + CHANGE_NEEDS) {
            return Err(self.no_time());
        }
        if let Some(lease) = state.lease.take() {
            lease.release(self.clients).await;
        }
        let verdicts = examine(self.clients, examination).await;
        tracing::info!(phase = examination.phase.as_str(), ?verdicts, "checks");
        state.memory.checked = Some(Checked { phase: examination.phase, verdicts });
        Ok(())
    }

    /// Until when a look asks again for what is throttled: as long as it can come to a change, so that it is not for nothing.
    fn patient_until(&self) -> Option<Instant> {
        let time = self.deadline.left().checked_sub(CHANGE_NEEDS + PAUSE)?;
        (self.patience == Patience::Some).then(|| Instant::now() + time)
    }

    /// Takes the lease, or says what it waits for; a busy one is tried again for a few seconds.
    async fn take_lease(&self, state: &mut State) -> Result<Option<WaitFor>, Trouble> {
        let mut pause = LEASE_PAUSE;
        for tried in 1..=LEASE_TRIES {
            match Lease::take(self.clients, self.table, &self.service.name).await? {
                Taken::Lease(lease) => {
                    state.lease = Some(lease);
                    return Ok(None);
                }
                // Hours, as a rule.
                Taken::Held(hold) => return Ok(Some(WaitFor::Held(hold))),
                Taken::Busy => {}
            }
            if self.patience == Patience::None || tried == LEASE_TRIES || !self.deadline.has(CHANGE_NEEDS + pause) {
                break;
            }
            tokio::time::sleep(pause).await;
            pause = LEASE_PAUSE_MAX.min(pause * 2);
        }
        Ok(Some(WaitFor::Lease))
    }

    /// Sleeps a little, if that may help and there is time for it: without the lease, unless what this call did is not to be
    /// seen yet, so that nobody plans without it.
    async fn pause(&self, state: &mut State, wait: &WaitFor) -> bool {
        let lags = matches!(wait, WaitFor::Aws { .. });
        let pause = match wait {
            // It says how long: no use in looking before, none in sleeping where it is too long.
            WaitFor::Settling { seconds } | WaitFor::Step { seconds, .. } | WaitFor::Bake { seconds, .. } => {
                Duration::from_secs(u64::try_from(*seconds).unwrap_or_default()).max(PAUSE)
            }
            // These end with another call.
            WaitFor::Lease | WaitFor::Held(_) | WaitFor::Time | WaitFor::Promotion { .. } => return false,
            WaitFor::Aws { .. }
            | WaitFor::Servers { .. }
            | WaitFor::Targets { .. }
            | WaitFor::Addresses { .. }
            | WaitFor::Draining { .. }
            | WaitFor::LettingGo { .. } => PAUSE,
        };
        let may = if lags { self.may_pause(state) } else { state.slept + pause <= PAUSES && self.has_time(pause) };
        if !may {
            return false;
        }
        if lags {
            state.in_vain += 1;
        } else {
            state.slept += pause;
            if let Some(lease) = state.lease.take() {
                lease.release(self.clients).await;
            }
        }
        tokio::time::sleep(pause).await;
        true
    }

    /// Whether it may pause once more for what lags or is hindered.
    pub(crate) fn may_pause(&self, state: &State) -> bool {
        state.in_vain < PAUSES_IN_VAIN && self.has_time(PAUSE)
    }

    fn has_time(&self, pause: Duration) -> bool {
        self.patience == Patience::Some && self.deadline.has(CHANGE_NEEDS + CHANGE_NEEDS + pause)
    }

    /// There is too little time for another change: the next call goes on.
    pub(crate) fn no_time(&self) -> Trouble {
        tracing::info!(
            left_ms = u64::try_from(self.deadline.left().as_millis()).unwrap_or(u64::MAX),
            "too little time is left"
        );
        Trouble::Later(WaitFor::Time)
    }
}

/// Reads lag behind what this call did.
fn not_shown(what: &str) -> WaitFor {
    WaitFor::Aws { what: format!("reads do not show yet what was just done: {what}") }
}

/// A plan in a line, for the log.
fn describe(plan: &Plan) -> String {
    let steps: Vec<String> = plan.stages.iter().map(|stage| crate::apply::names_of(&stage.steps)).collect();
    let end = match &plan.end {
        End::Look => "look again".to_owned(),
        End::LookForLaunch => "look again for a launch".to_owned(),
        End::Check(examination) => format!("examine {} {}", examination.release, examination.phase),
        End::Wait(wait) => format!("wait for {wait}"),
        End::Done(_) => "done".to_owned(),
        End::Refuse(_) => "refuse".to_owned(),
        End::Fail(_) => "fail".to_owned(),
    };
    steps.into_iter().chain(std::iter::once(end)).collect::<Vec<_>>().join("; ")
}
