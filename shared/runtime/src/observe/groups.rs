//! Target groups: their settings, tags and targets.

use std::collections::BTreeMap;

use aws_sdk_elasticloadbalancingv2::types::{TargetGroup, TargetHealthDescription, TargetHealthStateEnum};
use domain::id::{GroupArn, InstanceId};
use domain::tags::Tags;
use domain::world::{Group, GroupDetails, Health, Target};

use crate::clients::Clients;
use crate::errors::AwsError;
use crate::{patience, together};

const DESCRIBE: &str = "elasticloadbalancing:DescribeTargetGroups";
const HEALTH: &str = "elasticloadbalancing:DescribeTargetHealth";
/// How many ARNs one call about tags may name.
const BATCH: usize = 20;

/// The groups that a look found so far, in the order in which it did.
#[derive(Default)]
pub(super) struct Found(Vec<(GroupArn, Option<GroupDetails>)>);

impl Found {
    /// Adds a group, or what is known of it; whether it is new.
    pub fn add(&mut self, arn: GroupArn, details: Option<GroupDetails>) -> bool {
        match self.0.iter_mut().find(|(known, _)| *known == arn) {
            Some((_, known)) => {
                *known = known.take().or(details);
                false
            }
            None => {
                self.0.push((arn, details));
                true
            }
        }
    }

    /// Adds what is known of groups that were found before.
    pub fn describe(&mut self, details: Vec<(GroupArn, GroupDetails)>) {
        for (arn, details) in details {
            self.add(arn, Some(details));
        }
    }

    pub fn arns(&self) -> Vec<GroupArn> {
        self.0.iter().map(|(arn, _)| arn.clone()).collect()
    }

    pub fn without_details(&self) -> Vec<GroupArn> {
        self.0.iter().filter(|(_, details)| details.is_none()).map(|(arn, _)| arn.clone()).collect()
    }

    pub fn has_name(&self, name: &str) -> bool {
        self.0.iter().any(|(arn, _)| arn.name() == name)
    }

    /// The groups, with their tags and targets.
    pub fn into_groups(
        self,
        tags: &mut BTreeMap<String, Tags>,
        targets: &mut BTreeMap<GroupArn, Vec<Target>>,
    ) -> Vec<Group> {
        let group = |(arn, details): (GroupArn, Option<GroupDetails>)| Group {
            tags: tags.remove(arn.as_str()).unwrap_or_default(),
            targets: targets.remove(&arn),
            arn,
            details,
        };
        self.0.into_iter().map(group).collect()
    }
}

/// A group by its name, if there is one.
pub(crate) async fn by_name(clients: &Clients, name: &str) -> Result<Option<(GroupArn, GroupDetails)>, AwsError> {
    match patience::read(clients, DESCRIBE, name, || clients.elb.describe_target_groups().names(name).send()).await {
        Ok(answer) => Ok(answer.target_groups().first().and_then(group)),
        Err(error) if error.is(&["TargetGroupNotFound"]) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What `DescribeTargetGroups` says of groups.
pub(crate) async fn details(clients: &Clients, arns: Vec<GroupArn>) -> Result<Vec<(GroupArn, GroupDetails)>, AwsError> {
    let batches = together::try_all(arns.chunks(BATCH).map(|batch| async move {
        let arns = batch.iter().map(ToString::to_string).collect();
        let ask = clients.elb.describe_target_groups().set_target_group_arns(Some(arns));
        patience::read(clients, DESCRIBE, "", || ask.clone().send()).await
    }));
    Ok(batches.await?.iter().flat_map(|answer| answer.target_groups()).filter_map(group).collect())
}

fn group(group: &TargetGroup) -> Option<(GroupArn, GroupDetails)> {
    let details = GroupDetails {
        protocol: group.protocol().map(|protocol| protocol.as_str().to_owned()).unwrap_or_default(),
        port: group.port().and_then(|port| u16::try_from(port).ok()).unwrap_or_default(),
        behind_load_balancer: !group.load_balancer_arns().is_empty(),
    };
    Some((GroupArn::new(group.target_group_arn()?), details))
}

/// The tags of rules and groups, by ARN.
pub(crate) async fn tags<'a>(
    clients: &Clients,
    arns: impl Iterator<Item = &'a str>,
) -> Result<BTreeMap<String, Tags>, AwsError> {
    let arns: Vec<&str> = arns.collect();
    let batches = together::try_all(arns.chunks(BATCH).map(|batch| async move {
        let arns = batch.iter().map(|arn| (*arn).to_owned()).collect();
        let ask = clients.elb.describe_tags().set_resource_arns(Some(arns));
        patience::read(clients, "elasticloadbalancing:DescribeTags", "", || ask.clone().send()).await
    }));
    let mut read = BTreeMap::new();
    for described in batches.await?.iter().flat_map(|answer| answer.tag_descriptions()) {
        let tags = described
            .tags()
            .iter()
            .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned())));
        if let Some(arn) = described.resource_arn() {
            read.insert(arn.to_owned(), tags.collect());
        }
    }
    Ok(read)
}

/// The targets of groups.
pub(crate) async fn targets(clients: &Clients, arns: &[GroupArn]) -> Result<BTreeMap<GroupArn, Vec<Target>>, AwsError> {
    let each = together::try_all(arns.iter().map(|arn| async move {
        let ask = clients.elb.describe_target_health().target_group_arn(arn.as_str());
        let answer = patience::read(clients, HEALTH, arn.as_str(), || ask.clone().send()).await?;
        let mut targets: Vec<Target> = answer.target_health_descriptions().iter().filter_map(target).collect();
        targets.sort_by(|a, b| (&a.instance, a.port).cmp(&(&b.instance, b.port)));
        Ok((arn.clone(), targets))
    }));
    Ok(each.await?.into_iter().collect())
}

fn target(described: &TargetHealthDescription) -> Option<Target> {
    let target = described.target()?;
    Some(Target {
        instance: InstanceId::new(target.id()?),
        port: target.port().and_then(|port| u16::try_from(port).ok()).unwrap_or_default(),
        health: health(described),
    })
}

fn health(described: &TargetHealthDescription) -> Health {
    let health = described.target_health();
    match health.and_then(|health| health.state()) {
        Some(TargetHealthStateEnum::Healthy) => Health::Healthy,
        Some(TargetHealthStateEnum::Draining | TargetHealthStateEnum::UnhealthyDraining) => Health::Draining,
        // What is not known is not healthy.
        state => {
            let state = state.map_or("unknown", |state| state.as_str());
            let why = health
                .and_then(|health| health.description().or_else(|| health.reason().map(|reason| reason.as_str())))
                .filter(|why| !why.is_empty());
            Health::Not(why.map_or_else(|| state.to_owned(), |why| format!("{state}, {why}")))
        }
    }
}
