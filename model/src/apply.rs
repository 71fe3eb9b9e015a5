//! What AWS does with a step.

use crate::aws::{
    Aws, Forward, Group, Instance, Life, Marks, NEW, Role, Rule, SLOTS, STRANGER, Sight, Target, Which, bit,
};
use crate::step::{Mark, RuleMark, Step};

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is done, now or before.
    Done,
    /// The world is not what the plan was made for.
    LookAgain,
    /// AWS refuses.
    Error,
}

/// Carries a step out. What it makes is shown at once, or later.
pub fn apply(aws: &mut Aws, step: &Step, sight: Sight) -> Applied {
    match *step {
        Step::Launch { release, launch } => launch_instances(aws, release, launch, sight),
        Step::Associate { instance, address } => {
            let running = |i: &Instance| i.life == Life::Running;
            let holder = aws.instances.iter().enumerate().find_map(|(release, slots)| {
                (0..SLOTS).find(|slot| bit(release, *slot) == instance).and_then(|slot| slots[slot])
            });
            if aws.addresses[address] != 0 || !holder.is_some_and(|i| running(&i)) {
                return Applied::LookAgain;
            }
            aws.addresses[address] = instance;
            Applied::Done
        }
        Step::CreateGroup { release, since } => {
            if aws.groups[release].is_none() {
                let group = Group { sight, marks: Marks::born(since), targets: [None; SLOTS], held: false };
                aws.groups[release] = Some(group);
            }
            Applied::Done
        }
        Step::Register { group, targets } => {
            let running = |slot: usize| aws.instances[group][slot].is_some_and(|i| i.life == Life::Running);
            if slots(group, targets).any(|slot| !running(slot)) {
                return Applied::LookAgain;
            }
            let Some(found) = &mut aws.groups[group] else { return Applied::LookAgain };
            for slot in slots(group, targets) {
                if !matches!(found.targets[slot], Some(Target::Initial | Target::Healthy | Target::Sick)) {
                    found.targets[slot] = Some(Target::Initial);
                }
            }
            Applied::Done
        }
        Step::Deregister { group, targets } => {
            if group == STRANGER {
                return Applied::Done;
            }
            let Some(found) = &mut aws.groups[group] else { return Applied::Done };
            for slot in slots(group, targets) {
                if found.targets[slot].is_some() {
                    found.targets[slot] = Some(Target::Draining);
                }
            }
            Applied::Done
        }
        Step::DeleteGroup { group } => {
            if aws.in_a_rule(group) {
                return Applied::Error;
            }
            if group < STRANGER {
                aws.groups[group] = None;
            }
            Applied::Done
        }
        Step::CreateRule { which, variant, forward, since } => {
            if aws.rule(which).is_some() || missing(aws, forward) {
                return Applied::LookAgain;
            }
            *aws.rule_mut(which) = Some(Rule { sight, forward, ours: true, variant, since, told: 0 });
            Applied::Done
        }
        Step::ModifyRule { which, forward, variant } => {
            if missing(aws, forward) {
                return Applied::LookAgain;
            }
            let Some(rule) = aws.rule_mut(which) else { return Applied::LookAgain };
            rule.variant = variant.unwrap_or(rule.variant);
            let before = std::mem::replace(&mut rule.forward, forward);
            let_go(aws, before);
            Applied::Done
        }
        Step::FollowConfig { which, variant, moves: _ } => {
            let Some(rule) = aws.rule_mut(which) else { return Applied::LookAgain };
            rule.variant = variant;
            Applied::Done
        }
        Step::DeleteRule { which } => {
            if let Some(rule) = aws.rule_mut(which).take() {
                let_go(aws, rule.forward);
            }
            Applied::Done
        }
        Step::ReadBack { which, forward } => {
            if aws.rule(which).is_some_and(|rule| rule.forward == forward) {
                Applied::Done
            } else {
                Applied::LookAgain
            }
        }
        Step::TagInstances { instances, mark } => {
            let mut unknown = false;
            for (release, of_release) in aws.instances.iter_mut().enumerate() {
                for (slot, instance) in of_release.iter_mut().enumerate() {
                    if instances & bit(release, slot) == 0 {
                        continue;
                    }
                    match instance {
                        Some(instance) => write(&mut instance.marks, mark),
                        None => unknown = true,
                    }
                }
            }
            if unknown { Applied::LookAgain } else { Applied::Done }
        }
        Step::TagGroup { group, mark } => {
            if group == STRANGER {
                return Applied::Done;
            }
            let Some(found) = &mut aws.groups[group] else { return Applied::LookAgain };
            write(&mut found.marks, mark);
            Applied::Done
        }
        Step::TagRule { which, mark } => {
            let Some(rule) = aws.rule_mut(which) else { return Applied::LookAgain };
            match mark {
                RuleMark::Since(age, forward) => rule.since = Some((age, forward)),
                RuleMark::Told(told) => rule.told = told,
            }
            Applied::Done
        }
        Step::Terminate { instances } => {
            for release in 0..aws.instances.len() {
                for slot in 0..SLOTS {
                    if instances & bit(release, slot) != 0 {
                        die(aws, release, slot);
                    }
                }
            }
            Applied::Done
        }
        Step::ChangeName { name, from, to } => {
            if aws.names[name] != from {
                return Applied::LookAgain;
            }
            aws.names[name] = to;
            Applied::Done
        }
        Step::RememberTold { concern } => {
            aws.told |= 1 << concern;
            Applied::Done
        }
        Step::TellRejected { .. } | Step::TellConcern { .. } | Step::TouchStranger => Applied::Done,
    }
}

