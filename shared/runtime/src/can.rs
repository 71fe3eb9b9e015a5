//! What a function can do beside what all four can: look at releases, mend their tags, names and weights, answer and tell.
//!
//! A function's main names its abilities, its role in `template.yaml` allows them, and what it does not name is not even linked
//! into its binary: that is why looks and steps are reached by pointers here, and not by calls.

use std::collections::{BTreeMap, BTreeSet};

use domain::check::{Examination, Verdict};
use domain::config::{Ami, ReadyWhen, Service};
use domain::event::Event;
use domain::id::{AllocationId, InstanceId, ListenerArn};
use domain::plan::Step;
use domain::world::{Address, Alarm, Instance, LaunchFacts, Listener, Readiness, World};
use lambda_runtime::Error;
use serde_json::Value;

use crate::apply::{Applied, Hands};
use crate::clients::Clients;
use crate::deadline::Deadline;
use crate::errors::{AwsError, Trouble};
use crate::observe::ListenerCache;
use crate::runner::Runner;
use crate::together::Boxed;
use crate::{apply, bus, checks, observe};

/// One ability: [`launch_servers`], [`make_rules`] …
pub type Ability = fn(&mut Abilities);

/// All that a function can do.
#[derive(Debug, Default)]
pub struct Abilities {
    steps: Vec<Carry>,
    pub(crate) looks: Looks,
    pub(crate) events: Option<AnswerEvent>,
}

/// Carries a step out, if it is one of its own.
type Carry = for<'a> fn(&'a Hands<'a>, &'a Step) -> Option<Doing<'a>>;
type Doing<'a> = Boxed<'a, Result<Applied, AwsError>>;
type AnswerEvent = for<'a> fn(&'a Runner, Deadline, Event) -> Boxed<'a, Result<Value, Error>>;

/// Looks that only some functions take.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    pub listener: Option<LookAtListener>,
    pub addresses: Option<LookAtAddresses>,
    pub readiness: Option<LookAtReadiness>,
    pub launch: Option<LookForLaunch>,
    pub executions: Option<LookAtExecutions>,
    pub alarms: Option<LookAtAlarms>,
    pub checks: Option<Examine>,
}

type LookAtListener = for<'a> fn(&'a ListenerCache, &'a Clients, &'a ListenerArn) -> Seeing<'a, Listener>;
type LookAtAddresses = for<'a> fn(&'a Clients, &'a [AllocationId]) -> Seeing<'a, Vec<Address>>;
type LookAtReadiness =
    for<'a> fn(&'a Clients, &'a [&'a Instance], ReadyWhen) -> Seeing<'a, BTreeMap<InstanceId, Readiness>>;
type LookForLaunch = for<'a> fn(&'a Clients, &'a Service, &'a Ami) -> Seeing<'a, LaunchFacts>;
type LookAtExecutions = for<'a> fn(&'a Clients, &'a World) -> Boxed<'a, BTreeMap<String, String>>;
type LookAtAlarms = for<'a> fn(&'a Clients, &'a BTreeSet<String>) -> Seeing<'a, BTreeMap<String, Alarm>>;

type Examine = for<'a> fn(&'a Clients, &'a Examination) -> Boxed<'a, Vec<(String, Verdict)>>;

/// What is seen, or what hindered the look.
type Seeing<'a, T> = Boxed<'a, Result<T, Trouble>>;

impl Abilities {
    /// What all of these give.
    pub(crate) fn of(abilities: &[Ability]) -> Self {
        let mut all = Self::default();
        for ability in abilities {
            ability(&mut all);
        }
        all
    }

    /// Carries out a step that only some functions can; `None` where this one cannot.
    pub(crate) fn carry_out<'a>(&self, hands: &'a Hands<'a>, step: &'a Step) -> Option<Doing<'a>> {
        self.steps.iter().find_map(|carry| carry(hands, step))
    }
}

