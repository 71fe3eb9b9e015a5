//! When faults stop: calls are made again until they end, and the sweep comes until nothing changes.

use std::sync::{Mutex, PoisonError};

use crate::apply::{self, Applied};
use crate::ask::{Ask, Verb};
use crate::aws::{
    Age, Aws, Forward, GROUPS, HOUR, Instances, Lease, Life, MINUTES, RELEASES, Role, Rule, SETTLED, Sight, THEIRS,
    Target, bit,
};
use crate::history::{Asked, Glance, History};
use crate::planner::{Memory, Planner};
use crate::promises::Promise;
use crate::quick::{self, Table};
use crate::step::End;

/// How often the runner looks in one call.
const ROUNDS: usize = 12;
/// How often a step may find the world changed in one call.
const AGAIN: usize = 3;
/// How often a job is called again before it must have ended.
const CALLS: usize = 24;
/// After so many calls its time has run out.
const PATIENCE: usize = 8;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Waits,
    Answers,
    Failed,
    /// It looked again and again.
    Circles,
}

/// Makes one call without faults.
pub fn call(planner: &Planner, aws: &mut Aws, history: &mut History, ask: Ask, asked: Asked) -> Ended {
    let mut memory = Memory::default();
    let mut again = 0;
    for _ in 0..ROUNDS {
        aws.lease = Some(Lease { owner: 0, age: 0 });
        history.sees(aws);
        let plan = planner.plan(aws, ask, memory).script;
        let glance = Glance::at(aws);
        let mut look_again = false;
        for stage in &plan.stages {
            let mut failed = false;
            let mut here = false;
            for step in &stage.steps {
                let before = *aws;
                let applied = apply::apply(aws, step, Sight::Shown);
                history.watch(&before, aws, ask, &glance, true, step, asked);
                here |= applied == Applied::LookAgain;
                failed |= applied == Applied::Error && stage.stop;
            }
            if failed {
                aws.lease = None;
                return Ended::Failed;
            }
            look_again |= here;
            if here && stage.stop {
                break;
            }
        }
        if look_again {
            again += 1;
            if again > AGAIN {
                aws.lease = None;
                return Ended::Waits;
            }
            continue;
        }
        let ended = match plan.end {
            End::Look => continue,
            End::LookForLaunch => {
                memory.launch = true;
                continue;
            }
            End::Wait => Ended::Waits,
            End::Done | End::Refuse => Ended::Answers,
            End::Fail { .. } => Ended::Failed,
        };
        if ended != Ended::Waits {
            history.ends(ask, ended == Ended::Failed);
        }
        aws.lease = None;
        return ended;
    }
    aws.lease = None;
    Ended::Circles
}

/// Everything comes up, is healthy where it is checked, and drains; and some time passes.
pub fn calm(aws: &mut Aws, history: &mut History, at_least: Age) {
    for release in 0..RELEASES {
        let named = aws.in_a_rule(release);
        for slot in 0..aws.instances[release].len() {
            if let Some(instance) = &mut aws.instances[release][slot]
                && instance.life == Life::Pending
            {
                instance.life = Life::Running;
            }
            let runs = aws.instances[release][slot].is_some_and(|i| i.life == Life::Running);
            let Some(group) = &mut aws.groups[release] else { continue };
            group.held &= named;
            match group.targets[slot] {
                Some(Target::Draining) => group.targets[slot] = None,
                Some(Target::Initial | Target::Sick) if runs && named => group.targets[slot] = Some(Target::Healthy),
                _ => {}
            }
        }
        if let Some(group) = &mut aws.groups[release] {
            group.held &= named;
        }
    }
    history.pass(aws, at_least);
    aws.pass(at_least);
}

/// Calls until there is an answer. `None` if there never is one.
pub fn insist(planner: &Planner, aws: &mut Aws, history: &mut History, mut ask: Ask, asked: Asked) -> Option<Ended> {
    for tried in 0..CALLS {
        match call(planner, aws, history, ask, asked) {
            Ended::Waits => {
                let age = if tried > PATIENCE {
                    HOUR
                } else if tried > 2 {
                    MINUTES
                } else {
                    SETTLED
                };
                calm(aws, history, age);
                ask.late |= tried > PATIENCE && matches!(ask.verb, Verb::Provision | Verb::Register | Verb::Promote);
            }
            Ended::Circles => return None,
            ended @ (Ended::Answers | Ended::Failed) => return Some(ended),
        }
    }
    None
}

/// What became of a world after faults stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outlook {
    pub broken: Option<Promise>,
    /// Whose people were told on the way, a bit each.
    pub told: u8,
}

const SHARDS: usize = 64;

/// Outlooks, each looked for once.
pub struct Outlooks {
    known: Vec<Mutex<Table<Aws, Outlook>>>,
}

