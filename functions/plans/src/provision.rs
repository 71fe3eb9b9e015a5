//! `provision`: the release has its capacity running and ready; nothing routes to it yet.

use std::collections::BTreeMap;

use domain::config::{Ami, ReadyWhen};
use domain::id::{InstanceId, ReleaseId, SubnetId, short_hash};
use domain::plan::{Done, End, Launch, Plan, Stage, Step};
use domain::refusal::{Failure, Refusal, WaitFor};
use domain::request::Request;
use domain::tags::{self, Read, Role};
use domain::world::{Holder, Image, Instance, InstanceState, LaunchFacts, Listener, Secret};

use crate::addresses::{Addresses, NotEnough};
use crate::promote::{refuse_rejected, wait_for_promotion};
use crate::rejection::SUPERSEDED;
use crate::standing::{Release, Standing, Traffic, Who};
use crate::{go, mend, names, rejection};

/// Plans a provision of this release.
pub fn plan(standing: &Standing<'_>, request: &Request, release: &ReleaseId) -> Plan {
    if let Some(plan) = refuse_rejected(standing, release) {
        return plan;
    }
    let role = standing.role_by_tags(release);
    let was_in_service = matches!(role, Some(Role::Product | Role::Retired));
    if was_in_service && !standing.stands(release) {
        return Plan::only(End::Refuse(Refusal::TornDown { release: release.clone() }));
    }
    if standing.traffic(release) != Traffic::NotInRule || was_in_service {
        return Plan::only(End::Done(untouched(standing, release)));
    }
    if let Some(plan) = wait_for_promotion(standing, release) {
        return plan;
    }
    let nobody = Release::default();
    let found = standing.releases.get(release).unwrap_or(&nobody);
    let asked = standing.asked(&Who::Release(release.clone()));
    let waiting = |missing: String| wait(standing, request, release, found, missing);
    let alive: Vec<&Instance> = found.alive().collect();
    let unseen = if alive.len() < asked { not_visible_yet(standing, found) } else { None };
    // Whatever would refuse the call comes before the first change: a release that cannot be had supersedes none.
    let fits = if alive.len() < asked && unseen.is_none() {
        let Some(facts) = &standing.world.launch else { return Plan::only(End::LookForLaunch) };
        match account_fits(standing, facts) {
            Ok(fits) => Some(fits),
            Err(what) => return Plan::only(End::Refuse(Refusal::Account { what })),
        }
    } else {
        None
    };
    let addresses = Addresses::read(standing, release, &alive, asked);
    if let Err(NotEnough::Refuse(refusal)) = &addresses {
        return Plan::only(End::Refuse(refusal.clone()));
    }
    if let Some(plan) = supersede(standing, request, release) {
        return plan;
    }
    if let Some(missing) = unseen {
        return waiting(missing);
    }
    let addresses = match addresses {
        Ok(addresses) => addresses,
        Err(NotEnough::Wait(wait)) => {
            return expired(standing, request, release, found, wait.to_string())
                .unwrap_or_else(|| Plan::only(End::Wait(wait)));
        }
        Err(NotEnough::Refuse(refusal)) => return Plan::only(End::Refuse(refusal)),
    };
    if let Some((image, user_data)) = fits {
        let of = Launched { release, found, asked, image, user_data };
        return launch(standing, request, &of);
    }
    let (steps, pending) = addresses.associate(&alive);
    if !steps.is_empty() {
        return Plan::new(vec![steps], End::Look);
    }
    let missing: Vec<String> = alive
        .iter()
        .filter_map(|i| not_ready(standing, i, pending.contains(&i.id)).map(|why| format!("{}: {why}", i.id)))
        .collect();
    if !missing.is_empty() {
        return waiting(missing.join("; "));
    }
    Plan::only(End::Done(done(standing, release, found)))
}

/// A release that was never promoted gives way to this one.
fn supersede(standing: &Standing<'_>, request: &Request, release: &ReleaseId) -> Option<Plan> {
    let others = standing.others(Some(release), Role::PreProduct).filter(|id| standing.is_before_customers(id));
    let reason = format!("{SUPERSEDED}{release}");
    let mut stages = Vec::new();
    for other in others {
        stages.push(Stage::stop(mend::tag_rejected(standing, other, &reason)));
        stages.extend(mend::tell_rejected(standing, request, other, &reason, None));
    }
    stages.retain(|stage| !stage.steps.is_empty());
    (!stages.is_empty()).then_some(Plan { stages, end: End::Look })
}

