//! What every call puts right before its own row: rejected releases lose what they serve, tags and names follow traffic.

use domain::plan::{End, Plan, Stage, Step};
use domain::request::{Request, Verb};
use domain::tags::{self, Mark, Read, Role, Tags, WhichRule};
use domain::time::Time;
use domain::world::{Group, InstanceState, Weighted, weights_hash};

use crate::standing::{Share, Standing, Traffic, Who, forward};
use crate::told::Concern;
use crate::{names, rejection};
use domain::id::ReleaseId;

/// All of the weight. The others have 0.
pub const ALL: u32 = 100;

/// A rejected release that serves loses that first; then the world is looked at again.
pub fn urgent(standing: &Standing<'_>, request: &Request) -> Option<Plan> {
    let mut steps = Vec::new();
    for rule in &standing.pre_product {
        let extra = standing.pre_product.first().is_some_and(|first| first.arn != rule.arn);
        if extra || standing.only_group(rule).is_some_and(|(release, _)| standing.is_rejected(release)) {
            steps.push(Step::DeleteRule { rule: rule.arn.clone(), which: WhichRule::PreProduct });
        }
    }
    if !steps.is_empty() {
        return Some(Plan::new(vec![steps], End::Look));
    }
    if request.verb == Verb::Remove {
        return None;
    }
    let (rule, shares) = standing.product_rule()?;
    // Of several that somebody gave weight by hand, what takes over is measured against the healthiest.
    let bad = shares.iter().filter(|share| share.weight > 0 && standing.is_bad(share));
    let bad = bad.max_by_key(|share| share.group.healthy())?;
    let back = way_back(standing, bad)?;
    let forward = back_to(standing, bad, back.share);
    Some(Plan::new(
        vec![
            vec![Step::ModifyRule {
                rule: rule.arn.clone(),
                which: WhichRule::Product,
                forward: forward.clone(),
                conditions: None,
                sticky_seconds: None,
            }],
            vec![Step::ReadBack { rule: rule.arn.clone(), which: WhichRule::Product, forward }],
        ],
        End::Look,
    ))
}

/// What may follow later if it cannot now: tags, the rule's `since`, names, the pre-product rule of what is product.
pub fn follow(standing: &Standing<'_>, request: &Request) -> Vec<Stage> {
    let mut steps = in_a_rule_again(standing);
    if let Some((rule, shares)) = standing.product_rule() {
        for share in shares {
            let Who::Release(release) = &share.who else { continue };
            match (standing.traffic(release), standing.is_rejected(release)) {
                (_, true) | (Traffic::Some | Traffic::NotInRule, false) => {}
                (Traffic::All, false) => steps.extend(tag_role(standing, release, Role::Product)),
                // What was never product does not retire, and is no way back.
                (Traffic::Zero, false) if standing.is_taken_away(release) => {}
                (Traffic::Zero, false) => steps.extend(tag_role(standing, release, Role::Retired)),
            }
        }
        let hash = weights_hash(&forward(shares));
        if rule.tags.value(tags::SINCE).and_then(|v| tags::read_weights_since(v, &hash)).is_none() {
            // Who gave a release its first weight was cut off before this could be written.
            let begins = standing.promoting().filter(|release| standing.begun(release).is_none());
            steps.push(match begins {
                Some(release) => tag_begun(rule.arn.clone(), standing, &forward(shares), release),
                None => tag_weights(rule.arn.clone(), standing, &forward(shares)),
            });
        }
    }
    for release in standing.releases.keys().filter(|release| standing.is_rejected(release)) {
        steps.extend(spread_rejection(standing, release));
    }
    for rule in &standing.pre_product {
        if standing.forwards_to(rule).is_some_and(|release| standing.traffic(release) == Traffic::All) {
            steps.push(Step::DeleteRule { rule: rule.arn.clone(), which: WhichRule::PreProduct });
        }
    }
    if request.verb != Verb::Remove {
        steps.extend(names::follow(standing, standing.product_who().as_ref(), true));
    }
    if steps.is_empty() { Vec::new() } else { vec![Stage::follow(steps)] }
}

/// A group that a rule of ours names again, by somebody's hand as a rule: since when it was out says nothing any more of
/// when it leaves next.
pub fn in_a_rule_again(standing: &Standing<'_>) -> Vec<Step> {
    let was_out = |group: &&Group| group.tags.value(tags::OUT).and_then(Time::parse).is_some();
    let groups = standing.releases.values().flat_map(|release| release.groups());
    groups
        .filter(|group| standing.in_a_rule(&group.arn))
        .filter(was_out)
        .map(|group| Step::TagGroup {
            group: group.arn.clone(),
            tags: Tags::from([(tags::OUT.to_owned(), "in a rule again".to_owned())]),
        })
        .collect()
}

