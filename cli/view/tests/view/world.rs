//! A service in its account: `r1` stands behind `r2`, which is product, and `r3` is before QA.

use std::collections::BTreeMap;

use domain::config::{Found, Service, Settings};
use domain::id::{GroupArn, InstanceId, ReleaseId, RuleArn, ServiceName, SubnetId, group_name};
use domain::request::{Request, Verb};
use domain::tags::{self, Role, Tags, WhichRule};
use domain::time::Time;
use domain::world::{
    Action, Group, GroupDetails, Health, Instance, InstanceState, Readiness, Rule, Target, Weighted, World,
    weights_hash,
};
use serde_json::{Value, json};

pub const LISTENER: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/web/11/22";

pub fn config() -> Value {
    json!({
        "subnets": ["subnet-0a", "subnet-0c"], "ami": "ami-0123", "instance_type": "t3.small", "instance_count": 2,
        "security_groups": ["sg-01"], "listener_arn": LISTENER, "port": 8080,
        "product": {"priority": 20, "hosts": ["m.example.com"]},
        "pre_product": {"priority": 10, "hosts": ["pre.m.example.com"]},
        "settle_seconds": 15, "drain_seconds": 30,
    })
}

pub fn found_with(change: impl FnOnce(&mut Value)) -> (Found, Service) {
    let mut config = config();
    change(&mut config);
    let variables = [("SERVICE_MOBILE_WEB", config.to_string()), ("LEASE_TABLE", "leases".to_owned())];
    let settings = Settings::from_variables(variables.map(|(key, value)| (key.to_owned(), value)));
    let found = settings.find(&ServiceName::new("mobile-web").unwrap(), None).unwrap();
    let service = found.service.clone().unwrap();
    (found, service)
}

pub fn found() -> (Found, Service) {
    found_with(|_| {})
}

pub fn now() -> Time {
    Time::parse("2026-11-21T10:00:00Z").unwrap()
}

pub fn release(id: &str) -> ReleaseId {
    ReleaseId::new(id).unwrap()
}

pub fn request(verb: Verb, id: &str) -> Request {
    Request::new(ServiceName::new("mobile-web").unwrap(), Some(release(id)), verb)
}

pub fn arn(id: &str) -> GroupArn {
    let name = group_name(&ServiceName::new("mobile-web").unwrap(), &release(id));
    GroupArn::new(format!("arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/{name}/{id}"))
}

/// The world, as it has been for an hour.
pub fn world(service: &Service) -> World {
    let mut world = World::default();
    for (id, role) in [("r1", Role::Retired), ("r2", Role::Product), ("r3", Role::PreProduct)] {
        add(&mut world, service, id, role);
    }
    let forward = vec![Weighted { group: arn("r1"), weight: 0 }, Weighted { group: arn("r2"), weight: 100 }];
    let mut product = rule(service, WhichRule::Product, 20, forward.clone());
    product.tags.insert(tags::SINCE.to_owned(), tags::weights_since(now() + -3600, &weights_hash(&forward)));
    let pre_product = rule(service, WhichRule::PreProduct, 10, vec![Weighted { group: arn("r3"), weight: 1 }]);
    world.rules = vec![product, pre_product];
    world
}

fn rule(service: &Service, which: WhichRule, priority: u32, forward: Vec<Weighted>) -> Rule {
    let config = if which == WhichRule::Product { &service.product } else { &service.pre_product };
    Rule {
        arn: RuleArn::new(format!("{}/{}", LISTENER.replace(":listener/", ":listener-rule/"), which.as_str())),
        priority,
        conditions: config.conditions.clone(),
        action: Action::Forward(forward),
        tags: tags::rule_tags(&service.name, which, &Tags::new()),
    }
}

/// A release with two healthy servers.
pub fn add(world: &mut World, service: &Service, id: &str, role: Role) {
    let mut tags = tags::birth_tags(&service.name, &release(id), role, now() + -3600, &Tags::new());
    tags.insert(tags::COUNT.to_owned(), "2".to_owned());
    tags.insert(tags::PORT.to_owned(), "8080".to_owned());
    tags.insert(tags::LISTENER.to_owned(), LISTENER.to_owned());
    let servers: Vec<InstanceId> = (1..=2).map(|n| InstanceId::new(format!("i-{id}-{n}"))).collect();
    for (n, server) in servers.iter().enumerate() {
        let mut tags = tags.clone();
        let subnet = if n == 0 { "subnet-0a" } else { "subnet-0c" };
        tags.insert(tags::LAUNCH.to_owned(), format!("{subnet}/0/1"));
        world.instances.push(Instance {
            id: server.clone(),
            state: InstanceState::Running,
            subnet: Some(SubnetId::new(subnet)),
            private_ip: Some(format!("10.0.{n}.{}", id.trim_start_matches('r'))),
            tags,
            readiness: Readiness { status_ok: true, ssm_online: true },
        });
    }
    let target = |server: &InstanceId| Target { instance: server.clone(), port: 8080, health: Health::Healthy };
    world.groups.push(Group {
        arn: arn(id),
        tags,
        details: Some(GroupDetails { protocol: "HTTP".to_owned(), port: 8080, behind_load_balancer: true }),
        targets: Some(servers.iter().map(target).collect()),
    });
}

/// A server of a release becomes sick.
pub fn sicken(world: &mut World, id: &str) {
    let group = world.groups.iter_mut().find(|group| group.arn == arn(id)).unwrap();
    group.targets.as_mut().unwrap()[0].health =
        Health::Not("unhealthy, Health checks failed with these codes: [502]".to_owned());
}

/// Tags of everything that a release has.
pub fn tag(world: &mut World, id: &str, key: &str, value: &str) {
    let is_its = |tags: &Tags| tags.get(tags::RELEASE).is_some_and(|release| release == id);
    let all: BTreeMap<String, String> = [(key.to_owned(), value.to_owned())].into();
    for instance in world.instances.iter_mut().filter(|instance| is_its(&instance.tags)) {
        instance.tags.extend(all.clone());
    }
    for group in world.groups.iter_mut().filter(|group| is_its(&group.tags)) {
        group.tags.extend(all.clone());
    }
}
