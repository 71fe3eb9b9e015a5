//! `promote`: the product rule forwards to the release that QA saw, and to nothing else with weight.

use domain::check::Phase;
use domain::id::ReleaseId;
use domain::plan::{Done, End, NewRule, Plan, Stage, Step};
use domain::refusal::{Failure, Refusal, WaitFor};
use domain::request::Request;
use domain::tags::{self, Read, Role, WhichRule};
use domain::world::{Conditions, Rule, Target, Weighted};

use crate::mend::{self, ALL};
use crate::names;
use crate::rejection::{self, SUPERSEDED};
use crate::standing::{ProductRule, Share, Standing, Traffic, Who};
use crate::told::Concern;
use crate::{checks, fingerprint, traffic};

/// How much longer than their step or bake weights may stand before a promotion counts as left by whoever began it.
pub const STUCK_SECONDS: i64 = 600;

/// Plans a promote of this release.
pub fn plan(standing: &Standing<'_>, request: &Request, release: &ReleaseId) -> Plan {
    if let Some(plan) = refuse_rejected(standing, release) {
        return plan;
    }
    if standing.is_taken_away(release) {
        return taken_away(standing, release);
    }
    let traffic = standing.traffic(release);
    // What was product before has some of the weight too, and its call is late.
    let goes_on = traffic == Traffic::Some && !standing.gives_way(release);
    if !goes_on && let Some(plan) = wait_for_promotion(standing, release) {
        return plan;
    }
    match traffic {
        Traffic::All => return watched(standing, request, release),
        Traffic::Zero => return retired(standing, release),
        Traffic::NotInRule if standing.role_by_tags(release) == Some(Role::Retired) => {
            return retired(standing, release);
        }
        Traffic::Some => {
            if let Some(plan) = traffic::held_back(standing, request, release) {
                return plan;
            }
            if let Some(wait) = traffic::wait_for_step(standing, release) {
                return Plan::only(End::Wait(wait)).then(tell(standing, traffic::odd_weights(standing, release)));
            }
        }
        Traffic::NotInRule => {
            let seen = standing.pre_product.first().and_then(|rule| standing.forwards_to(rule));
            if seen != Some(release) {
                let seen = seen.map(ToString::to_string);
                return Plan::only(End::Refuse(Refusal::NotSeenByQa { release: release.clone(), seen }));
            }
            let changed = fingerprint::changed(standing, request, release);
            if let Some(refusal) = changed.or_else(|| traffic::red_before(standing, request, release)) {
                return Plan::only(End::Refuse(refusal));
            }
        }
    }
    if let Some(refusal) = traffic::missing_alarms(standing).or_else(|| other_listener(standing)) {
        return Plan::only(End::Refuse(refusal));
    }
    // Nobody waits for health where the priority is somebody else's.
    if let Some(rule) = in_the_way(standing) {
        return Plan::only(End::Refuse(taken(standing, rule)));
    }
    if let Some(missing) = not_healthy_enough(standing, release) {
        let end = wait_for_health(standing, request, release, missing.clone());
        let newcomer = traffic == Traffic::Some && standing.role_by_tags(release) == Some(Role::PreProduct);
        return if newcomer && matches!(end, End::Fail(_)) {
            traffic::take_back_sick(standing, request, release, &missing)
        } else {
            Plan::only(end)
        };
    }
    let phase = match traffic {
        Traffic::Some => Phase::Step(traffic::percent(standing, release)),
        Traffic::NotInRule | Traffic::Zero | Traffic::All => Phase::Promote,
    };
    if let Some(plan) = checks::obstacle(standing, request, release, phase) {
        return plan;
    }
    match &standing.product {
        ProductRule::Taken(rule) => Plan::only(End::Refuse(taken(standing, rule))),
        ProductRule::None => first_rule(standing, request, release),
        ProductRule::Ours { rule, shares } => switch(standing, request, release, rule, shares),
    }
}

/// The answer to a call about a rejected release; every verb but a rollback gives it.
pub fn refuse_rejected(standing: &Standing<'_>, release: &ReleaseId) -> Option<Plan> {
    standing.is_rejected(release).then(|| {
        let refusal = Refusal::Rejected { release: release.clone(), reason: standing.reason(release) };
        Plan::only(End::Refuse(refusal))
            .then(crate::told::daily(standing, mend::serves_on(standing).into_iter().collect()))
    })
}

/// The answer while another release is being promoted: wait, and at last refuse, with the calls that end it.
pub fn wait_for_promotion(standing: &Standing<'_>, release: &ReleaseId) -> Option<Plan> {
    if standing.under_way() == Some(release) { None } else { wait_for_any_promotion(standing) }
}