/// The rejected release that serves on for want of anything else, as a concern of the day.
pub fn serves_on(standing: &Standing<'_>) -> Option<Concern> {
    let bad = standing.shares().iter().find(|share| share.weight > 0 && standing.is_bad(share))?;
    Some(Concern {
        kind: "rejected-serves",
        release: bad.who.release().cloned(),
        headline: format!("release {} was rejected and serves on: there is nothing to go back to", bad.who),
        lines: vec!["No other release of the product rule stands and is healthy enough to take over.".to_owned()],
        next: vec!["Ship a new release now; its promote takes the rejected one out of the rule.".to_owned()],
        ..Concern::default()
    })
}

/// What a rollback would go back to.
pub struct WayBack<'s, 'a> {
    /// Its share of the product rule.
    pub share: &'s Share<'a>,
    /// Healthy targets of it.
    pub healthy: usize,
    /// How many were asked for.
    pub asked: usize,
    /// Whether that is as many as a promote would want.
    pub full: bool,
}

/// What a rollback of this share goes back to, if it stands and is healthy enough: as many healthy targets as asked
/// for, or at least one and no fewer than the bad one has.
pub fn way_back<'s, 'a>(standing: &'s Standing<'a>, bad: &Share<'a>) -> Option<WayBack<'s, 'a>> {
    let candidates = standing.shares().iter().filter(|s| s.group.arn != bad.group.arn && standing.may_take_over(s));
    let best = candidates.max_by_key(|s| (s.weight, s.group.healthy()))?;
    let healthy = best.group.healthy();
    let asked = standing.asked(&best.who);
    let full = healthy >= standing.service.wanted_healthy(asked);
    (full || (healthy >= 1 && healthy >= bad.group.healthy())).then_some(WayBack { share: best, healthy, asked, full })
}

/// The weights of a rollback: all to what it goes back to; the bad one leaves the rule, with whatever else is rejected.
pub fn back_to(standing: &Standing<'_>, bad: &Share<'_>, back: &Share<'_>) -> Vec<Weighted> {
    let stays = |share: &&Share<'_>| share.group.arn != bad.group.arn && !standing.is_bad(share);
    let weight = |share: &Share<'_>| if share.group.arn == back.group.arn { ALL } else { 0 };
    let weighted = |share: &Share<'_>| Weighted { group: share.group.arn.clone(), weight: weight(share) };
    standing.shares().iter().filter(stays).map(weighted).collect()
}

/// Writes a role where it does not stand yet; the earliest `since` of the role counts, and is copied.
pub fn tag_role(standing: &Standing<'_>, release: &ReleaseId, role: Role) -> Vec<Step> {
    let since = standing.since(release, role).unwrap_or(standing.now);
    let tags = tags::role_tags(&standing.service.name, role, since);
    tag_all(standing, release, &tags, |found| found.role() == Some(role))
}

/// Writes a role on everything a release has, whatever stands there: what was mended before it may differ.
pub fn tag_role_anew(standing: &Standing<'_>, release: &ReleaseId, role: Role) -> Vec<Step> {
    let since = standing.since(release, role).unwrap_or(standing.now);
    tag_all(standing, release, &tags::role_tags(&standing.service.name, role, since), |_| false)
}

/// Rejects a release on everything it has.
pub fn tag_rejected(standing: &Standing<'_>, release: &ReleaseId, reason: &str) -> Vec<Step> {
    let since = standing.since(release, Role::Rejected).unwrap_or(standing.now);
    let tags = tags::rejected_tags(&standing.service.name, since, reason);
    tag_all(standing, release, &tags, |found| found.role() == Some(Role::Rejected))
}

/// Rejects a release for this reason, whatever reason stands on it.
pub fn tag_rejected_anew(standing: &Standing<'_>, release: &ReleaseId, reason: &str) -> Vec<Step> {
    let since = standing.since(release, Role::Rejected).unwrap_or(standing.now);
    let tags = tags::rejected_tags(&standing.service.name, since, reason);
    let reason = tags.get(tags::REASON).cloned();
    tag_all(standing, release, &tags, |found| found.value(tags::REASON) == reason.as_deref())
}

