//! The stages of a plan carried out, and what a call remembers of it from one look to the next.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use domain::metrics::Switched;
use domain::plan::{OnFailure, Plan, Step};
use domain::refusal::{Refusal, WaitFor};
use domain::world::Scope;
use tokio::time::Instant;

use crate::apply::{Applied, Hands, work};
use crate::call::{Call, PAUSE, Patience};
use crate::clients::OPERATION_TIMEOUT;
use crate::errors::{Kind, Trouble};
use crate::lease::Lease;
use crate::observe::Memory;
use crate::patience::any_of;

/// How often what only follows is tried again where it finds the world changed.
const SAME_STEP_AGAIN: u32 = 3;

/// What a call carries from one look to the next.
#[derive(Default)]
pub(crate) struct State {
    pub lease: Option<Lease>,
    pub memory: Memory,
    pub scope: Scope,
    pub slept: Duration,
    pub changed: bool,
    pub told: bool,
    /// The pipeline of the request's release, as soon as its tags are seen.
    pub pipeline: Option<String>,
    /// Where the plan at hand moves customers, and where those before it did.
    pub switches: Option<Switched>,
    pub switched: BTreeSet<Switched>,
    /// What became of the steps so far, by what they do.
    pub tried: HashMap<String, Tried>,
    /// What was made, or may have been, and no look has shown yet.
    pub made: Vec<Step>,
    /// Pauses since anything new was done.
    pub in_vain: u32,
}

/// What became of a step in the looks before.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tried {
    done: bool,
    /// How often it found the world otherwise than planned for.
    again: u32,
}

impl State {
    /// Whether this call did all of a plan's steps before; a plan without steps is no such plan.
    pub fn did_all(&self, plan: &Plan) -> bool {
        let did = |step| self.tried.get(&work(step)).is_some_and(|tried| tried.done);
        !plan.stages.is_empty() && plan.stages.iter().all(|stage| stage.steps.iter().all(did))
    }
}

/// What came of a plan's stages.
#[derive(Default)]
pub(crate) struct Carried {
    /// Something was found otherwise than planned for.
    pub look_again: bool,
    /// It was so before: no use in looking at once.
    pub wait: Option<WaitFor>,
    /// What could not follow, a sentence each.
    pub not_followed: Vec<String>,
}

impl Call<'_> {
    /// Carries out the stages one after the other, the steps of each side by side.
    pub(crate) async fn carry_out(&self, state: &mut State, plan: &Plan) -> Result<Carried, Trouble> {
        let mut carried = Carried::default();
        for (place, stage) in plan.stages.iter().enumerate() {
            let Some(lease) = state.lease.as_ref() else { return Err(self.no_time()) };
            let hands = Hands {
                clients: self.clients,
                can: self.can,
                service: self.service,
                lease,
                topic: self.topic,
                deadline: self.deadline,
            };
            if !hands.allow_change() {
                return Err(self.no_time());
            }
            let mut results = hands.carry_out(&stage.steps).await;
            let last = plan.stages.iter().skip(place).all(|stage| stage.on_failure == OnFailure::Follow);
            let may_pause = self.may_pause(state);
            let follows = last && may_pause;
            // Not on what only comes before a switch: the switch does not wait for it.
            let insists = self.patience == Patience::Some && (follows || stage.on_failure == OnFailure::Stop);
            if insists && insist(&hands, &stage.steps, &mut results, follows).await {
                state.in_vain += u32::from(follows);
            }
            let mut failed = None;
            for (step, result) in stage.steps.iter().zip(results) {
                if step.makes() && may_be_there(&result) {
                    state.made.push(step.clone());
                }
                match result {
                    Ok(applied @ (Applied::Done | Applied::NotNeeded)) => {
                        let done = applied == Applied::Done;
                        state.changed |= done && step.changes_account();
                        state.switched.extend(state.switches.filter(|_| done && step.changes_product()));
                        state.told |= done && matches!(step, Step::Tell(_));
                        state.tried.entry(work(step)).or_default().done = true;
                    }
                    Ok(Applied::NoCapacity { subnet, words }) => {
                        state.memory.no_capacity.insert(subnet, words);
                        carried.look_again = true;
                    }
                    Ok(Applied::TornDown) => {
                        failed.get_or_insert_with(|| self.torn_down());
                    }
                    Ok(Applied::LookAgain(found)) => {
                        let tried = state.tried.entry(work(step)).or_default();
                        tried.again += 1;
                        let follows = stage.on_failure == OnFailure::Follow;
                        if follows && (tried.again > SAME_STEP_AGAIN || !may_pause) {
                            carried.not_followed.push(sentence(&found));
                        } else {
                            carried.look_again = true;
                            let before = tried.again > 1;
                            carried.wait = before.then_some(WaitFor::Aws { what: found }).or(carried.wait);
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
        if !carried.look_again {
            state.in_vain = 0;
        }
        Ok(carried)
    }

    /// What is to be launched was launched before, longer ago than its tags last.
    fn torn_down(&self) -> Trouble {
        match &self.request.release {
            Some(release) => Trouble::Refused(Refusal::TornDown { release: release.clone() }),
            None => Trouble::account("what is to be launched was torn down before"),
        }
    }
}

/// Tries again, after pauses, what AWS takes no more of for the moment: no longer than one operation may take, so that nothing
/// is done for a look that is much older. What only follows is tried once more where AWS gave no answer, too. Whether anything
/// was tried again.
async fn insist(hands: &Hands<'_>, steps: &[Step], results: &mut [Result<Applied, Trouble>], follows: bool) -> bool {
    let (until, mut tried) = (Instant::now() + OPERATION_TIMEOUT, false);
    loop {
        let passes = |result: &Result<Applied, Trouble>| match result {
            Err(Trouble::Step { error, .. }) => {
                error.kind == Kind::Throttled || follows && !tried && error.kind.is_transient()
            }
            _ => false,
        };
        let hindered: Vec<Step> =
            steps.iter().zip(&*results).filter(|(_, result)| passes(result)).map(|(step, _)| step.clone()).collect();
        let pause = any_of(PAUSE * 2);
        if hindered.is_empty() || Instant::now() + pause > until {
            return tried;
        }
        tokio::time::sleep(pause).await;
        if !hands.allow_change() {
            return true;
        }
        let again = hands.carry_out(&hindered).await;
        for (result, again) in results.iter_mut().filter(|result| passes(result)).zip(again) {
            *result = again;
        }
        tried = true;
    }
}

/// Whether what a step makes may be there now: made, there before, or without an answer.
fn may_be_there(result: &Result<Applied, Trouble>) -> bool {
    match result {
        Ok(Applied::Done | Applied::NotNeeded | Applied::LookAgain(_)) => true,
        Ok(Applied::NoCapacity { .. } | Applied::TornDown) => false,
        Err(Trouble::Step { error, .. }) => error.kind == Kind::Unanswered,
        Err(_) => false,
    }
}

/// What follows what was asked for, as a sentence.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}. The next call or the sweep mends it.", characters.as_str().trim_end_matches('.'))
}
