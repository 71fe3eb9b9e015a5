//! What moto holds of a listener: its rules, the groups they name, and those groups' targets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use gateway::{Aws, AwsError};
use ipnet::Ipv4Net;
use roxmltree::Node;

use crate::instances::{Instance, Instances};
use crate::xml;

/// AWS's own value where a group says nothing.
const DEFAULT_DRAIN: Duration = Duration::from_secs(300);

/// A listener and all it sends requests to.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// By priority, the default rule last.
    pub rules: Vec<Rule>,
    /// The groups that the rules name, by ARN.
    pub groups: BTreeMap<String, Group>,
}

/// A listener rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub arn: String,
    pub conditions: Vec<Condition>,
    pub action: Action,
}

/// A condition: one of its values has to match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    Hosts(Vec<String>),
    Paths(Vec<String>),
    SourceIps(Vec<Ipv4Net>),
    /// One that this load balancer does not know, by its field.
    Unknown(String),
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Forward {
        groups: Vec<WeightedGroup>,
        /// How long a customer keeps the group that served him, where the rule is sticky.
        sticky_seconds: Option<u32>,
    },
    FixedResponse {
        status: u16,
        content_type: String,
        body: String,
    },
    /// One that this load balancer does not know, by its type.
    Unknown(String),
}

/// A group of a forward action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightedGroup {
    pub arn: String,
    pub weight: u32,
}

/// A target group.
#[derive(Clone, Debug)]
pub struct Group {
    pub check: HealthCheck,
    pub drain: Duration,
    pub targets: Vec<RegisteredTarget>,
}

/// How a group's targets are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    pub protocol: String,
    /// None stands for `traffic-port`.
    pub port: Option<u16>,
    pub path: String,
    pub interval: Duration,
    pub timeout: Duration,
    pub healthy_threshold: u32,
    pub unhealthy_threshold: u32,
    /// `200`, `200-299`, `200,202`.
    pub matcher: String,
}

/// A registered target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredTarget {
    pub id: String,
    pub port: u16,
    pub place: Place,
}

/// Where a target is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Address(Ipv4Addr),
    /// It cannot be: its instance is in this state.
    NotRunning(String),
}

/// What is known of the groups, so that a change does not cost a look at all of them.
#[derive(Debug, Default)]
pub struct Known(BTreeMap<String, KnownGroup>);

/// A group, but for where its targets are.
#[derive(Debug)]
struct KnownGroup {
    check: HealthCheck,
    drain: Duration,
    targets: Vec<(String, u16)>,
}

impl Known {
    /// Forgets all groups.
    pub fn forget_all(&mut self) {
        self.0.clear();
    }

    /// Forgets what a call may have changed, by the resources that it is about.
    pub fn forget(&mut self, resources: &str) {
        for arn in resources.split(',').map(str::trim) {
            self.0.remove(arn);
        }
    }

    /// Reads the listener, and beside it the groups that a rule named until a moment ago, as far as they still exist.
    pub async fn read(
        &mut self,
        aws: &Aws,
        instances: &Instances,
        listener_arn: &str,
        named_before: &BTreeSet<String>,
    ) -> Result<View, AwsError> {
        let text = aws.query("elasticloadbalancing", "DescribeRules", &[("ListenerArn", listener_arn)]).await?;
        let rules = rules(&text);
        let named: BTreeSet<&str> = rules.iter().flat_map(Rule::groups).collect();
        self.0.retain(|arn, _| named.contains(arn.as_str()) || named_before.contains(arn));
        for arn in named_before.iter().map(String::as_str).chain(named.iter().copied()) {
            if self.0.contains_key(arn) {
                continue;
            }
            match group(aws, arn).await {
                Ok(group) => drop(group.map(|group| self.0.insert(arn.to_owned(), group))),
                // It was deleted meanwhile.
                Err(AwsError::Service { .. }) if !named.contains(arn) => {}
                Err(error) => return Err(error),
            }
        }
        let places: BTreeMap<String, Place> = instances.list().await?.into_iter().map(place).collect();
        let groups = self.0.iter().map(|(arn, group)| (arn.clone(), group.at(&places))).collect();
        Ok(View { rules, groups })
    }
}

