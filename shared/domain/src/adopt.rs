//! What serves a service that Pointsman has not adopted yet, as its rule, group and instances tell.

use std::collections::BTreeMap;

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
    /// The check's own protocol.
    pub check_protocol: String,
    /// The check's own port, where it is another one than the targets'.
    pub check_port: Option<u16>,
    /// `HTTP1`, `HTTP2` or `GRPC`.
    pub protocol_version: String,
    /// The group's deregistration delay.
    pub drain_seconds: Option<u32>,
    /// What somebody set on the group that a service's config has no key for, by ELB's names.
    pub attributes: BTreeMap<String, String>,
    /// Whether the first server was launched with user data; or why that is not seen.
    pub has_user_data: Result<bool, String>,
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
