//! One long history at random: what a list of numbers makes happen, so that it can be made shorter.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use stateright::Model;

use crate::account::Account;
use crate::happens::{Action, How, State};
use crate::{quick, story};

/// Follows the numbers from one of the starts: each picks what happens next. Stops where a promise is broken.
pub fn walk(account: &Account, start: usize, choices: &[u16]) -> Vec<(State, Option<Action>)> {
    let mut starts = account.init_states();
    let mut state = starts.swap_remove(start % starts.len());
    let mut history = Vec::new();
    for choice in choices {
        let mut actions = Vec::new();
        account.actions(&state, &mut actions);
        let Some(action) = pick(&actions, usize::from(*choice)) else { break };
        let Some(next) = account.next_state(&state, action) else { continue };
        history.push((state, Some(action)));
        state = next;
    }
    history.push((state, None));
    history
}

/// Callers go on more often than anything happens to them; else no call would ever come to its end.
fn pick(actions: &[Action], choice: usize) -> Option<Action> {
    let goes_on = |a: &&Action| matches!(a, Action::Step { how: How::Works, .. } | Action::GoesOn(_));
    let calls = |a: &&Action| matches!(a, Action::Call(_));
    let calm = |a: &&Action| {
        matches!(
            a,
            Action::ComesUp { .. }
                | Action::Healthy { .. }
                | Action::Drained { .. }
                | Action::LetGo(_)
                | Action::Passes(_)
        )
    };
    let (kind, which) = (choice % 16, choice / 16);
    let of = |wanted: &dyn Fn(&&Action) -> bool| actions.iter().filter(wanted).copied().collect::<Vec<_>>();
    let some = match kind {
        0..=8 => of(&goes_on),
        9..=11 => of(&calls),
        12..=14 => of(&calm),
        _ => of(&|_| true),
    };
    let some = if some.is_empty() { actions.to_vec() } else { some };
    (!some.is_empty()).then(|| some[which % some.len()])
}

/// What walking at random came to.
#[derive(Debug)]
pub struct Walked {
    pub name: &'static str,
    pub steps: usize,
    /// Different states, by their hash.
    pub distinct: usize,
    pub longest: usize,
    pub took: Duration,
    /// The first history that breaks a promise.
    pub broken: Option<String>,
}

/// How long a history is.
const LENGTH: u64 = 400;

/// Follows so many histories at random: the same ones each time.
pub fn at_random(account: &Account, count: u64, threads: u64) -> Walked {
    let started = Instant::now();
    let walk_some = &|first: u64| {
        let mut walked =
            Walked { name: account.name, steps: 0, distinct: 0, longest: 0, took: Duration::ZERO, broken: None };
        let mut seen = HashSet::new();
        for number in (first..count).step_by(usize::try_from(threads).unwrap_or(1)) {
            let random = |place: u64| quick::hash(&(number, place, number ^ place)).rotate_left(23);
            let choices: Vec<u16> = (1..=LENGTH).map(|place| (random(place) % 65_536) as u16).collect();
            let history = walk(account, usize::try_from(random(0) % 97).unwrap_or_default(), &choices);
            walked.steps += history.len();
            walked.longest = walked.longest.max(history.len());
            seen.extend(history.iter().map(|(state, _)| quick::hash(state)));
            if history.last().is_some_and(|(state, _)| state.history.broken.is_some()) {
                walked.broken = Some(story::tell(&history));
                break;
            }
        }
        (walked, seen)
    };
    let parts: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|first| scope.spawn(move || walk_some(first))).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let mut seen = HashSet::new();
    let mut all = Walked { name: account.name, steps: 0, distinct: 0, longest: 0, took: Duration::ZERO, broken: None };
    for (part, states) in parts {
        all.steps += part.steps;
        all.longest = all.longest.max(part.longest);
        all.broken = all.broken.or(part.broken);
        seen.extend(states);
    }
    Walked { distinct: seen.len(), took: started.elapsed(), ..all }
}
