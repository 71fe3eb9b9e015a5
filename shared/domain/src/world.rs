//! The world as it was observed: plain values, and what can be read off them without deciding anything.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::Checked;
use crate::id::{AllocationId, GroupArn, ImageId, InstanceId, ListenerArn, ReleaseId, RuleArn, SubnetId, short_hash};
use crate::tags::{self, Read, Tags};
use crate::time::Time;

/// What there is of one service, as far as the call asked for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    /// The configured listener, for addresses that people can open.
    pub listener: Option<Listener>,
    /// The listener's rules that concern the service: at its priorities, or forwarding to a group named like its own.
    pub rules: Vec<Rule>,
    /// The groups that those rules name, and those found by the names of the releases.
    pub groups: Vec<Group>,
    /// The service's instances, terminated ones too while AWS remembers them.
    pub instances: Vec<Instance>,
    /// The configured pool of elastic IPs.
    pub addresses: Vec<Address>,
    /// The private-zone records of the configured names, A records only.
    pub names: BTreeMap<String, Record>,
    /// What a launch needs to know; read only when something is to be launched.
    pub launch: Option<LaunchFacts>,
    /// Subnets in which a launch of this call met no capacity, with AWS's words.
    pub no_capacity: BTreeMap<SubnetId, String>,
    /// Releases whose pipeline execution is over, with how it ended; asked by the sweep only.
    pub executions_over: BTreeMap<String, String>,
    /// The service's alarms, by name; absent ones do not exist. Asked for where a promotion may be under way.
    pub alarms: BTreeMap<String, Alarm>,
    /// What an examination of the call's release found; only where this call made one.
    pub checked: Option<Checked>,
    /// What was told lately and when, where no rule of ours could be tagged: from the lease table.
    pub told: BTreeMap<String, Time>,
}

/// A CloudWatch alarm.
#[derive(Clone, Debug, PartialEq)]
pub enum Alarm {
    /// OK, or too little data: that is no alarm.
    Quiet,
    /// In ALARM.
    Red {
        /// Since when.
        since: Time,
        /// CloudWatch's reason.
        reason: String,
    },
}

/// A listener and its load balancer.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    /// Its ARN.
    pub arn: ListenerArn,
    /// `HTTP` or `HTTPS`.
    pub protocol: String,
    /// The port that clients connect to.
    pub port: u16,
    /// The load balancer's DNS name.
    pub dns_name: String,
    /// The VPC that target groups must be in.
    pub vpc: String,
    /// The availability zones that it serves; a target elsewhere stays `unused` for ever.
    pub zones: BTreeSet<String>,
}

/// A listener rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its ARN.
    pub arn: RuleArn,
    /// 1 to 50000; the lowest that matches wins.
    pub priority: u32,
    /// When it matches.
    pub conditions: Conditions,
    /// What it does.
    pub action: Action,
    /// Its tags.
    pub tags: Tags,
}

/// When a rule matches: any value within a field, all fields together. An empty field does not narrow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Conditions {
    /// Host names, `*` and `?` are wildcards.
    pub hosts: BTreeSet<String>,
    /// Paths, `*` and `?` are wildcards.
    pub paths: BTreeSet<String>,
    /// Client addresses, CIDR.
    pub source_ips: BTreeSet<String>,
    /// Conditions of kinds that our rules do not have (headers, methods, query strings), as AWS names their field.
    pub others: BTreeSet<String>,
}

/// What a rule does with a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Forwards by weight.
    Forward(Vec<Weighted>),
    /// Anything else: the action's type, as `fixed-response`.
    Other(String),
}

/// One group of a forward action.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weighted {
    /// The group.
    pub group: GroupArn,
    /// 0 to 999.
    pub weight: u32,
}

/// A short hash of weights, which a rule's `since` tag carries.
pub fn weights_hash(forward: &[Weighted]) -> String {
    let mut sorted: Vec<_> = forward.iter().collect();
    sorted.sort();
    let text: Vec<String> = sorted.iter().map(|w| format!("{}={}", w.group, w.weight)).collect();
    short_hash(&text.join(" "), 8)
}

/// A target group.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Its ARN, which carries its name.
    pub arn: GroupArn,
    /// Its tags.
    pub tags: Tags,
    /// What `DescribeTargetGroups` says; absent where the call did not ask.
    pub details: Option<GroupDetails>,
    /// Its targets as `DescribeTargetHealth` has them; absent where the call did not ask.
    pub targets: Option<Vec<Target>>,
}

/// What `DescribeTargetGroups` says of a group.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupDetails {
    /// `HTTP` or `HTTPS`.
    pub protocol: String,
    /// The targets' port.
    pub port: u16,
    /// Whether any load balancer's rule, known to us or not, forwards to it.
    pub behind_load_balancer: bool,
}

