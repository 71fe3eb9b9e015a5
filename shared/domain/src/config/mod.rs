//! A service's config: what it says, read once at the edge, all faults at once.

mod checks;
mod fields;
mod overlap;
mod parse;
mod patience;
mod rule;
mod settings;

use std::collections::BTreeSet;

pub use parse::{Parsed, Problem};
pub use settings::{Found, Settings};

use crate::id::{AllocationId, ListenerArn, ServiceName, SubnetId};
use crate::tags::Tags;
use crate::world::Conditions;

/// One deployable thing, as configured.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Its name.
    pub name: ServiceName,
    /// Where instances are launched; without duplicates, in the config's order.
    pub subnets: Vec<SubnetId>,
    /// `ami-…` or `resolve:ssm:/path`.
    pub ami: Ami,
    /// As `t3.small`.
    pub instance_type: String,
    /// How many instances a release has.
    pub instance_count: u32,
    /// Security group ids.
    pub security_groups: Vec<String>,
    /// Instance profile, name or ARN.
    pub iam_instance_profile: Option<String>,
    /// Key pair.
    pub key_name: Option<String>,
    /// User data.
    pub user_data: Option<UserData>,
    /// The pool of elastic IPs; empty: none are used.
    pub elastic_ips: Vec<AllocationId>,
    /// When an instance counts as ready.
    pub ready_when: ReadyWhen,
    /// The listener that the rules are of.
    pub listener_arn: ListenerArn,
    /// The targets' port.
    pub port: u16,
    /// How targets are checked.
    pub health_check: HealthCheck,
    /// How many of the asked-for targets have to be healthy for a switch, percent.
    pub min_healthy_percent: u32,
    /// The customers' rule.
    pub product: RuleConfig,
    /// QA's rule.
    pub pre_product: RuleConfig,
    /// Private-zone names.
    pub dns: Option<Dns>,
    /// Deregistration delay.
    pub drain_seconds: u32,
    /// How long a rule change takes at most to reach every load-balancer node.
    pub settle_seconds: u32,
    /// How long a promoted release is watched.
    pub bake_seconds: u32,
    /// The steps of a promotion.
    pub traffic: Traffic,
    /// CloudWatch alarms that stop a promotion, and roll back what is product.
    pub alarms: BTreeSet<String>,
    /// What an alarm does.
    pub on_alarm: OnAlarm,
    /// What releases are examined by, on their way.
    pub checks: Vec<Check>,
    /// How long provision waits for ready servers.
    pub provision_timeout_seconds: u32,
    /// How long register and promote wait for healthy targets.
    pub health_timeout_seconds: u32,
    /// How long a rejected release's servers are left for a look inside.
    pub keep_rejected_seconds: u32,
    /// How long a retired release is kept at most as the way back; without it, until `finish`.
    pub retired_ttl_seconds: Option<u32>,
    /// How long a pre-product release may wait to be promoted.
    pub pre_product_ttl_seconds: u32,
    /// What an approval that nobody answered does to the release that is product.
    pub on_approval_timeout: OnApprovalTimeout,
    /// Where notices go, if not to the topic of all services.
    pub notify_topic_arn: Option<String>,
    /// The service's own tags.
    pub tags: Tags,
}

/// Which AMI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ami {
    /// By id.
    Id(String),
    /// By the SSM parameter of this name.
    Ssm(String),
}

/// Which user data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserData {
    /// As given.
    Text(crate::world::Secret),
    /// From the SSM parameter of this name.
    Ssm(String),
}

/// When an instance counts as ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadyWhen {
    /// It runs.
    Running,
    /// Both status checks are ok.
    StatusOk,
    /// Its SSM agent is online.
    SsmOnline,
}

/// How targets are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// `HTTP` or `HTTPS`; the group's protocol too.
    pub protocol: String,
    /// Begins with `/`.
    pub path: String,
    /// 5 to 300.
    pub interval_seconds: u32,
    /// 2 to 120, below the interval.
    pub timeout_seconds: u32,
    /// 2 to 10.
    pub healthy_threshold: u32,
    /// 2 to 10.
    pub unhealthy_threshold: u32,
    /// `200`, `200,204` or `200-299`.
    pub matcher: String,
}

/// One of the two rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleConfig {
    /// 1 to 50000.
    pub priority: u32,
    /// When it matches.
    pub conditions: Conditions,
    /// The first host without a wildcard, in the config's order.
    pub host: Option<String>,
}

/// Private-zone names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// The zone.
    pub zone_id: String,
    /// The name of product's servers.
    pub product: Option<String>,
    /// The name of pre-product's servers.
    pub pre_product: Option<String>,
}

/// The steps of a promotion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Percent of product before all of it, rising. Empty: all at once.
    pub steps: Vec<u32>,
    /// How long each step stands.
    pub step_seconds: u32,
    /// How long a customer keeps the release that served him, while the steps last.
    pub stickiness_seconds: Option<u32>,
}

/// What an alarm does that goes off after a release got its weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnAlarm {
    /// Traffic goes back, and the release is rejected.
    Rollback,
    /// Weights stay where they are, and people decide: a database may have been migrated.
    Freeze,
}

/// What examines a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// A Lambda function, by its name, with an alias or not, or its ARN: after register, before promote and at each step.
    Function(String),
    /// A request to each target, before the release has traffic.
    Http(HttpCheck),
}

/// A request to each target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpCheck {
    /// Path and query, from `/` on.
    pub url: String,
    /// The status that is right.
    pub expect: u32,
    /// What the answer has to contain.
    pub contains: Option<String>,
}

impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Function(name) => f.write_str(name.rsplit_once(":function:").map_or(name.as_str(), |(_, name)| name)),
            Self::Http(check) => write!(f, "GET {}", check.url),
        }
    }
}

/// What an approval that nobody answered does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnApprovalTimeout {
    /// The release stays product.
    Keep,
    /// It is rolled back.
    Rollback,
}

impl Service {
    /// How many of so many asked-for targets have to be healthy, rounded up and at least one.
    pub fn wanted_healthy(&self, asked: usize) -> usize {
        let percent = usize::try_from(self.min_healthy_percent).unwrap_or(100);
        asked.saturating_mul(percent).div_ceil(100).max(1)
    }
}
