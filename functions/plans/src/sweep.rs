//! The sweep: it ends what others began, and tells what nobody asked about. Nothing is paid for twice.

use domain::id::ReleaseId;
use domain::plan::{Done, End, Plan, Stage, Step};
use domain::request::Request;
use domain::tags::{self, Role, WhichRule};
use domain::time::Time;

use crate::go::Together;
use crate::mend;
use crate::metrics;
use crate::promote::{STUCK_SECONDS, taken};
use crate::rejection;
use crate::standing::{Share, Standing, Traffic, Who};
use crate::told::{self, Concern, DAY_SECONDS};
use crate::traffic;

/// By what it is remembered that people were told of the way back's end.
const WAY_BACK_GOES: &str = "way-back-goes";
/// The sweep's period.
const PERIOD_SECONDS: i64 = 600;

/// With which of so many services a sweep begins that may not reach all of them: one begins so far from the last one, by the
/// golden ratio, that wherever each stops, no service waits for many.
#[must_use]
pub fn begins_with(services: usize, now: Time) -> usize {
    let turn = (now.seconds() / PERIOD_SECONDS).rem_euclid(1_000_000) * 618_034 % 1_000_000;
    usize::try_from(turn).unwrap_or_default().saturating_mul(services) / 1_000_000
}

/// Plans the sweep of one service.
pub fn plan(standing: &Standing<'_>, request: &Request) -> Plan {
    let rejections = reject(standing, request);
    if !rejections.is_empty() {
        return Plan { stages: rejections, end: End::Look };
    }
    let goes: Vec<&ReleaseId> = standing.releases.keys().filter(|id| goes(standing, id)).collect();
    let together = Together::next(standing, request, goes.into_iter());
    let mut concerns = together.concerns();
    concerns.extend(mend::serves_on(standing));
    concerns.extend(unhealthy(standing));
    concerns.extend(way_back_gone(standing));
    concerns.extend(way_back_goes(standing));
    concerns.extend(standing.promoting().and_then(|release| traffic::odd_weights(standing, release)));
    concerns.extend(nobody_moves(standing));
    concerns.extend(nobody_decides(standing));
    concerns.extend(taken_away(standing));
    concerns.extend(alarms_missing(standing));
    concerns.extend(product_without_rule(standing));
    let told = told::daily(standing, concerns);
    let name = &standing.service.name;
    let end = |_: &_| End::Done(Done { headline: format!("{name} is swept"), ..Done::default() });
    together.plan(end).then(told)
}

/// Whether a release is to go: rejected, or retired and out of a rule that sends another one traffic.
fn goes(standing: &Standing<'_>, release: &ReleaseId) -> bool {
    if !standing.stands(release) {
        return false;
    }
    match standing.role_by_tags(release) {
        Some(Role::Rejected) => true,
        Some(Role::Retired) => match standing.traffic(release) {
            Traffic::NotInRule => standing.product_share().is_some(),
            // A finish that was cut off after it kept product.
            Traffic::Zero => {
                let kept = standing.product_release().is_some_and(|product| standing.has_tag(product, tags::KEPT));
                let over = way_back_ends(standing, release).is_some_and(|at| at <= standing.now);
                // By a sweep before this one.
                let told = told::told_at(standing, WAY_BACK_GOES, release.as_str())
                    .is_some_and(|at| standing.now - at >= PERIOD_SECONDS / 2);
                kept || (standing.under_way().is_none() && over && told)
            }
            Traffic::All | Traffic::Some => false,
        },
        Some(Role::PreProduct | Role::Product) | None => false,
    }
}

/// Until when a retired release is kept at most; as long as need be while people decide about product.
fn way_back_ends(standing: &Standing<'_>, release: &ReleaseId) -> Option<Time> {
    let ttl = i64::from(standing.service.retired_ttl_seconds?);
    if standing.product_release().is_some_and(|product| traffic::is_frozen(standing, product)) {
        return None;
    }
    Some(standing.since(release, Role::Retired)? + ttl)
}

