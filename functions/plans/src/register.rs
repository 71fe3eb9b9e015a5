//! `register`: the release's servers are targets, all healthy, and the pre-product rule forwards to them.

use domain::check::Phase;
use domain::id::{InstanceId, ReleaseId};
use domain::plan::{Done, End, NewGroup, NewRule, Plan, Stage, Step};
use domain::refusal::{Refusal, WaitFor};
use domain::request::Request;
use domain::tags::{self, Read, Role, WhichRule};
use domain::world::{Action, Group, Health, Listener, Rule, Weighted};

use crate::mend::ALL;
use crate::promote::{refuse_rejected, taken, taken_away, wait_for_health, wait_for_promotion, wanted_conditions};
use crate::provision::outputs;
use crate::standing::{ProductRule, Release, Standing, Traffic, Who};
use crate::{checks, fingerprint};

/// How long a job looks for servers of which it sees none: what EC2 showed to the call before, it may not show to this one.
const JUMPY_SECONDS: i64 = 5;

/// How long after its begin a job takes a group of its name without any tags for its own: ELB shows the tags of what was just made now and then.
const UNTAGGED_SECONDS: i64 = 60;

/// Plans a register of this release.
pub fn plan(standing: &Standing<'_>, request: &Request, release: &ReleaseId) -> Plan {
    if let Some(plan) = refuse_rejected(standing, release) {
        return plan;
    }
    if let Some((rule, _)) = standing.untagged_rule().filter(|(_, releases)| releases.contains(&release)) {
        return Plan::only(End::Refuse(taken(standing, rule)));
    }
    if standing.is_taken_away(release) {
        return taken_away(standing, release);
    }
    match standing.traffic(release) {
        Traffic::All | Traffic::Some => return Plan::only(End::Done(untouched(standing, release))),
        Traffic::Zero => return retired(standing, release),
        Traffic::NotInRule => {}
    }
    match standing.role_by_tags(release) {
        // Where somebody deleted the product rule, promote makes it again, of what QA can see healthy.
        Some(Role::Product) if matches!(standing.product, ProductRule::None) => {}
        Some(Role::Product) => return Plan::only(End::Done(untouched(standing, release))),
        Some(Role::Retired) => return retired(standing, release),
        Some(Role::PreProduct | Role::Rejected) | None => {}
    }
    if let Some(plan) = wait_for_promotion(standing, release) {
        return plan;
    }
    let Some(found) = standing.releases.get(release).filter(|r| r.running().next().is_some()) else {
        let began = request.works_since();
        if !standing.stands(release) && began.is_some_and(|began| standing.now - began < JUMPY_SECONDS) {
            let (release, missing) = (release.clone(), "none is in sight".to_owned());
            return Plan::only(End::Wait(WaitFor::Servers { release, missing }));
        }
        return Plan::only(End::Refuse(Refusal::NoServers { release: release.clone() }));
    };
    let asked = standing.asked(&Who::Release(release.clone()));
    let running = found.running().count();
    if running < asked {
        return Plan::only(End::Refuse(Refusal::ServersMissing { release: release.clone(), running, asked }));
    }
    let rule = match pre_product_rule(standing) {
        Ok(rule) => rule,
        Err(refusal) => return Plan::only(End::Refuse(refusal)),
    };
    if let Some(group) = newborn(standing, request, release) {
        return Plan::only(End::Wait(WaitFor::Aws { what: format!("it does not show the tags of {}", group.arn) }));
    }
    match group(standing, release, found) {
        Ok(Some(group)) => with_group(standing, request, release, found, group, rule),
        Ok(None) => create_group(standing, release, found),
        Err(refusal) => Plan::only(End::Refuse(refusal)),
    }
}

/// The rule that is QA's, if it stands; refused, where its priority is somebody else's.
fn pre_product_rule<'a>(standing: &Standing<'a>) -> Result<Option<&'a Rule>, Refusal> {
    let wanted = standing.service.pre_product.priority;
    let ours = standing.pre_product.first().copied();
    if ours.is_some_and(|rule| rule.priority == wanted) {
        return Ok(ours);
    }
    match standing.world.rules.iter().find(|rule| rule.priority == wanted) {
        None => Ok(ours),
        Some(stranger) => Err(Refusal::PriorityTaken {
            which: WhichRule::PreProduct,
            priority: wanted,
            rule: stranger.arn.clone(),
            how: "Configure another priority for pre_product, or move that rule".to_owned(),
        }),
    }
}

/// A group of the release's name that shows no tags, while it may be one that this very job made.
fn newborn<'a>(standing: &Standing<'a>, request: &Request, release: &ReleaseId) -> Option<&'a Group> {
    request.works_since().filter(|began| standing.now - *began < UNTAGGED_SECONDS)?;
    let name = domain::id::group_name(&standing.service.name, release);
    standing.world.groups.iter().find(|group| group.arn.name() == name && group.tags.is_empty())
}

