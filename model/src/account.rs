//! The model that is checked: the account, its callers, and what comes of whatever happens.

use serde_json::{Value, json};
use stateright::{Model, Property};

use crate::apply::{self, Applied};
use crate::ask::{Ask, Verb};
use crate::aws::{Age, Aws, HOUR, Lease, Life, NOBODY, RELEASES, Sight, Target};
use crate::broken::Breakage;
use crate::caller::{Caller, Next, Work};
use crate::calm::Outlooks;
use crate::happens::{Action, Budget, CALLERS, How, State};
use crate::history::{Asked, Glance, History};
use crate::planner::{Memory, Planner};
use crate::promises::Promise;
use crate::step::{End, Step};

/// What is checked: where it begins, who calls, what may happen.
pub struct Account {
    pub name: &'static str,
    pub starts: Vec<(Aws, History)>,
    pub menu: Vec<Ask>,
    pub callers: usize,
    pub releases: usize,
    pub budget: Budget,
    /// How far time may pass at once.
    pub ages: Vec<Age>,
    /// Instances of a release.
    pub count: u8,
    /// Whether a promotion goes in steps.
    pub steps: bool,
    /// Whether the runner looks at its lease before each change.
    pub guarded: bool,
    /// One in so many states is driven to its end.
    pub judged_of: u64,
    pub planner: Planner,
    pub outlooks: Outlooks,
}

impl Account {
    /// A service whose releases have so many instances; its plans as they are, or broken.
    pub fn new(name: &'static str, count: u8, broken: Option<Breakage>) -> Self {
        Self {
            name,
            starts: Vec::new(),
            menu: Vec::new(),
            callers: 1,
            releases: RELEASES,
            budget: Budget::default(),
            ages: vec![1, 2],
            count,
            steps: false,
            guarded: broken.is_none_or(|b| b.0 != Promise::NoChangeWithoutLease),
            judged_of: 1,
            planner: Planner::new(&json!({ "instance_count": count }), broken),
            outlooks: Outlooks::default(),
        }
    }

    /// The same with these keys over its config.
    pub fn configured(mut self, mut keys: Value) -> Self {
        keys["instance_count"] = json!(self.count);
        self.steps = keys.get("traffic").is_some();
        self.planner = Planner::new(&keys, None);
        self
    }

    /// The account after these calls, made one after the other without a fault.
    pub fn after(&self, from: Aws, calls: &[Ask]) -> (Aws, History) {
        let (mut aws, mut history) = (from, History::NEW);
        for ask in calls {
            let _ = crate::calm::insist(&self.planner, &mut aws, &mut history, *ask, self.asked());
            crate::calm::calm(&mut aws, &mut history, HOUR);
        }
        (aws, history)
    }

    /// What its config asks for.
    pub const fn asked(&self) -> Asked {
        Asked { count: self.count, steps: self.steps }
    }

    fn begin(&self, state: &mut State, caller: usize, ask: Ask, memory: Memory) {
        state.history.sees(&state.aws);
        let plan = self.planner.plan(&state.aws, ask, memory);
        let work = Work::new(ask, memory, plan, Glance::at(&state.aws));
        state.callers[caller] = Caller::Works(work);
        // What neither changes nor tells anything ends where it was looked at.
        let looks_again = match plan.script.end {
            End::Look => true,
            End::LookForLaunch => memory.launch,
            End::Wait | End::Done | End::Refuse | End::Fail { .. } => false,
        };
        if plan.script.stages.is_empty() && !looks_again {
            self.goes_on(state, caller);
        }
    }

    fn goes_on(&self, state: &mut State, caller: usize) {
        let Caller::Works(mut work) = state.callers[caller] else { return };
        match work.next() {
            Next::Steps => {}
            Next::Stage => {
                work.stage += 1;
                work.begin_stage();
                state.callers[caller] = Caller::Works(work);
            }
            Next::Look => {
                let mut memory = work.memory;
                memory.launch |= work.plan.script.end == End::LookForLaunch;
                self.begin(state, caller, work.ask, memory);
            }
            Next::Waits => ends(state, caller),
            Next::Answers { failed } => {
                state.history.ends(work.ask, failed);
                ends(state, caller);
            }
        }
    }

