//! A config against the account: what would keep a release from going its way, all of it at once.

use std::collections::BTreeMap;

use domain::config::Service;
use domain::tags::{self, Read, WhichRule};
use domain::world::World;
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

/// Whether the listener is where one asks.
#[must_use]
pub fn place(service: &Service, region: &str) -> Option<Finding> {
    let there = service.listener_arn.as_str().split(':').nth(3).unwrap_or_default();
    (!there.is_empty() && there != region).then(|| {
        Finding::fault(format!("listener_arn: it is in {there}, and this looks at {region}; use --region {there}"))
    })
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

/// Whether the rules are free or the service's own, and nobody's stack undoes a switch.
#[must_use]
pub fn rules(service: &Service, world: &World) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (key, which, priority) in [
        ("product", WhichRule::Product, service.product.priority),
        ("pre_product", WhichRule::PreProduct, service.pre_product.priority),
    ] {
        let ours = |tags: &tags::Tags| tags.is_of(&service.name) && tags.value(tags::RULE) == Some(which.as_str());
        for rule in world.rules.iter().filter(|rule| rule.priority == priority || ours(&rule.tags)) {
            if let Some(stack) = rule.tags.value(STACK) {
                findings.push(Finding::fault(format!(
                    "{key}: the rule {} belongs to the stack {stack}, whose next update would undo a switch: take it out of the template, with DeletionPolicy: Retain before",
                    rule.arn
                )));
            }
            if !ours(&rule.tags) {
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
    }
    findings
}

/// Whether the load balancer has room for the service's rules.
#[must_use]
pub fn room(service: &Service, world: &World, rules: usize, limits: &BTreeMap<String, u64>) -> Option<Finding> {
    let limit = usize::try_from(*limits.get(RULES)?).ok()?;
    let own = [WhichRule::Product, WhichRule::PreProduct].into_iter().filter(|which| {
        world
            .rules
            .iter()
            .any(|rule| rule.tags.is_of(&service.name) && rule.tags.value(tags::RULE) == Some(which.as_str()))
    });
    let more = 2 - own.count();
    (rules + more > limit).then(|| {
        Finding::fault(format!(
            "the listener has {rules} rules and the service needs {more} more; the account allows {limit} for each load balancer (quota {RULES})"
        ))
    })
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
