//! What is promised, written once and without the plans: a watcher that sees every step as it happens, and remembers
//! what the world forgets.

use crate::apply::slots;
use crate::ask::{Ask, Verb};
use crate::aws::{
    Age, Aws, DAYS, Forward, GROUPS, Life, NEW, RELEASES, Role, SETTLED, STRANGER, Target, Weight, Which, bit,
};
use crate::step::{Mark, Step};

/// A promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Promise {
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
}

impl Promise {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::HealthyWhenSwitched,
        Self::NothingServedGoes,
        Self::OneServes,
        Self::RejectedNeverServesAgain,
        Self::LateDuplicatesChangeNoTraffic,
        Self::SettledBeforeDeregistered,
        Self::DrainedBeforeDeleted,
        Self::NothingOfOthers,
        Self::NoMoreInstances,
        Self::SeenByQa,
        Self::NoChangeWithoutLease,
        Self::NeverByInference,
        Self::TagsBeforeTheRule,
        Self::RejectionStands,
        Self::NoTrafficUnasked,
        Self::GoneStaysGone,
        Self::EveryCallEnds,
        Self::NothingLeftBehind,
        Self::EverybodyTold,
    ];

    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::HealthyWhenSwitched => "weight goes only to groups that were healthy when looked at for the switch",
            Self::NothingServedGoes => "nothing with weight is drained, deregistered or terminated",
            Self::OneServes => "never two releases with weight",
            Self::RejectedNeverServesAgain => "a rejected release never serves again, customers or QA",
            Self::LateDuplicatesChangeNoTraffic => "a late duplicate of an old job changes no traffic",
            Self::SettledBeforeDeregistered => "nothing is deregistered before its rule change has settled",
            Self::DrainedBeforeDeleted => "no group is deleted, no target terminated before it is drained",
            Self::NothingOfOthers => "nothing without our tags is touched",
            Self::NoMoreInstances => "no more instances of a release than configured",
            Self::SeenByQa => "a promoted release is one that the pre-product rule served",
            Self::NoChangeWithoutLease => "nobody changes anything without a lease that has time left",
            Self::NeverByInference => "one that was ever product loses its servers only when a call put it away",
            Self::TagsBeforeTheRule => "a release leaves the product rule only after its tags say why",
            Self::RejectionStands => "only what may be rejected is, and a rejection is never taken back",
            Self::NoTrafficUnasked => "only promote, a rollback and a rejected release's end move customers",
            Self::GoneStaysGone => "what was torn down or rejected is not launched again",
            Self::EveryCallEnds => "when faults stop, every call ends",
            Self::NothingLeftBehind => "when faults stop, nothing is left that no live release owns",
            Self::EverybodyTold => "when faults stop, the people of every rejected release were told",
        }
    }
}

/// What is remembered of a release.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Past {
    /// The pre-product rule forwarded to it.
    pub seen: bool,
    /// It had all of the weight, and some call saw it.
    pub served: bool,
    /// It had the weight, and another has it now.
    pub retired: bool,
    /// Its tags said retired or rejected.
    pub put_away: bool,
    /// Its tags said rejected.
    pub rejected: bool,
    /// Its tags said kept.
    pub kept: bool,
    /// Its people were told that it was rejected or failed.
    pub told: bool,
}

/// What the checker remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct History {
    pub past: [Past; RELEASES],
    /// Since when no rule of ours names a group.
    pub out: [Age; RELEASES],
    /// A promise that was broken.
    pub broken: Option<Promise>,
    /// Whether anybody edited a rule by hand.
    pub edited: bool,
}

/// What a call saw when it looked, as far as promises are about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Glance {
    /// Healthy targets of each group.
    pub healthy: [u8; GROUPS],
    /// Whether somebody changed a rule by hand since.
    pub outdated: bool,
}

impl Glance {
    pub fn at(aws: &Aws) -> Self {
        let mut healthy = [0; GROUPS];
        for (group, healthy) in healthy.iter_mut().enumerate() {
            if aws.in_a_rule(group) {
                *healthy = aws.healthy(group);
            }
        }
        Self { healthy, outdated: false }
    }
}

impl History {
    /// Nothing happened yet; no group was ever in a rule.
    pub const NEW: Self = Self {
        past: [Past {
            seen: false,
            served: false,
            retired: false,
            put_away: false,
            rejected: false,
            kept: false,
            told: false,
        }; RELEASES],
        out: [DAYS; RELEASES],
        broken: None,
        edited: false,
    };

    fn breaks(&mut self, promise: Promise) {
        self.broken.get_or_insert(promise);
    }