impl KnownGroup {
    fn at(&self, places: &BTreeMap<String, Place>) -> Group {
        let target = |(id, port): &(String, u16)| {
            let place = match id.parse() {
                Ok(ip) => Place::Address(ip),
                Err(_) => places.get(id).cloned().unwrap_or_else(|| Place::NotRunning("terminated".to_owned())),
            };
            RegisteredTarget { id: id.clone(), port: *port, place }
        };
        Group { check: self.check.clone(), drain: self.drain, targets: self.targets.iter().map(target).collect() }
    }
}

/// Reads a group.
async fn group(aws: &Aws, arn: &str) -> Result<Option<KnownGroup>, AwsError> {
    let of_group = [("TargetGroupArn", arn)];
    let described =
        aws.query("elasticloadbalancing", "DescribeTargetGroups", &[("TargetGroupArns.member.1", arn)]).await?;
    let health = aws.query("elasticloadbalancing", "DescribeTargetHealth", &of_group).await?;
    let attributes = aws.query("elasticloadbalancing", "DescribeTargetGroupAttributes", &of_group).await?;
    let group =
        check(&described).map(|check| KnownGroup { check, drain: drain(&attributes), targets: targets(&health) });
    Ok(group)
}

fn place(instance: Instance) -> (String, Place) {
    let place = match instance.private_ip {
        Some(ip) if instance.running() => Place::Address(ip),
        Some(_) | None => Place::NotRunning(instance.state),
    };
    (instance.id, place)
}

impl Rule {
    /// The groups that it names, whatever their weight.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        match &self.action {
            Action::Forward { groups, .. } => groups.as_slice(),
            Action::FixedResponse { .. } | Action::Unknown(_) => &[],
        }
        .iter()
        .map(|group| group.arn.as_str())
    }
}

fn rules(text: &str) -> Vec<Rule> {
    let Ok(document) = roxmltree::Document::parse(text) else { return Vec::new() };
    let mut rules: Vec<(u32, Rule)> = xml::all(document.root(), "DescribeRulesResult")
        .flat_map(|result| xml::list(result, "Rules", "member"))
        .filter_map(|rule| {
            // The default rule's priority is the word `default`: it is last.
            let priority = xml::text(rule, "Priority").and_then(|text| text.parse().ok()).unwrap_or(u32::MAX);
            let arn = xml::text(rule, "RuleArn")?.to_owned();
            let conditions = xml::list(rule, "Conditions", "member").map(condition).collect();
            // Authenticating actions may come before the one that answers.
            let action = xml::list(rule, "Actions", "member").last().map(action)?;
            Some((priority, Rule { arn, conditions, action }))
        })
        .collect();
    rules.sort_by_key(|(priority, _)| *priority);
    rules.into_iter().map(|(_, rule)| rule).collect()
}

fn condition(node: Node<'_, '_>) -> Condition {
    let field = xml::text(node, "Field").unwrap_or_default();
    let values = |config: &str| -> Vec<String> {
        let short = xml::list(node, "Values", "member");
        let long = xml::child(node, config).into_iter().flat_map(|config| xml::list(config, "Values", "member"));
        let mut values: Vec<String> =
            short.chain(long).filter_map(|value| value.text()).map(|text| text.trim().to_owned()).collect();
        values.sort_unstable();
        values.dedup();
        values
    };
    match field {
        "host-header" => Condition::Hosts(values("HostHeaderConfig")),
        "path-pattern" => Condition::Paths(values("PathPatternConfig")),
        // IPv6 ranges never match: the listener has an IPv4 address.
        "source-ip" => {
            Condition::SourceIps(values("SourceIpConfig").iter().filter_map(|value| value.parse().ok()).collect())
        }
        other => Condition::Unknown(other.to_owned()),
    }
}

