//! A call foreseen to its end: its plan is carried out on a copy of the world, then made again, as often as the call would look.
//!
//! What AWS decides is assumed to go well and said so: servers start, targets get healthy, checks find the release good.

use std::collections::BTreeSet;

use domain::check::{Checked, Verdict};
use domain::config::Service;
use domain::id::{GroupArn, InstanceId, ReleaseId, RuleArn};
use domain::plan::{End, OnFailure, Plan, Step};
use domain::refusal::{Failure, Refusal, WaitFor};
use domain::request::Request;
use domain::tags::{Read, Tags};
use domain::time::Time;
use domain::world::{
    Action, Group, GroupDetails, Health, Holder, Instance, InstanceState, Readiness, Rule, Target, World,
};

/// How often a plan is made; one that has not come to its end by then goes in circles.
const LOOKS: usize = 60;

/// What a call would do.
#[derive(Clone, Debug, PartialEq)]
pub struct Course {
    /// One after the other.
    pub parts: Vec<Part>,
    /// What it comes to.
    pub ending: Ending,
}

impl Course {
    /// Whether the call would change what customers or QA get, or what holds for its release: not only tell of it, or tidy up. One
    /// that fails or is refused may do so before, as a promotion does that puts traffic back.
    #[must_use]
    pub fn acts(&self) -> bool {
        self.parts.iter().any(|part| match part {
            Part::Step { step, may_follow } => {
                !may_follow && !matches!(step, Step::Tell(_) | Step::RememberTold { .. })
            }
            Part::Wait { .. } | Part::Check { .. } => false,
        })
    }
}

/// One thing of a course.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// A step, and whether the rest goes on without it.
    Step { step: Step, may_follow: bool },
    /// A wait, and how long it takes where that is known.
    Wait { what: WaitFor, seconds: Option<i64> },
    /// The service's own checks.
    Check { release: ReleaseId, checks: Vec<String> },
}

/// What a course comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// What was asked for stands: the headline, and whether it stood before.
    Done { headline: String, nothing_to_do: bool },
    /// It is not carried out.
    Refused(Refusal),
    /// It cannot be had.
    Failed(Failure),
    /// It waits for something that this call cannot bring about.
    Waits(WaitFor),
    /// No end was found.
    Open,
}

/// Foresees a call.
#[must_use]
pub fn foresee(request: &Request, service: &Service, world: &World, now: Time) -> Course {
    let (mut world, mut now, mut parts, mut made) = (world.clone(), now, Vec::new(), 0);
    for _ in 0..LOOKS {
        let Plan { stages, end } = plans::plan(request, service, &world, now);
        let nothing_to_do = parts.is_empty() && stages.is_empty();
        for stage in stages {
            for step in stage.steps {
                carry_out(&mut world, &step, service, &mut made);
                parts.push(Part::Step { step, may_follow: stage.on_failure == OnFailure::Follow });
            }
        }
        let ending = match end {
            End::Look | End::LookForLaunch => continue,
            End::Check(examination) => {
                let verdicts: Vec<(String, Verdict)> =
                    examination.checks.iter().map(|check| (check.to_string(), Verdict::Good)).collect();
                let checks = verdicts.iter().map(|(check, _)| check.clone()).collect();
                parts.push(Part::Check { release: examination.release.clone(), checks });
                world.checked = Some(Checked { phase: examination.phase, verdicts });
                continue;
            }
            End::Wait(what) => match pass(&mut world, &what, service) {
                Some(seconds) => {
                    now = now + seconds.unwrap_or_default();
                    parts.push(Part::Wait { what, seconds });
                    // A step of a promotion is examined anew.
                    world.checked = None;
                    continue;
                }
                None => Ending::Waits(what),
            },
            End::Done(done) => Ending::Done { headline: done.headline, nothing_to_do },
            End::Refuse(refusal) => Ending::Refused(refusal),
            End::Fail(failure) => Ending::Failed(failure),
        };
        return Course { parts, ending };
    }
    Course { parts, ending: Ending::Open }
}