/// How long EC2 may show a part of a launch only. What is missing later died, and is replaced.
const VISIBLE_SECONDS: i64 = 300;

/// A launch is all or nothing, and its tags say how many it launched: fewer in sight means that EC2 does not show all
/// of them yet, and launching the rest would launch too many.
fn not_visible_yet(standing: &Standing<'_>, found: &Release<'_>) -> Option<String> {
    let mut launches: BTreeMap<&str, usize> = BTreeMap::new();
    for instance in &found.instances {
        let young = instance.tags.since().is_some_and(|since| standing.now - since < VISIBLE_SECONDS);
        if let Some(launch) = instance.tags.value(tags::LAUNCH).filter(|_| young) {
            *launches.entry(launch).or_default() += 1;
        }
    }
    launches.into_iter().find_map(|(launch, seen)| {
        let count: usize = launch.rsplit('/').next()?.parse().ok()?;
        (seen < count).then(|| format!("{seen} of {count} just launched are in sight"))
    })
}

/// What is launched, as far as it was decided before into which subnets.
struct Launched<'l, 'a> {
    release: &'l ReleaseId,
    found: &'l Release<'a>,
    asked: usize,
    image: &'l Image,
    user_data: Option<Secret>,
}

fn launch(standing: &Standing<'_>, request: &Request, of: &Launched<'_, '_>) -> Plan {
    let alive = of.found.alive().count();
    let missing = format!("{alive} of {} servers run", of.asked);
    // A direct caller who replaces a server that died has the time of a launch for it, however old the release is.
    if request.started.is_some()
        && let Some(plan) = expired(standing, request, of.release, of.found, missing)
    {
        return plan;
    }
    let with_room: Vec<&SubnetId> =
        standing.service.subnets.iter().filter(|subnet| !standing.world.no_capacity.contains_key(*subnet)).collect();
    if with_room.is_empty() {
        return no_capacity(standing, request, of.release, of.found);
    }
    let steps = spread(of.found, &with_room, of.asked.saturating_sub(alive))
        .into_iter()
        .map(|(subnet, count)| Step::Launch(Box::new(one_launch(standing, request, of, subnet, count))))
        .collect();
    // What met no capacity in one zone is asked of the others at the next look.
    Plan { stages: vec![Stage::stop(steps)], end: End::Look }
}

/// How many go into which subnet, so that the release is spread as evenly as can be; one entry a subnet.
fn spread<'s>(found: &Release<'_>, subnets: &[&'s SubnetId], missing: usize) -> Vec<(&'s SubnetId, u32)> {
    let mut filled: Vec<(usize, &SubnetId, u32)> = subnets
        .iter()
        .map(|subnet| (found.alive().filter(|i| i.subnet.as_ref() == Some(*subnet)).count(), *subnet, 0))
        .collect();
    for _ in 0..missing {
        if let Some(least) = filled.iter_mut().min_by_key(|(count, ..)| *count) {
            least.0 += 1;
            least.2 += 1;
        }
    }
    filled.into_iter().filter(|(.., new)| *new > 0).map(|(_, subnet, new)| (subnet, new)).collect()
}

fn one_launch(
    standing: &Standing<'_>,
    request: &Request,
    of: &Launched<'_, '_>,
    subnet: &SubnetId,
    count: u32,
) -> Launch {
    let service = standing.service;
    let (release, image) = (of.release, of.image);
    let attempt = next_attempt(of.found, subnet);
    let mut tags = tags::birth_tags(&service.name, release, Role::PreProduct, standing.now, &service.tags);
    for (key, value) in [(tags::PORT, service.port.to_string()), (tags::LISTENER, service.listener_arn.to_string())] {
        // What was asked for at the first launch stays; later config is for later releases. EC2 takes what ELB refuses, where
        // a person edited it.
        let before = of.found.instances.iter().find_map(|i| i.tags.value(key)).map(tags::tag_value);
        tags.insert(key.to_owned(), before.unwrap_or(value));
    }
    tags.insert(tags::COUNT.to_owned(), of.asked.to_string());
    tags.insert(tags::AMI.to_owned(), image.id.to_string());
    tags.insert(tags::LAUNCH.to_owned(), format!("{subnet}/{attempt}/{count}"));
    if let Some(pipeline) = &request.pipeline {
        tags.insert(tags::PIPELINE.to_owned(), tags::tag_value(pipeline));
    }
    Launch {
        subnet: subnet.clone(),
        count,
        // The token of a terminated instance still answers with it for a day: each attempt has its own. The count is
        // not of it: a launch that cannot be seen yet must not be repeated with another.
        token: short_hash(&format!("{}/{release}/{subnet}/{attempt}", service.name), 64),
        image: image.id.clone(),
        root_device: image.root_device.clone(),
        instance_type: service.instance_type.clone(),
        security_groups: service.security_groups.clone(),
        iam_instance_profile: service.iam_instance_profile.clone(),
        key_name: service.key_name.clone(),
        user_data: of.user_data.clone(),
        tags,
    }
}

