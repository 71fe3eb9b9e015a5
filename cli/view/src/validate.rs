//! A config against the account: what would keep a release from going its way, all of it at once.

use std::collections::{BTreeMap, BTreeSet};

use domain::config::Service;
use domain::id::{GroupArn, RuleArn};
use domain::tags::{self, Read, Tags, WhichRule};
use domain::world::{Rule, World};
use serde::Serialize;

use crate::paint::{BAD, GOOD, WARN, paint};

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Whether it has to be put right; else it is worth a look.
    pub fault: bool,
    /// What, with its key, and what would be right.
    pub what: String,
}

impl Finding {
    /// What has to be put right.
    pub fn fault(what: impl Into<String>) -> Self {
        Self { fault: true, what: what.into() }
    }

    /// What is worth a look.
    pub fn warning(what: impl Into<String>) -> Self {
        Self { fault: false, what: what.into() }
    }
}

/// The tag that CloudFormation gives what it makes.
const STACK: &str = "aws:cloudformation:stack-name";
/// ELB's names of the limits.
const RULES: &str = "rules-per-application-load-balancer";
const GROUPS: &str = "target-groups-per-application-load-balancer";
const GROUPS_OF_ALL: &str = "target-groups";
const TARGETS: &str = "targets-per-application-load-balancer";
/// Product, the way back, pre-product: so many releases of a service stand side by side.
const RELEASES: usize = 3;

/// What the account has room for; whatever could not be seen is left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Room {
    /// The account's limits by ELB's names.
    pub limits: BTreeMap<String, u64>,
    /// How many rules the load balancer has, at all of its listeners.
    pub rules: Option<usize>,
    /// The target groups behind the load balancer.
    pub groups: Option<Vec<GroupArn>>,
    /// Those of the region.
    pub groups_of_all: Option<Vec<GroupArn>>,
    /// Virtual processors.
    pub processors: Option<Processors>,
}

/// The virtual processors that an account's servers of a kind have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Processors {
    /// The quota, as AWS names it.
    pub quota: String,
    pub limit: u64,
    pub running: u64,
    /// How many a server of the service has.
    pub each: u64,
}

/// The region that an ARN names, if it is another one than this.
#[must_use]
pub fn elsewhere<'a>(arn: &'a str, region: &str) -> Option<&'a str> {
    arn.split(':').nth(3).filter(|there| !there.is_empty() && *there != region)
}

/// Whether the listener is where one asks.
#[must_use]
pub fn place(service: &Service, region: &str) -> Option<Finding> {
    let there = elsewhere(service.listener_arn.as_str(), region)?;
    let what = format!("listener_arn: it is in {there}, and this looks at {region}; use --region {there}");
    Some(Finding::fault(what))
}

/// What a look for a launch shows: subnets, zones, the image, user data.
#[must_use]
pub fn launch(service: &Service, world: &World) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Some(launch) = &world.launch else { return findings };
    for id in &service.subnets {
        let Some(subnet) = launch.subnets.get(id) else {
            findings.push(Finding::fault(format!("subnets: {id} does not exist in this account and region")));
            continue;
        };
        let Some(listener) = &world.listener else { continue };
        if subnet.vpc != listener.vpc {
            findings.push(Finding::fault(format!(
                "subnets: {id} is in {}, the load balancer in {}; its targets would never be healthy",
                subnet.vpc, listener.vpc
            )));
        } else if !listener.zones.contains(&subnet.zone) {
            findings.push(Finding::fault(format!(
                "subnets: {id} is in {}, where the load balancer is not ({}): add the zone to it, or take the subnet out",
                subnet.zone,
                listener.zones.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
            )));
        }
    }
    findings.extend(launch.image.as_ref().err().map(|why| Finding::fault(format!("ami: {why}"))));
    findings.extend(launch.user_data.as_ref().err().map(|why| Finding::fault(format!("user_data: {why}"))));
    findings
}

/// Whether the configured alarms exist.
#[must_use]
pub fn alarms(service: &Service, world: &World) -> Vec<Finding> {
    let missing = service.alarms.iter().filter(|name| !world.alarms.contains_key(*name));
    missing.map(|name| Finding::fault(format!("alarms: there is no alarm {name} in this account and region"))).collect()
}

/// Whether the configured addresses exist, and are enough.
#[must_use]
pub fn addresses(service: &Service, world: &World) -> Vec<Finding> {
    let found: Vec<&str> = world.addresses.iter().map(|address| address.id.as_str()).collect();
    let missing = service.elastic_ips.iter().filter(|id| !found.contains(&id.as_str()));
    let mut findings: Vec<Finding> = missing
        .map(|id| Finding::fault(format!("elastic_ips: {id} does not exist in this account and region")))
        .collect();
    let wanted = usize::try_from(service.instance_count).unwrap_or(usize::MAX).saturating_mul(2);
    if !service.elastic_ips.is_empty() && service.elastic_ips.len() < wanted {
        findings.push(Finding::warning(format!(
            "elastic_ips: {} addresses for releases of {}; two releases stand side by side, up to three may",
            service.elastic_ips.len(),
            service.instance_count
        )));
    }
    findings
}

/// A rule that is the service's or stands in its place.
struct Concerned<'w> {
    key: &'static str,
    which: WhichRule,
    priority: u32,
    rule: &'w Rule,
    is_ours: bool,
}

