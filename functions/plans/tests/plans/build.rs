//! A healthy world, and small verbs to spoil it.

use std::collections::{BTreeMap, BTreeSet};

use domain::check::Verdict;
use domain::config::Service;
use domain::id::{
    AllocationId, GroupArn, ImageId, InstanceId, ListenerArn, ReleaseId, RuleArn, ServiceName, SubnetId, group_name,
};
use domain::tags::{self, Role, Tags, WhichRule};
use domain::time::Time;
use domain::world::{
    Action, Alarm, Conditions, Image, InstanceState, LaunchFacts, Listener, Record, Rule, Subnet, Weighted,
    weights_hash,
};
use serde_json::{Value, json};

use crate::account::{Account, Group, Registered, Server, forward_of};

pub const LISTENER: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/main/1/2";
pub const PRODUCT_NAME: &str = "mobile.corp.internal";
pub const PRE_PRODUCT_NAME: &str = "pre-mobile.corp.internal";

/// An account in which nothing of `mobile-web` was made yet. Releases have two servers.
pub fn world() -> Account {
    let config = json!({
        "subnets": ["subnet-0a", "subnet-0c"],
        "ami": "ami-0123", "instance_type": "t3.small", "instance_count": 2, "security_groups": ["sg-01"],
        "listener_arn": LISTENER, "port": 8080,
        "product": {"priority": 20, "hosts": ["m.example.com"]},
        "pre_product": {"priority": 10, "hosts": ["pre.m.example.com"]},
        "dns": {"zone_id": "Z01", "product": PRODUCT_NAME, "pre_product": PRE_PRODUCT_NAME},
    });
    let zones = [("subnet-0a", "us-east-1a"), ("subnet-0c", "us-east-1c")];
    let subnet =
        |(id, zone): (&str, &str)| (SubnetId::new(id), Subnet { vpc: "vpc-1".to_owned(), zone: zone.to_owned() });
    Account {
        service: read(&config),
        config,
        now: Time::parse("2026-11-21T10:00:00Z").unwrap(),
        listener: Some(Listener {
            arn: ListenerArn::new(LISTENER),
            protocol: "HTTPS".to_owned(),
            port: 443,
            dns_name: "main.elb.amazonaws.com".to_owned(),
            vpc: "vpc-1".to_owned(),
            zones: zones.iter().map(|(_, zone)| (*zone).to_owned()).collect(),
        }),
        facts: LaunchFacts {
            subnets: zones.into_iter().map(subnet).collect(),
            image: Ok(Image { id: ImageId::new("ami-0123"), root_device: "/dev/xvda".to_owned() }),
            user_data: Ok(None),
        },
        servers: BTreeMap::new(),
        groups: BTreeMap::new(),
        rules: BTreeMap::new(),
        addresses: BTreeMap::new(),
        names: BTreeMap::new(),
        tokens: BTreeSet::new(),
        full: BTreeSet::new(),
        launch_lag_seconds: 0,
        lagging: BTreeSet::new(),
        left: BTreeMap::new(),
        told_in_table: BTreeMap::new(),
        executions_over: BTreeMap::new(),
        alarms: BTreeMap::new(),
        says: BTreeMap::new(),
        notices: Vec::new(),
        denied: Vec::new(),
        cut_after: None,
        launched: 0,
    }
}

fn read(config: &Value) -> Service {
    let parsed = Service::parse(&ServiceName::new("mobile-web").unwrap(), config);
    assert_eq!(parsed.problems, vec![], "the test's config is faulty");
    parsed.service.unwrap()
}

fn arn(release: &str) -> GroupArn {
    let name = group_name(&ServiceName::new("mobile-web").unwrap(), &ReleaseId::new(release).unwrap());
    GroupArn::new(format!("arn:aws:elasticloadbalancing:targetgroup/{name}/{release}"))
}

