//! The sweep: it ends what others began, service by service, and tells what nobody noticed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::config::Found;
use domain::id::ServiceName;
use domain::notice::{Notice, Status};
use domain::plan::End;
use domain::report::Outcome;
use domain::request::{Request, Verb};
use domain::world::InstanceState;
use lambda_runtime::Error;
use serde_json::{Value, json};
use tracing::Instrument;

use crate::call::{Call, Patience};
use crate::deadline::{Deadline, REPORT_NEEDS, now};
use crate::errors::AwsError;
use crate::lease::{self, Lease};
use crate::observe::{Look, Memory, groups, instances_of_service, tagged};
use crate::runner::Runner;
use crate::{direct, report, together};

/// No service is begun with less left than this.
const SERVICE_NEEDS: Duration = Duration::from_secs(15);
/// The sweep's period: each begins with another service, so that none is always the last.
const PERIOD_SECONDS: i64 = 600;
/// How long nothing is said again of what stays as it is.
const DAY_SECONDS: i64 = 24 * 60 * 60;
/// As the lease table remembers that an unconfigured service was told.
const UNCONFIGURED: &str = "unconfigured";

/// What became of a service.
enum Swept {
    /// Nothing was to do.
    Clean,
    /// Something was done, or waits for a later sweep.
    Worked,
    /// Another call holds its lease.
    Busy,
}

/// Sweeps every service that is configured, or that anything is tagged with.
pub(super) async fn sweep(runner: &Runner, deadline: Deadline) -> Result<Value, Error> {
    let lists = async { tokio::join!(runner.services.every(&runner.clients), tagged::everything(&runner.clients)) };
    let lists = tokio::time::timeout(deadline.left().saturating_sub(REPORT_NEEDS), lists).await;
    let (every, tagged) = lists.map_err(|_| "AWS took too long to list the services")?;
    let every = every.inspect_err(|error| tracing::error!(%error, "the services could not be listed"))?;
    // Without the tagging API, orphans wait for the next sweep; everything else goes on.
    let tagged = tagged.unwrap_or_else(|error| {
        tracing::error!(%error, "what is tagged could not be listed");
        BTreeMap::new()
    });
    let names: BTreeSet<ServiceName> =
        every.keys().cloned().chain(tagged.keys().filter_map(|name| ServiceName::new(name).ok())).collect();
    let (mut done, mut worked, mut busy, mut failed) = (0_usize, 0_usize, 0_usize, Vec::new());
    for name in in_turn(&names) {
        if !deadline.has(SERVICE_NEEDS) {
            break;
        }
        let groups: Vec<String> = tagged.get(name.as_str()).into_iter().flatten().cloned().collect();
        let request = Request::new(name.clone(), None, Verb::Sweep);
        let span = direct::span(&request);
        let swept = async {
            match every.get(name) {
                Some(found) => service(runner, deadline, &request, found, &groups).await,
                None => {
                    let time = deadline.left().saturating_sub(REPORT_NEEDS);
                    let told = tokio::time::timeout(time, unconfigured(runner, name, &groups)).await;
                    told.unwrap_or_else(|_| Err("AWS took too long".to_owned()))
                }
            }
        };
        done += 1;
        match swept.instrument(span).await {
            Ok(Swept::Clean) => {}
            Ok(Swept::Worked) => worked += 1,
            Ok(Swept::Busy) => busy += 1,
            Err(why) => {
                tracing::error!(service = name.as_str(), why, "the service could not be swept");
                failed.push(name.as_str());
            }
        }
    }
    let not_reached = names.len().saturating_sub(done);
    tracing::info!(services = names.len(), done, worked, busy, failed = failed.len(), not_reached, "swept");
    Ok(json!({
        "status": "done",
        "services": names.len(),
        "done": done,
        "worked": worked,
        "busy": busy,
        "failed": failed,
        "not_reached": not_reached,
    }))
}

/// The services, beginning with one that the time chooses.
fn in_turn(names: &BTreeSet<ServiceName>) -> impl Iterator<Item = &ServiceName> {
    let count = i64::try_from(names.len()).unwrap_or(1).max(1);
    let first = usize::try_from((now().seconds() / PERIOD_SECONDS).rem_euclid(count)).unwrap_or_default();
    names.iter().cycle().skip(first).take(names.len())
}

