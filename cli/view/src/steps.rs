//! A step in a line, with the names that people know: releases rather than the hashes in their groups' names.

use std::collections::BTreeMap;
use std::fmt::Display;

use domain::id::GroupArn;
use domain::plan::{NewGroup, Step};
use domain::tags::{self, Read, Tags};
use domain::time::Time;
use domain::world::{Conditions, Record, Weighted, World};

/// What groups are called: by the release that their tags name. Those that are there by ARN, those that are about to be by name.
#[derive(Clone, Debug, Default)]
pub struct Names(BTreeMap<GroupArn, String>, BTreeMap<String, String>);

impl Names {
    /// The names of what is there.
    #[must_use]
    pub fn of(world: &World) -> Self {
        let named =
            world.groups.iter().filter_map(|group| Some((group.arn.clone(), group.tags.release()?.to_string())));
        Self(named.collect(), BTreeMap::new())
    }

    fn group(&self, arn: &GroupArn) -> String {
        let known = self.0.get(arn).or_else(|| self.1.get(arn.name()));
        known.map_or_else(|| format!("target group {}", arn.name()), Clone::clone)
    }

    fn weights(&self, forward: &[Weighted]) -> String {
        let all: u32 = forward.iter().map(|weighted| weighted.weight).sum();
        let percent = |weight: u32| (weight * 100).checked_div(all).unwrap_or_default();
        let each = forward.iter().map(|w| format!("{} {} %", self.group(&w.group), percent(w.weight)));
        each.collect::<Vec<_>>().join(", ")
    }

    /// What a step does.
    #[must_use]
    pub fn step(&self, step: &Step) -> String {
        match step {
            Step::Launch(launch) => {
                format!("launch {} {} into {} from {}", launch.count, launch.instance_type, launch.subnet, launch.image)
            }
            Step::AssociateAddress { instance, address } => format!("give {instance} the elastic IP {address}"),
            Step::CreateGroup(new) => format!("make the target group {} ({} {})", new.name, new.protocol, new.port),
            Step::RegisterTargets { group, instances, port } => {
                format!("put {} into the group of {}, port {port}", list(instances), self.group(group))
            }
            Step::DeregisterTargets { group, instances } => {
                format!(
                    "take {} out of the group of {}: what is under way ends first",
                    list(instances),
                    self.group(group)
                )
            }
            Step::DeleteGroup { group } => format!("delete the target group of {}", self.group(group)),
            Step::CreateRule(new) => format!(
                "make the {} at priority {} for {}: {}",
                new.which,
                new.priority,
                conditions(&new.conditions),
                self.weights(&new.forward)
            ),
            Step::ModifyRule { which, forward, conditions: new, sticky_seconds, .. } => {
                let new = new.as_ref().map(|new| format!(", for {}", conditions(new))).unwrap_or_default();
                let sticky = sticky_seconds.map(|seconds| format!(", customers keep theirs for {seconds} s"));
                format!("switch the {which}: {}{new}{}", self.weights(forward), sticky.unwrap_or_default())
            }
            Step::ModifyConditions { which, conditions: new, .. } => {
                format!("change the conditions of the {which}: {}", conditions(new))
            }
            Step::MoveRule { which, priority, .. } => format!("move the {which} to priority {priority}"),
            Step::DeleteRule { which, .. } => format!("delete the {which}"),
            Step::ReadBack { which, .. } => format!("read the {which} back"),
            Step::TagInstances { instances, tags } => format!("tag {}: {}", list(instances), shown(tags)),
            Step::TagGroup { group, tags } => format!("tag the group of {}: {}", self.group(group), shown(tags)),
            Step::TagRule { tags, .. } => format!("tag the rule: {}", shown(tags)),
            Step::Terminate { instances } => format!("terminate {}", list(instances)),
            Step::ChangeName { name, to: Some(record), .. } => format!("point the name {name} at {}", ips(record)),
            Step::ChangeName { name, to: None, .. } => format!("remove the name {name}"),
            Step::Tell(notice) => format!("tell the service's people: {}", notice.headline),
            Step::RememberTold { .. } => "remember that this was told".to_owned(),
        }
    }

    /// Learns the name of a group that a step is about to make.
    pub fn learn_new(&mut self, new: &NewGroup) {
        self.0.retain(|arn, _| arn.name() != new.name);
        if let Some(release) = new.tags.release() {
            self.1.insert(new.name.clone(), release.to_string());
        }
    }
}

/// When a rule matches, in a few words.
#[must_use]
pub fn conditions(conditions: &Conditions) -> String {
    let Conditions { hosts, paths, source_ips, others } = conditions;
    let all = hosts.iter().chain(paths).chain(source_ips).chain(others);
    all.map(String::as_str).collect::<Vec<_>>().join(" ")
}

fn list(items: &[impl Display]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn ips(record: &Record) -> String {
    record.ips.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
}

/// The tags that decide something; times and names go with them by themselves.
fn shown(tags: &Tags) -> String {
    let shown = |(key, value): (&String, &String)| match key.as_str() {
        tags::NAME => None,
        tags::SINCE | tags::TOLD | tags::KEPT | tags::OUT => {
            // A time, and for whom it counts.
            let time = value.split_whitespace().next().filter(|time| Time::parse(time).is_some());
            Some(format!("{}={}", key.trim_start_matches("pointsman:"), time.unwrap_or(value)))
        }
        _ => Some(format!("{}={value}", key.trim_start_matches("pointsman:"))),
    };
    tags.iter().filter_map(shown).collect::<Vec<_>>().join(" ")
}
