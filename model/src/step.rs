//! A plan of `plans`, in as few bytes as its steps need: what a caller carries out.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Mutex;

use crate::aws::{Age, Forward, Instances, Role, Token, Which};

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Launch {
        release: usize,
        launch: Token,
    },
    Associate {
        instance: Instances,
        address: usize,
    },
    CreateGroup {
        release: usize,
        since: Age,
    },
    Register {
        group: usize,
        targets: Instances,
    },
    Deregister {
        group: usize,
        targets: Instances,
    },
    DeleteGroup {
        group: usize,
    },
    CreateRule {
        which: Which,
        variant: u8,
        forward: Forward,
        since: Option<(Age, Forward)>,
    },
    ModifyRule {
        which: Which,
        forward: Forward,
        variant: Option<u8>,
    },
    /// Priority or conditions alone.
    FollowConfig {
        which: Which,
        variant: u8,
        moves: bool,
    },
    DeleteRule {
        which: Which,
    },
    ReadBack {
        which: Which,
        forward: Forward,
    },
    TagInstances {
        instances: Instances,
        mark: Mark,
    },
    TagGroup {
        group: usize,
        mark: Mark,
    },
    TagRule {
        which: Which,
        mark: RuleMark,
    },
    Terminate {
        instances: Instances,
    },
    ChangeName {
        name: usize,
        from: Option<Instances>,
        to: Option<Instances>,
    },
    /// Tells of a release that was rejected.
    TellRejected {
        release: usize,
    },
    /// Tells of a concern: its bit.
    TellConcern {
        concern: u8,
    },
    RememberTold {
        concern: u8,
    },
    /// Changes what is not ours; no plan has it, but a broken one.
    TouchStranger,
}

/// Tags to be written on an instance or group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mark {
    Role {
        role: Role,
        since: Age,
        removed: bool,
    },
    Told,
    Kept,
    Out(Age),
    /// It is in a rule again.
    In,
}

/// Tags to be written on a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RuleMark {
    Since(Age, Forward),
    Told(u8),
}

/// Steps side by side.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stage {
    pub steps: Vec<Step>,
    /// Whether the rest depends on them.
    pub stop: bool,
}

/// What follows the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    Look,
    LookForLaunch,
    Wait,
    Done,
    Refuse,
    /// And whether people were told by a step before.
    Fail {
        told: bool,
    },
}

/// A plan.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Script {
    pub stages: Vec<Stage>,
    pub end: End,
    /// The end in words, shortened, for stories.
    pub words: String,
}

/// A plan that is kept once, however many states hold it.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    pub script: &'static Script,
    hash: u64,
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.script, other.script)
    }
}

impl Eq for Kept {}

impl Hash for Kept {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

static ALL: Mutex<Option<HashMap<Script, Kept>>> = Mutex::new(None);

/// Keeps a plan. There are some thousands of different ones; they live as long as the process.
pub fn keep(script: Script) -> Kept {
    let mut all = ALL.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let all = all.get_or_insert_default();
    if let Some(kept) = all.get(&script) {
        return *kept;
    }
    let mut hasher = DefaultHasher::new();
    script.hash(&mut hasher);
    let kept = Kept { script: Box::leak(Box::new(script.clone())), hash: hasher.finish() };
    all.insert(script, kept);
    kept
}
