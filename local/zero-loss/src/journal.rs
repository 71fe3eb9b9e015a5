//! What happened when: promotions, rollbacks, what was done to disturb them, and when targets were let go.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use gateway::Call;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;

/// Something that happened to a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    Promoted,
    RolledBack,
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
        self.pages().moments.push(Moment { at: Instant::now(), site, what, release: release.to_owned() });
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

    /// Notes deregistered targets for as long as the set lives.
    #[must_use]
    pub fn follow(&self, mut calls: broadcast::Receiver<Call>) -> JoinSet<()> {
        let journal = self.clone();
        let mut following = JoinSet::new();
        following.spawn(async move {
            loop {
                match calls.recv().await {
                    Ok(call) if call.action == "DeregisterTargets" && call.ok() => journal.lets_go(&call),
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                }
            }
        });
        following
    }

    fn lets_go(&self, call: &Call) {
        let ago: Duration = SystemTime::now().duration_since(call.at).unwrap_or_default();
        let at = Instant::now().checked_sub(ago).unwrap_or_else(Instant::now);
        for instance in call.resource.split(',').map(str::trim).filter(|name| name.starts_with("i-")) {
            self.let_go_at(instance, at);
        }
    }

    /// Notes when an instance was deregistered; the first time counts.
    pub(crate) fn let_go_at(&self, instance: &str, at: Instant) {
        self.pages().let_go.entry(instance.to_owned()).or_insert(at);
    }
}
