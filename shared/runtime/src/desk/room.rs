//! What the account's limits leave room for: of the load balancers' things, and of servers.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{Filter, Instance, InstanceType};
use domain::id::{GroupArn, ListenerArn};
use serde_json::{Value, json};

use super::{Desk, Hindrance};
use crate::errors::{AwsError, sdk_error};
use crate::observe::rules;

const LIMITS: &str = "elasticloadbalancing:DescribeAccountLimits";
const LISTENERS: &str = "elasticloadbalancing:DescribeListeners";
const GROUPS: &str = "elasticloadbalancing:DescribeTargetGroups";
const INSTANCES: &str = "ec2:DescribeInstances";
const TYPES: &str = "ec2:DescribeInstanceTypes";
const QUOTA: &str = "servicequotas:GetServiceQuota";
/// How many pages of a list are read: 40,000 groups or 100,000 instances are no account's.
const PAGES: usize = 100;

/// EC2's quotas of virtual processors, by how an instance type begins; the first that fits counts.
/// <https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html>
const QUOTAS: [(&str, &str); 20] = [
    ("mac", ""),
    ("hpc", "L-F7808C92"),
    ("inf", "L-1945791B"),
    ("trn", "L-2C3B7624"),
    ("dl", "L-6E869C2A"),
    ("vt", "L-DB2E81BA"),
    ("g", "L-DB2E81BA"),
    ("f", "L-74FC7D96"),
    ("p", "L-417A185B"),
    ("u", "L-43DA4232"),
    ("x", "L-7295265B"),
    ("a", STANDARD),
    ("c", STANDARD),
    ("d", STANDARD),
    ("h", STANDARD),
    ("i", STANDARD),
    ("m", STANDARD),
    ("r", STANDARD),
    ("t", STANDARD),
    ("z", STANDARD),
];
const STANDARD: &str = "L-1216C47A";

/// Virtual processors of a kind of servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// The quota, as AWS names it.
    pub quota: String,
    /// How many may run.
    pub limit: u64,
    /// How many run.
    pub running: u64,
    /// How many a server of the type that was asked about has.
    pub each: u64,
}

impl Desk {
    /// What the account may have of the load balancers' things, by ELB's names: `rules-per-application-load-balancer` …
    ///
    /// # Errors
    /// Where it cannot be asked for.
    pub async fn limits(&self) -> Result<BTreeMap<String, u64>, Hindrance> {
        let answer = self.clients.elb.describe_account_limits().page_size(400).send().await;
        let answer = answer.map_err(|error| sdk_error(LIMITS, "", &error))?;
        let limit = |limit: &aws_sdk_elasticloadbalancingv2::types::Limit| {
            Some((limit.name()?.to_owned(), limit.max()?.parse().ok()?))
        };
        Ok(answer.limits().iter().filter_map(limit).collect())
    }

