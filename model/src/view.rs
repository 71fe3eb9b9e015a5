//! What a look sees: the account as the `World` of the plans, as much of it as the verb looks at.

use std::collections::{BTreeMap, BTreeSet};

use domain::config::Service;
use domain::id::{AllocationId, SubnetId};
use domain::tags::{self, Tags, WhichRule};
use domain::world::{
    Action, Address, Group, GroupDetails, Health, Holder, Image, Instance, InstanceState, LaunchFacts, Listener,
    Readiness, Record, Rule, Subnet, Target as RealTarget, Weighted, World, weights_hash,
};

use crate::ask::{Ask, Verb};
use crate::aws::{
    Aws, CONCERNS, Forward, Instances, Life, Marks, RELEASES, Role, SLOTS, STRANGER, Sight, THEIRS, Target, Weight,
    Which, bit,
};
use crate::names;

/// The role as the domain has it.
pub const fn role(role: Role) -> tags::Role {
    match role {
        Role::PreProduct => tags::Role::PreProduct,
        Role::Product => tags::Role::Product,
        Role::Retired => tags::Role::Retired,
        Role::Rejected => tags::Role::Rejected,
    }
}

/// What nobody can see is made alike, so that what looks the same is planned for once.
pub fn visible(aws: &Aws) -> Aws {
    let mut seen = *aws;
    seen.lease = None;
    seen.tokens = [0; RELEASES];
    for instance in seen.instances.iter_mut().flatten() {
        // Instances are found by their tags.
        if instance.is_some_and(|i| i.sight != Sight::Shown) {
            *instance = None;
        }
    }
    for rule in [&mut seen.product, &mut seen.pre_product] {
        if rule.is_some_and(|r| r.sight == Sight::Hidden) {
            *rule = None;
        }
    }
    for release in 0..RELEASES {
        let found = seen.in_a_rule(release);
        if let Some(group) = seen.groups[release].as_mut().filter(|g| g.sight == Sight::Hidden) {
            // A hidden group that a rule names is found through the rule.
            group.sight = Sight::Shown;
            if !found {
                seen.groups[release] = None;
            }
        }
    }
    seen
}

/// The world that a call sees.
pub fn world(seen: &Aws, ask: Ask, service: &Service, launch: bool, no_capacity: u8) -> World {
    let scope = plans::scope(&ask.request().verb, service);
    let mut rules = Vec::new();
    for which in [Which::Product, Which::PreProduct] {
        rules.extend(rule(seen, which));
    }
    if let Some(release) = seen.stranger {
        rules.push(Rule {
            arn: domain::id::RuleArn::new("arn:aws:elasticloadbalancing:us-east-1:1:listener-rule/app/lb/1/1/theirs"),
            priority: 7,
            conditions: domain::world::Conditions::default(),
            action: Action::Forward(vec![Weighted { group: names::group(usize::from(release)), weight: 1 }]),
            tags: Tags::new(),
        });
    }
    let behind = |group: usize| seen.in_a_rule(group);
    let has_instances = |release: usize| seen.instances[release].iter().any(Option::is_some);
    let own = |release: usize| scope.own_group && ask.release == release;
    let found = |release: usize| {
        behind(release) || own(release) || (scope.every_group && has_instances(release)) || ask.verb == Verb::Sweep
    };
    let mut groups: Vec<Group> = (0..RELEASES)
        .filter(|r| found(*r))
        .filter_map(|r| group(seen, r, service, scope.group_details || own(r)))
        .collect();
    if behind(STRANGER) {
        groups.push(Group {
            arn: names::group(STRANGER),
            tags: Tags::new(),
            details: Some(GroupDetails { protocol: "HTTP".into(), port: 8080, behind_load_balancer: true }),
            targets: Some(vec![RealTarget {
                instance: domain::id::InstanceId::new("i-theirs"),
                port: 8080,
                health: Health::Healthy,
            }]),
        });
    }
    let mut instances = Vec::new();
    for release in 0..RELEASES {
        for slot in 0..SLOTS {
            instances.extend(instance(seen, release, slot, service));
        }
    }
    let record = |ips: u16| Record {
        ips: all().filter(|(r, s)| ips & bit(*r, *s) != 0).map(|(r, s)| names::ip(r, s)).collect(),
        ttl_seconds: 10,
    };
    let records = names::ZONE_NAMES.iter().zip(seen.names);
    World {
        listener: Some(listener()),
        rules,
        groups,
        instances,
        addresses: service.elastic_ips.iter().zip(seen.addresses).map(|(id, holder)| address(id, holder)).collect(),
        names: records.filter_map(|(name, ips)| Some(((*name).to_owned(), record(ips?)))).collect(),
        launch: launch.then(launch_facts),
        no_capacity: subnets().filter(|(i, _)| no_capacity & (1 << i) != 0).map(|(_, s)| (s, "none".into())).collect(),
        executions_over: if ask.verb == Verb::Sweep {
            (0..RELEASES)
                .filter(|r| seen.over & (1 << r) != 0)
                .map(|r| (names::release(r).to_string(), "Failed".to_owned()))
                .collect()
        } else {
            BTreeMap::new()
        },
        alarms: BTreeMap::new(),
        checked: None,
        told: (0..8).filter(|c| seen.told & (1 << c) != 0).map(|c| (CONCERNS[c].to_owned(), names::NOW)).collect(),
    }
}

