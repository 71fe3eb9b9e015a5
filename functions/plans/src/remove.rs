//! `remove`: the service goes, by hand only, named together with its product release.

use domain::id::ReleaseId;
use domain::plan::{Done, End, Plan, Stage, Step};
use domain::refusal::Refusal;
use domain::request::Request;
use domain::tags::WhichRule;

use crate::go::{self, Together};
use crate::promote::{taken, wait_for_any_promotion};
use crate::standing::{Standing, Traffic};
use crate::{mend, names, told};

/// Why the releases of a removed service go; a call that was cut off is recognised by it.
pub const REASON: &str = "the service was removed";

/// Plans a `remove` of the service whose product is this release.
pub fn plan(standing: &Standing<'_>, request: &Request, release: &ReleaseId) -> Plan {
    if let Some(plan) = wait_for_any_promotion(standing) {
        return plan;
    }
    if let Some((rule, _)) = standing.untagged_rule() {
        return Plan::only(End::Refuse(taken(standing, rule)));
    }
    let under_way = standing.reason(release).as_deref() == Some(REASON);
    if !under_way && standing.product_release() != Some(release) {
        if standing.releases.keys().all(|id| !standing.stands(id)) && standing.product_rule().is_none() {
            return Plan::only(End::Done(gone(standing, release, Vec::new())));
        }
        return Plan::only(End::Refuse(Refusal::NotProduct {
            release: release.clone(),
            product: standing.product_name(),
            reason: standing.reason(release),
        }));
    }
    // The named release says so even where it was rejected before: else a call that is cut off would not be known.
    let mut tags = if under_way { Vec::new() } else { mend::tag_rejected_anew(standing, release, REASON) };
    let others = standing.releases.keys().filter(|id| standing.stands(id));
    for other in others.filter(|id| under_way || *id != release) {
        // Each is told of as it goes: this call's own answer is lost if it is cut off.
        tags.extend(mend::tag_rejected(standing, other, REASON));
    }
    if !tags.is_empty() {
        return Plan::new(vec![tags], End::Look);
    }
    let mut rules = Vec::new();
    if let Some((rule, _)) = standing.product_rule() {
        rules.push(Step::DeleteRule { rule: rule.arn.clone(), which: WhichRule::Product });
    }
    for rule in &standing.pre_product {
        rules.push(Step::DeleteRule { rule: rule.arn.clone(), which: WhichRule::PreProduct });
    }
    if !rules.is_empty() {
        return Plan::new(vec![rules], End::Look);
    }
    debug_assert!(standing.traffic(release) == Traffic::NotInRule);
    let names = names::remove(standing);
    let goes: Vec<&ReleaseId> = standing.releases.keys().filter(|id| standing.stands(id)).collect();
    let together = Together::next(standing, request, goes.into_iter());
    let concerns = told::daily(standing, together.concerns());
    together
        .plan(|left| End::Done(gone(standing, release, go::left_lines(left))))
        .after(vec![Stage::stop(names)])
        .then(concerns)
}

fn gone(standing: &Standing<'_>, release: &ReleaseId, left: Vec<String>) -> Done {
    Done {
        outputs: [("Release", release.to_string())].into(),
        headline: if left.is_empty() {
            format!("service {} is removed: its rules, groups, servers and names are gone", standing.service.name)
        } else {
            format!("service {} is out of its rules, and not all of it could go", standing.service.name)
        },
        lines: left,
        next: vec!["Take its config out of the functions' environment or parameters.".to_owned()],
        ..Done::default()
    }
}
