//! A plan as text that people read, for snapshots.

use domain::id::{GroupArn, RuleArn};
use domain::plan::{End, OnFailure, Plan, Step};
use domain::tags::Tags;
use domain::world::{Record, Weighted};

/// The plan's stages, a line for each step, and its end.
pub fn explain(plan: &Plan) -> String {
    let mut text = String::new();
    for (number, stage) in plan.stages.iter().enumerate() {
        for step in &stage.steps {
            let mark = if stage.on_failure == OnFailure::Follow { " (may follow later)" } else { "" };
            text.push_str(&format!("{}. {}{mark}\n", number + 1, explain_step(step)));
        }
    }
    text + &explain_end(&plan.end)
}

pub fn explain_end(end: &End) -> String {
    match end {
        End::Look => "look again".to_owned(),
        End::LookForLaunch => "look again, for a launch".to_owned(),
        End::Check(examination) => format!("examine {} {}", examination.release, examination.phase),
        End::Wait(wait) => format!("wait for {wait}"),
        End::Done(done) => format!("done: {}", [vec![done.headline.clone()], done.lines.clone()].concat().join("\n  ")),
        End::Refuse(refusal) => format!("refused: {refusal}"),
        End::Fail(failure) => format!("failed: {failure}"),
    }
}

pub fn explain_step(step: &Step) -> String {
    match step {
        Step::Launch(launch) => format!("launch {} into {}", launch.count, launch.subnet),
        Step::AssociateAddress { instance, address } => format!("give {instance} {address}"),
        Step::CreateGroup(new) => {
            let release = new.tags.get("pointsman:release").cloned().unwrap_or_default();
            format!("make the group of {release}, {} {}", new.protocol, new.port)
        }
        Step::RegisterTargets { group, instances, port } => {
            format!("register {} with the group of {}, port {port}", list(instances), bearer(group))
        }
        Step::DeregisterTargets { group, instances } => {
            format!("deregister {} from the group of {}", list(instances), bearer(group))
        }
        Step::DeleteGroup { group } => format!("delete the group of {}", bearer(group)),
        Step::CreateRule(new) => {
            format!("make the {}, priority {}: {}", new.which, new.priority, weights(&new.forward))
        }
        Step::ModifyRule { which, forward, conditions, sticky_seconds, .. } => {
            let also = if conditions.is_some() { ", with the configured conditions" } else { "" };
            let sticky = sticky_seconds.map(|seconds| format!(", sticky for {seconds} s")).unwrap_or_default();
            format!("the {which} forwards to {}{also}{sticky}", weights(forward))
        }
        Step::ModifyConditions { which, .. } => format!("the {which} gets the configured conditions"),
        Step::MoveRule { which, priority, .. } => format!("the {which} moves to priority {priority}"),
        Step::DeleteRule { which, .. } => format!("delete the {which}"),
        Step::ReadBack { which, .. } => format!("read the {which} back"),
        Step::TagInstances { instances, tags } => format!("tag {}: {}", list(instances), tag_list(tags)),
        Step::TagGroup { group, tags } => format!("tag the group of {}: {}", bearer(group), tag_list(tags)),
        Step::TagRule { rule, tags } => format!("tag the rule {}: {}", rule_word(rule), tag_list(tags)),
        Step::Terminate { instances } => format!("terminate {}", list(instances)),
        Step::ChangeName { name, from, to, .. } => format!("name {name}: {} -> {}", record(from), record(to)),
        Step::Tell(notice) => format!("tell ({}): {}", notice.status.as_str(), notice.headline),
        Step::RememberTold { kind, .. } => format!("remember that {kind} was told"),
    }
}

fn list<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn bearer(group: &GroupArn) -> &str {
    group.as_str().rsplit('/').next().unwrap_or_default()
}

fn rule_word(rule: &RuleArn) -> &str {
    rule.as_str().split('/').nth(1).unwrap_or_default()
}

fn weights(forward: &[Weighted]) -> String {
    forward.iter().map(|w| format!("{} {}", bearer(&w.group), w.weight)).collect::<Vec<_>>().join(", ")
}

/// The tags, without the times in them and without what goes by itself.
fn tag_list(tags: &Tags) -> String {
    let shown = |(key, value): (&String, &String)| match key.trim_start_matches("pointsman:") {
        "Name" => None,
        key @ ("since" | "told" | "kept" | "out") => Some(key.to_owned()),
        key => Some(format!("{key}={value}")),
    };
    tags.iter().filter_map(shown).collect::<Vec<_>>().join(" ")
}

fn record(record: &Option<Record>) -> String {
    record.as_ref().map_or("none".to_owned(), |r| r.ips.iter().cloned().collect::<Vec<_>>().join(" "))
}
