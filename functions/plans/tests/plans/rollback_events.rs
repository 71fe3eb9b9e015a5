//! `rollback` as events ask for it: which releases they spare, and how far they go.

use domain::plan::Step;
use domain::request::RollbackScope::{self, TrafficOnly, UnlessItWasProduct};
use domain::tags::{self, Role};

use crate::account::Account;
use crate::build::world;
use crate::course::{Course, event, finish, promote, sweep};

/// The event leaves the release alone: done, and nothing is changed.
fn ignores(account: Account, release: &str, scope: RollbackScope) -> Course {
    let course = account.call(&event(release, scope));
    assert!(course.steps.is_empty(), "{}", course.story());
    assert!(course.ended().starts_with("done"), "{}", course.ended());
    course
}

#[test]
fn an_execution_ended_its_release_never_had_all_of_the_weight_it_gives_back_what_it_has_and_goes() {
    let pre_product = world().product("r1").pre_product("r2");
    let promoting = world().product("r1").promoting("r2", 10);
    let servers = world().product("r1").provisioned("r2");
    for account in [pre_product, promoting, servers] {
        let course = account.later(60).call(&event("r2", UnlessItWasProduct));
        assert!(course.waits.is_empty(), "nobody calls an event again: {}", course.story());
        let account = course.done();
        assert_eq!((account.role("r2"), account.forwards("product")), ("rejected".into(), "r1 100".into()));
        assert_eq!(account.forwards("pre-product"), "no rule");
        let account = account.call(&sweep()).done();
        assert_eq!((account.role("r2"), account.paid("r2")), ("gone".into(), 0), "the sweep does the rest");
    }
}

#[test]
fn an_execution_ended_its_release_is_product_or_retired_it_is_left_alone() {
    ignores(world().product("r2").retired("r1"), "r2", UnlessItWasProduct);
    ignores(world().product("r2").retired("r1"), "r1", UnlessItWasProduct);
    ignores(world().product("r2").stands("r1", Role::Retired), "r1", UnlessItWasProduct);
}

#[test]
fn an_execution_ended_its_release_is_product_while_the_next_is_promoted_it_is_left_alone() {
    ignores(world().product("r1").promoting("r2", 10), "r1", UnlessItWasProduct);
}

#[test]
fn an_execution_ended_its_release_is_product_and_the_tags_lag_behind_it_is_left_alone() {
    let account = world().product("r2").tagged_as("r2", Role::PreProduct).retired("r1");
    let account = account.call(&event("r2", UnlessItWasProduct)).done();
    assert_eq!((account.role("r2"), account.forwards("product")), ("product".into(), "r2 100, r1 0".into()));
}

#[test]
fn an_approval_was_rejected_its_release_is_product_traffic_is_back_and_the_sweep_does_the_rest() {
    let course = world().product("r2").retired("r1").later(60).call(&event("r2", TrafficOnly));
    assert!(course.waits.is_empty(), "{}", course.story());
    insta::assert_snapshot!(course.ended(), @"
    done: release r2 is rejected; product is r1; its servers go with the next sweep
      Why: it answers 500.
    ");
    let account = course.done();
    assert_eq!(
        (account.forwards("product"), account.role("r2"), account.paid("r2")),
        ("r1 100".into(), "rejected".into(), 2)
    );
    assert_eq!(account.call(&sweep()).done().role("r2"), "gone");
}

#[test]
fn an_approval_was_rejected_its_release_is_retired_it_is_rejected_and_goes() {
    let account = world().product("r2").retired("r1").later(60).call(&event("r1", TrafficOnly)).done();
    assert_eq!(account.role("r1"), "rejected");
    let account = account.call(&sweep()).done();
    assert_eq!((account.role("r1"), account.forwards("product")), ("gone".into(), "r2 100".into()));
}

#[test]
fn a_release_that_was_kept_is_ignored_by_every_event() {
    let account = world().product("r2").retired("r1").call(&finish("r2")).done();
    ignores(account.clone(), "r2", TrafficOnly);
    ignores(account.clone(), "r2", UnlessItWasProduct);
    let retired = account.pre_product("r3").call(&promote("r3")).done();
    ignores(retired, "r2", TrafficOnly);
}

#[test]
fn something_that_is_not_ours_or_is_gone_is_ignored() {
    for scope in [TrafficOnly, UnlessItWasProduct] {
        ignores(world().product("r1"), "r9", scope);
        ignores(world().product("r2").stands("r1", Role::Retired).call(&sweep()).done(), "r1", scope);
    }
}

#[test]
fn the_event_comes_twice_people_are_told_once() {
    let account = world().product("r2").retired("r1").call(&event("r2", TrafficOnly)).done();
    let course = account.call(&event("r2", TrafficOnly));
    assert!(course.steps.is_empty(), "{}", course.story());
    assert_eq!(course.account.notices.len(), 1);
    let account = course.done().call(&sweep()).done();
    assert_eq!(account.notices.len(), 1);
    ignores(account, "r2", TrafficOnly);
}

#[test]
fn the_rollback_was_cut_off_before_people_were_told_who_finds_it_tells() {
    let denied: crate::account::Denied = |step| matches!(step, Step::Tell(_));
    let mut account = world().product("r2").retired("r1").denies(denied).call(&event("r2", TrafficOnly)).account;
    assert_eq!((account.forwards("product"), account.notices.len()), ("r1 100".into(), 0));
    account.denied.clear();
    let account = account.call(&event("r2", TrafficOnly)).done();
    assert_eq!(account.notices.len(), 1);
    assert!(account.tags_of("r2").iter().all(|tags| tags.contains_key(tags::TOLD)));
}

#[test]
fn an_event_finds_nothing_to_go_back_to_refused_and_nothing_is_written() {
    for account in [world().product("r1"), world().product("r1").retired("r0").unhealthy("r0", 2)] {
        let course = account.call(&event("r1", TrafficOnly));
        course.refused();
        assert_eq!(course.account.role("r1"), "product");
    }
}

#[test]
fn an_approval_was_not_answered_in_time_only_what_is_product_is_rolled_back() {
    let account = world().product("r2").retired("r1").pre_product("r3").later(60);
    for release in ["r1", "r3", "r9"] {
        ignores(account.clone(), release, RollbackScope::OnlyProduct);
    }
    let account = account.call(&event("r2", RollbackScope::OnlyProduct)).done();
    assert_eq!((account.role("r2"), account.forwards("product")), ("rejected".into(), "r1 100".into()));
    // Nobody gives all customers what is still being promoted.
    ignores(world().product("r1").promoting("r2", 10), "r1", RollbackScope::OnlyProduct);
}
