//! A promotion's way through its steps and its bake: what comes next, how long what is there has to stand, and what
//! stops it. All of it is read from the product rule, so that any caller can take over.

use domain::config::{OnAlarm, Service};
use domain::id::ReleaseId;
use domain::plan::{End, Plan, Stage};
use domain::refusal::{Failure, Refusal, WaitFor};
use domain::request::Request;
use domain::tags::{Mark, Role};
use domain::time::Time;
use domain::world::Alarm;

use crate::mend::{self, ALL};
use crate::promote::{STUCK_SECONDS, not_healthy_enough};
use crate::rollback;
use crate::standing::{Standing, Traffic};
use crate::told::{self, Concern};

/// An alarm's name, and CloudWatch's reason.
type Red = (String, String);

/// How many percent of the traffic the product rule sends a release.
pub fn percent(standing: &Standing<'_>, release: &ReleaseId) -> u32 {
    let all: u32 = standing.shares().iter().map(|share| share.weight).sum();
    let own = standing.share_of(release);
    // A share below one percent, which people may give by hand, is traffic all the same.
    own.map_or(0, |own| (own.weight * ALL).checked_div(all).unwrap_or(0).max(own.weight.min(1)))
}

/// The percentage after this one: the next step, and at last all.
pub fn next_percent(service: &Service, percent: u32) -> u32 {
    service.traffic.steps.iter().copied().find(|step| *step > percent).unwrap_or(ALL)
}

/// The wait until the step that a release has come to has stood as long as it is to.
pub fn wait_for_step(standing: &Standing<'_>, release: &ReleaseId) -> Option<WaitFor> {
    let (service, percent) = (standing.service, percent(standing, release));
    if service.traffic.steps.is_empty() {
        return None;
    }
    let ends = standing.weights_since()? + i64::from(service.traffic.step_seconds);
    let next = next_percent(service, percent);
    (ends > standing.now).then(|| WaitFor::Step {
        release: release.clone(),
        percent,
        next,
        seconds: ends - standing.now,
    })
}

/// Weights that are none of the configured steps: somebody moved them by hand, or the config changed since.
pub fn odd_weights(standing: &Standing<'_>, release: &ReleaseId) -> Option<Concern> {
    let (service, percent) = (standing.service, percent(standing, release));
    let steps = &service.traffic.steps;
    if steps.is_empty() || steps.contains(&percent) {
        return None;
    }
    let steps: Vec<String> = steps.iter().map(|step| format!("{step} %")).collect();
    Some(Concern {
        kind: "odd-weights",
        about: format!("{release} {percent}"),
        release: Some(release.clone()),
        headline: format!(
            "{release} has {percent} % of the traffic, which is none of its steps ({})",
            steps.join(", ")
        ),
        lines: vec!["Somebody moved the weights by hand, or the config changed meanwhile.".to_owned()],
        next: vec![format!(
            "Nothing, if that was meant: promote goes on with {} % when this has stood as long as a step.",
            next_percent(service, percent)
        )],
        ..Concern::default()
    })
}

/// The configured alarms that do not exist.
pub fn missing_alarms(standing: &Standing<'_>) -> Option<Refusal> {
    let world = standing.world;
    let missing: Vec<String> =
        standing.service.alarms.iter().filter(|name| !world.alarms.contains_key(*name)).cloned().collect();
    (!missing.is_empty()).then(|| Refusal::BadConfig {
        service: standing.service.name.clone(),
        problems: missing
            .into_iter()
            .map(|name| format!("alarms: there is no alarm {name} in this account and region; make it, or take it out"))
            .collect(),
    })
}

/// The refusal of a promotion that would begin while an alarm is red, which would hide what the release does.
pub fn red_before(standing: &Standing<'_>, request: &Request, release: &ReleaseId) -> Option<Refusal> {
    let alarms = red(standing, |since| !accepted(standing, request, since));
    (!alarms.is_empty()).then(|| Refusal::AlarmsRed { release: release.clone(), alarms })
}

