//! A history, told so that a person can follow it.

use crate::apply::rule_name;
use crate::aws::{Aws, Forward, Instances, Life, RELEASES, SECONDS, STRANGER, Target, Weight, Which};
use crate::caller::Caller;
use crate::edits::Edit;
use crate::happens::{Action, How, State};
use crate::names;
use crate::step::{Mark, RuleMark, Step};
use crate::view;

/// A history as numbered lines, and where it ends.
pub fn tell(steps: &[(State, Option<Action>)]) -> String {
    let mut text = String::new();
    let mut number = 0;
    let first = steps.first().map(|(state, _)| describe(&state.aws)).unwrap_or_default();
    text.push_str(&format!("     at first: {first}\n"));
    for pair in steps.windows(2) {
        let [(before, Some(action)), (after, _)] = pair else { continue };
        number += 1;
        text.push_str(&format!("{number:4} {}\n", line(before, *action, after)));
    }
    if let Some((last, _)) = steps.last() {
        text.push_str(&format!("     at last:  {}\n", describe(&last.aws)));
        if let Some(broken) = last.history.broken {
            text.push_str(&format!("     broken:   {}\n", broken.words()));
        }
    }
    text
}

fn line(before: &State, action: Action, after: &State) -> String {
    let plan = |caller: usize| match after.callers[caller] {
        Caller::Works(work) => {
            let stages: Vec<String> = work
                .plan
                .script
                .stages
                .iter()
                .map(|s| s.steps.iter().map(step).collect::<Vec<_>>().join(" | "))
                .collect();
            format!("plans: {}; {}", stages.join("; "), work.plan.script.words)
        }
        Caller::Idle => "and ends".to_owned(),
    };
    let who = |caller: usize| match before.callers[caller] {
        Caller::Works(work) => format!("{} ({})", work.ask, caller + 1),
        Caller::Idle => format!("caller {}", caller + 1),
    };
    match action {
        Action::Call(ask) => {
            let caller = (0..before.callers.len()).find(|c| before.callers[*c] != after.callers[*c]);
            caller.map_or_else(
                || format!("{ask}: nothing to do, or told to wait"),
                |c| format!("{ask} ({}) takes the lease, looks, {}", c + 1, plan(c)),
            )
        }
        Action::Step { caller, step: index, how } => {
            let what = match before.callers[caller] {
                Caller::Works(work) => {
                    work.plan.script.stages.get(usize::from(work.stage)).and_then(|s| s.steps.get(index)).map(step)
                }
                Caller::Idle => None,
            };
            let how = match how {
                How::Works => "",
                How::Hidden => " (reads do not show it yet)",
                How::Bare => " (reads do not show its tags yet)",
                How::AnswerLost => " (done, and the answer is lost)",
                How::Refused => " (AWS refuses)",
                How::NoCapacity => " (no capacity)",
            };
            format!("{}: {}{how}", who(caller), what.unwrap_or_default())
        }
        Action::GoesOn(caller) => format!("{} goes on: {}", who(caller), plan(caller)),
        Action::Dies(caller) => format!("{} dies", who(caller)),
        Action::OutOfTime(caller) => format!("{} has too little of its lease left and ends", who(caller)),
        Action::Passes(age) => format!("{} seconds pass", SECONDS[usize::from(age)]),
        Action::ComesUp { release, slot } => format!("{} runs", names::instance(release, slot)),
        Action::Healthy { release, slot } => format!("{} is healthy", names::instance(release, slot)),
        Action::Sick { release, slot } => format!("{} falls sick", names::instance(release, slot)),
        Action::Drained { release, slot } => format!("{} is drained", names::instance(release, slot)),
        Action::InstanceDies { release, slot } => format!("{} dies", names::instance(release, slot)),
        Action::Shown => "reads show everything".to_owned(),
        Action::LetGo(release) => format!("the load balancer lets go of r{}'s group", release + 1),
        Action::Edits(edit) => match edit {
            Edit::Only(group) => format!("somebody points the product rule to {} alone", name(group)),
            Edit::Half(group) => format!("somebody gives {} half of the weight", name(group)),
            Edit::FixedResponse => "somebody makes the product rule a fixed response".to_owned(),
            Edit::DeleteProduct => "somebody deletes the product rule".to_owned(),
            Edit::DeletePreProduct => "somebody deletes the pre-product rule".to_owned(),
            Edit::Untag => "somebody takes the tags off the product rule".to_owned(),
            Edit::PreProduct(group) => format!("somebody points the pre-product rule to {}", name(group)),
            Edit::Stranger(group) => format!("somebody's own rule forwards to {}, or no more", name(group)),
        },
        Action::ConfigChanges => "the config changes priorities and conditions".to_owned(),
        Action::ExecutionOver(release) => format!("the execution of r{} is over", release + 1),
    }
}

fn name(group: usize) -> String {
    if group == STRANGER { "their group".to_owned() } else { format!("r{}", group + 1) }
}

fn instances(set: Instances) -> String {
    let ids = view::all().filter(|(r, s)| set & crate::aws::bit(*r, *s) != 0);
    ids.map(|(r, s)| names::instance(r, s).to_string()).collect::<Vec<_>>().join(",")
}

