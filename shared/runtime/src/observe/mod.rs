//! Observe: what there is of a service, read into one plain value, the `World`.
//!
//! In two rounds, the calls of each side by side: first what the config names, then what the first round found. Groups that
//! only their releases' names lead to may take a third.

pub(crate) mod addresses;
pub(crate) mod alarms;
pub(crate) mod executions;
pub(crate) mod groups;
pub(crate) mod instances;
pub(crate) mod launch;
mod listener;
pub(crate) mod names;
pub(crate) mod rules;
pub(crate) mod tagged;

use std::collections::{BTreeMap, BTreeSet};

use domain::check::Checked;
use domain::config::{Ami, Service};
use domain::id::{GroupArn, ReleaseId, SubnetId, group_name};
use domain::refusal::WaitFor;
use domain::request::{Request, Verb};
use domain::tags::{self, Read, Role, Tags};
use domain::time::Time;
use domain::world::{Action, Group, Instance, InstanceState, Rule, Scope, World};

pub(crate) use instances::of_release as instances_of_release;
pub(crate) use instances::of_service as instances_of_service;
pub(crate) use listener::ListenerCache;

use crate::can::Abilities;
use crate::clients::Clients;
use crate::errors::{AwsError, Trouble};
use crate::together::{self, Boxed};

/// How often a look is begun again because what it found went away while it looked.
const LOOKS: usize = 4;
/// How many pages of a list are read: 40,000 rules or instances are no service's.
const PAGES: usize = 100;

/// What a look is about.
pub(crate) struct Look<'a> {
    pub clients: &'a Clients,
    pub can: &'a Abilities,
    pub listeners: &'a ListenerCache,
    pub service: &'a Service,
    pub request: &'a Request,
    pub scope: Scope,
    /// Names of the service's groups that the tagging API listed; the sweep asks it.
    pub listed_groups: &'a [String],
}

/// What a call remembers from one look to the next, for no look shows it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    /// Subnets in which a launch of this call met no capacity, with AWS's words.
    pub no_capacity: BTreeMap<SubnetId, String>,
    /// What an examination of the release found.
    pub checked: Option<Checked>,
    /// What was told lately, from the lease table.
    pub told: BTreeMap<String, Time>,
}

/// What was seen, and what could not be looked at, a sentence each.
pub(crate) struct Seen {
    pub world: World,
    pub unseen: Vec<String>,
}

/// Why a look did not come to an end.
enum Halt {
    /// Something went away while it was looked at.
    Again,
    /// AWS or the account hinders it.
    Trouble(Trouble),
}

impl<T: Into<Trouble>> From<T> for Halt {
    fn from(trouble: T) -> Self {
        Self::Trouble(trouble.into())
    }
}

