//! A small model of one account, as far as one service is concerned: plain values, moved by steps and by time.

use std::collections::{BTreeMap, BTreeSet};

use domain::check::Verdict;
use domain::config::Service;
use domain::id::{AllocationId, GroupArn, InstanceId, RuleArn, SubnetId};
use domain::notice::Notice;
use domain::plan::Step;
use domain::tags::Tags;
use domain::time::Time;
use domain::world::{Action, Alarm, Holder, InstanceState, LaunchFacts, Listener, Record, Rule, Weighted};

/// Which steps fail, where a test wants some to.
pub type Denied = fn(&Step) -> bool;

/// What AWS holds.
#[derive(Clone)]
pub struct Account {
    pub service: Service,
    /// The config as JSON, to be changed and read again.
    pub config: serde_json::Value,
    pub now: Time,
    pub listener: Option<Listener>,
    pub facts: LaunchFacts,
    pub servers: BTreeMap<InstanceId, Server>,
    pub groups: BTreeMap<GroupArn, Group>,
    pub rules: BTreeMap<RuleArn, Rule>,
    pub addresses: BTreeMap<AllocationId, Option<Holder>>,
    pub names: BTreeMap<String, Record>,
    /// Client tokens of launches: EC2 remembers them a day longer than the instances.
    pub tokens: BTreeSet<String>,
    /// Subnets whose zone has no capacity.
    pub full: BTreeSet<SubnetId>,
    /// For how long EC2 does not show an instance that was just launched.
    pub launch_lag_seconds: i64,
    /// Instances that lag by themselves, whatever the others do.
    pub lagging: BTreeSet<InstanceId>,
    /// When a group last left a rule: what settles is counted from it.
    pub left: BTreeMap<GroupArn, Time>,
    pub told_in_table: BTreeMap<String, Time>,
    pub executions_over: BTreeMap<String, String>,
    /// CloudWatch alarms, by name.
    pub alarms: BTreeMap<String, Alarm>,
    /// What the service's checks say, by name; the others find everything good.
    pub says: BTreeMap<String, Verdict>,
    /// What people were told.
    pub notices: Vec<Notice>,
    pub denied: Vec<Denied>,
    /// How many steps are still carried out before the call is cut off.
    pub cut_after: Option<usize>,
    /// How many instances were ever launched by steps.
    pub launched: u32,
}

/// An instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    pub state: InstanceState,
    pub subnet: SubnetId,
    pub ip: String,
    pub tags: Tags,
    pub launched: Time,
    /// What its health check says, where it is sick.
    pub sick: Option<String>,
    /// Whether it never gets past its status checks.
    pub stuck: bool,
}

/// A target group.
#[derive(Clone)]
pub struct Group {
    pub tags: Tags,
    pub protocol: String,
    pub port: u16,
    pub targets: BTreeMap<InstanceId, Registered>,
    pub drain_seconds: i64,
    /// A rule of somebody else's, on a listener that we do not know, forwards to it.
    pub held: bool,
}

/// A target.
#[derive(Clone, Copy)]
pub struct Registered {
    pub since: Time,
    /// Until when it drains, once it was deregistered.
    pub drains_until: Option<Time>,
}

/// How long a server takes from its launch until its status checks are ok.
pub const BOOT_SECONDS: i64 = 60;
/// How long a target takes to its first passed check.
pub const FIRST_CHECK_SECONDS: i64 = 5;

impl Account {
    /// Moves time: servers start, targets drain and vanish.
    pub fn later(mut self, seconds: i64) -> Self {
        self.move_time(seconds);
        self
    }

    pub fn move_time(&mut self, seconds: i64) {
        self.now = self.now + seconds;
        for server in self.servers.values_mut() {
            if server.state == InstanceState::Pending && self.now - server.launched >= 20 {
                server.state = InstanceState::Running;
            }
        }
        for group in self.groups.values_mut() {
            group.targets.retain(|_, target| target.drains_until.is_none_or(|until| until > self.now));
        }
    }

    pub fn tags_of(&self, release: &str) -> Vec<&Tags> {
        let servers = self.servers.values().map(|server| &server.tags);
        let all = servers.chain(self.groups.values().map(|group| &group.tags));
        all.filter(|tags| tags.get("pointsman:release").is_some_and(|id| id == release)).collect()
    }

    pub fn is_rejected(&self, release: &str) -> bool {
        self.tags_of(release).iter().any(|tags| tags.get("pointsman:role").is_some_and(|role| role == "rejected"))
    }

