//! What stands in the account of a service: instances, target groups, rules, names. Read anew at each look.

use std::collections::{BTreeMap, BTreeSet};

use gateway::{Aws, Method};
use roxmltree::Node;

use crate::trouble::Result;
use crate::xml;

/// How many ARNs one call about tags may name.
const TAGGED_MAX: usize = 20;

/// An instance with our tags.
#[derive(Clone, Debug)]
pub struct Instance {
    pub id: String,
    pub ip: String,
    /// The elastic IP, or what else stands for a public address.
    pub public_ip: String,
    pub state: String,
    pub subnet: String,
    pub tags: BTreeMap<String, String>,
}

/// A target group.
#[derive(Clone, Debug)]
pub struct Group {
    pub arn: String,
    pub name: String,
    pub tags: BTreeMap<String, String>,
    /// Instance and state.
    pub targets: Vec<(String, String)>,
}

/// A rule of the listener.
#[derive(Clone, Debug)]
pub struct Rule {
    pub arn: String,
    pub priority: String,
    pub hosts: Vec<String>,
    /// ARN of the group, and weight.
    pub forward: Vec<(String, u32)>,
    pub tags: BTreeMap<String, String>,
}

/// What stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Without those that are terminated.
    pub instances: Vec<Instance>,
    pub groups: Vec<Group>,
    /// By priority, without the default rule.
    pub rules: Vec<Rule>,
    /// The A records of the private zone.
    pub names: BTreeMap<String, BTreeSet<String>>,
}

/// What Pointsman's tags say of a resource.
pub trait Tagged {
    fn tags(&self) -> &BTreeMap<String, String>;

    /// The value of `pointsman:<key>`; empty where there is none.
    fn tag(&self, key: &str) -> &str {
        self.tags().get(&format!("pointsman:{key}")).map(String::as_str).unwrap_or_default()
    }
}

impl Tagged for Instance {
    fn tags(&self) -> &BTreeMap<String, String> {
        &self.tags
    }
}

impl Tagged for Group {
    fn tags(&self) -> &BTreeMap<String, String> {
        &self.tags
    }
}

impl Tagged for Rule {
    fn tags(&self) -> &BTreeMap<String, String> {
        &self.tags
    }
}

impl Standing {
    /// Looks at the account.
    ///
    /// # Errors
    ///
    /// Where something cannot be read.
    pub async fn look(aws: &Aws, listener_arn: &str, zone_id: &str) -> Result<Self> {
        let (rules, groups) = tokio::try_join!(rules(aws, listener_arn), groups(aws))?;
        let (instances, names) = tokio::try_join!(instances(aws), names(aws, zone_id))?;
        Ok(Self { instances, groups, rules, names })
    }

    /// The instances of a release that are not terminated.
    #[must_use]
    pub fn instances_of(&self, release: &str) -> Vec<&Instance> {
        self.instances.iter().filter(|instance| instance.tag("release") == release).collect()
    }

    /// The group of a release.
    #[must_use]
    pub fn group_of(&self, release: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.tag("release") == release)
    }

    /// A service's rule: `product` or `pre-product`.
    #[must_use]
    pub fn rule(&self, service: &str, which: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.tag("service") == service && rule.tag("rule") == which)
    }

    /// The releases that a service's rule names, with their weights.
    #[must_use]
    pub fn weights(&self, service: &str, which: &str) -> Vec<(String, u32)> {
        let release = |arn: &str| self.groups.iter().find(|group| group.arn == arn).map(|group| group.tag("release"));
        let forward = self.rule(service, which).map(|rule| rule.forward.clone()).unwrap_or_default();
        forward.into_iter().map(|(arn, weight)| (release(&arn).unwrap_or(&arn).to_owned(), weight)).collect()
    }

    /// Whether nothing of a release is left.
    #[must_use]
    pub fn is_gone(&self, release: &str) -> bool {
        self.instances_of(release).is_empty() && self.group_of(release).is_none()
    }

    /// What is left of a release, in words.
    #[must_use]
    pub fn left_of(&self, release: &str) -> String {
        let instances =
            self.instances_of(release).into_iter().map(|instance| format!("{} {}", instance.id, instance.state));
        let group = self.group_of(release).map(|group| group.name.clone());
        instances.chain(group).collect::<Vec<_>>().join(", ")
    }
}

/// How ELB calls the beginning of the next page: in the question, and in the answer.
const MARKER: (&str, &str) = ("Marker", "NextMarker");

/// The answers to a question, page by page.
async fn pages(
    aws: &Aws,
    service: &str,
    action: &str,
    parameters: &[(&str, &str)],
    (marker, next): (&str, &str),
) -> Result<Vec<String>> {
    let mut pages = Vec::new();
    let mut from = String::new();
    loop {
        let mut parameters = parameters.to_vec();
        if !from.is_empty() {
            parameters.push((marker, &from));
        }
        let page = aws.query(service, action, &parameters).await?;
        let following = xml::first(&page, next).unwrap_or_default();
        pages.push(page);
        if following.is_empty() {
            return Ok(pages);
        }
        from = following;
    }
}

