//! What serves behind a rule that is not ours.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::InstanceAttributeName;
use aws_sdk_elasticloadbalancingv2::types::TargetTypeEnum;
use domain::adopt::{Server, Serving};
use domain::config::HealthCheck;
use domain::id::{GroupArn, ListenerArn, RuleArn, ServiceName};
use domain::tags;
use domain::world::{Rule, Weighted};

use super::{Desk, Hindrance};
use crate::errors::{AwsError, sdk_error};
use crate::observe::{groups, rules};

/// Of the attributes of a target group, what a service's config has no key for, and what it is unless somebody set it.
const AS_MADE: [(&str, &str); 3] = [
    ("stickiness.enabled", "false"),
    ("slow_start.duration_seconds", "0"),
    ("load_balancing.algorithm.type", "round_robin"),
];
const DRAIN: &str = "deregistration_delay.timeout_seconds";

impl Desk {
    /// All rules of a listener, without their tags.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub async fn rules(&self, listener: &ListenerArn) -> Result<Vec<Rule>, Hindrance> {
        Ok(rules::of_listener(&self.clients, listener).await?)
    }

    /// What serves behind a rule, for a service that is to have it.
    ///
    /// # Errors
    /// Where something of it cannot be read, it is another service's, or it does not forward to one group of instances.
    pub async fn behind(&self, rule: &str, service: &ServiceName) -> Result<Serving, Hindrance> {
        let listener = listener_of(rule).ok_or_else(|| {
            Hindrance::Other(format!(
                "{rule} is not the ARN of a listener's rule: it looks like arn:aws:elasticloadbalancing:…:listener-rule/app/…"
            ))
        })?;
        let arn = RuleArn::new(rule);
        let found = self.rules(&listener).await?.into_iter().find(|found| found.arn == arn);
        let Some(found) = found else { return Err(self.no_rule(rule, &listener).await) };
        let tags = groups::tags(&self.clients, std::iter::once(rule)).await?.remove(rule).unwrap_or_default();
        if let Some(owner) = tags.get(tags::SERVICE).filter(|owner| *owner != service.as_str()) {
            return Err(Hindrance::Other(format!(
                "the rule is the service {owner}'s already, as its tag {} says: `pointsman status {owner}`",
                tags::SERVICE
            )));
        }
        let group = match &found.action {
            domain::world::Action::Forward(forward) => match forward.as_slice() {
                [Weighted { group, .. }] => group.clone(),
                several => {
                    return Err(Hindrance::Other(format!(
                        "the rule forwards to {} target groups: make it forward to one, then run this again",
                        several.len()
                    )));
                }
            },
            domain::world::Action::Other(kind) => {
                return Err(Hindrance::Other(format!("the rule does not forward: its action is {kind}")));
            }
        };
        let details = self.group(&group).await?;
        if let Some(kind) = details.target_type().filter(|kind| **kind != TargetTypeEnum::Instance) {
            return Err(Hindrance::Other(format!(
                "the rule forwards to {}, whose targets are not instances but of the type {}: a service's servers are instances; write \
                 its config by hand (docs/configuration.md)",
                group.name(),
                kind.as_str()
            )));
        }
        let (attributes, instances) = tokio::join!(self.attributes(&group), self.targets(&group));
        let (mut attributes, instances) = (attributes?, instances?);
        let servers = if instances.is_empty() { Vec::new() } else { self.servers(instances).await? };
        let has_user_data = match servers.first() {
            Some(server) => self.has_user_data(&server.id).await.map_err(|error| error.to_string()),
            None => Ok(false),
        };
        let number = |value: Option<i32>| value.and_then(|n| u32::try_from(n).ok()).unwrap_or_default();
        let matcher = details.matcher().and_then(|matcher| matcher.http_code()).unwrap_or("200");
        let port = details.port().and_then(|port| u16::try_from(port).ok()).unwrap_or_default();
        // `traffic-port`, as a rule.
        let check_port = details.health_check_port().and_then(|port| port.parse().ok()).filter(|check| *check != port);
        let drain_seconds = attributes.get(DRAIN).and_then(|seconds| seconds.parse().ok());
        attributes.retain(|key, value| AS_MADE.iter().any(|(known, as_made)| known == key && as_made != value));
        Ok(Serving {
            listener,
            rule: found,
            group,
            port,
            health_check: HealthCheck {
                protocol: details.protocol().map(|protocol| protocol.as_str().to_owned()).unwrap_or_default(),
                path: details.health_check_path().unwrap_or("/").to_owned(),
                interval_seconds: number(details.health_check_interval_seconds()),
                timeout_seconds: number(details.health_check_timeout_seconds()),
                healthy_threshold: number(details.healthy_threshold_count()),
                unhealthy_threshold: number(details.unhealthy_threshold_count()),
                matcher: matcher.to_owned(),
            },
            check_protocol: details.health_check_protocol().map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
            check_port,
            protocol_version: details.protocol_version().unwrap_or("HTTP1").to_owned(),
            drain_seconds,
            attributes,
            has_user_data,
            servers,
        })
    }

    /// Why a rule is not among those of its listener that have a priority.
    async fn no_rule(&self, rule: &str, listener: &ListenerArn) -> Hindrance {
        let found = self.clients.elb.describe_rules().rule_arns(rule).send().await;
        let found = match found.map_err(|error| sdk_error(rules::DESCRIBE, rule, &error)) {
            Ok(found) => found.rules.unwrap_or_default(),
            Err(error) if error.is(&["RuleNotFound"]) => Vec::new(),
            Err(error) => return error.into(),
        };
        Hindrance::Other(match found.first().and_then(|found| found.is_default()) {
            Some(true) => format!(
                "{rule} is the listener's default, which has neither priority nor conditions and can be no service's. Make a rule \
                 before it with the conditions of the service, which forwards to the same target group, and run this again with that"
            ),
            Some(false) | None => format!("there is no rule {rule} on the listener {listener}"),
        })
    }

    async fn attributes(&self, group: &GroupArn) -> Result<BTreeMap<String, String>, AwsError> {
        let action = "elasticloadbalancing:DescribeTargetGroupAttributes";
        let answer = self.clients.elb.describe_target_group_attributes().target_group_arn(group.as_str()).send().await;
        let answer = answer.map_err(|error| sdk_error(action, group.as_str(), &error))?;
        let pairs = answer.attributes().iter();
        Ok(pairs.filter_map(|pair| Some((pair.key()?.to_owned(), pair.value()?.to_owned()))).collect())
    }

    /// Whether a server was launched with user data. What it says may be secret, and is not taken over.
    async fn has_user_data(&self, id: &str) -> Result<bool, AwsError> {
        let action = "ec2:DescribeInstanceAttribute";
        let ask =
            self.clients.ec2.describe_instance_attribute().instance_id(id).attribute(InstanceAttributeName::UserData);
        let answer = ask.send().await.map_err(|error| sdk_error(action, id, &error))?;
        Ok(answer.user_data().and_then(|data| data.value()).is_some_and(|data| !data.is_empty()))
    }

    async fn group(&self, group: &GroupArn) -> Result<aws_sdk_elasticloadbalancingv2::types::TargetGroup, AwsError> {
        let action = "elasticloadbalancing:DescribeTargetGroups";
        let answer = self.clients.elb.describe_target_groups().target_group_arns(group.as_str()).send().await;
        let answer = answer.map_err(|error| sdk_error(action, group.as_str(), &error))?;
        let first = answer.target_groups.and_then(|groups| groups.into_iter().next());
        first.ok_or_else(|| AwsError::incomplete(action, group.as_str(), "such target group"))
    }

    async fn targets(&self, group: &GroupArn) -> Result<BTreeSet<String>, AwsError> {
        let action = "elasticloadbalancing:DescribeTargetHealth";
        let answer = self.clients.elb.describe_target_health().target_group_arn(group.as_str()).send().await;
        let answer = answer.map_err(|error| sdk_error(action, group.as_str(), &error))?;
        let targets = answer.target_health_descriptions().iter().filter_map(|health| health.target());
        Ok(targets.filter_map(|target| target.id()).map(str::to_owned).collect())
    }

    async fn servers(&self, ids: BTreeSet<String>) -> Result<Vec<Server>, AwsError> {
        let action = "ec2:DescribeInstances";
        let named = ids.iter().cloned().collect::<Vec<_>>().join(", ");
        let answer =
            self.clients.ec2.describe_instances().set_instance_ids(Some(ids.into_iter().collect())).send().await;
        let answer = answer.map_err(|error| sdk_error(action, named, &error))?;
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let servers = answer.reservations().iter().flat_map(|reservation| reservation.instances());
        let mut servers: Vec<Server> = servers
            .map(|instance| Server {
                id: text(instance.instance_id()),
                ami: text(instance.image_id()),
                instance_type: instance.instance_type().map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
                subnet: text(instance.subnet_id()),
                security_groups: instance
                    .security_groups()
                    .iter()
                    .filter_map(|group| group.group_id().map(str::to_owned))
                    .collect(),
                profile: instance.iam_instance_profile().and_then(|profile| profile.arn()).map(str::to_owned),
                key_name: instance.key_name().map(str::to_owned),
            })
            .collect();
        servers.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(servers)
    }
}

/// `…:listener/app/web/1/2` of the rule `…:listener-rule/app/web/1/2/3`.
fn listener_of(rule: &str) -> Option<ListenerArn> {
    let (before, path) = rule.split_once(":listener-rule/")?;
    let (listener, _) = path.rsplit_once('/')?;
    Some(ListenerArn::new(format!("{before}:listener/{listener}")))
}
