//! An alarm went off: what is product is rolled back, where the alarm is about it.

use std::collections::BTreeSet;

use domain::config::{Found, OnAlarm, Service};
use domain::id::{ReleaseId, ServiceName};
use domain::notice::{Notice, Status};
use domain::request::{Request, RollbackScope, Verb};
use domain::time::Time;
use domain::world::{Alarm, Scope};
use lambda_runtime::Error;
use serde_json::{Value, json};
use tracing::Instrument;

use super::{PAUSE, carry_out, ignored, insist};
use crate::deadline::{CHANGE_NEEDS, Deadline, now};
use crate::errors::Trouble;
use crate::observe::{Look, Memory, alarms};
use crate::runner::Runner;
use crate::{direct, report};

/// Rolls back, in each service that lists the alarm, what got its weight before the alarm stood.
pub(super) async fn alarm(runner: &Runner, deadline: Deadline, name: &str, reason: &str) -> Result<Value, Error> {
    let what = format!("alarm {name}");
    let every = insist(deadline, || runner.services.every(&runner.clients)).await?;
    let listing: Vec<(ServiceName, Service, Option<String>)> = every
        .into_iter()
        .filter_map(|(service, Found { service: config, notify_topic_arn, .. })| {
            Some((service, config?, notify_topic_arn))
        })
        .filter(|(_, config, _)| config.alarms.contains(name))
        .collect();
    if listing.is_empty() {
        return Ok(ignored(&what, "no service lists it"));
    }
    let names = BTreeSet::from([name.to_owned()]);
    let standing = insist(deadline, || alarms::standing(&runner.clients, &names)).await?;
    let Some(Alarm::Red { since, .. }) = standing.get(name) else {
        return Ok(ignored(&what, "it is not in ALARM any more"));
    };
    let (mut answers, mut hindered) = (Vec::new(), None);
    for (service, config, topic) in listing {
        let verb = Verb::Rollback { reason: format!("{what}: {reason}"), scope: RollbackScope::TrafficOnly };
        let mut request = Request::new(service, None, verb);
        let span = direct::span(&request);
        let acted = async {
            match suspect_for_sure(runner, deadline, &config, &request, *since).await? {
                Ok(release) if config.on_alarm == OnAlarm::Freeze => {
                    let notice = frozen(&request, release, name, reason);
                    insist(deadline, || report::publish(&runner.clients, topic.as_deref(), &notice)).await?;
                    Ok(ignored(&what, "the weights stay where they are, and people are told: on_alarm is freeze"))
                }
                Ok(release) => {
                    request.release = Some(release);
                    carry_out(runner, deadline, &what, &request).await
                }
                Err(why) => Ok(ignored(&what, &why)),
            }
        };
        match acted.instrument(span).await {
            Ok(answer) => answers.push(answer),
            Err(error) => hindered = Some(error),
        }
    }
    match hindered {
        Some(error) => Err(error),
        None => Ok(json!({ "status": "done", "services": answers })),
    }
}

/// What people are told where an alarm changes nothing.
fn frozen(request: &Request, release: ReleaseId, alarm: &str, reason: &str) -> Notice {
    let decide =
        [("go on", "promote", r#" and "despite_alarms":true"#), ("go back", "teardown", r#" and "action":"rollback""#)];
    let headline = format!("alarm {alarm} is red since {release} has traffic: {reason}");
    Notice {
        lines: vec!["The weights stay where they are (on_alarm is freeze).".to_owned()],
        next: decide.map(|(what, function, more)| format!("To {what}: {function} {release}{more}.")).to_vec(),
        release: Some(release),
        ..Notice::of(request, "alarm", Status::Attention, headline)
    }
}

/// Weights that are this fresh may be without their tag yet, which promote writes just after them: they count from now.
const FRESH_SECONDS: i64 = 6;
/// How often is looked again until the tag is there.
const LOOKS_AT_FRESH: usize = 3;

/// Why an alarm is about no release.
struct Nobody {
    why: String,
    /// It seems to be older than weights that are only just there.
    fresh: bool,
}

impl Nobody {
    fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), fresh: false }
    }
}

/// As [`suspect`], and once more while the weights are fresh: nobody calls an event again, so no alarm is to be ignored for a
/// tag that comes a second later.
async fn suspect_for_sure(
    runner: &Runner,
    deadline: Deadline,
    service: &Service,
    request: &Request,
    since: Time,
) -> Result<Result<ReleaseId, String>, Error> {
    let mut looks = 0;
    loop {
        match insist(deadline, || suspect(runner, service, request, since)).await? {
            Ok(release) => return Ok(Ok(release)),
            Err(Nobody { fresh: true, .. }) if looks < LOOKS_AT_FRESH && deadline.has(CHANGE_NEEDS + PAUSE) => {
                looks += 1;
                tokio::time::sleep(PAUSE).await;
            }
            Err(nobody) => return Ok(Err(nobody.why)),
        }
    }
}

/// The release that the alarm is about: what is being promoted, or product, if the alarm went off after it got its weight. Else
/// why there is none.
async fn suspect(
    runner: &Runner,
    service: &Service,
    request: &Request,
    since: Time,
) -> Result<Result<ReleaseId, Nobody>, Trouble> {
    let look = Look {
        clients: &runner.clients,
        can: &runner.can,
        listeners: &runner.listeners,
        service,
        request,
        scope: Scope::default(),
        listed_groups: &[],
    };
    let world = match look.observe(&Memory::default()).await {
        Ok(seen) => seen.world,
        Err(Trouble::Refused(refusal)) => return Ok(Err(Nobody::new(refusal.to_string()))),
        Err(trouble) => return Err(trouble),
    };
    let standing = match plans::Standing::read(service, &world, now()) {
        Ok(standing) => standing,
        Err(refusal) => return Ok(Err(Nobody::new(refusal.to_string()))),
    };
    let Some(release) = standing.promoting().or_else(|| standing.product_release()) else {
        return Ok(Err(Nobody::new("no release is product")));
    };
    match standing.begun(release) {
        Some(begun) if since >= begun => Ok(Ok(release.clone())),
        Some(begun) => Ok(Err(Nobody {
            why: format!("it went off at {since}, before {release} got its weight at {begun}: it is not about it"),
            fresh: now() - begun < FRESH_SECONDS && now() - since < FRESH_SECONDS * 2,
        })),
        None => Ok(Err(Nobody::new("there is no product rule"))),
    }
}