/// The answer while any release is being promoted. It does not wait for ever: nobody may be moving the weights.
pub fn wait_for_any_promotion(standing: &Standing<'_>) -> Option<Plan> {
    let promoting = standing.under_way()?.clone();
    let service = standing.service;
    let stands = standing.weights_since().map_or(0, |since| standing.now - since);
    let step = i64::from(service.traffic.step_seconds.max(service.bake_seconds));
    Some(Plan::only(if stands > step + STUCK_SECONDS {
        let frozen = traffic::is_frozen(standing, &promoting);
        End::Refuse(Refusal::PromotionStuck { promoting, minutes: stands / 60, frozen })
    } else {
        End::Wait(WaitFor::Promotion { promoting })
    }))
}

/// It has all of the weight: watched for as long as it bakes, then done.
fn watched(standing: &Standing<'_>, request: &Request, release: &ReleaseId) -> Plan {
    let done = already(standing, release);
    let Some(wait) = traffic::wait_for_bake(standing, release) else {
        let goes_on = traffic::goes_on_frozen(standing, request, release);
        return goes_on.or_else(|| traffic::stop_after_bake(standing, request, release)).unwrap_or(done);
    };
    let check = || checks::obstacle(standing, request, release, Phase::Step(ALL));
    let obstacle = traffic::held_back(standing, request, release).or_else(check);
    obstacle.unwrap_or(Plan { end: End::Wait(wait), ..done })
}

fn tell(standing: &Standing<'_>, concern: Option<Concern>) -> Vec<Stage> {
    crate::told::daily(standing, concern.into_iter().collect())
}

/// The answer about a release whose traffic somebody took away by hand.
pub fn taken_away(standing: &Standing<'_>, release: &ReleaseId) -> Plan {
    let product = standing.product_release().cloned();
    Plan::only(End::Refuse(Refusal::TakenAway { release: release.clone(), product }))
}

fn retired(standing: &Standing<'_>, release: &ReleaseId) -> Plan {
    let product = standing.product_release().cloned();
    Plan::only(End::Refuse(Refusal::PromoteRetired { release: release.clone(), product }))
}

/// Product runs behind a listener that is not the configured one: a second rule beside it would split customers.
fn other_listener(standing: &Standing<'_>) -> Option<Refusal> {
    let configured = &standing.service.listener_arn;
    let product = standing.others(None, Role::Product).next()?;
    let there = standing.tags_of(product).find_map(|tags| tags.value(tags::LISTENER))?;
    (there != configured.as_str()).then(|| Refusal::ListenerChanged {
        there: domain::id::ListenerArn::new(there),
        configured: configured.clone(),
    })
}

/// How many of a release's targets are healthy and what ails the others, where they are fewer than asked for.
pub fn not_healthy_enough(standing: &Standing<'_>, release: &ReleaseId) -> Option<String> {
    let group = standing.releases.get(release).and_then(|r| r.group);
    let healthy = group.map(|g| g.healthy()).unwrap_or_default();
    let wanted = standing.service.wanted_healthy(standing.asked(&Who::Release(release.clone())));
    if healthy >= wanted {
        return None;
    }
    let mut missing = format!("{healthy} of {wanted} are healthy");
    for why in rejection::not_healthy(standing, release).into_iter().chain(rejection::not_targets(standing, release)) {
        missing.push_str(&format!("; {why}"));
    }
    Some(missing)
}

/// Waits for targets, as long as the config says: counted from when the job may work; for direct callers from when the release's
/// group was made or the last of its servers launched, which may have taken a dead one's place, and not before each was checked.
pub fn wait_for_health(standing: &Standing<'_>, request: &Request, release: &ReleaseId, missing: String) -> End {
    let limit = standing.service.health_timeout_seconds;
    let check = &standing.service.health_check;
    let group = standing.releases.get(release).and_then(|r| r.group);
    let launched = standing.releases.get(release).into_iter().flat_map(|found| found.alive()).map(|i| i.tags.since());
    let made = launched.chain([group.and_then(|group| group.tags.since())]).flatten().max();
    let targets = group.and_then(|group| group.targets.as_ref()).into_iter().flatten();
    let has_new = request.started.is_none() && targets.into_iter().any(Target::is_new);
    // From step to step a promotion may take hours: its patience is counted from the end of the step that stands.
    let step_over = standing.weights_since().filter(|_| standing.promoting() == Some(release));
    let step_over = step_over.map(|since| since + i64::from(standing.service.traffic.step_seconds));
    let step_over = step_over.map(|over| request.kept_until.map_or(over, |kept| over.max(kept)));
    match step_over.or(request.works_since()).or(made) {
        Some(began) if !has_new && standing.now - began >= i64::from(limit) => End::Fail(Failure::NotHealthy {
            release: release.clone(),
            seconds: i64::from(limit),
            missing,
            check: format!("{} {} on port {}, {}", check.protocol, check.path, standing.service.port, check.matcher),
        }),
        _ => End::Wait(WaitFor::Targets { release: release.clone(), missing }),
    }
}