/// One more than the last launch into a subnet that EC2 remembers.
fn next_attempt(found: &Release<'_>, subnet: &SubnetId) -> u32 {
    let launches = found.instances.iter().filter_map(|i| i.tags.value(tags::LAUNCH));
    let into = launches.filter_map(|launch| launch.split_once('/')).filter(|(zone, _)| *zone == subnet.as_str());
    let attempts = into.filter_map(|(_, rest)| rest.split('/').next()?.parse::<u32>().ok());
    attempts.max().map_or(0, |last| last.saturating_add(1))
}

/// Whether the account is as the config says: every fault at once, before anything is launched.
fn account_fits<'f>(standing: &Standing<'_>, facts: &'f LaunchFacts) -> Result<(&'f Image, Option<Secret>), String> {
    let service = standing.service;
    let mut faults = Vec::new();
    match &standing.world.listener {
        None => faults.push(format!("listener_arn: {} does not exist", service.listener_arn)),
        Some(listener) => faults.extend(subnet_faults(standing, facts, listener)),
    }
    let image = facts.image.as_ref().map_err(|why| {
        let named = match &service.ami {
            Ami::Id(id) => id.clone(),
            Ami::Ssm(parameter) => format!("resolve:ssm:{parameter}"),
        };
        faults.push(format!("ami: {named}: {why}"));
    });
    let user_data = facts.user_data.as_ref().map_err(|why| faults.push(format!("user_data: {why}")));
    match (image, user_data) {
        (Ok(image), Ok(user_data)) if faults.is_empty() => Ok((image, user_data.clone())),
        _ => Err(format!("the account does not fit the config of {}: {}", service.name, faults.join("; "))),
    }
}

fn subnet_faults(standing: &Standing<'_>, facts: &LaunchFacts, listener: &Listener) -> Vec<String> {
    let fault = |id: &SubnetId| match facts.subnets.get(id) {
        None => Some(format!("subnets: {id} does not exist")),
        Some(subnet) if subnet.vpc != listener.vpc => {
            Some(format!("subnets: {id} is in {}, the load balancer is in {}", subnet.vpc, listener.vpc))
        }
        Some(subnet) if !listener.zones.contains(&subnet.zone) => Some(format!(
            "subnets: {id} is in {}, the load balancer serves {}: its targets would never be used",
            subnet.zone,
            listener.zones.iter().cloned().collect::<Vec<_>>().join(", ")
        )),
        Some(_) => None,
    };
    standing.service.subnets.iter().filter_map(fault).collect()
}

/// No zone has capacity: the release is rejected, and what was made of it goes at once, for nothing routes to it.
fn no_capacity(standing: &Standing<'_>, request: &Request, release: &ReleaseId, found: &Release<'_>) -> Plan {
    let zones: Vec<String> = standing.world.no_capacity.values().cloned().collect();
    let told = found.standing_instances().next().is_some();
    let failure = Failure::NoCapacity { release: release.clone(), zones, told };
    give_up(standing, request, release, found, failure)
}

fn give_up(
    standing: &Standing<'_>,
    request: &Request,
    release: &ReleaseId,
    found: &Release<'_>,
    failure: Failure,
) -> Plan {
    let instances: Vec<InstanceId> = found.standing_instances().map(|i| i.id.clone()).collect();
    if instances.is_empty() {
        return Plan::only(End::Fail(failure));
    }
    let reason = failure.to_string();
    let mut notice =
        rejection::notice(standing, request, release, "it did not get its servers", standing.product_name().as_deref());
    notice.status = domain::notice::Status::Failed;
    notice.lines.insert(0, reason.clone());
    let mut stages = vec![
        Stage::stop(mend::tag_rejected(standing, release, &reason)),
        Stage::stop(vec![Step::Tell(Box::new(notice))]),
        Stage::follow(mend::tag_told(standing, release)),
    ];
    stages.push(Stage::follow(names::follow(standing, standing.product_who().as_ref(), false)));
    // Where somebody may reach it already, it goes as every other rejected release: looked at, and drained first.
    let is_reached = found.group.is_some() || go::serves_elsewhere(standing, &instances).is_some();
    if standing.service.keep_rejected_seconds == 0 && !is_reached {
        stages.push(Stage::stop(vec![Step::Terminate { instances }]));
    }
    Plan { stages, end: End::Fail(failure) }.after(Vec::new())
}