    /// Somebody looks, or a rule was written: what it serves now is known.
    pub fn sees(&mut self, aws: &Aws) {
        for release in 0..RELEASES {
            let past = &mut self.past[release];
            past.seen |= aws.pre_product.is_some_and(|rule| rule.forward.names(release));
            if let Some(rule) = aws.product {
                if rule.forward.serves(release) && rule.forward.serving() == 1 {
                    past.served = true;
                    past.retired = false;
                } else if past.served && rule.forward.serving() > 0 && !rule.forward.serves(release) {
                    past.retired = true;
                }
            }
            if aws.in_a_rule_of_ours(release) {
                self.out[release] = NEW;
            }
        }
    }

    /// Time passes.
    pub fn pass(&mut self, aws: &Aws, at_least: Age) {
        for release in 0..RELEASES {
            if !aws.in_a_rule_of_ours(release) {
                self.out[release] = self.out[release].max(at_least);
            }
        }
    }

    /// Somebody changed a rule by hand: what it served is known only where tags have said so.
    pub fn edited(&mut self, aws: &Aws) {
        self.edited = true;
        for release in 0..RELEASES {
            if !aws.marks(release).any(|m| matches!(m.role, Role::Product | Role::Retired)) {
                self.past[release].served = false;
                self.past[release].retired = false;
            }
        }
    }

    /// An instance died by somebody's hand, or EC2 forgot one: a rejection that stood on it alone goes with it.
    pub fn forgets(&mut self, before: &Aws, after: &Aws) {
        for release in 0..RELEASES {
            let knew = before.marks(release).any(|m| m.role == Role::Rejected);
            let knows = after.marks(release).any(|m| m.role == Role::Rejected);
            if knew && !knows && after.stands(release) {
                self.past[release].rejected = false;
                self.past[release].put_away = after.marks(release).any(|m| m.role == Role::Retired);
            }
            let group = after.groups[release].map(|g| g.marks.role);
            let lives = after.instances[release].iter().flatten().filter(|i| i.life != Life::Terminated);
            let roles = lives.map(|i| i.marks.role).chain(group);
            if !roles.into_iter().any(|role| matches!(role, Role::Product | Role::Retired)) && !after.serves(release) {
                // What died was all that said so, and no rule does.
                self.past[release].served = false;
                self.past[release].retired = false;
            }
            // Nobody finds what does not stand any more.
            self.past[release].told |= knew && before.stands(release) && !after.stands(release);
        }
    }

    /// A call is about to carry out a step: is anything broken by it?
    #[expect(clippy::too_many_arguments, reason = "all of them are what a step is judged by")]
    pub fn watch(&mut self, before: &Aws, after: &Aws, ask: Ask, glance: &Glance, holds: bool, step: &Step, asked: u8) {
        let tells = matches!(step, Step::TellRejected { .. } | Step::TellConcern { .. } | Step::ReadBack { .. });
        if !holds && !tells {
            self.breaks(Promise::NoChangeWithoutLease);
        }
        match *step {
            Step::CreateRule { which: Which::Product, .. } | Step::ModifyRule { which: Which::Product, .. } => {
                let none = Forward::To([Weight::Absent; GROUPS]);
                let forward = |aws: &Aws| aws.product.map_or(none, |rule| rule.forward);
                if forward(before) != forward(after) {
                    self.product_rule(forward(before), forward(after), ask, glance, asked);
                }
            }
            Step::CreateRule { which: Which::PreProduct, forward, .. }
            | Step::ModifyRule { which: Which::PreProduct, forward, .. } => {
                if !glance.outdated {
                    self.pre_product_rule(before, forward, ask);
                }
            }
            Step::DeleteRule { which: Which::Product } => {
                if before.product.is_some() && ask.verb != Verb::Remove {
                    self.breaks(Promise::NoTrafficUnasked);
                }
            }
            Step::DeleteRule { which: Which::PreProduct } => self.pre_product_goes(before, ask),
            Step::Deregister { group, targets } => self.deregister(before, group, targets, glance),
            Step::DeleteGroup { group } => self.delete_group(before, group, glance),
            Step::Terminate { instances } => {
                for release in (0..RELEASES).filter(|r| slots(*r, instances).next().is_some()) {
                    self.terminate(before, release, instances, glance);
                }
            }
            Step::Launch { release, .. } => {
                if before.marks(release).next().is_none() {
                    // No tag remembers it; and its client tokens let AWS launch nothing twice into a subnet for a day.
                    self.past[release] = Past::default();
                }
                if after.alive(release) > before.alive(release) {
                    if after.alive(release) > asked {
                        self.breaks(Promise::NoMoreInstances);
                    }
                    let past = self.past[release];
                    if past.put_away || past.rejected {
                        self.breaks(Promise::GoneStaysGone);
                    }
                }
            }
            Step::TagInstances { instances, mark } => {
                for release in (0..RELEASES).filter(|r| slots(*r, instances).next().is_some()) {
                    let was = slots(release, instances).filter_map(|s| before.instances[release][s]);
                    let was_rejected = was.into_iter().any(|i| i.marks.role == Role::Rejected);
                    self.tag(before, release, mark, was_rejected, ask, glance.outdated);
                }
            }
            Step::TagGroup { group, mark } => {
                if group == STRANGER {
                    self.breaks(Promise::NothingOfOthers);
                } else {
                    let was_rejected = before.groups[group].is_some_and(|g| g.marks.role == Role::Rejected);
                    self.tag(before, group, mark, was_rejected, ask, glance.outdated);
                }
            }
            Step::Register { group, .. } => {
                if group == STRANGER {
                    self.breaks(Promise::NothingOfOthers);
                }
            }
            Step::TagRule { which, .. } | Step::FollowConfig { which, .. } => {
                if before.rule(which).is_some_and(|rule| !rule.ours) {
                    self.breaks(Promise::NothingOfOthers);
                }
            }
            Step::TouchStranger => self.breaks(Promise::NothingOfOthers),
            Step::TellRejected { release } => self.past[release].told = true,
            Step::CreateGroup { .. }
            | Step::ReadBack { .. }
            | Step::ChangeName { .. }
            | Step::TellConcern { .. }
            | Step::RememberTold { .. } => {}
        }
        for which in [Which::Product, Which::PreProduct] {
            if before.rule(which).is_some_and(|rule| !rule.ours) && before.rule(which) != after.rule(which) {
                self.breaks(Promise::NothingOfOthers);
            }
        }
        if matches!(step, Step::CreateRule { .. } | Step::ModifyRule { .. }) {
            self.sees(after);
        }
    }

