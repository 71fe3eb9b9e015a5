//! A step's name, and what it is about: the same in the log and in what people are shown beforehand.

use std::fmt::Display;

use crate::plan::Step;

impl Step {
    /// Its name in logs and for scripts.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Launch(_) => "Launch",
            Self::AssociateAddress { .. } => "AssociateAddress",
            Self::CreateGroup(_) => "CreateGroup",
            Self::RegisterTargets { .. } => "RegisterTargets",
            Self::DeregisterTargets { .. } => "DeregisterTargets",
            Self::DeleteGroup { .. } => "DeleteGroup",
            Self::CreateRule(_) => "CreateRule",
            Self::ModifyRule { .. } => "ModifyRule",
            Self::ModifyConditions { .. } => "ModifyConditions",
            Self::MoveRule { .. } => "MoveRule",
            Self::DeleteRule { .. } => "DeleteRule",
            Self::ReadBack { .. } => "ReadBack",
            Self::TagInstances { .. } => "TagInstances",
            Self::TagGroup { .. } => "TagGroup",
            Self::TagRule { .. } => "TagRule",
            Self::Terminate { .. } => "Terminate",
            Self::ChangeName { .. } => "ChangeName",
            Self::Tell(_) => "Tell",
            Self::RememberTold { .. } => "RememberTold",
        }
    }

    /// What it is about: an ARN, ids, a name.
    pub fn resource(&self) -> String {
        match self {
            Self::Launch(launch) => launch.subnet.to_string(),
            Self::AssociateAddress { instance, address } => format!("{address} {instance}"),
            Self::CreateGroup(new) => new.name.clone(),
            Self::RegisterTargets { group, .. }
            | Self::DeregisterTargets { group, .. }
            | Self::DeleteGroup { group }
            | Self::TagGroup { group, .. } => group.to_string(),
            Self::CreateRule(new) => format!("{} priority {}", new.listener, new.priority),
            Self::ModifyRule { rule, .. }
            | Self::ModifyConditions { rule, .. }
            | Self::MoveRule { rule, .. }
            | Self::DeleteRule { rule, .. }
            | Self::ReadBack { rule, .. }
            | Self::TagRule { rule, .. } => rule.to_string(),
            Self::TagInstances { instances, .. } | Self::Terminate { instances } => list(instances),
            Self::ChangeName { name, .. } => name.clone(),
            Self::Tell(notice) => notice.headline.clone(),
            Self::RememberTold { kind, .. } => kind.clone(),
        }
    }
}

fn list(items: &[impl Display]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
