//! Where a run ended: all that stands, with ids and times left out, so that two runs can be compared.

use std::collections::{BTreeMap, BTreeSet};

use gateway::Aws;
use local::stack::Fork;
use local::standing::{Standing, Tagged};
use local::xml;
use local::{Account, Result};
use roxmltree::Node;

use crate::ask::SERVICE;

/// Tags that say when, and not what.
const WHEN: [&str; 3] = ["pointsman:since", "pointsman:told", "pointsman:out"];

/// Where a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// What stands, a line each, sorted.
    pub stands: Vec<String>,
    /// How many instances there ever were.
    pub launched: usize,
}

impl End {
    /// Looks at a copy of the account.
    ///
    /// # Errors
    ///
    /// Where something cannot be read.
    pub async fn look(fork: &Fork) -> Result<Self> {
        Self::of(&fork.gateway().aws("LOOK"), fork.account()).await
    }

    async fn of(aws: &Aws, account: &Account) -> Result<Self> {
        let standing = Standing::look(aws, &account.listener_arn, &account.zone_id).await?;
        let labels = labels(&standing, account);
        let label = |id: &str| labels.get(id).cloned().unwrap_or_else(|| format!("unknown {id}"));
        let mut stands = Vec::new();
        for instance in &standing.instances {
            stands.push(format!("{}: {}", label(&instance.id), instance.state));
            stands.extend(tags(&label(&instance.id), instance, &labels));
        }
        for group in &standing.groups {
            let name = label(&group.arn);
            let targets: BTreeSet<String> =
                group.targets.iter().map(|(id, state)| format!("{} {state}", label(id))).collect();
            stands.push(format!("{name}: targets {targets:?}"));
            stands.extend(tags(&name, group, &labels));
            stands.extend(attributes(aws, &group.arn).await?.into_iter().map(|line| format!("{name}: {line}")));
        }
        let conditions = conditions(aws, &account.listener_arn).await?;
        for rule in &standing.rules {
            let name = format!("{} rule", rule.tag("rule"));
            let forward: Vec<String> =
                rule.forward.iter().map(|(arn, weight)| format!("{} {weight}", label(arn))).collect();
            stands.push(format!("{name}: priority {}, forwards to {}", rule.priority, forward.join(", ")));
            stands.push(format!("{name}: {}", conditions.get(&rule.arn).cloned().unwrap_or_default()));
            stands.extend(tags(&name, rule, &labels));
        }
        for (name, values) in &standing.names {
            let values: BTreeSet<String> = values.iter().map(|ip| label(ip)).collect();
            stands.push(format!("{name}: {values:?}"));
        }
        stands.extend(addresses(aws).await?.iter().map(|holder| format!("an address: of {}", label(holder))));
        stands.sort();
        Ok(Self { stands, launched: launched(aws).await? })
    }

    /// What another end has otherwise, a line each; nothing where they are the same.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut lines = without(&self.stands, &other.stands, "lacks");
        lines.extend(without(&other.stands, &self.stands, "has  "));
        if self.launched != other.launched {
            lines.push(format!("launched {} instances in place of {}", other.launched, self.launched));
        }
        lines
    }
}

/// The lines of one list that the other has not, as often as it has not.
fn without(these: &[String], those: &[String], word: &str) -> Vec<String> {
    let mut left = those.to_vec();
    let mut lines = Vec::new();
    for line in these {
        match left.iter().position(|other| other == line) {
            Some(at) => drop(left.swap_remove(at)),
            None => lines.push(format!("{word} {line}")),
        }
    }
    lines
}

/// What ids and addresses stand for, in words that are the same in each run.
fn labels(standing: &Standing, account: &Account) -> BTreeMap<String, String> {
    let subnet = |id: &str| account.subnets.iter().position(|subnet| subnet.id == id).map_or(0, |at| at + 1);
    let mut labels = BTreeMap::new();
    for instance in &standing.instances {
        let label = format!("{}'s server in subnet {}", instance.tag("release"), subnet(&instance.subnet));
        labels.insert(instance.id.clone(), label.clone());
        labels.insert(instance.ip.clone(), label);
    }
    for group in &standing.groups {
        labels.insert(group.arn.clone(), format!("{}'s group", group.tag("release")));
    }
    labels
}

fn tags(name: &str, tagged: &impl Tagged, labels: &BTreeMap<String, String>) -> Vec<String> {
    let tags = tagged.tags().iter().filter(|(key, _)| !WHEN.contains(&key.as_str()));
    tags.map(|(key, value)| {
        let value = match key.as_str() {
            // Who rejected a release is another's name where somebody else ended it.
            "pointsman:reason" | "pointsman:kept" => "…".to_owned(),
            // A hash of ids, and ids.
            "pointsman:fingerprint" => {
                let ids: BTreeSet<&str> =
                    value.split(' ').skip(1).map(|id| labels.get(id).map_or(id, String::as_str)).collect();
                format!("… {ids:?}")
            }
            _ => value.clone(),
        };
        format!("{name}: {key} is {value}")
    })
    .collect()
}

async fn attributes(aws: &Aws, group: &str) -> Result<Vec<String>> {
    let answer =
        aws.query("elasticloadbalancing", "DescribeTargetGroupAttributes", &[("TargetGroupArn", group)]).await?;
    xml::members(&answer, "Attributes", |node| {
        format!("{} is {}", xml::text(node, &["Key"]), xml::text(node, &["Value"]))
    })
}

/// The conditions of each rule.
async fn conditions(aws: &Aws, listener: &str) -> Result<BTreeMap<String, String>> {
    let answer = aws.query("elasticloadbalancing", "DescribeRules", &[("ListenerArn", listener)]).await?;
    let rules = xml::members(&answer, "Rules", |rule| {
        let conditions = xml::at(rule, &["Conditions"]).into_iter().flat_map(|list| list.children());
        let mut conditions: Vec<String> = conditions.filter(Node::is_element).map(words).collect();
        conditions.sort();
        (xml::text(rule, &["RuleArn"]), conditions.join("; "))
    })?;
    Ok(rules.into_iter().collect())
}

/// All the words in an element, in an order of their own.
fn words(node: Node<'_, '_>) -> String {
    let texts = node.descendants().filter(Node::is_text).filter_map(|text| text.text()).map(str::trim);
    let words: BTreeSet<&str> = texts.filter(|text| !text.is_empty()).collect();
    words.into_iter().collect::<Vec<_>>().join(" ")
}

/// The instances that hold the addresses of the pool.
async fn addresses(aws: &Aws) -> Result<Vec<String>> {
    let answer = aws.query("ec2", "DescribeAddresses", &[]).await?;
    let mut holders = xml::members(&answer, "addressesSet", |node| xml::text(node, &["instanceId"]))?;
    holders.retain(|holder| !holder.is_empty());
    Ok(holders)
}

/// How many instances of the service there ever were.
async fn launched(aws: &Aws) -> Result<usize> {
    let filter = [("Filter.1.Name", "tag:pointsman:service"), ("Filter.1.Value.1", SERVICE)];
    let answer = aws.query("ec2", "DescribeInstances", &filter).await?;
    Ok(xml::members(&answer, "instancesSet", |node| xml::text(node, &["instanceId"]))?.len())
}