/// The release's group, if it is there; refused, where its name is a stranger's or it is not as configured.
fn group<'a>(standing: &Standing<'a>, release: &ReleaseId, found: &Release<'a>) -> Result<Option<&'a Group>, Refusal> {
    let service = standing.service;
    let name = domain::id::group_name(&service.name, release);
    let wanted = (service.health_check.protocol.as_str(), service.port);
    if let Some(port) = standing.launched_port(release).filter(|port| *port != u32::from(service.port)) {
        return Err(Refusal::GroupDiffers {
            group: name,
            found: format!("port {port}, from its launch"),
            wanted: format!("port {}", service.port),
        });
    }
    let Some(group) = found.group else {
        return match standing.world.groups.iter().find(|group| group.arn.name() == name) {
            None => Ok(None),
            Some(stranger) => Err(Refusal::GroupNotOurs {
                service: service.name.clone(),
                release: release.clone(),
                name,
                group: stranger.arn.clone(),
            }),
        };
    };
    match &group.details {
        Some(details) if (details.protocol.as_str(), details.port) != wanted => Err(Refusal::GroupDiffers {
            group: name,
            found: format!("{} {}", details.protocol, details.port),
            wanted: format!("{} {}", wanted.0, wanted.1),
        }),
        _ => Ok(Some(group)),
    }
}

fn create_group(standing: &Standing<'_>, release: &ReleaseId, found: &Release<'_>) -> Plan {
    let service = standing.service;
    let Some(listener) = &standing.world.listener else {
        let what = format!("listener {} could not be read", service.listener_arn);
        return Plan::only(End::Refuse(Refusal::Account { what }));
    };
    let mut tags = tags::birth_tags(&service.name, release, Role::PreProduct, standing.now, &service.tags);
    for key in [tags::COUNT, tags::PORT, tags::AMI, tags::LISTENER, tags::PIPELINE] {
        if let Some(value) = found.instances.iter().find_map(|i| i.tags.value(key)) {
            // EC2 takes what ELB refuses, where a person edited it.
            tags.insert(key.to_owned(), tags::tag_value(value));
        }
    }
    let group = NewGroup {
        name: domain::id::group_name(&service.name, release),
        vpc: listener.vpc.clone(),
        protocol: service.health_check.protocol.clone(),
        port: service.port,
        health_check: service.health_check.clone(),
        drain_seconds: service.drain_seconds,
        tags,
    };
    Plan::new(vec![vec![Step::CreateGroup(Box::new(group))]], End::Look)
}

fn with_group(
    standing: &Standing<'_>,
    request: &Request,
    release: &ReleaseId,
    found: &Release<'_>,
    group: &Group,
    rule: Option<&Rule>,
) -> Plan {
    let targets = group.targets.as_deref().unwrap_or_default();
    let registered = |id: &InstanceId| targets.iter().any(|t| t.instance == *id && t.health != Health::Draining);
    let alive: Vec<InstanceId> = found.running().map(|i| i.id.clone()).collect();
    let missing: Vec<InstanceId> = alive.iter().filter(|id| !registered(id)).cloned().collect();
    let dead: Vec<InstanceId> = targets
        .iter()
        .filter(|t| t.health != Health::Draining && !alive.contains(&t.instance))
        .map(|t| t.instance.clone())
        .collect();
    let mut steps = Vec::new();
    if !missing.is_empty() {
        let port = standing.service.port;
        steps.push(Step::RegisterTargets { group: group.arn.clone(), instances: missing, port });
    }
    if !dead.is_empty() {
        steps.push(Step::DeregisterTargets { group: group.arn.clone(), instances: dead });
    }
    // The rule comes after its targets: a rule before an empty group would answer QA with 503.
    let mut stages = vec![Stage::stop(steps)];
    stages.extend(rule_steps(standing, group, rule).into_iter().map(|step| Stage::stop(vec![step])));
    stages.retain(|stage| !stage.steps.is_empty());
    if !stages.is_empty() {
        return Plan { stages, end: End::Look };
    }
    let healthy = alive.iter().filter(|id| targets.iter().any(|t| t.instance == **id && t.health == Health::Healthy));
    let healthy = healthy.count();
    if healthy < alive.len() {
        let mut missing = format!("{healthy} of {} are healthy", alive.len());
        for target in targets {
            if let Health::Not(why) = &target.health {
                missing.push_str(&format!("; {}: {why}", target.instance));
            }
        }
        return Plan::only(wait_for_health(standing, request, release, missing));
    }
    if let Some(plan) = checks::obstacle(standing, request, release, Phase::Register) {
        return plan;
    }
    let fingerprint =
        fingerprint::tag(standing, release).filter(|tag| group.tags.value(tags::FINGERPRINT) != Some(tag));
    let steps = fingerprint.map(|value| {
        let tags = tags::Tags::from([(tags::FINGERPRINT.to_owned(), value)]);
        Step::TagGroup { group: group.arn.clone(), tags }
    });
    Plan::new(vec![steps.into_iter().collect()], End::Done(done(standing, release, found, group))).after(Vec::new())
}

