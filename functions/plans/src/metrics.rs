//! What a look and its plan say for the metrics: where customers move, and whether they could be moved back.

use domain::config::Service;
use domain::id::{GroupArn, ReleaseId};
use domain::metrics::Switched;
use domain::plan::{Plan, Step};
use domain::request::{Request, Verb};
use domain::tags::{self, Read, WhichRule};
use domain::time::Time;
use domain::world::{Action, Weighted, World};

use crate::mend;
use crate::standing::{Standing, Who};

/// Where a plan moves all customers, if it does: its change of the product rule, beside what the rule did when it was looked at.
pub fn switches(request: &Request, world: &World, plan: &Plan) -> Option<Switched> {
    let mut steps = plan.stages.iter().flat_map(|stage| &stage.steps);
    steps.find_map(|step| {
        let (before, after) = if let Step::ModifyRule { rule, which: WhichRule::Product, forward, .. } = step {
            let found = world.rules.iter().find(|found| found.arn == *rule)?;
            let Action::Forward(before) = &found.action else { return None };
            (alone(before), alone(forward)?)
        } else if let Step::CreateRule(new) = step
            && new.which == WhichRule::Product
        {
            (None, alone(&new.forward)?)
        } else {
            return None;
        };
        let promoted = request.release.as_ref().filter(|_| request.verb == Verb::Promote);
        let to = if promoted.is_some_and(|promoted| release_of(world, after).as_ref() == Some(promoted)) {
            Switched::Forth
        } else {
            Switched::Back
        };
        (before != Some(after)).then_some(to)
    })
}

/// The one group that has weight, if it is one.
fn alone(forward: &[Weighted]) -> Option<&GroupArn> {
    let mut weighted = forward.iter().filter(|weighted| weighted.weight > 0);
    let first = weighted.next()?;
    weighted.next().is_none().then_some(&first.group)
}

fn release_of(world: &World, arn: &GroupArn) -> Option<ReleaseId> {
    world.group(arn)?.tags.release()
}

/// What a rollback of product would go back to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// The release, or the adopted target group, that stands behind the product rule.
    pub way_back: Who,
    /// Whether it could serve now: healthy, and as large as it was.
    pub ready: bool,
}

/// Whether what stands behind the product rule could serve now; `None` where nothing does, or it was given up by a finish.
pub fn readiness(service: &Service, world: &World, now: Time) -> Option<Readiness> {
    of_standing(&Standing::read(service, world, now).ok()?)
}

pub(crate) fn of_standing(standing: &Standing<'_>) -> Option<Readiness> {
    let product = standing.product_share()?;
    let back = standing.behind()?;
    let kept = matches!(&product.who, Who::Release(release) if standing.has_tag(release, tags::KEPT));
    let ready = mend::way_back(standing, product).is_some_and(|way| way.full);
    (!kept).then(|| Readiness { way_back: back.who.clone(), ready })
}