fn forward(forward: Forward) -> String {
    if forward == Forward::Other {
        return "a fixed response".to_owned();
    }
    let weight = |(group, weight): (usize, Weight)| match weight {
        Weight::Absent => None,
        Weight::Zero => Some(format!("{}=0", name(group))),
        Weight::Half => Some(format!("{}=50", name(group))),
        Weight::All => Some(format!("{}=100", name(group))),
    };
    forward.weights().into_iter().enumerate().filter_map(weight).collect::<Vec<_>>().join(" ")
}

fn mark(mark: Mark) -> String {
    match mark {
        Mark::Role { role, since, .. } => format!("{role:?} since {}s", SECONDS[usize::from(since)]),
        Mark::Told => "told".to_owned(),
        Mark::Kept => "kept".to_owned(),
        Mark::Out(_) => "out of every rule".to_owned(),
        Mark::In => "in a rule again".to_owned(),
    }
}

/// A step in words.
pub fn step(step: &Step) -> String {
    match step {
        Step::Launch { release, launch } => {
            format!(
                "launch {} of r{} into subnet-{} (attempt {})",
                launch.count,
                release + 1,
                launch.subnet,
                launch.attempt
            )
        }
        Step::CreateGroup { release, .. } => format!("create group r{}", release + 1),
        Step::Associate { instance, address } => {
            format!("give {} to {}", names::address(*address), instances(*instance))
        }
        Step::Register { group, targets } => format!("register {} in {}", instances(*targets), name(*group)),
        Step::Deregister { group, targets } => format!("deregister {} of {}", instances(*targets), name(*group)),
        Step::DeleteGroup { group } => format!("delete group {}", name(*group)),
        Step::CreateRule { which, forward: to, .. } => format!("create {}: {}", rule_name(*which), forward(*to)),
        Step::ModifyRule { which, forward: to, .. } => format!("modify {}: {}", rule_name(*which), forward(*to)),
        Step::FollowConfig { which, moves, .. } => {
            format!("{} of the {} follow the config", if *moves { "priority" } else { "conditions" }, rule_name(*which))
        }
        Step::DeleteRule { which } => format!("delete {}", rule_name(*which)),
        Step::ReadBack { which, .. } => format!("read {} back", rule_name(*which)),
        Step::TagInstances { instances: set, mark: m } => format!("tag {} {}", instances(*set), mark(*m)),
        Step::TagGroup { group, mark: m } => format!("tag group {} {}", name(*group), mark(*m)),
        Step::TagRule { which, mark: m } => match m {
            RuleMark::Since(..) => format!("tag {} since", rule_name(*which)),
            RuleMark::Told(_) => format!("tag {} told", rule_name(*which)),
        },
        Step::Terminate { instances: set } => format!("terminate {}", instances(*set)),
        Step::ChangeName { name, from, to } => {
            let ips = |set: &Option<Instances>| set.map_or_else(|| "nothing".to_owned(), instances);
            format!("name {}: {} -> {}", names::ZONE_NAMES[*name], ips(from), ips(to))
        }
        Step::TellRejected { release } => format!("tell that r{} is rejected", release + 1),
        Step::TellConcern { concern } => format!("tell {}", crate::aws::CONCERNS[usize::from(*concern)]),
        Step::RememberTold { .. } => "remember that it was told".to_owned(),
        Step::TouchStranger => "touch what is not ours".to_owned(),
    }
}

/// An account in a line.
pub fn describe(aws: &Aws) -> String {
    let mut parts = Vec::new();
    for which in [Which::Product, Which::PreProduct] {
        if let Some(rule) = aws.rule(which) {
            parts.push(format!("{} [{}]", rule_name(which), forward(rule.forward)));
        }
    }
    for release in 0..RELEASES {
        let mut own = Vec::new();
        for (slot, instance) in aws.instances[release].iter().enumerate() {
            let Some(i) = instance else { continue };
            let life = match i.life {
                Life::Pending => "starts",
                Life::Running => "runs",
                Life::Terminated => "is terminated",
            };
            let told = if i.marks.told { ", told" } else { "" };
            own.push(format!("{} {life} ({:?}{told})", names::instance(release, slot), i.marks.role));
        }
        if let Some(group) = aws.groups[release] {
            let targets: Vec<String> = group
                .targets
                .iter()
                .flatten()
                .map(|t| match t {
                    Target::Initial => "initial".to_owned(),
                    Target::Healthy => "healthy".to_owned(),
                    Target::Sick => "sick".to_owned(),
                    Target::Draining => "draining".to_owned(),
                })
                .collect();
            let told = if group.marks.told { ", told" } else { "" };
            let kept = if group.marks.kept { ", kept" } else { "" };
            own.push(format!("group ({:?}{told}{kept}) targets: {}", group.marks.role, targets.join(" ")));
        }
        if !own.is_empty() {
            parts.push(format!("r{}: {}", release + 1, own.join(", ")));
        }
    }
    for (name, ips) in names::ZONE_NAMES.iter().zip(aws.names) {
        if let Some(ips) = ips {
            parts.push(format!("{name}={}", instances(ips)));
        }
    }
    if parts.is_empty() { "nothing".to_owned() } else { parts.join("; ") }
}