    fn carry_out(&self, state: &mut State, caller: usize, index: usize, how: How) -> Option<()> {
        let Caller::Works(mut work) = state.callers[caller] else { return None };
        let stage = work.plan.script.stages.get(usize::from(work.stage))?;
        let step = stage.steps.get(index)?;
        work.left &= !(1 << index);
        let holds = state.aws.lease.is_some_and(|lease| usize::from(lease.owner) == caller);
        let before = state.aws;
        let applied = match how {
            How::Refused => Applied::Error,
            How::NoCapacity => {
                let Step::Launch { release, launch } = step else { return None };
                // A launch that was done is answered with what it made.
                if state.aws.tokens[*release] & launch.bit() != 0 {
                    return None;
                }
                work.memory.no_capacity |= 1 << launch.subnet;
                Applied::LookAgain
            }
            How::Works | How::Hidden | How::Bare | How::AnswerLost => {
                if let Step::Launch { release, launch } = step
                    && !apply::has_room(&state.aws, *release, *launch)
                {
                    return None;
                }
                let sight = match how {
                    How::Hidden => Sight::Hidden,
                    How::Bare => Sight::Bare,
                    _ => Sight::Shown,
                };
                let applied = apply::apply(&mut state.aws, step, sight);
                state.history.watch(&before, &state.aws, work.ask, &work.glance, holds, step, self.asked());
                if how == How::AnswerLost { Applied::Error } else { applied }
            }
        };
        match applied {
            Applied::Done => {}
            Applied::LookAgain => work.look_again = true,
            Applied::Error => work.failed |= stage.stop,
        }
        state.callers[caller] = Caller::Works(work);
        if work.next() == Next::Stage {
            self.goes_on(state, caller);
        }
        Some(())
    }

    fn is_judged(&self, aws: &Aws) -> bool {
        self.judged_of <= 1 || (crate::quick::hash(aws) >> 20).is_multiple_of(self.judged_of)
    }
}

fn ends(state: &mut State, caller: usize) {
    if state.aws.lease.is_some_and(|lease| usize::from(lease.owner) == caller) {
        state.aws.lease = None;
    }
    state.callers[caller] = Caller::Idle;
}

impl Model for Account {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let state = |(aws, history): &(Aws, History)| State {
            aws: *aws,
            history: *history,
            callers: [Caller::Idle; CALLERS],
            budget: self.budget,
        };
        self.starts.iter().map(state).collect()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.may_happen(state, actions);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = *last;
        let aws = &mut next.aws;
        match action {
            Action::Call(ask) => {
                let caller = (0..self.callers).find(|c| last.callers[*c] == Caller::Idle)?;
                aws.lease = Some(Lease { owner: u8::try_from(caller).ok()?, age: 0 });
                // Reads lag for seconds, and a lease stands until they have caught up with what was made under it.
                aws.show();
                if next.budget.calls != u8::MAX {
                    next.budget.calls -= 1;
                }
                self.begin(&mut next, caller, ask, Memory::default());
            }
            Action::Step { caller, step, how } => {
                match how {
                    How::Works => {}
                    How::Hidden | How::Bare => next.budget.hidden -= 1,
                    How::AnswerLost | How::Refused | How::NoCapacity => next.budget.failures -= 1,
                }
                self.carry_out(&mut next, caller, step, how)?;
            }
            Action::GoesOn(caller) => self.goes_on(&mut next, caller),
            Action::Dies(caller) => {
                next.budget.crashes -= 1;
                if let Some(lease) = aws.lease.as_mut().filter(|lease| usize::from(lease.owner) == caller) {
                    lease.owner = NOBODY;
                }
                next.callers[caller] = Caller::Idle;
            }
            Action::OutOfTime(caller) => next.callers[caller] = Caller::Idle,
            Action::Passes(age) => {
                next.history.pass(&last.aws, age);
                aws.pass(age);
                next.history.forgets(&last.aws, aws);
            }
            Action::ComesUp { release, slot } => aws.instances[release][slot].as_mut()?.life = Life::Running,
            Action::Healthy { release, slot } => aws.groups[release].as_mut()?.targets[slot] = Some(Target::Healthy),
            Action::Sick { release, slot } => {
                next.budget.sick -= 1;
                aws.groups[release].as_mut()?.targets[slot] = Some(Target::Sick);
            }
            Action::Drained { release, slot } => aws.groups[release].as_mut()?.targets[slot] = None,
            Action::InstanceDies { release, slot } => {
                next.budget.deaths -= 1;
                apply::die(aws, release, slot);
                next.history.forgets(&last.aws, aws);
            }
            Action::Shown => aws.show(),
            Action::LetGo(release) => aws.groups[release].as_mut()?.held = false,
            Action::Edits(edit) => {
                next.budget.edits -= 1;
                Self::edit(&mut next, edit)?;
            }
            Action::ConfigChanges => {
                next.budget.configs -= 1;
                aws.config ^= 1;
            }
            Action::ExecutionOver(release) => {
                next.budget.over -= 1;
                aws.over |= 1 << release;
            }
        }
        if next == *last {
            return None;
        }
        if next.history.broken.is_none()
            && (next.aws != last.aws || next.history != last.history)
            && self.is_judged(&next.aws)
        {
            let judged = self.outlooks.judge(&self.planner, &next.aws, &next.history, &self.menu, self.asked());
            next.history.broken = judged;
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        Promise::properties()
    }
}

/// All calls about the first so many releases, and the sweep.
pub fn menu(releases: usize, verbs: &[Verb]) -> Vec<Ask> {
    let mut menu = vec![Ask::new(Verb::Sweep, 0)];
    for release in 0..releases {
        menu.extend(verbs.iter().map(|verb| Ask::new(*verb, release)));
    }
    menu
}
