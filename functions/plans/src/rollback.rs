//! `rollback`: traffic is back first, then the rejected release goes.

use domain::id::ReleaseId;
use domain::plan::{Done, End, Plan, Stage, Step};
use domain::refusal::Refusal;
use domain::request::{Request, RollbackScope};
use domain::tags::{self, Role, WhichRule};

use crate::go::{self, Together};
use crate::mend;
use crate::promote::taken;
use crate::rejection;
use crate::standing::{Share, Standing, Traffic, Who};
use crate::{told, traffic};

/// Plans a rollback of this release, for this reason.
pub fn plan(
    standing: &Standing<'_>,
    request: &Request,
    release: &ReleaseId,
    reason: &str,
    scope: RollbackScope,
) -> Plan {
    if !standing.stands(release) && !standing.is_rejected(release) {
        return nothing(format!("nothing of release {release} is there"));
    }
    let share = standing.traffic(release);
    if scope != RollbackScope::ToTheEnd && standing.has_tag(release, tags::KEPT) {
        return nothing(format!("release {release} was kept: events about it are ignored"));
    }
    if standing.is_rejected(release) {
        return rejected(standing, request, release, scope);
    }
    if let Some((rule, releases)) = standing.untagged_rule()
        && releases.contains(&release)
    {
        // Whoever calls must not believe that customers are back.
        return Plan::only(End::Refuse(taken(standing, rule)));
    }
    let tagged_so = matches!(standing.role_by_tags(release), Some(Role::Product | Role::Retired));
    let was_product = match share {
        Traffic::All => true,
        Traffic::Zero => !standing.is_taken_away(release),
        // Of two with weight, one was product before; by somebody's hand both.
        Traffic::Some => tagged_so || standing.promoting() != Some(release),
        Traffic::NotInRule => tagged_so,
    };
    if scope == RollbackScope::UnlessItWasProduct && was_product {
        return nothing(format!("release {release} is or was product: it is left alone"));
    }
    let by_itself = matches!(scope, RollbackScope::UnlessItWasProduct | RollbackScope::OnlyProduct);
    if by_itself && traffic::is_frozen(standing, release) {
        return nothing(format!("the weights of release {release} are frozen: people decide what becomes of it"));
    }
    // A rollback begins with a tag that may fail. The look after its switch is no other call: the release is to be rejected.
    let switched_back = share == Traffic::NotInRule && standing.product_share().is_some();
    let out_of_product = switched_back && standing.role_by_tags(release) == Some(Role::Product);
    if scope == RollbackScope::OnlyProduct && !matches!(share, Traffic::All | Traffic::Some) && !out_of_product {
        return nothing(format!("release {release} is not product: it is left alone"));
    }
    if scope == RollbackScope::OnlyProduct && standing.gives_way(release) {
        // All customers would get what nobody has decided yet to give them.
        return nothing(format!("another release is taking the place of {release}: it is left alone"));
    }
    if let RollbackScope::Alarm { since } = scope
        && !switched_back
        && let Some(why) = standing.not_about(release, since)
    {
        return nothing(why);
    }
    match share {
        Traffic::All | Traffic::Some => match switch_back(standing, request, release, reason) {
            Ok((stages, _)) => Plan { stages, end: End::Look }.after(Vec::new()),
            Err(refusal) => Plan::only(End::Refuse(refusal)),
        },
        Traffic::Zero if standing.is_taken_away(release) => reject(standing, request, release, reason, None),
        // A late call of an old build means its own release, and must not take from what is product the way back.
        Traffic::Zero if request.spare_way_back => {
            let product = standing.product_release().cloned();
            Plan::only(End::Refuse(Refusal::IsWayBack { release: release.clone(), product }))
        }
        Traffic::Zero => reject(standing, request, release, reason, Some(no_way_back(standing))),
        Traffic::NotInRule => {
            let was_in_service = standing.role_by_tags(release) == Some(Role::Retired);
            reject(standing, request, release, reason, was_in_service.then(|| no_way_back(standing)))
        }
    }
}