/// Launches servers and gives them their elastic IPs.
pub fn launch_servers(all: &mut Abilities) {
    all.looks.listener = Some(|cache, clients, arn| Box::pin(cache.look(clients, arn)));
    all.looks.addresses = Some(|clients, ids| Box::pin(observe::addresses::pool(clients, ids)));
    all.looks.readiness = Some(|clients, servers, when| {
        Box::pin(async move { Ok(observe::instances::readiness(clients, servers, when).await?) })
    });
    all.looks.launch =
        Some(|clients, service, ami| Box::pin(async move { Ok(observe::launch::facts(clients, service, ami).await?) }));
    all.steps.push(|hands, step| {
        if let Step::Launch(launch) = step {
            Some(Box::pin(apply::instances::launch(hands.clients, launch)))
        } else if let Step::AssociateAddress { instance, address } = step {
            Some(Box::pin(apply::addresses::associate(hands.clients, instance, address)))
        } else {
            None
        }
    });
}

/// Terminates servers.
pub fn terminate_servers(all: &mut Abilities) {
    all.steps.push(|hands, step| {
        let Step::Terminate { instances } = step else { return None };
        Some(Box::pin(apply::instances::terminate(hands, instances)))
    });
}

/// Makes target groups and puts servers into them.
pub fn fill_groups(all: &mut Abilities) {
    all.looks.listener = Some(|cache, clients, arn| Box::pin(cache.look(clients, arn)));
    all.steps.push(|hands, step| {
        if let Step::CreateGroup(new) = step {
            Some(Box::pin(apply::groups::create(hands.clients, new)))
        } else if let Step::RegisterTargets { group, instances, port } = step {
            Some(Box::pin(apply::groups::register(hands, group, instances, *port)))
        } else {
            None
        }
    });
}

/// Takes servers out of target groups.
pub fn empty_groups(all: &mut Abilities) {
    all.steps.push(|hands, step| {
        let Step::DeregisterTargets { group, instances } = step else { return None };
        Some(Box::pin(apply::groups::deregister(hands.clients, group, instances)))
    });
}

/// Deletes target groups.
pub fn delete_groups(all: &mut Abilities) {
    all.steps.push(|hands, step| {
        let Step::DeleteGroup { group } = step else { return None };
        Some(Box::pin(apply::groups::delete(hands.clients, group)))
    });
}

/// Makes listener rules, and moves them to other priorities and conditions.
pub fn make_rules(all: &mut Abilities) {
    all.steps.push(|hands, step| {
        if let Step::CreateRule(new) = step {
            Some(Box::pin(apply::rules::create(hands.clients, new)))
        } else if let Step::MoveRule { rule, which: _, priority } = step {
            Some(Box::pin(apply::rules::move_to(hands.clients, rule, *priority)))
        } else if let Step::ModifyConditions { rule, which: _, conditions } = step {
            Some(Box::pin(apply::rules::modify(hands.clients, rule, None, Some(conditions))))
        } else {
            None
        }
    });
}

/// Looks at the alarms of a service.
pub fn watch_alarms(all: &mut Abilities) {
    all.looks.alarms =
        Some(|clients, names| Box::pin(async move { Ok(observe::alarms::standing(clients, names).await?) }));
}

/// Has releases examined by their service's own checks, and looks at the listener for the address that these are told.
pub fn run_checks(all: &mut Abilities) {
    all.looks.listener = Some(|cache, clients, arn| Box::pin(cache.look(clients, arn)));
    all.looks.checks = Some(|clients, examination| Box::pin(checks::examine(clients, examination)));
}

/// Acts on EventBridge's events, the sweep among them.
pub fn answer_events(all: &mut Abilities) {
    all.looks.executions = Some(|clients, world| Box::pin(observe::executions::over(clients, world)));
    all.events = Some(|runner, deadline, event| Box::pin(bus::answer(runner, deadline, event)));
}