/// What everybody is told of a promotion that goes on though alarms are red, or were when its weights were frozen.
pub fn despite(standing: &Standing<'_>, request: &Request, release: &ReleaseId) -> Option<Concern> {
    let red: Vec<String> = red(standing, |_| true).into_iter().map(|(name, _)| name).collect();
    let (why, next) = match red.as_slice() {
        _ if !request.despite_alarms => return None,
        [] if is_frozen(standing, release) => {
            let next = "Watch it: a check that still says no, or servers that are not healthy, freeze it again.";
            ("its weights were frozen".to_owned(), next)
        }
        [] => return None,
        red => {
            (format!("{} is red", red.join(", ")), "Watch it: until it has been green again, that alarm stops nothing.")
        }
    };
    Some(Concern {
        kind: "despite-alarms",
        about: format!("{release} {}", percent(standing, release)),
        release: Some(release.clone()),
        asked_by: request.asked_by(),
        headline: match standing.traffic(release) {
            Traffic::All => format!("{release} stays product though {why}"),
            Traffic::Some | Traffic::Zero | Traffic::NotInRule => format!("{release} is being promoted though {why}"),
        },
        lines: vec!["Whoever called promote asked for that.".to_owned()],
        next: vec![next.to_owned()],
    })
}

/// Whether a release's weights stay where they are because an alarm went off, until people decide.
pub fn is_frozen(standing: &Standing<'_>, release: &ReleaseId) -> bool {
    frozen_since(standing, release).is_some()
}

pub fn frozen_since(standing: &Standing<'_>, release: &ReleaseId) -> Option<Time> {
    let has_traffic = matches!(standing.traffic(release), Traffic::All | Traffic::Some);
    let (mark, at) = standing.alarms_mark(release).filter(|_| has_traffic)?;
    (mark == Mark::Frozen).then_some(at)
}

/// What a release that has traffic does not go on for: that people decide, an alarm, or that none of its servers is healthy.
pub fn held_back(standing: &Standing<'_>, request: &Request, release: &ReleaseId) -> Option<Plan> {
    goes_on_frozen(standing, request, release)
        .or_else(|| frozen(standing, release, |_| true))
        .or_else(|| stop_for(standing, request, release, |_| true))
        .or_else(|| stop_if_sick(standing, request, release))
}

/// What was frozen goes on by a call that says so and was made after that; whatever else its alarms do meanwhile. A release that
/// has all of the traffic is frozen no more then: what goes off next, people decide anew.
pub fn goes_on_frozen(standing: &Standing<'_>, request: &Request, release: &ReleaseId) -> Option<Plan> {
    let since = frozen_since(standing, release)?;
    if !request.despite_alarms || request.started.is_some_and(|started| started < since) {
        return None;
    }
    let told = told::daily(standing, despite(standing, request, release).into_iter().collect());
    let goes_on = Stage::stop(mend::tag_alarms(standing, Mark::GoesOn, release));
    Some(Plan { stages: vec![goes_on], end: End::Look }.after(told))
}

/// The answer about frozen weights, which go on by nobody's plain call; if it counts since when they are.
fn frozen(standing: &Standing<'_>, release: &ReleaseId, counts: impl Fn(Time) -> bool) -> Option<Plan> {
    let since = frozen_since(standing, release).filter(|since| counts(*since))?;
    let (release, percent) = (release.clone(), percent(standing, release));
    Some(Plan::only(End::Fail(Failure::Frozen { release, percent, since })))
}

/// Stops a promotion whose bake is just over, when it was frozen while that lasted, or an alarm went off then and is red still: the
/// call before may have come too early to see it. What is called later is a duplicate, and changes no traffic.
pub fn stop_after_bake(standing: &Standing<'_>, request: &Request, release: &ReleaseId) -> Option<Plan> {
    let (_, over) =
        standing.baked().filter(|(baked, over)| *baked == release && standing.now - *over < STUCK_SECONDS)?;
    let in_bake = |since: Time| since <= over;
    frozen(standing, release, in_bake).or_else(|| stop_for(standing, request, release, in_bake))
}

/// Stops a promotion, or what bakes, when an alarm that counts went off since the release got its first weight.
fn stop_for(
    standing: &Standing<'_>,
    request: &Request,
    release: &ReleaseId,
    counts: impl Fn(Time) -> bool,
) -> Option<Plan> {
    let begun = standing.begun(release);
    let alarms = red(standing, |since| counts(since) && !is_excused(standing, request, release, begun, since));
    if alarms.is_empty() {
        return None;
    }
    let percent = percent(standing, release);
    let fail = |what: String, told| {
        End::Fail(Failure::AlarmWentOff { release: release.clone(), percent, alarms: alarms.clone(), what, told })
    };
    let names: Vec<String> = alarms.iter().map(|(name, reason)| format!("alarm {name}: {reason}")).collect();
    let (reason, go_on) = (names.join("; "), format!("promote {release} and \"despite_alarms\":true"));
    Some(take_back(standing, request, release, &reason, &go_on, fail))
}