/// Every instance there can be.
pub fn all() -> impl Iterator<Item = (usize, usize)> {
    (0..RELEASES).flat_map(|r| (0..SLOTS).map(move |s| (r, s)))
}

fn address(id: &AllocationId, holder: Instances) -> Address {
    let instance = all().find(|(r, s)| bit(*r, *s) == holder).map(|(r, s)| Holder::Instance(names::instance(r, s)));
    let holder = if holder == THEIRS { Some(Holder::Other("eni-theirs".to_owned())) } else { instance };
    Address { id: id.clone(), ip: format!("198.51.100.{}", names::address_index(id)), holder }
}

fn subnets() -> impl Iterator<Item = (u8, SubnetId)> {
    (0..2).map(|i| (i, names::subnet(i)))
}

fn listener() -> Listener {
    Listener {
        arn: domain::id::ListenerArn::new(names::LISTENER),
        protocol: "HTTP".into(),
        port: 80,
        dns_name: "lb.example.com".into(),
        vpc: "vpc-1".into(),
        zones: BTreeSet::from(["a".to_owned(), "b".to_owned()]),
    }
}

fn launch_facts() -> LaunchFacts {
    let zones = ["a", "b"];
    LaunchFacts {
        subnets: subnets()
            .map(|(i, s)| (s, Subnet { vpc: "vpc-1".into(), zone: zones[usize::from(i)].to_owned() }))
            .collect(),
        image: Ok(Image { id: domain::id::ImageId::new("ami-0123"), root_device: "/dev/xvda".into() }),
        user_data: Ok(None),
    }
}

/// A forward action as AWS lists it.
pub fn forward(forward: Forward) -> Vec<Weighted> {
    let weighted = |(group, weight): (usize, Weight)| {
        let weight = match weight {
            Weight::Absent => return None,
            Weight::Zero => 0,
            Weight::Half => 50,
            Weight::All => 100,
        };
        Some(Weighted { group: names::group(group), weight })
    };
    forward.weights().into_iter().enumerate().filter_map(weighted).collect()
}