/// One `ModifyRule` gives the weight back, and takes the bad group out of the rule: a weight of 0 would keep sticky
/// clients on it.
///
/// Answers the steps, and what is product then.
pub fn switch_back(
    standing: &Standing<'_>,
    request: &Request,
    release: &ReleaseId,
    reason: &str,
) -> Result<(Vec<Stage>, Who), Refusal> {
    if standing.has_tag(release, tags::KEPT) {
        return Err(Refusal::Kept { release: release.clone() });
    }
    let own = standing.share_of(release);
    let (Some((rule, _)), Some(own)) = (standing.product_rule(), own) else {
        return Err(Refusal::NothingToGoBackTo { release: release.clone(), why: "it has no weight".to_owned() });
    };
    let Some(back) = mend::way_back(standing, own) else {
        return Err(Refusal::NothingToGoBackTo { release: release.clone(), why: why_not(standing, own) });
    };
    let mut lines = vec![format!("Product is {} again, in one change of the product rule.", back.share.who)];
    if !back.full {
        lines.push(format!(
            "Only {} of the {} servers of {} are healthy: that is no fewer than {release} had, so it took over. Look at it now.",
            back.healthy, back.asked, back.share.who
        ));
    }
    let mut notice = rejection::notice(standing, request, release, reason, Some(&back.share.who.to_string()));
    lines.push(rejection::becomes_of_it(standing, request, release));
    notice.lines = lines;
    notice.lines.extend(rejection::not_healthy(standing, release));
    // Tried once, then on: a throttled tag must not keep customers on a bad release.
    let tag = Stage::follow(mend::tag_rejected(standing, release, reason));
    let mut stages = vec![tag];
    stages.extend(go::only(rule.arn.clone(), standing, mend::back_to(standing, own, back.share), Vec::new()));
    if !standing.has_tag(release, tags::TOLD) {
        stages.push(Stage::stop(vec![Step::Tell(Box::new(notice))]));
        stages.push(Stage::follow(mend::tag_told(standing, release)));
    }
    Ok((stages, back.share.who.clone()))
}

fn why_not(standing: &Standing<'_>, own: &Share<'_>) -> String {
    let others: Vec<&Share<'_>> = standing.shares().iter().filter(|s| s.group.arn != own.group.arn).collect();
    match others.as_slice() {
        [] => "no other release stands behind the product rule".to_owned(),
        [other] if standing.is_bad(other) => format!("{} was rejected before", other.who),
        [other, ..] => format!(
            "{} of the {} servers of {} are healthy, this one has {}",
            other.group.healthy(),
            standing.asked(&other.who),
            other.who,
            own.group.healthy()
        ),
    }
}

/// A release without weight: tagged, told, and then it goes.
pub fn reject(
    standing: &Standing<'_>,
    request: &Request,
    release: &ReleaseId,
    reason: &str,
    more: Option<String>,
) -> Plan {
    let mut stages = vec![Stage::stop(mend::tag_rejected(standing, release, reason))];
    for rule in &standing.pre_product {
        if standing.forwards_to(rule) == Some(release) {
            stages.push(Stage::stop(vec![Step::DeleteRule { rule: rule.arn.clone(), which: WhichRule::PreProduct }]));
        }
    }
    stages.extend(mend::tell_rejected(standing, request, release, reason, more));
    Plan { stages, end: End::Look }.after(Vec::new())
}

fn no_way_back(standing: &Standing<'_>) -> String {
    match standing.product_name() {
        Some(product) => format!("{product} is product and has nothing to go back to now."),
        None => "No release is product.".to_owned(),
    }
}

/// Whatever is left of a rollback.
fn rejected(standing: &Standing<'_>, request: &Request, release: &ReleaseId, scope: RollbackScope) -> Plan {
    if let Some(own) = standing.share_of(release).filter(|own| own.weight > 0) {
        // Mending found nothing that could take over.
        let refusal = Refusal::NothingToGoBackTo { release: release.clone(), why: why_not(standing, own) };
        return Plan::only(End::Refuse(refusal))
            .then(told::daily(standing, mend::serves_on(standing).into_iter().collect()));
    }
    if scope != RollbackScope::ToTheEnd {
        let reason = standing.reason(release).unwrap_or_else(|| "rejected".to_owned());
        let tell = mend::tell_rejected(standing, request, release, &reason, None);
        return Plan { stages: tell, end: End::Done(gone(standing, release, Vec::new(), true)) };
    }
    let together = Together::next(standing, request, std::iter::once(release));
    let concerns = told::daily(standing, together.concerns());
    together.plan(|left| End::Done(gone(standing, release, go::left_lines(left), false))).then(concerns)
}

fn gone(standing: &Standing<'_>, release: &ReleaseId, left: Vec<String>, sweep_next: bool) -> Done {
    let product = standing.product_name().map(|name| format!("product is {name}"));
    let product = product.unwrap_or_else(|| "no release is product".to_owned());
    let mut done = Done {
        headline: if sweep_next {
            format!("release {release} is rejected; {product}; its servers go with the next sweep")
        } else if left.is_empty() {
            format!("release {release} is rejected and gone; {product}")
        } else {
            format!("release {release} is rejected; {product}")
        },
        lines: standing.reason(release).map(|reason| format!("Why: {reason}.")).into_iter().chain(left).collect(),
        next: vec!["Mend it and upload a new build; this release is not tried again.".to_owned()],
        ..Done::default()
    };
    if let Some(host) = &standing.service.product.host {
        done.look.push(("Product".to_owned(), host.clone()));
    }
    done.outputs.insert("Release", release.to_string());
    done
}

/// Done, without anything to do: why.
pub fn nothing(headline: String) -> Plan {
    Plan::only(End::Done(Done { headline, ..Done::default() }))
}