/// Stops a promotion, or what bakes, of which no server is healthy, if there is something to go back to: a load balancer sends a
/// group without a healthy target its share all the same.
fn stop_if_sick(standing: &Standing<'_>, request: &Request, release: &ReleaseId) -> Option<Plan> {
    let own = standing.share_of(release)?;
    if own.group.targets.is_none() || standing.role_by_tags(release) == Some(Role::Retired) {
        // Nobody looked; or somebody gave by hand what was put away before some weight again: not ours to take.
        return None;
    }
    let missing = not_healthy_enough(standing, release).filter(|_| own.group.healthy() == 0)?;
    mend::way_back(standing, own)?;
    Some(take_back_sick(standing, request, release, &missing))
}

/// Puts traffic back from a release whose servers are not healthy.
pub fn take_back_sick(standing: &Standing<'_>, request: &Request, release: &ReleaseId, missing: &str) -> Plan {
    let percent = percent(standing, release);
    let fail = |what, told| {
        let (release, missing) = (release.clone(), missing.to_owned());
        End::Fail(Failure::Sick { release, percent, missing, what, told })
    };
    let go_on = format!("promote {release} and \"despite_alarms\":true when they are healthy");
    take_back(standing, request, release, &format!("its servers are not healthy: {missing}"), &go_on, fail)
}

/// Puts traffic back for this reason, or leaves it where it is as the config wants it, marked so, and fails; `go_on` is the call that
/// would go on nevertheless. What failed is told what became of it, and whether people were told.
pub fn take_back(
    standing: &Standing<'_>,
    request: &Request,
    release: &ReleaseId,
    reason: &str,
    go_on: &str,
    fail: impl Fn(String, bool) -> End,
) -> Plan {
    if standing.service.on_alarm == OnAlarm::Freeze {
        let what = format!(
            "The weights stay where they are (on_alarm is freeze): go on with {go_on}, or go back with teardown \
             {release} and \"action\":\"rollback\""
        );
        let stages = vec![Stage::stop(mend::tag_alarms(standing, Mark::Frozen, release))];
        return Plan { stages, end: fail(what, false) };
    }
    match rollback::switch_back(standing, request, release, reason) {
        Ok((stages, back)) => {
            let what = format!(
                "Product is {back} again, in one change; {release} is rejected. Mend it and upload a new build"
            );
            Plan { stages, end: fail(what, true) }.after(Vec::new())
        }
        Err(refusal) => Plan::only(fail(format!("{refusal}. Ship a release that mends it"), false)),
    }
}

/// The wait until a release that has all of the traffic has been watched long enough.
pub fn wait_for_bake(standing: &Standing<'_>, release: &ReleaseId) -> Option<WaitFor> {
    let (baking, until) = standing.baking()?;
    (baking == release).then(|| WaitFor::Bake { release: release.clone(), seconds: until - standing.now })
}

/// Whether the caller takes an alarm that was red before his call began as it is.
fn accepted(standing: &Standing<'_>, request: &Request, since: Time) -> bool {
    request.despite_alarms && since <= request.started.unwrap_or(standing.now)
}

/// Whether an alarm is not held against a release that has traffic: it was red before, or somebody went on despite it. Who calls
/// again and again with `despite_alarms` excuses nothing that goes off meanwhile.
fn is_excused(
    standing: &Standing<'_>,
    request: &Request,
    release: &ReleaseId,
    begun: Option<Time>,
    since: Time,
) -> bool {
    if standing.went_on_despite(release, since) {
        return true;
    }
    match (begun, request.started) {
        (Some(begun), _) => since < begun,
        // Nobody knows since when it has traffic. What a job began with is known by the job.
        (None, Some(_)) => accepted(standing, request, since),
        (None, None) => request.despite_alarms,
    }
}

fn red(standing: &Standing<'_>, counts: impl Fn(Time) -> bool) -> Vec<Red> {
    let configured = standing.world.alarms.iter().filter(|(name, _)| standing.service.alarms.contains(*name));
    configured
        .filter_map(|(name, alarm)| match alarm {
            Alarm::Red { since, reason } if counts(*since) => Some((name.clone(), reason.clone())),
            Alarm::Red { .. } | Alarm::Quiet => None,
        })
        .collect()
}
