//! Worlds: what may stand in an account, with any tags on it. Most of it is plausible; then tags are lost, edited and made up.

use std::collections::{BTreeMap, BTreeSet};

use domain::check::{Checked, Phase, Verdict};
use domain::config::Service;
use domain::id::{GroupArn, ImageId, InstanceId, ListenerArn, ReleaseId, RuleArn, SubnetId, group_name};
use domain::request::Request;
use domain::tags::{self, Role, Tags, WhichRule};
use domain::time::Time;
use domain::world::{
    Action, Address, Alarm, Conditions, Group, GroupDetails, Health, Holder, Image, Instance, InstanceState,
    LaunchFacts, Listener, Readiness, Record, Rule, Secret, Subnet, Target, Weighted, World, weights_hash,
};

use crate::choices::Choices;
use crate::configs::{LISTENER, right, service_name};
use crate::text;

mod requests;

/// A service, what stands of it, and what is asked.
#[derive(Debug)]
pub struct Scene {
    pub service: Service,
    pub world: World,
    pub now: Time,
    pub requests: Vec<Request>,
}

const RELEASES: [&str; 4] = ["r1", "r2", "r3", "r4"];
const ROLES: &[&str] = &["pre-product", "product", "retired", "rejected"];
const NOW: i64 = 1_795_258_800;
const VALUES: &[&str] = &[
    "mobile-web",
    "payroll",
    "r1",
    "r2",
    "r3",
    "pre-product",
    "product",
    "retired",
    "rejected",
    "2026-11-21T10:00:00Z",
    "2026-11-20T10:00:00Z",
    "2027-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "0",
    "1",
    "500",
    "100000",
    "8080",
    "subnet-0a/0/2",
    "subnet-0a/4294967295/4294967295",
    "subnet-0c/x/y",
    "bad, and [worse]",
    "the service was removed",
    "",
];
const TAG_KEYS: &[&str] = &[
    tags::SERVICE,
    tags::RELEASE,
    tags::ROLE,
    tags::SINCE,
    tags::RULE,
    tags::REASON,
    tags::KEPT,
    tags::TOLD,
    tags::OUT,
    tags::COUNT,
    tags::PORT,
    tags::AMI,
    tags::LISTENER,
    tags::LAUNCH,
    tags::PIPELINE,
    tags::FINGERPRINT,
    tags::NAME,
];

/// Makes a scene.
pub fn make(c: &mut Choices) -> Scene {
    let (service, is_good) = service(c);
    let now = Time::from_seconds(NOW);
    let mut world = World { listener: c.chance(85).then(|| listener(c)), ..World::default() };
    let releases = 1 + c.upto(3);
    for name in RELEASES.iter().take(releases) {
        release(c, &service, &mut world, name, now);
    }
    if c.chance(15) {
        strangers_group(c, &mut world);
    }
    rules(c, &service, &mut world, now);
    describe(c, &mut world);
    beside(c, &service, &mut world, now);
    noise(c, &mut world);
    for name in &service.alarms {
        alarm(c, &mut world, name, now);
    }
    if c.chance(70) {
        world.checked = checked(c, &service);
    }
    observed(&service, &mut world);
    let mut requests = requests::requests(c, &service, now);
    if !is_good {
        // Only these go on with stand-ins for what is at fault.
        requests.retain(|request| request.verb.needs_only_listener());
    }
    Scene { service, world, now, requests }
}

/// A service as configs are taken; now and then one with faults, as rollbacks have it.
fn service(c: &mut Choices) -> (Service, bool) {
    let mut config = right(c);
    if c.chance(5) {
        config.shift_remove("product");
    }
    let parsed = Service::parse(&service_name(), &serde_json::Value::Object(config));
    let is_good = parsed.problems.is_empty();
    (parsed.service.unwrap_or_else(|| unreachable!("a right config has a listener: {:?}", parsed.problems)), is_good)
}

/// Leaves out what a look at the account never brings: rules that are not ours by place, tag or group.
fn observed(service: &Service, world: &mut World) {
    let is_ours = |tags: &Tags| tags.get(tags::SERVICE).is_some_and(|name| name == service.name.as_str());
    let ours: BTreeSet<&GroupArn> = world.groups.iter().filter(|g| is_ours(&g.tags)).map(|g| &g.arn).collect();
    let priorities = [service.product.priority, service.pre_product.priority];
    world.rules.retain(|rule| {
        let forward = match &rule.action {
            Action::Forward(forward) => forward.as_slice(),
            Action::Other(_) => &[],
        };
        priorities.contains(&rule.priority) || is_ours(&rule.tags) || forward.iter().any(|w| ours.contains(&w.group))
    });
}