/// The way back is about to go: people are told while they can still use it.
fn way_back_goes(standing: &Standing<'_>) -> Option<Concern> {
    let ttl = i64::from(standing.service.retired_ttl_seconds?);
    // An adopted group is nobody's release, and stays until finish.
    let Who::Release(release) = &standing.behind()?.who else { return None };
    let ends = way_back_ends(standing, release)?;
    let soon = (ttl / 4).min(DAY_SECONDS);
    // Nothing goes without a sweep that told it before; one that comes late tells it of the next.
    let when = if ends > standing.now { format!("at {ends}") } else { "with the next sweep".to_owned() };
    (ends - standing.now <= soon).then(|| Concern {
        kind: WAY_BACK_GOES,
        about: release.to_string(),
        release: Some(release.clone()),
        headline: format!("{release}, the way back, goes {when}"),
        lines: vec![format!("It has been kept for retired_ttl_seconds then, which is {} hours.", ttl / 3_600)],
        next: vec![
            "Roll back before that if there is a reason to; else nothing: from then on the next release is the way forward."
                .to_owned(),
        ],
        ..Concern::default()
    })
}

/// Pre-product releases that nobody is going to promote: their execution is over, they are too old, or their servers
/// are gone.
fn reject(standing: &Standing<'_>, request: &Request) -> Vec<Stage> {
    let mut stages = Vec::new();
    let waiting = standing.others(None, Role::PreProduct).filter(|id| standing.is_before_customers(id));
    for release in waiting {
        let Some(reason) = why_over(standing, release) else { continue };
        stages.push(Stage::stop(mend::tag_rejected(standing, release, &reason)));
        for rule in standing.pre_product.iter().filter(|rule| standing.forwards_to(rule) == Some(release)) {
            stages.push(Stage::stop(vec![Step::DeleteRule { rule: rule.arn.clone(), which: WhichRule::PreProduct }]));
        }
        stages.extend(mend::tell_rejected(standing, request, release, &reason, None));
    }
    stages.retain(|stage| !stage.steps.is_empty());
    stages
}

fn why_over(standing: &Standing<'_>, release: &ReleaseId) -> Option<String> {
    if let Some(end) = standing.world.executions_over.get(release.as_str()) {
        return Some(format!("its pipeline execution is {end}"));
    }
    let ttl = i64::from(standing.service.pre_product_ttl_seconds);
    let old = standing.since(release, Role::PreProduct).is_some_and(|since| standing.now - since > ttl);
    if old {
        return Some(format!("nobody promoted it for {} hours", ttl / 3_600));
    }
    let found = standing.releases.get(release)?;
    (found.group.is_some() && found.standing_instances().next().is_none()).then(|| "its servers are gone".to_owned())
}

fn unhealthy(standing: &Standing<'_>) -> Option<Concern> {
    let share = standing.product_share()?;
    let (healthy, asked) = (share.group.healthy(), standing.asked(&share.who));
    let wanted = standing.service.wanted_healthy(asked);
    if healthy >= wanted {
        return None;
    }
    Some(Concern {
        kind: "product-unhealthy",
        release: share.who.release().cloned(),
        headline: format!("product has {healthy} of {asked} servers healthy ({})", share.who),
        lines: what_ails(standing, share),
        next: vec![
            "Look at its servers; nothing was changed. A rollback is possible while the way back stands.".to_owned(),
        ],
        ..Concern::default()
    })
}

/// What is wrong with the servers behind a share, a sentence each.
fn what_ails(standing: &Standing<'_>, share: &Share<'_>) -> Vec<String> {
    let mut words = rejection::not_healthy_in(share.group);
    words.extend(share.who.release().into_iter().flat_map(|release| rejection::not_targets(standing, release)));
    words
}

fn way_back_gone(standing: &Standing<'_>) -> Option<Concern> {
    let back = standing.behind().filter(|_| metrics::of_standing(standing).is_some_and(|found| !found.ready))?;
    let (healthy, asked) = (back.group.healthy(), standing.asked(&back.who));
    Some(Concern {
        kind: "way-back-unhealthy",
        release: back.who.release().cloned(),
        headline: format!("{}, the way back, has {healthy} of {asked} servers healthy", back.who),
        lines: std::iter::once("A rollback might be refused now.".to_owned())
            .chain(what_ails(standing, back))
            .collect(),
        next: vec![
            "Look at its servers, or keep the product release with teardown ({\"action\":\"finish\"}).".to_owned(),
        ],
        ..Concern::default()
    })
}

