//! The rules of a listener.

use std::collections::BTreeSet;

use aws_sdk_elasticloadbalancingv2::types;
use domain::id::{GroupArn, ListenerArn, RuleArn};
use domain::tags::Tags;
use domain::world::{Action, Conditions, Rule, Weighted};

use super::PAGES;
use crate::clients::Clients;
use crate::errors::AwsError;
use crate::patience;

pub(crate) const DESCRIBE: &str = "elasticloadbalancing:DescribeRules";
/// The most rules that ELB gives in a page.
const PAGE: i32 = 400;

/// All rules of a listener but its default, which is nobody's; their tags are not read.
pub(crate) async fn of_listener(clients: &Clients, listener: &ListenerArn) -> Result<Vec<Rule>, AwsError> {
    let (mut rules, mut marker) = (Vec::new(), None);
    for _ in 0..PAGES {
        let ask = clients.elb.describe_rules().listener_arn(listener.as_str()).page_size(PAGE).set_marker(marker);
        let page = patience::read(clients, DESCRIBE, listener.as_str(), || ask.clone().send()).await?;
        rules.extend(page.rules().iter().filter_map(rule));
        marker = page.next_marker.filter(|marker| !marker.is_empty());
        if marker.is_none() {
            break;
        }
    }
    Ok(rules)
}

/// Reads a rule; `None` for the default one, which has no number.
fn rule(rule: &types::Rule) -> Option<Rule> {
    Some(Rule {
        arn: RuleArn::new(rule.rule_arn()?),
        priority: rule.priority()?.parse().ok()?,
        conditions: conditions(rule.conditions()),
        action: action(rule.actions()),
        tags: Tags::new(),
    })
}

/// Reads what a rule does. One forward action, and nothing before it, is all that our rules ever do.
pub(crate) fn action(actions: &[types::Action]) -> Action {
    let [only] = actions else {
        let kinds: Vec<&str> = actions.iter().map(kind).collect();
        return Action::Other(kinds.join(" then "));
    };
    if only.r#type() != Some(&types::ActionTypeEnum::Forward) {
        return Action::Other(kind(only).to_owned());
    }
    let groups = only.forward_config().map(|forward| forward.target_groups()).unwrap_or_default();
    let mut forward: Vec<Weighted> = groups.iter().filter_map(weighted).collect();
    if let (true, Some(group)) = (forward.is_empty(), only.target_group_arn()) {
        forward.push(Weighted { group: GroupArn::new(group), weight: 1 });
    }
    Action::Forward(forward)
}

fn weighted(tuple: &types::TargetGroupTuple) -> Option<Weighted> {
    // A group that stands alone may go without a weight: it gets everything.
    let weight = tuple.weight().and_then(|weight| u32::try_from(weight).ok()).unwrap_or(1);
    Some(Weighted { group: GroupArn::new(tuple.target_group_arn()?), weight })
}

fn kind(action: &types::Action) -> &str {
    action.r#type().map_or("an unknown action", types::ActionTypeEnum::as_str)
}

fn conditions(conditions: &[types::RuleCondition]) -> Conditions {
    let mut read = Conditions::default();
    for condition in conditions {
        let field = condition.field().unwrap_or_default();
        // Values stand in the field's own config; in old answers, and beside it in new ones, in `Values`.
        let values = |own: Option<&[String]>| -> BTreeSet<String> {
            own.filter(|own| !own.is_empty()).unwrap_or_else(|| condition.values()).iter().cloned().collect()
        };
        let (place, found) = match field {
            "host-header" => (&mut read.hosts, values(condition.host_header_config().map(|c| c.values()))),
            "path-pattern" => (&mut read.paths, values(condition.path_pattern_config().map(|c| c.values()))),
            "source-ip" => (&mut read.source_ips, values(condition.source_ip_config().map(|c| c.values()))),
            _ => (&mut read.others, BTreeSet::from([field.to_owned()])),
        };
        if found.is_empty() {
            // Regular expressions, which our rules do not have.
            read.others.insert(field.to_owned());
        } else {
            place.extend(found);
        }
    }
    read
}
