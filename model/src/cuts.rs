//! A call cut off at each of its steps, in each way, and made again: it must come to the same end.

use crate::account::Account;
use crate::apply::{self, Applied};
use crate::ask::{Ask, Verb};
use crate::aws::{Aws, Lease, NEW, Sight};
use crate::calm;
use crate::history::{Glance, History};
use crate::planner::Memory;
use crate::step::End;

/// How a call is cut off at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    DiesBefore,
    DiesAfter,
    Refused,
    AnswerLost,
}

impl Cut {
    /// Each way.
    pub const ALL: [Self; 4] = [Self::DiesBefore, Self::DiesAfter, Self::Refused, Self::AnswerLost];
}

/// Who goes on after a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    TheSameCall,
    TheSweepAndTheSameCall,
}

/// Makes calls until there is an answer, cut off at their `at`th step. `None` if there are fewer steps.
fn cut_off(account: &Account, aws: &mut Aws, history: &mut History, ask: Ask, at: usize, cut: Cut) -> Option<()> {
    let mut number = 0;
    for _ in 0..24 {
        let mut memory = Memory::default();
        for _ in 0..12 {
            aws.lease = Some(Lease { owner: 0, age: NEW });
            history.sees(aws);
            let plan = account.planner.plan(aws, ask, memory).script;
            let glance = Glance::at(aws);
            let mut look_again = false;
            for stage in &plan.stages {
                let mut failed = false;
                for step in &stage.steps {
                    let here = number == at;
                    number += 1;
                    if here && matches!(cut, Cut::DiesBefore) {
                        return Some(());
                    }
                    if here && matches!(cut, Cut::Refused) {
                        failed |= stage.stop;
                        if failed {
                            return Some(());
                        }
                        continue;
                    }
                    let before = *aws;
                    let applied = apply::apply(aws, step, Sight::Shown);
                    history.watch(&before, aws, ask, &glance, true, step, account.asked());
                    look_again |= applied == Applied::LookAgain;
                    if here && (matches!(cut, Cut::DiesAfter) || stage.stop) {
                        return Some(());
                    }
                }
                if look_again && stage.stop {
                    break;
                }
            }
            match plan.end {
                _ if look_again => {}
                End::Look => {}
                End::LookForLaunch => memory.launch = true,
                End::Wait => break,
                // A step that only follows may fail without cutting the call off.
                End::Done | End::Refuse | End::Fail { .. } => return (number > at).then_some(()),
            }
        }
        calm::calm(aws, history, 1);
    }
    None
}

/// What stands, without what tells attempts apart: ages, what was told, and which launch it was.
pub fn end(aws: &Aws) -> Aws {
    let mut end = *aws;
    end.lease = None;
    end.told = 0;
    end.tokens = Default::default();
    for instances in &mut end.instances {
        for instance in instances.iter_mut().flatten() {
            instance.marks.since = NEW;
            instance.marks.told = false;
            instance.launch.attempt = 0;
        }
    }
    for group in end.groups.iter_mut().flatten() {
        group.marks.since = NEW;
        group.marks.told = false;
        group.marks.out = group.marks.out.map(|_| NEW);
    }
    for rule in [&mut end.product, &mut end.pre_product].into_iter().flatten() {
        rule.since = rule.since.map(|(_, forward)| (NEW, forward));
        rule.told = 0;
    }
    end
}

/// Cuts a call off at each step in each way; each must then come to the end of the uninterrupted one. Gives how many
/// points were tried, or the first that did not.
pub fn everywhere(account: &Account, start: (Aws, History), ask: Ask) -> Result<usize, String> {
    let go_on = |aws: &mut Aws, history: &mut History| {
        let ended = calm::insist(&account.planner, aws, history, ask, account.asked());
        // The sweep ends what a failed call left.
        calm::sweep_up(&account.planner, aws, history, account.asked());
        ended
    };
    let (mut whole, mut history) = start;
    let whole_ended = go_on(&mut whole, &mut history);
    let launched = |aws: &Aws| aws.instances.iter().flatten().flatten().count();
    let mut points = 0;
    for cut in Cut::ALL {
        for at in 0..200 {
            let (mut aws, mut history) = start;
            if cut_off(account, &mut aws, &mut history, ask, at, cut).is_none() {
                break;
            }
            for then in [Then::TheSameCall, Then::TheSweepAndTheSameCall] {
                let (mut aws, mut history) = (aws, history);
                calm::calm(&mut aws, &mut history, 2);
                if then == Then::TheSweepAndTheSameCall {
                    let _ =
                        calm::call(&account.planner, &mut aws, &mut history, Ask::new(Verb::Sweep, 0), account.asked());
                }
                let ended = go_on(&mut aws, &mut history);
                points += 1;
                let place = format!("{ask}, {cut:?} at step {at}, then {then:?}");
                if let Some(broken) = history.broken {
                    return Err(format!("{place}: broken: {}", broken.words()));
                }
                if end(&aws) != end(&whole) || launched(&aws) != launched(&whole) {
                    let (here, there) = (crate::story::describe(&aws), crate::story::describe(&whole));
                    return Err(format!("{place}:\n  came to {here}\n  not to  {there}"));
                }
                if ended.is_none() || whole_ended.is_none() {
                    return Err(format!("{place}: no end"));
                }
                let untold = |r: usize| history.past[r].rejected && !history.past[r].told;
                if (0..history.past.len()).any(untold) {
                    return Err(format!("{place}: nobody was told"));
                }
            }
        }
    }
    Ok(points)
}
