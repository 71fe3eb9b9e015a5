//! What may happen between any two steps, as far as it may still go wrong.

use crate::account::Account;
use crate::ask::Ask;
use crate::aws::{Age, Aws, Life, SLOTS, Sight, Target};
use crate::caller::{Caller, Next};
use crate::edits::Edit;
use crate::history::History;
use crate::step::Step;

/// How many callers there can be.
pub const CALLERS: usize = 3;

/// What may still go wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Calls that may begin; [`u8::MAX`] for any number.
    pub calls: u8,
    pub crashes: u8,
    /// Steps that AWS refuses, or does without its answer arriving.
    pub failures: u8,
    /// Instances that die.
    pub deaths: u8,
    /// Targets that fall sick.
    pub sick: u8,
    /// Rules that a person edits.
    pub edits: u8,
    /// Changes of the config.
    pub configs: u8,
    /// Resources that reads do not show at once.
    pub hidden: u8,
    /// Executions that end.
    pub over: u8,
}

/// Where everything stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub aws: Aws,
    pub history: History,
    pub callers: [Caller; CALLERS],
    pub budget: Budget,
}

/// How a step goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum How {
    Works,
    /// It works, and reads do not show it yet.
    Hidden,
    /// It works, and reads do not show its tags yet.
    Bare,
    /// It is done, and its answer is lost.
    AnswerLost,
    /// AWS refuses: throttled, denied.
    Refused,
    /// The subnet's zone has no capacity.
    NoCapacity,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Call(Ask),
    Step {
        caller: usize,
        step: usize,
        how: How,
    },
    /// The caller looks again, or ends.
    GoesOn(usize),
    Dies(usize),
    /// Its lease has run out: it sends no further change.
    OutOfTime(usize),
    Passes(Age),
    ComesUp {
        release: usize,
        slot: usize,
    },
    Healthy {
        release: usize,
        slot: usize,
    },
    Sick {
        release: usize,
        slot: usize,
    },
    Drained {
        release: usize,
        slot: usize,
    },
    InstanceDies {
        release: usize,
        slot: usize,
    },
    Shown,
    LetGo(usize),
    Edits(Edit),
    ConfigChanges,
    ExecutionOver(usize),
}

impl Account {
    /// All that may happen now.
    pub fn may_happen(&self, state: &State, actions: &mut Vec<Action>) {
        if state.history.broken.is_some() {
            return;
        }
        let (aws, budget) = (&state.aws, &state.budget);
        let idle = (0..self.callers).any(|c| state.callers[c] == Caller::Idle);
        if idle && aws.lease.is_none() && budget.calls > 0 {
            actions.extend(self.menu.iter().map(|ask| Action::Call(*ask)));
        }
        for (caller, work) in state.callers.iter().enumerate() {
            let Caller::Works(work) = work else { continue };
            let holds = aws.lease.is_some_and(|lease| usize::from(lease.owner) == caller);
            if budget.crashes > 0 {
                actions.push(Action::Dies(caller));
            }
            let next = work.next();
            if !holds && self.guarded && matches!(next, Next::Steps | Next::Look | Next::Stage) {
                actions.push(Action::OutOfTime(caller));
                continue;
            }
            if next != Next::Steps {
                actions.push(Action::GoesOn(caller));
                continue;
            }
            let Some(stage) = work.plan.script.stages.get(usize::from(work.stage)) else { continue };
            for (step, what) in stage.steps.iter().enumerate().filter(|(i, _)| work.left & (1 << i) != 0) {
                let mut how = |how| actions.push(Action::Step { caller, step, how });
                how(How::Works);
                let tagged = matches!(what, Step::CreateGroup { .. } | Step::CreateRule { .. });
                if budget.hidden > 0 && (tagged || matches!(what, Step::Launch { .. })) {
                    how(How::Hidden);
                }
                if budget.hidden > 0 && tagged {
                    how(How::Bare);
                }
                if budget.failures > 0 {
                    how(How::Refused);
                    if !matches!(what, Step::ReadBack { .. }) {
                        how(How::AnswerLost);
                    }
                    if matches!(what, Step::Launch { .. }) {
                        how(How::NoCapacity);
                    }
                }
            }
        }
        for release in 0..self.releases {
            for slot in 0..SLOTS {
                let instance = aws.instances[release][slot];
                let target = aws.groups[release].and_then(|g| g.targets[slot]);
                let runs = instance.is_some_and(|i| i.life == Life::Running);
                if instance.is_some_and(|i| i.life == Life::Pending) {
                    actions.push(Action::ComesUp { release, slot });
                }
                if budget.deaths > 0 && instance.is_some_and(|i| i.life != Life::Terminated) {
                    actions.push(Action::InstanceDies { release, slot });
                }
                match target {
                    Some(Target::Initial | Target::Sick) if runs && aws.in_a_rule(release) => {
                        actions.push(Action::Healthy { release, slot });
                    }
                    Some(Target::Healthy) if budget.sick > 0 => actions.push(Action::Sick { release, slot }),
                    Some(Target::Draining) => actions.push(Action::Drained { release, slot }),
                    _ => {}
                }
            }
            if aws.groups[release].is_some_and(|g| g.held) && !aws.in_a_rule(release) {
                actions.push(Action::LetGo(release));
            }
            if budget.over > 0 && aws.over & (1 << release) == 0 {
                actions.push(Action::ExecutionOver(release));
            }
        }
        let mut look = *aws;
        if look.sights().any(|sight| *sight != Sight::Shown) {
            actions.push(Action::Shown);
        }
        actions.extend(self.ages.iter().map(|age| Action::Passes(*age)));
        if budget.edits > 0 {
            self.edits(state, actions);
        }
        if budget.configs > 0 {
            actions.push(Action::ConfigChanges);
        }
    }
}
