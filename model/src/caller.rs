//! A caller: what the runner does with a plan. It takes the lease, looks, carries stages out, looks again, and gives
//! the lease back; it sends no change without a lease that has time left.

use crate::ask::Ask;
use crate::history::Glance;
use crate::planner::Memory;
use crate::step::Kept;

/// A function under way, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Caller {
    Idle,
    Works(Work),
}

/// A function under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Work {
    pub ask: Ask,
    pub memory: Memory,
    pub plan: Kept,
    pub stage: u8,
    /// Steps of the stage that are not carried out yet, a bit each.
    pub left: u32,
    /// Whether something was found otherwise than planned for.
    pub look_again: bool,
    /// Whether a step that the rest depends on failed.
    pub failed: bool,
    pub glance: Glance,
}

/// What a caller does next when no step of its stage is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Steps are left.
    Steps,
    /// It begins the next stage.
    Stage,
    /// It looks and plans again.
    Look,
    /// It ends, told to wait.
    Waits,
    /// It ends with an answer; whether it failed.
    Answers { failed: bool },
}

impl Work {
    /// At the beginning of a plan.
    pub fn new(ask: Ask, memory: Memory, plan: Kept, glance: Glance) -> Self {
        let mut work = Self { ask, memory, plan, stage: 0, left: 0, look_again: false, failed: false, glance };
        work.begin_stage();
        work
    }

    pub fn begin_stage(&mut self) {
        let steps = self.plan.script.stages.get(usize::from(self.stage)).map_or(0, |stage| stage.steps.len());
        self.left = (1_u32 << steps) - 1;
    }

    /// Whether the stage's failures stop the plan.
    pub fn stops(&self) -> bool {
        self.plan.script.stages.get(usize::from(self.stage)).is_some_and(|stage| stage.stop)
    }

    pub fn next(&self) -> Next {
        use crate::step::End;
        let stages = self.plan.script.stages.len();
        let stage = usize::from(self.stage);
        if self.left != 0 {
            return Next::Steps;
        }
        if self.failed {
            return Next::Answers { failed: true };
        }
        if self.look_again && stage < stages && self.stops() {
            return Next::Look;
        }
        if stage + 1 < stages {
            return Next::Stage;
        }
        if self.look_again {
            return Next::Look;
        }
        match self.plan.script.end {
            End::Look | End::LookForLaunch => Next::Look,
            End::Wait => Next::Waits,
            End::Done | End::Refuse => Next::Answers { failed: false },
            End::Fail { .. } => Next::Answers { failed: true },
        }
    }
}