fn nobody_moves(standing: &Standing<'_>) -> Option<Concern> {
    let promoting = standing.promoting()?;
    let service = standing.service;
    let step = i64::from(service.traffic.step_seconds.max(service.bake_seconds));
    let stands = standing.weights_since().map_or(0, |since| standing.now - since);
    let despite = if traffic::is_frozen(standing, promoting) { " with {\"despite_alarms\":true}" } else { "" };
    (stands > step + STUCK_SECONDS).then(|| Concern {
        kind: "promotion-stuck",
        release: Some(promoting.clone()),
        headline: format!("{promoting} has had some of the traffic for {} minutes, and nobody moves it", stands / 60),
        lines: Vec::new(),
        next: vec![format!(
            "Call promote {promoting}{despite}, or teardown {promoting} with {{\"action\":\"rollback\"}}."
        )],
        ..Concern::default()
    })
}

/// Somebody ended a promotion by hand. Its release stands, and waits for a word.
fn taken_away(standing: &Standing<'_>) -> Option<Concern> {
    let release = standing.others(None, Role::PreProduct).find(|id| standing.is_taken_away(id))?;
    Some(Concern {
        kind: "taken-away",
        about: release.to_string(),
        release: Some(release.clone()),
        headline: format!("somebody took the traffic of {release} away by hand"),
        lines: std::iter::once("It was being promoted. It gets no more traffic, and is no way back.".to_owned())
            .chain(still_sticks(standing, release))
            .collect(),
        next: vec![format!(
            "Call teardown {release} with {{\"action\":\"rollback\"}}; or give it its weight again by hand, then promote {release}."
        )],
        ..Concern::default()
    })
}

/// A cookie outlives a weight of 0, and no group that left the rule.
fn still_sticks(standing: &Standing<'_>, release: &ReleaseId) -> Option<String> {
    standing.service.traffic.stickiness_seconds.filter(|_| standing.traffic(release) == Traffic::Zero)?;
    Some(
        "Customers who have the cookie of its steps still get it, unless the rule's stickiness was switched off."
            .to_owned(),
    )
}

/// People were asked, and have not said what becomes of a release that customers get, all of them. What is only being promoted is
/// told as that nobody moves it.
fn nobody_decides(standing: &Standing<'_>) -> Option<Concern> {
    let product = standing.product_release().filter(|product| standing.traffic(product) == Traffic::All)?;
    let since = traffic::frozen_since(standing, product).filter(|since| standing.now - *since >= DAY_SECONDS)?;
    Some(Concern {
        kind: "undecided",
        release: Some(product.clone()),
        headline: format!("{product} has been frozen since {since}, and nobody decides"),
        lines: vec!["Its way back stands for as long as that, and is paid for.".to_owned()],
        next: vec![format!(
            "Call promote {product} with {{\"despite_alarms\":true}}, or teardown {product} with {{\"action\":\"rollback\"}}."
        )],
        ..Concern::default()
    })
}

/// An alarm that is not there stops nothing.
fn alarms_missing(standing: &Standing<'_>) -> Option<Concern> {
    let refusal = traffic::missing_alarms(standing)?;
    Some(Concern {
        kind: "alarms-missing",
        headline: "alarms that the config names do not exist".to_owned(),
        lines: vec![format!("{refusal}.")],
        next: vec![
            "Until then no release can be promoted, and what is product is watched by the others alone.".to_owned(),
        ],
        ..Concern::default()
    })
}

fn product_without_rule(standing: &Standing<'_>) -> Option<Concern> {
    let lost = standing.others(None, Role::Product).find(|id| standing.traffic(id) == Traffic::NotInRule)?;
    if let Some((rule, _)) = standing.untagged_rule() {
        return Some(told::strange_rule(taken(standing, rule).to_string()));
    }
    let else_what = match standing.product_rule() {
        Some(_) => "point the product rule at it by hand".to_owned(),
        None => format!("call register {lost}, then promote {lost}, and the rule is made again"),
    };
    Some(Concern {
        kind: "product-without-rule",
        release: Some(lost.clone()),
        headline: format!("{lost} is tagged product, and no product rule names it"),
        lines: vec!["Its servers are left running: nobody retired or rejected it.".to_owned()],
        next: vec![format!("If it is to go, call teardown {lost} with {{\"action\":\"rollback\"}}; else {else_what}.")],
        ..Concern::default()
    })
}