/// As a rule it exists, and as a rule it is quiet.
fn alarm(c: &mut Choices, world: &mut World, name: &str, now: Time) {
    let before = -i64::try_from(c.upto(600)).unwrap_or(0);
    let alarm =
        if c.chance(30) { Alarm::Red { since: now + before, reason: text::like(c, VALUES, 50) } } else { Alarm::Quiet };
    if c.chance(90) {
        world.alarms.insert(name.to_owned(), alarm);
    }
}

/// As a rule everything is good.
fn checked(c: &mut Choices, service: &Service) -> Option<Checked> {
    let phase = *c.pick(&[Phase::Register, Phase::Promote, Phase::Promote, Phase::Step(10), Phase::Step(100)])?;
    let mut verdicts = Vec::new();
    for check in &service.checks {
        let why = text::like(c, VALUES, 50);
        let verdict = if c.chance(60) {
            Verdict::Good
        } else if c.chance(50) {
            Verdict::Bad(why)
        } else {
            Verdict::None(why)
        };
        verdicts.push((check.to_string(), verdict));
    }
    Some(Checked { phase, verdicts })
}

fn listener(c: &mut Choices) -> Listener {
    let zones = if c.chance(90) { vec!["a", "c"] } else { vec!["b"] };
    Listener {
        arn: ListenerArn::new(LISTENER),
        protocol: c.word(&["HTTPS", "HTTP", ""]).to_owned(),
        port: *c.pick(&[443, 80, 8443, 0]).unwrap_or(&443),
        dns_name: "main.elb.amazonaws.com".to_owned(),
        vpc: c.word(&["vpc-1", "vpc-1", "vpc-2", ""]).to_owned(),
        zones: zones.into_iter().map(str::to_owned).collect(),
    }
}

/// A time before now, or now, or much later.
fn time(c: &mut Choices, now: Time) -> Time {
    let ago = [0, 1, 14, 16, 61, 80, 301, 599, 3_600, 90_000, 700_000, 40_000_000, -5, -100_000];
    now + -c.pick(&ago).copied().unwrap_or_default()
}

fn release(c: &mut Choices, service: &Service, world: &mut World, name: &str, now: Time) {
    let Ok(id) = ReleaseId::new(name) else { return };
    let role = Role::parse(c.word(ROLES)).unwrap_or(Role::PreProduct);
    let mut tags = tags::birth_tags(&service.name, &id, role, time(c, now), &service.tags);
    let more = [
        (tags::COUNT, service.instance_count.to_string(), 90),
        (tags::PORT, service.port.to_string(), 80),
        (tags::LISTENER, LISTENER.to_owned(), 80),
        (tags::AMI, "ami-0123".to_owned(), 80),
        (tags::PIPELINE, "mobile-web".to_owned(), 50),
        (tags::TOLD, time(c, now).to_string(), 30),
        (tags::KEPT, time(c, now).to_string(), 15),
    ];
    for (key, value, chance) in more {
        if c.chance(chance) {
            tags.insert(key.to_owned(), value);
        }
    }
    if role == Role::Rejected && c.chance(80) {
        tags.insert(
            tags::REASON.to_owned(),
            c.word(&["it was bad", "superseded by r9", "the service was removed"]).to_owned(),
        );
    }
    let servers = c.upto(3);
    let mut ids = Vec::new();
    for n in 0..servers {
        let arn = InstanceId::new(format!("i-{name}-{n}"));
        let subnet = c.word(&["subnet-0a", "subnet-0c"]);
        let mut tags = tags.clone();
        if c.chance(90) {
            tags.insert(tags::LAUNCH.to_owned(), format!("{subnet}/0/{servers}"));
        }
        let state = *c
            .pick(&[
                InstanceState::Running,
                InstanceState::Running,
                InstanceState::Running,
                InstanceState::Pending,
                InstanceState::Stopped,
                InstanceState::Terminated,
            ])
            .unwrap_or(&InstanceState::Running);
        let lives = state != InstanceState::Terminated;
        world.instances.push(Instance {
            id: arn.clone(),
            state,
            subnet: lives.then(|| SubnetId::new(subnet)),
            private_ip: (lives && !c.chance(5)).then(|| format!("10.0.{}.{n}", name.len() + servers)),
            tags,
            readiness: Readiness { status_ok: c.chance(80), ssm_online: c.chance(80) },
        });
        ids.push(arn);
    }
    if c.chance(70) {
        let group = group_name(&service.name, &id);
        if c.chance(30) {
            tags.insert(tags::OUT.to_owned(), time(c, now).to_string());
        }
        let targets = targets(c, service, &ids);
        world.groups.push(group_of(&group, tags.clone(), targets));
        if c.chance(4) {
            // Somebody copied the group, tags and all.
            let targets = self::targets(c, service, &ids);
            world.groups.push(group_of(&format!("{group}-copy"), tags, targets));
        }
    }
}

