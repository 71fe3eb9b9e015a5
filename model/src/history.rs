//! What the checker remembers where the world forgets.

use crate::ask::{Ask, Verb};
use crate::aws::{Age, Aws, DAYS, GROUPS, Life, NEW, RELEASES, Role};
use crate::promises::Promise;

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

/// What the config asks for, as far as promises are about it.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Instances of a release.
    pub count: u8,
    /// Whether a promotion goes in steps.
    pub steps: bool,
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

    pub fn breaks(&mut self, promise: Promise) {
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

    /// A call ends without wait.
    pub fn ends(&mut self, ask: Ask, failed: bool) {
        match ask.verb {
            Verb::Remove if !failed => self.past.iter_mut().for_each(|past| past.told |= past.rejected),
            Verb::Sweep => {}
            _ if failed => self.past[ask.release].told = true,
            _ => {}
        }
    }
}
