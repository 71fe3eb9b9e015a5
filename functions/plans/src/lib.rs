//! What each function decides, as pure functions of the request, the service, the world and the time.
//!
//! Start at [`plan`]. The case table of the design is in `provision`, `register`, `promote`, `finish`, `rollback`,
//! `remove` and `sweep`; what holds for every call is in `mend`, and how a release goes is in `go`.

mod addresses;
mod checks;
mod fingerprint;
mod finish;
mod freeze;
mod go;
mod mend;
mod metrics;
mod names;
mod promote;
mod provision;
mod register;
mod rejection;
mod remove;
mod rollback;
mod rules;
mod standing;
mod sweep;
mod told;
mod traffic;

use domain::config::Service;
use domain::id::RuleArn;
use domain::plan::{End, Plan, Stage, Step};
use domain::refusal::Refusal;
use domain::request::{Request, Verb};
use domain::tags::WhichRule;
use domain::time::Time;
use domain::world::{Scope, World};

pub use metrics::{Readiness, readiness, switches};
pub use remove::REASON as REMOVED;
pub use standing::{Share, Standing, Who};
pub use sweep::begins_with;

/// Decides what a call does now: steps, and what follows them.
///
/// Mending comes before the row of the case table that the call falls under, and does not change its answer.
pub fn plan(request: &Request, service: &Service, world: &World, now: Time) -> Plan {
    let standing = match Standing::read(service, world, now) {
        Ok(standing) => standing,
        Err(refusal) => return told::refused_daily(request, service, world, now, refusal),
    };
    if let Some(plan) = mend::urgent(&standing, request) {
        return plan.after(vec![Stage::follow(mend::in_a_rule_again(&standing))]);
    }
    let row = match &request.verb {
        Verb::Sweep => sweep::plan(&standing, request),
        Verb::Provision => with_release(request, |release| provision::plan(&standing, request, release)),
        Verb::Register => with_release(request, |release| register::plan(&standing, request, release)),
        Verb::Promote => with_release(request, |release| promote::plan(&standing, request, release)),
        Verb::Finish => with_release(request, |release| finish::plan(&standing, request, release)),
        Verb::Remove => with_release(request, |release| remove::plan(&standing, request, release)),
        Verb::Rollback { reason, scope } => {
            with_release(request, |release| rollback::plan(&standing, request, release, reason, *scope))
        }
        Verb::Freeze { reason, since } => {
            with_release(request, |release| freeze::plan(&standing, request, release, reason, *since))
        }
    };
    let mut mending = mend::follow(&standing, request);
    let (names_follow, changed) = (knows_the_names(&row), changed_rules(&row));
    for stage in &mut mending {
        // A name changes once from what was seen, and a rule that the row puts to use is not deleted before.
        stage.steps.retain(|step| {
            let other_name = names_follow && matches!(step, Step::ChangeName { .. });
            let in_use = matches!(step, Step::DeleteRule { rule, .. } if changed.contains(&rule));
            !other_name && !in_use
        });
    }
    let mut plan = row.after(mending);
    if let End::Done(done) = &mut plan.end {
        done.nothing_to_do = plan.stages.is_empty();
    }
    plan
}

/// Whether the row says where the names go next.
fn knows_the_names(row: &Plan) -> bool {
    let mut steps = row.stages.iter().flat_map(|stage| &stage.steps);
    matches!(row.end, End::Fail(_))
        || steps
            .any(|step| matches!(step, Step::ChangeName { .. } | Step::ModifyRule { which: WhichRule::Product, .. }))
}

/// The rules that the row changes.
fn changed_rules(row: &Plan) -> Vec<&RuleArn> {
    let mut changed = Vec::new();
    for step in row.stages.iter().flat_map(|stage| &stage.steps) {
        if let Step::ModifyRule { rule, .. } | Step::ModifyConditions { rule, .. } | Step::MoveRule { rule, .. } = step
        {
            changed.push(rule);
        }
    }
    changed
}

/// How much of the world a verb looks at.
pub fn scope(verb: &Verb, service: &Service) -> Scope {
    let nothing_more = Scope::default();
    match verb {
        // A group may be all that says that its release was rejected, or was product: its servers may have died before,
        // or their tags could not follow. Releases that were never promoted give way here.
        Verb::Provision => {
            Scope { own_group: true, every_group: true, readiness: true, addresses: true, ..nothing_more }
        }
        // Its own group's details come with it.
        Verb::Register => Scope { own_group: true, listener: true, ..nothing_more },
        // A release that tags name product is behind no rule where there is none yet.
        Verb::Promote => {
            // Checks are told where to look.
            Scope { every_group: true, alarms: true, listener: !service.checks.is_empty(), ..nothing_more }
        }
        Verb::Freeze { .. } => nothing_more,
        Verb::Finish | Verb::Remove | Verb::Rollback { .. } => {
            Scope { own_group: true, every_group: true, group_details: true, ..nothing_more }
        }
        // What watches the service has to be there before it is needed.
        Verb::Sweep => Scope { own_group: true, every_group: true, group_details: true, alarms: true, ..nothing_more },
    }
}

fn with_release(request: &Request, row: impl FnOnce(&domain::id::ReleaseId) -> Plan) -> Plan {
    match &request.release {
        Some(release) => row(release),
        None => Plan::only(End::Refuse(Refusal::BadCall { problems: vec!["\"release\" is missing".to_owned()] })),
    }
}
