//! `validate`: all faults of a config, by itself and against the account.

use std::collections::BTreeMap;

use domain::aws::Kind;
use domain::config::{Found, Service, Settings};
use domain::id::{RuleArn, ServiceName};
use domain::request::{Function, Request, Verb};
use domain::world::{Scope, World};
use runtime::desk::Hindrance;
use serde_json::json;
use view::arguments::{From, Shared};
use view::exit::{self, Fault};
use view::source::Left;
use view::validate::{self, Finding, Processors, Room};

use crate::session::{Session, given, service_name};
use crate::terminal::Terminal;

/// Runs the command.
pub async fn run(
    shared: &Shared,
    from: &From,
    service: Option<&str>,
    offline: bool,
    terminal: &Terminal,
) -> Result<u8, Fault> {
    if offline {
        let given = given(from, service)?.ok_or_else(|| {
            Fault::new(exit::USAGE, "Say where the config is: --offline goes with --template, --config or --env.")
        })?;
        let left = given.left();
        return conclude(&by_themselves(&given.settings(), &left, service)?, terminal);
    }
    let session = Session::open(shared, from, service).await?;
    let services: BTreeMap<ServiceName, Found> = match service {
        Some(name) => BTreeMap::from([session.found(name).await?]),
        None => session.desk.every().await.map_err(|why| session.fault(why))?,
    };
    if services.is_empty() {
        return Err(nothing_there());
    }
    let mut of_all: Vec<Finding> = session.unseen.iter().map(Finding::warning).collect();
    of_all.extend(may_call(&session).await?);
    let mut all = Vec::new();
    for (name, found) in services {
        let mut findings = session.left.findings(&name, &found);
        if let Some(service) = found.service.as_ref().filter(|_| session.left.sentence(&name).is_none()) {
            findings.extend(against_account(&session, service).await?);
        }
        findings.extend(of_all.iter().cloned());
        all.push((name.to_string(), findings));
    }
    conclude(&all, terminal)
}

fn nothing_there() -> Fault {
    Fault::refused("No service is configured there.")
}

type Findings = Vec<(String, Vec<Finding>)>;

fn by_themselves(settings: &Settings, left: &Left, service: Option<&str>) -> Result<Findings, Fault> {
    let names: Vec<ServiceName> = match service {
        Some(name) => vec![service_name(name)?],
        None => settings.names().cloned().collect(),
    };
    if names.is_empty() {
        return Err(nothing_there());
    }
    let not_there =
        |name: &ServiceName| Fault::refused(format!("{name} is not configured there ({}).", name.variable()));
    names
        .iter()
        .map(|name| {
            let found = settings.find(name, None).ok_or_else(|| not_there(name))?;
            Ok((name.to_string(), left.findings(name, &found)))
        })
        .collect()
}

/// Whether the functions may be called: who may not call them ships nothing.
async fn may_call(session: &Session) -> Result<Vec<Finding>, Fault> {
    let mut findings = Vec::new();
    for function in [Function::Provision, Function::Register, Function::Promote, Function::Teardown] {
        let name = session.function(function);
        let Err(why) = session.desk.may_call(&name).await else { continue };
        let is_denied = matches!(&why, Hindrance::Aws(error) if error.kind == Kind::Denied);
        let is_missing = matches!(&why, Hindrance::Aws(error) if error.kind == Kind::NotThere);
        let fault = session.fault(why);
        if fault.code == exit::NO_AWS && !is_missing {
            return Err(fault);
        }
        let what = format!("You cannot call {name}. {}", fault.sentence);
        findings.push(if is_denied { Finding::fault(what) } else { Finding::warning(what) });
    }
    Ok(findings)
}

/// Looks one after the other, so that what hinders one keeps nobody from the others.
async fn against_account(session: &Session, service: &Service) -> Result<Vec<Finding>, Fault> {
    let mut findings: Vec<Finding> = validate::place(service, &session.place.region).into_iter().collect();
    if !findings.is_empty() {
        return Ok(findings);
    }
    let nothing = Scope::default();
    let at_rules = look(session, service, nothing, &mut findings).await?;
    let for_launch = look(session, service, Scope { listener: true, launch: true, ..nothing }, &mut findings).await?;
    if let Some(world) = &for_launch {
        findings.extend(validate::launch(service, world));
    }
    if !service.alarms.is_empty()
        && let Some(world) = look(session, service, Scope { alarms: true, ..nothing }, &mut findings).await?
    {
        findings.extend(validate::alarms(service, &world));
    }
    if !service.elastic_ips.is_empty()
        && let Some(world) = look(session, service, Scope { addresses: true, ..nothing }, &mut findings).await?
    {
        findings.extend(validate::addresses(service, &world));
    }
    profile(session, service, &mut findings).await?;
    // A zone that is not there keeps every release from its servers; a look goes on without it.
    seen(session, session.desk.names(service).await, &mut findings)?;
    if let Some(world) = &at_rules {
        let stacks = stacks(session, service, world, &mut findings).await?;
        findings.extend(validate::rules(service, world, &stacks));
        let room = room(session, service, &mut findings).await?;
        findings.extend(validate::room(service, world, &room));
    }
    Ok(findings)
}

