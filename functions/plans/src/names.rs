//! The private-zone names follow the roles: each bears the addresses of the servers that hold its role.

use std::collections::BTreeSet;

use domain::plan::Step;
use domain::world::Record;

use crate::standing::{Standing, Who};

/// Short, so that who logs in by name reaches the new servers soon after a switch.
const TTL_SECONDS: i64 = 10;

/// The changes that make the names follow what stands, product being this; without the pre-product release, where it
/// is about to become product.
///
/// Where product is not ours, its name is left alone: what it says is its owner's to know. It goes where it bears
/// servers of ours, that are product no more.
pub fn follow(standing: &Standing<'_>, product: Option<&Who>, pre_product: bool) -> Vec<Step> {
    // Which release is product cannot be told while the rule that may be product's has no tags.
    let Some(dns) = standing.service.dns.as_ref().filter(|_| standing.untagged_rule().is_none()) else {
        return Vec::new();
    };
    let mut steps = Vec::new();
    match (&dns.product, product) {
        (Some(name), Some(Who::Release(release))) => {
            let ips = standing.releases.get(release).map(|r| r.ips()).unwrap_or_default();
            if !ips.is_empty() {
                steps.extend(change(standing, &dns.zone_id, name, ips));
            }
        }
        (Some(name), Some(Who::Adopted) | None) => steps.extend(leave(standing, &dns.zone_id, name)),
        (None, _) => {}
    }
    if let Some(name) = &dns.pre_product {
        let release = standing.pre_product_release().filter(|_| pre_product);
        let ips = release.and_then(|id| standing.releases.get(id)).map(|r| r.ips()).unwrap_or_default();
        if ips.is_empty() {
            steps.extend(leave(standing, &dns.zone_id, name));
        } else {
            steps.extend(change(standing, &dns.zone_id, name, ips));
        }
    }
    steps
}

/// Takes both names away where they bear servers of ours.
pub fn remove(standing: &Standing<'_>) -> Vec<Step> {
    let Some(dns) = &standing.service.dns else { return Vec::new() };
    [&dns.product, &dns.pre_product]
        .into_iter()
        .flatten()
        .filter_map(|name| leave(standing, &dns.zone_id, name))
        .collect()
}

/// A name that nothing bears goes, if it is ours: a record has no tags to tell, but says servers of ours alone, or,
/// where those are gone, lives as shortly as hardly anybody else's.
fn leave(standing: &Standing<'_>, zone: &str, name: &str) -> Option<Step> {
    let record = standing.world.names.get(name)?;
    let ours: BTreeSet<String> = standing.releases.values().flat_map(|r| r.ips()).collect();
    let is_ours = record.ips.is_subset(&ours) || record.ttl_seconds == TTL_SECONDS;
    is_ours.then(|| step(zone, name, Some(record.clone()), None))
}

fn change(standing: &Standing<'_>, zone: &str, name: &str, ips: BTreeSet<String>) -> Option<Step> {
    let from = standing.world.names.get(name).cloned();
    let to = (!ips.is_empty()).then_some(Record { ips, ttl_seconds: TTL_SECONDS });
    (from != to).then(|| step(zone, name, from, to))
}

fn step(zone: &str, name: &str, from: Option<Record>, to: Option<Record>) -> Step {
    Step::ChangeName { zone: zone.to_owned(), name: name.to_owned(), from, to }
}
