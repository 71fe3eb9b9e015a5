//! The promises about steps, written once and without the plans: a watcher that sees every step as it happens.

use crate::apply::slots;
use crate::ask::{Ask, Verb};
use crate::aws::{Aws, Forward, GROUPS, Life, MINUTES, RELEASES, Role, STRANGER, Target, Weight, Which, bit};
use crate::history::{Asked, Glance, History, Past};
use crate::promises::Promise;
use crate::step::{Mark, Step};

impl History {
    /// A call is about to carry out a step: is anything broken by it?
    #[expect(clippy::too_many_arguments, reason = "all of them are what a step is judged by")]
    pub fn watch(
        &mut self,
        before: &Aws,
        after: &Aws,
        ask: Ask,
        glance: &Glance,
        holds: bool,
        step: &Step,
        asked: Asked,
    ) {
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
                    if after.alive(release) > asked.count {
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
                if before.rule(which).is_some_and(|rule| !rule.ours) && !glance.outdated {
                    self.breaks(Promise::NothingOfOthers);
                }
            }
            Step::TouchStranger => self.breaks(Promise::NothingOfOthers),
            Step::TellRejected { release } => self.past[release].told = true,
            Step::Associate { instance, address } => {
                if ![0, instance].contains(&before.addresses[address]) {
                    self.breaks(Promise::NothingOfOthers);
                }
            }
            Step::CreateGroup { .. }
            | Step::ReadBack { .. }
            | Step::ChangeName { .. }
            | Step::TellConcern { .. }
            | Step::RememberTold { .. } => {}
        }
        for which in [Which::Product, Which::PreProduct] {
            let theirs = before.rule(which).is_some_and(|rule| !rule.ours) && !glance.outdated;
            if theirs && before.rule(which) != after.rule(which) {
                self.breaks(Promise::NothingOfOthers);
            }
        }
        if matches!(step, Step::CreateRule { .. } | Step::ModifyRule { .. }) {
            self.sees(after);
        }
    }

    fn is_rejected(&self, group: usize) -> bool {
        group < RELEASES && self.past[group].rejected
    }

    fn product_rule(&mut self, before: Forward, after: Forward, ask: Ask, glance: &Glance, asked: Asked) {
        // Two that somebody's hand gave weight may keep it; we give it to none beside another.
        let by_hand = (0..GROUPS).all(|g| !after.serves(g) || before.weights()[g] == after.weights()[g]);
        // The pair of one promotion: the one that is promoted, and what is product meanwhile.
        let was_product = |g: usize| g != ask.release && (before.serves(g) || !after.serves(g));
        let pair = asked.steps
            && ask.verb == Verb::Promote
            && after.serving() == 2
            && after.serves(ask.release)
            && (glance.outdated || (0..GROUPS).all(|g| g == ask.release || was_product(g)));
        if (after.serving() > 1 && !by_hand && !pair) || after == Forward::Other {
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
        asked: Asked,
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
        let asked = if group == STRANGER { 1 } else { asked.count };
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
            // Who deletes the product rule leaves only tags to say what was product; promote makes the rule of it again.
            let lost = before.product.is_none() && before.marks(group).any(|marks| marks.role == Role::Product);
            let late = before.serves(group) || (group < RELEASES && self.past[group].retired && !lost);
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
        } else if living && (before.in_a_rule_of_ours(group) || self.out[group] < MINUTES) {
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
                        Verb::EventRollback | Verb::AlarmRollback => asked_for && !past.kept,
                        Verb::ExecutionFailed => asked_for && !past.served && !past.kept,
                        Verb::Provision | Verb::Sweep => !in_service,
                        // One that serves and of which no server is healthy, or too few for too long.
                        Verb::Promote => asked_for && before.serves(release) && !past.put_away,
                        Verb::Register | Verb::Finish => false,
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
            Mark::Told | Mark::Out(_) | Mark::In => {}
        }
    }
}