/// Whether the servers' instance profile is there, with a role in it.
async fn profile(session: &Session, service: &Service, findings: &mut Vec<Finding>) -> Result<(), Fault> {
    let Some(profile) = &service.iam_instance_profile else { return Ok(()) };
    let role = session.desk.role_of(profile).await;
    if matches!(&role, Err(Hindrance::Aws(error)) if error.kind == Kind::NotThere) {
        note(findings, Finding::fault(format!("iam_instance_profile: {profile} does not exist in this account")));
    } else {
        seen(session, role, findings)?;
    }
    Ok(())
}

/// The stacks that have rules of the service, or in its place.
async fn stacks(
    session: &Session,
    service: &Service,
    world: &World,
    findings: &mut Vec<Finding>,
) -> Result<BTreeMap<RuleArn, String>, Fault> {
    let mut stacks = BTreeMap::new();
    for rule in validate::untold(service, world) {
        let stack = seen(session, session.desk.stack_of(rule.as_str()).await, findings)?.flatten();
        stacks.extend(stack.map(|stack| (rule.clone(), stack)));
    }
    Ok(stacks)
}

/// What of the account's limits is used. What cannot be seen is a warning.
async fn room(session: &Session, service: &Service, findings: &mut Vec<Finding>) -> Result<Room, Fault> {
    let desk = &session.desk;
    let balancer = service.listener_arn.load_balancer().unwrap_or_default();
    let (limits, rules, groups, groups_of_all, processors) = tokio::join!(
        desk.limits(),
        desk.rules_of_balancer(&balancer),
        desk.groups(Some(&balancer)),
        desk.groups(None),
        desk.room_for(&service.instance_type),
    );
    let limits = seen(session, limits, findings)?.unwrap_or_default();
    let rules = seen(session, rules, findings)?;
    let groups = seen(session, groups, findings)?;
    let groups_of_all = seen(session, groups_of_all, findings)?;
    let processors = seen(session, processors, findings)?.flatten();
    let processors = processors.map(|runtime::desk::Room { quota, limit, running, each }| Processors {
        quota,
        limit,
        running,
        each,
    });
    Ok(Room { limits, rules, groups, groups_of_all, processors })
}

async fn look(
    session: &Session,
    service: &Service,
    scope: Scope,
    findings: &mut Vec<Finding>,
) -> Result<Option<World>, Fault> {
    let request = Request::new(service.name.clone(), None, Verb::Finish);
    let looked = session.desk.look(service, &request, scope).await;
    let Some(looked) = seen(session, looked, findings)? else { return Ok(None) };
    // What a look goes on without are the names, and those are asked about by themselves.
    Ok(Some(looked.world))
}

/// Says a thing once: each look sees it again.
fn note(findings: &mut Vec<Finding>, finding: Finding) {
    if !findings.contains(&finding) {
        findings.push(finding);
    }
}

/// What was seen. A missing right to look is a warning, what is not there a fault; who does not reach AWS at all is told so alone.
fn seen<T>(session: &Session, looked: Result<T, Hindrance>, findings: &mut Vec<Finding>) -> Result<Option<T>, Fault> {
    let why = match looked {
        Ok(seen) => return Ok(Some(seen)),
        Err(why) => why,
    };
    let denied = matches!(&why, Hindrance::Aws(error) if error.kind == Kind::Denied || error.kind.is_transient());
    let fault = session.fault(why);
    if fault.code == exit::NO_AWS {
        return Err(fault);
    }
    let finding = if denied { Finding::warning(fault.sentence) } else { Finding::fault(fault.sentence) };
    note(findings, finding);
    Ok(None)
}

fn conclude(all: &Findings, terminal: &Terminal) -> Result<u8, Fault> {
    for (service, findings) in all {
        if terminal.json {
            terminal.json(&json!({"service": service, "findings": findings}))?;
        } else {
            terminal.say(&validate::text(service, findings))?;
        }
    }
    let faulty = all.iter().any(|(_, findings)| findings.iter().any(|finding| finding.fault));
    Ok(if faulty { exit::REFUSED } else { exit::DONE })
}
