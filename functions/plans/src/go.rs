//! How a release goes: out of the rules, settled, drained, deleted, terminated; in that order, whoever looks.

use domain::id::{InstanceId, ReleaseId};
use domain::plan::{End, Plan, Stage, Step};
use domain::refusal::WaitFor;
use domain::request::{Request, Verb};
use domain::tags::{self, Read, Role, Tags, WhichRule};
use domain::time::Time;
use domain::world::{Group, Health};

use crate::mend;
use crate::standing::{Standing, Traffic, Who, forward};
use crate::told::Concern;

/// How long after settling a load balancer may still name a group that no rule of ours names, before it counts as
/// somebody else's rule.
const LETTING_GO_SECONDS: i64 = 60;

/// How far a release's going has come.
pub struct Going {
    /// What can be done now.
    pub stages: Vec<Stage>,
    /// What it waits for, if it does.
    pub wait: Option<WaitFor>,
    /// Left standing on purpose, with why.
    pub left: Option<Left>,
}

/// Why something of a release is left standing.
pub enum Left {
    /// A rule that is not ours still forwards to its group.
    StillBehind { group: String },
    /// Its servers are kept for a look inside.
    KeptForALook { until: Time },
    /// It serves: for want of anything else.
    Serves,
}

impl Going {
    fn nothing() -> Self {
        Self { stages: Vec::new(), wait: None, left: None }
    }

    fn now(stages: Vec<Vec<Step>>) -> Self {
        Self { stages: stages.into_iter().map(Stage::stop).collect(), ..Self::nothing() }
    }

    fn wait(wait: WaitFor) -> Self {
        Self { wait: Some(wait), ..Self::nothing() }
    }
}

/// The next of a retired or rejected release's going. It has lost its weight before, and its tags say why it goes.
pub fn next(standing: &Standing<'_>, request: &Request, release: &ReleaseId) -> Going {
    let Some(found) = standing.releases.get(release) else { return Going::nothing() };
    let rejected = standing.is_rejected(release);
    match standing.traffic(release) {
        Traffic::All | Traffic::Some => return Going { left: Some(Left::Serves), ..Going::nothing() },
        Traffic::Zero => return Going { stages: out_of_the_rule(standing, release), ..Going::nothing() },
        Traffic::NotInRule => {}
    }
    let instances: Vec<InstanceId> = found.standing_instances().map(|i| i.id.clone()).collect();
    if rejected && (found.group.is_some() || !instances.is_empty()) {
        let reason = standing.reason(release).unwrap_or_else(|| "rejected".to_owned());
        let tell = mend::tell_rejected(standing, request, release, &reason, None);
        if !tell.is_empty() {
            return Going { stages: tell, ..Going::nothing() };
        }
    }
    if let Some(group) = found.group
        && let Some(going) = let_go(standing, group)
    {
        return going;
    }
    if let Some(group) = serves_elsewhere(standing, &instances) {
        return Going { left: Some(Left::StillBehind { group }), ..Going::nothing() };
    }
    let delete = found.group.map(|group| Step::DeleteGroup { group: group.arn.clone() });
    // A look inside is for a release that failed; with a service that is removed all of it goes.
    let for_a_look = rejected && request.verb != Verb::Remove;
    let kept_until = standing.since(release, Role::Rejected).filter(|_| for_a_look);
    let kept_until = kept_until.map(|since| since + i64::from(standing.service.keep_rejected_seconds));
    if let Some(until) = kept_until.filter(|until| *until > standing.now)
        && !instances.is_empty()
    {
        let stages = delete.into_iter().map(|step| Stage::stop(vec![step])).collect();
        return Going { stages, wait: None, left: Some(Left::KeptForALook { until }) };
    }
    let terminate = (!instances.is_empty()).then_some(Step::Terminate { instances });
    // The group first: instances are what a release is found by.
    Going::now([delete, terminate].into_iter().flatten().map(|step| vec![step]).collect())
}