impl Look<'_> {
    /// Looks.
    pub async fn observe(&self, memory: &Memory) -> Result<Seen, Trouble> {
        for _ in 0..LOOKS {
            match self.once(memory).await {
                Ok(seen) => return Ok(seen),
                Err(Halt::Again) => {}
                Err(Halt::Trouble(trouble)) => return Err(trouble),
            }
        }
        Err(Trouble::Later(WaitFor::Aws {
            what: format!(
                "the target groups and rules of {} to stand still: they come and go while they are looked at",
                self.service.name
            ),
        }))
    }

    async fn once(&self, memory: &Memory) -> Result<Seen, Halt> {
        let (clients, service, scope) = (self.clients, self.service, self.scope);
        let own_name = self.request.release.as_ref().map(|release| group_name(&service.name, release));
        let own_name = own_name.filter(|_| scope.own_group);

        // Provision asks for its group only where no server says how the release stands.
        let at_once = own_name.as_deref().filter(|_| self.request.verb != Verb::Provision);

        // Round 1: what the config and the call name.
        let looks = &self.can.looks;
        let listener = (scope.listener || scope.launch).then(|| {
            able("look at the listener", looks.listener, |look| look(self.listeners, clients, &service.listener_arn))
        });
        let addresses = scope
            .addresses
            .then(|| able("look at elastic IPs", looks.addresses, |look| look(clients, &service.elastic_ips)));
        let alarms = (scope.alarms && !service.alarms.is_empty())
            .then(|| able("look at alarms", looks.alarms, |look| look(clients, &service.alarms)));
        let (instances, rules, own_group, listener, addresses, alarms, names) = tokio::join!(
            instances::of_service(clients, &service.name),
            rules::of_listener(clients, &service.listener_arn),
            together::maybe(at_once.map(|name| groups::by_name(clients, name))),
            together::maybe(listener),
            together::maybe(addresses),
            together::maybe(alarms),
            names::all(clients, service.dns.as_ref()),
        );
        let (instances, rules, own_group) = (instances?, rules?, own_group?.flatten());
        let (listener, addresses) = (listener?, addresses?);
        let (names, unseen) = self.names(names)?;
        let rules: Vec<Rule> = rules.into_iter().filter(|rule| self.may_concern(rule)).collect();
        let mut found = groups::Found::default();
        for arn in rules.iter().flat_map(forwarded) {
            found.add(arn, None);
        }
        if let Some((arn, details)) = own_group {
            found.add(arn, Some(details));
        }

        // Round 2: what those led to.
        let by_name = self.names_to_look_up(&found, &instances, own_name.as_deref());
        let rule_arns: Vec<&str> = rules.iter().map(|rule| rule.arn.as_str()).collect();
        let first: Vec<GroupArn> = found.arns();
        let releases = instances_of(&instances, self.request.release.as_ref());
        let undescribed = if scope.group_details { found.without_details() } else { Vec::new() };
        let asked_about = self.health_of(&first, own_name.as_deref());
        let ami = self.ami(&instances);
        let launch = scope
            .launch
            .then(|| able("look at what a launch needs", looks.launch, |look| look(clients, service, &ami)));
        let readiness = scope.readiness.then(|| {
            able("ask whether servers are ready", looks.readiness, |look| look(clients, &releases, service.ready_when))
        });
        let (tags, health, details, named, launch, readiness) = tokio::join!(
            groups::tags(clients, rule_arns.iter().copied().chain(first.iter().map(GroupArn::as_str))),
            groups::targets(clients, &asked_about),
            groups::details(clients, undescribed),
            together::try_all(by_name.iter().map(|name| groups::by_name(clients, name))),
            together::maybe(launch),
            together::maybe(readiness),
        );
        let (mut tags, mut health) = (again_if_gone(tags)?, again_if_gone(health)?);
        found.describe(again_if_gone(details)?);
        let second: Vec<GroupArn> = named?
            .into_iter()
            .flatten()
            .filter_map(|(arn, details)| found.add(arn.clone(), Some(details)).then_some(arn))
            .collect();

        // Round 3: only for groups that no rule names any more.
        if !second.is_empty() {
            let asked_about = self.health_of(&second, own_name.as_deref());
            let (more_tags, more_health) = tokio::join!(
                groups::tags(clients, second.iter().map(GroupArn::as_str)),
                groups::targets(clients, &asked_about)
            );
            tags.extend(again_if_gone(more_tags)?);
            health.extend(again_if_gone(more_health)?);
        }

        let unasked: Vec<GroupArn> = found.arns().into_iter().filter(|arn| !health.contains_key(arn)).collect();
        if !unasked.is_empty() && one_is_rejected(&instances, &tags) {
            health.extend(again_if_gone(groups::targets(clients, &unasked).await)?);
        }

        let mut instances = instances;
        if let Some(readiness) = readiness? {
            instances::make_ready(&mut instances, &readiness);
        }
        let groups: Vec<Group> = found.into_groups(&mut tags, &mut health);
        let rules: Vec<Rule> = rules
            .into_iter()
            .map(|rule| Rule { tags: tags.remove(rule.arn.as_str()).unwrap_or_default(), ..rule })
            .filter(|rule| self.concerns(rule, &groups))
            .collect();
        let groups =
            groups.into_iter().filter(|group| self.group_concerns(group, &rules, own_name.as_deref())).collect();
        let mut world = World {
            listener,
            rules,
            groups,
            instances,
            addresses: addresses.unwrap_or_default(),
            names,
            launch: launch?,
            no_capacity: memory.no_capacity.clone(),
            executions_over: BTreeMap::new(),
            alarms: alarms?.unwrap_or_default(),
            checked: memory.checked.clone(),
            told: memory.told.clone(),
        };
        if self.request.verb == Verb::Sweep {
            let Some(over) = looks.executions else { return Err(Trouble::unable("ask for executions").into()) };
            world.executions_over = over(clients, &world).await;
        }
        Ok(Seen { world, unseen })
    }

    /// The names that could be read. Route 53 never keeps a rollback or a promotion from happening, for names follow
    /// traffic; who makes servers is told at once that a zone is not there.
    fn names(
        &self,
        names: Vec<(String, Result<Option<domain::world::Record>, AwsError>)>,
    ) -> Result<(BTreeMap<String, domain::world::Record>, Vec<String>), Halt> {
        let (mut read, mut unseen) = (BTreeMap::new(), Vec::new());
        for (name, record) in names {
            match record {
                Ok(Some(record)) => {
                    read.insert(name, record);
                }
                Ok(None) => {}
                Err(error) if self.request.verb == Verb::Provision => return Err(error.into()),
                Err(error) => unseen.push(format!("The name {name} could not be looked at: {error}.")),
            }
        }
        Ok((read, unseen))
    }

    /// Whether a rule may concern the service, before its tags are read.
    fn may_concern(&self, rule: &Rule) -> bool {
        self.at_our_priorities(rule) || forwarded(rule).any(|group| self.service.name.may_own_group(group.name()))
    }

    fn at_our_priorities(&self, rule: &Rule) -> bool {
        [self.service.product.priority, self.service.pre_product.priority].contains(&rule.priority)
    }

    /// Whether a rule concerns the service, now that the tags are read: services with like names share group prefixes.
    fn concerns(&self, rule: &Rule, groups: &[Group]) -> bool {
        let ours =
            |arn: &GroupArn| groups.iter().any(|group| group.arn == *arn && group.tags.is_of(&self.service.name));
        self.at_our_priorities(rule) || rule.tags.is_of(&self.service.name) || forwarded(rule).any(|arn| ours(&arn))
    }

    fn group_concerns(&self, group: &Group, rules: &[Rule], own_name: Option<&str>) -> bool {
        group.tags.is_of(&self.service.name)
            || own_name == Some(group.arn.name())
            || rules.iter().flat_map(forwarded).any(|arn| arn == group.arn)
    }

    /// The names of groups to look up beside those that are known already.
    fn names_to_look_up(&self, found: &groups::Found, instances: &[Instance], own_name: Option<&str>) -> Vec<String> {
        let provision = self.request.verb == Verb::Provision;
        // Who gives way to a new release, or is its way back, still has servers; and servers that run say how their own
        // release stands.
        let for_all = !matches!(self.request.verb, Verb::Provision | Verb::Promote);
        let asked = |instance: &&Instance| for_all || instance.state != InstanceState::Terminated;
        let releases: BTreeSet<ReleaseId> = match self.scope.every_group {
            true => instances.iter().filter(asked).filter_map(|instance| instance.tags.release()).collect(),
            false => BTreeSet::new(),
        };
        let mut names: BTreeSet<String> =
            releases.iter().map(|release| group_name(&self.service.name, release)).collect();
        names.extend(self.listed_groups.iter().cloned());
        if let Some(own) = own_name {
            names.remove(own);
            if provision && instances_of(instances, self.request.release.as_ref()).is_empty() {
                names.insert(own.to_owned());
            }
        }
        names.into_iter().filter(|name| !found.has_name(name)).collect()
    }

    /// The groups whose targets the plan asks about. Provision and register take no weight from anybody, unless it is a
    /// rejected release's.
    fn health_of(&self, groups: &[GroupArn], own_name: Option<&str>) -> Vec<GroupArn> {
        let asks = |group: &&GroupArn| match self.request.verb {
            Verb::Provision => false,
            Verb::Register => own_name == Some(group.name()),
            Verb::Promote | Verb::Finish | Verb::Rollback { .. } | Verb::Freeze { .. } | Verb::Remove | Verb::Sweep => {
                true
            }
        };
        groups.iter().filter(asks).cloned().collect()
    }

    /// The AMI that the release was launched with; for its first launch the configured one.
    fn ami(&self, instances: &[Instance]) -> Ami {
        let of_release = instances.iter().filter(|i| i.tags.release() == self.request.release);
        let launched_with = of_release.filter_map(|instance| instance.tags.value(tags::AMI)).next();
        launched_with.map_or_else(|| self.service.ami.clone(), |id| Ami::Id(id.to_owned()))
    }
}

