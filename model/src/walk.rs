//! One long history at random: what a list of numbers makes happen, so that it can be made shorter.

use stateright::Model;

use crate::account::Account;
use crate::happens::{Action, How, State};

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
