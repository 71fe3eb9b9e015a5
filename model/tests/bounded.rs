//! A bounded part of `make model`.

use model::ask::{Ask, Verb};
use model::aws::Aws;
use model::explore::{caught, explore};
use model::promises::Promise;
use model::{cuts, scenarios};

#[test]
fn one_release_one_caller_any_calls_a_crash_anywhere() {
    let explored = explore(scenarios::small(1, None), None, 1);
    assert!(explored.broken.is_empty(), "{}", explored.broken.join("\n"));
    assert!(explored.complete && explored.distinct > 100_000, "{explored:?}");
}

#[test]
fn two_callers_as_far_as_the_bound() {
    let explored = explore(scenarios::two_callers(2, u8::MAX), Some(300_000), 1);
    assert!(explored.broken.is_empty(), "{}", explored.broken.join("\n"));
}

#[test]
fn faults_of_aws_as_far_as_the_bound() {
    let explored = explore(scenarios::faults(2, None), Some(120_000), 1);
    assert!(explored.broken.is_empty(), "{}", explored.broken.join("\n"));
}

#[test]
fn people_edit_rules_as_far_as_the_bound() {
    let explored = explore(scenarios::people(2, None), Some(120_000), 1);
    assert!(explored.broken.is_empty(), "{}", explored.broken.join("\n"));
}

#[test]
fn the_checker_can_fail() {
    for promise in [
        Promise::HealthyWhenSwitched,
        Promise::SettledBeforeDeregistered,
        Promise::NoChangeWithoutLease,
        Promise::NothingLeftBehind,
        Promise::EverybodyTold,
    ] {
        assert!(caught(promise).is_some(), "not caught: {}", promise.words());
    }
}

/// Each function in each scenario, cut off at each step in each way.
#[test]
fn a_call_cut_off_anywhere_comes_to_the_same_end() {
    for count in [1, 2] {
        let account = scenarios::calm(count);
        let call = Ask::new;
        let ship = |release| [Verb::Provision, Verb::Register, Verb::Promote].map(|verb| call(verb, release));
        let ([p1, r1, s1], [p2, r2, s2], [p3, r3, s3]) = (ship(0), ship(1), ship(2));
        let one = [p1, r1, s1];
        let two = [p1, r1, s1, p2, r2, s2];
        let three = [p1, r1, s1, p2, r2, s2, p3, r3, s3];
        let scenarios: [(&[Ask], Aws, &[Verb]); 7] = [
            (&one, Aws::EMPTY, &[]),
            (&one, scenarios::adopted(), &[Verb::Finish, Verb::Rollback, Verb::EventRollback]),
            (&two[..4], Aws::EMPTY, &[Verb::Rollback, Verb::ExecutionFailed, Verb::EventRollback]),
            (&two[..5], Aws::EMPTY, &[Verb::Rollback, Verb::ExecutionFailed, Verb::EventRollback]),
            (
                &two,
                Aws::EMPTY,
                &[Verb::Finish, Verb::Rollback, Verb::EventRollback, Verb::ExecutionFailed, Verb::Remove],
            ),
            (&three[..8], Aws::EMPTY, &[Verb::Rollback]),
            (&three, Aws::EMPTY, &[Verb::Finish, Verb::Rollback, Verb::Remove]),
        ];
        let mut points = 0;
        for (calls, from, ends) in scenarios {
            for (at, ask) in calls.iter().enumerate() {
                let start = account.after(from, &calls[..at]);
                points += cuts::everywhere(&account, start, *ask).unwrap_or_else(|why| panic!("{why}"));
            }
            for verb in ends {
                let last = calls.last().map_or(0, |ask| ask.release);
                let start = account.after(from, calls);
                points += cuts::everywhere(&account, start, call(*verb, last)).unwrap_or_else(|why| panic!("{why}"));
            }
        }
        println!("{points} points of {count} servers a release");
        assert!(points > 500, "{points}");
    }
}
