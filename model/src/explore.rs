//! Explores an account with the model checker, and says what was found.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model};

use crate::account::Account;
use crate::broken::Breakage;
use crate::promises::Promise;
use crate::{scenarios, story};

/// What an exploration came to.
#[derive(Debug)]
pub struct Explored {
    pub name: &'static str,
    pub distinct: usize,
    pub transitions: usize,
    pub depth: usize,
    pub took: Duration,
    /// Different looks that were planned for, and worlds that were driven to their ends.
    pub looks: usize,
    pub ends: usize,
    /// Whether every state that can be reached was seen.
    pub complete: bool,
    /// Histories that break a promise.
    pub broken: Vec<String>,
}

/// Explores breadth first, until everything was seen or so many transitions were made.
pub fn explore(account: Account, transitions: Option<usize>, threads: usize) -> Explored {
    let started = Instant::now();
    let builder = account.checker().threads(threads);
    let builder = match transitions {
        Some(count) => builder.target_state_count(count),
        None => builder,
    };
    let checker = builder.spawn_bfs().join();
    let model = checker.model();
    let discoveries = checker.discoveries().into_iter();
    Explored {
        name: model.name,
        distinct: checker.unique_state_count(),
        transitions: checker.state_count(),
        depth: checker.max_depth(),
        took: started.elapsed(),
        looks: model.planner.looks(),
        ends: model.outlooks.known(),
        complete: transitions.is_none_or(|count| checker.state_count() < count),
        broken: discoveries.map(|(promise, path)| format!("{promise}\n{}", story::tell(&path.into_vec()))).collect(),
    }
}

/// Breaks the plans for a promise, and gives the shortest history in which the checker catches it.
pub fn caught(promise: Promise) -> Option<String> {
    let broken = Some(Breakage(promise));
    let mut account = match promise {
        Promise::NoTrafficUnasked => scenarios::faults(2, broken),
        Promise::HealthyWhenSwitched
        | Promise::NothingServedGoes
        | Promise::OneServes
        | Promise::RejectedNeverServesAgain
        | Promise::LateDuplicatesChangeNoTraffic
        | Promise::SeenByQa
        | Promise::TagsBeforeTheRule
        | Promise::RejectionStands => scenarios::small(2, broken),
        Promise::SettledBeforeDeregistered
        | Promise::DrainedBeforeDeleted
        | Promise::NothingOfOthers
        | Promise::NoMoreInstances
        | Promise::NoChangeWithoutLease
        | Promise::NeverByInference
        | Promise::GoneStaysGone
        | Promise::EveryCallEnds
        | Promise::NothingLeftBehind
        | Promise::EverybodyTold => scenarios::small(1, broken),
    };
    account.budget.crashes = 0;
    // What breaks at once is not to be found by what it comes to.
    let at_the_end = [Promise::EveryCallEnds, Promise::NothingLeftBehind, Promise::EverybodyTold].contains(&promise);
    account.judged_of = if at_the_end { 1 } else { u64::MAX };
    let wanted = BTreeSet::from([promise.words()]);
    let checker =
        account.checker().finish_when(HasDiscoveries::AllOf(wanted)).target_state_count(6_000_000).spawn_bfs().join();
    checker.discovery(promise.words()).map(|path| story::tell(&path.into_vec()))
}
