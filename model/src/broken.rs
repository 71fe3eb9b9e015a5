//! Plans broken on purpose, one for each promise: a checker that cannot fail proves nothing.

use domain::config::Service;
use domain::id::GroupArn;
use domain::plan::{End, Plan, Stage, Step};
use domain::refusal::Refusal;
use domain::request::{Request, RollbackScope, Verb as RealVerb};
use domain::tags::{self, Read, WhichRule};
use domain::world::{Action, Health, InstanceState, Weighted, World};

use crate::ask::{Ask, Verb};
use crate::aws::MINUTES;
use crate::names;
use crate::promises::Promise;

/// Which promise the plans are made to break, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breakage(pub Promise);

impl Breakage {
    /// What is broken, in words.
    pub const fn words(self) -> &'static str {
        match self.0 {
            Promise::HealthyWhenSwitched => "every target is taken for healthy",
            Promise::NothingServedGoes => "a rollback deregisters before it switches",
            Promise::OneServes => "promote leaves half of the weight where it was",
            Promise::RejectedNeverServesAgain => "tags that say rejected are not read",
            Promise::LateDuplicatesChangeNoTraffic => "promote of a retired release switches to it",
            Promise::SettledBeforeDeregistered => "nobody waits for a rule change to settle",
            Promise::DrainedBeforeDeleted => "draining targets are not seen",
            Promise::NothingOfOthers => "finish deletes an adopted group",
            Promise::NoMoreInstances => "instances that start are not counted",
            Promise::SeenByQa => "promote does not ask the pre-product rule",
            Promise::NoChangeWithoutLease => "the runner does not look at its lease before each change",
            Promise::NeverByInference => "the sweep terminates what no rule names",
            Promise::TagsBeforeTheRule => "promote takes what was product out of the rule",
            Promise::RejectionStands => "a failed execution's event rejects whatever it names",
            Promise::NoTrafficUnasked => "the sweep goes back from a product that is not healthy",
            Promise::GoneStaysGone => "provision does not read that a release was rejected",
            Promise::EveryCallEnds => "register looks again where it is done",
            Promise::NothingLeftBehind => "the sweep does nothing",
            Promise::EverybodyTold => "nobody is told of a rejection",
        }
    }

    /// Spoils what is asked.
    pub fn ask(self, request: &mut Request) {
        if let (Promise::RejectionStands, RealVerb::Rollback { scope, .. }) = (self.0, &mut request.verb) {
            *scope = RollbackScope::ToTheEnd;
        }
    }

    /// Spoils what is seen.
    pub fn blind(self, world: &mut World, ask: Ask) {
        match self.0 {
            Promise::HealthyWhenSwitched => {
                for target in world.groups.iter_mut().flat_map(|g| g.targets.iter_mut().flatten()) {
                    target.health = Health::Healthy;
                }
            }
            Promise::GoneStaysGone if ask.verb != Verb::Provision => {}
            Promise::RejectedNeverServesAgain | Promise::GoneStaysGone => {
                let instances = world.instances.iter_mut().map(|i| &mut i.tags);
                for tags in instances.chain(world.groups.iter_mut().map(|g| &mut g.tags)) {
                    if tags.role() == Some(tags::Role::Rejected) {
                        tags.insert(tags::ROLE.into(), tags::Role::PreProduct.as_str().into());
                    }
                }
            }
            Promise::SettledBeforeDeregistered => {
                for group in &mut world.groups {
                    if group.tags.contains_key(tags::OUT) {
                        group.tags.insert(tags::OUT.into(), names::time(MINUTES).to_string());
                    }
                    if let Some(details) = &mut group.details {
                        details.behind_load_balancer = false;
                    }
                }
            }
            Promise::DrainedBeforeDeleted => {
                for targets in world.groups.iter_mut().filter_map(|g| g.targets.as_mut()) {
                    targets.retain(|t| t.health != Health::Draining);
                }
            }
            Promise::NoMoreInstances => {
                let pending = world.instances.iter_mut().filter(|i| i.state == InstanceState::Pending);
                pending.for_each(|i| i.state = InstanceState::Terminated);
            }
            _ => {}
        }
    }

    /// Spoils what is planned.
    pub fn spoil(self, plan: &mut Plan, ask: Ask, service: &Service, world: &World) {
        let product = world.rules.iter().find(|r| r.tags.value(tags::RULE) == Some(WhichRule::Product.as_str()));
        let weighted = match product.map(|rule| &rule.action) {
            Some(Action::Forward(forward)) => forward.clone(),
            _ => Vec::new(),
        };
        let switch = |to: GroupArn| {
            let mut forward = vec![Weighted { group: to.clone(), weight: 100 }];
            forward.extend(weighted.iter().filter(|w| w.group != to).map(|w| Weighted { weight: 0, ..w.clone() }));
            let rule = names::rule(crate::aws::Which::Product);
            Step::ModifyRule { rule, which: WhichRule::Product, forward, conditions: None, sticky_seconds: None }
        };
        let own = names::group(ask.release);
        match self.0 {
            Promise::NothingServedGoes if ask.verb == Verb::Rollback => {
                let targets = world.group(&own).and_then(|g| g.targets.clone()).unwrap_or_default();
                let has = |step: &Step| matches!(step, Step::ModifyRule { .. });
                if plan.stages.iter().flat_map(|s| &s.steps).any(has) && !targets.is_empty() {
                    let instances = targets.into_iter().map(|t| t.instance).collect();
                    let step = Step::DeregisterTargets { group: own, instances };
                    plan.stages.insert(0, Stage::stop(vec![step]));
                }
            }
            Promise::OneServes if ask.verb == Verb::Promote => {
                for step in plan.stages.iter_mut().flat_map(|s| &mut s.steps) {
                    if let Step::ModifyRule { forward, .. } = step {
                        forward.iter_mut().filter(|w| w.weight == 0).for_each(|w| w.weight = 50);
                    }
                }
            }
            Promise::LateDuplicatesChangeNoTraffic => {
                if let End::Refuse(Refusal::PromoteRetired { .. }) = plan.end {
                    *plan = Plan::new(vec![vec![switch(own)]], End::Look);
                }
            }
            Promise::SeenByQa => {
                if let End::Refuse(Refusal::NotSeenByQa { .. }) = plan.end {
                    *plan = Plan::new(vec![vec![switch(own)]], End::Look);
                }
            }
            Promise::NothingOfOthers if ask.verb == Verb::Finish => {
                let theirs = names::group(crate::aws::STRANGER);
                if weighted.iter().any(|w| w.group == theirs) && matches!(plan.end, End::Look) {
                    plan.stages.push(Stage::stop(vec![Step::DeleteGroup { group: theirs }]));
                }
            }
            Promise::NeverByInference if ask.verb == Verb::Sweep => {
                let named = |release: &str| {
                    let group = names::release_index(release).map(names::group);
                    world.rules.iter().any(|rule| match &rule.action {
                        Action::Forward(forward) => forward.iter().any(|w| Some(&w.group) == group.as_ref()),
                        Action::Other(_) => false,
                    })
                };
                let lost = world.instances.iter().filter(|i| i.is_alive());
                let lost = lost.filter(|i| i.tags.release().is_some_and(|r| !named(r.as_str())));
                let instances: Vec<_> = lost.map(|i| i.id.clone()).collect();
                if !instances.is_empty() {
                    plan.stages.push(Stage::stop(vec![Step::Terminate { instances }]));
                }
            }
            Promise::TagsBeforeTheRule if ask.verb == Verb::Promote => {
                for step in plan.stages.iter_mut().flat_map(|s| &mut s.steps) {
                    if let Step::ModifyRule { forward, .. } = step {
                        forward.retain(|w| w.weight > 0);
                    }
                }
            }
            Promise::NoTrafficUnasked if ask.verb == Verb::Sweep => {
                let healthy = |w: &Weighted| world.group(&w.group).map_or(0, |g| g.healthy());
                let sick = weighted.iter().any(|w| w.weight > 0 && healthy(w) == 0);
                if let Some(back) = weighted.iter().find(|w| sick && w.weight == 0 && healthy(w) > 0) {
                    plan.stages.push(Stage::stop(vec![switch(back.group.clone())]));
                }
            }
            Promise::EveryCallEnds if ask.verb == Verb::Register && matches!(plan.end, End::Done(_)) => {
                plan.end = End::Look;
            }
            Promise::NothingLeftBehind if ask.verb == Verb::Sweep => {
                plan.stages.clear();
                if matches!(plan.end, End::Look) {
                    plan.end = End::Done(domain::plan::Done::default());
                }
            }
            Promise::EverybodyTold => {
                keep_steps(plan, |step| !matches!(step, Step::Tell(notice) if notice.release.is_some()));
            }
            _ => {}
        }
        let _ = service;
    }
}

fn keep_steps(plan: &mut Plan, keep: impl Fn(&Step) -> bool) {
    for stage in &mut plan.stages {
        stage.steps.retain(&keep);
    }
    plan.stages.retain(|stage| !stage.steps.is_empty());
}
