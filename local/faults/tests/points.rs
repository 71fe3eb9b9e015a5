//! Some of the points, and that one where nobody comes back is seen.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::Arc;

use faults::ask::Ask;
use faults::cut::{Cut, Way};
use faults::names::{Name, Names};
use faults::points::{self, Wanted, quick};
use faults::run::{self, At};
use faults::scenario::SCENARIOS;
use faults::together;
use local::standing::Standing;
use local::{Options, Stack};

/// Tries every so-manieth point of a scenario.
async fn some_converge(scenario: usize, every: usize) {
    let wanted = Wanted { filters: Vec::new(), every };
    let report = points::try_all(&SCENARIOS[scenario..=scenario], &wanted, |line| println!("{line}")).await.unwrap();
    assert!(report.failed.is_empty(), "{}", report.failed.join("\n\n"));
    let tried: usize = report.tallies.values().map(|tally| tally.tried).sum();
    assert!(tried > 10, "only {tried} points were tried");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_release_that_is_cut_off_anywhere_ends_the_same() {
    some_converge(0, 23).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_after_the_switch_that_is_cut_off_anywhere_ends_the_same() {
    some_converge(4, 19).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_at_the_same_time_end_as_one_after_the_other() {
    let report = together::try_rounds(10, |line| println!("{line}")).await.unwrap();
    assert!(report.failed.is_empty(), "{}", report.failed.join("\n\n"));
    assert_eq!(report.rounds, 10);
    assert!(report.met > 0, "nobody met a busy lease");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_without_a_lease_are_seen() {
    let seen = together::without_lease().await.unwrap();
    assert!(seen.is_some_and(|seen| seen.contains(" while ")), "two calls without a lease got in each other's way");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_comes_back_to_is_seen() {
    let stack = Stack::start(Options { change: quick, retry_scale: 0.0, ..Options::scripted() }).await.unwrap();
    let account = stack.account();
    let standing = Standing::look(&stack.aws("LOOK"), &account.listener_arn, &account.zone_id).await.unwrap();
    let names = Arc::new(Names::of(account, &standing));
    let ask = Ask::Provision("r1");
    let peace = run::run(&stack, &names, ask, None).await.unwrap();
    assert!(peace.end.differences(&run::run(&stack, &names, ask, None).await.unwrap().end).is_empty());

    let is_launch = |name: &Name| name.action == "RunInstances";
    let name = peace.calls.iter().map(|call| names.of_call(call)).find(is_launch).unwrap();
    let at = At { name, nth: 1, cut: Cut::KilledAfter, way: Way::Nobody };
    let cut = run::run(&stack, &names, ask, Some(&at)).await.unwrap();
    assert!(cut.struck);
    let differences = peace.end.differences(&cut.end);
    assert!(!differences.is_empty(), "{:#?}", cut.end);
}