/// An instance ends; as a target it answers no more, and its address is free.
pub fn die(aws: &mut Aws, release: usize, slot: usize) {
    aws.addresses.iter_mut().filter(|holder| **holder == bit(release, slot)).for_each(|holder| *holder = 0);
    if let Some(instance) = &mut aws.instances[release][slot] {
        instance.life = Life::Terminated;
    }
    if let Some(target) = aws.groups[release].as_mut().and_then(|g| g.targets[slot].as_mut())
        && *target != Target::Draining
    {
        *target = Target::Sick;
    }
}

/// The slots of a release that a set of instances has.
pub fn slots(release: usize, instances: u16) -> impl Iterator<Item = usize> {
    (0..SLOTS).filter(move |slot| instances & bit(release, *slot) != 0)
}

/// Whether there is room for what a launch would make.
pub fn has_room(aws: &Aws, release: usize, launch: crate::aws::Token) -> bool {
    aws.instances[release].iter().filter(|i| i.is_none()).count() >= usize::from(launch.count)
}

fn launch_instances(aws: &mut Aws, release: usize, launch: crate::aws::Token, sight: Sight) -> Applied {
    if aws.tokens[release] & launch.bit() != 0 {
        return Applied::LookAgain;
    }
    aws.tokens[release] |= launch.bit();
    let free = aws.instances[release].iter_mut().filter(|i| i.is_none()).take(usize::from(launch.count));
    for slot in free {
        *slot = Some(Instance { life: Life::Pending, sight, marks: Marks::born(NEW), launch });
    }
    Applied::Done
}

fn missing(aws: &Aws, forward: Forward) -> bool {
    (0..STRANGER).any(|group| forward.names(group) && aws.groups[group].is_none())
}

/// Groups that no rule names any more: the load balancer has them a little longer, and checks them no more.
pub fn let_go(aws: &mut Aws, before: Forward) {
    for group in 0..STRANGER {
        if before.names(group)
            && !aws.in_a_rule(group)
            && let Some(found) = &mut aws.groups[group]
        {
            found.held = true;
        }
    }
}

fn write(marks: &mut Marks, mark: Mark) {
    match mark {
        Mark::Role { role, since, removed } => {
            marks.role = role;
            marks.since = since;
            if role == Role::Rejected {
                marks.removed = removed;
            }
        }
        Mark::Told => marks.told = true,
        Mark::Kept => marks.kept = true,
        Mark::Out(age) => marks.out = Some(age),
        Mark::In => marks.out = None,
    }
}

/// Which rule, for stories.
pub const fn rule_name(which: Which) -> &'static str {
    match which {
        Which::Product => "product rule",
        Which::PreProduct => "pre-product rule",
    }
}