/// Running out of time, counted from when the job may work, or for direct callers from the last launch.
fn expired(
    standing: &Standing<'_>,
    request: &Request,
    release: &ReleaseId,
    found: &Release<'_>,
    missing: String,
) -> Option<Plan> {
    let launches = found.alive().filter_map(|i| i.tags.since());
    let started = request.works_since().or(launches.max())?;
    let seconds = standing.now - started;
    if seconds < i64::from(standing.service.provision_timeout_seconds) {
        return None;
    }
    let told = found.standing_instances().next().is_some();
    let failure = Failure::NotReady { release: release.clone(), seconds, missing, told };
    Some(give_up(standing, request, release, found, failure))
}

fn wait(standing: &Standing<'_>, request: &Request, release: &ReleaseId, found: &Release<'_>, missing: String) -> Plan {
    let wait = WaitFor::Servers { release: release.clone(), missing: missing.clone() };
    expired(standing, request, release, found, missing).unwrap_or_else(|| Plan::only(End::Wait(wait)))
}

fn not_ready(standing: &Standing<'_>, instance: &Instance, without_address: bool) -> Option<String> {
    if instance.state != InstanceState::Running {
        return Some("is being started".to_owned());
    }
    if without_address {
        return Some("has no elastic IP yet".to_owned());
    }
    let ready = match standing.service.ready_when {
        ReadyWhen::Running => true,
        ReadyWhen::StatusOk => instance.readiness.status_ok,
        ReadyWhen::SsmOnline => instance.readiness.ssm_online,
    };
    (!ready).then(|| match standing.service.ready_when {
        ReadyWhen::SsmOnline => "its SSM agent is not online yet".to_owned(),
        ReadyWhen::StatusOk | ReadyWhen::Running => "its status checks are not ok yet".to_owned(),
    })
}

fn untouched(standing: &Standing<'_>, release: &ReleaseId) -> Done {
    let mut done =
        Done { headline: format!("release {release} is in service already: nothing is launched"), ..Done::default() };
    if let Some(found) = standing.releases.get(release) {
        outputs(&mut done, release, found);
    }
    done
}

fn done(standing: &Standing<'_>, release: &ReleaseId, found: &Release<'_>) -> Done {
    let count = found.alive().count();
    let mut done = Done {
        headline: format!("release {release} has {count} {}, ready", if count == 1 { "server" } else { "servers" }),
        lines: vec!["Nothing routes to it yet.".to_owned()],
        next: vec!["The pipeline deploys the build to them and registers them.".to_owned()],
        ..Done::default()
    };
    outputs(&mut done, release, found);
    done.look
        .push(("Servers".to_owned(), done.outputs.get("PrivateIps").cloned().unwrap_or_default().replace(',', ", ")));
    let public: Vec<String> = standing
        .world
        .addresses
        .iter()
        .filter(|a| matches!(&a.holder, Some(Holder::Instance(id)) if found.alive().any(|i| i.id == *id)))
        .map(|a| a.ip.clone())
        .collect();
    if !public.is_empty() {
        done.look.push(("Elastic IPs".to_owned(), public.join(", ")));
        done.outputs.insert("PublicIps", public.join(","));
    }
    if let Some(name) = standing.service.dns.as_ref().and_then(|dns| dns.pre_product.clone()) {
        done.look.push(("Private name".to_owned(), name.clone()));
        done.outputs.insert("PrivateName", name);
    }
    done
}

/// The output variables of a release and its servers, which register gives too.
pub fn outputs(done: &mut Done, release: &ReleaseId, found: &Release<'_>) {
    done.outputs.insert("Release", release.to_string());
    let ids: Vec<String> = found.alive().map(|i| i.id.to_string()).collect();
    done.outputs.insert("InstanceIds", ids.join(","));
    done.outputs.insert("PrivateIps", found.ips().into_iter().collect::<Vec<_>>().join(","));
}