impl Account {
    /// The config with these keys over it.
    pub fn configured(mut self, keys: Value) -> Self {
        for (key, value) in keys.as_object().unwrap() {
            self.config[key] = value.clone();
        }
        self.service = read(&self.config);
        if let Some(pool) = self.config.get("elastic_ips").and_then(Value::as_array) {
            let ids = pool.iter().map(|id| (AllocationId::new(id.as_str().unwrap()), None));
            self.addresses = ids.chain(std::mem::take(&mut self.addresses)).collect();
        }
        self
    }

    /// A release whose servers run; nothing routes to it.
    pub fn provisioned(mut self, release: &str) -> Self {
        self.servers_in_role(release, Role::PreProduct);
        self.tidy()
    }

    fn servers_in_role(&mut self, release: &str, role: Role) {
        let id = ReleaseId::new(release).unwrap();
        let asked = self.service.instance_count;
        for n in 0..asked {
            let subnet = if n % 2 == 0 { "subnet-0a" } else { "subnet-0c" };
            let mut tags = tags::birth_tags(&self.service.name, &id, role, self.now, &Tags::new());
            let in_zone = if n % 2 == 0 { asked.div_ceil(2) } else { asked / 2 };
            tags.extend([
                (tags::COUNT.to_owned(), asked.to_string()),
                (tags::PORT.to_owned(), "8080".to_owned()),
                (tags::LISTENER.to_owned(), LISTENER.to_owned()),
                (tags::LAUNCH.to_owned(), format!("{subnet}/0/{in_zone}")),
            ]);
            self.add_server(&format!("i-{release}-{}", n + 1), subnet, tags);
            let server = self.servers.get_mut(&InstanceId::new(format!("i-{release}-{}", n + 1))).unwrap();
            server.launched = self.now + -3_600;
        }
    }

    /// A release with its servers and, healthy in it, its group.
    pub fn stands(mut self, release: &str, role: Role) -> Self {
        self.servers_in_role(release, role);
        let id = ReleaseId::new(release).unwrap();
        let mut tags = tags::birth_tags(&self.service.name, &id, role, self.now, &Tags::new());
        tags.insert(tags::COUNT.to_owned(), self.service.instance_count.to_string());
        let servers: Vec<InstanceId> = self.servers_of(release).map(|(id, _)| id.clone()).collect();
        self.add_group(arn(release), tags, servers);
        self.tidy()
    }

    fn add_group(&mut self, arn: GroupArn, tags: Tags, targets: Vec<InstanceId>) {
        let since = self.now + -3_600;
        let targets = targets.into_iter().map(|id| (id, Registered { since, drains_until: None })).collect();
        let group = Group { tags, protocol: "HTTP".into(), port: 8080, targets, drain_seconds: 30, held: false };
        self.groups.insert(arn, group);
    }

    /// A release that has all of the weight.
    pub fn product(self, release: &str) -> Self {
        self.stands(release, Role::Product).weighs(release, 100)
    }

    /// A release that was product before; the way back.
    pub fn retired(self, release: &str) -> Self {
        self.stands(release, Role::Retired).weighs(release, 0)
    }

    /// A release that QA can try.
    pub fn pre_product(self, release: &str) -> Self {
        self.stands(release, Role::PreProduct).behind_pre_product(release)
    }

    /// A release of which nothing is left to be done but its removal: rejected, told, and in no rule.
    pub fn rejected(self, release: &str) -> Self {
        let told = self.now.to_string();
        self.stands(release, Role::Rejected).tagged(release, tags::REASON, "it was bad").tagged(
            release,
            tags::TOLD,
            &told,
        )
    }

    /// A release that has some of the weight, as much less for the one that is product.
    pub fn promoting(mut self, release: &str, weight: u32) -> Self {
        let product = self.rule("product").map(|rule| forward_of(rule).to_vec()).unwrap_or_default();
        for share in product.iter().filter(|share| share.weight > 0) {
            let bearer = self.bearer(&share.group);
            self = self.weighs(&bearer, 100 - weight);
        }
        self.pre_product(release).weighs(release, weight)
    }

