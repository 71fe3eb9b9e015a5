//! The shape of rules and listeners in answers: AWS gives the short and the long form of actions and conditions.

use crate::xml::Element;

/// Completes all actions and conditions of an answer.
pub(super) fn complete(answer: &mut Element) {
    for list in ["Actions", "DefaultActions"] {
        answer.each_mut(list, &mut |actions| actions.children.iter_mut().for_each(complete_action));
    }
    answer.each_mut("Conditions", &mut |conditions| conditions.children.iter_mut().for_each(complete_condition));
}

/// Sorts a listing of rules by priority, the default rule last; moto lists them as they were made.
pub(super) fn sort(answer: &mut Element) {
    if let Some(rules) = answer.find_mut("Rules") {
        rules.children.sort_by_key(|rule| rule.text_of("Priority").parse().unwrap_or(u32::MAX));
    }
}

/// A forward action to one group names it twice: plainly, and with its weight.
fn complete_action(action: &mut Element) {
    if action.text_of("Type") != "forward" {
        return;
    }
    let plain = action.text_of("TargetGroupArn").to_owned();
    let groups: Vec<String> = action
        .child("ForwardConfig")
        .map(|forward| {
            forward.items("TargetGroups").iter().map(|group| group.text_of("TargetGroupArn").to_owned()).collect()
        })
        .unwrap_or_default();
    match (plain.as_str(), groups.as_slice()) {
        ("", [only]) => action.set(Element::leaf("TargetGroupArn", only)),
        ("", _) => {}
        (arn, []) => {
            let group =
                Element::node("member", vec![Element::leaf("TargetGroupArn", arn), Element::leaf("Weight", "1")]);
            let stickiness = Element::node("TargetGroupStickinessConfig", vec![Element::leaf("Enabled", "false")]);
            action.set(Element::node("ForwardConfig", vec![Element::node("TargetGroups", vec![group]), stickiness]));
        }
        (_, _) => {}
    }
}

/// A host or path condition has its values twice, for clients from before the other kinds.
fn complete_condition(condition: &mut Element) {
    let config = match condition.text_of("Field") {
        "host-header" => "HostHeaderConfig",
        "path-pattern" => "PathPatternConfig",
        _ => return,
    };
    let short = condition.child("Values").filter(|values| !values.children.is_empty()).cloned();
    let long = condition.child(config).and_then(|config| config.child("Values")).cloned();
    match (short, long) {
        (None, Some(values)) => condition.set(values),
        (Some(values), None) => condition.set(Element::node(config, vec![values])),
        (None, None) | (Some(_), Some(_)) => {}
    }
}