/// Sweeps a service: without its lease it looks, with it it works.
async fn service(
    runner: &Runner,
    deadline: Deadline,
    request: &Request,
    found: &Found,
    listed_groups: &[String],
) -> Result<Swept, String> {
    let problems: Vec<String> = found.problems.iter().map(ToString::to_string).collect();
    let (Some(service), Some(table), true) =
        (&found.service, runner.services.settings.lease_table.as_deref(), problems.is_empty())
    else {
        return Err(format!("the config of {} is not right: {}", request.service, problems.join("; ")));
    };
    let look = Look {
        clients: &runner.clients,
        can: &runner.can,
        listeners: &runner.listeners,
        service,
        request,
        scope: plans::scope(&request.verb, service),
        listed_groups,
    };
    let told = lease::told(&runner.clients, table, &request.service).await.map_err(|error| error.to_string())?;
    let memory = Memory { told, ..Memory::default() };
    let time = deadline.left().saturating_sub(REPORT_NEEDS);
    let seen = tokio::time::timeout(time, look.observe(&memory)).await;
    let seen = seen.map_err(|_| "AWS took too long".to_owned())?.map_err(|trouble| trouble.to_string())?;
    let plan = plans::plan(request, service, &seen.world, now());
    if plan.stages.is_empty() {
        return match plan.end {
            End::Done(_) => Ok(Swept::Clean),
            End::Wait(wait) => {
                tracing::info!(wait_for = %wait, "end");
                Ok(Swept::Worked)
            }
            End::Refuse(refusal) => Err(refusal.to_string()),
            End::Fail(failure) => Err(failure.to_string()),
            End::Look | End::LookForLaunch | End::Check(_) => Ok(Swept::Clean),
        };
    }
    let call = Call {
        clients: &runner.clients,
        can: &runner.can,
        listeners: &runner.listeners,
        table,
        service,
        request,
        topic: found.notify_topic_arn.as_deref(),
        deadline,
        patience: Patience::None,
        listed_groups,
    };
    let mut ended = call.run().await;
    report::close(&runner.clients, deadline, ended.lease.take(), None, None).await;
    direct::log(&ended.outcome);
    match ended.outcome {
        Outcome::Done(..) => Ok(Swept::Worked),
        Outcome::Waiting(domain::refusal::WaitFor::Lease) => Ok(Swept::Busy),
        Outcome::Waiting(domain::refusal::WaitFor::Aws { what }) => Err(what),
        Outcome::Waiting(_) => Ok(Swept::Worked),
        Outcome::Refused(_) | Outcome::Failed(_) => Err(ended.outcome.sentence()),
    }
}

/// Tells, once a day, that something stands of a service that nobody configures any more. Nothing of it is changed.
async fn unconfigured(runner: &Runner, name: &ServiceName, listed_groups: &[String]) -> Result<Swept, String> {
    let clients = &runner.clients;
    let standing = standing(runner, name, listed_groups).await.map_err(|error| error.to_string())?;
    let Some(table) = runner.services.settings.lease_table.as_deref() else { return Ok(Swept::Clean) };
    if standing.is_empty() {
        return Ok(Swept::Clean);
    }
    let Some(lease) = Lease::take(clients, table, name).await.map_err(|error| error.to_string())? else {
        return Ok(Swept::Busy);
    };
    let time = now();
    if lease.told().get(UNCONFIGURED).is_some_and(|told| time - *told < DAY_SECONDS) {
        lease.release(clients).await;
        return Ok(Swept::Clean);
    }
    let notice = Notice {
        service: name.clone(),
        release: None,
        event: UNCONFIGURED.to_owned(),
        status: Status::Attention,
        headline: format!("the service {name} is no longer configured, and something of it stands"),
        lines: standing,
        look: Vec::new(),
        next: vec![format!(
            "Configure it again ({} or a parameter), then remove it by teardown with \"action\":\"remove\"; or delete this by hand.",
            name.variable()
        )],
    };
    let told = report::publish(clients, runner.services.settings.notify_topic_arn.as_deref(), &notice).await;
    let told = match told {
        Ok(()) => lease.remember(clients, UNCONFIGURED, time).await,
        Err(error) => Err(error),
    };
    lease.release(clients).await;
    told.map(|()| Swept::Worked).map_err(|error| error.to_string())
}

/// What really stands of a service, a line each: the tagging API lags.
async fn standing(runner: &Runner, name: &ServiceName, listed_groups: &[String]) -> Result<Vec<String>, AwsError> {
    let (instances, groups) = tokio::join!(
        instances_of_service(&runner.clients, name),
        together::try_all(listed_groups.iter().map(|group| groups::by_name(&runner.clients, group))),
    );
    let instances = instances?;
    let ids: Vec<&str> = instances
        .iter()
        .filter(|instance| instance.state != InstanceState::Terminated)
        .map(|instance| instance.id.as_str())
        .collect();
    let groups: Vec<String> = groups?.into_iter().flatten().map(|(arn, _)| arn.name().to_owned()).collect();
    let mut lines = Vec::new();
    if !ids.is_empty() {
        lines.push(format!("Servers: {}.", ids.join(", ")));
    }
    if !groups.is_empty() {
        lines.push(format!("Target groups: {}.", groups.join(", ")));
    }
    Ok(lines)
}
