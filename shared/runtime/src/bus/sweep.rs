//! The sweep: it ends what others began, service by service, and tells what nobody noticed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::config::Found;
use domain::id::ServiceName;
use domain::metrics;
use domain::notice::{Notice, Status};
use domain::plan::{Done, End};
use domain::refusal::{Refusal, WaitFor};
use domain::report::Outcome;
use domain::request::{Request, Verb};
use domain::world::InstanceState;
use lambda_runtime::Error;
use plans::Readiness;
use serde_json::{Value, json};
use tracing::Instrument;

use super::glance::{Glance, glance};
use super::too_long;
use crate::call::{Call, Ended, Patience};
use crate::deadline::{Deadline, REPORT_NEEDS, now};
use crate::errors::{AwsError, Trouble};
use crate::lease::{Lease, Taken};
use crate::observe::{groups, instances_of_service, tagged};
use crate::runner::Runner;
use crate::{direct, report, together};

/// No service is begun with less left than this.
const SERVICE_NEEDS: Duration = Duration::from_secs(15);
/// How long nothing is said again of what stays as it is.
const DAY_SECONDS: i64 = 24 * 60 * 60;
/// As the lease table remembers that an unconfigured service was told.
const UNCONFIGURED: &str = "unconfigured";

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
            let swept = match every.get(name) {
                Some(found) => service(runner, deadline, &request, found, &groups).await,
                None => {
                    let time = deadline.left().saturating_sub(REPORT_NEEDS);
                    let told = tokio::time::timeout(time, unconfigured(runner, name, &groups)).await;
                    told.unwrap_or_else(|_| Err(too_long()))
                }
            };
            let ended = swept.unwrap_or_else(|trouble| Some(Ended::by(&trouble, None)))?;
            report::end(runner.function, &request, &ended, deadline);
            Some(ended.outcome)
        };
        done += 1;
        match swept.instrument(span).await {
            None => {}
            Some(Outcome::Waiting(WaitFor::Lease | WaitFor::Held(_))) => busy += 1,
            Some(outcome @ (Outcome::Refused(_) | Outcome::Failed(_) | Outcome::Waiting(WaitFor::Aws { .. }))) => {
                tracing::error!(service = name.as_str(), why = outcome.sentence(), "the service could not be swept");
                failed.push(name.as_str());
            }
            Some(Outcome::Done(..) | Outcome::Waiting(_)) => worked += 1,
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
    names.iter().cycle().skip(plans::begins_with(names.len(), now())).take(names.len())
}

/// Sweeps a service: without its lease it looks, with it it works. `None` where nothing was to do.
async fn service(
    runner: &Runner,
    deadline: Deadline,
    request: &Request,
    found: &Found,
    listed_groups: &[String],
) -> Result<Option<Ended>, Trouble> {
    let problems: Vec<String> = found.problems.iter().map(ToString::to_string).collect();
    let (Some(service), Some(table), true) =
        (&found.service, runner.services.settings.lease_table.as_deref(), problems.is_empty())
    else {
        return Err(Trouble::Refused(Refusal::BadConfig { service: request.service.clone(), problems }));
    };
    let Glance { world, plan, time } = glance(runner, deadline, request, service, table, listed_groups).await?;
    if let Some(Readiness { way_back, ready }) = plans::readiness(service, &world, time) {
        let metrics = metrics::of_way_back(request, ready, time).map(|metrics| metrics.to_string());
        tracing::info!(%way_back, ready, metrics = metrics.as_deref(), "way back");
    }
    if plan.stages.is_empty() {
        return Ok(match plan.end {
            End::Done(_) | End::Look | End::LookForLaunch | End::Check(_) => None,
            End::Wait(wait) => Some(Ended::with(Outcome::Waiting(wait))),
            End::Refuse(refusal) => Some(Ended::with(Outcome::Refused(refusal))),
            End::Fail(failure) => Some(Ended::with(Outcome::Failed(failure))),
        });
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
    Ok(Some(ended))
}

/// Tells, once a day, that something stands of a service that nobody configures any more. Nothing of it is changed.
async fn unconfigured(runner: &Runner, name: &ServiceName, listed_groups: &[String]) -> Result<Option<Ended>, Trouble> {
    let clients = &runner.clients;
    let standing = standing(runner, name, listed_groups).await?;
    let Some(table) = runner.services.settings.lease_table.as_deref() else { return Ok(None) };
    if standing.is_empty() {
        return Ok(None);
    }
    let Taken::Lease(lease) = Lease::take(clients, table, name).await? else {
        return Ok(Some(Ended::with(Outcome::Waiting(WaitFor::Lease))));
    };
    let time = now();
    if lease.told().get(UNCONFIGURED).is_some_and(|told| time - *told < DAY_SECONDS) {
        lease.release(clients).await;
        return Ok(None);
    }
    let headline = format!("the service {name} is no longer configured, and something of it stands");
    let notice = Notice {
        lines: standing,
        next: vec![format!(
            "Configure it again ({} or a parameter), then remove it by teardown with \"action\":\"remove\"; or delete this by hand.",
            name.variable()
        )],
        ..Notice::new(name.clone(), UNCONFIGURED, Status::Attention, headline)
    };
    let told = report::publish(clients, runner.services.settings.notify_topic_arn.as_deref(), &notice).await;
    let told = match told {
        Ok(()) => lease.remember(clients, UNCONFIGURED, time).await,
        Err(error) => Err(error),
    };
    lease.release(clients).await;
    told?;
    let done = Done { headline: notice.headline, ..Done::default() };
    Ok(Some(Ended::with(Outcome::Done(done, Vec::new()))))
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
