//! EventBridge's events, all for `teardown`: they name an execution, an alarm or nothing, and the tags lead on.
//!
//! They come twice, late, and in any order, and nobody calls one again: what hinders it is tried until shortly before the deadline,
//! then thrown, so that Lambda delivers it again.

mod alarm;
mod glance;
mod sweep;

use std::collections::BTreeSet;
use std::time::Duration;

use domain::config::OnApprovalTimeout;
use domain::event::{Event, person};
use domain::id::{ReleaseId, ServiceName};
use domain::plan::End;
use domain::refusal::{Refusal, WaitFor};
use domain::report::Outcome;
use domain::request::{Request, RollbackScope, Verb};
use domain::tags::{self, Read};
use lambda_runtime::Error;
use serde_json::{Value, json};
use tracing::Instrument;

use crate::deadline::{CHANGE_NEEDS, Deadline, REPORT_NEEDS};
use crate::errors::{AwsError, Trouble};
use crate::observe::{executions, instances_of_release, tagged};
use crate::runner::Runner;
use crate::{direct, report};

/// How long is slept before an event that was hindered is tried again.
const PAUSE: Duration = Duration::from_secs(3);
/// How often it is tried; its time ends before that, as a rule.
const TRIES: usize = 20;

/// A failed approval, as its event names it.
struct Approval {
    pipeline: String,
    execution: String,
    action: String,
    action_execution: String,
}

/// Acts on an event.
pub(crate) async fn answer(runner: &Runner, deadline: Deadline, event: Event) -> Result<Value, Error> {
    match event {
        Event::ExecutionEnded { pipeline, execution, state } => {
            execution_ended(runner, deadline, &pipeline, &execution, &state).await
        }
        Event::ApprovalFailed { pipeline, execution, action, action_execution } => {
            approval_failed(runner, deadline, &Approval { pipeline, execution, action, action_execution }).await
        }
        Event::Alarm { name, reason } => alarm::alarm(runner, deadline, &name, &reason).await,
        Event::Sweep => sweep::sweep(runner, deadline).await,
        Event::Job { .. } | Event::Direct(_) => Err(Trouble::unable("answer a call as an event").into()),
    }
}

/// A pipeline execution ended without success: what it never made product goes.
async fn execution_ended(
    runner: &Runner,
    deadline: Deadline,
    pipeline: &str,
    execution: &str,
    state: &str,
) -> Result<Value, Error> {
    let what = format!("execution {execution} of {pipeline}, {state}");
    let Ok(release) = ReleaseId::new(execution) else { return Ok(ignored(&what, "its id names no release")) };
    let services = insist(deadline, || services_of(runner, &release)).await?;
    let verb =
        Verb::Rollback { reason: format!("its pipeline execution {state}"), scope: RollbackScope::UnlessItWasProduct };
    let of = of(pipeline, release, verb);
    let (mut concerned, mut left_alone) = (BTreeSet::new(), Vec::new());
    for service in services {
        match nothing_to_do(runner, deadline, &of(service.clone())).await {
            Some(why) => left_alone.push(why),
            None => {
                concerned.insert(service);
            }
        }
    }
    if concerned.is_empty() && !left_alone.is_empty() {
        return Ok(ignored(&what, &left_alone.join("; ")));
    }
    roll_back(runner, deadline, &what, concerned, &of).await
}

/// Why a failed execution takes nothing from a release, looked at without the lease: a rejected approval fails its execution too, and is
/// not to wait for an event that leaves product alone. `None` where there is something to do, or it cannot be seen: the lease, then.
async fn nothing_to_do(runner: &Runner, deadline: Deadline, request: &Request) -> Option<String> {
    let table = runner.services.settings.lease_table.as_deref()?;
    let service = runner.services.find(&runner.clients, &request.service).await.ok()??.service?;
    let seen = glance::glance(runner, deadline, request, &service, table, &[]).await.ok()?;
    match seen.plan.end {
        End::Done(done) if seen.plan.stages.is_empty() => Some(Outcome::Done(done, Vec::new()).sentence()),
        End::Done(_)
        | End::Look
        | End::LookForLaunch
        | End::Check(_)
        | End::Wait(_)
        | End::Refuse(_)
        | End::Fail(_) => None,
    }
}

fn too_long() -> Trouble {
    Trouble::Later(WaitFor::Aws { what: "it took too long".to_owned() })
}

/// An approval failed: a person rejected it, or nobody answered it in time.
async fn approval_failed(runner: &Runner, deadline: Deadline, approval: &Approval) -> Result<Value, Error> {
    let Approval { pipeline, execution, action, action_execution } = approval;
    let what = format!("approval {action} of execution {execution} of {pipeline}");
    let Ok(release) = ReleaseId::new(execution) else { return Ok(ignored(&what, "its id names no release")) };
    let approved_by = || async {
        let by = executions::approved_by(&runner.clients, pipeline, execution, action, action_execution).await?;
        by.ok_or_else(|| {
            AwsError::incomplete("codepipeline:ListActionExecutions", pipeline.as_str(), "such approval yet")
        })
    };
    // Side by side, for customers wait; who approved is asked in vain where nothing of the release is there.
    let (services, by) = tokio::join!(insist(deadline, || services_of(runner, &release)), approved_by());
    let services = services?;
    if services.is_empty() {
        return Ok(ignored(&what, "nothing of that release is there"));
    }
    let by = match by {
        Ok(by) => by,
        Err(_) => insist(deadline, approved_by).await?,
    };
    if let Some(person) = person(&by) {
        let verb = Verb::Rollback {
            reason: format!("approval {action} was rejected by {person}"),
            scope: RollbackScope::TrafficOnly,
        };
        return roll_back(runner, deadline, &what, services, &of(pipeline, release, verb)).await;
    }
    let mut acted_on = BTreeSet::new();
    for service in services {
        let found = insist(deadline, || runner.services.find(&runner.clients, &service)).await?;
        let on_timeout = found.and_then(|found| found.service).map(|service| service.on_approval_timeout);
        match on_timeout {
            Some(OnApprovalTimeout::Rollback) => {
                acted_on.insert(service);
            }
            Some(OnApprovalTimeout::Keep) | None => {}
        }
    }
    if acted_on.is_empty() {
        return Ok(ignored(&what, "nobody answered it in time, and on_approval_timeout is keep"));
    }
    let verb = Verb::Rollback {
        reason: format!("approval {action} was not answered in time"),
        scope: RollbackScope::OnlyProduct,
    };
    roll_back(runner, deadline, &what, acted_on, &of(pipeline, release, verb)).await
}