/// Remembers on everything a release has that its people were told.
pub fn tag_told(standing: &Standing<'_>, release: &ReleaseId) -> Vec<Step> {
    let tags = Tags::from([(tags::TOLD.to_owned(), standing.now.to_string())]);
    tag_all(standing, release, &tags, |found| found.contains_key(tags::TOLD))
}

fn spread_rejection(standing: &Standing<'_>, release: &ReleaseId) -> Vec<Step> {
    let reason = standing.reason(release).unwrap_or_else(|| "rejected".to_owned());
    tag_rejected(standing, release, &reason)
}

fn tag_all(standing: &Standing<'_>, release: &ReleaseId, tags: &Tags, stands: impl Fn(&Tags) -> bool) -> Vec<Step> {
    let Some(found) = standing.releases.get(release) else { return Vec::new() };
    // A rejection is written on what is terminated too: it may be all that is left to say so when the rest has gone.
    let is_rejection = tags.role() == Some(Role::Rejected);
    let tagged = found.instances.iter().filter(|i| is_rejection || i.state != InstanceState::Terminated);
    let instances: Vec<_> = tagged.filter(|i| !stands(&i.tags)).map(|i| i.id.clone()).collect();
    let mut steps = Vec::new();
    if !instances.is_empty() {
        steps.push(Step::TagInstances { instances, tags: tags.clone() });
    }
    let groups = found.groups().filter(|group| !stands(&group.tags));
    steps.extend(groups.map(|group| Step::TagGroup { group: group.arn.clone(), tags: tags.clone() }));
    steps
}

/// Writes on the product rule since when these weights stand: now.
pub fn tag_weights(rule: domain::id::RuleArn, standing: &Standing<'_>, forward: &[Weighted]) -> Step {
    let hash = weights_hash(forward);
    // A promotion that goes on from step to step began when its release got the first of its weight; that one was taken away
    // is known by it, too.
    let weighted = |release: &&ReleaseId| {
        let mut groups = standing.releases.get(*release).into_iter().flat_map(|found| found.groups());
        groups.any(|group| forward.iter().any(|w| w.weight > 0 && w.group == group.arn))
    };
    let before = standing.product_rule().and_then(|(rule, _)| rule.tags.value(tags::SINCE));
    let knows = |release: &&ReleaseId| weighted(release) || standing.is_taken_away(release);
    let begun = standing.releases.keys().filter(knows).find_map(|id| Some((tags::read_begun(before?, id)?, id)));
    let value = match begun {
        Some((begun, release)) => tags::weights_since_begun(standing.now, &hash, begun, release),
        None => tags::weights_since(standing.now, &hash),
    };
    Step::TagRule { rule, tags: Tags::from([(tags::SINCE.to_owned(), value)]) }
}

/// Writes on the product rule that a release got the first of its weight now.
pub fn tag_begun(
    rule: domain::id::RuleArn,
    standing: &Standing<'_>,
    forward: &[Weighted],
    release: &ReleaseId,
) -> Step {
    let value = tags::weights_since_begun(standing.now, &weights_hash(forward), standing.now, release);
    Step::TagRule { rule, tags: Tags::from([(tags::SINCE.to_owned(), value)]) }
}

/// Writes on the product rule how a release's promotion stands to its alarms from now on.
pub fn tag_alarms(standing: &Standing<'_>, mark: Mark, release: &ReleaseId) -> Vec<Step> {
    let value = tags::alarms(mark, standing.now, release);
    let rule = standing.product_rule().map(|(rule, _)| rule.arn.clone());
    rule.map(|rule| Step::TagRule { rule, tags: Tags::from([(tags::ALARMS.to_owned(), value)]) }).into_iter().collect()
}

/// Tells the people of a rejected release, and remembers it; nothing, if they were told.
pub fn tell_rejected(
    standing: &Standing<'_>,
    request: &Request,
    release: &ReleaseId,
    reason: &str,
    more: Option<String>,
) -> Vec<Stage> {
    if standing.has_tag(release, tags::TOLD) {
        return Vec::new();
    }
    let product = standing.product_share().filter(|share| share.who != Who::Release(release.clone()));
    let product = product.map(|share| share.who.to_string());
    let mut notice = rejection::notice(standing, request, release, reason, product.as_deref());
    notice.lines.extend(more);
    notice.lines.extend(rejection::not_healthy(standing, release));
    vec![Stage::stop(vec![Step::Tell(Box::new(notice))]), Stage::follow(tag_told(standing, release))]
}