/// One target of a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The instance.
    pub instance: InstanceId,
    /// Its port.
    pub port: u16,
    /// Whether it may be sent requests.
    pub health: Health,
}

impl Target {
    /// Whether the load balancer has only begun to check it: ELB's state `initial`.
    pub fn is_new(&self) -> bool {
        matches!(&self.health, Health::Not(why) if why.starts_with("initial"))
    }
}

/// A target's health, as far as plans tell states apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Passed its checks.
    Healthy,
    /// Deregistered, ending what is under way.
    Draining,
    /// Any other state, in words for people: `unhealthy, Health checks failed with these codes: [502]`.
    Not(String),
}

/// An instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// Where it is in its life.
    pub state: InstanceState,
    /// Its subnet; a terminated one has none.
    pub subnet: Option<SubnetId>,
    /// Its private address; a terminated one has none.
    pub private_ip: Option<String>,
    /// Its tags.
    pub tags: Tags,
    /// Status checks and the SSM agent; absent where the call did not ask.
    pub readiness: Readiness,
}

/// Where an instance is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstanceState {
    /// Being started.
    Pending,
    /// Runs.
    Running,
    /// Stopping or stopped: it holds its disks and serves nobody.
    Stopped,
    /// Shutting down or terminated.
    Terminated,
}

/// How far a running instance has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// Both status checks are ok.
    pub status_ok: bool,
    /// Its SSM agent is online.
    pub ssm_online: bool,
}

/// An elastic IP.
#[derive(Clone, Debug, PartialEq)]
pub struct Address {
    /// Its allocation.
    pub id: AllocationId,
    /// The address.
    pub ip: String,
    /// Who holds it.
    pub holder: Option<Holder>,
}

/// Who holds an elastic IP.
#[derive(Clone, Debug, PartialEq)]
pub enum Holder {
    /// An instance.
    Instance(InstanceId),
    /// Something else: a network interface, a NAT gateway.
    Other(String),
}

/// A record of the private zone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    /// IPv4 addresses.
    pub ips: BTreeSet<String>,
    /// Time to live, seconds.
    pub ttl_seconds: i64,
}

/// What a launch needs to know.
#[derive(Clone, Debug, PartialEq)]
pub struct LaunchFacts {
    /// The configured subnets that exist.
    pub subnets: BTreeMap<SubnetId, Subnet>,
    /// The AMI, or why there is none.
    pub image: Result<Image, String>,
    /// The user data, or why it could not be read.
    pub user_data: Result<Option<Secret>, String>,
}

/// A subnet.
#[derive(Clone, Debug, PartialEq)]
pub struct Subnet {
    /// Its VPC.
    pub vpc: String,
    /// Its availability zone.
    pub zone: String,
}

/// An AMI.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// Its id; `resolve:ssm:` is resolved.
    pub id: ImageId,
    /// Its root device, whose volume is encrypted at launch.
    pub root_device: String,
}

/// Text that no log shows.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "({} bytes, not shown)", self.0.len())
    }
}

impl World {
    /// A group by its ARN.
    pub fn group(&self, arn: &GroupArn) -> Option<&Group> {
        self.groups.iter().find(|group| group.arn == *arn)
    }

    /// The pipeline whose execution a release is, as its tags say.
    pub fn pipeline_of(&self, release: &ReleaseId) -> Option<&str> {
        let tags =
            self.instances.iter().map(|instance| &instance.tags).chain(self.groups.iter().map(|group| &group.tags));
        tags.filter(|tags| tags.value(tags::RELEASE) == Some(release.as_str()))
            .find_map(|tags| tags.value(tags::PIPELINE))
    }
}

impl Group {
    /// How many targets are healthy now.
    pub fn healthy(&self) -> usize {
        self.targets.iter().flatten().filter(|target| target.health == Health::Healthy).count()
    }
}

impl Instance {
    /// Whether it is running or about to.
    pub fn is_alive(&self) -> bool {
        matches!(self.state, InstanceState::Pending | InstanceState::Running)
    }
}

/// How much of the world a verb looks at. What every verb sees: the service's instances, the listener's rules that
/// concern it, the groups behind them with tags and health, and the configured names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The group of the request's release, found by its name.
    pub own_group: bool,
    /// The groups of all releases seen on instances, found by their names; and those that the tagging API listed.
    pub every_group: bool,
    /// What `DescribeTargetGroups` says of the groups.
    pub group_details: bool,
    /// The listener and its load balancer.
    pub listener: bool,
    /// Status checks and the SSM agent of the request's release.
    pub readiness: bool,
    /// The pool of elastic IPs.
    pub addresses: bool,
    /// Subnets, AMI and user data; and the listener, whose VPC and zones they have to fit.
    pub launch: bool,
    /// The service's alarms.
    pub alarms: bool,
}