/// The rule that is not our product rule and stands at its priority.
fn in_the_way<'a>(standing: &Standing<'a>) -> Option<&'a Rule> {
    let ours = standing.product_rule().map(|(rule, _)| &rule.arn);
    let at_priority = |rule: &&Rule| rule.priority == standing.service.product.priority && Some(&rule.arn) != ours;
    standing.world.rules.iter().find(at_priority)
}

/// The refusal where the product rule's priority is not ours.
pub fn taken(standing: &Standing<'_>, rule: &Rule) -> Refusal {
    let service = &standing.service.name;
    Refusal::PriorityTaken {
        which: WhichRule::Product,
        priority: rule.priority,
        rule: rule.arn.clone(),
        how: format!(
            "To adopt it, take it out of its stack (DeletionPolicy: Retain), then tag it pointsman:service={service} and pointsman:rule=product; or configure another priority"
        ),
    }
}

/// There is no product rule yet: it is made, with the release that tags name product as the way back.
fn first_rule(standing: &Standing<'_>, request: &Request, release: &ReleaseId) -> Plan {
    let Some(group) = standing.releases.get(release).and_then(|r| r.group) else { return retired(standing, release) };
    let mut forward = vec![Weighted { group: group.arn.clone(), weight: ALL }];
    let before = standing.product_release().filter(|id| *id != release);
    if let Some(before) = before.and_then(|id| standing.releases.get(id)).and_then(|r| r.group) {
        forward.push(Weighted { group: before.arn.clone(), weight: 0 });
    }
    let service = standing.service;
    let mut tags = tags::rule_tags(&service.name, WhichRule::Product, &service.tags);
    let since = tags::weights_since(standing.now, &domain::world::weights_hash(&forward));
    tags.insert(tags::SINCE.to_owned(), since);
    let rule = NewRule {
        listener: service.listener_arn.clone(),
        which: WhichRule::Product,
        priority: service.product.priority,
        conditions: service.product.conditions.clone(),
        forward,
        tags,
    };
    // What follows the switch is mended at the next look, when the rule is there to be read back.
    let told = tell(standing, traffic::despite(standing, request, release));
    Plan::new(vec![vec![Step::CreateRule(Box::new(rule))]], End::Look).after(told)
}

/// One `ModifyRule` gives the release its next share of the weight, as a rule all of it; what was product stays behind it with
/// the rest, at last with 0, the way back.
fn switch(standing: &Standing<'_>, request: &Request, release: &ReleaseId, rule: &Rule, shares: &[Share<'_>]) -> Plan {
    let Some(group) = standing.releases.get(release).and_then(|r| r.group) else { return retired(standing, release) };
    let before = shares
        .iter()
        .find(|share| share.weight > 0 && share.who != Who::Release(release.clone()) && !standing.is_bad(share));
    let service = standing.service;
    // Beside a rejected release that serves on nothing was well enough to take over: this one takes all at once.
    let bad = shares.iter().any(|share| share.weight > 0 && standing.is_bad(share));
    let percent = match before {
        Some(_) if !bad => traffic::next_percent(service, traffic::percent(standing, release)),
        Some(_) | None => ALL,
    };
    let mut forward = vec![Weighted { group: group.arn.clone(), weight: percent }];
    forward.extend(before.map(|share| Weighted { group: share.group.arn.clone(), weight: ALL - percent }));
    let which = WhichRule::Product;
    let mut stages = Vec::new();
    let leaves = shares.iter().filter(|share| !forward.iter().any(|w| w.group == share.group.arn));
    let first: Vec<Step> = leaves
        .filter_map(|share| match &share.who {
            Who::Release(id) if standing.is_taken_away(id) => {
                Some(mend::tag_rejected(standing, id, &format!("{SUPERSEDED}{release}")))
            }
            Who::Release(id) if !standing.is_rejected(id) => Some(mend::tag_role(standing, id, Role::Retired)),
            Who::Release(_) | Who::Adopted => None,
        })
        .flatten()
        .collect();
    stages.push(Stage::stop(first));
    if rule.priority != service.product.priority {
        let priority = service.product.priority;
        stages.push(Stage::stop(vec![Step::MoveRule { rule: rule.arn.clone(), which, priority }]));
    }
    let conditions = wanted_conditions(rule, &service.product.conditions);
    stages.push(Stage::stop(vec![Step::ModifyRule {
        rule: rule.arn.clone(),
        which,
        forward: forward.clone(),
        conditions,
        // It ends with the last step: a customer's cookie would outlive a weight of 0.
        sticky_seconds: service.traffic.stickiness_seconds.filter(|_| percent < ALL),
    }]));
    stages.push(Stage::stop(vec![Step::ReadBack { rule: rule.arn.clone(), which, forward: forward.clone() }]));
    let begins = standing.traffic(release) != Traffic::Some;
    let since = if begins && percent < ALL {
        mend::tag_begun(rule.arn.clone(), standing, &forward, release)
    } else {
        mend::tag_weights(rule.arn.clone(), standing, &forward)
    };
    let mut follow = vec![since];
    // Told before the switch: a call that is cut off after it may find the alarm green.
    let told = tell(standing, traffic::despite(standing, request, release).filter(|_| begins));
    if percent < ALL {
        stages.push(Stage::follow(follow));
        return Plan { stages, end: End::Look }.after(told);
    }
    follow.extend(mend::tag_role_anew(standing, release, Role::Product));
    if let Some(Who::Release(before)) = before.map(|share| &share.who) {
        follow.extend(mend::tag_role_anew(standing, before, Role::Retired));
    }
    for rule in &standing.pre_product {
        if standing.forwards_to(rule) == Some(release) {
            follow.push(Step::DeleteRule { rule: rule.arn.clone(), which: WhichRule::PreProduct });
        }
    }
    follow.extend(names::follow(standing, Some(&Who::Release(release.clone())), false));
    stages.push(Stage::follow(follow));
    let way_back = before.map(|share| share.who.to_string());
    // What bakes is watched from the next look on.
    let bakes = service.bake_seconds > 0 && way_back.is_some();
    let end = if bakes { End::Look } else { End::Done(done(standing, release, way_back)) };
    Plan { stages, end }.after(told)
}