    /// A group that nobody tagged, behind a rule that was given to us.
    pub fn adopted(mut self, targets: &[&str]) -> Self {
        let targets = targets.iter().map(|id| InstanceId::new(*id)).collect();
        self.add_group(GroupArn::new("arn:aws:elasticloadbalancing:targetgroup/adopted/adopted"), Tags::new(), targets);
        self.weighs("adopted", 100)
    }

    /// The product rule sends a release this much.
    pub fn weighs(mut self, release: &str, weight: u32) -> Self {
        let group = if release == "adopted" {
            self.groups.keys().find(|arn| arn.name() == "adopted").cloned().unwrap()
        } else {
            arn(release)
        };
        let mut forward = self.rule("product").map(|rule| forward_of(rule).to_vec()).unwrap_or_default();
        forward.retain(|weighted| weighted.group != group);
        forward.push(Weighted { group, weight });
        forward.sort_by_key(|weighted| std::cmp::Reverse(weighted.weight));
        let conditions = self.service.product.conditions.clone();
        self.put_rule(WhichRule::Product, self.service.product.priority, conditions, forward);
        self.tidy()
    }

    /// The pre-product rule forwards to a release.
    pub fn behind_pre_product(mut self, release: &str) -> Self {
        let forward = vec![Weighted { group: arn(release), weight: 100 }];
        let conditions = self.service.pre_product.conditions.clone();
        self.put_rule(WhichRule::PreProduct, self.service.pre_product.priority, conditions, forward);
        self.tidy()
    }

    fn put_rule(&mut self, which: WhichRule, priority: u32, conditions: Conditions, forward: Vec<Weighted>) {
        let arn = RuleArn::new(format!("arn:rule/{}/0", which.as_str()));
        let tags = tags::rule_tags(&self.service.name, which, &Tags::new());
        let rule = Rule { arn: arn.clone(), priority, conditions, action: Action::Forward(forward), tags };
        self.rules.insert(arn, rule);
    }

    /// Nothing is left to be mended: names and the rule's `since` are as traffic is.
    pub fn tidy(mut self) -> Self {
        let now = self.now;
        if let Some(rule) =
            self.rules.values_mut().find(|rule| rule.tags.get(tags::RULE).is_some_and(|t| t == "product"))
        {
            let since = tags::weights_since(now, &weights_hash(forward_of(rule)));
            rule.tags.insert(tags::SINCE.to_owned(), since);
        }
        self.names.clear();
        let product = self.rule("product").and_then(|rule| forward_of(rule).iter().max_by_key(|w| w.weight));
        let product = product.map(|weighted| self.bearer(&weighted.group)).or(self.newest("product"));
        for (name, bearer) in [(PRODUCT_NAME, product), (PRE_PRODUCT_NAME, self.newest("pre-product"))] {
            let ips = bearer.map(|release| self.ips(&release)).unwrap_or_default();
            let ips: BTreeSet<String> = ips.split_whitespace().map(str::to_owned).collect();
            if !ips.is_empty() {
                self.names.insert(name.to_owned(), Record { ips, ttl_seconds: 10 });
            }
        }
        self
    }

    /// The newest release whose servers have this role by tags and that is not in the product rule.
    fn newest(&self, role: &str) -> Option<String> {
        // While it is being promoted it has some of the weight, and is pre-product still.
        let in_rule = |release: &str| {
            let there = |w: &Weighted| w.group == arn(release) && [0, 100].contains(&w.weight);
            self.rule("product").is_some_and(|rule| forward_of(rule).iter().any(there))
        };
        let standing = self.servers.values().filter(|server| server.state != InstanceState::Terminated);
        let of_role = standing.filter(|server| server.tags.get(tags::ROLE).is_some_and(|found| found == role));
        let releases =
            of_role.filter_map(|server| Some((server.tags.get(tags::SINCE)?, server.tags.get(tags::RELEASE)?)));
        releases.filter(|(_, release)| !in_rule(release)).max().map(|(_, release)| release.clone())
    }