/// The services that a release's tags name: by its instances, and where it has none by its target groups.
async fn services_of(runner: &Runner, release: &ReleaseId) -> Result<BTreeSet<ServiceName>, AwsError> {
    let instances = instances_of_release(&runner.clients, release).await?;
    let mut names: BTreeSet<String> =
        instances.iter().filter_map(|instance| instance.tags.value(tags::SERVICE)).map(str::to_owned).collect();
    if names.is_empty() {
        names = tagged::services_of(&runner.clients, release).await?;
    }
    Ok(names.iter().filter_map(|name| ServiceName::new(name).ok()).collect())
}

/// What an event of a pipeline asks for each service of its execution.
fn of(pipeline: &str, release: ReleaseId, verb: Verb) -> impl Fn(ServiceName) -> Request {
    move |service| Request {
        pipeline: Some(pipeline.to_owned()),
        ..Request::new(service, Some(release.clone()), verb.clone())
    }
}

/// Rolls a release back in each of its services. One that is hindered does not keep the others from it.
async fn roll_back(
    runner: &Runner,
    deadline: Deadline,
    what: &str,
    services: BTreeSet<ServiceName>,
    request: &impl Fn(ServiceName) -> Request,
) -> Result<Value, Error> {
    if services.is_empty() {
        return Ok(ignored(what, "nothing of it is to be rolled back"));
    }
    let (mut answers, mut hindered) = (Vec::new(), None);
    for service in services {
        let request = request(service);
        let span = direct::span(&request);
        match carry_out(runner, deadline, what, &request).instrument(span).await {
            Ok(answer) => answers.push(answer),
            Err(error) => hindered = Some(error),
        }
    }
    match hindered {
        Some(error) => Err(error),
        None => Ok(json!({ "status": "done", "services": answers })),
    }
}

/// Carries one request of an event out, and insists on it.
async fn carry_out(runner: &Runner, deadline: Deadline, what: &str, request: &Request) -> Result<Value, Error> {
    for _ in 0..TRIES {
        let (mut ended, topic) = runner.serve(request, deadline).await;
        let lease = ended.lease.take();
        if ended.hindered {
            report::close(&runner.clients, deadline, lease, None, None).await;
            if deadline.has(CHANGE_NEEDS + PAUSE) {
                tracing::warn!(why = ended.outcome.sentence(), "the event is hindered");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            report::end(runner.function, request, &ended, deadline);
            return Err(format!("{what}: {}", ended.outcome.sentence()).into());
        }
        if matches!(ended.outcome, Outcome::Refused(Refusal::UnknownService { .. })) {
            return Ok(ignored(what, "its service is not configured"));
        }
        // What a step told of it, as that the release was rejected, is not told twice.
        let is_told = ended.told && matches!(ended.outcome, Outcome::Done(..));
        let notice = ended.notice(request).filter(|_| direct::is_news(&ended.outcome) && !is_told);
        let untold = report::close(&runner.clients, deadline, lease, topic.as_deref(), notice.as_ref()).await;
        if !direct::is_news(&ended.outcome) {
            return Ok(ignored(what, &ended.outcome.sentence()));
        }
        report::end(runner.function, request, &ended, deadline);
        // What was refused or failed is so again when Lambda delivers the event again, and is told then.
        return match untold {
            Some(untold) => Err(format!("{what}: {untold}").into()),
            None => Ok(ended.outcome.answer(request)),
        };
    }
    Err(format!("{what}: it was tried {TRIES} times").into())
}

/// Asks AWS again and again, until shortly before the deadline.
async fn insist<T, E, F>(deadline: Deadline, ask: impl Fn() -> F) -> Result<T, Error>
where
    E: Into<Trouble>,
    F: Future<Output = Result<T, E>>,
{
    for _ in 0..TRIES {
        let Ok(answer) = tokio::time::timeout(deadline.left().saturating_sub(REPORT_NEEDS), ask()).await else {
            return Err("AWS hindered the event until its time was over".into());
        };
        match answer.map_err(Into::into) {
            Ok(answer) => return Ok(answer),
            Err(error) if deadline.has(CHANGE_NEEDS + PAUSE) => {
                tracing::warn!(%error, "the event is hindered");
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(format!("AWS hindered the event {TRIES} times").into())
}

/// An event that is not ours to act on: one line.
fn ignored(what: &str, why: &str) -> Value {
    tracing::info!(event = what, why, "ignored");
    json!({ "status": "ignored", "reason": format!("{what}: {why}") })
}
