//! Names of AWS calls that are the same in each run: ids stand for what they are of.

use std::collections::BTreeMap;

use gateway::{Call, Request};
use local::Account;
use local::standing::{Standing, Tagged};

/// What ids stand for.
#[derive(Clone, Debug, Default)]
pub struct Names(BTreeMap<String, String>);

/// A call of AWS by what it does and to what; which of several of one name is said beside it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    pub service: String,
    pub action: String,
    pub resource: String,
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.action, self.resource)
    }
}

impl Names {
    /// The ids of all that stands in an account.
    #[must_use]
    pub fn of(account: &Account, standing: &Standing) -> Self {
        let mut names = BTreeMap::new();
        let mut name = |id: &str, name: String| drop(names.insert(id.to_owned(), name));
        for (subnet, number) in account.subnets.iter().zip(1..) {
            name(&subnet.id, format!("subnet {number}"));
        }
        for id in &account.elastic_ips {
            name(id, "an address".to_owned());
        }
        name(&account.vpc, "the VPC".to_owned());
        name(&account.security_group, "the security group".to_owned());
        name(&account.ami, "the AMI".to_owned());
        name(&account.listener_arn, "the listener".to_owned());
        name(&account.load_balancer_arn, "the load balancer".to_owned());
        name(&account.zone_id, "the zone".to_owned());
        name(&account.topic_arn, "the topic".to_owned());
        name(&account.lease_table, "the leases".to_owned());
        for instance in &standing.instances {
            name(&instance.id, format!("{}'s server", instance.tag("release")));
        }
        for group in &standing.groups {
            name(&group.arn, format!("{}'s group", group.tag("release")));
            name(&group.name, format!("{}'s group", group.tag("release")));
        }
        for rule in &standing.rules {
            name(&rule.arn, format!("the {} rule", rule.tag("rule")));
        }
        Self(names)
    }

    /// What an id stands for.
    #[must_use]
    pub fn name(&self, id: &str) -> String {
        if let Some(name) = self.0.get(id) {
            return name.clone();
        }
        let kinds = [
            ("i-", "a new server"),
            ("eipassoc-", "an association"),
            ("vol-", "a volume"),
            ("arn:aws:elasticloadbalancing", ""),
        ];
        match kinds.iter().find(|(prefix, _)| id.starts_with(prefix)) {
            Some((_, "")) if id.contains(":targetgroup/") => "a new group".to_owned(),
            Some((_, "")) => "a new rule".to_owned(),
            Some((_, kind)) => (*kind).to_owned(),
            // Its length is that of a job's id.
            None if uuid::Uuid::parse_str(id).is_ok() => "the job".to_owned(),
            None => id.to_owned(),
        }
    }

    /// The name of a call that was recorded.
    #[must_use]
    pub fn of_call(&self, call: &Call) -> Name {
        let resources = call.resource.split(',').filter(|id| !id.is_empty());
        self.named(&call.service, &call.action, resources)
    }

    /// The name of a call that comes in.
    #[must_use]
    pub fn of_request(&self, request: &Request) -> Name {
        // Taken apart as in the record, where some ids have commas in them.
        let joined = request.resources.join(",");
        self.named(&request.service, &request.action, joined.split(',').filter(|id| !id.is_empty()))
    }

    fn named<'a>(&self, service: &str, action: &str, ids: impl Iterator<Item = &'a str>) -> Name {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for id in ids {
            *counts.entry(self.name(id)).or_default() += 1;
        }
        let resources: Vec<String> =
            counts.into_iter().map(|(name, count)| if count > 1 { format!("{name} ×{count}") } else { name }).collect();
        Name { service: service.to_owned(), action: action.to_owned(), resource: resources.join(", ") }
    }
}