    /// A tag on everything that a release has.
    pub fn tagged(mut self, release: &str, key: &str, value: &str) -> Self {
        for server in self.servers.values_mut().filter(|s| s.tags.get(tags::RELEASE).is_some_and(|id| id == release)) {
            server.tags.insert(key.to_owned(), value.to_owned());
        }
        if let Some(group) = self.groups.get_mut(&arn(release)) {
            group.tags.insert(key.to_owned(), value.to_owned());
        }
        self
    }

    /// A release whose tags say this role, whatever its traffic is.
    pub fn tagged_as(self, release: &str, role: Role) -> Self {
        self.tagged(release, tags::ROLE, role.as_str())
    }

    /// The first servers of a release are terminated; EC2 remembers them.
    pub fn dies(self, release: &str, servers: usize) -> Self {
        self.each(release, servers, |server| server.state = InstanceState::Terminated)
    }

    /// The first servers of a release fail their health checks.
    pub fn unhealthy(self, release: &str, servers: usize) -> Self {
        let why = "Health checks failed with these codes: [502]";
        self.each(release, servers, |server| server.sick = Some(why.to_owned()))
    }

    pub fn each(mut self, release: &str, servers: usize, change: impl Fn(&mut Server)) -> Self {
        let of = |server: &&mut Server| server.tags.get(tags::RELEASE).is_some_and(|id| id == release);
        self.servers.values_mut().filter(of).take(servers).for_each(change);
        self
    }

    /// EC2 has forgotten what was terminated.
    pub fn forgets(mut self) -> Self {
        self.servers.retain(|_, server| server.state != InstanceState::Terminated);
        self
    }

    /// A rule that is not ours.
    pub fn rule_at(mut self, priority: u32) -> Self {
        let rule = Rule {
            arn: RuleArn::new(format!("arn:rule/stranger-{priority}/0")),
            priority,
            conditions: Conditions { hosts: BTreeSet::from(["x.example.com".to_owned()]), ..Conditions::default() },
            action: Action::Other("fixed-response".to_owned()),
            tags: Tags::from([("team".to_owned(), "other".to_owned())]),
        };
        self.rules.insert(rule.arn.clone(), rule);
        self
    }

    /// What one of our rules does, by somebody's hand.
    pub fn rule_does(mut self, which: &str, action: Action) -> Self {
        let arn = self.rule(which).unwrap().arn.clone();
        self.rules.get_mut(&arn).unwrap().action = action;
        self
    }

    /// Somebody else's rule, on a listener that we do not know, forwards to a release's group.
    pub fn held(mut self, release: &str) -> Self {
        self.groups.get_mut(&arn(release)).unwrap().held = true;
        self
    }

    /// There is no rule of that kind any more.
    pub fn without_rule(mut self, which: &str) -> Self {
        let arn = self.rule(which).unwrap().arn.clone();
        self.rules.remove(&arn);
        self
    }

    /// An alarm that is neither red nor missing.
    pub fn alarm(mut self, name: &str) -> Self {
        self.alarms.insert(name.to_owned(), Alarm::Quiet);
        self
    }

    /// An alarm goes off now.
    pub fn goes_off(mut self, name: &str) -> Self {
        let red = Alarm::Red { since: self.now, reason: "Threshold crossed: 12 > 5".to_owned() };
        self.alarms.insert(name.to_owned(), red);
        self
    }

    /// A check of the service's says this from now on.
    pub fn says(mut self, check: &str, verdict: Verdict) -> Self {
        self.says.insert(check.to_owned(), verdict);
        self
    }

    /// Steps of that kind are denied.
    pub fn denies(mut self, step: crate::account::Denied) -> Self {
        self.denied.push(step);
        self
    }
}

impl Account {
    /// A release that serves was rejected, and its people were told; there was nothing to go back to.
    pub fn rejected_while_product(self, release: &str) -> Self {
        let told = self.now.to_string();
        let tagged = self.tagged_as(release, Role::Rejected).tagged(release, tags::TOLD, &told);
        tagged.tagged(release, tags::REASON, "it answers 500")
    }
}