/// Lets a wait pass, and says how long it takes if that is known; `None` where it ends with somebody else.
fn pass(world: &mut World, what: &WaitFor, service: &Service) -> Option<Option<i64>> {
    match what {
        WaitFor::Settling { seconds } | WaitFor::Step { seconds, .. } | WaitFor::Bake { seconds, .. } => {
            Some(Some(*seconds))
        }
        WaitFor::Servers { release, .. } => {
            for instance in of_release(&mut world.instances, release).filter(|instance| instance.is_alive()) {
                instance.state = InstanceState::Running;
                instance.readiness = Readiness { status_ok: true, ssm_online: true };
            }
            Some(None)
        }
        WaitFor::Targets { release, .. } => {
            let groups = world.groups.iter_mut().filter(|group| group.tags.release().as_ref() == Some(release));
            for target in groups.flat_map(|group| group.targets.iter_mut().flatten()) {
                target.health = Health::Healthy;
            }
            Some(None)
        }
        WaitFor::Draining { .. } => {
            let draining = |target: &Target| target.health == Health::Draining;
            let gone = world.groups.iter().flat_map(|group| group.targets.iter().flatten()).any(draining);
            for targets in world.groups.iter_mut().filter_map(|group| group.targets.as_mut()) {
                targets.retain(|target| !draining(target));
            }
            Some(Some(if gone { 0 } else { i64::from(service.drain_seconds) }))
        }
        WaitFor::LettingGo { groups } => {
            for group in world.groups.iter_mut().filter(|group| groups.iter().any(|name| name == group.arn.name())) {
                if let Some(details) = &mut group.details {
                    details.behind_load_balancer = false;
                }
            }
            Some(None)
        }
        WaitFor::Lease
        | WaitFor::Held(_)
        | WaitFor::Addresses { .. }
        | WaitFor::Promotion { .. }
        | WaitFor::Time
        | WaitFor::Aws { .. } => None,
    }
}

fn of_release<'a>(instances: &'a mut [Instance], release: &'a ReleaseId) -> impl Iterator<Item = &'a mut Instance> {
    instances.iter_mut().filter(move |instance| instance.tags.release().as_ref() == Some(release))
}