/// The configured conditions, where the rule has others.
pub fn wanted_conditions(rule: &Rule, wanted: &Conditions) -> Option<Conditions> {
    (rule.conditions != *wanted).then(|| wanted.clone())
}

/// Called twice, or come late: the work stands, and mending does the rest.
fn already(standing: &Standing<'_>, release: &ReleaseId) -> Plan {
    let way_back = standing.behind();
    let mut stages = Vec::new();
    if let Some((rule, _)) = standing.product_rule() {
        let which = WhichRule::Product;
        if rule.priority != standing.service.product.priority && in_the_way(standing).is_none() {
            let priority = standing.service.product.priority;
            stages.push(Stage::follow(vec![Step::MoveRule { rule: rule.arn.clone(), which, priority }]));
        }
        if let Some(conditions) = wanted_conditions(rule, &standing.service.product.conditions) {
            stages.push(Stage::follow(vec![Step::ModifyConditions { rule: rule.arn.clone(), which, conditions }]));
        }
    }
    Plan { stages, end: End::Done(done(standing, release, way_back.map(|share| share.who.to_string()))) }
}

fn done(standing: &Standing<'_>, release: &ReleaseId, way_back: Option<String>) -> Done {
    let service = standing.service;
    let found = standing.releases.get(release);
    let ips = found.map(|r| r.ips()).unwrap_or_default().into_iter().collect::<Vec<_>>().join(", ");
    let mut done = Done { headline: format!("release {release} is product"), ..Done::default() };
    match way_back {
        Some(way_back) => {
            done.lines.push(format!("{way_back} stays behind the rule with weight 0, healthy, the way back."));
            done.next.push(format!("Keep it with teardown ({{\"action\":\"finish\"}}), or go back to {way_back} with {{\"action\":\"rollback\"}}."));
        }
        None => {
            done.lines.push("There was nothing before it to go back to.".to_owned());
            done.next.push("Keep it with teardown ({\"action\":\"finish\"}).".to_owned());
        }
    }
    if let Some(host) = &service.product.host {
        done.look.push(("Product".to_owned(), host.clone()));
    }
    if let Some(name) = service.dns.as_ref().and_then(|dns| dns.product.clone()) {
        done.look.push(("Private name".to_owned(), name));
    }
    done.look.push(("Servers".to_owned(), ips.clone()));
    done.outputs.insert("Release", release.to_string());
    done.outputs.insert("PrivateIps", ips.replace(", ", ","));
    let ids = found.map(|r| r.alive_ids()).unwrap_or_default();
    done.outputs.insert("InstanceIds", ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(","));
    if let Some(group) = found.and_then(|r| r.group) {
        done.outputs.insert("TargetGroupArn", group.arn.to_string());
    }
    done
}
