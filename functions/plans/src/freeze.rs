//! `freeze`: an alarm went off, and the config has people decide (`on_alarm`). The weights stay where they are, marked so that no
//! promotion goes on and no failed execution takes them back, and people are told.

use domain::id::ReleaseId;
use domain::notice::{Notice, Status};
use domain::plan::{Done, End, Plan, Stage, Step};
use domain::request::Request;
use domain::tags::{self, Mark};
use domain::time::Time;

use crate::mend;
use crate::rejection;
use crate::rollback::nothing;
use crate::standing::{Standing, Traffic};
use crate::traffic::is_frozen;

/// Plans a freeze of this release's weights, for this reason, which has been so since then.
pub fn plan(standing: &Standing<'_>, request: &Request, release: &ReleaseId, reason: &str, since: Time) -> Plan {
    let own = standing.share_of(release);
    let Some(own) = own.filter(|_| matches!(standing.traffic(release), Traffic::All | Traffic::Some)) else {
        return nothing(format!("release {release} has no traffic"));
    };
    if standing.has_tag(release, tags::KEPT) {
        return nothing(format!("release {release} was kept: events about it are ignored"));
    }
    if let Some(why) = standing.not_about(release, since) {
        return nothing(why);
    }
    if mend::way_back(standing, own).is_none() {
        return nothing(format!("release {release} serves on: there is nothing to go back to, and nothing to decide"));
    }
    if is_frozen(standing, release) {
        return nothing(format!("the weights of release {release} are frozen already"));
    }
    let headline = format!("the weights of {release} are frozen: {reason}");
    let decide =
        [("go on", "promote", r#" and "despite_alarms":true"#), ("go back", "teardown", r#" and "action":"rollback""#)];
    let notice = Notice {
        lines: vec!["They stay where they are (on_alarm is freeze).".to_owned()],
        next: decide.map(|(what, function, more)| format!("To {what}: {function} {release}{more}.")).to_vec(),
        release: Some(release.clone()),
        pipeline: standing.world.pipeline_of(release).map(str::to_owned),
        look: rejection::look(standing),
        ..Notice::of(request, "alarm", Status::Attention, headline.clone())
    };
    // Told first: what is marked is not told again.
    let stages = vec![
        Stage::stop(vec![Step::Tell(Box::new(notice))]),
        Stage::stop(mend::tag_alarms(standing, Mark::Frozen, release)),
    ];
    Plan { stages, end: End::Done(Done { headline, ..Done::default() }) }
}
