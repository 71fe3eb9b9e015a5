//! What is asked of a world.

use domain::config::Service;
use domain::id::ReleaseId;
use domain::request::{Request, RollbackScope, Verb};
use domain::time::Time;

use super::{VALUES, time};
use crate::choices::Choices;
use crate::text;

/// Every verb, about one of the releases or one that nobody knows.
pub(super) fn requests(c: &mut Choices, service: &Service, now: Time) -> Vec<Request> {
    let name = c.word(&["r1", "r2", "r3", "r4", "r9"]);
    let release = ReleaseId::new(name).ok();
    let started = match c.below(4) {
        0 | 1 => None,
        2 => Some(time(c, now)),
        _ => Some(Time::from_seconds(c.number())),
    };
    let reason = text::like(c, &["rolled back by a call", "alarm x: Threshold, [1] > 0"], 80);
    let red = time(c, now);
    let rollback = |scope| Verb::Rollback { reason: reason.clone(), scope };
    let verbs = [
        Verb::Provision,
        Verb::Register,
        Verb::Promote,
        Verb::Finish,
        rollback(RollbackScope::ToTheEnd),
        rollback(RollbackScope::TrafficOnly),
        rollback(RollbackScope::OnlyProduct),
        rollback(RollbackScope::UnlessItWasProduct),
        rollback(RollbackScope::Alarm { since: red }),
        Verb::Freeze { reason: reason.clone(), since: red },
        Verb::Remove,
        Verb::Sweep,
    ];
    let pipeline = c.chance(30).then(|| text::like(c, &["mobile-web"], 50));
    let (despite_alarms, fingerprint) = (c.chance(30), c.chance(10).then(|| c.word(VALUES).to_owned()));
    let kept_until = if c.chance(30) { Some(time(c, now)) } else { None };
    let (spare_way_back, by) = (c.chance(30), c.chance(10).then(|| c.word(VALUES).to_owned()));
    let request = |verb: Verb| Request {
        service: service.name.clone(),
        release: release.clone().filter(|_| verb != Verb::Sweep),
        verb,
        pipeline: pipeline.clone(),
        started,
        troubled: started,
        kept_until: kept_until.filter(|_| started.is_some()),
        despite_alarms,
        fingerprint: fingerprint.clone(),
        spare_way_back,
        by: by.clone(),
    };
    verbs.into_iter().map(request).collect()
}
