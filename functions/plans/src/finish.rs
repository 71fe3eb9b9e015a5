//! `finish`: the release is kept; what was retired or rejected goes, and is no longer paid for.

use domain::id::ReleaseId;
use domain::plan::{Done, End, Plan, Step};
use domain::refusal::Refusal;
use domain::request::Request;
use domain::tags::{self, Role, Tags};

use crate::go::{self, Together};
use crate::promote::{refuse_rejected, taken, wait_for_any_promotion};
use crate::standing::{Standing, Traffic, Who};
use crate::{told, traffic};

/// Plans a `finish` of this release.
pub fn plan(standing: &Standing<'_>, request: &Request, release: &ReleaseId) -> Plan {
    if let Some(plan) = refuse_rejected(standing, release) {
        return plan;
    }
    if let Some((rule, _)) = standing.untagged_rule() {
        return Plan::only(End::Refuse(taken(standing, rule)));
    }
    match standing.traffic(release) {
        Traffic::All => {
            if let Some(wait) = traffic::wait_for_bake(standing, release) {
                return Plan::only(End::Wait(wait));
            }
        }
        Traffic::Some => {
            return wait_for_any_promotion(standing).unwrap_or_else(|| not_product(standing, release));
        }
        Traffic::Zero if !standing.is_taken_away(release) => {
            return Plan::only(End::Done(Done {
                headline: format!(
                    "{release} is the way back of {}: nothing is torn down",
                    standing.product_name().unwrap_or_default()
                ),
                ..Done::default()
            }));
        }
        Traffic::Zero | Traffic::NotInRule => return not_product(standing, release),
    }
    let Some(group) = standing.releases.get(release).and_then(|r| r.group) else {
        return not_product(standing, release);
    };
    if !standing.has_tag(release, tags::KEPT) {
        let kept = Tags::from([(tags::KEPT.to_owned(), standing.now.to_string())]);
        return Plan::new(vec![vec![Step::TagGroup { group: group.arn.clone(), tags: kept }]], End::Look);
    }
    if let Some(plan) = leave_adopted(standing, release) {
        return plan;
    }
    let others = || standing.releases.keys().filter(|id| *id != release);
    let retired = others().filter(|id| is_retired(standing, id));
    let together = Together::next(standing, request, retired.chain(standing.others(Some(release), Role::Rejected)));
    let concerns = told::daily(standing, together.concerns());
    together.plan(|left| End::Done(done(standing, release, go::left_lines(left)))).then(concerns)
}

/// Whether a release was product before: by its tags, or by traffic where those could not follow.
fn is_retired(standing: &Standing<'_>, release: &ReleaseId) -> bool {
    let by_tags = standing.role_by_tags(release) == Some(Role::Retired) && standing.stands(release);
    let never_product = standing.is_rejected(release) || standing.is_taken_away(release);
    by_tags || (standing.traffic(release) == Traffic::Zero && !never_product)
}

/// An adopted group leaves the rule, and is otherwise never touched.
fn leave_adopted(standing: &Standing<'_>, release: &ReleaseId) -> Option<Plan> {
    let (rule, shares) = standing.product_rule()?;
    shares.iter().find(|share| share.who == Who::Adopted)?;
    let mut stay = shares.to_vec();
    stay.retain(|share| share.who != Who::Adopted);
    debug_assert!(stay.iter().any(|share| share.who == Who::Release(release.clone())));
    Some(Plan {
        stages: go::only(rule.arn.clone(), standing, crate::standing::forward(&stay), Vec::new()),
        end: End::Look,
    })
}

fn not_product(standing: &Standing<'_>, release: &ReleaseId) -> Plan {
    Plan::only(End::Refuse(Refusal::NotProduct {
        release: release.clone(),
        product: standing.product_name(),
        reason: standing.reason(release),
    }))
}

fn done(standing: &Standing<'_>, release: &ReleaseId, left: Vec<String>) -> Done {
    let mut done = Done {
        headline: if left.is_empty() {
            format!("release {release} is kept: what was before it is gone")
        } else {
            format!("release {release} is kept, and not all that was before it could go")
        },
        lines: left,
        next: vec!["A rollback is no longer possible; the next release is the way forward.".to_owned()],
        ..Done::default()
    };
    if let Some(host) = &standing.service.product.host {
        done.look.push(("Product".to_owned(), host.clone()));
    }
    done.outputs.insert("Release", release.to_string());
    done
}