impl Default for Outlooks {
    fn default() -> Self {
        Self { known: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }
}

impl Outlooks {
    /// What a state comes to: the first promise about ends that it breaks.
    pub fn judge(
        &self,
        planner: &Planner,
        aws: &Aws,
        history: &History,
        menu: &[Ask],
        asked: Asked,
    ) -> Option<Promise> {
        let mut key = *aws;
        key.lease = None;
        let shard = quick::shard(&key, SHARDS);
        let known = self.known[shard].lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
        let outlook = known.unwrap_or_else(|| {
            let outlook = outlook(planner, &key, menu, asked);
            self.known[shard].lock().unwrap_or_else(PoisonError::into_inner).insert(key, outlook);
            outlook
        });
        let untold = |r: usize| history.past[r].rejected && !history.past[r].told && outlook.told & (1 << r) == 0;
        outlook.broken.or_else(|| (0..RELEASES).any(untold).then_some(Promise::EverybodyTold))
    }

    /// How many worlds were driven to their ends.
    pub fn known(&self) -> usize {
        self.known.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }
}

fn outlook(planner: &Planner, aws: &Aws, menu: &[Ask], asked: Asked) -> Outlook {
    let mut shown = *aws;
    shown.show();
    let aws = &shown;
    for ask in menu {
        let (mut world, mut history) = (*aws, History::NEW);
        if insist(planner, &mut world, &mut history, *ask, asked).is_none() {
            return Outlook { broken: Some(Promise::EveryCallEnds), told: 0 };
        }
    }
    let (mut world, mut history) = (*aws, History::NEW);
    sweep_up(planner, &mut world, &mut history, asked);
    world.over = (1 << RELEASES) - 1;
    sweep_up(planner, &mut world, &mut history, asked);
    // What was kept for a look inside goes when its time is over.
    calm(&mut world, &mut history, HOUR);
    sweep_up(planner, &mut world, &mut history, asked);
    // One that serves on for want of anything else is told of as that, day by day.
    let serves_on = world.product.is_some_and(|rule| rule.told & 0b10 != 0) || world.told & 0b10 != 0;
    let strange = is_strange(&world);
    let is_told = |r: &usize| strange || history.past[*r].told || (serves_on && world.serves(*r));
    let told = (0..RELEASES).filter(is_told).fold(0, |all, r| all | 1 << r);
    Outlook { broken: left_behind(&world).then_some(Promise::NothingLeftBehind), told }
}

/// Sweeps until nothing changes, with time between.
pub fn sweep_up(planner: &Planner, aws: &mut Aws, history: &mut History, asked: Asked) {
    let sweep = Ask::new(Verb::Sweep, 0);
    for round in 0..24 {
        let before = *aws;
        let _ = call(planner, aws, history, sweep, asked);
        calm(aws, history, if round > 16 { HOUR } else { MINUTES });
        if *aws == before {
            break;
        }
    }
}

/// Whether a rule does what it is never made to do: nothing is removed until somebody puts it right.
fn is_strange(aws: &Aws) -> bool {
    let in_service = |group: usize| {
        let role = (group < RELEASES).then(|| aws.groups[group]).flatten().map(|group| group.marks.role);
        matches!(role, Some(Role::Product | Role::Retired))
    };
    let product = |rule: Rule| !rule.ours || rule.forward == Forward::Other || rule.forward.serving() != 1;
    // At QA's priority of another config, it may be the customers' with the wrong tag.
    let pre_product =
        |rule: Rule| rule.variant != aws.config && (0..GROUPS).any(|g| rule.forward.names(g) && in_service(g));
    aws.product.is_some_and(product) || (aws.product.is_none() && aws.pre_product.is_some_and(pre_product))
}

/// Whether an instance that stands has this bit.
fn is_held(aws: &Aws, holder: Instances) -> bool {
    crate::view::all().any(|(r, s)| bit(r, s) == holder && aws.is_alive(r, s))
}

/// Whether something stands, after the sweeps, that no live release owns.
fn left_behind(aws: &Aws) -> bool {
    if is_strange(aws) || aws.stranger.is_some() {
        // That is told.
        return false;
    }
    let owned = |release: usize| {
        if release >= RELEASES {
            return true;
        }
        let in_rule = aws.product.is_some_and(|rule| rule.forward.names(release));
        let roles: Vec<Role> = aws.marks(release).map(|m| m.role).collect();
        let rejected = roles.contains(&Role::Rejected);
        // By somebody's hand it may have lost its rule; nobody tears it down by inference, and it is told.
        let lost = roles.contains(&Role::Product) || (aws.product.is_none() && roles.contains(&Role::Retired));
        // Or somebody's hand put it behind the pre-product rule; that is told too.
        let by_hand = aws.pre_product.is_some_and(|rule| rule.forward.names(release)) && roles.contains(&Role::Retired);
        aws.serves(release) || (!rejected && (in_rule || lost || by_hand))
    };
    let stands = (0..RELEASES).any(|r| aws.stands(r) && !owned(r));
    let rule = aws.pre_product.is_some_and(|rule| (0..GROUPS).any(|g| rule.forward.names(g) && !owned(g)));
    let product = (0..RELEASES).any(|r| aws.stands(r)) || aws.product.is_some();
    let address = aws.addresses.iter().any(|holder| ![0, THEIRS].contains(holder) && !is_held(aws, *holder));
    stands || rule || address || aws.names[1].is_some() || (aws.names[0].is_some() && !product)
}
