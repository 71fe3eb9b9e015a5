//! Takes a step as AWS would: what it refuses, this refuses.

use domain::id::{GroupArn, InstanceId, RuleArn};
use domain::plan::{Launch, Step};
use domain::tags::Tags;
use domain::world::{Action, Holder, InstanceState, Rule, Weighted};

use crate::account::{Account, Group, Registered, Server};

/// What came of a step.
#[derive(Debug)]
pub enum Came {
    Done,
    /// The world is not what the plan was made for.
    Again,
    /// It was launched before and cannot be seen yet.
    Later,
    NoCapacity(domain::id::SubnetId),
    Failed(String),
}

impl Account {
    pub fn carry_out(&mut self, step: &Step) -> Came {
        if self.denied.iter().any(|denied| denied(step)) {
            return Came::Failed("access denied".to_owned());
        }
        match step {
            Step::Launch(launch) => self.launch(launch),
            Step::AssociateAddress { instance, address } => {
                let holder = self.addresses.get_mut(address).expect("an address of the pool");
                if holder.is_some() {
                    return Came::Again;
                }
                *holder = Some(Holder::Instance(instance.clone()));
                Came::Done
            }
            Step::CreateGroup(new) => {
                let release = new.tags.get("pointsman:release").cloned().unwrap_or_default();
                let arn = GroupArn::new(format!("arn:aws:elasticloadbalancing:targetgroup/{}/{release}", new.name));
                self.groups.entry(arn).or_insert(Group {
                    tags: new.tags.clone(),
                    protocol: new.protocol.clone(),
                    port: new.port,
                    targets: std::collections::BTreeMap::new(),
                    drain_seconds: i64::from(new.drain_seconds),
                    held: false,
                });
                Came::Done
            }
            Step::RegisterTargets { group, instances, .. } => {
                if instances.iter().any(|id| self.servers.get(id).is_none_or(|s| s.state != InstanceState::Running)) {
                    return Came::Failed("InvalidTarget: not running".to_owned());
                }
                let since = self.now;
                let group = self.groups.get_mut(group).expect("a group to register in");
                group.targets.extend(instances.iter().map(|id| (id.clone(), Registered { since, drains_until: None })));
                Came::Done
            }
            Step::DeregisterTargets { group, instances } => {
                let now = self.now;
                let group = self.groups.get_mut(group).expect("a group to deregister from");
                let until = now + group.drain_seconds;
                for id in instances {
                    if let Some(target) = group.targets.get_mut(id) {
                        target.drains_until.get_or_insert(until);
                    }
                }
                Came::Done
            }
            Step::DeleteGroup { group } => {
                if self.in_use(group) {
                    return Came::Failed("ResourceInUse".to_owned());
                }
                self.groups.remove(group);
                Came::Done
            }
            Step::CreateRule(new) => {
                if self.rules.values().any(|rule| rule.priority == new.priority) {
                    return Came::Failed("PriorityInUse".to_owned());
                }
                let rule = Rule {
                    arn: RuleArn::new(format!("arn:rule/{}/{}", new.which.as_str(), self.now.seconds())),
                    priority: new.priority,
                    conditions: new.conditions.clone(),
                    action: Action::Forward(new.forward.clone()),
                    tags: new.tags.clone(),
                };
                self.rules.insert(rule.arn.clone(), rule);
                Came::Done
            }
            Step::ModifyRule { rule, forward, conditions, .. } => {
                let Some(mut changed) = self.rules.get(rule).cloned() else { return Came::Again };
                changed.action = Action::Forward(forward.clone());
                changed.conditions = conditions.clone().unwrap_or(changed.conditions);
                self.replace_rule(rule, Some(changed));
                Came::Done
            }
            Step::ModifyConditions { rule, conditions, .. } => {
                self.rules.get_mut(rule).expect("a rule").conditions = conditions.clone();
                Came::Done
            }
            Step::MoveRule { rule, priority, .. } => {
                if self.rules.values().any(|other| other.priority == *priority) {
                    return Came::Failed("PriorityInUse".to_owned());
                }
                self.rules.get_mut(rule).expect("a rule").priority = *priority;
                Came::Done
            }
            Step::DeleteRule { rule, .. } => {
                self.replace_rule(rule, None);
                Came::Done
            }
            Step::ReadBack { rule, forward, .. } => {
                let sorted = |forward: &[Weighted]| forward.iter().cloned().collect::<std::collections::BTreeSet<_>>();
                let found = self.rules.get(rule).map(|rule| sorted(crate::account::forward_of(rule)));
                if found == Some(sorted(forward)) { Came::Done } else { Came::Again }
            }
            Step::TagInstances { instances, tags } => {
                for id in instances {
                    self.servers.get_mut(id).expect("an instance to tag").tags.extend(tags.clone());
                }
                Came::Done
            }
            Step::TagGroup { group, tags } => {
                self.groups.get_mut(group).expect("a group to tag").tags.extend(tags.clone());
                Came::Done
            }
            Step::TagRule { rule, tags } => {
                self.rules.get_mut(rule).expect("a rule to tag").tags.extend(tags.clone());
                Came::Done
            }
            Step::Terminate { instances } => {
                instances.iter().for_each(|id| self.terminate(id));
                Came::Done
            }
            Step::ChangeName { name, from, to, .. } => {
                if self.names.get(name) != from.as_ref() {
                    return Came::Again;
                }
                match to {
                    Some(record) => self.names.insert(name.clone(), record.clone()),
                    None => self.names.remove(name),
                };
                Came::Done
            }
            Step::Tell(notice) => {
                self.notices.push((**notice).clone());
                Came::Done
            }
            Step::RememberTold { kind, at } => {
                self.told_in_table.insert(kind.clone(), *at);
                Came::Done
            }
        }
    }