/// Whether something that stands says that its release was rejected.
fn one_is_rejected(instances: &[Instance], tags: &BTreeMap<String, Tags>) -> bool {
    let standing = instances.iter().filter(|instance| instance.state != InstanceState::Terminated);
    standing.map(|instance| &instance.tags).chain(tags.values()).any(|tags| tags.role() == Some(Role::Rejected))
}

/// Starts a look that not every function can take.
fn able<'a, L, T: Send + 'a>(
    what: &'static str,
    look: Option<L>,
    start: impl FnOnce(L) -> Boxed<'a, Result<T, Trouble>>,
) -> Boxed<'a, Result<T, Trouble>> {
    match look {
        Some(look) => start(look),
        None => Box::pin(async { Err(Trouble::unable(what)) }),
    }
}

/// The groups that a rule forwards to.
fn forwarded(rule: &Rule) -> impl Iterator<Item = GroupArn> {
    let forward = match &rule.action {
        Action::Forward(forward) => forward.as_slice(),
        Action::Other(_) => &[],
    };
    forward.iter().map(|weighted| weighted.group.clone())
}

/// The instances of a release that run.
fn instances_of<'a>(instances: &'a [Instance], release: Option<&ReleaseId>) -> Vec<&'a Instance> {
    instances
        .iter()
        .filter(|instance| instance.state == InstanceState::Running)
        .filter(|instance| release.is_some() && instance.tags.release().as_ref() == release)
        .collect()
}

/// What was there a round ago and is gone now makes the look begin again.
fn again_if_gone<T>(result: Result<T, AwsError>) -> Result<T, Halt> {
    result.map_err(|error| {
        if error.is(&["TargetGroupNotFound", "RuleNotFound", "LoadBalancerNotFound"]) {
            Halt::Again
        } else {
            error.into()
        }
    })
}
