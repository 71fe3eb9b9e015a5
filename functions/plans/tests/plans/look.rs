//! What a call sees of the account: no more than its scope asks for.

use std::collections::BTreeSet;

use domain::check::{Checked, Examination, Verdict};
use domain::config::Check;
use domain::id::{GroupArn, ReleaseId, group_name};
use domain::request::Request;
use domain::tags::Read;
use domain::world::{
    Address, Group, GroupDetails, Health, Instance, InstanceState, Readiness, Rule, Scope, Target, World,
};

use crate::account::{Account, BOOT_SECONDS, Server, forward_of};

impl Account {
    /// What the checks say to an examination.
    pub fn examine(&self, examination: &Examination) -> Checked {
        let says = |check: &Check| {
            let name = check.to_string();
            let verdict = self.says.get(&name).cloned().unwrap_or(Verdict::Good);
            (name, verdict)
        };
        Checked { phase: examination.phase, verdicts: examination.checks.iter().map(says).collect() }
    }

    /// What a look of that scope finds.
    pub fn look(&self, request: &Request, scope: Scope, no_capacity: &BTreeSet<domain::id::SubnetId>) -> World {
        let mut world = World::default();
        if scope.listener {
            world.listener = self.listener.clone();
        }
        if scope.launch {
            world.launch = Some(self.facts.clone());
        }
        if scope.addresses {
            let address = |(id, holder): (&domain::id::AllocationId, &Option<_>)| Address {
                id: id.clone(),
                ip: format!("203.0.113.{}", id.as_str().trim_start_matches("eipalloc-")),
                holder: holder.clone(),
            };
            world.addresses = self.addresses.iter().map(address).collect();
        }
        if scope.alarms {
            world.alarms = self.alarms.clone();
        }
        world.names = self.names.clone();
        world.told = self.told_in_table.clone();
        world.no_capacity =
            no_capacity.iter().map(|subnet| (subnet.clone(), format!("{subnet}: no capacity"))).collect();
        if request.verb == domain::request::Verb::Sweep {
            world.executions_over = self.executions_over.clone();
        }
        world.instances = self
            .servers
            .iter()
            .filter(|(id, server)| self.shows(id, server))
            .map(|(id, server)| self.instance(id, server, request, scope))
            .collect();
        world.rules = self.rules.values().filter(|rule| self.concerns(rule)).cloned().collect();
        let mut groups: BTreeSet<GroupArn> =
            world.rules.iter().flat_map(|rule| forward_of(rule).iter().map(|w| w.group.clone())).collect();
        let mut names = BTreeSet::new();
        if scope.own_group {
            names.extend(request.release.iter().map(|release| group_name(&self.service.name, release)));
        }
        if scope.every_group {
            let releases: BTreeSet<ReleaseId> = world.instances.iter().filter_map(|i| i.tags.release()).collect();
            names.extend(releases.iter().map(|release| group_name(&self.service.name, release)));
            if request.verb == domain::request::Verb::Sweep {
                names.extend(self.groups.keys().map(|arn| arn.name().to_owned()));
            }
        }
        groups.extend(self.groups.keys().filter(|arn| names.contains(arn.name())).cloned());
        let own = request.release.as_ref().filter(|_| scope.own_group).map(|r| group_name(&self.service.name, r));
        let details = |arn: &GroupArn| scope.group_details || own.as_deref() == Some(arn.name());
        world.groups = groups.iter().filter_map(|arn| self.group(arn, details(arn))).collect();
        world
    }

    fn shows(&self, id: &domain::id::InstanceId, server: &Server) -> bool {
        let young = self.now - server.launched;
        young >= self.launch_lag_seconds && !(self.lagging.contains(id) && young < 120)
    }

    fn instance(&self, id: &domain::id::InstanceId, server: &Server, request: &Request, scope: Scope) -> Instance {
        let lives = server.state != InstanceState::Terminated;
        let asked = scope.readiness && server.tags.release() == request.release;
        let ready = asked && !server.stuck && self.now - server.launched >= BOOT_SECONDS;
        Instance {
            id: id.clone(),
            state: server.state,
            subnet: lives.then(|| server.subnet.clone()),
            private_ip: lives.then(|| server.ip.clone()),
            tags: server.tags.clone(),
            readiness: Readiness { status_ok: ready, ssm_online: ready },
        }
    }

    fn concerns(&self, rule: &Rule) -> bool {
        let at_ours = [self.service.product.priority, self.service.pre_product.priority].contains(&rule.priority);
        at_ours || forward_of(rule).iter().any(|w| self.service.name.may_own_group(w.group.name()))
    }

    fn group(&self, arn: &GroupArn, details: bool) -> Option<Group> {
        let found = self.groups.get(arn)?;
        let target = |(instance, registered): (&domain::id::InstanceId, &crate::account::Registered)| Target {
            instance: instance.clone(),
            port: found.port,
            health: match registered.drains_until {
                Some(_) => Health::Draining,
                None if self.is_healthy(arn, instance) => Health::Healthy,
                None if !self.in_use(arn) => {
                    Health::Not("unused, Target group is not configured to receive traffic".into())
                }
                None => Health::Not(self.why_sick(instance)),
            },
        };
        Some(Group {
            arn: arn.clone(),
            tags: found.tags.clone(),
            details: details.then(|| GroupDetails {
                protocol: found.protocol.clone(),
                port: found.port,
                behind_load_balancer: self.in_use(arn),
            }),
            targets: Some(found.targets.iter().map(target).collect()),
        })
    }

    fn why_sick(&self, instance: &domain::id::InstanceId) -> String {
        match self.servers.get(instance) {
            Some(server) if server.state != InstanceState::Running => {
                "unused, Target is in the stopped state".to_owned()
            }
            Some(Server { sick: Some(why), .. }) => format!("unhealthy, {why}"),
            Some(_) | None => "initial, Initial health checks in progress".to_owned(),
        }
    }
}