async fn instances(aws: &Aws) -> Result<Vec<Instance>> {
    let mut instances = Vec::new();
    for page in pages(aws, "ec2", "DescribeInstances", &[], ("NextToken", "nextToken")).await? {
        instances.extend(xml::members(&page, "instancesSet", |node| Instance {
            id: xml::text(node, &["instanceId"]),
            ip: xml::text(node, &["privateIpAddress"]),
            public_ip: xml::text(node, &["ipAddress"]),
            state: xml::text(node, &["instanceState", "name"]),
            subnet: xml::text(node, &["subnetId"]),
            tags: xml::tags(node, &["tagSet"]),
        })?);
    }
    instances.retain(|instance| instance.state != "terminated" && !instance.tag("service").is_empty());
    Ok(instances)
}

async fn groups(aws: &Aws) -> Result<Vec<Group>> {
    let mut named = Vec::new();
    for page in pages(aws, "elasticloadbalancing", "DescribeTargetGroups", &[], MARKER).await? {
        named.extend(xml::members(&page, "TargetGroups", |node| {
            (xml::text(node, &["TargetGroupArn"]), xml::text(node, &["TargetGroupName"]))
        })?);
    }
    let mut tags = tags(aws, named.iter().map(|(arn, _)| arn.as_str())).await?;
    let mut groups = Vec::new();
    for (arn, name) in named {
        let parameters = [("TargetGroupArn", arn.as_str())];
        let answer = aws.query("elasticloadbalancing", "DescribeTargetHealth", &parameters).await?;
        let targets = xml::members(&answer, "TargetHealthDescriptions", |node| {
            (xml::text(node, &["Target", "Id"]), xml::text(node, &["TargetHealth", "State"]))
        })?;
        groups.push(Group { tags: tags.remove(&arn).unwrap_or_default(), arn, name, targets });
    }
    Ok(groups)
}

async fn rules(aws: &Aws, listener_arn: &str) -> Result<Vec<Rule>> {
    let mut rules = Vec::new();
    let parameters = [("ListenerArn", listener_arn)];
    for page in pages(aws, "elasticloadbalancing", "DescribeRules", &parameters, MARKER).await? {
        rules.extend(xml::members(&page, "Rules", |node| Rule {
            arn: xml::text(node, &["RuleArn"]),
            priority: xml::text(node, &["Priority"]),
            hosts: hosts(node),
            forward: forward(node),
            tags: BTreeMap::new(),
        })?);
    }
    rules.retain(|rule| rule.priority != "default");
    rules.sort_by_key(|rule| rule.priority.parse::<u32>().unwrap_or(u32::MAX));
    let mut tags = tags(aws, rules.iter().map(|rule| rule.arn.as_str())).await?;
    for rule in &mut rules {
        rule.tags = tags.remove(&rule.arn).unwrap_or_default();
    }
    Ok(rules)
}

fn hosts(rule: Node<'_, '_>) -> Vec<String> {
    let configs = rule.descendants().filter(|node| node.tag_name().name() == "HostHeaderConfig");
    let values = configs.flat_map(|config| config.descendants().filter(|node| node.tag_name().name() == "member"));
    values.filter_map(|value| value.text()).map(str::to_owned).collect()
}

fn forward(rule: Node<'_, '_>) -> Vec<(String, u32)> {
    let lists = rule.descendants().filter(|node| node.tag_name().name() == "TargetGroups");
    let groups = lists.flat_map(|list| list.children().filter(Node::is_element));
    groups
        .map(|group| (xml::text(group, &["TargetGroupArn"]), xml::text(group, &["Weight"]).parse().unwrap_or_default()))
        .collect()
}

/// The tags of resources, by ARN.
async fn tags(aws: &Aws, arns: impl Iterator<Item = &str>) -> Result<BTreeMap<String, BTreeMap<String, String>>> {
    let arns: Vec<&str> = arns.collect();
    let mut all = BTreeMap::new();
    for arns in arns.chunks(TAGGED_MAX) {
        let keys: Vec<String> = (1..=arns.len()).map(|index| format!("ResourceArns.member.{index}")).collect();
        let parameters: Vec<(&str, &str)> = keys.iter().map(String::as_str).zip(arns.iter().copied()).collect();
        let answer = aws.query("elasticloadbalancing", "DescribeTags", &parameters).await?;
        all.extend(xml::members(&answer, "TagDescriptions", |node| {
            (xml::text(node, &["ResourceArn"]), xml::tags(node, &["Tags"]))
        })?);
    }
    Ok(all)
}

async fn names(aws: &Aws, zone_id: &str) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let answer = aws.rest("route53", Method::GET, &format!("/2013-04-01/hostedzone/{zone_id}/rrset"), &[], "").await?;
    let answer = String::from_utf8_lossy(&answer.body).into_owned();
    let records = xml::members(&answer, "ResourceRecordSets", |node| {
        let values = xml::at(node, &["ResourceRecords"]).into_iter().flat_map(|list| list.children());
        let values = values.filter(Node::is_element).map(|record| xml::text(record, &["Value"])).collect();
        (xml::text(node, &["Type"]), xml::text(node, &["Name"]).trim_end_matches('.').to_owned(), values)
    })?;
    Ok(records.into_iter().filter(|(kind, ..)| kind == "A").map(|(_, name, values)| (name, values)).collect())
}
