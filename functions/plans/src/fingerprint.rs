//! What was approved is what is promoted: a fingerprint of what QA sees, written by `register`, looked at by `promote`.

use domain::id::{InstanceId, ReleaseId, short_hash};
use domain::refusal::Refusal;
use domain::request::Request;
use domain::tags::{self, Read};
use domain::world::{Group, Health};

use crate::standing::Standing;

/// Hex digits of the fingerprint.
const DIGITS: usize = 12;
/// A tag's value has 255 characters: so many servers' ids fit beside the fingerprint. The fingerprint counts all.
const IDS_MAX: usize = 11;

/// The fingerprint of a release as it stands: its servers, their AMI, its group with whatever else is in it, and QA's rule.
pub fn of(standing: &Standing<'_>, release: &ReleaseId) -> Option<String> {
    let found = standing.releases.get(release)?;
    let mut servers: Vec<String> = found.alive_ids().iter().map(InstanceId::to_string).collect();
    servers.sort_unstable();
    let ami = standing.tags_of(release).find_map(|tags| tags.value(tags::AMI)).unwrap_or_default();
    let rule = standing.pre_product.iter().find(|rule| standing.forwards_to(rule) == Some(release))?;
    let group = found.group?;
    let mut text = format!("{} {ami} {} {}", servers.join(" "), group.arn, rule.arn);
    for stranger in strangers(group, &servers) {
        text.push_str(&format!(" {stranger}"));
    }
    Some(short_hash(&text, DIGITS))
}

/// The targets of a release's group that are none of its servers, and do not drain.
fn strangers<'a>(group: &'a Group, servers: &[String]) -> Vec<&'a str> {
    let gets_requests = group.targets.iter().flatten().filter(|target| target.health != Health::Draining);
    let mut strangers: Vec<&str> = gets_requests
        .map(|target| target.instance.as_str())
        .filter(|id| servers.iter().all(|server| server != id))
        .collect();
    strangers.sort_unstable();
    strangers
}

/// The fingerprint that register wrote: of what is promoted there is no rule of QA's any more to make it from.
pub fn written(standing: &Standing<'_>, release: &ReleaseId) -> Option<String> {
    let written = standing.releases.get(release)?.group?.tags.value(tags::FINGERPRINT)?;
    written.split(' ').next().map(str::to_owned)
}

/// What the group's tag is to say: the fingerprint, and which servers it is about.
pub fn tag(standing: &Standing<'_>, release: &ReleaseId) -> Option<String> {
    let servers = standing.releases.get(release)?.alive_ids();
    let mut words = vec![of(standing, release)?];
    words.extend(servers.iter().take(IDS_MAX).map(InstanceId::to_string));
    Some(words.join(" "))
}

/// The refusal to promote what is no longer what QA saw. What no fingerprint stands on, of before there were any, passes.
pub fn changed(standing: &Standing<'_>, request: &Request, release: &ReleaseId) -> Option<Refusal> {
    let group = standing.releases.get(release)?.group?;
    let written = group.tags.value(tags::FINGERPRINT);
    let tagged = written.and_then(|value| value.split(' ').next());
    let approved = request.fingerprint.as_deref().or(tagged)?;
    let stands = of(standing, release)?;
    if stands == approved {
        return None;
    }
    let alive: Vec<String> = standing.releases.get(release)?.alive_ids().iter().map(InstanceId::to_string).collect();
    let gone: Vec<&str> = written
        .filter(|_| tagged == Some(approved))
        .into_iter()
        .flat_map(|value| value.split(' ').skip(1))
        .filter(|id| !alive.iter().any(|there| there == id))
        .collect();
    let strangers = strangers(group, &alive);
    let what = match gone.as_slice() {
        [] if !strangers.is_empty() => {
            format!("{} is a target of its group and none of its servers ({})", strangers.join(", "), alive.join(", "))
        }
        [] => format!("its fingerprint was {approved} and is {stands} (its servers are {})", alive.join(", ")),
        gone => format!("{} no longer runs; its servers are {}", gone.join(", "), alive.join(", ")),
    };
    Some(Refusal::NotAsSeen { release: release.clone(), what })
}
