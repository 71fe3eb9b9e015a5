//! Which rule is which: the customers' rule read, and what is refused because it may be theirs or is not as we make it.

use std::collections::BTreeMap;

use domain::config::Service;
use domain::id::{GroupArn, ReleaseId, RuleArn};
use domain::refusal::Refusal;
use domain::tags::{self, Read, Role, WhichRule};
use domain::world::{Action, Rule, World};

use crate::standing::{ProductRule, Release, Share, Who};

/// Whether a rule is tagged as this one of the service's.
pub fn is_our(rule: &Rule, service: &Service, which: WhichRule) -> bool {
    rule.tags.is_of(&service.name) && rule.tags.value(tags::RULE) == Some(which.as_str())
}

/// The customers' rule.
///
/// # Errors
/// The refusal that every call gets while it does what we never do.
pub fn product_rule<'a>(service: &'a Service, world: &'a World) -> Result<ProductRule<'a>, Refusal> {
    let ours: Vec<&Rule> = world.rules.iter().filter(|rule| is_our(rule, service, WhichRule::Product)).collect();
    match ours.as_slice() {
        [] => {
            let at_priority = world.rules.iter().find(|rule| rule.priority == service.product.priority);
            Ok(at_priority.map_or(ProductRule::None, ProductRule::Taken))
        }
        [rule] => match shares(rule, service, world) {
            Ok(shares) => Ok(ProductRule::Ours { rule, shares }),
            Err(found) => {
                Err(Refusal::StrangeProductRule { service: service.name.clone(), rule: rule.arn.clone(), found })
            }
        },
        several => {
            let rules: Vec<RuleArn> = several.iter().map(|rule| rule.arn.clone()).collect();
            Err(Refusal::TwoRules { service: service.name.clone(), which: WhichRule::Product, rules })
        }
    }
}

/// A rule that is tagged as QA's, and by what it does may be the customers': whoever takes it for QA's takes customers away.
pub fn strange_pre_product<'a>(
    service: &Service,
    product: &ProductRule<'_>,
    rules: &[&'a Rule],
    releases: &BTreeMap<ReleaseId, Release<'_>>,
) -> Option<(&'a Rule, &'static str)> {
    let is_product = |tags: &tags::Tags| matches!(tags.role(), Some(Role::Product | Role::Retired));
    let in_service = |group: &GroupArn| {
        let of = releases.values().flat_map(|release| release.groups()).find(|found| found.arn == *group);
        of.is_some_and(|group| is_product(&group.tags))
    };
    rules.iter().find_map(|rule| {
        let forward = match &rule.action {
            Action::Forward(forward) => forward.as_slice(),
            Action::Other(_) => &[],
        };
        let no_other = !matches!(product, ProductRule::Ours { .. });
        if rule.priority == service.product.priority {
            Some((*rule, "it stands at product's priority"))
        } else if forward.len() > 1 {
            Some((*rule, "it forwards to several groups"))
        } else if no_other
            && rule.priority != service.pre_product.priority
            && forward.iter().any(|weighted| in_service(&weighted.group))
        {
            Some((*rule, "it forwards to what is product by its tags, while there is no product rule"))
        } else {
            None
        }
    })
}

/// The groups of the product rule, or what we never make it do.
fn shares<'a>(rule: &'a Rule, service: &Service, world: &'a World) -> Result<Vec<Share<'a>>, String> {
    let forward = match &rule.action {
        Action::Forward(forward) => forward,
        Action::Other(kind) => return Err(format!("its action is {kind}")),
    };
    let mut shares = Vec::new();
    for weighted in forward {
        let name = weighted.group.name();
        let group =
            world.group(&weighted.group).ok_or_else(|| format!("it forwards to {name}, which cannot be read"))?;
        let who = match group.tags.value(tags::SERVICE) {
            None => Who::Adopted,
            Some(owner) if owner == service.name.as_str() => Who::Release(
                group.tags.release().ok_or_else(|| format!("group {name} is tagged ours, but no release is"))?,
            ),
            Some(owner) => return Err(format!("it forwards to {name}, which is of service {owner}")),
        };
        shares.push(Share { group, weight: weighted.weight, who });
    }
    for (place, share) in shares.iter().enumerate() {
        // Somebody copied a group together with its tags: which of them is meant cannot be told.
        if let Who::Release(release) = &share.who
            && shares.iter().skip(place + 1).any(|other| other.who == share.who)
        {
            return Err(format!("two groups of it are tagged as release {release}'s"));
        }
    }
    let adopted: Vec<&str> = shares.iter().filter(|s| s.who == Who::Adopted).map(|s| s.group.arn.name()).collect();
    // One group without our tags is an adopted one: it stands alone, or beside the release that was promoted over it.
    if adopted.len() > 1 || (adopted.len() == 1 && shares.len() > 2) {
        return Err(format!("it forwards to {}, without our tags, beside other groups", adopted.join(" and ")));
    }
    match shares.iter().filter(|share| share.weight > 0).count() {
        0 => Err("no group of it has weight".to_owned()),
        1 | 2 => Ok(shares),
        more => Err(format!("{more} groups of it have weight")),
    }
}