    /// A call ends without wait.
    pub fn ends(&mut self, ask: Ask, failed: bool) {
        match ask.verb {
            Verb::Remove if !failed => self.past.iter_mut().for_each(|past| past.told |= past.rejected),
            Verb::Sweep => {}
            _ if failed => self.past[ask.release].told = true,
            _ => {}
        }
    }

    fn is_rejected(&self, group: usize) -> bool {
        group < RELEASES && self.past[group].rejected
    }

    fn product_rule(&mut self, before: Forward, after: Forward, ask: Ask, glance: &Glance, asked: u8) {
        // Two that somebody's hand gave weight may keep it; we give it to none beside another.
        let by_hand = (0..GROUPS).all(|g| !after.serves(g) || before.weights()[g] == after.weights()[g]);
        if (after.serving() > 1 && !by_hand) || after == Forward::Other {
            self.breaks(Promise::OneServes);
        }
        let loser = (0..GROUPS).find(|g| before.serves(*g) && !after.serves(*g));
        let loser_rejected = loser.is_some_and(|l| self.is_rejected(l));
        for group in 0..GROUPS {
            let gains =
                after.serves(group) && (!before.serves(group) || before.weights()[group] < after.weights()[group]);
            if gains {
                self.gains(group, before, loser, loser_rejected, ask, glance, asked);
            }
            let leaves = before.names(group) && !after.names(group);
            if leaves && group < RELEASES {
                let by_rollback = ask.is_rollback() && ask.release == group;
                if !(self.past[group].put_away || by_rollback || glance.outdated) {
                    self.breaks(Promise::TagsBeforeTheRule);
                }
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "all of them are what a switch is judged by")]
    fn gains(
        &mut self,
        group: usize,
        before: Forward,
        loser: Option<usize>,
        loser_rejected: bool,
        ask: Ask,
        glance: &Glance,
        asked: u8,
    ) {
        // Where a rejected release loses its weight to what stood behind it, nothing is promoted, whoever mends that.
        let mended = loser_rejected && before.names(group);
        let promoted = group < RELEASES && ask.is_about(Verb::Promote, group) && !mended;
        if glance.outdated {
            // Somebody changed the rule since it was looked at, and ModifyRule has no condition: the next look finds it.
            return;
        }
        if promoted && !self.past[group].seen && !before.names(group) {
            self.breaks(Promise::SeenByQa);
        }
        let healthy = glance.healthy[group];
        let asked = if group == STRANGER { 1 } else { asked };
        let losers = loser.map_or(0, |l| glance.healthy[l]);
        let enough = healthy >= asked || (!promoted && healthy >= 1 && healthy >= losers);
        if !enough {
            self.breaks(Promise::HealthyWhenSwitched);
        }
        if self.is_rejected(group) {
            self.breaks(Promise::RejectedNeverServesAgain);
        }
        if promoted {
            // Whoever points the pre-product rule by hand at what is retired has it seen again.
            if self.past[group].retired && !before.serves(group) && !self.edited {
                self.breaks(Promise::LateDuplicatesChangeNoTraffic);
            }
        } else {
            let asked_for = ask.is_rollback() && loser == Some(ask.release);
            if !(asked_for || loser_rejected) {
                self.breaks(Promise::NoTrafficUnasked);
            }
        }
    }

    fn pre_product_rule(&mut self, before: &Aws, forward: Forward, ask: Ask) {
        for group in (0..GROUPS).filter(|g| forward.names(*g)) {
            if self.is_rejected(group) {
                self.breaks(Promise::RejectedNeverServesAgain);
            }
            let late = before.serves(group) || (group < RELEASES && self.past[group].retired);
            if late || !ask.is_about(Verb::Register, group) {
                self.breaks(Promise::LateDuplicatesChangeNoTraffic);
            }
        }
    }

    fn pre_product_goes(&mut self, before: &Aws, ask: Ask) {
        let Some(rule) = before.pre_product else { return };
        let may = |group: usize| {
            self.is_rejected(group)
                || before.serves(group)
                || ask.verb == Verb::Remove
                || (ask.is_rollback() && ask.release == group)
        };
        if (0..GROUPS).any(|g| rule.forward.names(g) && !may(g)) && !self.edited {
            self.breaks(Promise::NoTrafficUnasked);
        }
    }

    fn deregister(&mut self, before: &Aws, group: usize, targets: u16, glance: &Glance) {
        if group == STRANGER {
            self.breaks(Promise::NothingOfOthers);
            return;
        }
        if glance.outdated {
            return;
        }
        // A target whose server is gone serves nobody.
        let living = slots(group, targets).any(|slot| before.is_alive(group, slot));
        if before.serves(group) {
            self.breaks(Promise::NothingServedGoes);
        } else if living && (before.in_a_rule_of_ours(group) || self.out[group] < SETTLED) {
            self.breaks(Promise::SettledBeforeDeregistered);
        }
    }

    fn delete_group(&mut self, before: &Aws, group: usize, glance: &Glance) {
        if group == STRANGER {
            self.breaks(Promise::NothingOfOthers);
            return;
        }
        if glance.outdated {
            return;
        }
        if before.serves(group) {
            self.breaks(Promise::NothingServedGoes);
        }
        let lives = |slot: usize| before.instances[group][slot].is_some_and(|i| i.life != Life::Terminated);
        if let Some(found) = before.groups[group]
            && found.targets.iter().enumerate().any(|(slot, target)| target.is_some() && lives(slot))
        {
            self.breaks(Promise::DrainedBeforeDeleted);
        }
    }

    fn terminate(&mut self, before: &Aws, release: usize, instances: u16, glance: &Glance) {
        if glance.outdated {
            return;
        }
        let past = self.past[release];
        if before.product.is_some_and(|rule| rule.forward.names(release)) {
            self.breaks(Promise::NothingServedGoes);
        }
        if !(past.put_away || past.rejected) {
            self.breaks(Promise::NeverByInference);
        }
        let targets = before.groups[release].map(|g| g.targets).unwrap_or_default();
        let in_use = |slot: usize| {
            matches!(targets[slot], Some(Target::Healthy | Target::Draining | Target::Sick | Target::Initial))
                && before.is_alive(release, slot)
                && instances & bit(release, slot) != 0
        };
        if (0..targets.len()).any(in_use) {
            self.breaks(Promise::DrainedBeforeDeleted);
        }
    }

    fn tag(&mut self, before: &Aws, release: usize, mark: Mark, was_rejected: bool, ask: Ask, outdated: bool) {
        match mark {
            Mark::Role { role: Role::Rejected, .. } => {
                let past = self.past[release];
                if !past.rejected {
                    let asked_for = ask.release == release && ask.verb != Verb::Sweep;
                    let in_service = past.served || before.serves(release);
                    let may = match ask.verb {
                        Verb::Remove => true,
                        Verb::Rollback => asked_for && !(past.kept && before.serves(release)),
                        Verb::EventRollback => asked_for && !past.kept,
                        Verb::ExecutionFailed => asked_for && !past.served && !past.kept,
                        Verb::Provision | Verb::Sweep => !in_service,
                        Verb::Register | Verb::Promote | Verb::Finish => false,
                    };
                    if !(may || outdated) {
                        self.breaks(Promise::RejectionStands);
                    }
                }
                self.past[release].rejected = true;
                // Nobody finds what does not stand any more.
                self.past[release].told |= !before.stands(release);
                self.past[release].put_away = true;
            }
            Mark::Role { role, .. } => {
                if was_rejected {
                    self.breaks(Promise::RejectionStands);
                }
                if role == Role::Retired {
                    self.past[release].put_away = true;
                } else if role == Role::Product {
                    // It serves again: nobody put it away any more.
                    self.past[release].put_away = false;
                }
            }
            Mark::Kept => self.past[release].kept = true,
            Mark::Told | Mark::Out(_) => {}
        }
    }
}