/// Carries a step out as AWS would.
fn carry_out(world: &mut World, step: &Step, service: &Service, made: &mut u32) {
    match step {
        Step::Launch(launch) => {
            for _ in 0..launch.count {
                *made += 1;
                world.instances.push(Instance {
                    id: InstanceId::new(format!("new-server-{made}")),
                    state: InstanceState::Pending,
                    subnet: Some(launch.subnet.clone()),
                    // Each another one, for names and groups tell servers apart by it.
                    private_ip: Some(format!("its-address-{made}")),
                    tags: launch.tags.clone(),
                    readiness: Readiness::default(),
                });
            }
        }
        Step::AssociateAddress { instance, address } => {
            if let Some(found) = world.addresses.iter_mut().find(|found| found.id == *address) {
                found.holder = Some(Holder::Instance(instance.clone()));
            }
        }
        Step::CreateGroup(new) => {
            let details = GroupDetails { protocol: new.protocol.clone(), port: new.port, behind_load_balancer: false };
            world.groups.push(Group {
                arn: group_arn(service, &new.name),
                tags: new.tags.clone(),
                details: Some(details),
                targets: Some(Vec::new()),
            });
        }
        Step::RegisterTargets { group, instances, port } => {
            let new = instances.iter().map(|instance| Target {
                instance: instance.clone(),
                port: *port,
                health: Health::Not("initial".to_owned()),
            });
            if let Some(targets) = group_mut(world, group).map(|found| found.targets.get_or_insert_default()) {
                targets.retain(|target| !instances.contains(&target.instance));
                targets.extend(new);
            }
        }
        Step::DeregisterTargets { group, instances } => {
            let targets = group_mut(world, group).and_then(|found| found.targets.as_mut());
            for target in targets.into_iter().flatten().filter(|target| instances.contains(&target.instance)) {
                target.health = Health::Draining;
            }
        }
        Step::DeleteGroup { group } => world.groups.retain(|found| found.arn != *group),
        Step::CreateRule(new) => world.rules.push(Rule {
            arn: RuleArn::new(format!("{}/new-{}", rule_stem(service), new.which.as_str())),
            priority: new.priority,
            conditions: new.conditions.clone(),
            action: Action::Forward(new.forward.clone()),
            tags: new.tags.clone(),
        }),
        Step::ModifyRule { rule, forward, conditions, .. } => {
            if let Some(found) = rule_mut(world, rule) {
                found.action = Action::Forward(forward.clone());
                if let Some(conditions) = conditions {
                    found.conditions = conditions.clone();
                }
            }
            let_go(world);
        }
        Step::ModifyConditions { rule, conditions, .. } => {
            if let Some(found) = rule_mut(world, rule) {
                found.conditions = conditions.clone();
            }
        }
        Step::MoveRule { rule, priority, .. } => {
            if let Some(found) = rule_mut(world, rule) {
                found.priority = *priority;
            }
        }
        Step::DeleteRule { rule, .. } => {
            world.rules.retain(|found| found.arn != *rule);
            let_go(world);
        }
        Step::TagInstances { instances, tags } => {
            for instance in world.instances.iter_mut().filter(|found| instances.contains(&found.id)) {
                write(&mut instance.tags, tags);
            }
        }
        Step::TagGroup { group, tags } => {
            if let Some(found) = group_mut(world, group) {
                write(&mut found.tags, tags);
            }
        }
        Step::TagRule { rule, tags } => {
            if let Some(found) = rule_mut(world, rule) {
                write(&mut found.tags, tags);
            }
        }
        Step::Terminate { instances } => {
            for instance in world.instances.iter_mut().filter(|found| instances.contains(&found.id)) {
                instance.state = InstanceState::Terminated;
                instance.subnet = None;
                instance.private_ip = None;
            }
        }
        Step::ChangeName { name, to, .. } => {
            match to {
                Some(record) => world.names.insert(name.clone(), record.clone()),
                None => world.names.remove(name),
            };
        }
        Step::RememberTold { kind, at } => {
            world.told.insert(kind.clone(), *at);
        }
        Step::ReadBack { .. } | Step::Tell(_) => {}
    }
}

/// Groups that no rule names any more are behind no load balancer.
fn let_go(world: &mut World) {
    let forwards = |rule: &Rule| match &rule.action {
        Action::Forward(forward) => forward.iter().map(|weighted| weighted.group.clone()).collect(),
        Action::Other(_) => Vec::new(),
    };
    let named: BTreeSet<GroupArn> = world.rules.iter().flat_map(forwards).collect();
    for group in &mut world.groups {
        if let Some(details) = &mut group.details {
            details.behind_load_balancer &= named.contains(&group.arn);
        }
    }
}

/// The ARN that a new group of this name will have, but for its end.
#[must_use]
pub fn group_arn(service: &Service, name: &str) -> GroupArn {
    let listener = service.listener_arn.as_str();
    let stem = listener.split_once(":listener/").map_or("arn:aws:elasticloadbalancing", |(stem, _)| stem);
    GroupArn::new(format!("{stem}:targetgroup/{name}/*"))
}

fn rule_stem(service: &Service) -> String {
    service.listener_arn.as_str().replace(":listener/", ":listener-rule/")
}

fn group_mut<'a>(world: &'a mut World, arn: &GroupArn) -> Option<&'a mut Group> {
    world.groups.iter_mut().find(|group| group.arn == *arn)
}

fn rule_mut<'a>(world: &'a mut World, arn: &RuleArn) -> Option<&'a mut Rule> {
    world.rules.iter_mut().find(|rule| rule.arn == *arn)
}

fn write(tags: &mut Tags, new: &Tags) {
    tags.extend(new.iter().map(|(key, value)| (key.clone(), value.clone())));
}