fn concerned<'w>(service: &'w Service, world: &'w World) -> impl Iterator<Item = Concerned<'w>> {
    let both = [
        ("product", WhichRule::Product, service.product.priority),
        ("pre_product", WhichRule::PreProduct, service.pre_product.priority),
    ];
    both.into_iter().flat_map(move |(key, which, priority)| {
        let all = world.rules.iter().map(move |rule| (rule, is_ours(service, which, &rule.tags)));
        let some = all.filter(move |(rule, is_ours)| rule.priority == priority || *is_ours);
        some.map(move |(rule, is_ours)| Concerned { key, which, priority, rule, is_ours })
    })
}

fn is_ours(service: &Service, which: WhichRule, tags: &Tags) -> bool {
    tags.is_of(&service.name) && tags.value(tags::RULE) == Some(which.as_str())
}

/// The rules that somebody's stack might have, and whose tags do not say so: CloudFormation tags only what it made lately.
#[must_use]
pub fn untold<'w>(service: &'w Service, world: &'w World) -> BTreeSet<&'w RuleArn> {
    concerned(service, world)
        .map(|one| one.rule)
        .filter(|rule| rule.tags.value(STACK).is_none())
        .map(|rule| &rule.arn)
        .collect()
}

/// Whether the rules are free or the service's own, and nobody's stack undoes a switch. Stacks are the names of those that have a rule.
#[must_use]
pub fn rules(service: &Service, world: &World, stacks: &BTreeMap<RuleArn, String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for Concerned { key, which, priority, rule, is_ours } in concerned(service, world) {
        if let Some(stack) = rule.tags.value(STACK).or_else(|| stacks.get(&rule.arn).map(String::as_str)) {
            findings.push(Finding::fault(format!(
                "{key}: the rule {} belongs to the stack {stack}, whose next update would undo a switch: take it out of the template, with DeletionPolicy: Retain before",
                rule.arn
            )));
        }
        if !is_ours {
            let adopt = match which {
                WhichRule::PreProduct => String::new(),
                WhichRule::Product => format!(
                    ", or have it adopted: tag it {}={} and {}={}",
                    tags::SERVICE,
                    service.name,
                    tags::RULE,
                    which.as_str()
                ),
            };
            findings.push(Finding::fault(format!(
                "{key}.priority: {priority} is taken by {}, which is not this service's {which}. Choose another{adopt}",
                rule.arn
            )));
        }
    }
    findings
}

/// Whether there is room for the service's rules, groups, targets and servers.
#[must_use]
pub fn room(service: &Service, world: &World, room: &Room) -> Vec<Finding> {
    let Room { limits, rules, groups, groups_of_all, processors } = room;
    let rules_missing = [WhichRule::Product, WhichRule::PreProduct]
        .into_iter()
        .filter(|which| !world.rules.iter().any(|rule| is_ours(service, *which, &rule.tags)));
    let own = |groups: &[GroupArn]| {
        let ours = |arn: &&GroupArn| world.groups.iter().any(|own| own.arn == **arn && own.tags.is_of(&service.name));
        groups.iter().filter(ours).count()
    };
    let missing = |groups: &[GroupArn]| RELEASES.saturating_sub(own(groups));
    let count = usize::try_from(service.instance_count).unwrap_or(usize::MAX);
    let full = |what: &str, has: usize, more: usize, quota: &str| {
        let limit = usize::try_from(*limits.get(quota)?).ok()?;
        let has_room = has.saturating_add(more) <= limit;
        (!has_room).then(|| {
            Finding::fault(format!(
                "{what}: there are {has}, the service needs {more} more, and AWS allows {limit} (quota {quota})"
            ))
        })
    };
    let mut findings: Vec<Finding> = [
        rules.and_then(|rules| full("rules of the load balancer", rules, rules_missing.count(), RULES)),
        groups.as_ref().and_then(|all| full("target groups of the load balancer", all.len(), missing(all), GROUPS)),
        groups_of_all
            .as_ref()
            .and_then(|all| full("target groups of the region", all.len(), missing(all), GROUPS_OF_ALL)),
        full("targets of the load balancer, the service's alone", 0, count.saturating_mul(RELEASES), TARGETS),
    ]
    .into_iter()
    .flatten()
    .collect();
    if let Some(Processors { quota, limit, running, each }) = processors {
        let more = each.saturating_mul(u64::from(service.instance_count));
        if running.saturating_add(more) > *limit {
            findings.push(Finding::fault(format!(
                "instance_type: {running} virtual processors run, a release of {} {} needs {more} more, and AWS allows {limit} ({quota}): ask for more in Service Quotas",
                service.instance_count, service.instance_type
            )));
        }
    }
    findings
}

/// The findings of one service as people read them.
#[must_use]
pub fn text(service: &str, findings: &[Finding]) -> String {
    let faults = findings.iter().filter(|finding| finding.fault).count();
    let verdict = match (faults, findings.len()) {
        (0, 0) => paint(GOOD, "good"),
        (0, _) => paint(WARN, "good, with warnings"),
        (1, _) => paint(BAD, "1 fault"),
        (faults, _) => paint(BAD, format!("{faults} faults")),
    };
    let mut text = format!("{service}: {verdict}\n");
    for Finding { fault, what } in findings {
        let mark = if *fault { paint(BAD, "fault  ") } else { paint(WARN, "warning") };
        text.push_str(&format!("  {mark}  {what}\n"));
    }
    text
}
