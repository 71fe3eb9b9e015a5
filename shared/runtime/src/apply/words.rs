//! Steps in words: for the log, and for whoever reads that one could not be carried out.

use std::fmt::Display;

use domain::plan::Step;
use domain::tags;

/// What the step does, to follow "could not".
pub(crate) fn doing(step: &Step) -> String {
    match step {
        Step::Launch(launch) => {
            format!("launch {} instances of {} into {}", launch.count, launch.instance_type, launch.subnet)
        }
        Step::AssociateAddress { instance, address } => format!("give the elastic IP {address} to {instance}"),
        Step::CreateGroup(new) => format!("make the target group {}", new.name),
        Step::RegisterTargets { group, instances, .. } => format!("put {} into {}", list(instances), group.name()),
        Step::DeregisterTargets { group, instances } => format!("take {} out of {}", list(instances), group.name()),
        Step::DeleteGroup { group } => format!("delete the target group {}", group.name()),
        Step::CreateRule(new) => format!("make the {} at priority {}", new.which, new.priority),
        Step::ModifyRule { which, forward, .. } => {
            let to: Vec<String> = forward.iter().map(|w| format!("{} ({})", w.group.name(), w.weight)).collect();
            format!("point the {which} at {}", to.join(", "))
        }
        Step::ModifyConditions { which, .. } => format!("change the conditions of the {which}"),
        Step::MoveRule { which, priority, .. } => format!("move the {which} to priority {priority}"),
        Step::DeleteRule { which, .. } => format!("delete the {which}"),
        Step::ReadBack { which, .. } => format!("read the {which} back"),
        Step::TagInstances { instances, .. } => format!("tag {}", list(instances)),
        Step::TagGroup { group, .. } => format!("tag the target group {}", group.name()),
        Step::TagRule { rule, .. } => format!("tag the rule {rule}"),
        Step::Terminate { instances } => format!("terminate {}", list(instances)),
        Step::ChangeName { name, to: Some(_), .. } => format!("change the name {name}"),
        Step::ChangeName { name, to: None, .. } => format!("remove the name {name}"),
        Step::Tell(_) => "tell the service's people".to_owned(),
        Step::RememberTold { .. } => "remember what was told".to_owned(),
    }
}

/// All that a step does, times aside: by it a call knows again what it did before.
pub(crate) fn work(step: &Step) -> String {
    let mut work = format!("{} {}", doing(step), step.resource());
    let tags = if let Step::TagInstances { tags, .. } | Step::TagGroup { tags, .. } | Step::TagRule { tags, .. } = step
    {
        Some(tags)
    } else if let Step::Launch(launch) = step {
        Some(&launch.tags)
    } else {
        None
    };
    if let Step::ChangeName { to: Some(record), .. } = step {
        work.extend(record.ips.iter().map(String::as_str));
    }
    for (key, value) in tags.into_iter().flatten() {
        let is_time = [tags::SINCE, tags::OUT, tags::TOLD, tags::KEPT].contains(&key.as_str());
        work.extend([key.as_str(), if is_time { "" } else { value.as_str() }]);
    }
    work
}

fn list(items: &[impl Display]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