    pub fn terminate(&mut self, id: &InstanceId) {
        self.servers.get_mut(id).expect("an instance to terminate").state = InstanceState::Terminated;
        for holder in self.addresses.values_mut() {
            if *holder == Some(Holder::Instance(id.clone())) {
                *holder = None;
            }
        }
    }

    fn launch(&mut self, launch: &Launch) -> Came {
        if self.full.contains(&launch.subnet) {
            return Came::NoCapacity(launch.subnet.clone());
        }
        if !self.tokens.insert(launch.token.clone()) {
            // The same token with another time in the tags: IdempotentParameterMismatch.
            return Came::Later;
        }
        for _ in 0..launch.count {
            self.launched += 1;
            let release = launch.tags.get("pointsman:release").cloned().unwrap_or_default();
            self.add_server(
                &format!("i-{release}-{}", 100 + self.launched),
                launch.subnet.as_str(),
                launch.tags.clone(),
            );
            let id = InstanceId::new(format!("i-{release}-{}", 100 + self.launched));
            let server = self.servers.get_mut(&id).expect("the server just made");
            server.state = InstanceState::Pending;
        }
        Came::Done
    }

    /// An instance that runs, launched now.
    pub fn add_server(&mut self, id: &str, subnet: &str, tags: Tags) {
        let ip = format!("10.0.0.{}", self.servers.len() + 1);
        let server = Server {
            state: InstanceState::Running,
            subnet: domain::id::SubnetId::new(subnet),
            ip,
            tags,
            launched: self.now,
            sick: None,
            stuck: false,
        };
        self.servers.insert(InstanceId::new(id), server);
    }

    /// Writes a rule, and remembers which groups left it.
    fn replace_rule(&mut self, arn: &RuleArn, with: Option<Rule>) {
        let before = self.weights();
        match with {
            Some(rule) => self.rules.insert(arn.clone(), rule),
            None => self.rules.remove(arn),
        };
        let after = self.weights();
        for weighted in before {
            let still = after.iter().any(|now| now.group == weighted.group);
            let lost = after.iter().any(|now| now.group == weighted.group && now.weight == 0 && weighted.weight > 0);
            if !still || lost {
                self.left.insert(weighted.group.clone(), self.now);
            }
        }
    }
}
