//! What happened when: promotions, rollbacks, what was done to disturb them, and when targets were let go.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Something that happened to a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// It has so much of the product rule's weight now, in percent: the moment of AWS's answer.
    Weight(u32),
    /// The product rule sends everything to this release again.
    Back,
    Promoted,
    /// Traffic was put back; by a call, or by an alarm.
    RolledBack,
    /// An alarm of its service went off.
    Alarm,
    /// And nobody put traffic back by it.
    AlarmInVain,
    /// Promoted while the release before was still settling.
    FollowedAtOnce,
    /// A promote was killed, and the next call took over.
    CutOff,
    /// A server of the release that was to get the traffic, or had just got it, was killed.
    KilledNew,
    /// A server of the release that was to lose the traffic, or to get it back, was killed.
    KilledOld,
    Finished,
}

impl What {
    /// Whether customers got another release by it.
    #[must_use]
    pub fn is_switch(self) -> bool {
        matches!(self, Self::Promoted | Self::RolledBack)
    }
}

/// Something that happened.
#[derive(Clone, Debug)]
pub struct Moment {
    pub at: Instant,
    pub site: usize,
    pub what: What,
    pub release: String,
}

#[derive(Debug, Default)]
struct Pages {
    moments: Vec<Moment>,
    /// When an instance was first let go of.
    let_go: BTreeMap<String, Instant>,
    /// When a release lost its weight in the product rule, if it has none.
    left: BTreeMap<String, Instant>,
}

/// The journal. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Journal(Arc<Mutex<Pages>>);

impl Journal {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that something happened now.
    pub fn note(&self, site: usize, what: What, release: &str) {
        self.note_at(site, what, release, Instant::now());
    }

    /// Notes that something happened then.
    pub(crate) fn note_at(&self, site: usize, what: What, release: &str, at: Instant) {
        self.pages().moments.push(Moment { at, site, what, release: release.to_owned() });
    }

    /// Whether a release ever had any of the product rule's weight.
    #[must_use]
    pub fn has_had_weight(&self, release: &str) -> bool {
        self.pages().moments.iter().any(|moment| moment.release == release && matches!(moment.what, What::Weight(_)))
    }

    /// All that happened so far.
    #[must_use]
    pub fn moments(&self) -> Vec<Moment> {
        self.pages().moments.clone()
    }

    /// How often something happened so far to one of so many first sites: those that Pointsman releases.
    #[must_use]
    pub fn count_of(&self, what: What, sites: usize) -> usize {
        self.pages().moments.iter().filter(|moment| moment.what == what && moment.site < sites).count()
    }

    /// When an instance was first deregistered.
    #[must_use]
    pub fn let_go(&self, instance: &str) -> Option<Instant> {
        self.pages().let_go.get(instance).copied()
    }

    /// When a release lost its weight in the product rule, if it has none.
    #[must_use]
    pub fn left(&self, release: &str) -> Option<Instant> {
        self.pages().left.get(release).copied()
    }

    /// Notes that a release has weight in the product rule from then on, or has none any more.
    pub(crate) fn has_weight(&self, release: &str, weight: bool, at: Instant) {
        let left = &mut self.pages().left;
        if weight {
            left.remove(release);
        } else {
            left.insert(release.to_owned(), at);
        }
    }

    /// Notes when an instance was deregistered; the first time counts.
    pub(crate) fn let_go_at(&self, instance: &str, at: Instant) {
        self.pages().let_go.entry(instance.to_owned()).or_insert(at);
    }
}
