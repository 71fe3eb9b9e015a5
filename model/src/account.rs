//! The model that is checked: the account, its callers, and everything that may happen between any two steps.

use stateright::{Model, Property};

use crate::apply::{self, Applied};
use crate::ask::{Ask, Verb};
use crate::aws::{Age, Aws, Forward, HOUR, Lease, Life, NOBODY, RELEASES, SLOTS, STRANGER, Target, Weight};
use crate::broken::Breakage;
use crate::caller::{Caller, Next, Work};
use crate::calm::Outlooks;
use crate::planner::{Memory, Planner};
use crate::promises::{Glance, History, Promise};
use crate::step::{End, Step};

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
    /// It is done, and its answer is lost.
    AnswerLost,
    /// AWS refuses: throttled, denied.
    Refused,
    /// The subnet's zone has no capacity.
    NoCapacity,
}

/// What a person does to the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Edit {
    /// The product rule forwards to this alone.
    Only(usize),
    /// Half of the weight for this, the rest stays.
    Half(usize),
    FixedResponse,
    DeleteProduct,
    DeletePreProduct,
    /// The pre-product rule forwards to this.
    PreProduct(usize),
    /// A rule of somebody's forwards to this group too; or no more.
    Stranger(usize),
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
            guarded: broken.is_none_or(|b| b.0 != Promise::NoChangeWithoutLease),
            judged_of: 1,
            planner: Planner::new(count, broken),
            outlooks: Outlooks::default(),
        }
    }

    /// The account after these calls, made one after the other without a fault.
    pub fn after(&self, from: Aws, calls: &[Ask]) -> (Aws, History) {
        let (mut aws, mut history) = (from, History::NEW);
        for ask in calls {
            let _ = crate::calm::insist(&self.planner, &mut aws, &mut history, *ask, self.count);
            crate::calm::calm(&mut aws, &mut history, HOUR);
        }
        (aws, history)
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
            How::Works | How::Hidden | How::AnswerLost => {
                if let Step::Launch { release, launch } = step
                    && !apply::has_room(&state.aws, *release, *launch)
                {
                    return None;
                }
                let applied = apply::apply(&mut state.aws, step, how != How::Hidden);
                state.history.watch(&before, &state.aws, work.ask, &work.glance, holds, step, self.count);
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

    fn edits(&self, state: &State, actions: &mut Vec<Action>) {
        let aws = &state.aws;
        let groups = (0..self.releases).filter(|r| aws.groups[*r].is_some());
        if aws.product.is_some() {
            for group in groups.clone() {
                actions.push(Action::Edits(Edit::Only(group)));
                actions.push(Action::Edits(Edit::Half(group)));
            }
            actions.push(Action::Edits(Edit::FixedResponse));
            actions.push(Action::Edits(Edit::DeleteProduct));
        }
        if aws.pre_product.is_some() {
            actions.push(Action::Edits(Edit::DeletePreProduct));
            for group in groups.clone() {
                actions.push(Action::Edits(Edit::PreProduct(group)));
            }
        }
        for group in groups {
            actions.push(Action::Edits(Edit::Stranger(group)));
        }
    }

    fn edit(state: &mut State, edit: Edit) -> Option<()> {
        let before = state.aws;
        let aws = &mut state.aws;
        match edit {
            Edit::Only(group) => aws.product.as_mut()?.forward = Forward::only(group),
            Edit::Half(group) => {
                let rule = aws.product.as_mut()?;
                let other = (0..=STRANGER).find(|g| *g != group && rule.forward.serves(*g))?;
                rule.forward = rule.forward.with(group, Weight::Half).with(other, Weight::Half);
            }
            Edit::FixedResponse => aws.product.as_mut()?.forward = Forward::Other,
            Edit::DeleteProduct => aws.product = None,
            Edit::DeletePreProduct => aws.pre_product = None,
            Edit::PreProduct(group) => aws.pre_product.as_mut()?.forward = Forward::only(group),
            Edit::Stranger(group) => {
                aws.stranger = match aws.stranger {
                    None => Some(u8::try_from(group).ok()?),
                    Some(_) => None,
                };
            }
        }
        for rule in [before.product, before.pre_product].into_iter().flatten() {
            apply::let_go(aws, rule.forward);
        }
        if *aws == before {
            return None;
        }
        state.history.edited(&state.aws);
        for caller in &mut state.callers {
            if let Caller::Works(work) = caller {
                work.glance.outdated = true;
            }
        }
        Some(())
    }
}

fn shows(aws: &mut Aws) {
    aws.instances.iter_mut().flatten().flatten().for_each(|i| i.shown = true);
    aws.groups.iter_mut().flatten().for_each(|g| g.shown = true);
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
                let makes = matches!(what, Step::Launch { .. } | Step::CreateGroup { .. });
                if makes && budget.hidden > 0 {
                    how(How::Hidden);
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
        let hidden = aws.instances.iter().flatten().flatten().any(|i| !i.shown);
        if hidden || aws.groups.iter().flatten().any(|g| !g.shown) {
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

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = *last;
        let aws = &mut next.aws;
        match action {
            Action::Call(ask) => {
                let caller = (0..self.callers).find(|c| last.callers[*c] == Caller::Idle)?;
                aws.lease = Some(Lease { owner: u8::try_from(caller).ok()?, age: 0 });
                // Reads lag for seconds; from one call to the next they have caught up.
                shows(aws);
                if next.budget.calls != u8::MAX {
                    next.budget.calls -= 1;
                }
                self.begin(&mut next, caller, ask, Memory::default());
            }
            Action::Step { caller, step, how } => {
                match how {
                    How::Works => {}
                    How::Hidden => next.budget.hidden -= 1,
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
            Action::Shown => shows(aws),
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
            let judged = self.outlooks.judge(&self.planner, &next.aws, &next.history, &self.menu, self.count);
            next.history.broken = judged;
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        macro_rules! promises {
            ($($promise:ident),* $(,)?) => {
                vec![$(Property::always(Promise::$promise.words(), |_: &Self, state: &State| {
                    state.history.broken != Some(Promise::$promise)
                })),*]
            };
        }
        promises![
            HealthyWhenSwitched,
            NothingServedGoes,
            OneServes,
            RejectedNeverServesAgain,
            LateDuplicatesChangeNoTraffic,
            SettledBeforeDeregistered,
            DrainedBeforeDeleted,
            NothingOfOthers,
            NoMoreInstances,
            SeenByQa,
            NoChangeWithoutLease,
            NeverByInference,
            TagsBeforeTheRule,
            RejectionStands,
            NoTrafficUnasked,
            GoneStaysGone,
            EveryCallEnds,
            NothingLeftBehind,
            EverybodyTold,
        ]
    }
}

impl Account {
    fn is_judged(&self, aws: &Aws) -> bool {
        self.judged_of <= 1 || (crate::quick::hash(aws) >> 20).is_multiple_of(self.judged_of)
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
