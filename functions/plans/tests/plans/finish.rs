//! `finish`, row by row.

use domain::plan::Step;
use domain::tags::{self, Role, Tags};

use crate::build::world;
use crate::course::{finish, promote, rollback, sweep};
use crate::explain::explain;

#[test]
fn r_is_product_it_is_tagged_kept_first_and_retired_and_rejected_releases_go() {
    let account = world().product("r2").retired("r1").rejected("r0").pre_product("r3").later(60);
    insta::assert_snapshot!(explain(&account.plan(&finish("r2"))), @"
    1. tag the group of r2: kept
    look again
    ");
    let course = account.call(&finish("r2"));
    insta::assert_snapshot!(course.story(), @"
    1. tag the group of r2: kept
    look again
    ---
    1. the product rule forwards to r2 100
    2. read the product rule back
    3. tag the rule product: since (may follow later)
    4. tag the group of r0: out
    look again
    ---
    1. tag the group of r1: out
    look again
    ---
    wait for the rule change to reach every load-balancer node, 16 s more
    ---
    wait for the rule change to reach every load-balancer node, 11 s more
    ---
    wait for the rule change to reach every load-balancer node, 6 s more
    ---
    wait for the rule change to reach every load-balancer node, 1 s more
    ---
    wait for requests under way to end on i-r1-1, i-r1-2, i-r0-1, i-r0-2
    ---
    1. deregister i-r1-1, i-r1-2 from the group of r1
    2. deregister i-r0-1, i-r0-2 from the group of r0
    look again
    ---
    wait for requests under way to end on i-r1-1, i-r1-2, i-r0-1, i-r0-2
    ---
    1. delete the group of r1
    2. terminate i-r1-1, i-r1-2
    3. delete the group of r0
    4. terminate i-r0-1, i-r0-2
    look again
    ---
    done: release r2 is kept: what was before it is gone
    ");
    let account = course.done();
    assert_eq!(
        (account.role("r0"), account.role("r1"), account.role("r2")),
        ("gone".into(), "gone".into(), "product".into())
    );
    assert_eq!(
        (account.role("r3"), account.forwards("pre-product")),
        ("pre-product".into(), "r3 100".into()),
        "a newer pre-product is left alone"
    );
    assert_eq!(account.forwards("product"), "r2 100");
    assert!(account.tags_of("r2").iter().any(|tags| tags.contains_key(tags::KEPT)));
}

#[test]
fn nothing_is_left_to_be_kept_done() {
    let account = world().product("r1").call(&finish("r1")).done();
    let course = account.call(&finish("r1"));
    assert!(course.steps.is_empty(), "{}", course.story());
    insta::assert_snapshot!(course.ended(), @"done: release r1 is kept: what was before it is gone");
}

#[test]
fn what_went_before_kept_was_written_can_be_gone_back_to() {
    let denied: crate::account::Denied =
        |step| matches!(step, Step::TagGroup { tags, .. } if tags.contains_key(tags::KEPT));
    let course = world().product("r2").retired("r1").denies(denied).call(&finish("r2"));
    assert!(course.end.is_none(), "{}", course.story());
    let account = course.account.call(&rollback("r2")).done();
    assert_eq!(account.forwards("product"), "r1 100");
}

#[test]
fn a_group_is_still_behind_a_load_balancer_done_it_is_left_standing_and_told_once_a_day() {
    let account = world().product("r2").retired("r1").held("r1").later(60);
    let course = account.call(&finish("r2"));
    insta::assert_snapshot!(course.ended(), @"
    done: release r2 is kept, and not all that was before it could go
      mobile-web-6bceede43806 of r1 is still behind a load balancer: it is left standing until that lets it go
    ");
    let account = course.done();
    insta::assert_snapshot!(account.notices.last().unwrap().text("eu-central-1"), @"
    mobile-web-6bceede43806 is still behind a load balancer, so it is left standing.
    Its rules of Pointsman's are gone; a rule somewhere else forwards to it.

    Where to look
      Product  m.example.com

    What to do next
      - Take the group out of that rule; the sweep then drains and removes it.

    Service   mobile-web
    Asked by  nobody: Pointsman noticed it
    Status    attention (group-left)
    ");
    assert_eq!((account.paid("r1"), account.notices.len()), (2, 1));
    let account = account.later(3_600).call(&sweep()).done().call(&finish("r2")).done();
    assert_eq!(account.notices.len(), 1);
    let mut account = account.later(90_000).call(&sweep()).done();
    assert_eq!((account.notices.len(), account.paid("r1")), (2, 2));
    account.groups.values_mut().for_each(|group| group.held = false);
    assert_eq!(account.call(&sweep()).done().role("r1"), "gone", "the sweep removes it once it is let go");
}

#[test]
fn r_is_retired_a_newer_release_is_product_done_nothing_is_torn_down_r_is_the_way_back() {
    let course = world().product("r2").retired("r1").call(&finish("r1"));
    assert!(course.steps.is_empty(), "{}", course.story());
    insta::assert_snapshot!(course.ended(), @"done: r1 is the way back of r2: nothing is torn down");
}

#[test]
fn r_is_neither_refused_with_what_is_product_and_why_r_went() {
    let account = world().product("r2").retired("r1").pre_product("r3");
    insta::assert_snapshot!(account.call(&finish("r3")).refused(), @"release r3 is not product: r2 is");
    insta::assert_snapshot!(world().adopted(&["i-theirs"]).pre_product("r3").call(&finish("r3")).refused(), @"release r3 is not product: the adopted target group is");
    insta::assert_snapshot!(world().call(&finish("r9")).refused(), @"release r9 is not product: nothing is");
}

#[test]
fn r_is_rejected_refused_with_why() {
    insta::assert_snapshot!(world().product("r1").rejected("r2").call(&finish("r2")).refused(), @"release r2 was rejected (it was bad): a new execution is needed (a retry keeps this one's id)");
}

#[test]
fn r_is_being_promoted_waiting_and_at_last_refused_for_a_job_must_not_hang() {
    let account = world().product("r1").promoting("r2", 10);
    for release in ["r1", "r2"] {
        insta::allow_duplicates!(
            insta::assert_snapshot!(account.clone().call_once(&finish(release)).waiting(), @"the promotion of r2 to end")
        );
    }
    assert!(account.later(661).call(&finish("r2")).refused().contains("promote r2"));
}

#[test]
fn a_retired_release_out_of_the_rule_goes_too() {
    let account = world().product("r2").retired("r1").stands("r0", Role::Retired).call(&finish("r2")).done();
    assert_eq!((account.role("r0"), account.role("r1")), ("gone".into(), "gone".into()));
}

#[test]
fn the_retired_releases_servers_died_and_are_forgotten_its_group_goes_all_the_same() {
    let account = world().product("r2").retired("r1").dies("r1", 2).forgets().call(&finish("r2")).done();
    assert_eq!(account.forwards("product"), "r2 100");
    // No server and no rule leads to the group any more: the sweep finds it by the tagging API.
    let account = account.call(&sweep()).done();
    assert_eq!((account.role("r1"), account.groups.len()), ("gone".into(), 1));
}

#[test]
fn the_release_after_a_kept_one_has_its_way_back() {
    let account = world().product("r2").retired("r1").call(&finish("r2")).done();
    let account = account.pre_product("r3").call(&promote("r3")).done();
    assert_eq!(account.forwards("product"), "r3 100, r2 0");
    assert_eq!(account.call(&rollback("r3")).done().forwards("product"), "r2 100");
}

#[test]
fn the_tags_of_what_was_before_cannot_follow_it_goes_by_traffic_and_not_before_they_do() {
    let denied: crate::account::Denied = |step| {
        let role = |tags: &Tags| tags.contains_key(tags::ROLE);
        matches!(step, Step::TagInstances { .. }) || matches!(step, Step::TagGroup { tags, .. } if role(tags))
    };
    let switched = world().product("r1").pre_product("r2").denies(denied).call(&promote("r2")).done();
    let course = switched.call(&finish("r2"));
    assert!(!course.story().contains("is kept"), "{}", course.story());
    let mut account = course.account;
    assert_eq!(account.paid("r1"), 2);
    account.denied.clear();
    assert_eq!(account.call(&finish("r2")).done().paid("r1"), 0);
}

#[test]
fn when_a_group_was_out_before_it_came_into_a_rule_again_says_nothing_of_its_next_leaving() {
    let long_ago = (world().now + -86_400).to_string();
    let account = world().product("r2").retired("r1").later(60);
    let account = account.tagged("r2", tags::KEPT, &long_ago).tagged("r1", tags::OUT, &long_ago);
    let course = account.call(&finish("r2"));
    insta::assert_snapshot!(course.story(), @"
    1. tag the group of r1: out (may follow later)
    2. the product rule forwards to r2 100
    3. read the product rule back
    4. tag the rule product: since (may follow later)
    look again
    ---
    1. tag the group of r1: out
    look again
    ---
    wait for the rule change to reach every load-balancer node, 16 s more
    ---
    wait for the rule change to reach every load-balancer node, 11 s more
    ---
    wait for the rule change to reach every load-balancer node, 6 s more
    ---
    wait for the rule change to reach every load-balancer node, 1 s more
    ---
    wait for requests under way to end on i-r1-1, i-r1-2
    ---
    1. deregister i-r1-1, i-r1-2 from the group of r1
    look again
    ---
    wait for requests under way to end on i-r1-1, i-r1-2
    ---
    1. delete the group of r1
    2. terminate i-r1-1, i-r1-2
    look again
    ---
    done: release r2 is kept: what was before it is gone
    ");
}

#[test]
fn what_a_rule_without_our_tags_names_is_neither_drained_nor_terminated() {
    for which in ["product", "pre-product"] {
        // By somebody's hand the rule has lost its tags, and sends a rejected release requests.
        let mut account = world().product("r2").pre_product("r3").tagged_as("r3", Role::Rejected);
        account = account.tagged("r3", tags::REASON, "it was bad").tagged("r3", tags::TOLD, "2026-11-21T10:00:00Z");
        if which == "product" {
            account = account.without_rule("pre-product").without_rule("product").weighs("r3", 100);
        }
        let rule = account.rule(which).unwrap().arn.clone();
        account.rules.get_mut(&rule).unwrap().tags.clear();
        for account in [account.clone(), without_its_groups_tags(account)] {
            let account = account.later(100_000).call(&sweep()).done();
            assert_eq!((account.paid("r3"), account.groups.len()), (2, 2), "{which}");
            let targets = account.groups.values().flat_map(|group| group.targets.values());
            assert!(targets.into_iter().all(|target| target.drains_until.is_none()), "{which}");
        }
    }
}

fn without_its_groups_tags(mut account: crate::account::Account) -> crate::account::Account {
    let group = account.group_of("r3").unwrap();
    account.groups.get_mut(&group).unwrap().tags.clear();
    account
}