fn rule(seen: &Aws, which: Which) -> Option<Rule> {
    let rule = seen.rule(which)?;
    let config = names::config(rule.variant);
    let (config, real) = match which {
        Which::Product => (&config.product, WhichRule::Product),
        Which::PreProduct => (&config.pre_product, WhichRule::PreProduct),
    };
    let mut tags = if rule.sight == Sight::Bare {
        Tags::new()
    } else if rule.ours {
        tags::rule_tags(&names::service_name(), real, &Tags::new())
    } else {
        Tags::new()
    };
    if let Some((age, about)) = rule.since.filter(|_| rule.sight == Sight::Shown) {
        let hash = weights_hash(&forward(about));
        tags.insert(tags::SINCE.into(), tags::weights_since(names::time(age), &hash));
    }
    if rule.told != 0 {
        let kinds = (0..8).filter(|c| rule.told & (1 << c) != 0);
        let kinds: Vec<String> = kinds.map(|c| format!("{}@{}", CONCERNS[c], names::NOW)).collect();
        tags.insert(tags::TOLD.into(), kinds.join(" "));
    }
    Some(Rule {
        arn: names::rule(which),
        priority: config.priority,
        conditions: config.conditions.clone(),
        action: match rule.forward {
            Forward::To(_) => Action::Forward(forward(rule.forward)),
            Forward::Other => Action::Other("fixed-response".into()),
        },
        tags,
    })
}

fn mark_tags(release: usize, marks: Marks, service: &Service) -> Tags {
    let name = names::service_name();
    let mut tags =
        tags::birth_tags(&name, &names::release(release), role(marks.role), names::time(marks.since), &Tags::new());
    if marks.role == Role::Rejected {
        let reason = if marks.removed { "the service was removed" } else { "it was rejected" };
        tags.insert(tags::REASON.into(), reason.to_owned());
    }
    for (key, there) in [(tags::TOLD, marks.told), (tags::KEPT, marks.kept)] {
        if there {
            tags.insert(key.into(), names::NOW.to_string());
        }
    }
    if let Some(out) = marks.out {
        tags.insert(tags::OUT.into(), names::time(out).to_string());
    }
    for (key, value) in [
        (tags::COUNT, service.instance_count.to_string()),
        (tags::PORT, "8080".to_owned()),
        (tags::AMI, "ami-0123".to_owned()),
        (tags::LISTENER, names::LISTENER.to_owned()),
        (tags::PIPELINE, "web".to_owned()),
    ] {
        tags.insert(key.into(), value);
    }
    tags
}

fn instance(seen: &Aws, release: usize, slot: usize, service: &Service) -> Option<Instance> {
    let instance = seen.instances[release][slot]?;
    let lives = instance.life != Life::Terminated;
    let mut tags = mark_tags(release, instance.marks, service);
    let launch = instance.launch;
    tags.insert(tags::LAUNCH.into(), format!("{}/{}/{}", names::subnet(launch.subnet), launch.attempt, launch.count));
    let ready = instance.life == Life::Running;
    Some(Instance {
        id: names::instance(release, slot),
        state: match instance.life {
            Life::Pending => InstanceState::Pending,
            Life::Running => InstanceState::Running,
            Life::Terminated => InstanceState::Terminated,
        },
        subnet: lives.then(|| names::subnet(launch.subnet)),
        private_ip: lives.then(|| names::ip(release, slot)),
        tags,
        readiness: Readiness { status_ok: ready, ssm_online: ready },
    })
}

fn group(seen: &Aws, release: usize, service: &Service, details: bool) -> Option<Group> {
    let group = seen.groups[release]?;
    let behind = seen.in_a_rule(release);
    let target = |(slot, target): (usize, Option<Target>)| {
        let health = match target? {
            // Only what a rule names is checked.
            Target::Healthy if behind => Health::Healthy,
            Target::Healthy => Health::Not("unused".into()),
            Target::Draining => Health::Draining,
            Target::Initial => Health::Not("initial".into()),
            Target::Sick => Health::Not("unhealthy".into()),
        };
        Some(RealTarget { instance: names::instance(release, slot), port: 8080, health })
    };
    // A group that its name led to comes with its details.
    let details = details || !behind;
    Some(Group {
        arn: names::group(release),
        tags: if group.sight == Sight::Bare { Tags::new() } else { mark_tags(release, group.marks, service) },
        details: details.then(|| GroupDetails {
            protocol: "HTTP".into(),
            port: 8080,
            behind_load_balancer: group.held || behind,
        }),
        targets: Some(group.targets.into_iter().enumerate().filter_map(target).collect()),
    })
}