/// The group of a rule that has one of these servers as a target: one that lost its tags, or that somebody filled
/// by hand. What serves is not terminated. Provision asks for no targets: then any group without our tags may have them.
pub fn serves_elsewhere(standing: &Standing<'_>, instances: &[InstanceId]) -> Option<String> {
    let in_a_rule = standing.world.groups.iter().filter(|group| standing.in_a_rule(&group.arn));
    let may_have_one = |group: &&Group| match &group.targets {
        Some(targets) => targets.iter().any(|target| instances.contains(&target.instance)),
        None => !group.tags.is_of(&standing.service.name),
    };
    in_a_rule.filter(may_have_one).map(|group| group.arn.name().to_owned()).next()
}

/// A group without weight that no rule is to name: settled, deregistered, drained. `None` when it may be deleted.
fn let_go(standing: &Standing<'_>, group: &Group) -> Option<Going> {
    if standing.in_a_rule(&group.arn) {
        // The pre-product rule of a release that was not rejected, or a rule that is not ours: not ours to take here.
        return Some(Going {
            left: Some(Left::StillBehind { group: group.arn.name().to_owned() }),
            ..Going::nothing()
        });
    }
    let Some(out) = group.tags.value(tags::OUT).and_then(Time::parse) else {
        let tags = Tags::from([(tags::OUT.to_owned(), standing.now.to_string())]);
        return Some(Going::now(vec![vec![Step::TagGroup { group: group.arn.clone(), tags }]]));
    };
    let (settle, drain) = (i64::from(standing.service.settle_seconds), i64::from(standing.service.drain_seconds));
    // The tag has whole seconds: the group may have left the rule nearly one later than it says.
    let settled = out + settle + i64::from(settle + drain > 0);
    if settled > standing.now {
        return Some(Going::wait(WaitFor::Settling { seconds: settled - standing.now }));
    }
    if group.details.as_ref().is_none_or(|details| details.behind_load_balancer) {
        let group_name = group.arn.name().to_owned();
        return Some(if settled + LETTING_GO_SECONDS > standing.now {
            Going::wait(WaitFor::LettingGo { groups: vec![group_name] })
        } else {
            Going { left: Some(Left::StillBehind { group: group_name }), ..Going::nothing() }
        });
    }
    let targets = group.targets.as_deref().unwrap_or_default();
    let draining =
        || Going::wait(WaitFor::Draining { targets: targets.iter().map(|t| t.instance.to_string()).collect() });
    // Out of all rules a group is in use nowhere, and then deregistered targets may be gone at once, without the group's own
    // delay: what reached them last, as late as settled, has its time before.
    if settled + drain > standing.now && !targets.is_empty() {
        return Some(draining());
    }
    let registered: Vec<InstanceId> =
        targets.iter().filter(|t| t.health != Health::Draining).map(|t| t.instance.clone()).collect();
    if !registered.is_empty() {
        return Some(Going::now(vec![vec![Step::DeregisterTargets {
            group: group.arn.clone(),
            instances: registered,
        }]]));
    }
    if targets.is_empty() { None } else { Some(draining()) }
}

/// Takes a release without weight out of the product rule; its tags say retired or rejected before it leaves.
fn out_of_the_rule(standing: &Standing<'_>, release: &ReleaseId) -> Vec<Stage> {
    let Some((rule, shares)) = standing.product_rule() else { return Vec::new() };
    let mut stay = shares.to_vec();
    stay.retain(|share| share.who != Who::Release(release.clone()));
    let forward = forward(&stay);
    let first =
        if standing.is_rejected(release) { Vec::new() } else { mend::tag_role(standing, release, Role::Retired) };
    only(rule.arn.clone(), standing, forward, first)
}

/// Makes the product rule forward to these alone, after the steps that have to come first.
pub fn only(
    rule: domain::id::RuleArn,
    standing: &Standing<'_>,
    forward: Vec<domain::world::Weighted>,
    first: Vec<Step>,
) -> Vec<Stage> {
    let which = WhichRule::Product;
    let since = mend::tag_weights(rule.clone(), standing, &forward);
    let mut stages = if first.is_empty() { Vec::new() } else { vec![Stage::stop(first)] };
    stages.push(Stage::stop(vec![Step::ModifyRule {
        rule: rule.clone(),
        which,
        forward: forward.clone(),
        conditions: None,
        sticky_seconds: None,
    }]));
    stages.push(Stage::stop(vec![Step::ReadBack { rule, which, forward }]));
    stages.push(Stage::follow(vec![since]));
    stages
}

