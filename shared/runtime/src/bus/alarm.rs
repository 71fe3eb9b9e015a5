//! An alarm went off: what is product is rolled back, where the alarm is about it.

use std::collections::BTreeSet;

use domain::config::{Found, OnAlarm, Service};
use domain::id::{ReleaseId, ServiceName};
use domain::request::{Request, RollbackScope, Verb};
use domain::time::Time;
use domain::world::{Alarm, Scope};
use lambda_runtime::Error;
use serde_json::{Value, json};
use tracing::Instrument;

use super::{PAUSE, carry_out, ignored, insist};
use crate::deadline::{CHANGE_NEEDS, Deadline, now};
use crate::direct;
use crate::errors::Trouble;
use crate::observe::{Look, Memory, alarms};
use crate::runner::Runner;

/// Rolls back, in each service that lists the alarm, what got its weight before the alarm stood.
pub(super) async fn alarm(runner: &Runner, deadline: Deadline, name: &str, reason: &str) -> Result<Value, Error> {
    let what = format!("alarm {name}");
    let names = BTreeSet::from([name.to_owned()]);
    // Side by side, for customers wait; an alarm that nobody lists is asked for in vain.
    let (every, standing) = tokio::join!(
        insist(deadline, || runner.services.every(&runner.clients)),
        insist(deadline, || alarms::standing(&runner.clients, &names)),
    );
    let listing: Vec<(ServiceName, Service)> = every?
        .into_iter()
        .filter_map(|(service, Found { service: config, .. })| Some((service, config?)))
        .filter(|(_, config)| config.alarms.contains(name))
        .collect();
    if listing.is_empty() {
        return Ok(ignored(&what, "no service lists it"));
    }
    let standing = standing?;
    let Some(Alarm::Red { since, .. }) = standing.get(name) else {
        return Ok(ignored(&what, "it is not in ALARM any more"));
    };
    let (mut answers, mut hindered) = (Vec::new(), None);
    for (service, config) in listing {
        let reason = format!("{what}: {reason}");
        let verb = match config.on_alarm {
            OnAlarm::Rollback => Verb::Rollback { reason, scope: RollbackScope::Alarm { since: *since } },
            OnAlarm::Freeze => Verb::Freeze { reason, since: *since },
        };
        let mut request = Request::new(service, None, verb);
        let span = direct::span(&request);
        let acted = async {
            match suspect_for_sure(runner, deadline, &config, &request, *since).await? {
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

/// Weights that are this fresh may be without their tag yet, which promote writes just after them: they count from now.
const FRESH_SECONDS: i64 = 6;
/// How often is looked again until the tag is there.
const LOOKS_AT_FRESH: usize = 3;

/// What an alarm says of a service at one look.
enum Suspect {
    /// It is about this release.
    Release(ReleaseId),
    /// It is about this one, unless the tag is still to come that says since when it has its weight.
    Unless(ReleaseId),
    /// It is about none: why; and whether it only seems to be older than weights that are just there.
    Nobody { why: String, fresh: bool },
}

fn nobody(why: impl Into<String>) -> Suspect {
    Suspect::Nobody { why: why.into(), fresh: false }
}

/// As [`suspect`], and once more while the weights are fresh: nobody calls an event again, so no alarm is to be ignored for a
/// tag that comes a second later, or that nobody wrote.
async fn suspect_for_sure(
    runner: &Runner,
    deadline: Deadline,
    service: &Service,
    request: &Request,
    since: Time,
) -> Result<Result<ReleaseId, String>, Error> {
    let mut looks = 0;
    loop {
        let again = looks < LOOKS_AT_FRESH && deadline.has(CHANGE_NEEDS + PAUSE);
        match insist(deadline, || suspect(runner, service, request, since)).await? {
            Suspect::Release(release) => return Ok(Ok(release)),
            Suspect::Unless(_) | Suspect::Nobody { fresh: true, .. } if again => {
                looks += 1;
                tokio::time::sleep(PAUSE).await;
            }
            Suspect::Unless(release) => return Ok(Ok(release)),
            Suspect::Nobody { why, .. } => return Ok(Err(why)),
        }
    }
}

/// The release that the alarm is about: what is being promoted, or product, if the alarm went off after it got its weight.
async fn suspect(runner: &Runner, service: &Service, request: &Request, since: Time) -> Result<Suspect, Trouble> {
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
        Err(Trouble::Refused(refusal)) => return Ok(nobody(refusal.to_string())),
        Err(trouble) => return Err(trouble),
    };
    let standing = match plans::Standing::read(service, &world, now()) {
        Ok(standing) => standing,
        Err(refusal) => return Ok(nobody(refusal.to_string())),
    };
    let Some(release) = standing.suspect() else {
        return Ok(nobody("no release is product"));
    };
    if standing.product_rule().is_none() {
        return Ok(nobody("there is no product rule"));
    }
    if standing.went_on_despite(release, since) {
        return Ok(nobody(format!("people went on with {release} though it went off at {since}")));
    }
    Ok(match standing.begun(release) {
        Some(begun) if since >= begun => Suspect::Release(release.clone()),
        Some(begun) => Suspect::Nobody {
            why: format!("it went off at {since}, before {release} got its weight at {begun}: it is not about it"),
            fresh: now() - begun < FRESH_SECONDS && now() - since < FRESH_SECONDS * 2,
        },
        None => Suspect::Unless(release.clone()),
    })
}
