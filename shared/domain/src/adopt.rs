//! What serves a service that Pointsman has not adopted yet, as its rule, group and instances tell.

use crate::config::HealthCheck;
use crate::id::{GroupArn, ListenerArn};
use crate::world::Rule;

/// What serves behind a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Serving {
    /// Its listener.
    pub listener: ListenerArn,
    /// The rule.
    pub rule: Rule,
    /// The group it forwards to.
    pub group: GroupArn,
    /// The targets' port.
    pub port: u16,
    /// The group's protocol, and how it looks at its targets.
    pub health_check: HealthCheck,
    /// Its instances.
    pub servers: Vec<Server>,
}

/// An instance as somebody else launched it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its id.
    pub id: String,
    /// Its AMI.
    pub ami: String,
    /// As `t3.small`.
    pub instance_type: String,
    /// Its subnet.
    pub subnet: String,
    /// Ids.
    pub security_groups: Vec<String>,
    /// The ARN of its instance profile.
    pub profile: Option<String>,
    /// Its key pair.
    pub key_name: Option<String>,
}