    /// The one role that everything of a release says, or what they say instead.
    pub fn role(&self, release: &str) -> String {
        let standing = self.servers.values().filter(|server| server.state != InstanceState::Terminated);
        let groups = self.groups.values().map(|group| &group.tags);
        let roles: BTreeSet<&str> = standing
            .map(|server| &server.tags)
            .chain(groups)
            .filter(|tags| tags.get("pointsman:release").is_some_and(|id| id == release))
            .map(|tags| tags.get("pointsman:role").map_or("none", String::as_str))
            .collect();
        if roles.is_empty() { "gone".to_owned() } else { roles.into_iter().collect::<Vec<_>>().join(" and ") }
    }

    pub fn servers_of<'a>(&'a self, release: &'a str) -> impl Iterator<Item = (&'a InstanceId, &'a Server)> {
        self.servers
            .iter()
            .filter(move |(_, server)| server.tags.get("pointsman:release").is_some_and(|id| id == release))
    }

    /// How many of a release's instances are paid for.
    pub fn paid(&self, release: &str) -> usize {
        self.servers_of(release).filter(|(_, server)| server.state != InstanceState::Terminated).count()
    }

    pub fn group_of(&self, release: &str) -> Option<GroupArn> {
        let of = |group: &Group| group.tags.get("pointsman:release").is_some_and(|id| id == release);
        self.groups.iter().find(|(_, group)| of(group)).map(|(arn, _)| arn.clone())
    }

    /// Who bears a group, in a word for tests: the release, or `adopted`.
    pub fn bearer(&self, arn: &GroupArn) -> String {
        let release = self.groups.get(arn).and_then(|group| group.tags.get("pointsman:release").cloned());
        release.unwrap_or_else(|| arn.name().to_owned())
    }

    /// The rule of ours of that kind.
    pub fn rule(&self, which: &str) -> Option<&Rule> {
        self.rules.values().find(|rule| rule.tags.get("pointsman:rule").is_some_and(|tag| tag == which))
    }

    /// What a rule of ours forwards to: `r2 100, r1 0`.
    pub fn forwards(&self, which: &str) -> String {
        let Some(rule) = self.rule(which) else { return "no rule".to_owned() };
        forward_of(rule)
            .iter()
            .map(|w| format!("{} {}", self.bearer(&w.group), w.weight))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// Every group that any rule of the listener names, and how.
    pub fn weights(&self) -> Vec<Weighted> {
        self.rules.values().flat_map(|rule| forward_of(rule).to_vec()).collect()
    }

    /// The one group that gets all customers, if it is one.
    pub fn served_alone(&self) -> Option<GroupArn> {
        let forward = self.rule("product").map(forward_of).unwrap_or_default();
        let weighted: Vec<&Weighted> = forward.iter().filter(|weighted| weighted.weight > 0).collect();
        if let [only] = weighted.as_slice() { Some(only.group.clone()) } else { None }
    }

    pub fn in_a_rule(&self, group: &GroupArn) -> bool {
        self.weights().iter().any(|weighted| weighted.group == *group)
    }

    /// Whether a load balancer uses a group: by a rule that we know, or by a stranger's.
    pub fn in_use(&self, group: &GroupArn) -> bool {
        self.in_a_rule(group) || self.groups.get(group).is_some_and(|found| found.held)
    }

    /// Whether a target would pass its check now.
    pub fn is_healthy(&self, group: &GroupArn, instance: &InstanceId) -> bool {
        let target = self.groups.get(group).and_then(|found| found.targets.get(instance));
        let checked = target
            .is_some_and(|target| target.drains_until.is_none() && self.now - target.since >= FIRST_CHECK_SECONDS);
        let server = self.servers.get(instance);
        // Somebody else's servers are not among ours; they are well unless their id says otherwise.
        let well = server.map_or(!instance.as_str().contains("sick"), |server| {
            server.state == InstanceState::Running && server.sick.is_none()
        });
        checked && well && self.in_use(group)
    }

    pub fn healthy(&self, group: &GroupArn) -> usize {
        let targets = self.groups.get(group).map(|found| found.targets.keys().collect::<Vec<_>>()).unwrap_or_default();
        targets.into_iter().filter(|instance| self.is_healthy(group, instance)).count()
    }

    /// The addresses that a name bears, as `1.2.3.4 5.6.7.8`.
    pub fn name(&self, name: &str) -> String {
        self.names.get(name).map(|record| record.ips.iter().cloned().collect::<Vec<_>>().join(" ")).unwrap_or_default()
    }

    /// The private addresses of a release's servers, as names bear them.
    pub fn ips(&self, release: &str) -> String {
        let alive = self.servers_of(release).filter(|(_, server)| server.state != InstanceState::Terminated);
        alive.map(|(_, server)| server.ip.clone()).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" ")
    }
}

/// What a rule forwards to.
pub fn forward_of(rule: &Rule) -> &[Weighted] {
    match &rule.action {
        Action::Forward(forward) => forward,
        Action::Other(_) => &[],
    }
}
