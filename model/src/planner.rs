//! Asks the real plans, and reads their answer into a script. What looks the same is asked once.

use std::sync::{Mutex, PoisonError};

use domain::config::Service;
use domain::id::InstanceId;
use domain::plan::{End as RealEnd, OnFailure, Plan, Step as RealStep};
use domain::tags::{self, Read, Tags, WhichRule};
use domain::world::{Weighted, weights_hash};

use serde_json::Value;

use crate::ask::Ask;
use crate::aws::{Age, Aws, CONCERNS, Forward, Instances, NEW, Role, Token, Weight, Which};
use crate::broken::Breakage;
use crate::quick::{self, Table};
use crate::step::{End, Kept, Mark, RuleMark, Script, Stage, Step, keep};
use crate::{names, view};

const SHARDS: usize = 64;

/// What a call knows beside what it sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Memory {
    /// Whether it looks at what a launch needs.
    pub launch: bool,
    /// Subnets that met no capacity, a bit each.
    pub no_capacity: u8,
}

type Question = (Aws, Ask, Memory);

/// The plans, and what they answered before.
pub struct Planner {
    services: [Service; 2],
    broken: Option<Breakage>,
    answers: Vec<Mutex<Table<Question, Kept>>>,
}

impl Planner {
    /// Plans for a service with these keys over its config; as they are, or broken.
    pub fn new(config: &Value, broken: Option<Breakage>) -> Self {
        Self {
            services: [names::service(0, config), names::service(1, config)],
            broken,
            answers: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    /// What a call plans that sees the account now.
    pub fn plan(&self, aws: &Aws, ask: Ask, memory: Memory) -> Kept {
        let seen = view::visible(aws);
        let question = (seen, ask, memory);
        let shard = quick::shard(&question, SHARDS);
        if let Some(kept) = self.answers[shard].lock().unwrap_or_else(PoisonError::into_inner).get(&question) {
            return *kept;
        }
        let service = &self.services[usize::from(seen.config & 1)];
        let mut world = view::world(&seen, ask, service, memory.launch, memory.no_capacity);
        let mut request = ask.request();
        if let Some(broken) = self.broken {
            broken.ask(&mut request);
            broken.blind(&mut world, ask);
        }
        let mut plan = plans::plan(&request, service, &world, names::NOW);
        if let Some(broken) = self.broken {
            broken.spoil(&mut plan, ask, service, &world);
        }
        let kept = keep(self.read(&seen, &plan));
        self.answers[shard].lock().unwrap_or_else(PoisonError::into_inner).insert(question, kept);
        kept
    }

    /// How many different looks were planned for.
    pub fn looks(&self) -> usize {
        self.answers.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    fn read(&self, seen: &Aws, plan: &Plan) -> Script {
        let about: Vec<Forward> = plan.stages.iter().flat_map(|stage| &stage.steps).filter_map(written).collect();
        let about: Vec<Forward> = seen.product.iter().map(|r| r.forward).chain(about).collect();
        let stage = |stage: &domain::plan::Stage| Stage {
            steps: stage
                .steps
                .iter()
                .filter(|step| !is_fingerprint(step))
                .map(|step| self.step(step, &about))
                .collect(),
            stop: stage.on_failure == OnFailure::Stop,
        };
        let (end, words) = match &plan.end {
            RealEnd::Look => (End::Look, "looks again".to_owned()),
            RealEnd::LookForLaunch => (End::LookForLaunch, "looks again for a launch".to_owned()),
            RealEnd::Check(_) => (End::Look, "has the release examined".to_owned()),
            RealEnd::Wait(wait) => (End::Wait, format!("waits for {wait}")),
            RealEnd::Done(done) => (End::Done, format!("done: {}", done.headline)),
            RealEnd::Refuse(refusal) => (End::Refuse, format!("refused: {refusal}")),
            RealEnd::Fail(failure) => (End::Fail { told: failure.was_told() }, format!("failed: {failure}")),
        };
        let words: String = words.chars().take(110).collect();
        let stages = plan.stages.iter().map(stage).filter(|stage: &Stage| !stage.steps.is_empty()).collect();
        Script { stages, end, words }
    }

    fn variant(&self, priority: u32, which: WhichRule) -> u8 {
        let is = |service: &Service| match which {
            WhichRule::Product => service.product.priority == priority,
            WhichRule::PreProduct => service.pre_product.priority == priority,
        };
        u8::from(!is(&self.services[0]))
    }

    fn conditions_variant(&self, conditions: &domain::world::Conditions) -> u8 {
        let first = &self.services[0];
        u8::from(first.product.conditions != *conditions && first.pre_product.conditions != *conditions)
    }

    fn step(&self, step: &RealStep, about: &[Forward]) -> Step {
        match step {
            RealStep::Launch(launch) => Step::Launch {
                release: launch.tags.release().and_then(|r| names::release_index(r.as_str())).unwrap_or_default(),
                launch: token(launch.tags.value(tags::LAUNCH).unwrap_or_default()),
            },
            RealStep::AssociateAddress { instance, address } => {
                Step::Associate { instance: names::instance_bit(instance), address: names::address_index(address) }
            }
            RealStep::CreateGroup(new) => Step::CreateGroup {
                release: new.tags.release().and_then(|r| names::release_index(r.as_str())).unwrap_or_default(),
                since: new.tags.since().map_or(NEW, names::age),
            },
            RealStep::RegisterTargets { group, instances, port: _ } => {
                Step::Register { group: names::group_index(group), targets: set(instances) }
            }
            RealStep::DeregisterTargets { group, instances } => {
                Step::Deregister { group: names::group_index(group), targets: set(instances) }
            }
            RealStep::DeleteGroup { group } => Step::DeleteGroup { group: names::group_index(group) },
            RealStep::CreateRule(new) => Step::CreateRule {
                which: which(new.which),
                variant: self.variant(new.priority, new.which),
                forward: forward(&new.forward),
                since: new.tags.value(tags::SINCE).and_then(|value| since(value, about)),
            },
            RealStep::ModifyRule { rule: _, which: rule, forward: to, conditions, .. } => Step::ModifyRule {
                which: which(*rule),
                forward: forward(to),
                variant: conditions.as_ref().map(|c| self.conditions_variant(c)),
            },
            RealStep::ModifyConditions { rule: _, which: rule, conditions } => {
                Step::FollowConfig { which: which(*rule), variant: self.conditions_variant(conditions), moves: false }
            }
            RealStep::MoveRule { rule: _, which: rule, priority } => {
                Step::FollowConfig { which: which(*rule), variant: self.variant(*priority, *rule), moves: true }
            }
            RealStep::DeleteRule { rule: _, which: rule } => Step::DeleteRule { which: which(*rule) },
            RealStep::ReadBack { rule: _, which: rule, forward: to } => {
                Step::ReadBack { which: which(*rule), forward: forward(to) }
            }
            RealStep::TagInstances { instances, tags } => {
                Step::TagInstances { instances: set(instances), mark: mark(tags) }
            }
            RealStep::TagGroup { group, tags } => Step::TagGroup { group: names::group_index(group), mark: mark(tags) },
            RealStep::TagRule { rule, tags } => {
                let which = if *rule == names::rule(Which::PreProduct) { Which::PreProduct } else { Which::Product };
                let since = tags.value(tags::SINCE).and_then(|value| since(value, about));
                let mark = since.map_or_else(
                    || RuleMark::Told(kinds(tags.value(tags::TOLD).unwrap_or_default())),
                    |(age, forward)| RuleMark::Since(age, forward),
                );
                Step::TagRule { which, mark }
            }
            RealStep::Terminate { instances } => Step::Terminate { instances: set(instances) },
            RealStep::ChangeName { zone: _, name, from, to } => {
                let ips = |record: &domain::world::Record| record.ips.iter().fold(0, |all, ip| all | names::ip_bit(ip));
                Step::ChangeName {
                    name: usize::from(name != names::ZONE_NAMES[0]),
                    from: from.as_ref().map(ips),
                    to: to.as_ref().map(ips),
                }
            }
            RealStep::Tell(notice) => match notice.release.as_ref().and_then(|r| names::release_index(r.as_str())) {
                Some(release) => Step::TellRejected { release },
                None => Step::TellConcern { concern: concern(&notice.event) },
            },
            RealStep::RememberTold { kind, at: _ } => Step::RememberTold { concern: concern(kind) },
        }
    }
}

fn written(step: &RealStep) -> Option<Forward> {
    match step {
        RealStep::ModifyRule { forward: to, .. } => Some(forward(to)),
        RealStep::CreateRule(new) => Some(forward(&new.forward)),
        _ => None,
    }
}

const fn which(rule: WhichRule) -> Which {
    match rule {
        WhichRule::Product => Which::Product,
        WhichRule::PreProduct => Which::PreProduct,
    }
}

fn set(instances: &[InstanceId]) -> Instances {
    instances.iter().fold(0, |all, id| all | names::instance_bit(id))
}

fn forward(to: &[Weighted]) -> Forward {
    let mut weights = [Weight::Absent; crate::aws::GROUPS];
    for weighted in to {
        weights[names::group_index(&weighted.group)] = match weighted.weight {
            0 => Weight::Zero,
            100 => Weight::All,
            _ => Weight::Half,
        };
    }
    Forward::To(weights)
}

fn since(value: &str, about: &[Forward]) -> Option<(Age, Forward)> {
    about.iter().find_map(|candidate| {
        let time = tags::read_weights_since(value, &weights_hash(&view::forward(*candidate)))?;
        Some((names::age(time), *candidate))
    })
}

fn mark(tags: &Tags) -> Mark {
    if let Some(role) = tags.role() {
        let role = match role {
            tags::Role::PreProduct => Role::PreProduct,
            tags::Role::Product => Role::Product,
            tags::Role::Retired => Role::Retired,
            tags::Role::Rejected => Role::Rejected,
        };
        let removed = tags.value(tags::REASON) == Some("the service was removed");
        return Mark::Role { role, since: tags.since().map_or(NEW, names::age), removed };
    }
    if let Some(out) = tags.value(tags::OUT) {
        return domain::time::Time::parse(out).map_or(Mark::In, |out| Mark::Out(names::age(out)));
    }
    if tags.contains_key(tags::KEPT) { Mark::Kept } else { Mark::Told }
}

fn token(text: &str) -> Token {
    let mut parts = text.split('/');
    let subnet = parts.next().and_then(|s| s.strip_prefix("subnet-")).and_then(|s| s.parse().ok());
    let mut number = || parts.next().and_then(|n| n.parse().ok()).unwrap_or_default();
    Token { subnet: subnet.unwrap_or_default(), attempt: number(), count: number() }
}

fn concern(kind: &str) -> u8 {
    let last = CONCERNS.len() - 1;
    u8::try_from(CONCERNS.iter().position(|c| *c == kind).unwrap_or(last)).unwrap_or_default()
}

fn kinds(value: &str) -> u8 {
    value.split(' ').filter_map(|entry| entry.split_once('@')).fold(0, |all, (kind, _)| all | 1 << concern(kind))
}

/// What QA saw is no part of the model: who may promote does not depend on it as long as servers are not replaced.
fn is_fingerprint(step: &RealStep) -> bool {
    matches!(step, RealStep::TagGroup { tags, .. } if tags.contains_key(tags::FINGERPRINT))
}
