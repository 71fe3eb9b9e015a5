//! An alarm went off: what is product is rolled back, where the alarm is about it.

use domain::config::{Found, Service};
use domain::id::ServiceName;
use domain::request::{Request, RollbackScope, Verb};
use domain::time::Time;
use domain::world::Scope;
use lambda_runtime::Error;
use serde_json::{Value, json};
use tracing::Instrument;

use super::{carry_out, ignored, insist};
use crate::deadline::{Deadline, now};
use crate::direct;
use crate::errors::Trouble;
use crate::observe::{Look, Memory, alarms};
use crate::runner::Runner;

/// Rolls back, in each service that lists the alarm, what got its weight before the alarm stood.
pub(super) async fn alarm(runner: &Runner, deadline: Deadline, name: &str, reason: &str) -> Result<Value, Error> {
    let what = format!("alarm {name}");
    let every = insist(deadline, || runner.services.every(&runner.clients)).await?;
    let listing: Vec<(ServiceName, Service)> = every
        .into_iter()
        .filter_map(|(service, Found { service: config, .. })| Some((service, config?)))
        .filter(|(_, config)| config.alarms.contains(name))
        .collect();
    if listing.is_empty() {
        return Ok(ignored(&what, "no service lists it"));
    }
    let Some(since) = insist(deadline, || alarms::in_alarm_since(&runner.clients, name)).await? else {
        return Ok(ignored(&what, "it is not in ALARM any more"));
    };
    let (mut answers, mut hindered) = (Vec::new(), None);
    for (service, config) in listing {
        let verb = Verb::Rollback { reason: format!("{what}: {reason}"), scope: RollbackScope::TrafficOnly };
        let mut request = Request { service, release: None, verb, pipeline: None, started: None };
        let span = direct::span(&request);
        let acted = async {
            match insist(deadline, || suspect(runner, &config, &request, since)).await? {
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

/// The release that the alarm is about: what is being promoted, or product, if the alarm went off after it got its weight. Else
/// why there is none.
async fn suspect(
    runner: &Runner,
    service: &Service,
    request: &Request,
    since: Time,
) -> Result<Result<domain::id::ReleaseId, String>, Trouble> {
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
        Err(Trouble::Refused(refusal)) => return Ok(Err(refusal.to_string())),
        Err(trouble) => return Err(trouble),
    };
    let standing = match plans::Standing::read(service, &world, now()) {
        Ok(standing) => standing,
        Err(refusal) => return Ok(Err(refusal.to_string())),
    };
    let Some(release) = standing.promoting().or_else(|| standing.product_release()) else {
        return Ok(Err("no release is product".to_owned()));
    };
    match standing.weights_since() {
        Some(weights) if since > weights => Ok(Ok(release.clone())),
        Some(weights) => {
            Ok(Err(format!("it went off at {since}, before the weights of {weights}: it is not about {release}")))
        }
        None => Ok(Err("there is no product rule".to_owned())),
    }
}