    /// How many rules a load balancer has, at all of its listeners; the default ones do not count.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub async fn rules_of_balancer(&self, balancer: &str) -> Result<usize, Hindrance> {
        let answer = self.clients.elb.describe_listeners().load_balancer_arn(balancer).page_size(400).send().await;
        let answer = answer.map_err(|error| sdk_error(LISTENERS, balancer, &error))?;
        let mut count = 0;
        for listener in answer.listeners().iter().filter_map(|listener| listener.listener_arn()) {
            count += rules::of_listener(&self.clients, &ListenerArn::new(listener)).await?.len();
        }
        Ok(count)
    }

    /// The target groups of a load balancer; without one, of the region.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub async fn groups(&self, balancer: Option<&str>) -> Result<Vec<GroupArn>, Hindrance> {
        let (mut groups, mut marker) = (Vec::new(), None);
        for _ in 0..PAGES {
            let ask = self.clients.elb.describe_target_groups().set_load_balancer_arn(balancer.map(str::to_owned));
            let page = ask.page_size(400).set_marker(marker).send().await;
            let page = page.map_err(|error| sdk_error(GROUPS, balancer.unwrap_or_default(), &error))?;
            groups.extend(page.target_groups().iter().filter_map(|group| group.target_group_arn().map(GroupArn::new)));
            marker = page.next_marker.filter(|marker| !marker.is_empty());
            if marker.is_none() {
                break;
            }
        }
        Ok(groups)
    }

    /// What servers of a type have room in; nothing for types that no such quota counts.
    ///
    /// # Errors
    /// Where something of it cannot be read.
    pub async fn room_for(&self, instance_type: &str) -> Result<Option<Room>, Hindrance> {
        let Some(code) = quota(instance_type) else { return Ok(None) };
        let input = json!({"ServiceCode": "ec2", "QuotaCode": code});
        let asked = self.json("servicequotas", "ServiceQuotasV20190624.GetServiceQuota", &input, QUOTA, code);
        let (asked, each, running) = tokio::join!(asked, self.processors_of(instance_type), self.running(code));
        let (asked, each, running) = (asked?, each?, running?);
        let limit = asked.pointer("/Quota/Value").and_then(Value::as_f64);
        let limit = limit.ok_or_else(|| AwsError::incomplete(QUOTA, code, "value of the quota"))?;
        let name = asked.pointer("/Quota/QuotaName").and_then(Value::as_str).unwrap_or(code);
        let room = Room { quota: name.to_owned(), limit: whole(limit), running, each };
        Ok(Some(room))
    }

    async fn processors_of(&self, instance_type: &str) -> Result<u64, AwsError> {
        let ask = self.clients.ec2.describe_instance_types().instance_types(InstanceType::from(instance_type));
        let answer = ask.send().await.map_err(|error| sdk_error(TYPES, instance_type, &error))?;
        let first = answer.instance_types().first().and_then(|found| found.v_cpu_info()?.default_v_cpus());
        let each = first.ok_or_else(|| AwsError::incomplete(TYPES, instance_type, "such instance type here"))?;
        Ok(u64::try_from(each).unwrap_or_default())
    }

    /// How many processors a quota counts that run now.
    async fn running(&self, code: &str) -> Result<u64, AwsError> {
        let states = ["pending", "running"].map(str::to_owned).to_vec();
        let filter = Filter::builder().name("instance-state-name").set_values(Some(states)).build();
        let (mut running, mut token) = (0, None);
        for _ in 0..PAGES {
            let ask =
                self.clients.ec2.describe_instances().filters(filter.clone()).max_results(1000).set_next_token(token);
            let page = ask.send().await.map_err(|error| sdk_error(INSTANCES, "", &error))?;
            let instances = page.reservations().iter().flat_map(|reservation| reservation.instances());
            running += instances.filter(|instance| counts(instance, code)).map(processors).sum::<u64>();
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                break;
            }
        }
        Ok(running)
    }
}

fn quota(instance_type: &str) -> Option<&'static str> {
    let found = QUOTAS.iter().find(|(begins, _)| instance_type.starts_with(begins));
    found.map(|(_, code)| *code).filter(|code| !code.is_empty())
}

/// Spot instances have quotas of their own.
fn counts(instance: &Instance, code: &str) -> bool {
    let kind = instance.instance_type().map(InstanceType::as_str).unwrap_or_default();
    instance.instance_lifecycle().is_none() && quota(kind) == Some(code)
}

fn processors(instance: &Instance) -> u64 {
    let of = |count: Option<i32>| count.and_then(|count| u64::try_from(count).ok()).unwrap_or(1);
    instance.cpu_options().map_or(1, |options| of(options.core_count()) * of(options.threads_per_core()))
}

/// A quota is a whole number, which Service Quotas writes with a point.
fn whole(value: f64) -> u64 {
    format!("{:.0}", value.max(0.0)).parse().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_type_says_which_quota_it_counts_for() {
        for (kind, code) in [
            ("t3.small", Some(STANDARD)),
            ("im4gn.large", Some(STANDARD)),
            ("inf1.xlarge", Some("L-1945791B")),
            ("trn1.2xlarge", Some("L-2C3B7624")),
            ("dl1.24xlarge", Some("L-6E869C2A")),
            ("vt1.3xlarge", Some("L-DB2E81BA")),
            ("mac2.metal", None),
            ("q1.small", None),
        ] {
            assert_eq!(quota(kind), code, "{kind}");
        }
    }
}