/// Lets several releases go side by side. What is left at its end is for the caller to say.
pub struct Together {
    /// What can be done now.
    pub stages: Vec<Stage>,
    /// What is waited for: the first kind of wait, of all releases that wait so.
    pub wait: Option<WaitFor>,
    /// What is left standing on purpose.
    pub left: Vec<(ReleaseId, Left)>,
}

impl Together {
    /// The next step of each release's going.
    pub fn next<'r>(standing: &Standing<'_>, request: &Request, releases: impl Iterator<Item = &'r ReleaseId>) -> Self {
        let mut together = Self { stages: Vec::new(), wait: None, left: Vec::new() };
        let mut rule_changed = false;
        for release in releases {
            // One change of the product rule in a look: each is made from what was seen.
            if standing.traffic(release) == Traffic::Zero && std::mem::replace(&mut rule_changed, true) {
                continue;
            }
            let going = next(standing, request, release);
            together.stages.extend(going.stages);
            together.wait = both(together.wait, going.wait);
            together.left.extend(going.left.map(|left| (release.clone(), left)));
        }
        together
    }

    /// The plan: do what can be done and look again, or wait, or end.
    pub fn plan(self, end: impl FnOnce(&[(ReleaseId, Left)]) -> End) -> Plan {
        if !self.stages.is_empty() {
            return Plan { stages: self.stages, end: End::Look };
        }
        match self.wait {
            Some(wait) => Plan::only(End::Wait(wait)),
            None => Plan::only(end(&self.left)),
        }
    }

    /// What is left behind a rule that is not ours, as a concern of the day.
    pub fn concerns(&self) -> Vec<Concern> {
        let groups: Vec<&str> = self
            .left
            .iter()
            .filter_map(|(_, left)| match left {
                Left::StillBehind { group } => Some(group.as_str()),
                Left::KeptForALook { .. } | Left::Serves => None,
            })
            .collect();
        if groups.is_empty() {
            return Vec::new();
        }
        vec![Concern {
            kind: "group-left",
            headline: format!("{} is still behind a load balancer, so it is left standing", groups.join(", ")),
            lines: vec!["Its rules of Pointsman's are gone; a rule somewhere else forwards to it.".to_owned()],
            next: vec!["Take the group out of that rule; the sweep then drains and removes it.".to_owned()],
            ..Concern::default()
        }]
    }
}

/// Two waits as one: of one kind all that both name, else the first, for the other comes after it.
fn both(one: Option<WaitFor>, other: Option<WaitFor>) -> Option<WaitFor> {
    match (one, other) {
        (Some(WaitFor::Settling { seconds: one }), Some(WaitFor::Settling { seconds: other })) => {
            Some(WaitFor::Settling { seconds: one.max(other) })
        }
        (Some(WaitFor::Draining { targets: one }), Some(WaitFor::Draining { targets: other })) => {
            Some(WaitFor::Draining { targets: [one, other].concat() })
        }
        (Some(WaitFor::LettingGo { groups: one }), Some(WaitFor::LettingGo { groups: other })) => {
            Some(WaitFor::LettingGo { groups: [one, other].concat() })
        }
        (one, other) => one.or(other),
    }
}

/// What was left standing, a sentence each.
pub fn left_lines(left: &[(ReleaseId, Left)]) -> Vec<String> {
    left.iter()
        .map(|(release, left)| match left {
            Left::StillBehind { group } => {
                format!(
                    "{group} of {release} is still behind a load balancer: it is left standing until that lets it go"
                )
            }
            Left::KeptForALook { until } => {
                format!("the servers of {release} are left for a look inside until {until}")
            }
            Left::Serves => format!("{release} serves on: there is nothing to go back to"),
        })
        .collect()
}