fn targets(c: &mut Choices, service: &Service, ids: &[InstanceId]) -> Option<Vec<Target>> {
    let mut targets = Vec::new();
    for id in ids {
        let health = match c.below(6) {
            0..=2 => Health::Healthy,
            3 => Health::Draining,
            _ => Health::Not(text::like(
                c,
                &["unhealthy, codes [502]", "unused, Target group is not in use", "initial"],
                90,
            )),
        };
        if c.chance(90) {
            targets.push(Target { instance: id.clone(), port: service.port, health });
        }
    }
    if c.chance(5) {
        targets.push(Target { instance: InstanceId::new("i-strange"), port: 1, health: Health::Healthy });
    }
    c.chance(90).then_some(targets)
}

fn group_of(name: &str, tags: Tags, targets: Option<Vec<Target>>) -> Group {
    let arn = GroupArn::new(format!("arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/{name}/{}", name.len()));
    Group { arn, tags, details: None, targets }
}

fn strangers_group(c: &mut Choices, world: &mut World) {
    let mut tags = Tags::new();
    if c.chance(30) {
        tags.insert(tags::SERVICE.to_owned(), "payroll".to_owned());
        tags.insert(tags::RELEASE.to_owned(), "p1".to_owned());
    }
    let instance = if c.chance(30) { "i-r1-0" } else { "i-other" };
    let target = Target { instance: InstanceId::new(instance), port: 80, health: Health::Healthy };
    let targets = c.chance(80).then(|| vec![target]);
    world.groups.push(group_of("stranger", tags, targets));
}

/// A forward to some of the groups.
fn forward(c: &mut Choices, world: &World, most: usize) -> Vec<Weighted> {
    let arns: Vec<GroupArn> = world.groups.iter().map(|group| group.arn.clone()).collect();
    let mut forward: Vec<Weighted> = Vec::new();
    for n in 0..=c.upto(most) {
        let Some(arn) = c.pick(&arns) else { break };
        if forward.iter().all(|w| w.group != *arn) {
            let weights: &[u32] = if n == 0 { &[100, 100, 90, 1, 999, 0] } else { &[0, 0, 0, 10, 50, 100] };
            forward.push(Weighted { group: arn.clone(), weight: c.pick(weights).copied().unwrap_or_default() });
        }
    }
    if c.chance(2) {
        forward
            .push(Weighted { group: GroupArn::new("arn:aws:elasticloadbalancing:x:targetgroup/unread/1"), weight: 0 });
    }
    forward
}

fn rules(c: &mut Choices, service: &Service, world: &mut World, now: Time) {
    for (which, config, chance) in
        [(WhichRule::Product, &service.product, 80), (WhichRule::PreProduct, &service.pre_product, 60)]
    {
        let mut copies = u32::from(c.chance(chance));
        copies += u32::from(c.chance(3));
        for n in 0..copies {
            let most = if which == WhichRule::Product { 2 } else { 0 };
            let forward = forward(c, world, most);
            let mut tags = tags::rule_tags(&service.name, which, &service.tags);
            if c.chance(85) {
                let hash = if c.chance(90) { weights_hash(&forward) } else { "ffffffff".to_owned() };
                tags.insert(tags::SINCE.to_owned(), tags::weights_since(time(c, now), &hash));
            }
            if c.chance(20) {
                let told = format!("rejected-serves@{} x@y @ way-back-unhealthy@{}", time(c, now), time(c, now));
                tags.insert(tags::TOLD.to_owned(), told);
            }
            let action =
                if c.chance(3) { Action::Other("fixed-response".to_owned()) } else { Action::Forward(forward) };
            let conditions = if c.chance(85) { config.conditions.clone() } else { Conditions::default() };
            let priority = if c.chance(90) { config.priority + n } else { 777 };
            let arn = RuleArn::new(format!("arn:rule/{}/{n}", which.as_str()));
            world.rules.push(Rule { arn, priority, conditions, action, tags });
        }
    }
    if c.chance(15) {
        let forward = forward(c, world, 1);
        let action = if c.chance(20) { Action::Other("redirect".to_owned()) } else { Action::Forward(forward) };
        let priority = *c.pick(&[service.product.priority, service.pre_product.priority, 500]).unwrap_or(&500);
        let tags = Tags::from([("team".to_owned(), "other".to_owned())]);
        world.rules.push(Rule {
            arn: RuleArn::new("arn:rule/stranger/0"),
            priority,
            conditions: Conditions::default(),
            action,
            tags,
        });
    }
}