/// The pre-product rule forwards to the group; its priority and conditions follow the config.
fn rule_steps(standing: &Standing<'_>, group: &Group, rule: Option<&Rule>) -> Vec<Step> {
    let service = standing.service;
    let which = WhichRule::PreProduct;
    let forward = vec![Weighted { group: group.arn.clone(), weight: ALL }];
    let Some(rule) = rule else {
        return vec![Step::CreateRule(Box::new(NewRule {
            listener: service.listener_arn.clone(),
            which,
            priority: service.pre_product.priority,
            conditions: service.pre_product.conditions.clone(),
            forward,
            tags: tags::rule_tags(&service.name, which, &service.tags),
        }))];
    };
    let mut steps = Vec::new();
    let conditions = wanted_conditions(rule, &service.pre_product.conditions);
    let forwards = match &rule.action {
        Action::Forward(there) => there.len() == 1 && there.iter().all(|w| w.group == group.arn),
        Action::Other(_) => false,
    };
    if !forwards {
        steps.push(Step::ModifyRule { rule: rule.arn.clone(), which, forward, conditions, sticky_seconds: None });
    } else if let Some(conditions) = conditions {
        steps.push(Step::ModifyConditions { rule: rule.arn.clone(), which, conditions });
    }
    if rule.priority != service.pre_product.priority {
        steps.push(Step::MoveRule { rule: rule.arn.clone(), which, priority: service.pre_product.priority });
    }
    steps
}

fn retired(standing: &Standing<'_>, release: &ReleaseId) -> Plan {
    let product = standing.product_release().cloned();
    Plan::only(End::Refuse(Refusal::RegisterRetired { release: release.clone(), product }))
}

fn untouched(standing: &Standing<'_>, release: &ReleaseId) -> Done {
    let how =
        if standing.traffic(release) == Traffic::NotInRule { "is tagged product" } else { "serves customers already" };
    let mut done = Done { headline: format!("release {release} {how}: no rule is touched"), ..Done::default() };
    if let Some(found) = standing.releases.get(release) {
        outputs(&mut done, release, found);
    }
    if let Some(listener) = &standing.world.listener {
        // What comes later in a pipeline asks for it, whatever was found done.
        done.outputs.insert("PreProductUrl", url(listener, standing.service.pre_product.host.as_deref()));
    }
    if let Some(fingerprint) = fingerprint::written(standing, release) {
        done.outputs.insert("Fingerprint", fingerprint);
    }
    done
}

fn done(standing: &Standing<'_>, release: &ReleaseId, found: &Release<'_>, group: &Group) -> Done {
    let mut done = Done {
        headline: format!("release {release} can be tried: {} of {0} servers are healthy", found.alive().count()),
        ..Done::default()
    };
    done.lines.push(match standing.product_name() {
        Some(product) => format!("Customers still get {product}."),
        None => "Customers get nothing of this service yet.".to_owned(),
    });
    if let Some(listener) = &standing.world.listener {
        let url = url(listener, standing.service.pre_product.host.as_deref());
        done.look.push(("Pre-product".to_owned(), url.clone()));
        done.outputs.insert("PreProductUrl", url);
    }
    if let Some(name) = standing.service.dns.as_ref().and_then(|dns| dns.pre_product.clone()) {
        done.look.push(("Private name".to_owned(), name));
    }
    outputs(&mut done, release, found);
    done.look
        .push(("Servers".to_owned(), done.outputs.get("PrivateIps").cloned().unwrap_or_default().replace(',', ", ")));
    done.outputs.insert("TargetGroupArn", group.arn.to_string());
    if let Some(fingerprint) = fingerprint::of(standing, release) {
        done.look.push(("Fingerprint".to_owned(), fingerprint.clone()));
        done.outputs.insert("Fingerprint", fingerprint);
    }
    done.next
        .push("Try it there; then approve it, or reject it and it goes without customers having seen it.".to_owned());
    done
}

/// Where people look: the listener's scheme and port, with the first host that has no wildcard, else the balancer's name.
pub fn url(listener: &Listener, host: Option<&str>) -> String {
    let scheme = listener.protocol.to_lowercase();
    let host = host.unwrap_or(&listener.dns_name);
    match (scheme.as_str(), listener.port) {
        ("http", 80) | ("https", 443) => format!("{scheme}://{host}"),
        (_, port) => format!("{scheme}://{host}:{port}"),
    }
}
