//! What people are told of a rejected release: why, who serves now, what becomes of its servers.

use domain::id::ReleaseId;
use domain::notice::{Notice, Status};
use domain::request::{Request, Verb};
use domain::world::{Group, Health};

use crate::standing::Standing;

/// How the reason of a release begins that a newer one took the place of.
pub const SUPERSEDED: &str = "superseded by ";

/// The notice that a release was rejected: loud, for whoever shipped it, unless that is the course of things.
pub fn notice(
    standing: &Standing<'_>,
    request: &Request,
    release: &ReleaseId,
    reason: &str,
    serves: Option<&str>,
) -> Notice {
    let by_rollback = matches!(request.verb, Verb::Rollback { .. });
    let product = serves.map_or_else(|| "No release is product.".to_owned(), |serves| format!("Product is {serves}."));
    let status = if is_routine(reason) { Status::Done } else { Status::Attention };
    let is_asked_about = request.release.as_ref() == Some(release);
    let asked = request.pipeline.clone().filter(|_| is_asked_about);
    let event = if by_rollback { "rollback" } else { "rejected" };
    Notice {
        release: Some(release.clone()),
        pipeline: standing.world.pipeline_of(release).map(str::to_owned).or(asked),
        lines: vec![format!("{product} {}", becomes_of_it(standing, request, release))],
        look: look(standing),
        next: vec![next(reason).to_owned()],
        ..Notice::of(request, event, status, format!("release {release} was rejected: {reason}"))
    }
}

/// Where people see what customers get.
pub fn look(standing: &Standing<'_>) -> Vec<(String, String)> {
    standing.service.product.host.iter().map(|host| ("Product".to_owned(), host.clone())).collect()
}

/// What becomes of its servers.
pub fn becomes_of_it(standing: &Standing<'_>, request: &Request, release: &ReleaseId) -> String {
    let keep = i64::from(standing.service.keep_rejected_seconds);
    if keep == 0 || request.verb == Verb::Remove {
        return format!("The servers of {release} are drained and terminated.");
    }
    let until = standing.since(release, domain::tags::Role::Rejected).unwrap_or(standing.now) + keep;
    format!("The servers of {release} are drained, and left for a look inside until {until}.")
}

/// Whether nobody has to do anything about it.
fn is_routine(reason: &str) -> bool {
    reason.starts_with(SUPERSEDED) || reason == crate::remove::REASON
}

/// What to do next, as the reason has it: a tag is all that remembers how it came.
fn next(reason: &str) -> &'static str {
    if reason.starts_with(SUPERSEDED) {
        "Nothing: the newer release takes its place."
    } else if reason.starts_with("nobody promoted it") {
        "If it is still wanted, upload the build again; this release is not tried again."
    } else if reason == crate::remove::REASON {
        "Nothing: it goes with its service."
    } else {
        "Mend it and upload a new build; this release is not tried again."
    }
}

/// Servers that somebody took out of their group, a sentence each.
pub fn not_targets(standing: &Standing<'_>, release: &ReleaseId) -> Vec<String> {
    let Some(found) = standing.releases.get(release) else { return Vec::new() };
    let Some((group, targets)) = found.group.and_then(|group| Some((group, group.targets.as_ref()?))) else {
        return Vec::new();
    };
    found
        .running()
        .filter(|instance| targets.iter().all(|target| target.instance != instance.id))
        .map(|instance| format!("{} is no target of its group {}: register it there", instance.id, group.arn.name()))
        .collect()
}

/// What is wrong with a release's targets, a sentence each. That no rule names them any more is not.
pub fn not_healthy(standing: &Standing<'_>, release: &ReleaseId) -> Vec<String> {
    standing.releases.get(release).and_then(|found| found.group).map(not_healthy_in).unwrap_or_default()
}

/// What is wrong with a group's targets, likewise.
pub fn not_healthy_in(group: &Group) -> Vec<String> {
    let targets = group.targets.iter().flatten();
    targets
        .filter_map(|target| match &target.health {
            Health::Not(why) if why.starts_with("unused, Target group is not") => None,
            Health::Not(why) => Some(format!("{}: {why}", target.instance)),
            Health::Healthy | Health::Draining => None,
        })
        .collect()
}
