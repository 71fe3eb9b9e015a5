//! `validate`: all faults of a config, by itself and against the account.

use std::collections::BTreeMap;

use domain::aws::Kind;
use domain::config::{Found, Service, Settings};
use domain::id::ServiceName;
use domain::request::{Function, Request, Verb};
use domain::world::{Scope, World};
use runtime::desk::Hindrance;
use serde_json::json;
use view::arguments::{From, Shared};
use view::exit::{self, Fault};
use view::validate::{self, Finding};

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
        let settings = given(from, service)?.ok_or_else(|| {
            Fault::new(exit::USAGE, "Say where the config is: --offline goes with --template, --config or --env.")
        })?;
        return conclude(&by_themselves(&settings, service)?, terminal);
    }
    let session = Session::open(shared, from, service).await?;
    let services: BTreeMap<ServiceName, Found> = match service {
        Some(name) => BTreeMap::from([session.found(name).await?]),
        None => session.desk.every().await.map_err(|why| session.fault(why))?,
    };
    let calls = may_call(&session).await;
    let mut all = Vec::new();
    for (name, found) in services {
        let mut findings = faults(&found);
        if let Some(service) = &found.service {
            findings.extend(against_account(&session, service).await?);
        }
        findings.extend(calls.iter().cloned());
        all.push((name.to_string(), findings));
    }
    conclude(&all, terminal)
}

type Findings = Vec<(String, Vec<Finding>)>;

fn by_themselves(settings: &Settings, service: Option<&str>) -> Result<Findings, Fault> {
    let names: Vec<ServiceName> = match service {
        Some(name) => vec![service_name(name)?],
        None => settings.names().cloned().collect(),
    };
    if names.is_empty() {
        return Err(Fault::refused("No service is configured there."));
    }
    let not_there =
        |name: &ServiceName| Fault::refused(format!("{name} is not configured there ({}).", name.variable()));
    names
        .iter()
        .map(|name| Ok((name.to_string(), faults(&settings.find(name, None).ok_or_else(|| not_there(name))?))))
        .collect()
}

fn faults(found: &Found) -> Vec<Finding> {
    found.problems.iter().map(|problem| Finding::fault(problem.to_string())).collect()
}

/// Whether the functions may be called.
async fn may_call(session: &Session) -> Vec<Finding> {
    let mut findings = Vec::new();
    for function in [Function::Provision, Function::Register, Function::Promote, Function::Teardown] {
        let name = session.function(function);
        if let Err(why) = session.desk.may_call(&name).await {
            findings.push(Finding::warning(format!("You cannot call {name}. {}", session.fault(why).sentence)));
        }
    }
    findings
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
    if let Some(world) = &at_rules {
        findings.extend(validate::rules(service, world));
        findings.extend(room(session, service, world).await?);
    }
    Ok(findings)
}

async fn room(session: &Session, service: &Service, world: &World) -> Result<Vec<Finding>, Fault> {
    let (rules, limits) = tokio::join!(session.desk.rules(&service.listener_arn), session.desk.limits());
    let mut findings = Vec::new();
    let limits = seen(session, limits, &mut findings)?.unwrap_or_default();
    if let Some(rules) = seen(session, rules, &mut findings)? {
        findings.extend(validate::room(service, world, rules.len(), &limits));
    }
    Ok(findings)
}

async fn look(
    session: &Session,
    service: &Service,
    scope: Scope,
    findings: &mut Vec<Finding>,
) -> Result<Option<World>, Fault> {
    let request = Request::new(service.name.clone(), None, Verb::Finish);
    let looked = session.desk.look(service, &request, scope).await;
    let looked = seen(session, looked, findings)?;
    Ok(looked.map(|looked| {
        findings.extend(looked.unseen.into_iter().map(Finding::warning));
        looked.world
    }))
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
    if !findings.contains(&finding) {
        findings.push(finding);
    }
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
    if all.is_empty() {
        terminal.tell("No service is configured there.");
    }
    let faulty = all.iter().any(|(_, findings)| findings.iter().any(|finding| finding.fault));
    Ok(if faulty { exit::REFUSED } else { exit::DONE })
}