/// The details of groups: behind a load balancer is what any rule names, and now and then what none does that we know.
fn describe(c: &mut Choices, world: &mut World) {
    let named: BTreeSet<GroupArn> = world
        .rules
        .iter()
        .flat_map(|rule| match &rule.action {
            Action::Forward(forward) => forward.as_slice(),
            Action::Other(_) => &[],
        })
        .map(|weighted| weighted.group.clone())
        .collect();
    for group in &mut world.groups {
        if c.chance(85) {
            // The two are looked at one after the other, and an answer may lack a field.
            let behind_load_balancer = named.contains(&group.arn) != c.chance(10);
            let port = *c.pick(&[8080, 8080, 8080, 8080, 0, 9090]).unwrap_or(&8080);
            group.details = Some(GroupDetails {
                protocol: c.word(&["HTTP", "HTTP", "HTTPS", ""]).to_owned(),
                port,
                behind_load_balancer,
            });
        }
    }
}

/// Addresses, names, what a launch needs, what was told.
fn beside(c: &mut Choices, service: &Service, world: &mut World, now: Time) {
    let instances: Vec<InstanceId> = world.instances.iter().map(|i| i.id.clone()).collect();
    for id in &service.elastic_ips {
        let holder = match c.below(4) {
            0 | 1 => None,
            2 => c.pick(&instances).cloned().map(Holder::Instance),
            _ => Some(Holder::Other("eni-1".to_owned())),
        };
        world.addresses.push(Address { id: id.clone(), ip: "203.0.113.1".to_owned(), holder });
    }
    if let Some(dns) = &service.dns {
        for name in [&dns.product, &dns.pre_product].into_iter().flatten() {
            if c.chance(70) {
                let ips = (0..=c.upto(2)).map(|n| format!("10.0.{}.{n}", 2 + c.below(4))).collect();
                world.names.insert(name.clone(), Record { ips, ttl_seconds: *c.pick(&[10, 300, 0]).unwrap_or(&10) });
            }
        }
    }
    if c.chance(75) {
        let subnet = |vpc: &str, zone: &str| Subnet { vpc: vpc.to_owned(), zone: zone.to_owned() };
        let mut subnets = BTreeMap::from([(SubnetId::new("subnet-0a"), subnet("vpc-1", "a"))]);
        if c.chance(90) {
            subnets.insert(SubnetId::new("subnet-0c"), subnet(c.word(&["vpc-1", "vpc-2"]), "c"));
        }
        let image = Image { id: ImageId::new("ami-0123"), root_device: "/dev/xvda".to_owned() };
        world.launch = Some(LaunchFacts {
            subnets,
            image: if c.chance(95) { Ok(image) } else { Err("there is none".to_owned()) },
            user_data: if c.chance(95) {
                Ok(c.chance(50).then(|| Secret("#!".to_owned())))
            } else {
                Err("gone".to_owned())
            },
        });
    }
    if c.chance(10) {
        for subnet in service.subnets.iter().take(1 + c.upto(1)) {
            world.no_capacity.insert(subnet.clone(), text::like(c, &["InsufficientInstanceCapacity: none here"], 80));
        }
    }
    if c.chance(20) {
        world.executions_over.insert(c.word(&RELEASES).to_owned(), "Failed".to_owned());
    }
    if c.chance(10) {
        world.told.insert("strange-rule".to_owned(), time(c, now));
    }
}

/// Tags lost, edited, made up, on anything.
fn noise(c: &mut Choices, world: &mut World) {
    if c.chance(40) {
        return;
    }
    for _ in 0..=c.upto(5) {
        let (instances, groups, rules) = (world.instances.len(), world.groups.len(), world.rules.len());
        let at = c.upto((instances + groups + rules).saturating_sub(1));
        let tags = if at < instances {
            world.instances.get_mut(at).map(|instance| &mut instance.tags)
        } else if at < instances + groups {
            world.groups.get_mut(at - instances).map(|group| &mut group.tags)
        } else {
            world.rules.get_mut(at - instances - groups).map(|rule| &mut rule.tags)
        };
        let Some(tags) = tags else { return };
        let key = c.word(TAG_KEYS);
        match c.below(6) {
            0 => {
                tags.remove(key);
            }
            1 => tags.clear(),
            2 => {
                tags.insert(key.to_owned(), text::like(c, VALUES, 0));
            }
            3 => {
                let counts = ["0", "1", "100", "100000", "4294967295", "-1", "x"];
                tags.insert(tags::COUNT.to_owned(), c.word(&counts).to_owned());
            }
            _ => {
                tags.insert(key.to_owned(), c.word(VALUES).to_owned());
            }
        }
    }
}