fn action(node: Node<'_, '_>) -> Action {
    match xml::text(node, "Type").unwrap_or_default() {
        "forward" => {
            let config = xml::child(node, "ForwardConfig");
            let mut groups: Vec<WeightedGroup> = config
                .into_iter()
                .flat_map(|config| xml::list(config, "TargetGroups", "member"))
                .filter_map(|group| {
                    let weight = xml::text(group, "Weight").and_then(|text| text.parse().ok()).unwrap_or(1);
                    Some(WeightedGroup { arn: xml::text(group, "TargetGroupArn")?.to_owned(), weight })
                })
                .collect();
            if groups.is_empty() {
                groups.extend(
                    xml::text(node, "TargetGroupArn").map(|arn| WeightedGroup { arn: arn.to_owned(), weight: 1 }),
                );
            }
            let sticky_seconds = config
                .and_then(|config| xml::child(config, "TargetGroupStickinessConfig"))
                .filter(|stickiness| xml::text(*stickiness, "Enabled") == Some("true"))
                .and_then(|stickiness| xml::text(stickiness, "DurationSeconds")?.parse().ok());
            Action::Forward { groups, sticky_seconds }
        }
        "fixed-response" => {
            let config = xml::child(node, "FixedResponseConfig");
            let text = |name| config.and_then(|config| xml::text(config, name)).unwrap_or_default();
            Action::FixedResponse {
                status: text("StatusCode").parse().unwrap_or(503),
                content_type: text("ContentType").to_owned(),
                body: text("MessageBody").to_owned(),
            }
        }
        other => Action::Unknown(other.to_owned()),
    }
}

fn check(text: &str) -> Option<HealthCheck> {
    let document = roxmltree::Document::parse(text).ok()?;
    xml::all(document.root(), "DescribeTargetGroupsResult")
        .flat_map(|result| xml::list(result, "TargetGroups", "member"))
        .map(|group| {
            let number =
                |name, otherwise| xml::text(group, name).and_then(|text| text.parse().ok()).unwrap_or(otherwise);
            HealthCheck {
                protocol: xml::text(group, "HealthCheckProtocol").unwrap_or("HTTP").to_owned(),
                port: xml::text(group, "HealthCheckPort").and_then(|text| text.parse().ok()),
                path: xml::text(group, "HealthCheckPath").unwrap_or("/").to_owned(),
                interval: Duration::from_secs(number("HealthCheckIntervalSeconds", 30).into()),
                timeout: Duration::from_secs(number("HealthCheckTimeoutSeconds", 5).into()),
                healthy_threshold: number("HealthyThresholdCount", 5),
                unhealthy_threshold: number("UnhealthyThresholdCount", 2),
                matcher: xml::child(group, "Matcher")
                    .and_then(|matcher| xml::text(matcher, "HttpCode"))
                    .unwrap_or("200")
                    .to_owned(),
            }
        })
        .next()
}

fn targets(text: &str) -> Vec<(String, u16)> {
    let Ok(document) = roxmltree::Document::parse(text) else { return Vec::new() };
    xml::all(document.root(), "DescribeTargetHealthResult")
        .flat_map(|result| xml::list(result, "TargetHealthDescriptions", "member"))
        .filter_map(|description| {
            let target = xml::child(description, "Target")?;
            Some((xml::text(target, "Id")?.to_owned(), xml::text(target, "Port")?.parse().ok()?))
        })
        .collect()
}

fn drain(text: &str) -> Duration {
    let Ok(document) = roxmltree::Document::parse(text) else { return DEFAULT_DRAIN };
    xml::all(document.root(), "member")
        .find(|attribute| xml::text(*attribute, "Key") == Some("deregistration_delay.timeout_seconds"))
        .and_then(|attribute| xml::text(attribute, "Value")?.parse().ok())
        .map_or(DEFAULT_DRAIN, Duration::from_secs)
}
